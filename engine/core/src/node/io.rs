//! The configuration, inputs, actions and events of a node.
//!
//! No value here holds a byte of a content.

use serde::{Deserialize, Serialize};

use crate::bitfield::Bitfield;
use crate::choke;
use crate::id::{ChunkIndex, GroupId, PeerId, TransferId};
use crate::manifest::{ContentId, Manifest};
use crate::message::{CloseCode, Known, Message, Offer, OfferVerdict};
use crate::misbehaviour::Misbehaviour;
use crate::pick;
use crate::rng::Rng;
use crate::time::Span;
use crate::units::{ByteCount, Rate};
use crate::uplink::{Block, Limit, PathSample, Settings, Target};

use super::Guard;

/// What a node is made with.
#[derive(Debug)]
pub struct Config {
    /// The uplink's disciplines, window and fairness key.
    pub uplink: Settings,
    /// The choker while something is still wanted.
    pub unchoke: &'static choke::ChokerRow,
    /// The choker once everything is had.
    pub seed_rule: &'static choke::ChokerRow,
    /// The picker.
    pub picker: &'static pick::PickerRow,
    /// What the chokers are told when they are made.
    pub choke: choke::ChokerParams,
    /// What the uplink carries, as far as the shell knows, for chokers that plan; without it they
    /// go by the node's cap, or else by the most that it has sent in a round.
    pub capacity: Option<Rate>,
    /// Unchoke slots, optimistic ones included.
    pub slots: usize,
    /// Time between two rounds of the choker.
    pub rechoke: Span,
    /// Chunks asked ahead of one peer; none adapts.
    pub pipeline: Option<u32>,
    /// How long requests may wait, and whether they move.
    pub asking: Asking,
    /// Rate at which chunks are asked for at most.
    pub download: Option<Rate>,
    /// Timeouts for peers; with `None` only the rounds of the choker act on slow ones.
    pub guard: Option<Guard>,
    /// The generator of all its draws.
    pub rng: Rng,
}

impl Config {
    /// The settings of the uplink, with the discipline that the choker brings.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            outer: self.unchoke.uplink.unwrap_or(self.uplink.outer),
            ..self.uplink
        }
    }
}

/// How long requests stand in the queues of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// A request that was answered sooner was waiting in no queue: one more is asked ahead.
    pub least: Span,
    /// A request that waited longer stood in a queue that only delays others: one less is.
    pub most: Span,
    /// Whether a request that has waited a while and was not begun is withdrawn when a second peer
    /// announces the chunk. In a swarm the others then carry what the seed has sent once already.
    pub moves: bool,
}

