//! One transfer: which chunks are had, wanted, in flight or unwanted.
//!
//! Each chunk is in exactly one of these states, which `Transfer::check` tests. The file is longer
//! than others because the states are private to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId};
use crate::manifest::{ContentId, Manifest};
use crate::misbehaviour::Misbehaviour;
use crate::node::Turns;
use crate::pick::{Choices, Picker};
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::units::ByteCount;

mod begun;
mod senders;

pub(crate) use begun::Begun;
use begun::{Asked, Kept};
use senders::Senders;

/// Peers that one chunk may be asked of at once, in the endgame.
const ASKED_MAX: usize = 2;

/// A chunk is asked a second time only if the first request is older than this, and than twice the
/// usual time of an answer: a duplicate costs a chunk of a peer's uplink, so the first gets a fair
/// chance.
const ENDGAME_AFTER: Span = Span::from_secs(2);

/// The weight of the latest answer in the usual time of one, as of the round trip in TCP
/// (RFC 6298): an eighth.
const USUAL_SHIFT: u32 = 3;

/// The endgame looks at contents with at most this many chunks missing.
const ENDGAME_CHUNKS: usize = 64;

/// Chunks of a content whose spreading is watched at the same time.
const SOLE_MAX: usize = 65_536;

/// One content on one node.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) content: ContentId,
    pub(crate) manifest: Manifest,
    /// The only peer that may know of it; `None` for every peer.
    pub(crate) audience: Option<PeerId>,
    /// Its place among the contents, and those of its peers, while requests wait for our cap.
    pub(crate) turns: Turns,
    had: Bitfield,
    wanted: Bitfield,
    /// Chunks that we do not have and do not fetch: lost for good, or not for now.
    unwanted: Bitfield,
    in_flight: BTreeMap<ChunkIndex, Vec<Asked>>,
    kept: Kept,
    holders: Vec<u16>,
    /// Chunks that only one peer got from us and no other peer has announced yet.
    sole: BTreeMap<ChunkIndex, PeerId>,
    pub(crate) senders: Senders,
    /// Chunks that are not stored and whose request was moved from one peer to another once.
    moved: BTreeSet<ChunkIndex>,
    /// Usual time from a request to its chunk.
    usual: Option<Span>,
}

/// A chunk to ask a peer for, and where in it to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) chunk: ChunkIndex,
    pub(crate) offset: ByteCount,
    /// The sender of the last byte before that.
    pub(crate) of: Option<PeerId>,
}

/// Chunks of a transfer that are still to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Asked for, or waiting for the disk.
    pub coming: u32,
    /// Not asked for, and a connected peer has them.
    pub held: u32,
    /// Not asked for, and no connected peer has them.
    pub alone: u32,
}

/// What a block did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The chunk is not whole yet.
    Partial,
    /// The chunk is whole: verify and store it.
    Whole,
    /// The request for it was closed.
    Late,
}

impl Transfer {
    pub(crate) fn new(
        content: ContentId,
        manifest: Manifest,
        had: Bitfield,
        audience: Option<PeerId>,
    ) -> Self {
        let mut wanted = Bitfield::full(manifest.chunks());
        for chunk in had.iter() {
            wanted.remove(chunk);
        }
        let holders = vec![0; manifest.chunks() as usize];
        let unwanted = Bitfield::empty(manifest.chunks());
        Self {
            content,
            manifest,
            audience,
            turns: Turns::default(),
            had,
            wanted,
            unwanted,
            in_flight: BTreeMap::new(),
            kept: Kept::default(),
            holders,
            sole: BTreeMap::new(),
            senders: Senders::default(),
            moved: BTreeSet::new(),
            usual: None,
        }
    }

    /// The same with nothing to fetch.
    pub(crate) fn settled(&self) -> Self {
        let mut one = Self::new(self.content, self.manifest, self.had.clone(), self.audience);
        std::mem::swap(&mut one.wanted, &mut one.unwanted);
        one
    }

