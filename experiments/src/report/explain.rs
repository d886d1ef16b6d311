//! What each policy of a result does, in one sentence: those that are compared, and those that
//! all of its runs have.

use super::grouping::{Grouping, axis_words};
use crate::output::{ResultManifest, Results};
use crate::policies;

/// Settings of a policy that have a name, as parameters and as kinds of policies.
const KINDS: [(&str, &str); 5] = [
    ("policy.uplink", "uplink"),
    ("policy.share", "share"),
    ("policy.unchoke", "unchoke"),
    ("policy.seed-rule", "seed-rule"),
    ("policy.picker", "picker"),
];

/// A policy, what it is, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explained {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) about: String,
}

/// Every policy of `results`: those that are compared in the order of the results, then those
/// that all runs have.
pub(super) fn explained(
    manifest: &ResultManifest,
    results: &Results,
    grouping: &Grouping,
) -> Vec<Explained> {
    let scenario: toml::Table = manifest.scenario.parse().unwrap_or_default();
    let mut found = Vec::new();
    for axis in &grouping.axes {
        let axis = &results.axes[*axis];
        for value in &axis.values {
            let about = about(&axis.name, value).or_else(|| variant(&scenario, &axis.name, value));
            found.extend(about.map(|about| Explained {
                name: value.clone(),
                kind: axis_words(&axis.name),
                about,
            }));
        }
    }
    let varies = |parameter: &str| {
        results
            .varying()
            .iter()
            .any(|at| results.axes[*at].name == parameter)
    };
    let fixed = KINDS.iter().filter(|(parameter, _)| !varies(parameter));
    for (parameter, _) in fixed {
        let key = parameter.trim_start_matches("policy.");
        let value = scenario
            .get("policy")
            .and_then(|policy| policy.get(key)?.as_str());
        found.extend(value.and_then(|value| {
            Some(Explained {
                name: value.to_owned(),
                kind: format!("{} by default", axis_words(parameter)),
                about: about(parameter, value)?,
            })
        }));
    }
    found
}

/// What the value of a parameter does, if the parameter is a setting with names.
fn about(parameter: &str, value: &str) -> Option<String> {
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == parameter)?;
    policies::about(kind, value)
}

/// What a named variant of a sweep sets, setting by setting.
fn variant(scenario: &toml::Table, axis: &str, name: &str) -> Option<String> {
    let variants = scenario.get("sweep")?.get(axis)?.as_array()?;
    let is_named =
        |variant: &&toml::Value| variant.get("name").and_then(|own| own.as_str()) == Some(name);
    let variant = variants.iter().find(is_named)?.as_table()?;
    let set = variant.iter().filter(|(key, _)| *key != "name");
    let words = set.map(|(key, value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let what = axis_words(key);
        match about(key, &text) {
            Some(about) if text == name => about,
            Some(about) => format!("{what} {text}: {about}"),
            None => format!("{what} {text}"),
        }
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_variant_is_explained_by_what_it_sets() {
        let scenario: toml::Table = "[sweep]\npolicy = [{ name = \"mine\", \"policy.uplink\" = \
            \"drr\", \"policy.share\" = \"transfer\", \"policy.slots\" = 4 }]"
            .parse()
            .unwrap();
        let found = variant(&scenario, "policy", "mine").unwrap();
        let want = "uplink discipline drr: weighted deficit round robin: byte-fair at constant \
            cost; share per transfer: each transfer a share by its weight; slots 4";
        assert_eq!(found, want);
        assert_eq!(variant(&scenario, "policy", "other"), None);
        assert_eq!(variant(&scenario, "population", "mine"), None);
    }
}
