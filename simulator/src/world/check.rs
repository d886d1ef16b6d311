//! Invariants of every run, checked while it goes on; no checker can be turned off.
//!
//! They keep counts of their own, apart from those of cores and networks: what the cores handed out
//! and what the network reported of it.

use fairhaul_core::message::Message;
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Block, Hold};

use super::{Flight, RunError, STALL_AFTER, World, build, rows};
use crate::network::{Link, Violation};
use crate::setup::{FaultKind, Setup};

/// The books of one run.
#[derive(Debug)]
pub(super) struct Checks {
    /// For each peer, blocks that the network has accepted and not yet sent.
    in_hand: Vec<u32>,
    /// For each peer, bytes that have left its uplink and bytes that have arrived.
    carried: Vec<[ByteCount; 2]>,
    /// For each content and transfer, by its id in the cores, and for all deliveries.
    ledgers: Vec<Ledger>,
    /// Peers whose core was told something at this instant, each once.
    touched: Vec<u32>,
    is_touched: Vec<bool>,
}

/// Bytes of a content or transfer since the run began.
#[derive(Clone, Copy, Debug, Default)]
struct Ledger {
    handed: ByteCount,
    arrived: ByteCount,
    dropped: ByteCount,
}

impl Checks {
    pub(super) fn new(setup: &Setup) -> Self {
        let peers = setup.peers.len();
        Self {
            in_hand: vec![0; peers],
            carried: vec![[ByteCount::ZERO; 2]; peers],
            ledgers: vec![Ledger::default(); setup.contents.len() + setup.transfers.len() + 1],
            touched: Vec::new(),
            is_touched: vec![false; peers],
        }
    }

    /// A core was told something.
    pub(super) fn touch(&mut self, peer: u32) {
        if !std::mem::replace(&mut self.is_touched[peer as usize], true) {
            self.touched.push(peer);
        }
    }

    /// The ledger of a block: the last is that of all deliveries together.
    fn ledger(&mut self, block: &Block) -> &mut Ledger {
        let last = self.ledgers.len() - 1;
        &mut self.ledgers[block.transfer.index().min(last)]
    }

    /// A block is given to the network.
    pub(super) fn handed(&mut self, from: u32, block: &Block) {
        self.in_hand[from as usize] += 1;
        self.ledger(block).handed += block.len;
    }

    /// Its last byte has left.
    pub(super) fn sent(&mut self, from: u32, block: &Block) {
        self.in_hand[from as usize] -= 1;
        self.carried[from as usize][0] += block.len;
    }

    /// Its last byte has arrived.
    pub(super) fn arrived(&mut self, to: u32, block: &Block) {
        self.carried[to as usize][1] += block.len;
        self.ledger(block).arrived += block.len;
    }

    /// It is gone with one of its ends.
    pub(super) fn dropped(&mut self, from: u32, block: &Block, sent: bool) {
        self.in_hand[from as usize] -= u32::from(!sent);
        self.ledger(block).dropped += block.len;
    }
}

/// A block that will not arrive, whether it had left, and what was said behind it.
type Lost = (Block, bool, Vec<(Time, Message)>);

