//! When the rounds of an adversary's peers are, as far as it has seen them choke and unchoke.
//!
//! It is used as [`Announcer`](crate::announcer::Announcer) is: in the simulator, and on real
//! connections by a program of the tests. It is told the time and knows no network.

use std::collections::BTreeMap;

use fairhaul_core::id::PeerId;
use fairhaul_core::message::Message;
use fairhaul_core::time::{Span, Time};

/// When each peer was last seen to choke or unchoke, by the peer's own time; and whether it was a
/// choke, which only a round does.
#[derive(Debug)]
pub struct PeerRounds {
    seen: BTreeMap<PeerId, (Time, bool)>,
    before: Span,
}

impl PeerRounds {
    /// Of nobody yet. The window before a round is `before` long.
    #[must_use]
    pub const fn new(before: Span) -> Self {
        let seen = BTreeMap::new();
        Self { seen, before }
    }

    /// A peer has said something when its time was `there`.
    pub fn hear(&mut self, peer: PeerId, message: &Message, there: Time) {
        let is_choke = match message {
            Message::Choke => true,
            // A slot may be given between two rounds; a choke tells more.
            Message::Unchoke if self.seen.get(&peer).is_none_or(|(_, choke)| !choke) => false,
            _ => return,
        };
        self.seen.insert(peer, (there, is_choke));
    }

    /// A peer is gone.
    pub fn forget(&mut self, peer: PeerId) {
        self.seen.remove(&peer);
    }

    /// When the window before the next round of `peer` begins, and whether it is open now. Rounds
    /// are `period` apart, and what is sent now counts there after `delay`.
    #[must_use]
    pub fn window(&self, peer: PeerId, (period, delay): (Span, Span), now: Time) -> (Time, bool) {
        let Some((seen, _)) = self.seen.get(&peer) else {
            // Nothing is known of its rounds yet: the whole period is too early.
            return (now.saturating_add(period), false);
        };
        let there = now.saturating_add(delay);
        let period = period.as_nanos().max(1);
        let left = period - there.since(*seen).as_nanos() % period;
        let early = left.saturating_sub(self.before.as_nanos());
        (now.saturating_add(Span::from_nanos(early)), early == 0)
    }
}
