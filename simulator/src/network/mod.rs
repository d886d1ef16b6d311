//! The network interface: what happens to a transmission between two nodes.
//!
//! A network is given transmissions in order, and reports when the last byte of each has left and
//! when it has arrived. It decides how links are shared, and never loses or invents a byte; the
//! order of a node's uploads is the core's.
//!
//! Every node has an uplink and a downlink; regions of nodes may have shared links between
//! them. The path from a to b is the uplink of a, the shared links of the route from a's region
//! to b's, the downlink of b, and a propagation delay that the transmission names.
//!
//! Two models: [`block`], in which a link serves one transmission at a time, and [`fluid`], in
//! which all flows in flight share the links max-min fairly, each in its place in the tree of its
//! sender's policy.

pub mod block;
mod connection;
pub mod fluid;
pub mod maxmin;
mod server;
mod topology;

use std::fmt::{self, Debug};

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};

/// Times beyond this, 100 years, are not simulated: what would end later never ends.
pub const HORIZON: Time = Time::from_nanos(3_155_760_000_000_000_000);

/// The largest transmission, 2^56 bytes, so that every product of the models fits in 128 bits.
pub const BYTES_MAX: ByteCount = ByteCount::new(1 << 56);

/// A node of the network; its place in tables with a row for each node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

/// A shared link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedIndex(pub u32);

/// A set of nodes with the same routes. Every node starts in region 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionIndex(pub u32);

impl NodeIndex {
    /// The place in a table with a row for each node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Bytes on their way from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// The sender's name for it, given back in the outcomes. The network never compares ids.
    pub id: u64,
    /// The sender.
    pub from: NodeIndex,
    /// The receiver, another node.
    pub to: NodeIndex,
    /// The flow of the sender's policy that it belongs to, between these two nodes: in the fluid
    /// model transmissions of one flow leave one after the other.
    pub flow: u32,
    /// How much; zero to [`BYTES_MAX`].
    pub bytes: ByteCount,
    /// Bytes that the flow has still to send in all, these included, for orders that ask.
    pub remaining: ByteCount,
    /// The right to a proportion of each link, in a fluid without a policy's tree.
    pub weight: Weight,
    /// Propagation delay from sender to receiver.
    pub delay: Span,
}

/// What has become of a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The last byte has left the sender's uplink.
    Sent(u64),
    /// The last byte has arrived at the receiver.
    Delivered(u64),
}

/// Bytes of whole transmissions that a node's links have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes of the transmissions from this node that were `Sent`.
    pub up: ByteCount,
    /// Bytes of the transmissions to this node that were `Delivered`.
    pub down: ByteCount,
}

/// A link, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// A node's uplink.
    Up(NodeIndex),
    /// A node's downlink.
    Down(NodeIndex),
    /// A shared link.
    Shared(SharedIndex),
}

/// A transmission that has not arrived, and the link that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The transmission's id.
    pub id: u64,
    /// Its sender.
    pub from: NodeIndex,
    /// Its receiver.
    pub to: NodeIndex,
    /// The link that holds it; none if it waits for its connection's window or propagates.
    pub link: Option<Link>,
}

/// A law of the network that has been broken: a fault of the model, never of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A link has carried more than its capacity allows.
    #[error("{link} carries more than its capacity at {at}")]
    OverCapacity {
        /// The link.
        link: Link,
        /// When it was seen.
        at: Time,
    },
    /// Somebody at a node is given more than a cap allows.
    #[error("a cap is exceeded at {at}")]
    OverCap {
        /// When it was seen.
        at: Time,
    },
    /// A transmission could be faster without slowing one that is no faster.
    #[error("transmission {id} has no bottleneck at {at}")]
    NoBottleneck {
        /// The transmission.
        id: u64,
        /// When it was seen.
        at: Time,
    },
    /// A link is idle while something that it could serve waits for it.
    #[error("{link} is idle with work waiting at {at}")]
    Idle {
        /// The link.
        link: Link,
        /// When it was seen.
        at: Time,
    },
}

/// How transmissions share links. All times are monotone: `now` never decreases from call to
/// call, and no call passes a `now` later than [`Network::next_event`].
pub trait Network: Debug + Send {
    /// Adds a node in region 0; none means that the link is never a limit, zero that it stands
    /// still.
    fn add_node(&mut self, up: Option<Rate>, down: Option<Rate>) -> NodeIndex;

    /// Changes the capacity of a node's links from `now` on, under what is in flight.
    fn set_capacity(&mut self, node: NodeIndex, up: Option<Rate>, down: Option<Rate>, now: Time);

    /// Adds a link that routes may cross.
    fn add_shared(&mut self, capacity: Option<Rate>) -> SharedIndex;

    /// Changes the capacity of a shared link from `now` on.
    fn set_shared(&mut self, link: SharedIndex, capacity: Option<Rate>, now: Time);

    /// Moves a node to a region. What is in flight keeps its path.
    fn set_region(&mut self, node: NodeIndex, region: RegionIndex);

    /// Lets what goes from one region to another cross these shared links in this order, at
    /// most `SHARED_MAX`; none to begin with. What is in flight keeps its path.
    ///
    /// # Panics
    ///
    /// If there are too many links, or the same one twice.
    fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]);

    /// Accepts a transmission. False if it waits for its connection's window, not for the
    /// sender's uplink: the sender may fill its uplink with others meanwhile.
    ///
    /// # Panics
    ///
    /// If it is to its sender, or larger than [`BYTES_MAX`].
    fn send(&mut self, transmission: Transmission, now: Time) -> bool;

    /// Whether something from `from` to `to` waits for the window of that connection.
    fn is_full(&self, _from: NodeIndex, _to: NodeIndex) -> bool {
        false
    }

    /// Forgets everything from and to `node`, without outcomes. The node may send again.
    fn drop_node(&mut self, node: NodeIndex, now: Time);

    /// Forgets everything from `from` to `to`, without outcomes; not the other direction.
    fn drop_pair(&mut self, from: NodeIndex, to: NodeIndex, now: Time);

    /// Forgets everything of one flow, without outcomes, and what the flow was served before.
    /// In the block model what is on its way goes on.
    fn drop_flow(&mut self, from: NodeIndex, to: NodeIndex, flow: u32, now: Time);

    /// When [`Network::advance`] is to be called next; none if nothing will happen before
    /// [`HORIZON`], whatever still waits. After a drop or a change of capacity this may be a
    /// time at which nothing comes out. Takes `&mut self` because the fluid model shares the
    /// links anew here, once for all that was sent and ended since.
    fn next_event(&mut self) -> Option<Time>;

    /// Appends everything that happens at `now` to `out`, in an order that depends on nothing
    /// but the calls made.
    ///
    /// # Panics
    ///
    /// If something was to happen before `now`.
    fn advance(&mut self, now: Time, out: &mut Vec<Outcome>);

    /// Looks for a broken law.
    ///
    /// # Errors
    ///
    /// The first violation found.
    fn check(&self, now: Time) -> Result<(), Violation>;

    /// What a node's links have carried.
    fn carried(&self, node: NodeIndex) -> Carried;

    /// Everything accepted that has neither arrived nor been dropped, oldest first.
    fn waiting(&self) -> Vec<Waiting>;
}

/// The most shared links on one path.
pub(crate) const SHARED_MAX: usize = 4;

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.0)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(node) => write!(f, "uplink of {node}"),
            Self::Down(node) => write!(f, "downlink of {node}"),
            Self::Shared(link) => write!(f, "shared link {}", link.0),
        }
    }
}
