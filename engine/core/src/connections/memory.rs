//! Memory that peers make a node hold (limit L4): what each one may, and all together.
//!
//! Some of it passes: it is given back without another word of the peer. The rest stands until the
//! peer sends more, reads, or leaves. A peer above its part is read no further while anything
//! passing is held of it; were it not read because of what stands, nothing would ever be given
//! back.

use std::collections::BTreeMap;

use super::memory_shares::MemoryShares;
use crate::id::PeerId;

/// What is held of one peer at most before it has to wait.
pub(crate) const PEER_MAX: u64 = 4 * 1024 * 1024;

/// What is held of all peers together, where the system allows as much.
pub(crate) const NODE_MAX: u64 = 1024 * 1024 * 1024;

/// Passing bytes of all peers before each has to wait for its own, where the system allows as much.
pub(crate) const PASSING_MAX: u64 = 64 * 1024 * 1024;

/// Messages of our own that wait for one peer to read them: news of a hundred thousand chunks.
const NEWS_MAX: u64 = 16 * 1024 * 1024;

/// What bytes that are held are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldKind {
    /// Messages that wait for the driver, chunks that wait for a disk: we give them back.
    Passing,
    /// Beginnings of chunks, which the peer goes on with.
    Begun,
    /// Manifests that the peer announced.
    Announced,
    /// Answers that the peer does not read.
    Reply,
    /// Messages that this node sends by itself and the peer does not read.
    News,
    /// Bitfields of the contents that the peer takes part in or offers.
    Claimed,
}

/// How much of each kind is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part([u64; 6]);

impl Part {
    const fn of(&self, kind: HeldKind) -> u64 {
        self.0[kind as usize]
    }

    const fn of_mut(&mut self, kind: HeldKind) -> &mut u64 {
        &mut self.0[kind as usize]
    }

    fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, held| sum.saturating_add(*held))
    }

    /// What the peer makes us hold, unlike news of our own.
    fn charged(&self) -> u64 {
        self.sum() - self.of(HeldKind::News)
    }
}

/// The books.
#[derive(Debug, Default)]
pub struct Memory {
    shares: MemoryShares,
    all: Part,
    peers: BTreeMap<PeerId, Part>,
}

impl Memory {
    /// Empty ones, of a node whose memory is divided so.
    #[must_use]
    pub fn new(shares: MemoryShares) -> Self {
        Self {
            shares,
            ..Self::default()
        }
    }

    /// `bytes` more are held of `peer`.
    pub fn hold(&mut self, peer: PeerId, kind: HeldKind, bytes: u64) {
        for part in [&mut self.all, self.peers.entry(peer).or_default()] {
            let held = part.of_mut(kind);
            *held = held.saturating_add(bytes);
        }
    }

    /// `bytes` that were held of `peer` are held no longer.
    pub fn give_back(&mut self, peer: PeerId, kind: HeldKind, bytes: u64) {
        let Some(part) = self.peers.get_mut(&peer) else {
            return;
        };
        for part in [&mut self.all, part] {
            let held = part.of_mut(kind);
            *held = held.saturating_sub(bytes);
        }
        if self.peers.get(&peer).is_some_and(|part| part.sum() == 0) {
            self.peers.remove(&peer);
        }
    }

    /// Whether more is to be read from `peer` now.
    #[must_use]
    pub fn reads(&self, peer: PeerId) -> bool {
        let part = self.part(peer);
        let room = part.charged() < PEER_MAX
            && self.all.of(HeldKind::Passing) < self.shares.passing
            && self.all.sum() < self.shares.held;
        room || part.of(HeldKind::Passing) == 0
    }

    /// Whether a manifest of `bytes` more may come, which `peer` announces. The first of any length
    /// may, as far as there is room in all.
    #[must_use]
    pub fn admits(&self, peer: PeerId, bytes: u64) -> bool {
        let announced = self.part(peer).of(HeldKind::Announced);
        let fits = announced == 0 || announced.saturating_add(bytes) <= PEER_MAX;
        fits && self.all.sum().saturating_add(bytes) <= self.shares.held
    }

    /// Whether more waits for `peer` to read it than is kept for one: it is to be closed. While the
    /// node's part is used up, a sixteenth of that is enough.
    #[must_use]
    pub fn is_deaf(&self, peer: PeerId) -> bool {
        let part = self.part(peer);
        let (replies, news) = (part.of(HeldKind::Reply), part.of(HeldKind::News));
        let over = replies > PEER_MAX || news > NEWS_MAX;
        over || (self.all.sum() > self.shares.held && replies + news > PEER_MAX / 16)
    }

