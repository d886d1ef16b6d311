//! A scenario file as serde structs: their fields and comments are the only list of its keys.

use std::sync::OnceLock;

use fairhaul_config::amount::{CENTURY, Exact, TimeBetween};
use fairhaul_config::defaults::Defaults;
use fairhaul_config::named::NamedTables;
use fairhaul_config::number::{Bounded, LongBounded};
use fairhaul_config::policy;
use fairhaul_config::schema::{self, Section};
use fairhaul_config::text::{Name, Prose};
use fairhaul_config::tree::TomlTable;
use fairhaul_config::value::{OneOrMore, some};
use fairhaul_core::time::Span;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Share;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::bundles::{Bundle, Bundles};
use super::values::{LatencySource, PartOfBaseline};

mod flows;
mod nodes;
mod published;

pub(crate) use flows::{Change, Content, Ends, Fault, FlowTerms, Transfer, Workload};
pub(crate) use nodes::{Class, Directions, Group, NodeTerms, OwnLimits, Peer, SharedLink};
pub(crate) use published::{ClaimRow, Published};

/// Names of peers, classes, regions, links or transfers.
pub(crate) type Names = OneOrMore<Name>;
type Size = Exact<ByteCount>;
type Time = Exact<Span>;
type Band = Bounded<0, 7>;
type Neighbours = Bounded<1, 100_000>;
type Later = TimeBetween<1, CENTURY>;

const BILLION: u64 = 1_000_000_000;

/// A scenario.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// What is simulated, and until when.
    #[schemars(extend("allowed" = "[scenario], once"))]
    pub(crate) scenario: Head,
    /// Who is served next. A section with a name of its own is another bundle of policies, which
    /// has from this one what it leaves out.
    #[serde(rename = "policy")]
    #[schemars(extend("allowed" = "[policy], and [policy.NAME] for each other bundle"))]
    _policy: Bundles,
    /// Peers and transfers that share a right or a limit.
    #[serde(default, rename = "group")]
    #[schemars(extend("allowed" = "[group.NAME], once for each name"))]
    pub(crate) groups: NamedTables<Group>,
    /// A link that all paths between two sets of regions cross.
    #[serde(default, rename = "link", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[link]], once for each"))]
    pub(crate) links: Vec<SharedLink>,
    /// One node.
    #[serde(default, rename = "peer", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[peer]], once for each"))]
    pub(crate) peers: Vec<Peer>,
    /// Nodes of one kind.
    #[serde(default, rename = "class", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[class]], once for each"))]
    pub(crate) classes: Vec<Class>,
    /// A content that a swarm distributes.
    #[serde(default, rename = "content", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[content]], once for each"))]
    pub(crate) contents: Vec<Content>,
    /// Transfers between peers.
    #[serde(default, rename = "transfer", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[transfer]], once for each"))]
    pub(crate) transfers: Vec<Transfer>,
    /// Transfers that arrive one after another.
    #[serde(default, rename = "workload", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[workload]], once for each"))]
    pub(crate) workloads: Vec<Workload>,
    /// Something that changes at a time.
    #[serde(default, rename = "fault", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[fault]], once for each"))]
    pub(crate) faults: Vec<Fault>,
    /// Keys with lists of values: every combination is run. A key is `section.key`, or
    /// `section.NAME.key` where tables have names; a key without a dot is a list of tables, each
    /// with a `name` and such keys.
    #[serde(default, rename = "sweep")]
    #[schemars(with = "std::collections::BTreeMap<String, Vec<serde_json::Value>>")]
    #[schemars(extend("allowed" = "[sweep], once"))]
    _sweep: Option<IgnoredAny>,
    /// The experiment of others that this repeats.
    #[schemars(extend("allowed" = "[published], once"))]
    pub(crate) published: Option<Published>,
    /// What was claimed of it.
    #[serde(default, rename = "claim", deserialize_with = "some")]
    #[schemars(extend("allowed" = "[[claim]], once for each"))]
    pub(crate) claims: Vec<ClaimRow>,
    /// How often, from which seed.
    #[serde(default)]
    #[schemars(extend("allowed" = "[replication], once"))]
    pub(crate) replication: Replication,
    /// What is recorded and written.
    #[serde(default)]
    #[schemars(extend("allowed" = "[output], once"))]
    pub(crate) output: Output,
}

