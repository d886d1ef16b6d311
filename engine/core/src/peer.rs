//! Another node as this one sees it: chokes, bitfields, and open requests in both directions.
//!
//! It also decides how many chunks are requested ahead. It has no address and no key.
//!
//! Longer than other files: the counts of one peer change together, and are private to it.

use std::collections::BTreeSet;

use crate::choke::Candidate;
use crate::event_limit::EventLimit;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::manifest::{CHUNKS_MAX, ContentId};
use crate::message::Join;
use crate::node::{Asking, Reports};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

mod liveness;
mod remote_contents;
mod reputation;
#[cfg(test)]
mod tests;

pub(crate) use liveness::Liveness;
pub(crate) use remote_contents::{Remote, Remotes};
pub(crate) use reputation::Reputation;

/// Requests that one peer may have waiting with us, and we with it.
pub(crate) const REQUESTS_MAX: usize = 256;

/// Contents that one peer may offer before we take part in them; the oldest is forgotten.
const OFFERS_MAX: usize = 1_024;

/// Words of the bitfields of those offers, unless it is one: as many as the largest has.
const OFFERS_WORDS_MAX: usize = (CHUNKS_MAX / u64::BITS) as usize;

/// A peer that owes us something and is silent for this long has snubbed us (BEP 3).
pub(crate) const SNUB_AFTER: Span = Span::from_secs(60);

/// Rounds during which a peer counts as new to the draw of an optimistic slot.
const NEW_ROUNDS: u32 = 3;

/// Least and most chunks asked ahead of one peer, for one transfer: a small transfer never
/// waits for the answers to a bulk one from the same peer.
const PIPELINE: (u32, u32) = (2, 64);
/// A round trip is hardly longer: what took longer was waiting.
const AWAY_MAX: Span = Span::from_millis(300);

/// One connected peer. A node has many, and hears of one at a time: what each message needs comes
/// first and lies together, so that few lines of a cache are fetched for it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Peer {
    pub(crate) ending: Ending,
    pub(crate) chokes_us: bool,
    pub(crate) choked: bool,
    pub(crate) interested: bool,
    pub(crate) we_are_interested: bool,
    pub(crate) snubbed: bool,
    pub(crate) liveness: Liveness,
    /// What it has announced chunk by chunk.
    announced: ByteCount,
    pub(crate) remotes: Remotes,
    pub(crate) asked: Vec<AskedChunk>,
    pub(crate) serving: Vec<Serving>,
    /// Of which transfer it was asked for something last.
    pub(crate) last_asked: Option<TransferId>,
    fixed_ahead: Option<u32>,
    asking: Asking,
    /// The shortest time from a request to the first block of its answer: how far it is away.
    away: Option<Span>,
    last_block: Time,
    /// When we last looked for what it could take over from slower peers.
    looked: Option<Time>,
    pub(crate) reputation: Reputation,
    received: [ByteCount; 2],
    sent: [ByteCount; 2],
    sent_in_slot: ByteCount,
    /// Our transfers that are still to be announced to it, and how fast.
    pub(crate) unannounced: BTreeSet<TransferId>,
    announcements: EventLimit,
    /// When it was found silent.
    snubbed_at: Time,
    offers: Vec<Join>,
    /// Words of the bitfields in those.
    offered: usize,
    /// Chunks of ours that it asked for when too much was waiting for it.
    refused: BTreeSet<(TransferId, ChunkIndex)>,
    /// Our transfers that it named when it had named as many as it may.
    pub(crate) waiting: BTreeSet<TransferId>,
    pub(crate) reports: Reports,
    connected: Time,
    /// When it was choked or unchoked last.
    since: Time,
    /// When it last took back that it would serve us.
    choked_us_at: Option<Time>,
    waited: u32,
    rounds: u32,
}

/// Whether messages of a peer are handled and requests go to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is.
    #[default]
    Open,
    /// It said its last message: one more is an offence.
    Said,
    /// It is to be closed: its messages are dropped.
    Over,
}

/// A chunk that we asked this peer for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedChunk {
    pub(crate) transfer: TransferId,
    pub(crate) chunk: ChunkIndex,
    /// Bytes that it was asked for, and those of them that came.
    pub(crate) len: ByteCount,
    pub(crate) came: ByteCount,
    pub(crate) at: Time,
    /// All of it came; it is not stored yet.
    pub(crate) whole: bool,
}

/// A chunk that this peer asked us for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving {
    pub(crate) transfer: TransferId,
    pub(crate) chunk: ChunkIndex,
    pub(crate) started: bool,
}

