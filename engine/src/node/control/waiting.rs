//! Commands that wait for peers.

use std::collections::BTreeMap;
use std::mem;

use fairhaul_core::id::PeerId;
use fairhaul_core::library::Waiter;
use fairhaul_core::time::{Span, Time};

use crate::control::api::{Call, Failure, Pong};

/// How long a ping waits for its answer.
const PING: Span = Span::from_secs(10);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Those that wait for the outcome of a content.
    calls: BTreeMap<Waiter, Call>,
    pings: Vec<Ping>,
    numbers: u64,
}

/// A ping that is not answered yet.
#[derive(Debug)]
struct Ping {
    call: Call,
    peer: PeerId,
    number: u64,
    since: Time,
}

impl Waiting {
    /// A call waits for an outcome.
    pub(super) fn add(&mut self, call: Call) -> Waiter {
        self.numbers += 1;
        let waiter = Waiter(self.numbers);
        self.calls.insert(waiter, call);
        waiter
    }

    /// A call that waits.
    pub(super) fn get(&self, waiter: Waiter) -> Option<&Call> {
        self.calls.get(&waiter)
    }

    /// A call whose wait has ended.
    pub(super) fn take(&mut self, waiter: Waiter) -> Option<Call> {
        self.calls.remove(&waiter)
    }

    /// A peer is pinged: with which number.
    pub(super) fn ping(&mut self, call: Call, peer: PeerId, now: Time) -> u64 {
        self.numbers += 1;
        let number = self.numbers;
        self.pings.push(Ping {
            call,
            peer,
            number,
            since: now,
        });
        number
    }

    /// A peer answered a ping: after how long, if that was asked of it.
    pub(super) fn ponged(&mut self, peer: PeerId, number: u64, now: Time) -> Option<Span> {
        let is_it = |ping: &Ping| ping.peer == peer && ping.number == number;
        let at = self.pings.iter().position(is_it)?;
        let ping = self.pings.swap_remove(at);
        let rtt = now.since(ping.since);
        let rtt_us = vec![rtt.as_nanos() / 1_000];
        ping.call.done(&Pong { rtt_us });
        Some(rtt)
    }

    /// Ends the pings that are not answered, and those of which the peer is no longer connected.
    pub(super) fn second(&mut self, now: Time, connected: impl Fn(PeerId) -> bool) {
        let mut pings = mem::take(&mut self.pings);
        let over = |ping: &Ping| now.since(ping.since) >= PING || !connected(ping.peer);
        for ping in pings.extract_if(.., |ping| over(ping)) {
            let why = match connected(ping.peer) {
                true => "no answer in 10 s",
                false => "the connection ended before the answer",
            };
            ping.call.fail(Failure::unreachable(why));
        }
        self.pings = pings;
    }
}
