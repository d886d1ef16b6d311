//! What a run gives back: facts counted while it ran, in integers and in the order of the
//! setup. Metrics are computed from these, never during the run.

use fairhaul_core::library::WaitOutcome;
use fairhaul_core::message::OfferVerdict;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

/// Everything that a finished run reports.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// BLAKE3 of the trace: every event in order, with its time.
    pub digest: [u8; 32],
    /// When the last event happened.
    pub end: Time,
    /// Events taken from the queue.
    pub events: u64,
    /// Inputs handled by all cores together.
    pub steps: u64,
    /// Whether the run ended at its horizon with work left.
    pub stopped_at_horizon: bool,
    /// One row a peer, in the order of the setup.
    pub peers: Vec<PeerRecord>,
    /// One row a transfer, in the order of the setup.
    pub transfers: Vec<TransferRecord>,
    /// One row a flow and window in which the flow was backlogged or served.
    pub windows: Vec<WindowRecord>,
    /// Bytes that went from one peer to another; pairs without any are left out.
    pub pairs: Vec<PairRecord>,
    /// One row a content, in the order of the setup.
    pub contents: Vec<ContentRecord>,
    /// One row a delivery, in the order of the setup.
    pub deliveries: Vec<DeliveryRecord>,
}

/// A peer at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct PeerRecord {
    /// When it joined; none if it never did.
    pub joined: Option<Time>,
    /// When it left; none if it was there at the end.
    pub left: Option<Time>,
    /// When it had everything it wanted from swarms; none if it wanted nothing or never did.
    pub completed: Option<Time>,
    /// Whether it wanted a content.
    pub wanted: bool,
    /// Verified payload it sent while it wanted something.
    pub up_as_leecher: ByteCount,
    /// Verified payload it sent while it wanted nothing.
    pub up_as_seed: ByteCount,
    /// Verified payload from nodes that wanted something.
    pub down_from_leechers: ByteCount,
    /// Verified payload from nodes that wanted nothing.
    pub down_from_seeds: ByteCount,
    /// Payload that came twice or for nothing.
    pub wasted: ByteCount,
    /// Largest `sent - received` among leechers, over the run.
    pub worst_service_error: ByteCount,
    /// Time in which it has everything in a run with the seeds alone, measured by
    /// [`crate::alone`]; none until it was, and if it wanted nothing or did not complete.
    pub alone: Option<Span>,
    /// Time during which it was present.
    pub present: Span,
}

/// A transfer at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct TransferRecord {
    /// When the destination asked; none if the run ended before.
    pub start: Option<Time>,
    /// When its first byte arrived.
    pub first_byte: Option<Time>,
    /// When its last byte arrived and was verified; none if it did not.
    pub end: Option<Time>,
    /// Time it takes in a run of its own, measured by [`crate::alone`]; none until it was, and if
    /// it did not finish.
    pub alone: Option<Span>,
    /// Bytes that arrived.
    pub received: ByteCount,
    /// Bytes to which it was entitled, by weighted max-min sharing among the transfers that
    /// were backlogged at the same time, floors and caps included.
    pub entitlement: ByteCount,
}

/// A flow in a window. A flow is a transfer, or a peer of a swarm that downloads.
#[derive(Clone, Debug)]
pub struct WindowRecord {
    /// Length of the window.
    pub window: Span,
    /// When it starts.
    pub start: Time,
    /// What the flow is.
    pub flow: FlowName,
    /// Bytes that arrived in it.
    pub bytes: ByteCount,
    /// Bytes that the ideal would have given it in it.
    pub entitlement: ByteCount,
    /// For how long of it the flow had demand.
    pub backlogged: Span,
}

/// What a flow of a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowName {
    /// Row of the setup's transfers.
    Transfer(u32),
    /// Row of the setup's peers.
    Peer(u32),
}

/// Bytes from one peer to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairRecord {
    /// The sender, a row of the setup's peers.
    pub sender: u32,
    /// The receiver, a row of the setup's peers.
    pub receiver: u32,
    /// Verified payload.
    pub bytes: ByteCount,
}

/// A content at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct ContentRecord {
    /// Time from the first leecher's join to the last completion; none if someone never
    /// completed.
    pub makespan: Option<Span>,
    /// Leechers that joined.
    pub leechers: u32,
    /// Leechers that completed.
    pub completed: u32,
    /// Least time in which any policy could serve the last peer (Kumar and Ross), where nobody
    /// leaves; none elsewhere.
    pub kumar_ross: Option<Span>,
    /// Least time for a content in whole chunks among equal peers (Mundinger, Weber and
    /// Weiss); none where peers differ.
    pub mundinger: Option<Span>,
}

/// A delivery at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct DeliveryRecord {
    /// When the destination had all of it, under its final names.
    pub completed: Option<Time>,
    /// When whoever waited for it was told, or it was whole.
    pub end: Option<Time>,
    /// What whoever waited was told; `None` if its process was killed before.
    pub outcome: Option<WaitOutcome>,
    /// What the destination said last of an offer.
    pub verdict: Option<OfferVerdict>,
    /// How often a disk made it stand still.
    pub pauses: u32,
    /// Peers that were closed because they sent a wrong manifest.
    pub blamed: Vec<u32>,
}
