//! Reads `[policy]`, and the bundles of policies `[policy.NAME]` that differ from it.

use fairhaul_config::document::{Document, Place};
use fairhaul_config::parts;
use fairhaul_config::policy::{ChokerName, Policy, SeedRule};
use fairhaul_config::schema::keys;
use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_config::tree::Data;
use fairhaul_core::node::Guard;
use fairhaul_simulator::setup::PolicySetup;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::BadFile;

/// What `[policy]` itself is called as a bundle.
pub(crate) const BASE: &str = "default";

/// The section as a whole: [`read`] takes it apart.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Bundles(IgnoredAny);

/// What a bundle of a scenario says beside the policy that a node has too.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) struct Simulated {
    /// Default: a peer that stops, drips or says nothing is asked last and closed, and bytes
    /// received at once are bounded, as a real node does; without one, none.
    #[schemars(example = &"default")]
    timeouts: Option<Timeouts>,
}

/// Whether a simulated node has the timeouts of a real one.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Timeouts {
    None,
    Default,
}

parts! {
    /// `[policy]`, and each `[policy.NAME]`.
    pub(crate) struct Bundle {
        policy: Policy,
        simulated: Simulated,
    }
}

/// Bundles of policies with their names, `[policy]` first, the others in the order of the file.
pub(crate) fn read(document: &Document) -> Result<Vec<(String, PolicySetup)>, BadFile> {
    let own = keys::<Bundle>();
    let at = document.place().key("policy");
    let section = document
        .root()
        .get("policy")
        .and_then(|entry| entry.item.data.table());
    let inside = section.into_iter().flat_map(|section| &section.entries);
    let inside = inside.filter(|entry| matches!(entry.item.data, Data::Table(_)));
    let names = inside
        .map(|entry| &*entry.key)
        .filter(|key| !own.contains(key));
    let names: Vec<&str> = names.collect();
    at.only(&[own, &names].concat())?;
    let mut bundles = vec![(BASE.to_owned(), bundle(&at)?)];
    for name in names {
        let at = at.key(name);
        if !is_name(name) {
            return Err(at.bad_got("is not a name", name, NAME_ALLOWED));
        }
        if name == BASE {
            return Err(at.bad("is the name of [policy] itself", "another name"));
        }
        at.only(own)?;
        bundles.push((name.to_owned(), bundle(&at)?));
    }
    Ok(bundles)
}

fn bundle(at: &Place<'_>) -> Result<PolicySetup, BadFile> {
    let Bundle { policy, simulated } = at.part()?;
    let guard = matches!(simulated.timeouts, Some(Timeouts::Default)).then(Guard::default);
    Ok(PolicySetup { policy, guard })
}

/// What a node of a scenario does if nothing is said: it serves whoever asks.
fn default() -> Policy {
    Policy {
        unchoke: ChokerName::of("none"),
        seed_rule: SeedRule::of("even"),
        ..Policy::default()
    }
}

impl JsonSchema for Bundles {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bundles".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut bundle = Bundle::json_schema(generator);
        let defaults = json!(default());
        let keys = bundle
            .get_mut("properties")
            .and_then(|keys| keys.as_object_mut());
        for (key, schema) in keys.into_iter().flatten() {
            if let Some(default) = defaults.get(key) {
                schema["default"] = default.clone();
            }
        }
        let mut all = bundle.clone();
        all.insert("additionalProperties".to_owned(), json!(bundle));
        all
    }
}
