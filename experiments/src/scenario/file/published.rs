//! `[published]` and `[[claim]]`: an experiment of others, and what was claimed of it.

use std::collections::BTreeMap;

use fairhaul_config::real;
use fairhaul_config::text::{Name, Prose};
use schemars::JsonSchema;
use serde::Deserialize;

real! {
    /// What a metric is held against.
    pub(crate) ClaimBound, -1e15, 1e15
}

/// `[published]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Published {
    /// Its number among the experiments of this project.
    #[schemars(example = &"E5")]
    pub(crate) id: Name,
    /// Who published it, and where.
    #[schemars(example = &"A. Author, A Title, 2007")]
    pub(crate) source: Prose,
    /// What of it was read.
    #[schemars(example = &"the abstract")]
    pub(crate) read: Prose,
    /// What is assumed because it was not said or not at hand.
    #[schemars(example = &"chunks of 256 KiB")]
    pub(crate) assumed: Prose,
}

/// Values of axes of the sweep.
type Labels = BTreeMap<String, Prose>;

/// `[[claim]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ClaimRow {
    /// Name of the claim.
    #[schemars(example = &"the-fast-cluster")]
    pub(crate) name: Name,
    /// What was claimed, for a reader.
    #[schemars(example = &"fast peers trade with fast peers")]
    pub(crate) says: Prose,
    /// The metric of a run that shows it, as its column in runs.csv is called.
    #[schemars(example = &"uplink_utilisation")]
    pub(crate) metric: Prose,
    /// A metric of the same run that it is divided by.
    #[schemars(example = &"mundinger_s")]
    pub(crate) per: Option<Prose>,
    /// The cells that it is about, by values of axes of the sweep; all that have them.
    #[serde(default)]
    #[schemars(extend("allowed" = "a table with a value of axes of the sweep"))]
    #[schemars(extend("examples" = serde_json::json!([{ "policy.uplink": "drr" }])))]
    pub(crate) cells: Labels,
    /// What the cell differs in that each is divided by, run by run; without it, none.
    #[serde(default)]
    #[schemars(extend("allowed" = "a table with a value of axes of the sweep"))]
    #[schemars(extend("examples" = serde_json::json!([{ "policy.uplink": "fifo" }])))]
    pub(crate) over: Labels,
    /// It holds where the metric is this or more.
    #[schemars(example = 1.0)]
    pub(crate) at_least: Option<ClaimBound>,
    /// It holds where the metric is this or less.
    #[schemars(example = 1.0)]
    pub(crate) at_most: Option<ClaimBound>,
}
