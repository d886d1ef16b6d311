//! What a run is given: everything resolved to plain values, nothing left to draw or look up.
//!
//! The lab turns a scenario file, a seed and a replication into one of these. Indices point
//! into the tables of the same `Setup`.

use std::ops::{Deref, DerefMut};

use fairhaul_config::policy::Policy;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::node::Guard;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;

use crate::behaviour::{Behaviour, Serves};

/// One run: who, where, what, under which policies, until when. The default has nobody in it, and
/// neither time nor events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The seed that the user gave; runs of other cells and replications share it.
    pub rng_seed: u64,
    /// Which replication this is, from 0. Equal replications share their random numbers.
    pub replication: u32,
    /// How bytes cross the links.
    pub network: NetworkModel,
    /// Named bundles of policies; a peer points at one.
    pub policies: Vec<PolicySetup>,
    /// Where peers may be, and how far apart.
    pub latency: Latency,
    /// Links that several peers share, beside each peer's own two.
    pub links: Vec<SharedLinkSetup>,
    /// Groups that limits may name.
    pub groups: Vec<GroupSetup>,
    /// The nodes.
    pub peers: Vec<PeerSetup>,
    /// Contents that a swarm distributes.
    pub contents: Vec<ContentSetup>,
    /// Transfers from one peer to another.
    pub transfers: Vec<TransferSetup>,
    /// Things that go wrong or change, at their times.
    pub faults: Vec<FaultSetup>,
    /// Contents whose life libraries decide, and the disks that they go to.
    pub library: LibrarySetup,
    /// Whom entitlements are fair to; `None` is whom the policy of each source says.
    pub ideal_share: Option<Share>,
    /// The run ends here even if work is left.
    pub horizon: Time,
    /// Lengths of the windows in which fairness over time is recorded; none records nothing.
    pub windows: Vec<Span>,
    /// More events than this are a fault of the scenario.
    pub event_budget: u64,
}

/// How bytes cross the links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkModel {
    /// An uplink serves one block at a time, in the discipline's order. A connection has at
    /// most `window` bytes in the network.
    Block {
        /// Bytes of one connection between sender and acknowledgement.
        window: ByteCount,
    },
    /// All transmissions in flight share links max-min fairly, as a fluid.
    #[default]
    Fluid,
}

/// One bundle of policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicySetup {
    /// Who is served next.
    pub policy: Policy,
    /// When a peer that stops, drips or says nothing is asked last and closed, and how many bytes
    /// may be received at once; `None` waits for ever and receives any number.
    pub guard: Option<Guard>,
}

impl From<Policy> for PolicySetup {
    fn from(policy: Policy) -> Self {
        Self {
            policy,
            guard: None,
        }
    }
}

impl Deref for PolicySetup {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl DerefMut for PolicySetup {
    fn deref_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }
}

/// One-way delays between regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Names, in the order of rows and columns. Empty: one place, no delay.
    pub regions: Vec<String>,
    /// One-way delay from row to column, row after row.
    pub one_way: Vec<Span>,
}

impl Latency {
    /// One-way delay from region `from` to region `to`; none where there are no regions.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> Span {
        let at = from as usize * self.regions.len() + to as usize;
        self.one_way.get(at).copied().unwrap_or(Span::ZERO)
    }
}

/// A link that all paths between two sets of regions cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLinkSetup {
    /// Its name in reports.
    pub name: String,
    /// Its capacity: of one direction, or of both together.
    pub capacity: Rate,
    /// Whether what goes back crosses it as well.
    pub both: bool,
    /// Regions on the sending side; empty means every region.
    pub from: Vec<u32>,
    /// Regions on the receiving side; empty means every region.
    pub to: Vec<u32>,
}

impl SharedLinkSetup {
    /// Whether what goes from region `from` to region `to` crosses it.
    #[must_use]
    pub fn is_crossed(&self, from: u32, to: u32) -> bool {
        let holds = |side: &[u32], region| side.is_empty() || side.contains(&region);
        let leads = |from, to| holds(&self.from, from) && holds(&self.to, to);
        leads(from, to) || self.both && leads(to, from)
    }
}