impl World<'_> {
    /// Looks at whom this instant concerned, now that it is over.
    pub(super) fn check_instant(&mut self) -> Result<(), RunError> {
        while let Some(peer) = self.checks.touched.pop() {
            self.checks.is_touched[peer as usize] = false;
            let is_idle = self.checks.in_hand[peer as usize] == 0 && !self.holds_back(peer);
            if is_idle && self.is_idle_with_work(peer) {
                return Err(RunError::Idle {
                    peer: self.setup.peers[peer as usize].name.clone(),
                    at: self.now,
                });
            }
        }
        if self.now.since(self.moved_at) > STALL_AFTER
            && self.counters.started_work() > 0
            && !self.expects_something()
            && !self.stands_still()
        {
            return Err(self.stuck());
        }
        Ok(())
    }

    /// Whether a core has a block that it could send while the network has none of it (J5).
    /// Only a cap excuses it: with nothing in the network there is no window to wait for.
    fn is_idle_with_work(&self, peer: u32) -> bool {
        let Some(node) = &self.hosts[peer as usize].node else {
            return false;
        };
        let uplink = node.uplink();
        if !uplink.is_backlogged() {
            return false;
        }
        match uplink.ready_at(self.now) {
            Some(at) => at <= self.now,
            None => uplink.holders().any(|holder| {
                let waits = matches!(holder.hold, Hold::Window | Hold::Turn | Hold::Serving);
                holder.queued > ByteCount::ZERO && waits
            }),
        }
    }

    /// Whether the setup plans something that may end a standstill.
    fn expects_something(&self) -> bool {
        let setup = self.setup;
        setup.faults.iter().any(|fault| fault.at > self.now)
            || setup.peers.iter().any(|peer| peer.join > self.now)
            || setup.transfers.iter().any(|row| row.start > self.now)
    }

    /// What is on its way of these blocks is gone: with one of its ends, or because nobody wants
    /// it.
    pub(super) fn lose_all(&mut self, is_lost: impl Fn(&Flight) -> bool) -> Vec<Lost> {
        let mut lost = Vec::new();
        for id in 0..self.flights.len() as u64 {
            let flight = &self.flights[super::index(id)];
            if !flight.live || !is_lost(flight) {
                continue;
            }
            self.checks.dropped(flight.from, &flight.block, flight.sent);
            let (block, to, sent) = (flight.block, flight.to, flight.sent);
            let then = self.release(id);
            if sent {
                self.counters.wasted(to, block.len);
            }
            lost.push((block, sent, then));
        }
        lost
    }

    /// At the end of a run: every byte that was handed out has arrived, is still on its way or
    /// was dropped with a peer, for each transfer; and the network agrees on what is on its way.
    pub(super) fn check_books(&self) -> Result<(), RunError> {
        let differ = |what: String| Err(RunError::Conservation { what });
        let mut on_the_way = vec![ByteCount::ZERO; self.checks.ledgers.len()];
        let mut ours = Vec::new();
        for (id, flight) in (0_u64..)
            .zip(&self.flights)
            .filter(|(_, flight)| flight.live)
        {
            let last = on_the_way.len() - 1;
            on_the_way[flight.block.transfer.index().min(last)] += flight.block.len;
            ours.push(id);
        }
        let mut theirs: Vec<u64> = self.network.waiting().iter().map(|row| row.id).collect();
        theirs.sort_unstable();
        if ours != theirs {
            return differ(format!(
                "{} blocks are on their way and the network knows of {}",
                ours.len(),
                theirs.len()
            ));
        }
        for ((id, ledger), way) in (0_u32..).zip(&self.checks.ledgers).zip(on_the_way) {
            let Ledger {
                handed,
                arrived,
                dropped,
            } = *ledger;
            let name = || match self.counters.row_of(id) {
                Some(row) => self.setup.transfers[row as usize].name.as_str(),
                None => {
                    let content = self.setup.contents.get(id as usize);
                    content.map_or("the deliveries", |content| content.name.as_str())
                }
            };
            if handed != arrived + dropped + way {
                return differ(format!(
                    "of {}, {handed} were sent, {arrived} arrived, {dropped} were dropped \
                     and {way} are on their way",
                    name()
                ));
            }
        }
        Ok(())
    }

    /// At the end of a run: no link of a peer has carried more than its capacity allows in all
    /// that time. The network's own check looks at every interval, but trusts its own clock.
    pub(super) fn check_capacity(&self) -> Result<(), RunError> {
        let changes = |peer: u32| {
            self.setup.faults.iter().any(|fault| match fault.kind {
                FaultKind::Capacity { peer: other, .. } => other == peer,
                _ => false,
            })
        };
        for (row, peer) in rows(&self.setup.peers) {
            let [up, down] = self.checks.carried[row as usize];
            let place = build::place(row);
            for (link, rate, carried) in [
                (Link::Up(place), peer.up, up),
                (Link::Down(place), peer.down, down),
            ] {
                if rate.is_some_and(|rate| carried > most(rate, self.now)) && !changes(row) {
                    let at = self.now;
                    return Err(RunError::Network(Violation::OverCapacity { link, at }));
                }
            }
        }
        Ok(())
    }
}

/// Bytes that a link can carry until `end`; one more for rounding.
fn most(rate: Rate, end: Time) -> ByteCount {
    let all = rate.bytes_in(end.since(Time::ZERO));
    all.saturating_add(ByteCount::new(1))
}
