//! Rounds: when the choker is asked whom to serve, what it may know, and how its grants are
//! applied.
//!
//! `choke` decides whom to serve. The uplink holds weights and budgets; a peer that is granted
//! nothing is choked.

use super::serve::{Serve, forwarders_that_wait};
use super::swarm::Swarm;
use crate::choke::{self, Candidate, Choker, Grant, Round};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::peer::Peer;
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// When rounds are held, and what the uplink was found to carry.
#[derive(Debug)]
pub(super) struct Rounds {
    period: Span,
    /// When the next one is due.
    pub(super) at: Time,
    /// When the last two were held.
    held: [Time; 2],
    /// What the shell said that the uplink carries.
    told: Option<Rate>,
    /// The most that was sent in a round.
    found: Option<Rate>,
}

impl Rounds {
    pub(super) const fn new(period: Span, told: Option<Rate>, now: Time, at: Time) -> Self {
        Self {
            period,
            at,
            held: [now; 2],
            told,
            found: None,
        }
    }

    /// A round is held. The next one is due a period after this one was; a node that slept does
    /// not catch up on missed rounds.
    pub(super) fn hold(&mut self, now: Time) {
        let period = self.period.as_nanos().max(1);
        while self.at <= now {
            let missed = now.since(self.at).as_nanos() / period;
            let step = period.saturating_mul(missed + 1);
            self.at = self.at.saturating_add(Span::from_nanos(step));
        }
    }

    /// Bytes that were sent since the last round tell what the uplink carries at least.
    fn end(&mut self, sent: ByteCount, now: Time) {
        let span = now.since(self.held[0]);
        if sent > ByteCount::ZERO && span >= self.period {
            let rate = u128::from(sent.get()) * u128::from(Span::SECOND.as_nanos());
            let rate = rate / u128::from(span.as_nanos().max(1));
            let rate = Rate::new(u64::try_from(rate).unwrap_or(u64::MAX));
            self.found = self.found.max(Some(rate));
        }
        self.held = [now, self.held[0]];
    }
}

impl Serve {
    /// Asks the choker whom to serve: because a round is held, or because something has changed
    /// that does not wait for the next one.
    pub(super) fn decide(&mut self, swarm: &mut Swarm, is_due: bool, now: Time) {
        let candidates = self.candidates(swarm, now);
        let mut grants = self.ask_choker(swarm, &candidates, is_due, now);
        if is_due {
            self.report(swarm);
            let sent = swarm.peers.iter_mut().flatten().map(Peer::next_round).sum();
            self.rounds.end(sent, now);
        }
        grants.sort_unstable_by_key(|grant| grant.peer);
        for Candidate { peer, .. } in candidates {
            match grants.binary_search_by_key(&peer, |grant| grant.peer) {
                Ok(place) => self.apply(swarm, grants[place], now),
                Err(_) => self.set_choked(swarm, peer, true, now),
            }
        }
    }

    fn ask_choker(
        &mut self,
        swarm: &mut Swarm,
        peers: &[Candidate],
        is_due: bool,
        now: Time,
    ) -> Vec<Grant> {
        let row = self.row(swarm);
        let caps = [self.rounds.told, self.uplink.cap()];
        let round = Round {
            peers,
            slots: if row.slots { self.slots } else { usize::MAX },
            period: self.rounds.period,
            is_due,
            seeding: swarm.missing == 0,
            capacity: caps.into_iter().flatten().min().or(self.rounds.found),
            now,
        };
        let (_, choker) = if swarm.missing > 0 {
            &mut self.unchoke
        } else {
            &mut self.seed_rule
        };
        choker.round(&round, &mut self.choke_rng)
    }

    /// Chokes or unchokes a peer and tells the uplink its weight and budget.
    fn apply(&mut self, swarm: &mut Swarm, grant: Grant, now: Time) {
        let Grant {
            peer,
            weight,
            budget,
        } = grant;
        let choke = budget == Some(ByteCount::ZERO);
        if !choke {
            self.uplink.grant(peer, weight, budget);
        }
        self.set_choked(swarm, peer, choke, now);
    }

    /// Asks the choker about one peer between two rounds, if it wants to be asked.
    fn review(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        if !self.row(swarm).reviews {
            return;
        }
        let waiting = forwarders_that_wait(swarm);
        let Some(candidate) = self.candidate(swarm, peer, waiting, now) else {
            return;
        };
        let (_, choker) = if swarm.missing > 0 {
            &mut self.unchoke
        } else {
            &mut self.seed_rule
        };
        let grant = choker.review(&candidate);
        if let Some(grant) = grant {
            self.apply(swarm, grant, now);
        }
    }