/// `[scenario]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Head {
    /// Name of the scenario.
    #[schemars(example = &"swarm")]
    pub(crate) name: Name,
    /// What it shows, for a reader.
    #[serde(default)]
    pub(crate) about: Prose,
    /// The run ends here even if work is left.
    #[serde(default = "horizon")]
    pub(crate) horizon: Later,
    /// How bytes cross the links: block, an uplink serves one block at a time in the order of its
    /// discipline, with windows and bursts; fluid, all share at once as the policy's tree says: by
    /// weight (drr, sparse-drr, sfq, wf2q+, mclock, round-robin of equal blocks), or first in turn
    /// has all it can use (strict, srpt, las, fifo of transfers).
    #[serde(default)]
    pub(crate) network: Network,
    /// Bytes that one connection has in the network at most; block network.
    #[serde(default = "connection_window")]
    pub(crate) connection_window: Size,
    /// Round trip between any two peers, or a CSV file with a matrix of regions.
    #[schemars(example = &"80 ms")]
    pub(crate) latency: Option<LatencySource>,
    /// The ideal that results are measured against.
    #[serde(default)]
    pub(crate) ideal: IdealKind,
    /// Whom entitlements are fair to; without one, whom policy.share says.
    #[serde(default)]
    #[schemars(schema_with = "policy::share", example = &"peer")]
    pub(crate) ideal_share: Option<Share>,
    /// A run with more events is refused or stopped.
    #[serde(default = "events")]
    pub(crate) events: LongBounded<1, BILLION>,
    /// A run that needs more is refused.
    #[serde(default = "memory")]
    pub(crate) memory: Size,
}

/// How bytes cross the links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Network {
    #[default]
    Block,
    Fluid,
}

/// What results are measured against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdealKind {
    #[default]
    EqualService,
    Contribution,
    Fastest,
}

/// `[replication]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Replication {
    /// Seed of all random numbers.
    pub(crate) seed: LongBounded<0, { u64::MAX }>,
    /// Replications of each cell.
    pub(crate) count: Bounded<1, 100_000>,
    /// A value of the sweep that the others are compared with.
    #[schemars(example = &"fifo")]
    pub(crate) baseline: Option<Prose>,
    /// Differences below this part of the baseline do not matter; 0.01 is 1 %.
    pub(crate) smallest_difference: PartOfBaseline,
}

/// `[output]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Output {
    /// Lengths of the windows in which fairness over time is recorded.
    #[schemars(extend("allowed" = "a list of times above zero, such as [\"100 ms\", \"1 s\"]"))]
    pub(crate) windows: Vec<Later>,
    /// Tables that each run writes; runs always is one, pairs only if it is named.
    #[serde(deserialize_with = "some")]
    #[schemars(extend("allowed" = "a list of runs, peers, transfers, windows, pairs, latency"))]
    pub(crate) files: Vec<OutputFile>,
}

/// A table of results, without `.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OutputFile {
    Runs,
    Peers,
    Transfers,
    Windows,
    Pairs,
    Latency,
}

fn horizon() -> Later {
    Later::new(3_600 * BILLION)
}

const fn connection_window() -> Size {
    Exact(ByteCount::mib(1))
}

const fn events() -> LongBounded<1, BILLION> {
    LongBounded::new(BILLION)
}

const fn memory() -> Size {
    Exact(ByteCount::mib(8 * 1024))
}

