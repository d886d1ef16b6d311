//! Memory that peers make a node hold (limit L4): what each one may, and all together.
//!
//! What is held is of two kinds. Passing bytes are given back without another word of the peer:
//! messages that wait for the driver, chunks that wait for a disk. Standing bytes are given back
//! only when the peer sends more, reads, or leaves: manifests that are coming, beginnings of
//! chunks, messages that it does not read. A peer above its part is read no further while anything
//! passing is held of it; were it not read because of what stands, nothing would ever be given
//! back.

use std::collections::BTreeMap;

use crate::id::PeerId;

/// What is held of one peer at most before it has to wait.
pub const PEER_MAX: u64 = 4 * 1024 * 1024;

/// What is held of all peers together.
pub const NODE_MAX: u64 = 1024 * 1024 * 1024;

/// Passing bytes of all peers before each has to wait for its own.
pub const PASSING_MAX: u64 = 64 * 1024 * 1024;

/// What becomes of bytes that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// We give them back.
    Passing,
    /// The peer has to send more, or leave.
    Standing,
    /// The peer has to read.
    Unread,
}

/// The books.
#[derive(Debug, Default)]
pub struct Memory {
    all: Part,
    peers: BTreeMap<PeerId, Part>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    passing: u64,
    standing: u64,
    unread: u64,
}

impl Part {
    const fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Passing => &mut self.passing,
            Kind::Standing => &mut self.standing,
            Kind::Unread => &mut self.unread,
        }
    }

    const fn sum(&self) -> u64 {
        let waits = self.standing.saturating_add(self.unread);
        self.passing.saturating_add(waits)
    }
}

impl Memory {
    /// `bytes` more are held of `peer`.
    pub fn hold(&mut self, peer: PeerId, kind: Kind, bytes: u64) {
        for part in [&mut self.all, self.peers.entry(peer).or_default()] {
            let held = part.of(kind);
            *held = held.saturating_add(bytes);
        }
    }

    /// `bytes` that were held of `peer` are held no longer.
    pub fn give_back(&mut self, peer: PeerId, kind: Kind, bytes: u64) {
        let Some(part) = self.peers.get_mut(&peer) else {
            return;
        };
        for part in [&mut self.all, part] {
            let held = part.of(kind);
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
        let room =
            part.sum() < PEER_MAX && self.all.passing < PASSING_MAX && self.all.sum() < NODE_MAX;
        room || part.passing == 0
    }

    /// Whether `bytes` more may stand, which `peer` announces. The first of any length may, as far
    /// as there is room in all.
    #[must_use]
    pub fn admits(&self, peer: PeerId, bytes: u64) -> bool {
        let standing = self.part(peer).standing;
        let fits = standing == 0 || standing.saturating_add(bytes) <= PEER_MAX;
        fits && self.all.sum().saturating_add(bytes) <= NODE_MAX
    }

    /// Whether more waits for `peer` to read it than is kept for one: it is to be closed. While the
    /// node's part is used up, a sixteenth of that is enough.
    #[must_use]
    pub fn is_deaf(&self, peer: PeerId) -> bool {
        let unread = self.part(peer).unread;
        unread > PEER_MAX || (self.all.sum() > NODE_MAX && unread > PEER_MAX / 16)
    }

    /// Bytes that are held of all peers.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.all.sum()
    }

    fn part(&self, peer: PeerId) -> Part {
        self.peers.get(&peer).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Passing, Standing, Unread};

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
        memory.hold(A, Standing, 64 * MIB);
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
                memory.hold(peer, Standing, bytes);
            }
            admits
        };
        let taken = (0..64).filter(|_| announce(&mut memory, A, 64 * MIB));
        assert_eq!(taken.count(), 1);
        let taken = (0..100).filter(|_| announce(&mut memory, B, MIB / 10));
        assert_eq!(taken.count(), 40);
        // A crowd of peers cannot take more than there is.
        let crowd = (10..100).filter(|peer| announce(&mut memory, PeerId(*peer), 64 * MIB));
        assert_eq!(crowd.count(), 14);
        assert!(memory.held() <= NODE_MAX);
    }

    /// Register: C6. Limit: L4, L5.
    #[test]
    fn who_does_not_read_is_closed_at_its_part_and_sooner_where_there_is_none_left() {
        let mut memory = Memory::default();
        memory.hold(A, Unread, 4 * MIB);
        memory.hold(B, Unread, MIB / 2);
        assert!(
            !memory.is_deaf(A) && memory.reads(A),
            "what it says is heard"
        );
        memory.hold(A, Unread, 1);
        assert!(memory.is_deaf(A) && !memory.is_deaf(B));
        memory.hold(PeerId(3), Standing, NODE_MAX);
        assert!(memory.is_deaf(B));
    }

    #[test]
    fn what_was_never_held_gives_nothing_back() {
        let mut memory = Memory::default();
        memory.give_back(A, Standing, 5);
        memory.hold(A, Passing, 1);
        memory.give_back(A, Standing, 5);
        memory.give_back(A, Passing, 1);
        assert_eq!((memory.held(), memory.peers.len()), (0, 0));
    }
}