impl Peer {
    pub(crate) fn new(fixed_ahead: Option<u32>, asking: Asking, now: Time) -> Self {
        Self {
            chokes_us: true,
            choked: true,
            interested: false,
            we_are_interested: false,
            remotes: Remotes::default(),
            asked: Vec::new(),
            serving: Vec::new(),
            snubbed: false,
            ending: Ending::Open,
            reputation: Reputation::default(),
            liveness: Liveness::new(now),
            reports: Reports::default(),
            last_asked: None,
            snubbed_at: now,
            offers: Vec::new(),
            offered: 0,
            refused: BTreeSet::new(),
            unannounced: BTreeSet::new(),
            announcements: EventLimit::announcements(),
            waiting: BTreeSet::new(),
            fixed_ahead,
            asking,
            away: None,
            looked: None,
            last_block: now,
            received: [ByteCount::ZERO; 2],
            sent: [ByteCount::ZERO; 2],
            sent_in_slot: ByteCount::ZERO,
            announced: ByteCount::ZERO,
            connected: now,
            since: now,
            choked_us_at: None,
            waited: 0,
            rounds: 0,
        }
    }

    /// It was refused a chunk that we have.
    pub(crate) fn refuse_for_now(&mut self, transfer: TransferId, chunk: ChunkIndex) {
        if self.refused.len() < REQUESTS_MAX {
            self.refused.insert((transfer, chunk));
        }
    }

    /// Chunks that it was refused since this was asked last, and that we may have.
    pub(crate) fn take_refused(&mut self) -> BTreeSet<(TransferId, ChunkIndex)> {
        std::mem::take(&mut self.refused)
    }

    /// Whether our transfer `id` is announced to it now; else later.
    pub(crate) fn may_announce(&mut self, id: TransferId, now: Time) -> bool {
        let may = self.unannounced.is_empty() && self.announcements.check(now).is_ok();
        if !may {
            self.unannounced.insert(id);
        }
        may
    }

    /// The next of our transfers to announce to it now.
    pub(crate) fn take_unannounced(&mut self, now: Time) -> Option<TransferId> {
        let next = *self.unannounced.first()?;
        self.announcements.check(now).ok()?;
        self.unannounced.remove(&next);
        Some(next)
    }

    /// Keeps what it offers until we take part in it too.
    pub(crate) fn keep_offer(&mut self, offer: Join) {
        self.forget_offers(|kept| kept.content == offer.content);
        self.offered += offer.have.words().len();
        self.offers.push(offer);
        while self.offers.len() > OFFERS_MAX
            || (self.offers.len() > 1 && self.offered > OFFERS_WORDS_MAX)
        {
            let oldest = self.offers.remove(0);
            self.offered -= oldest.have.words().len();
        }
    }

    /// Forgets the oldest offers until `bytes` of their bitfields are gone, or all.
    pub(crate) fn forget_oldest_offers(&mut self, bytes: u64) {
        let before = self.claimed();
        while before - self.claimed() < bytes && !self.offers.is_empty() {
            let oldest = self.offers.remove(0);
            self.offered -= oldest.have.words().len();
        }
    }

    fn forget_offers(&mut self, which: impl Fn(&Join) -> bool) {
        for gone in self.offers.extract_if(.., |kept| which(kept)) {
            self.offered -= gone.have.words().len();
        }
    }

    /// What it offered of `content`, if it did.
    pub(crate) fn take_offer(&mut self, content: ContentId) -> Option<Join> {
        let at = self
            .offers
            .iter()
            .position(|kept| kept.content == content)?;
        let offer = self.offers.remove(at);
        self.offered -= offer.have.words().len();
        Some(Join {
            reply: false,
            ..offer
        })
    }

    /// It offers that content no longer.
    pub(crate) fn drop_offer(&mut self, theirs: TransferId) {
        self.forget_offers(|kept| kept.transfer == theirs);
    }

    /// Whether it may name our transfer `ours`, beside those that it has named.
    pub(crate) fn has_place_for(&self, ours: TransferId) -> bool {
        self.remotes.has(ours) || self.remotes.has_room()
    }

    /// Bytes of the bitfields that are kept of it.
    pub(crate) fn claimed(&self) -> u64 {
        self.remotes.bytes() + (self.offered * size_of::<u64>()) as u64
    }

    /// Replaces or adds its state of one content; the caller has checked that there is room.
    pub(crate) fn set_remote(&mut self, mut remote: Remote) {
        remote.ahead = self.fixed_ahead.unwrap_or(PIPELINE.0);
        self.remotes.set(remote);
    }

    /// Whether it would serve us, as far as we know, and may be asked.
    pub(crate) const fn may_be_asked(&self) -> bool {
        let open = matches!(self.ending, Ending::Open);
        open && !self.chokes_us && !self.snubbed && !self.reputation.sent_bad_hash
    }

