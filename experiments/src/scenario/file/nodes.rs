//! `[group]`, `[[link]]`, `[[peer]]` and `[[class]]`: who takes part, and over which links.

use fairhaul_config::amount::{Exact, FileWeight, FloorRate, RateLimit};
use fairhaul_config::number::LongBounded;
use fairhaul_config::parts;
use fairhaul_config::text::Name;
use fairhaul_core::time::Span;
use fairhaul_core::units::Rate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::behaviour::Conduct;
use super::super::bundles::BASE;
use super::super::class::{Access, Arrival, Regions};
use super::super::random::{Drawn, DrawnLimit};
use super::super::values::Burst;
use super::{Band, Names, Neighbours, Time};

/// `[group.NAME]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Its right to a proportion where shares are per group.
    #[serde(default)]
    pub(crate) weight: FileWeight,
    /// Strict priority band of its members together, 0 first.
    #[serde(default)]
    pub(crate) band: Band,
    /// Rate that its members together never exceed at one uplink.
    #[serde(default)]
    pub(crate) upload: RateLimit,
    /// Rate that its members together get at one uplink while they have demand.
    #[serde(default)]
    pub(crate) floor: FloorRate,
}

/// `[[link]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharedLink {
    /// Name of the link.
    #[schemars(example = &"sea")]
    pub(crate) name: Name,
    /// Capacity, of one direction or of both together.
    #[schemars(example = &"100 Mbit/s")]
    pub(crate) capacity: Exact<Rate>,
    /// Whether what goes back crosses it as well and shares its capacity.
    #[serde(default)]
    pub(crate) directions: Directions,
    /// Regions on the sending side; without one, every region.
    #[schemars(example = &"europe")]
    pub(crate) from: Option<Names>,
    /// Regions on the receiving side; without one, every region.
    #[schemars(example = &"asia")]
    pub(crate) to: Option<Names>,
}

/// Which way a link is crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Directions {
    #[default]
    One,
    Both,
}

parts! {
    /// `[[peer]]`.
    #[derive(Clone, Debug)]
    pub(crate) struct Peer {
        own: PeerOwn,
        limits: OwnLimits,
        stay: Stay,
        terms: NodeTerms,
    }
}

parts! {
    /// `[[class]]`.
    #[derive(Clone, Debug)]
    pub(crate) struct Class {
        own: ClassOwn,
        limits: OwnLimits,
        terms: NodeTerms,
    }
}

/// What a peer says first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct PeerOwn {
    /// Name of the peer.
    #[schemars(example = &"server")]
    pub(crate) name: Name,
    /// Class it is reported under.
    #[serde(default = "peer_class")]
    pub(crate) class: Name,
    /// Where it is; needed if there is a latency matrix.
    #[schemars(example = &"europe")]
    pub(crate) region: Option<Name>,
    /// Capacity of its uplink.
    #[serde(default)]
    pub(crate) up: RateLimit,
    /// Capacity of its downlink.
    #[serde(default)]
    pub(crate) down: RateLimit,
}

/// When a peer is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Stay {
    /// When it joins.
    pub(crate) join: Time,
    /// When it leaves, finished or not.
    #[schemars(example = &"10 min")]
    pub(crate) leave: Option<Time>,
    /// How long it stays after it has all it wants; without one, until the end.
    #[schemars(example = &"1 min")]
    pub(crate) linger: Option<Time>,
}

/// What a class says first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ClassOwn {
    /// Name of the class; its peers are NAME.1, NAME.2 and so on.
    #[schemars(example = &"client")]
    pub(crate) name: Name,
    /// Number of peers; may be left out if arrival ends by itself.
    #[schemars(example = 10)]
    pub(crate) count: Option<LongBounded<0, { u64::MAX }>>,
    /// Capacity of the uplink of each.
    #[serde(default)]
    pub(crate) up: DrawnLimit,
    /// Capacity of the downlink of each.
    #[serde(default)]
    pub(crate) down: DrawnLimit,
    /// A mix of links instead of up and down: a CSV file or a list of share, up, down.
    #[schemars(example = &"access.csv")]
    pub(crate) access: Option<Access>,
    /// Regions dealt in turn, or shares drawn from.
    #[serde(default)]
    pub(crate) regions: Regions,
    /// When its peers join.
    #[serde(default)]
    pub(crate) arrival: Arrival,
    /// When arrivals begin.
    #[serde(default)]
    pub(crate) start: Time,
    /// How long each stays if it does not finish; without one, until the end.
    #[schemars(example = &"1 h")]
    pub(crate) session: Option<Drawn<Span>>,
    /// How long each stays after it has all it wants; without one, until the end.
    #[schemars(example = &"1 min")]
    pub(crate) linger: Option<Drawn<Span>>,
}

/// The limits that a node keeps itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct OwnLimits {
    /// Rate that the node itself keeps on its uplink.
    pub(crate) upload: RateLimit,
    /// Rate that the node itself keeps on its downlink.
    pub(crate) download: RateLimit,
    /// Depth of the bucket of upload, as a size or as a time at its rate; block network.
    #[schemars(example = &"64 KiB")]
    pub(crate) burst: Option<Burst>,
}

/// On which terms a node takes part: what it gets at the uplinks of others, and what it does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct NodeTerms {
    /// Its right to a proportion at the uplinks of others.
    pub(crate) weight: FileWeight,
    /// Strict priority band at the uplinks of others, 0 first.
    pub(crate) band: Band,
    /// Group it belongs to.
    #[schemars(example = &"gold")]
    pub(crate) group: Option<Name>,
    /// Rate at which any one node serves it at most.
    pub(crate) cap: RateLimit,
    /// Rate at which any one node serves it at least while it has demand.
    pub(crate) floor: FloorRate,
    /// Other nodes that it connects to in a swarm.
    pub(crate) neighbours: Neighbours,
    /// How it keeps to the protocol: an adversary by its name, or a table with like, view, serves,
    /// announces, withholds, identities, rejoins, drains, colludes.
    pub(crate) behaviour: Conduct,
    /// Bundle of policies it follows.
    pub(crate) policy: Name,
}

impl Default for NodeTerms {
    fn default() -> Self {
        Self {
            weight: FileWeight::default(),
            band: Band::default(),
            group: None,
            cap: RateLimit::default(),
            floor: FloorRate::default(),
            neighbours: Neighbours::new(50),
            behaviour: Conduct::default(),
            policy: Name::of(BASE),
        }
    }
}

fn peer_class() -> Name {
    Name::of("peer")
}