    pub(crate) fn had(&self) -> &Bitfield {
        &self.had
    }

    /// Whether nothing is left to fetch.
    pub(crate) fn is_complete(&self) -> bool {
        self.had.count() + self.unwanted.count() == self.manifest.chunks()
    }

    /// Whether a chunk is still to be fetched.
    pub(crate) fn lacks(&self, chunk: ChunkIndex) -> bool {
        !self.had.has(chunk) && !self.unwanted.has(chunk)
    }

    /// How many chunks of `theirs` are still to be fetched.
    pub(crate) fn count_useful(&self, theirs: &Bitfield) -> u32 {
        let beyond = theirs.count_beyond(&self.had);
        if self.unwanted.count() == 0 {
            return beyond;
        }
        let spare = self.unwanted.iter().filter(|chunk| theirs.has(*chunk));
        beyond - u32::try_from(spare.count()).expect("a part of all chunks")
    }

    /// What is still to be fetched.
    pub(crate) fn missing(&self) -> Missing {
        let is_held = |chunk: &ChunkIndex| self.holders[chunk.index()] > 0;
        let held = self.wanted.iter().filter(is_held);
        let held = u32::try_from(held.count()).expect("a part of all chunks");
        Missing {
            coming: u32::try_from(self.in_flight.len()).expect("a part of all chunks"),
            held,
            alone: self.wanted.count() - held,
        }
    }

    /// Bytes of the content that a peer with `theirs` still lacks, as far as we know. It need not
    /// say that it has what we `sent`; whether it does is not known, so the two are not added.
    pub(crate) fn lacking(&self, theirs: &Bitfield, sent: ByteCount) -> ByteCount {
        let held = u128::from(theirs.count()) * u128::from(self.manifest.chunk().get());
        let held = ByteCount::new(u64::try_from(held).unwrap_or(u64::MAX));
        self.manifest.bytes().saturating_sub(held.max(sent))
    }

    /// Counts a peer with `theirs` among the holders.
    pub(crate) fn add_holder(&mut self, theirs: &Bitfield) {
        for chunk in theirs.iter() {
            self.holders[chunk.index()] = self.holders[chunk.index()].saturating_add(1);
        }
    }

    /// Counts a peer with `theirs` no longer.
    pub(crate) fn drop_holder(&mut self, theirs: &Bitfield) {
        for chunk in theirs.iter() {
            self.holders[chunk.index()] = self.holders[chunk.index()].saturating_sub(1);
        }
    }

