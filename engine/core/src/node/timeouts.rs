//! Timeouts: peers that stop, drip, hoard or waste (limits L5 and L7).
//!
//! Requests to a late peer are given to another, and a peer may be closed, or asked last when it
//! reconnects. A request stays where it is while no other peer could serve it: a slow source is
//! better than none. Without a [`Guard`] there are no timeouts.

use std::collections::BTreeMap;

use super::control_rate::KEEPALIVE;
use super::fetch::Fetch;
use super::guard::{Guard, PAST_MAX};
use super::swarm::Swarm;
use crate::id::PeerId;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Ending, Peer, Reputation};
use crate::time::{Span, Time};

/// How often peers are looked at: a limit is overrun by this much at most.
const LOOK: Span = Span::SECOND;

/// A check that is later than this shows that this node itself was suspended: no peer is blamed.
const SLEPT: Span = Span::from_secs(5);

/// How long a peer that was slow stays last in order.
const SLOW_FOR: Span = Span::from_secs(60);

/// When peers are looked at next, and what is remembered of those that have left.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    at: Time,
    /// Peers that are connected.
    connected: usize,
    /// The reputation of those that were.
    past: BTreeMap<PeerId, Reputation>,
}

impl Timeouts {
    /// When to look next.
    pub(super) fn at(&self, swarm: &Swarm) -> Option<Time> {
        (swarm.guard.is_some() && self.connected > 0).then_some(self.at)
    }

    /// A peer is connected. What it did before is not forgotten.
    pub(super) fn meets(&mut self, peer: PeerId, state: &mut Peer, now: Time) {
        if self.connected == 0 {
            self.at = now.saturating_add(LOOK);
        }
        self.connected += 1;
        if let Some(reputation) = self.past.remove(&peer) {
            state.reputation = reputation;
        }
    }

    /// A peer is gone.
    pub(super) fn parts(&mut self, peer: PeerId, reputation: Reputation) {
        self.connected -= 1;
        if reputation.is_blank() {
            return;
        }
        if self.past.len() == PAST_MAX {
            self.past.pop_first();
        }
        self.past.insert(peer, reputation);
    }

    /// Looks at every peer, if it is time to.
    pub(super) fn check(&mut self, swarm: &mut Swarm, fetch: &mut Fetch, now: Time) {
        let Some((guard, at)) = swarm.guard.zip(self.at(swarm)) else {
            return;
        };
        if now < at {
            return;
        }
        self.at = now.saturating_add(LOOK);
        // While our own disk stands still, we may not have read what a peer said.
        let slept = now.since(at) >= SLEPT || swarm.waits_for_disk(SLEPT, now);
        for peer in swarm.peer_ids() {
            let Some(state) = swarm.peer_mut(peer) else {
                continue;
            };
            if slept {
                state.forgive(now);
                swarm.announce_waiting(peer, now);
            } else if state.ending == Ending::Open {
                look_at(swarm, fetch, peer, &guard, now);
            }
        }
        // A peer that is asked last may be the only one left to ask.
        fetch.ask_everybody(swarm, now);
    }
}

/// Looks at one peer: whether it has stopped, is slow, or has to be pinged.
fn look_at(swarm: &mut Swarm, fetch: &mut Fetch, peer: PeerId, guard: &Guard, now: Time) {
    let Some(state) = swarm.peer_mut(peer) else {
        return;
    };
    let owing = state.owing(now);
    let owes = |span: Span| owing.is_some_and(|owing| owing >= span);
    // A peer that owes us something and answers our pings is served behind others at its
    // source, for as long as that source's policy says: closing it would bring nothing sooner.
    let dead = state.liveness.is_silent(guard.stalled, now);
    if (owes(guard.stalled) && dead) || state.liveness.is_stuck(guard.stalled, now) {
        return swarm.end(peer, Misbehaviour::Stalled);
    }
    if state.liveness.is_silent(guard.idle, now) {
        return swarm.end(peer, Misbehaviour::Silent);
    }
    let slow = (guard.slow, guard.slow_over);
    let is_slow = state.liveness.is_slow(owing.is_some(), slow, now);
    let snub = owes(guard.reassign) && !state.snubbed;
    if snub {
        state.snub(now);
        state.reputation.breaks_promise(now);
    } else if is_slow {
        state.reputation.put_last(now.saturating_add(SLOW_FOR));
    }
    if state.is_alive() {
        state.unsnub(guard.reassign, now);
    }
    let silent = state.snubbed;
    if state.liveness.wants_ping(guard.ping, now) {
        swarm.send(peer, Message::Ping(KEEPALIVE));
    }
    if silent || is_slow {
        fetch.reassign(swarm, peer, now);
    }
    fetch.crowd_out(swarm, peer, guard.stalled, now);
    swarm.announce_waiting(peer, now);
}
