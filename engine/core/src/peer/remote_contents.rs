//! What a peer has announced of the contents that this node takes part in.
//!
//! Nearly always that is one content, which is stored inline: most messages are `Have`, and a
//! pointer dereference costs more than the rest of handling one.

use std::collections::BTreeMap;

use crate::bitfield::Bitfield;
use crate::id::TransferId;
use crate::node::{Place, Turns};
use crate::time::{Span, Time};
use crate::units::ByteCount;

/// Contents that one peer may name at the same time; manifests count as contents.
const CONTENTS_MAX: usize = 4_096;

/// A peer's state of one content that we take part in too.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) ours: TransferId,
    /// Where our side of it is kept.
    pub(crate) place: Place,
    pub(crate) theirs: TransferId,
    pub(crate) has: Bitfield,
    /// Chunks that it has and we have not.
    pub(crate) useful: u32,
    /// Chunks of it that we asked this peer for and have not got.
    pub(super) asked: u32,
    /// Those of them that are whole, and not stored yet.
    pub(super) whole: u32,
    /// Since when the chunk that comes has been the next.
    pub(crate) since: Time,
    /// Bytes that it got from us. It need not tell us that it has them.
    pub(crate) sent: ByteCount,
    /// The length of all chunks but the last.
    chunk: ByteCount,
    /// How many of them there may be.
    pub(super) ahead: u32,
    /// When that was made less last.
    pub(super) narrowed: Time,
    /// Its place among the peers of the content while requests wait for our cap.
    pub(crate) turns: Turns,
    /// Lost messages and cancels that it may still send for free: one of each for every chunk,
    /// however often it joins. More are charged as control messages.
    spare: u32,
}

impl Remote {
    pub(crate) fn new(
        (ours, place): (TransferId, Place),
        theirs: TransferId,
        has: Bitfield,
        (useful, chunk): (u32, ByteCount),
    ) -> Self {
        let spare = has.len().saturating_mul(2);
        Self {
            ours,
            place,
            theirs,
            has,
            spare,
            useful,
            asked: 0,
            whole: 0,
            since: Time::ZERO,
            sent: ByteCount::ZERO,
            chunk,
            ahead: 0,
            narrowed: Time::ZERO,
            turns: Turns::default(),
        }
    }

    /// Whether it has something that we lack and have room to ask for.
    pub(crate) const fn has_room(&self) -> bool {
        self.useful > 0 && self.asked < self.ahead
    }

    /// Whether one more Lost or Cancel is free.
    pub(crate) fn may_take_back(&mut self) -> bool {
        let left = self.spare.checked_sub(1);
        self.spare = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether one of its chunks has waited for our disk for `after`, and none has come since.
    pub(crate) fn waits_for_disk(&self, after: Span, now: Time) -> bool {
        self.whole > 0 && now.since(self.since) >= after
    }

    /// Whether nothing that we asked for is still to come.
    pub(crate) const fn is_idle(&self) -> bool {
        self.asked == self.whole
    }

    /// Bytes that its bitfield takes.
    fn bytes(&self) -> u64 {
        size_of_val(self.has.words()) as u64
    }

    /// Memory that its chunks take, or may take at any moment: the one that comes, and those
    /// that wait to be stored.
    pub(crate) fn held(&self) -> ByteCount {
        let chunks = u64::from(!self.is_idle()) + u64::from(self.whole);
        ByteCount::new(self.chunk.get().saturating_mul(chunks))
    }
}

/// All of them, in order of our ids.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    /// Bytes that their bitfields take.
    bytes: u64,
    first: Option<Remote>,
    rest: Vec<Remote>,
    /// Our ids of those in `rest` by theirs: a peer names them in every message.
    names: BTreeMap<TransferId, TransferId>,
}