    /// Bytes that are held of all peers.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.all.sum()
    }

    fn part(&self, peer: PeerId) -> Part {
        self.peers.get(&peer).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HeldKind::{Announced, Begun, News, Passing, Reply};

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);
    const MIB: u64 = 1024 * 1024;

    /// A disk stands still, and a peer has filled its part: the others are read, and it is too
    /// once something of it was written.
    ///
    /// Register: P11. Limit: L4.
    #[test]
    fn a_peer_waits_for_its_own_part_alone() {
        let mut memory = Memory::default();
        memory.hold(A, Passing, 4 * MIB);
        assert!(!memory.reads(A) && memory.reads(B));
        memory.give_back(A, Passing, 1);
        assert!(memory.reads(A));
    }

    /// What stands is given back only if the peer is read.
    ///
    /// Limit: L4.
    #[test]
    fn a_peer_of_which_much_stands_is_read_as_long_as_nothing_passes() {
        let mut memory = Memory::default();
        memory.hold(A, Announced, 60 * MIB);
        memory.hold(A, Begun, 4 * MIB);
        assert!(memory.reads(A));
        memory.hold(A, Passing, 1);
        assert!(!memory.reads(A));
        memory.give_back(A, Passing, 1);
        assert!(memory.reads(A));
    }

    /// However many peers there are, what passes is bounded by the node's part and one reading of
    /// each.
    ///
    /// Limit: L4.
    #[test]
    fn all_peers_together_stay_within_the_part_of_the_node() {
        let mut memory = Memory::default();
        for round in 0..4 {
            for peer in (0..1_000).map(PeerId) {
                if memory.reads(peer) {
                    memory.hold(peer, Passing, 256 * 1024);
                }
            }
            assert!(memory.held() <= PASSING_MAX + 1_000 * 256 * 1024, "{round}");
        }
        assert!((0..1_000).all(|peer| !memory.reads(PeerId(peer))));
        let held = memory.held();
        for peer in (0..1_000).map(PeerId) {
            memory.give_back(peer, Passing, held);
        }
        assert!(memory.peers.is_empty());
    }

    /// Sixty-four manifests of 64 MiB are announced: one is taken. Those of an honest peer are
    /// short, and many are.
    ///
    /// Limit: L4, L8.
    #[test]
    fn one_long_announcement_of_a_peer_is_taken_or_many_short_ones() {
        let mut memory = Memory::default();
        let announce = |memory: &mut Memory, peer, bytes| {
            let admits = memory.admits(peer, bytes);
            if admits {
                memory.hold(peer, Announced, bytes);
            }
            admits
        };
        let taken = (0..64).filter(|_| announce(&mut memory, A, 64 * MIB));
        assert_eq!(taken.count(), 1);
        let taken = (0..100).filter(|_| announce(&mut memory, B, MIB / 10));
        assert_eq!(taken.count(), 40);
        // A crowd of peers cannot take more than there is.
        // One that sends something else meanwhile may announce all the same.
        memory.hold(PeerId(9), Begun, 3 * MIB);
        let crowd = (9..100).filter(|peer| announce(&mut memory, PeerId(*peer), 64 * MIB));
        assert_eq!(crowd.count(), 14);
        assert!(memory.held() <= NODE_MAX);
    }

    /// Register: C6. Limit: L4, L5.
    #[test]
    fn who_does_not_read_is_closed_at_its_part_and_sooner_where_there_is_none_left() {
        let mut memory = Memory::default();
        memory.hold(A, Reply, 4 * MIB);
        memory.hold(B, News, 16 * MIB);
        assert!(
            !memory.is_deaf(A) && memory.reads(A),
            "what it says is heard"
        );
        memory.hold(B, Passing, 1);
        assert!(memory.reads(B), "our news are no charge of its");
        memory.hold(A, Reply, 1);
        assert!(memory.is_deaf(A) && !memory.is_deaf(B));
        memory.hold(B, News, 1);
        assert!(memory.is_deaf(B));
        memory.give_back(B, News, 15 * MIB);
        assert!(!memory.is_deaf(B));
        memory.hold(PeerId(3), Begun, NODE_MAX);
        assert!(memory.is_deaf(B));
    }

    /// Each bound to its last byte, and the numbers that the documents name.
    ///
    /// Limit: L4.
    #[test]
    fn each_part_ends_with_its_last_byte() {
        assert_eq!((PEER_MAX, NODE_MAX), (4 * MIB, 1_024 * MIB));
        assert_eq!((PASSING_MAX, NEWS_MAX), (64 * MIB, 16 * MIB));
        let mut passing = Memory::default();
        passing.hold(A, Passing, 1);
        passing.hold(B, Passing, PASSING_MAX - 2);
        assert!(passing.reads(A));
        passing.hold(B, Passing, 1);
        assert!(!passing.reads(A));
        let mut full = Memory::default();
        full.hold(A, Passing, 1);
        full.hold(B, Begun, NODE_MAX - 2);
        assert!(full.reads(A) && full.admits(A, 1) && !full.admits(A, 2));
        full.hold(B, Begun, 1);
        assert!(!full.reads(A) && !full.admits(A, 1));
        let mut own = Memory::default();
        own.hold(A, Announced, PEER_MAX - 5);
        assert!(own.admits(A, 5) && !own.admits(A, 6));
        assert_eq!(own.held(), PEER_MAX - 5);
    }

    /// When the node's memory is used up, a peer that leaves more than a sixteenth of its part
    /// unread is closed.
    ///
    /// Limit: L4.
    #[test]
    fn a_full_node_bears_a_sixteenth_of_what_is_not_read() {
        let mut memory = Memory::default();
        memory.hold(A, Reply, PEER_MAX / 16 - 1);
        memory.hold(A, News, 2);
        memory.hold(B, Begun, NODE_MAX - PEER_MAX / 16 - 1);
        assert_eq!(memory.held(), NODE_MAX);
        assert!(!memory.is_deaf(A), "the node is not over its part");
        memory.hold(B, Begun, 1);
        assert!(memory.is_deaf(A));
        memory.give_back(A, News, 1);
        memory.hold(B, Begun, 1);
        assert!(!memory.is_deaf(A), "no more than it may");
    }

    #[test]
    fn what_was_never_held_gives_nothing_back() {
        let mut memory = Memory::default();
        memory.give_back(A, Begun, 5);
        memory.hold(A, Passing, 1);
        memory.give_back(A, Begun, 5);
        memory.give_back(A, Passing, 1);
        assert_eq!((memory.held(), memory.peers.len()), (0, 0));
    }
}