    /// Whether more chunks may be asked of it now, of whatever transfer.
    pub(crate) fn has_room(&self) -> bool {
        self.asked.len() < REQUESTS_MAX
    }

    /// A chunk is asked for.
    pub(crate) fn ask(&mut self, ask: AskedChunk) {
        if let Some(remote) = self.remotes.get_mut(ask.transfer) {
            if remote.is_idle() {
                remote.since = ask.at;
            }
            remote.asked += 1;
        }
        self.last_asked = Some(ask.transfer);
        self.asked.push(ask);
    }

    /// Whether it responds, is idle although it has something that we lack, and was not looked at
    /// for a while for requests that it could take over.
    pub(crate) fn may_relieve(&mut self, now: Time) -> bool {
        let every = self.asking.least;
        let due = self.looked.is_none_or(|looked| now.since(looked) >= every);
        let may = due && self.away.is_some() && self.asked.is_empty() && self.is_useful();
        if may {
            self.looked = Some(now);
        }
        may
    }

    /// How far it is away, there and back: at most [`AWAY_MAX`], which is taken of a peer that
    /// never answered.
    pub(crate) fn away(&self) -> Span {
        self.away.unwrap_or(AWAY_MAX)
    }

    /// Whether it has anything that we lack.
    pub(crate) fn is_useful(&self) -> bool {
        self.remotes.iter().any(|remote| remote.useful > 0)
    }

    /// A block came from it.
    pub(crate) fn count_received(&mut self, len: ByteCount, now: Time) {
        self.received[0] += len;
        self.liveness.receives(len);
        self.last_block = now;
        self.snubbed = false;
    }

    /// It says that it has one more chunk, of this length.
    pub(crate) fn count_announced(&mut self, len: ByteCount) {
        self.announced = self.announced.saturating_add(len);
    }

    /// It chokes us, or no longer.
    pub(crate) const fn set_chokes_us(&mut self, chokes_us: bool, now: Time) {
        if chokes_us && !self.chokes_us {
            self.choked_us_at = Some(now);
        }
        self.chokes_us = chokes_us;
    }

    /// A block went to it.
    pub(crate) fn count_sent(&mut self, len: ByteCount) {
        self.sent[0] += len;
        self.sent_in_slot += len;
        self.reputation.is_sent(len);
    }

    /// Forgets a request; if it was answered, adapts how far to ask ahead. None if there was none.
    pub(crate) fn forget(
        &mut self,
        transfer: TransferId,
        chunk: ChunkIndex,
        answered: Option<Time>,
    ) -> Option<AskedChunk> {
        let place = |ask: &AskedChunk| ask.transfer == transfer && ask.chunk == chunk;
        let at = self.asked.iter().position(place)?;
        let ask = self.asked.remove(at);
        if answered.is_none() {
            self.reputation.may_be_late(ask.len);
        }
        let Some(remote) = self.remotes.get_mut(transfer) else {
            return Some(ask);
        };
        remote.asked -= 1;
        remote.whole -= u32::from(ask.whole);
        let Some(now) = answered.filter(|_| self.fixed_ahead.is_none()) else {
            return Some(ask);
        };
        // The round trip is no waiting: a distant peer needs as many more requests.
        let away = self.away.unwrap_or_default();
        let waited = now.since(ask.at.saturating_add(away));
        if waited < self.asking.least {
            remote.ahead = (remote.ahead + 1).min(PIPELINE.1);
        } else if waited > self.asking.most && ask.at >= remote.narrowed {
            // Responses to requests from before the last step do not show its effect.
            remote.ahead = (remote.ahead - 1).max(PIPELINE.0);
            remote.narrowed = now;
        }
        Some(ask)
    }

    /// A block of a chunk came from it. The first one tells how far it is away.
    pub(crate) fn answers(&mut self, ask: (TransferId, ChunkIndex), len: ByteCount, now: Time) {
        let mut asked = self.asked.iter_mut();
        let found = asked.find(|one| (one.transfer, one.chunk) == ask);
        let Some(ask) = found else {
            return;
        };
        if ask.came == ByteCount::ZERO {
            let took = now.since(ask.at).min(AWAY_MAX);
            self.away = Some(self.away.map_or(took, |away| away.min(took)));
        }
        ask.came += len;
    }

    /// All of a chunk came from it.
    pub(crate) fn finishes(&mut self, transfer: TransferId, chunk: ChunkIndex, now: Time) {
        let mut asked = self.asked.iter_mut();
        if let Some(ask) = asked.find(|ask| ask.transfer == transfer && ask.chunk == chunk) {
            if !ask.whole
                && let Some(remote) = self.remotes.get_mut(transfer)
            {
                remote.whole += 1;
                remote.since = now;
            }
            ask.whole = true;
        }
    }