/// A group of peers or transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSetup {
    /// Its name.
    pub name: String,
    /// Its right to a proportion, where shares are per group.
    pub weight: Weight,
    /// Strict priority band, 0 first, of its members together.
    pub band: u8,
    /// Rate that its members together never exceed at one uplink.
    pub cap: Option<Rate>,
    /// Rate that its members together are guaranteed at one uplink while they have demand.
    pub floor: Option<Rate>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSetup {
    /// Its name; streams of random numbers hang on it.
    pub name: String,
    /// The class it belongs to.
    pub class: String,
    /// Row of [`Latency::regions`].
    pub region: u32,
    /// Capacity of its uplink; none is unlimited.
    pub up: Option<Rate>,
    /// Capacity of its downlink; none is unlimited.
    pub down: Option<Rate>,
    /// Rate that the node itself keeps on its uplink, below the capacity.
    pub upload_cap: Option<Rate>,
    /// Depth of the bucket of `upload_cap`; none is the default of the core.
    pub burst: Option<ByteCount>,
    /// Rate that the node itself keeps on what it asks for.
    pub download_cap: Option<Rate>,
    /// When it joins.
    pub join: Time,
    /// When it leaves whatever it still wants; none stays.
    pub leave: Option<Time>,
    /// How long it stays after it has all it wants; none stays until the run ends.
    pub linger: Option<Span>,
    /// Row of [`Setup::policies`].
    pub policy: u32,
    /// Row of [`Setup::groups`].
    pub group: Option<u32>,
    /// Its weight at the uplinks of others.
    pub weight: Weight,
    /// Strict priority band at the uplinks of others, 0 first.
    pub band: u8,
    /// Rate at which any one node serves it at most.
    pub cap: Option<Rate>,
    /// Rate at which any one node serves it at least, while it has demand.
    pub floor: Option<Rate>,
    /// Other nodes that it connects to in a swarm.
    pub neighbours: u32,
    /// What it does that others do not.
    pub behaviour: Behaviour,
    /// Whether what it gains by its behaviour is measured, and what that costs the others.
    pub deviant: bool,
}

impl Setup {
    /// The other members of the class that vouches for a peer.
    pub fn partners(&self, peer: u32) -> impl Iterator<Item = u32> {
        let class = self.peers[peer as usize].behaviour.colludes.as_ref();
        let others = (0..).zip(&self.peers).filter(move |(row, _)| *row != peer);
        let members = others.filter(move |(_, other)| Some(&other.class) == class);
        members.map(|(row, _)| row)
    }
}

impl PeerSetup {
    /// The capacity of its downlink: one that reads slowly has a slow one.
    #[must_use]
    pub fn drained_down(&self) -> Option<Rate> {
        [self.down, self.behaviour.drains]
            .into_iter()
            .flatten()
            .min()
    }

    /// The rate that it keeps on its uplink: one that serves with a part of that caps itself.
    #[must_use]
    pub fn served_cap(&self) -> Option<Rate> {
        let part = match (self.behaviour.serves, self.up) {
            (Serves::Percent(part), Some(up)) => {
                let part = u128::from(up.get()) * u128::from(part) / 100;
                Some(Rate::new(u64::try_from(part).unwrap_or(u64::MAX).max(1)))
            }
            _ => None,
        };
        [self.upload_cap, part].into_iter().flatten().min()
    }
}

/// A content that a swarm distributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentSetup {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: ByteCount,
    /// Length of every chunk but the last.
    pub chunk: ByteCount,
    /// Peers that hold all of it when they join.
    pub seeds: Vec<u32>,
    /// Peers that want all of it when they join.
    pub leechers: Vec<u32>,
    /// What each leecher holds already when it first joins, in the order of `leechers`; those
    /// beyond the end of the list hold nothing.
    pub start: Vec<Bitfield>,
}