    /// A chunk of `id` was verified: those who sent its parts are credited with them.
    pub(super) fn credit(
        &mut self,
        swarm: &mut Swarm,
        id: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        now: Time,
    ) {
        let Some(transfer) = swarm.transfers.get(id) else {
            return;
        };
        let parts = match transfer.begun(from, chunk) {
            Some(begun) => begun.parts.clone(),
            None => vec![(from, transfer.manifest.len_of(chunk))],
        };
        if self.reports()
            && let Some(transfer) = swarm.transfers.get_mut(id)
        {
            transfer.senders.remember(chunk, parts.clone());
        }
        for (peer, len) in parts {
            let Some(state) = swarm.peer_mut(peer) else {
                continue;
            };
            state.reputation.is_verified(len);
            // A seed wants nothing back.
            if !state.is_seed() {
                self.uplink.received(peer, len);
            }
            self.review(swarm, peer, now);
        }
    }

    /// A peer wants something of ours, or no longer.
    pub(super) fn set_interested(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        interested: bool,
        now: Time,
    ) {
        let Some(state) = swarm.peer_mut(peer) else {
            return;
        };
        if state.interested == interested {
            return;
        }
        let was_granted = state.is_granted();
        state.interested = interested;
        let is_granted = state.is_granted();
        let is_unchoked = !state.choked;
        self.granted -= usize::from(was_granted);
        self.granted += usize::from(is_granted);
        let row = self.row(swarm);
        if interested {
            self.interested += 1;
        } else {
            self.interested -= 1;
            let loses_slot = row.slots && !row.reacts;
            if loses_slot || (row.watches && self.free_rides(swarm, peer)) {
                self.set_choked(swarm, peer, true, now);
            } else if !row.everybody && !row.reviews {
                self.set_choked(swarm, peer, false, now);
            }
        }
        if row.reacts && is_unchoked {
            self.decide(swarm, false, now);
        }
        self.fill_slots(swarm, now);
    }

    /// Where nobody has to wait for a slot, a new peer may ask from its first message on.
    pub(super) fn welcome(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        if self.row(swarm).reviews {
            self.review(swarm, peer, now);
        } else if self.row(swarm).fills && !self.row(swarm).slots {
            self.set_choked(swarm, peer, false, now);
        }
    }

    /// Gives free slots at once: a small transfer does not wait for the next round.
    pub(super) fn fill_slots(&mut self, swarm: &mut Swarm, now: Time) {
        let row = self.row(swarm);
        if row.watches {
            return self.serve_free_riders(swarm, now);
        }
        if !row.fills || !row.slots {
            return;
        }
        let free = self.slots.saturating_sub(self.granted);
        if free == 0 || self.granted == self.interested {
            return;
        }
        let candidates = self.candidates(swarm, now);
        for peer in choke::fill(&*self.rule(swarm).1, &candidates, free) {
            self.set_choked(swarm, peer, false, now);
        }
    }

    pub(super) const fn rule(
        &self,
        swarm: &Swarm,
    ) -> &(&'static choke::ChokerRow, Box<dyn Choker>) {
        if swarm.missing > 0 {
            &self.unchoke
        } else {
            &self.seed_rule
        }
    }

    pub(super) const fn row(&self, swarm: &Swarm) -> &'static choke::ChokerRow {
        self.rule(swarm).0
    }

    /// Whether the seed rule goes by which peers forward chunks: all chunks are announced to every
    /// peer, so that each announces to us what it has.
    pub(super) const fn watches_forwarding(&self) -> bool {
        self.seed_rule.0.watches
    }

    fn candidates(&self, swarm: &Swarm, now: Time) -> Vec<Candidate> {
        let all = !self.row(swarm).slots || self.row(swarm).everybody;
        let waiting = forwarders_that_wait(swarm);
        let peers = swarm.peers.iter().enumerate();
        let concerned = peers.filter_map(|(at, peer)| {
            peer.as_ref().filter(|peer| peer.interested || all)?;
            let id = PeerId(u32::try_from(at).expect("ids are u32"));
            self.candidate(swarm, id, waiting, now)
        });
        concerned.collect()
    }

    /// What the choker may know of a peer, where so many that forward chunks want something.
    fn candidate(&self, swarm: &Swarm, id: PeerId, waiting: usize, now: Time) -> Option<Candidate> {
        let peer = swarm.peer(id)?;
        let candidate = peer.candidate(id, self.rounds.held[1], now);
        let free_rides = candidate.free_rides && !self.uplink.has_floor(id);
        let (mut has, mut of, mut chunk) = (ByteCount::ZERO, ByteCount::ZERO, ByteCount::ZERO);
        for remote in peer.remotes.iter() {
            let manifest = &swarm.transfers.at(remote.place).manifest;
            has = has.saturating_add(manifest.bytes_of(&remote.has));
            of = of.saturating_add(manifest.bytes());
            // As long as one can be: what is shorter than a chunk has one of its own length.
            chunk = chunk.max(manifest.chunk().min(manifest.bytes()));
        }
        Some(Candidate {
            free_rides,
            unforwarded: self.unforwarded(peer, id, waiting),
            has,
            of,
            chunk,
            is_seed: peer.is_seed(),
            ..candidate
        })
    }
}
