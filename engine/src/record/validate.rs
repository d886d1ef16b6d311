//! Validates the inputs of a log: those that a core trusts its shell to get right.
//!
//! The core itself judges what peers send. Unknown chunks, reused ids and times that go back are
//! refused here, so that a log that was edited by hand is an error and no panic.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::block_size;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use thiserror::Error;

/// A hundred years: no node runs longer, and sums of a few of them still fit.
pub(super) const CENTURY: Span = Span::from_secs(100 * 365 * 24 * 3_600);

/// Peers that a shell gives ids to, at most: the core has a table by id.
const PEERS_MAX: u32 = 1 << 16;

/// Bytes beside blocks that are counted at once, at most.
const OVERHEAD_MAX: ByteCount = ByteCount::mib(1024);

/// Why an input cannot have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Impossible {
    #[error("time goes back, or beyond a century")]
    Time,
    #[error("a peer's id is {0}; allowed are those below {PEERS_MAX}")]
    Peer(u32),
    #[error("peer {0} is connected and connects again")]
    Connected(u32),
    #[error("transfer {0} or its content is added twice")]
    Added(u32),
    #[error("transfer {id} has {have} bits for {chunks} chunks")]
    Bits { id: u32, have: u32, chunks: u32 },
    #[error("transfer {id} has no chunk {chunk}")]
    Chunk { id: u32, chunk: u32 },
    #[error("{0} were sent at once")]
    Sent(ByteCount),
}

/// What the core has been told so far, as far as later inputs depend on it.
#[derive(Debug)]
pub(super) struct Ledger {
    now: Time,
    connected: BTreeSet<PeerId>,
    transfers: BTreeMap<TransferId, (ContentId, Manifest)>,
    contents: BTreeSet<ContentId>,
}

impl Ledger {
    /// Before the first input of a node made at `now`.
    pub(super) fn new(now: Time) -> Result<Self, Impossible> {
        let this = Self {
            now: Time::ZERO,
            connected: BTreeSet::new(),
            transfers: BTreeMap::new(),
            contents: BTreeSet::new(),
        };
        this.later(now)
    }

    /// Whether `input` can have happened at `at`, after all before.
    pub(super) fn check(self, input: &Input, at: Time) -> Result<Self, Impossible> {
        let mut this = self.later(at)?;
        match input {
            Input::Connected { peer, .. } => this.connect(*peer)?,
            Input::Disconnected { peer } => {
                this.connected.remove(peer);
            }
            Input::Sent { len, .. } if *len > block_size::LARGEST => {
                return Err(Impossible::Sent(*len));
            }
            Input::Overhead { len, .. } if *len > OVERHEAD_MAX => {
                return Err(Impossible::Sent(*len));
            }
            Input::Stored {
                transfer, chunk, ..
            }
            | Input::Rejected {
                transfer, chunk, ..
            }
            | Input::Lost { transfer, chunk }
            | Input::Withdraw { transfer, chunk } => this.has_chunk(*transfer, *chunk)?,
            Input::Add {
                transfer,
                content,
                manifest,
                have,
                ..
            } => this.add(*transfer, *content, *manifest, have.len())?,
            Input::Remove { transfer } => {
                if let Some((content, _)) = this.transfers.remove(transfer) {
                    this.contents.remove(&content);
                }
            }
            _ => {}
        }
        Ok(this)
    }

    fn later(mut self, at: Time) -> Result<Self, Impossible> {
        if at < self.now || at.since(Time::ZERO) > CENTURY {
            return Err(Impossible::Time);
        }
        self.now = at;
        Ok(self)
    }

    fn connect(&mut self, peer: PeerId) -> Result<(), Impossible> {
        if peer.0 >= PEERS_MAX {
            return Err(Impossible::Peer(peer.0));
        }
        if !self.connected.insert(peer) {
            return Err(Impossible::Connected(peer.0));
        }
        Ok(())
    }

    fn add(
        &mut self,
        id: TransferId,
        content: ContentId,
        manifest: Manifest,
        have: u32,
    ) -> Result<(), Impossible> {
        let chunks = manifest.chunks();
        if have != chunks {
            let id = id.0;
            return Err(Impossible::Bits { id, have, chunks });
        }
        let before = self.transfers.insert(id, (content, manifest));
        if before.is_some() || !self.contents.insert(content) {
            return Err(Impossible::Added(id.0));
        }
        Ok(())
    }

    /// What is told of a transfer that is gone the core leaves alone.
    fn has_chunk(&self, id: TransferId, chunk: ChunkIndex) -> Result<(), Impossible> {
        let manifest = self.transfers.get(&id).map(|(_, manifest)| manifest);
        if manifest.is_some_and(|manifest| manifest.index(chunk.get()).is_none()) {
            let (id, chunk) = (id.0, chunk.get());
            return Err(Impossible::Chunk { id, chunk });
        }
        Ok(())
    }
}