impl Default for Asking {
    /// 150 to 300 ms, and moves: on a link of 20 Mbit/s longer queues at a seed are
    /// filled by peers with the same random choices (results/engine/swarm).
    fn default() -> Self {
        Self {
            least: Span::from_millis(150),
            most: Span::from_millis(300),
            moves: true,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A peer is connected, in both directions. `outbound` if we dialled.
    Connected {
        /// Who.
        peer: PeerId,
        /// Whether we dialled.
        outbound: bool,
    },
    /// A peer is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// A peer said something.
    Message {
        /// Who.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// The last byte of a block has left: its place in the window is free. A slow connection may
    /// report each part of a block.
    Sent {
        /// To whom.
        peer: PeerId,
        /// How long it was.
        len: ByteCount,
    },
    /// Bytes left for a peer beside those of blocks: heads, messages, records of the
    /// encryption. They count towards every cap that such a block must pass.
    Overhead {
        /// For whom.
        peer: PeerId,
        /// The transfer of the block that they went with; none if with none.
        transfer: Option<TransferId>,
        /// How many.
        len: ByteCount,
    },
    /// A chunk is verified and stored.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent it.
        from: PeerId,
    },
    /// A chunk had the wrong hash.
    Rejected {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent it.
        from: PeerId,
    },
    /// A stored chunk is gone, or a complete one is not to be stored and no peer is to blame. It is
    /// fetched again.
    Lost {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
    },
    /// A stored chunk can no longer be served, and is not fetched again: no command asked for its
    /// files to be repaired.
    Withdraw {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
    },
    /// Take part in a content.
    Add {
        /// Our id for it, chosen by the shell.
        transfer: TransferId,
        /// Its identity.
        content: ContentId,
        /// Its geometry.
        manifest: Manifest,
        /// What we have of it; the rest is wanted.
        have: Bitfield,
        /// The only peer that may know of it; none tells every peer.
        audience: Option<PeerId>,
    },
    /// The connection takes no more for now, through no fault of this uplink: its own window
    /// is full. Ends with the next [`Input::Sent`] of that peer.
    Stalled {
        /// Whose.
        peer: PeerId,
    },
    /// Fetch nothing more of it, and give what there is of it as before: until it is removed, and
    /// added anew.
    Settle {
        /// Which.
        transfer: TransferId,
    },
    /// Take part in it no longer.
    Remove {
        /// Which.
        transfer: TransferId,
    },
    /// A limit, floor or weight, now or changed.
    Limit {
        /// Whose.
        target: Target,
        /// What.
        limit: Limit,
    },
    /// Find a cap for the node, just below what its uplink carries, or find none any more. It
    /// holds beside the one of [`Input::Limit`].
    FindCap {
        /// Whether to.
        on: bool,
    },
    /// What the connections that are sent to measure, some times a second.
    Paths {
        /// One for each, in order of their peers.
        paths: Box<[PathSample]>,
    },
    /// A peer or transfer belongs to a group.
    Group {
        /// Who.
        target: Target,
        /// Which; none takes it out.
        group: Option<GroupId>,
    },
    /// From now on chunks are asked for at this rate at most.
    Download {
        /// Bytes per second; none is unlimited.
        rate: Option<Rate>,
    },
    /// Say a line to a peer.
    Text {
        /// To whom.
        peer: PeerId,
        /// What.
        text: Box<str>,
    },
    /// Ask a peer for an answer; its number comes back in [`Event::Pong`].
    Ping {
        /// Whom.
        peer: PeerId,
        /// Chosen by the shell.
        number: u64,
    },
    /// Send a peer one of the messages that only shells send: a text, a ping, a close, an offer, a
    /// verdict, addresses or the wish for some. A message that the node sends by itself is dropped
    /// here.
    Say {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// A peer sent an optional frame of a type that is unknown here.
    Skipped {
        /// Who.
        peer: PeerId,
    },
    /// The time of [`super::Node::deadline`] has come.
    Tick,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Say this to a peer.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// Send this block to its peer, and say [`Input::Sent`] when its last byte has left.
    Upload(Block),
    /// A chunk is whole: verify and store it, then say [`Input::Stored`] or
    /// [`Input::Rejected`]. Transfer, chunk and sender are the ticket for its bytes: the session of
    /// that sender gives them once.
    Store {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent the last of it.
        from: PeerId,
        /// Who sent how many of its bytes, in their order.
        parts: Vec<(PeerId, ByteCount)>,
    },
    /// A peer is asked for the rest of a chunk, next: its blocks continue what came over the
    /// connection of another. The shell keeps what came of each chunk until it is stored or is of
    /// no use any more, whatever becomes of that connection.
    Resume {
        /// Who is asked.
        peer: PeerId,
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent the last of the bytes that are there.
        of: PeerId,
    },
    /// Drop the bytes of a partial chunk whose last sender is given. All other received bytes are
    /// kept: only the node decides about them.
    Discard {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent the last of those bytes.
        from: PeerId,
    },
    /// What a peer calls `theirs` in its messages is one of our transfers from now on, or none.
    Name {
        /// Who.
        peer: PeerId,
        /// Its name of it.
        theirs: TransferId,
        /// Ours; `None` if we take part in it together no longer.
        transfer: Option<TransferId>,
    },
    /// End the connection.
    Close {
        /// With whom.
        peer: PeerId,
        /// Why.
        why: Misbehaviour,
    },
    /// Something that a person or a log wants to know.
    Notify(Event),
}

/// An event for the log and for status clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Event {
    /// Every chunk of a transfer is stored.
    Complete(TransferId),
    /// A peer sent a line of text.
    Text(PeerId, Box<str>),
    /// A peer answered a ping.
    Pong(PeerId, u64),
    /// Bytes came that were not requested.
    Wasted(PeerId, ByteCount),
    /// A peer said its last message.
    Closed(PeerId, CloseCode, Box<str>),
    /// A peer asks us to fetch something.
    Offer(PeerId, Box<Offer>),
    /// What became of an offer of ours.
    Verdict(PeerId, ContentId, OfferVerdict),
    /// A peer asks whom we know.
    WantAddresses(PeerId),
    /// A peer sent addresses of others.
    Addresses(PeerId, Box<[Known]>),
}
