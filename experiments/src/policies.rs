//! The list of every policy and what is known of each, from the core's own tables.

use std::fmt::Write as _;

use fairhaul_core::{choke, pick, sched};
use serde_json::json;

/// One policy, as the tables of the core describe it.
struct Policy {
    kind: &'static str,
    name: &'static str,
    about: &'static str,
    source: &'static str,
    /// In what it departs from its source; empty if in nothing.
    departs: &'static str,
    /// What is assumed where the source does not say; empty if nothing is.
    assumed: &'static str,
    /// The rule in a few sentences; empty where `about` says it all.
    rule: &'static str,
}

impl Policy {
    const fn new(
        kind: &'static str,
        name: &'static str,
        about: &'static str,
        source: &'static str,
    ) -> Self {
        Self {
            kind,
            name,
            about,
            source,
            departs: "",
            assumed: "",
            rule: "",
        }
    }

    fn of_choker(kind: &'static str, name: &'static str, row: &choke::ChokerRow) -> Self {
        Self {
            departs: row.departs,
            assumed: row.assumed,
            rule: row.rule,
            ..Self::new(kind, name, row.about, row.source)
        }
    }

    /// What is known of where it comes from, each with its heading.
    fn notes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let notes = [
            ("source", self.source),
            ("departs", self.departs),
            ("assumed", self.assumed),
        ];
        notes.into_iter().filter(|(_, text)| !text.is_empty())
    }
}

/// Every policy by kind: name, what it does, where it comes from, in what it departs from that and
/// what is assumed. As JSON or as a table.
#[must_use]
pub fn list(as_json: bool) -> String {
    let all = rows();
    if as_json {
        let rows: Vec<_> = all
            .iter()
            .map(|row| {
                json!({
                    "kind": row.kind, "name": row.name, "about": row.about, "source": row.source,
                    "departs": row.departs, "assumed": row.assumed, "rule": row.rule,
                })
            })
            .collect();
        return format!("{:#}\n", json!(rows));
    }
    let width = all.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut last = "";
    for row in all {
        if row.kind != last {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", heading(row.kind));
            last = row.kind;
        }
        let _ = writeln!(text, "  {:<width$} {}", row.name, row.about);
        for (note, what) in row.notes() {
            let label = if note == "source" { "" } else { note };
            let gap = if label.is_empty() { "" } else { ": " };
            let _ = writeln!(text, "  {:<width$} {label}{gap}{what}", "");
        }
    }
    text
}

const fn heading(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"uplink" => "uplink: whose turn it is (outer/inner makes a hierarchy)",
        b"unchoke" => "unchoke: whom to serve while something is still wanted",
        b"seed-rule" => "seed-rule: whom to serve when everything is had",
        b"share" => "share: fair to whom",
        _ => "picker: which chunk to ask for",
    }
}

/// The policy of that name, of each kind that has one: its rule in a few sentences, where it comes
/// from, in what it departs from that and what is assumed. `None` of a name that nobody has.
#[must_use]
pub fn explain(name: &str) -> Option<String> {
    let mut text = String::new();
    for row in rows().into_iter().filter(|row| row.name == name) {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{} ({})", row.name, row.kind);
        for line in [wrapped(row.about), wrapped(row.rule)].concat() {
            let _ = writeln!(text, "  {line}");
        }
        for (note, what) in row.notes() {
            for (at, line) in wrapped(what).into_iter().enumerate() {
                let label = if at == 0 { note } else { "" };
                let _ = writeln!(text, "  {label:<8} {line}");
            }
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

/// The names of all policies, each once, for whoever mistyped one.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = rows().into_iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A text in lines that fit a terminal.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Letters of a line of an explanation.
const LINE: usize = 88;

fn rows() -> Vec<Policy> {
    let mut all = Vec::new();
    let disciplines = sched::DISCIPLINES.all().into_iter();
    all.extend(disciplines.map(|row| Policy::new("uplink", row.name, row.about, row.source)));
    let chokers = choke::CHOKERS.all().into_iter();
    all.extend(chokers.map(|row| Policy::of_choker("unchoke", row.name, row)));
    all.extend(choke::SEED_RULES.iter().map(|(name, choker)| {
        let row = choke::CHOKERS
            .find(choker)
            .expect("the table of seed rules names chokers");
        Policy::of_choker("seed-rule", name, row)
    }));
    let pickers = pick::PICKERS.all().into_iter();
    all.extend(pickers.map(|row| Policy::new("picker", row.name, row.about, row.source)));
    let shares = [
        (
            "peer",
            "each peer a share by its weight, however many transfers it has",
        ),
        ("group", "each group a share, then each of its peers"),
        ("transfer", "each transfer a share by its weight"),
    ];
    all.extend(shares.map(|(name, about)| Policy::new("share", name, about, "")));
    all
}

/// What the policy `name` of `kind` does, in one sentence without an end; of a hierarchy, what
/// each of its levels does. `None` of a name that is not registered.
#[must_use]
pub fn about(kind: &str, name: &str) -> Option<String> {
    let find = |name: &str| {
        let mut rows = rows().into_iter();
        let found = rows.find(|row| row.kind == kind && row.name == name);
        found.map(|row| row.about.to_owned())
    };
    find(name).or_else(|| {
        let (outer, inner) = name.split_once('/').filter(|_| kind == "uplink")?;
        let (outer, inner) = (find(outer)?, find(inner)?);
        Some(format!("between groups {outer}; inside a group {inner}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_explained_by_its_kind_and_name() {
        let drr = "weighted deficit round robin: byte-fair at constant cost";
        assert_eq!(about("uplink", "drr").unwrap(), drr);
        let both = about("uplink", "drr/srpt").unwrap();
        assert!(
            both.contains(drr) && both.contains("fewest bytes left"),
            "{both}"
        );
        assert_eq!(about("unchoke", "drr"), None);
        assert_eq!(about("uplink", "drr/nobody"), None);
    }

    #[test]
    fn every_row_of_the_core_is_listed() {
        let text = list(false);
        for row in sched::DISCIPLINES.all() {
            assert!(
                text.contains(row.name) && text.contains(row.source),
                "{}",
                row.name
            );
        }
        for row in choke::ALL {
            for part in [row.about, row.source, row.departs, row.assumed] {
                assert!(text.contains(part), "{}: {part}", row.name);
            }
        }
        let json: serde_json::Value = serde_json::from_str(&list(true)).unwrap();
        assert_eq!(json.as_array().unwrap().len(), rows().len());
    }

    /// The rule is wrapped, so it is compared word by word.
    #[test]
    fn a_policy_is_explained_by_its_rule_its_source_and_what_departs() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for row in choke::ALL {
            let text = explain(row.name).unwrap();
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
            let found = words(&text).join(" ");
            let rule = words(row.rule).join(" ");
            assert!(found.contains(&rule), "{text}");
        }
        assert!(explain("round-robin").unwrap().contains("(uplink)"));
        assert_eq!(explain("nobody"), None);
        assert!(names().contains(&"bittyrant"));
    }
}
