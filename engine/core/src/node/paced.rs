//! The node's download cap: when the next request may leave, and which peer it goes to.
//!
//! While requests wait for the cap, contents take turns by bytes, and so do the peers of a content,
//! both by start tags as in start-time fair queueing (Goyal, Vin and Cheng 1996). A peer whose
//! pipeline is full passes its turn on.

use super::Node;
use crate::id::{PeerId, TransferId};
use crate::peer::AskedChunk;
use crate::time::{Span, Time};
use crate::token_bucket::TokenBucket;
use crate::units::{ByteCount, Rate};

/// How long the cap may be unused and caught up on. Longer than a driver is late, and short beside
/// a transfer, so that the cap holds in each second and not only in the long run.
const CATCH_UP: Span = Span::from_millis(100);

/// Depth of the bucket that paces requests. A request may leave a debt, so the depth may be smaller
/// than a request.
fn burst(rate: Rate) -> ByteCount {
    rate.bytes_in(CATCH_UP).max(ByteCount::new(1))
}

/// The cap of a node on what it fetches, if it has one.
#[derive(Debug)]
pub(super) struct Paced {
    bucket: Option<TokenBucket>,
    /// Since when there is a cap: requests from before were not charged.
    since: Time,
    /// Bytes that the bucket was charged for and that did not come. They are asked for again
    /// without a charge, however small the bucket is.
    not_come: ByteCount,
    /// When the bucket lets the next request go, if one waits for it.
    at: Option<Time>,
    /// The order of the contents.
    turns: Turns,
}

/// A place in an order by start tags, and the order of those below it. Tags count bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    /// Where its next request starts, unless the order went past it meanwhile.
    next: u64,
    /// The start tag of the latest request of those below it.
    latest: u64,
}

impl Turns {
    /// The start tag of the next request of `one`, which is below this.
    const fn start_of(&self, one: &Self) -> u64 {
        if one.next > self.latest {
            one.next
        } else {
            self.latest
        }
    }

    /// `one`, which is below this, asks for `len`.
    fn take(&mut self, one: &mut Self, len: ByteCount) {
        self.latest = self.start_of(one);
        one.next = self.latest.saturating_add(len.get());
    }
}

impl Paced {
    pub(super) fn new(rate: Option<Rate>, now: Time) -> Self {
        Self {
            bucket: rate.map(|rate| TokenBucket::full(rate, burst(rate), now)),
            since: now,
            not_come: ByteCount::ZERO,
            at: None,
            turns: Turns::default(),
        }
    }

    /// When the next waiting request may leave, if one waits.
    pub(super) const fn at(&self) -> Option<Time> {
        self.at
    }

    /// Whether the cap admits a request now. If not, one waits from now on.
    pub(super) fn admits(&mut self, now: Time) -> bool {
        let one = ByteCount::new(1);
        let bucket = self.bucket.as_ref().filter(|_| self.not_come < one);
        let ready = bucket.map(|bucket| bucket.ready_at(one, now));
        self.at = ready.filter(|at| *at > now);
        self.at.is_none()
    }

    /// What does not come counts for no cap: it is asked for once more.
    pub(super) fn give_back(&mut self, ask: &AskedChunk) {
        if self.bucket.is_some() && ask.at >= self.since {
            let rest = ask.len.saturating_sub(ask.came);
            self.not_come = self.not_come.saturating_add(rest);
        }
    }

    /// A request for `len` of a content leaves, to one of its peers.
    pub(super) fn spend(
        &mut self,
        (content, peer): (&mut Turns, &mut Turns),
        len: ByteCount,
        now: Time,
    ) {
        if let Some(bucket) = &mut self.bucket {
            let paid = len.min(self.not_come);
            self.not_come = self.not_come.saturating_sub(paid);
            bucket.spend(len.saturating_sub(paid), now);
            self.turns.take(content, len);
            content.take(peer, len);
        }
    }
}

impl Node {
    /// Changes the rate of requests. What was asked for before is still owed to the new one.
    pub(super) fn set_download(&mut self, rate: Option<Rate>, now: Time) {
        let bucket = match (rate, self.paced.bucket) {
            (None, _) => None,
            (Some(rate), None) => {
                (self.paced.since, self.paced.not_come) = (now, ByteCount::ZERO);
                Some(TokenBucket::empty(rate, burst(rate), now))
            }
            (Some(rate), Some(mut bucket)) => {
                bucket.set_rate(rate, burst(rate), now);
                Some(bucket)
            }
        };
        self.paced.bucket = bucket;
        self.ask_everybody(now);
    }

    /// Sends waiting requests, in turns, as far as the cap admits them.
    pub(super) fn ask_in_turns(&mut self, now: Time) {
        loop {
            if !self.paced.admits(now) {
                return;
            }
            self.memory.look();
            let turns = self.turns();
            let mut asked = turns.into_iter();
            if !asked.any(|(_, peer, id)| self.ask_one(peer, Some(id), now).is_some()) {
                break;
            }
        }
        // No request waits: each peer has a full pipeline, or nothing more to send.
        self.memory.looked();
        for peer in self.peer_ids() {
            while self.relieve(peer, now).is_some() {}
        }
    }

    /// The peers with room for a request, in the order of their turns.
    fn turns(&self) -> Vec<((u64, u64), PeerId, TransferId)> {
        let mut turns = Vec::new();
        for (at, peer) in self.peers.iter().enumerate() {
            let Some(peer) = peer.as_ref().filter(|peer| peer.may_be_asked()) else {
                continue;
            };
            let id = PeerId(u32::try_from(at).expect("ids are u32"));
            for remote in peer.remotes.iter().filter(|remote| remote.has_room()) {
                let content = &self.transfers.at(remote.place).turns;
                let tags = (
                    self.paced.turns.start_of(content),
                    content.start_of(&remote.turns),
                );
                turns.push((tags, id, remote.ours));
            }
        }
        turns.sort_unstable();
        turns
    }
}