/// A transfer from one peer to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferSetup {
    /// Its name.
    pub name: String,
    /// The class it is reported under.
    pub class: String,
    /// The peer that has it.
    pub source: u32,
    /// The peer that wants it.
    pub destination: u32,
    /// Its length.
    pub bytes: ByteCount,
    /// Length of every chunk but the last.
    pub chunk: ByteCount,
    /// When the destination asks for it.
    pub start: Time,
    /// Its weight at the source.
    pub weight: Weight,
    /// Rate at which the source serves it at most.
    pub cap: Option<Rate>,
    /// Rate at which the source serves it at least while it is backlogged.
    pub floor: Option<Rate>,
    /// Row of [`Setup::groups`].
    pub group: Option<u32>,
    /// Strict priority band, 0 first.
    pub band: u8,
}

/// What libraries decide about in a run, and what becomes of the disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibrarySetup {
    /// Contents that are pushed or fetched.
    pub deliveries: Vec<DeliverySetup>,
    /// Changes of disks, at their times; a disk that none names has room for everything.
    pub disks: Vec<DiskSetup>,
}

/// A content that goes from peers to a peer, whose library decides about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySetup {
    /// Its name, as an offer says it.
    pub name: String,
    /// The peers that have it. The first one pushes, where it is pushed.
    pub sources: Vec<u32>,
    /// Those of them that send another manifest than the one that was asked for.
    pub liars: Vec<u32>,
    /// The peer that gets it.
    pub destination: u32,
    /// Its length.
    pub bytes: ByteCount,
    /// Length of every chunk but the last.
    pub chunk: ByteCount,
    /// The length that an offer says; `None` says the truth.
    pub said_bytes: Option<ByteCount>,
    /// Length of its manifest.
    pub manifest_bytes: ByteCount,
    /// When it is pushed or asked for; all of its peers are there then.
    pub at: Time,
    /// Which of the two.
    pub kind: DeliveryKind,
}

/// How a content comes to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// The first source offers it, and may push so much in all.
    Push {
        /// Bytes on disk; `None` sets no limit.
        quota: Option<ByteCount>,
    },
    /// A person at the destination asks for it.
    Get,
}

/// A change of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSetup {
    /// Whose.
    pub peer: u32,
    /// When.
    pub at: Time,
    /// Bytes that it can take from then on.
    pub free: ByteCount,
}

/// Something that changes at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSetup {
    /// When.
    pub at: Time,
    /// What.
    pub kind: FaultKind,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The peer is gone, with all its connections; what it holds stays on its disk.
    Crash {
        /// Who.
        peer: u32,
    },
    /// The peer comes back with what it held.
    Restart {
        /// Who.
        peer: u32,
    },
    /// The peer's links change, one or both.
    Capacity {
        /// Whose.
        peer: u32,
        /// The new uplink.
        up: NewRate,
        /// The new downlink.
        down: NewRate,
    },
    /// A shared link changes.
    SharedCapacity {
        /// Row of [`Setup::links`].
        link: u32,
        /// Its new capacity; none is unlimited.
        capacity: Option<Rate>,
    },
    /// Nobody wants a transfer any more: its destination lets go of it, begun or not.
    Abort {
        /// Row of [`Setup::transfers`].
        transfer: u32,
    },
    /// A cap of the core changes while it runs; the debt is carried.
    UploadCap {
        /// Whose.
        peer: u32,
        /// The new rate; none is unlimited.
        rate: Option<Rate>,
    },
}

/// What becomes of a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewRate {
    /// It stays as it is.
    #[default]
    Keep,
    /// Nothing limits it any more.
    Unlimited,
    /// This; at zero nothing moves.
    At(Rate),
}

impl NewRate {
    /// The rate that follows `before`; none is unlimited.
    #[must_use]
    pub const fn after(self, before: Option<Rate>) -> Option<Rate> {
        match self {
            Self::Keep => before,
            Self::Unlimited => None,
            Self::At(rate) => Some(rate),
        }
    }
}

impl From<Option<Rate>> for NewRate {
    fn from(rate: Option<Rate>) -> Self {
        rate.map_or(Self::Unlimited, Self::At)
    }
}
