//! `[deviation]`: whose deviation from the protocol is measured.

use fairhaul_config::text::Name;
use schemars::JsonSchema;
use serde::Deserialize;

/// `[deviation]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deviation {
    /// The class that deviates. Its behaviour is an axis of the sweep, with compliant among the
    /// values: every other value is compared with that, replication by replication.
    #[schemars(example = &"deviant")]
    pub(crate) class: Name,
}
