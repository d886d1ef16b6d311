//! The word `all` in a sweep: every value that a key has, from the tables that have them.
//!
//! It is replaced by those values when a file is read, before anything else looks at the sweep. So
//! a policy or an adversary that is added to its table is in such a sweep without a word in the
//! file, and the resolved scenario of a result says which there were.

use fairhaul_config::BadFile;
use fairhaul_config::document::{Document, Place};
use fairhaul_config::fault::BadValue;
use fairhaul_config::policy::{ChokerName, DisciplineName, PickerName, SHARES, SeedRule};
use fairhaul_config::tree::{Data, Entry, Item, TomlTable};

use super::behaviour::behaviours;
use super::names::unknown;
use super::sweep::label;

/// The word for every value; the key of a case that stands for a case for each of them.
const ALL: &str = "all";

/// Keys that have a table of their values.
const KEYS: [&str; 6] = [
    "uplink",
    "share",
    "unchoke",
    "seed-rule",
    "picker",
    "behaviour",
];

/// The values of the key at the end of `path`, in the order of their table; `None` of a key that
/// has no such table.
fn values(path: &str) -> Option<Vec<&'static str>> {
    let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
    Some(match key {
        "uplink" => DisciplineName::names(),
        "share" => SHARES.to_vec(),
        "unchoke" => ChokerName::names(),
        "seed-rule" => SeedRule::names(),
        "picker" => PickerName::names(),
        "behaviour" => behaviours(),
        _ => return None,
    })
}

/// `raw` with every value in the place of the word.
pub(super) fn expand(raw: Document) -> Result<Document, BadFile> {
    let mut root = raw.root().clone();
    let at = raw.place().key("sweep");
    if let Some(Data::Table(sweep)) = root.get_mut("sweep") {
        for entry in &mut sweep.entries {
            expand_axis(&at.key(&entry.key), entry)?;
        }
    }
    Ok(Document::new(raw.file(), root))
}

fn expand_axis(at: &Place<'_>, entry: &mut Entry) -> Result<(), BadFile> {
    let line = entry.item.line;
    let text = |name: &str| Item {
        data: Data::Text(name.to_owned()),
        line,
    };
    match &mut entry.item.data {
        Data::Text(word) if word.as_str() == ALL => {
            let all = all_of(at, &entry.key)?;
            entry.item.data = Data::List(all.into_iter().map(text).collect());
        }
        Data::List(items) => {
            let mut cases = Vec::new();
            for (row, item) in items.drain(..).enumerate() {
                match item.data.table().and_then(|table| table.get(ALL)) {
                    None => cases.push(item),
                    Some(_) => cases.extend(each_case(&at.row(row), &item)?),
                }
            }
            *items = cases;
        }
        _ => {}
    }
    Ok(())
}