impl Default for Replication {
    fn default() -> Self {
        Self {
            seed: LongBounded::new(1),
            count: Bounded::new(1),
            baseline: None,
            smallest_difference: PartOfBaseline(0.01),
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        use OutputFile::{Latency, Peers, Runs, Transfers, Windows};
        Self {
            windows: vec![Later::new(BILLION)],
            files: vec![Runs, Peers, Transfers, Windows, Latency],
        }
    }
}

/// Every section, in the order of the resolved file.
pub(crate) fn sections() -> [Section; 15] {
    [
        Section::of::<Head>("scenario"),
        Section::of::<Bundle>("policy"),
        Section::of::<Group>("group"),
        Section::of::<SharedLink>("link"),
        Section::of::<Peer>("peer"),
        Section::of::<Class>("class"),
        Section::of::<Content>("content"),
        Section::of::<Transfer>("transfer"),
        Section::of::<Workload>("workload"),
        Section::of::<Fault>("fault"),
        Section::free("sweep"),
        Section::of::<Published>("published"),
        Section::of::<ClaimRow>("claim"),
        Section::of::<Replication>("replication"),
        Section::of::<Output>("output"),
    ]
}

/// The tables of a file with every default written out.
pub(crate) fn complete(raw: &TomlTable) -> TomlTable {
    static DEFAULTS: OnceLock<Defaults> = OnceLock::new();
    // An experiment has no defaults, and most scenarios repeat none.
    let filled = || {
        sections().map(|section| match section.path {
            "published" => Section::free("published"),
            _ => section,
        })
    };
    DEFAULTS
        .get_or_init(|| Defaults::of::<File>(&filled()))
        .fill(raw)
}

/// The JSON schema (draft 2020-12) of a scenario file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema::schema::<File>("fairlab scenario")
}

/// The reference page of the scenario file, `docs/reference/scenario-file.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# The scenario file\n\n\
                TOML. `fairlab check FILE` checks one and prints it with every default filled in, \
                `fairlab schema` prints its JSON schema. Paths of data files are relative to the \
                folder of the scenario. This page is made from the types in \
                `experiments/src/scenario/file.rs`, as those are.\n\n\
                Beside these sections, `[sweep]` has keys with lists of values, of which every \
                combination is run: `\"policy.uplink\" = [\"fifo\", \"drr\"]`, \
                `\"class.NAME.count\" = [10, 100]`. A key without a dot is an axis of named cases: \
                `size = [{ name = \"small\", \"class.a.count\" = 10 }, ...]`.\n\n\
                Where a value may be drawn, it is an amount, or a table with the name of a \
                distribution: `{ uniform = [LOW, HIGH] }`, `{ exponential = MEAN }`, \
                `{ weibull = { k = K, lambda = AMOUNT } }`, \
                `{ log-normal = { mu = MU, sigma = SIGMA, unit = AMOUNT } }`, \
                `{ bounded-pareto = { alpha = A, low = AMOUNT, high = AMOUNT } }`, \
                `{ quantiles = [[PROBABILITY, AMOUNT], ...] }`, `{ one-of = [AMOUNT, ...] }`, \
                `{ table = \"FILE.csv\" }`, and of times also \
                `{ fit = { name = NAME, from = \"FILE.csv\" } }`.";
    schema::reference::<File>(head, &sections())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_and_key_has_a_meaning_and_says_what_it_allows() {
        let schema = schema();
        let sections = sections();
        let known = schema["properties"].as_object().unwrap();
        assert_eq!(sections.len(), known.len());
        for section in &sections {
            let about = &known[section.path]["description"];
            assert!(about.is_string(), "{}", section.path);
        }
        let network = &known["scenario"]["properties"]["network"];
        assert_eq!(network["default"], "block");
        assert!(!reference().contains("|  |"), "{}", reference());
    }

    #[test]
    fn the_reference_page_says_what_the_types_say() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/reference/scenario-file.md"
        );
        let page = std::fs::read_to_string(path).unwrap();
        assert!(
            page == reference(),
            "the page is old: cargo run -p fairhaul-lab --example scenario_reference > \
             docs/reference/scenario-file.md"
        );
    }
}