    /// A peer has one more chunk, or one less.
    pub(crate) fn count_holder(&mut self, chunk: ChunkIndex, has: bool) {
        let count = &mut self.holders[chunk.index()];
        *count = if has {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
    }

    /// Whether another peer has a chunk, or was sent all of it.
    pub(crate) fn is_out(&self, chunk: ChunkIndex) -> bool {
        self.holders[chunk.index()] > 0 || self.sole.contains_key(&chunk)
    }

    /// All of a chunk leaves for `peer`. Returns its length if no other peer has it.
    pub(crate) fn gives(&mut self, peer: PeerId, chunk: ChunkIndex) -> Option<ByteCount> {
        let second = self.sole.remove(&chunk).is_some();
        if second || self.holders[chunk.index()] > 0 || self.sole.len() == SOLE_MAX {
            return None;
        }
        self.sole.insert(chunk, peer);
        Some(self.manifest.len_of(chunk))
    }

    /// `peer` announced a chunk. If it can only come from the one peer that got it from us, returns
    /// that peer and the length of the chunk.
    pub(crate) fn appears(
        &mut self,
        peer: PeerId,
        chunk: ChunkIndex,
    ) -> Option<(PeerId, ByteCount)> {
        let giver = self
            .sole
            .get(&chunk)
            .copied()
            .filter(|giver| *giver != peer)?;
        self.sole.remove(&chunk);
        Some((giver, self.manifest.len_of(chunk)))
    }

    /// Requests a chunk from `peer`, which has `theirs`; `None` if it has nothing we still want.
    /// Partial chunks come first, as in the reference client: only a whole chunk can be forwarded.
    /// `mixes` tells which peers may share a chunk with other senders.
    pub(crate) fn ask(
        &mut self,
        (peer, theirs): (PeerId, &Bitfield),
        mixes: impl Fn(PeerId) -> bool,
        (picker, rng): (&mut (dyn Picker + 'static), &mut Rng),
        now: Time,
    ) -> Option<Pick> {
        let begun = self.kept.pick(peer, (&self.wanted, theirs), mixes);
        let choices = Choices {
            wanted: &self.wanted,
            theirs,
            holders: &self.holders,
        };
        let chunk = begun
            .or_else(|| picker.pick(choices, rng))
            .or_else(|| self.slowest(peer, theirs, now))?;
        let begun = begun.and_then(|chunk| self.kept.take(chunk));
        let begun = begun.unwrap_or_default();
        self.wanted.remove(chunk);
        let (offset, of) = (begun.received, begun.last());
        let asked = Asked {
            peer,
            at: now,
            start: offset,
            begun,
            whole: false,
        };
        self.in_flight.entry(chunk).or_default().push(asked);
        Some(Pick { chunk, offset, of })
    }

    /// The endgame's choice: the chunk whose request to another peer is oldest.
    fn slowest(&self, peer: PeerId, theirs: &Bitfield, now: Time) -> Option<ChunkIndex> {
        if self.wanted.count() > 0 || self.in_flight.len() > ENDGAME_CHUNKS {
            return None;
        }
        let usual = self.usual.map_or(0, Span::as_nanos);
        let after = ENDGAME_AFTER.max(Span::from_nanos(usual.saturating_mul(2)));
        let late = self.in_flight.iter().filter(|(chunk, asked)| {
            theirs.has(**chunk)
                && asked.len() < ASKED_MAX
                && asked
                    .iter()
                    .all(|ask| ask.peer != peer && !ask.whole && now.since(ask.at) >= after)
        });
        late.min_by_key(|(chunk, asked)| (asked[0].at, **chunk))
            .map(|(chunk, _)| *chunk)
    }

    /// A block of `chunk` came from `peer`: what it did, and how many bytes that had come before
    /// are of no use with it. `late` says whether blocks of a request that was given up may still
    /// come from that peer.
    ///
    /// # Errors
    ///
    /// [`Misbehaviour::BlockLength`] for a block that no chunk of this geometry has, and
    /// [`Misbehaviour::BlockOutOfOrder`] for one that does not continue its chunk although every
    /// request of that peer that was given up has been accounted for.
    pub(crate) fn block(
        &mut self,
        peer: PeerId,
        chunk: ChunkIndex,
        (offset, len): (ByteCount, ByteCount),
        late: bool,
    ) -> Result<(Progress, ByteCount), Misbehaviour> {
        let whole = self.manifest.len_of(chunk);
        if len == ByteCount::ZERO || offset > whole || len > whole - offset {
            return Err(Misbehaviour::BlockLength);
        }
        let asked = self.in_flight.get_mut(&chunk);
        let ask = asked.and_then(|asked| asked.iter_mut().find(|ask| ask.peer == peer));
        let Some(ask) = ask.filter(|ask| !ask.whole) else {
            return Ok((Progress::Late, ByteCount::ZERO));
        };
        let mut vain = ByteCount::ZERO;
        if ask.begun.received != offset {
            if !late {
                return Err(Misbehaviour::BlockOutOfOrder);
            }
            // An earlier request for the same chunk was given up while its blocks were on their
            // way. They may fit by chance and be counted, until the answer to this request begins,
            // which is where it was asked to begin.
            if offset != ask.start {
                return Ok((Progress::Late, ByteCount::ZERO));
            }
            vain = ask.came();
            ask.begun.shrink(offset);
        }
        ask.begun.grow(peer, len);
        ask.whole = ask.begun.received == whole;
        match ask.whole {
            true => Ok((Progress::Whole, vain)),
            false => Ok((Progress::Partial, vain)),
        }
    }

    /// `chunk` is verified and stored. Returns the other peers it was requested from, with the
    /// bytes that came from each, and the partial bytes that had been kept of it.
    pub(crate) fn stored(
        &mut self,
        chunk: ChunkIndex,
        now: Time,
    ) -> (Vec<(PeerId, ByteCount, Begun)>, Option<Begun>) {
        let asked = self.in_flight.remove(&chunk).unwrap_or_default();
        if let Some(answered) = asked.iter().find(|ask| ask.whole) {
            self.count_answer(now.since(answered.at));
        }
        self.moved.remove(&chunk);
        self.wanted.remove(chunk);
        self.unwanted.remove(chunk);
        self.had.insert(chunk);
        let others = asked.into_iter().filter(|ask| !ask.whole);
        let others = others.map(|ask| (ask.peer, ask.came(), ask.begun));
        (others.collect(), self.kept.stored(chunk))
    }

    fn count_answer(&mut self, took: Span) {
        let took = took.as_nanos();
        let usual = self.usual.map_or(took, |usual| {
            let usual = usual.as_nanos();
            usual - (usual >> USUAL_SHIFT) + (took >> USUAL_SHIFT)
        });
        self.usual = Some(Span::from_nanos(usual));
    }

    /// We had `chunk` and have it no longer. It is wanted again, or not.
    pub(crate) fn lost(&mut self, chunk: ChunkIndex, again: bool) {
        if self.had.remove(chunk) {
            match again {
                true => self.wanted.insert(chunk),
                false => self.unwanted.insert(chunk),
            };
        }
    }

    /// `peer` will not send `chunk`, or sent it wrong: it is wanted again unless another was
    /// asked. Returns what is there of it; none if it was not asked.
    pub(crate) fn release(&mut self, peer: PeerId, chunk: ChunkIndex) -> Option<Begun> {
        let asked = self.in_flight.get_mut(&chunk)?;
        let at = asked.iter().position(|ask| ask.peer == peer)?;
        let ask = asked.remove(at);
        if asked.is_empty() {
            self.in_flight.remove(&chunk);
            self.wanted.insert(chunk);
        }
        Some(ask.begun)
    }

    /// Keeps the first bytes of a chunk until another peer sends the rest. If there is no room,
    /// returns the incomplete chunk that was dropped and how many bytes of it there were.
    pub(crate) fn keep(&mut self, chunk: ChunkIndex, begun: Begun) -> Option<(ChunkIndex, Begun)> {
        // A complete one waits for the disk: the shell has it, and reports what becomes of it.
        if begun.received == self.manifest.len_of(chunk) {
            return None;
        }
        self.kept.keep(chunk, begun)
    }

    /// Memory that the chunks take of which the first bytes are kept.
    pub(crate) fn kept(&self) -> ByteCount {
        let chunks = u64::try_from(self.kept.len()).expect("they are bounded");
        ByteCount::new(self.manifest.chunk().get().saturating_mul(chunks))
    }

    /// Keeps one chunk less: the one of which least came.
    pub(crate) fn keep_less(&mut self) -> Option<(ChunkIndex, Begun)> {
        self.kept.drop_least()
    }

    /// Several sent a wrong `chunk`: it comes from one peer now, from its beginning.
    pub(crate) fn was_wrong(&mut self, chunk: ChunkIndex) {
        self.kept.was_wrong(chunk);
    }

    /// Whether the first bytes of `chunk` are kept.
    pub(crate) fn keeps(&self, chunk: ChunkIndex) -> bool {
        self.kept.iter().any(|(kept, _)| kept == chunk)
    }

    /// What is there of chunks that are not whole.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (ChunkIndex, &Begun)> {
        let asked = self.in_flight.iter().flat_map(|(chunk, asked)| {
            let moving = asked.iter().filter(|ask| !ask.whole);
            moving.map(|ask| (*chunk, &ask.begun))
        });
        asked.chain(self.kept.iter())
    }

    /// The peers that each sent all of `chunk`, which is not stored yet.
    pub(crate) fn whole_of(&self, chunk: ChunkIndex) -> Vec<PeerId> {
        let asked = self.in_flight.get(&chunk).into_iter().flatten();
        asked.filter(|ask| ask.whole).map(|ask| ask.peer).collect()
    }

    /// No longer asks `peer` for `chunk`, which may be on its way all the same. Returns what was
    /// there of it.
    pub(crate) fn withdraw(&mut self, peer: PeerId, chunk: ChunkIndex) -> Begun {
        let begun = self.release(peer, chunk);
        if begun.is_some() {
            self.moved.insert(chunk);
        }
        begun.unwrap_or_default()
    }

    /// Whether bytes of `chunk` whose last are of `peer` may still be of use: it is asked for them,
    /// or another goes on from there, or will.
    pub(crate) fn awaits(&self, peer: PeerId, chunk: ChunkIndex) -> bool {
        let asked = self.in_flight.get(&chunk).into_iter().flatten();
        let mut asked = asked.filter(|ask| !ask.whole);
        let ends = |begun: &Begun| begun.last() == Some(peer);
        asked.any(|ask| ask.peer == peer || ends(&ask.begun))
            || self.kept.get(chunk).is_some_and(ends)
    }

    /// The only peer that was asked for `chunk`, if it had it alone until now, was asked at least
    /// `waited` ago and has sent nothing of it.
    pub(crate) fn waiting_at(&self, chunk: ChunkIndex, waited: Span, now: Time) -> Option<PeerId> {
        if self.holders[chunk.index()] > 2 {
            return None;
        }
        let [asked] = self.in_flight.get(&chunk)?.as_slice() else {
            return None;
        };
        let stands = asked.came() == ByteCount::ZERO && now.since(asked.at) >= waited;
        stands.then_some(asked.peer)
    }

    /// The request that has stood longest in the queue of another, for as long as `waits` says of
    /// that one or longer, and longer than an answer usually takes, for a chunk that is among
    /// `theirs`: nothing of it has come, and no other peer was asked. Each chunk moves once at
    /// most, so that it comes even if all are slow.
    pub(crate) fn stuck(
        &self,
        peer: PeerId,
        theirs: &Bitfield,
        waits: impl Fn(PeerId) -> Span,
        now: Time,
    ) -> Option<(ChunkIndex, PeerId)> {
        let usual = self.usual.unwrap_or(Span::ZERO);
        let stuck = self.in_flight.iter().filter_map(|(&chunk, asked)| {
            let [ask] = asked.as_slice() else {
                return None;
            };
            let stands =
                ask.came() == ByteCount::ZERO && now.since(ask.at) >= waits(ask.peer).max(usual);
            let stands = stands && !self.moved.contains(&chunk);
            (stands && ask.peer != peer && theirs.has(chunk)).then_some((ask.at, chunk, ask.peer))
        });
        let (_, chunk, other) = stuck.min()?;
        Some((chunk, other))
    }

    /// What is there of the chunk that `peer` was asked for.
    pub(crate) fn begun(&self, peer: PeerId, chunk: ChunkIndex) -> Option<&Begun> {
        let mut asked = self.in_flight.get(&chunk)?.iter();
        let ask = asked.find(|ask| ask.peer == peer)?;
        Some(&ask.begun)
    }
}

#[cfg(test)]
mod tests;