/// The values of the key `path`, which is said at `at`.
fn all_of(at: &Place<'_>, path: &str) -> Result<Vec<&'static str>, BadFile> {
    values(path).ok_or_else(|| {
        let what = "has no table of all its values";
        let keys = KEYS.join(", ");
        at.bad_got(what, path, format!("a key that ends with one of {keys}"))
    })
}

/// A case for each value of the key that `all` names, called as the value is.
fn each_case(at: &Place<'_>, item: &Item) -> Result<Vec<Item>, BadFile> {
    let table = item.data.table().expect("a case with a key is a table");
    if table.get("name").is_some() {
        let what = "stands beside all, which names the cases";
        return Err(at.key("name").bad(what, "one of name and all"));
    }
    let entry = table.get(ALL).expect("it was looked for");
    let Some(path) = entry.item.data.text() else {
        let what = format!("is {}, not a string", entry.item.data.noun());
        return Err(at
            .key(ALL)
            .bad(what, "a dotted key such as \"policy.unchoke\""));
    };
    let line = entry.line;
    let put = |key: &str, value: &str| Entry {
        key: key.to_owned(),
        line,
        item: Item {
            data: Data::Text(value.to_owned()),
            line,
        },
    };
    let others = || table.entries.iter().filter(|entry| entry.key != ALL);
    let cases = all_of(&at.key(ALL), path)?.into_iter().map(|value| {
        let mut entries = vec![put("name", value), put(path, value)];
        entries.extend(others().cloned());
        Item {
            data: Data::Table(TomlTable { entries }),
            line: item.line,
        }
    });
    Ok(cases.collect())
}

/// Keeps the values `wanted` of the axis `key` of a sweep that was expanded.
pub(super) fn narrow(root: &mut TomlTable, key: &str, wanted: &[String]) -> Result<(), BadValue> {
    let Some(Data::Table(sweep)) = root.get_mut("sweep") else {
        return Err(unknown("axis of the sweep", key, []));
    };
    let keys: Vec<String> = sweep
        .entries
        .iter()
        .map(|entry| entry.key.clone())
        .collect();
    let Some(Data::List(items)) = sweep.get_mut(key) else {
        return Err(unknown(
            "axis of the sweep",
            key,
            keys.iter().map(String::as_str),
        ));
    };
    let labels: Vec<String> = items.iter().enumerate().map(name_of).collect();
    if let Some(name) = wanted.iter().find(|name| !labels.contains(name)) {
        let known = labels.iter().map(String::as_str);
        return Err(unknown("value of the sweep", name, known));
    }
    let mut labels = labels.iter();
    items.retain(|_| labels.next().is_some_and(|label| wanted.contains(label)));
    Ok(())
}

/// What a value of an axis is called: the name of a case, or what the table of results has.
fn name_of((at, item): (usize, &Item)) -> String {
    let named = item.data.table().and_then(|table| table.get("name"));
    let name = named.and_then(|entry| entry.item.data.text());
    name.map_or_else(|| label(&item.data, at), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::sweep;

    fn labels(sweep_text: &str) -> Vec<(String, Vec<String>)> {
        let text = format!(
            "[policy]\nslots = 4\n[[class]]\nname = \"k\"\ncount = 1\n[sweep]\n{sweep_text}\n"
        );
        let raw = expand(Document::parse("s.toml", &text).unwrap()).unwrap();
        let axes = sweep::axes(&raw).unwrap().into_iter();
        axes.map(|axis| {
            let labels = axis.values.into_iter().map(|value| value.label);
            (axis.key, labels.collect())
        })
        .collect()
    }

    #[test]
    fn all_stands_for_every_row_of_a_table() {
        let found = labels("\"policy.unchoke\" = \"all\"\n\"class.k.behaviour\" = \"all\"");
        assert_eq!(found[0].1, ChokerName::names());
        assert_eq!(found[1].1[0], "compliant");
        let bundles = fairhaul_simulator::behaviour::BUNDLES.iter();
        let bundles: Vec<&str> = bundles.map(|bundle| bundle.name).collect();
        assert_eq!(found[1].1[1..], bundles);
    }

    #[test]
    fn a_case_for_each_value_stands_beside_others() {
        let found = labels(
            "policy = [{ all = \"policy.unchoke\", \"policy.slots\" = 3 }, \
             { name = \"karma\", \"policy.uplink\" = \"karma\" }]",
        );
        let mut want = ChokerName::names();
        want.push("karma");
        assert_eq!(
            found,
            [(
                "policy".to_owned(),
                want.iter().map(|n| (*n).to_owned()).collect()
            )]
        );
    }

    #[test]
    fn an_axis_can_be_cut_to_some_of_its_values() {
        let text = "[sweep]\nload = [{ name = \"a\" }, { name = \"b\" }]\n\"x.y\" = [1, 2, 3]\n";
        let mut root = Document::parse("s.toml", text).unwrap().root().clone();
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        narrow(&mut root, "x.y", &names(&["3", "1"])).unwrap();
        narrow(&mut root, "load", &names(&["b"])).unwrap();
        let sweep = root.get("sweep").unwrap().item.data.table().unwrap();
        let kept = |key: &str| match &sweep.get(key).unwrap().item.data {
            Data::List(items) => items.iter().enumerate().map(name_of).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        assert_eq!(
            (kept("x.y"), kept("load")),
            (names(&["1", "3"]), names(&["b"]))
        );
        let refused = narrow(&mut root, "load", &names(&["a"])).unwrap_err();
        assert_eq!(refused.got.as_deref(), Some("\"a\""));
        assert!(narrow(&mut root, "size", &names(&["a"])).is_err());
    }
}