    /// Bytes that we asked it for and have not stored.
    pub(crate) fn owed(&self) -> ByteCount {
        self.asked.iter().map(|ask| ask.len).sum()
    }

    /// For how long it has owed us something and sent nothing; none if it owes nothing. While
    /// something of its waits for our disk, the delay may be ours.
    pub(crate) fn owing(&self, now: Time) -> Option<Span> {
        if self.asked.iter().any(|ask| ask.whole) {
            return None;
        }
        let first = self.asked.iter().map(|ask| ask.at).min()?;
        Some(now.since(first.max(self.last_block)))
    }

    /// It owes us something and is silent: it is asked for nothing more.
    pub(crate) const fn snub(&mut self, now: Time) {
        self.snubbed = true;
        self.snubbed_at = now;
    }

    /// Whether it gave a sign of life since it was found silent.
    pub(crate) fn is_alive(&self) -> bool {
        self.liveness.heard() > self.snubbed_at
    }

    /// Asks it again `after` it was found silent, if it owes nothing.
    pub(crate) fn unsnub(&mut self, after: Span, now: Time) {
        if self.snubbed && self.asked.is_empty() && now.since(self.snubbed_at) >= after {
            self.snubbed = false;
        }
    }

    /// We slept: whatever took too long is not its fault.
    pub(crate) const fn forgive(&mut self, now: Time) {
        self.liveness.restart(now);
        self.last_block = now;
    }

    /// Whether it owes us something and has been silent too long.
    pub(crate) fn is_silent(&self, now: Time) -> bool {
        let owed = self.asked.iter().map(|ask| ask.at).min();
        owed.is_some_and(|at| now.since(at.max(self.last_block)) >= SNUB_AFTER)
    }

    /// Whether it wants something of ours and is served.
    pub(crate) const fn is_granted(&self) -> bool {
        self.interested && !self.choked
    }

    /// Grants or takes back the slot.
    pub(crate) fn set_choked(&mut self, choked: bool, now: Time) {
        self.choked = choked;
        self.since = now;
        self.sent_in_slot = ByteCount::ZERO;
        self.waited = 0;
    }

    /// A round of the choker is over. Returns what was sent to it in that round.
    pub(crate) fn next_round(&mut self) -> ByteCount {
        let sent = self.sent[0];
        self.received = [ByteCount::ZERO, self.received[0]];
        self.sent = [ByteCount::ZERO, self.sent[0]];
        self.reports.next_round();
        let waited = self.waited.saturating_add(1);
        self.waited = if self.choked { waited } else { 0 };
        self.rounds = self.rounds.saturating_add(1);
        sent
    }

    /// What a choker may know of it; `counted` is since when the bytes of the last two rounds are
    /// counted.
    pub(crate) fn candidate(&self, peer: PeerId, counted: Time, now: Time) -> Candidate {
        let window = now.since(counted.max(self.connected));
        let received = self.received[0] + self.received[1];
        let sent = self.sent[0] + self.sent[1];
        Candidate {
            peer,
            interested: self.interested,
            wanted: self.we_are_interested,
            received,
            sent,
            rate_from: rate(received, window),
            rate_to: rate(sent, window),
            received_last: self.received[0],
            sent_last: self.sent[0],
            total_received: self.reputation.verified(),
            total_sent: self.reputation.issued(),
            announced: rate(self.announced, now.since(self.connected)),
            forwards_ours: rate(self.reports.heard().of_yours, window),
            forwards_all: rate(self.reports.heard().in_all(), window),
            sent_in_slot: self.sent_in_slot,
            unchoked: !self.choked,
            since: self.since,
            waited: self.waited,
            new: self.rounds < NEW_ROUNDS,
            chokes_us: self.chokes_us,
            choked_us_at: self.choked_us_at,
            snubbed: self.snubbed,
            only_takes: self.reputation.only_takes(),
            free_rides: self.reputation.free_rides(),
            forwards: self.reputation.forwards(),
            ..Candidate::new(peer)
        }
    }

    /// Whether it has all of every content that we share with it, of which there is one at least.
    pub(crate) fn is_seed(&self) -> bool {
        !self.remotes.is_empty() && self.remotes.iter().all(|remote| remote.has.is_full())
    }
}

/// Bytes per second, rounded down; over less than a second as if it had been one.
fn rate(bytes: ByteCount, over: Span) -> Rate {
    let nanos = over.max(Span::SECOND).as_nanos();
    let rate = u128::from(bytes.get()) * u128::from(Span::SECOND.as_nanos()) / u128::from(nanos);
    Rate::new(u64::try_from(rate).expect("no more than the bytes"))
}
