//! The list of every policy, from the core's own tables.

use std::fmt::Write as _;

use fairhaul_core::{choke, pick, sched};
use serde_json::json;

/// Every policy by kind: name, what it does, where it comes from. As JSON or as a table.
#[must_use]
pub fn list(as_json: bool) -> String {
    let all = rows();
    if as_json {
        let rows: Vec<_> = all
            .iter()
            .map(|(kind, name, about, source)| {
                json!({ "kind": kind, "name": name, "about": about, "source": source })
            })
            .collect();
        return format!("{:#}\n", json!(rows));
    }
    let mut text = String::new();
    let mut last = "";
    for (kind, name, about, source) in all {
        if kind != last {
            let heading = match kind {
                "uplink" => "uplink: whose turn it is (outer/inner makes a hierarchy)",
                "unchoke" => "unchoke: whom to serve while something is still wanted",
                "seed-rule" => "seed-rule: whom to serve when everything is had",
                "share" => "share: fair to whom",
                _ => "picker: which chunk to ask for",
            };
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{heading}");
            last = kind;
        }
        let _ = writeln!(text, "  {name:<13} {about}");
        if !source.is_empty() {
            let _ = writeln!(text, "  {:<13} {source}", "");
        }
    }
    text
}

fn rows() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let mut all = Vec::new();
    all.extend(
        sched::DISCIPLINES
            .all()
            .into_iter()
            .map(|row| ("uplink", row.name, row.about, row.source)),
    );
    all.extend(
        choke::CHOKERS
            .all()
            .into_iter()
            .map(|row| ("unchoke", row.name, row.about, row.source)),
    );
    all.extend(choke::SEED_RULES.iter().map(|(name, choker)| {
        let row = choke::CHOKERS
            .find(choker)
            .expect("the table of seed rules names chokers");
        ("seed-rule", *name, row.about, row.source)
    }));
    all.extend(
        pick::PICKERS
            .all()
            .into_iter()
            .map(|row| ("picker", row.name, row.about, row.source)),
    );
    all.extend([
        (
            "share",
            "peer",
            "each peer a share by its weight, however many transfers it has",
            "",
        ),
        (
            "share",
            "group",
            "each group a share, then each of its peers",
            "",
        ),
        (
            "share",
            "transfer",
            "each transfer a share by its weight",
            "",
        ),
    ]);
    all
}

/// What the policy `name` of `kind` does, in one sentence without an end; of a hierarchy, what
/// each of its levels does. `None` of a name that is not registered.
#[must_use]
pub fn about(kind: &str, name: &str) -> Option<String> {
    let find = |name: &str| {
        let mut rows = rows().into_iter();
        let found = rows.find(|row| row.0 == kind && row.1 == name);
        found.map(|row| row.2.to_owned())
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
        let json: serde_json::Value = serde_json::from_str(&list(true)).unwrap();
        assert_eq!(json.as_array().unwrap().len(), rows().len());
    }
}