impl Remotes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Remote> {
        self.first.iter().chain(&self.rest)
    }

    /// All of them, those behind `turn` first.
    pub(crate) fn after(&self, turn: Option<TransferId>) -> impl Iterator<Item = &Remote> {
        let behind = move |remote: &&Remote| turn.is_none_or(|turn| remote.ours > turn);
        let rest = move |remote: &&Remote| !behind(remote);
        self.iter().filter(behind).chain(self.iter().filter(rest))
    }

    /// Whether it takes part in our transfer `ours`.
    pub(crate) fn has(&self, ours: TransferId) -> bool {
        let first = self.first.as_ref().is_some_and(|first| first.ours == ours);
        first || find(&self.rest, ours).is_ok()
    }

    /// Its state of our transfer `ours`.
    pub(crate) fn get_mut(&mut self, ours: TransferId) -> Option<&mut Remote> {
        let first = self.first.as_mut()?;
        if first.ours == ours {
            return Some(first);
        }
        let at = find(&self.rest, ours).ok()?;
        Some(&mut self.rest[at])
    }

    /// Its state under its own id `theirs`.
    pub(crate) fn named(&self, theirs: TransferId) -> Option<&Remote> {
        let first = self.first.as_ref()?;
        if first.theirs == theirs {
            return Some(first);
        }
        let at = find(&self.rest, *self.names.get(&theirs)?).ok()?;
        Some(&self.rest[at])
    }

    /// The same, to be changed.
    pub(crate) fn named_mut(&mut self, theirs: TransferId) -> Option<&mut Remote> {
        let ours = self.named(theirs)?.ours;
        self.get_mut(ours)
    }

    /// Whether it may name one more content.
    pub(crate) fn has_room(&self) -> bool {
        self.rest.len() + 1 < CONTENTS_MAX
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Bytes that the bitfields of all of them take.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Replaces or adds its state of one content.
    pub(crate) fn set(&mut self, remote: Remote) {
        if self.has(remote.ours) {
            self.unname(remote.ours);
        }
        let before = self.get_mut(remote.ours).map_or(0, |known| known.bytes());
        self.bytes = self.bytes - before + remote.bytes();
        if let Some(known) = self.get_mut(remote.ours) {
            let (ours, theirs) = (remote.ours, remote.theirs);
            let (asked, whole, since) = (known.asked, known.whole, known.since);
            let (ahead, narrowed, turns) = (known.ahead, known.narrowed, known.turns);
            let spare = known.spare;
            *known = Remote {
                asked,
                whole,
                since,
                ahead,
                narrowed,
                turns,
                spare,
                ..remote
            };
            self.name(ours, theirs);
            return;
        }
        let Some(first) = &mut self.first else {
            self.first = Some(remote);
            return;
        };
        assert!(
            self.rest.len() + 1 < CONTENTS_MAX,
            "who adds one looks for room first"
        );
        let later = if remote.ours < first.ours {
            std::mem::replace(first, remote)
        } else {
            remote
        };
        let (ours, theirs) = (later.ours, later.theirs);
        let at = find(&self.rest, ours).unwrap_or_else(|at| at);
        self.rest.insert(at, later);
        self.name(ours, theirs);
    }

    /// One in `rest` has that name.
    fn name(&mut self, ours: TransferId, theirs: TransferId) {
        if find(&self.rest, ours).is_ok() {
            self.names.insert(theirs, ours);
        }
    }

    /// One in `rest` is gone, or has another name. A peer that gave two the same name has lost it
    /// for the first one already.
    fn unname(&mut self, ours: TransferId) {
        let theirs = find(&self.rest, ours).map(|at| self.rest[at].theirs);
        if let Ok(theirs) = theirs
            && self.names.get(&theirs) == Some(&ours)
        {
            self.names.remove(&theirs);
        }
    }

    /// Removes its state of our transfer `ours`.
    pub(crate) fn remove(&mut self, ours: TransferId) -> Option<Remote> {
        let gone = self.take(ours)?;
        self.bytes -= gone.bytes();
        Some(gone)
    }

    fn take(&mut self, ours: TransferId) -> Option<Remote> {
        if self.first.as_ref()?.ours == ours {
            if let Some(next) = self.rest.first() {
                self.unname(next.ours);
            }
            let next = (!self.rest.is_empty()).then(|| self.rest.remove(0));
            return std::mem::replace(&mut self.first, next);
        }
        self.unname(ours);
        let at = find(&self.rest, ours).ok()?;
        Some(self.rest.remove(at))
    }
}

fn find(rest: &[Remote], ours: TransferId) -> Result<usize, usize> {
    rest.binary_search_by_key(&ours, |remote| remote.ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(ours: u32) -> Remote {
        let place = (TransferId(ours), Place::default());
        let useful = (0, ByteCount::ZERO);
        Remote::new(place, TransferId(ours + 100), Bitfield::empty(1), useful)
    }

    fn ids(remotes: &Remotes) -> Vec<u32> {
        remotes.iter().map(|remote| remote.ours.0).collect()
    }

    #[test]
    fn they_stay_in_order_whatever_comes_and_goes() {
        let mut remotes = Remotes::default();
        for ours in [5, 9, 2, 7, 5] {
            remotes.set(remote(ours));
        }
        assert_eq!(ids(&remotes), [2, 5, 7, 9]);
        assert_eq!(remotes.named(TransferId(107)).unwrap().ours, TransferId(7));
        assert!(remotes.has(TransferId(2)) && remotes.has(TransferId(9)));
        assert!(!remotes.has(TransferId(3)));
        assert!(remotes.remove(TransferId(2)).is_some());
        assert!(remotes.remove(TransferId(2)).is_none());
        assert!(remotes.remove(TransferId(7)).is_some());
        assert_eq!(ids(&remotes), [5, 9]);
        assert_eq!(remotes.bytes(), 16);
        assert!(remotes.get_mut(TransferId(9)).is_some());
        assert!(remotes.remove(TransferId(5)).is_some());
        assert!(remotes.remove(TransferId(9)).is_some());
        assert!(ids(&remotes).is_empty());
        assert_eq!(remotes.bytes(), 0);
    }

    /// Whatever comes and goes, each is found by the name that its peer gave it last.
    #[test]
    fn each_is_found_by_its_name() {
        let mut remotes = Remotes::default();
        for ours in [5, 9, 2, 7] {
            remotes.set(remote(ours));
        }
        let mut other = remote(7);
        other.theirs = TransferId(300);
        remotes.set(other);
        let named = |remotes: &Remotes, theirs| {
            let found = remotes.named(TransferId(theirs));
            found.map(|remote| remote.ours.0)
        };
        assert_eq!(named(&remotes, 107), None);
        for _ in 0..4 {
            for ours in ids(&remotes) {
                let theirs = if ours == 7 { 300 } else { ours + 100 };
                assert_eq!(named(&remotes, theirs), Some(ours));
            }
            let first = ids(&remotes)[0];
            assert!(remotes.remove(TransferId(first)).is_some());
            assert_eq!(named(&remotes, first + 100), None);
        }
    }

    #[test]
    fn a_peer_names_no_more_contents_than_the_bound() {
        let mut remotes = Remotes::default();
        for ours in 0..4_096 {
            assert!(remotes.has_room());
            remotes.set(remote(ours));
        }
        assert!(!remotes.has_room());
        remotes.set(remote(3));
        assert!(remotes.remove(TransferId(0)).is_some());
        assert!(remotes.has_room());
    }
}
