//! A node: takes an input and the time, and answers with actions.
//!
//! This file only dispatches. `fetch` decides what to request of whom, `serve` whom to serve and
//! which block is next, `timeouts` which peers are closed; all three work on the peers and contents
//! of `swarm`. `changes` says what an event means for each of them. A node never waits, and knows
//! no addresses, keys or bytes.

use std::collections::BTreeSet;

use crate::id::PeerId;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::{Span, Time};
use crate::transfer::Transfer;
use crate::uplink::Uplink;

mod announce;
mod changes;
mod control_rate;
mod fetch;
mod forwarding;
mod guard;
mod io;
mod paced;
mod receive_budget;
mod responses;
mod rounds;
mod serve;
mod silence;
mod status;
mod swarm;
#[cfg(test)]
mod tests;
mod timeouts;
mod transfers;

use fetch::Fetch;
use paced::Paced;
use receive_budget::Memory;
use rounds::Rounds;
use serve::Serve;
use silence::Silence;
use swarm::Swarm;
use timeouts::Timeouts;

pub use crate::transfer::Missing;
pub(crate) use forwarding::Reports;
pub use guard::{CLAIMS_PEER, Guard};
pub use io::{Action, Asking, Config, Event, Input};
pub(crate) use paced::Turns;
pub(crate) use transfers::Place;

/// A participant in any number of swarms, in both directions at once.
#[derive(Debug)]
pub struct Node {
    swarm: Swarm,
    fetch: Fetch,
    serve: Serve,
    timeouts: Timeouts,
    pipeline: Option<u32>,
}

impl Node {
    /// A node without peers and transfers.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Self {
        let settings = config.settings();
        let rng = config.rng;
        let uplink = Uplink::salted(settings, Some(rng.fork("uplink").next_u64()));
        let mut choke_rng = rng.fork("choke");
        let period = usize::try_from(config.rechoke.as_nanos())
            .unwrap_or(usize::MAX)
            .max(1);
        // Nodes that start together do not hold their rounds together.
        let phase = Span::from_nanos(choke_rng.below(period) as u64);
        let unchoke = (config.unchoke, (config.unchoke.make)(&config.choke));
        let seed_rule = (config.seed_rule, (config.seed_rule.make)(&config.choke));
        Self {
            swarm: Swarm::new(config.guard),
            fetch: Fetch {
                asked: 0,
                silence: Silence::default(),
                picker: (config.picker.make)(),
                pick_rng: rng.fork("pick"),
                paced: Paced::new(config.download, now),
                asking: config.asking,
                memory: Memory::default(),
                apart: BTreeSet::new(),
            },
            serve: Serve {
                uplink,
                interested: 0,
                granted: 0,
                unchoke,
                seed_rule,
                choke_rng,
                slots: config.slots,
                rounds: Rounds::new(config.rechoke, config.capacity, now, now + phase),
            },
            timeouts: Timeouts::default(),
            pipeline: config.pipeline,
        }
    }

    /// Exactly one thing happened. Drain [`Node::poll`] before the next.
    pub fn handle(&mut self, input: Input, now: Time) {
        match input {
            Input::Connected { peer, outbound } => self.connected(peer, outbound, now),
            Input::Disconnected { peer } => self.disconnected(peer, now),
            Input::Message { peer, message } => {
                let done = self.message(peer, message, now);
                self.swarm.judge(peer, done);
            }
            Input::Sent { peer, len } => self.serve.sent(&mut self.swarm, peer, len, now),
            Input::Overhead {
                peer,
                transfer,
                len,
            } => self.serve.uplink.overhead(peer, transfer, len, now),
            Input::Stored {
                transfer,
                chunk,
                from,
            } => self.stored(transfer, chunk, from, now),
            Input::Rejected {
                transfer,
                chunk,
                from,
            } => self
                .fetch
                .rejected(&mut self.swarm, transfer, chunk, from, now),
            Input::Lost { transfer, chunk } => self.lost(transfer, chunk, true, now),
            Input::Withdraw { transfer, chunk } => self.lost(transfer, chunk, false, now),
            Input::Add {
                transfer,
                content,
                manifest,
                have,
                audience,
            } => {
                self.add(
                    transfer,
                    Transfer::new(content, manifest, have, audience),
                    now,
                );
            }
            Input::Stalled { peer } => self.serve.uplink.stalled(peer, now),
            Input::Settle { transfer } => self.settle(transfer, now),
            Input::Remove { transfer } => self.remove(transfer, now),
            Input::Limit { target, limit } => self.serve.uplink.set_limit(target, limit, now),
            Input::FindCap { on } => self.serve.uplink.find_cap(on, now),
            Input::Paths { paths } => self.serve.uplink.paths(&paths, now),
            Input::Group { target, group } => self.serve.uplink.join(target, group, now),
            Input::Download { rate } => {
                self.fetch.paced.set_rate(rate, now);
                self.fetch.ask_everybody(&mut self.swarm, now);
            }
            Input::Text { peer, text } => self.swarm.send(peer, Message::Text(text)),
            Input::Ping { peer, number } => self.swarm.send(peer, Message::Ping(number)),
            Input::Say { peer, message } => self.swarm.say(peer, message),
            Input::Skipped { peer } => self.swarm.skipped(peer, now),
            Input::Tick => self.tick(now),
        }
        self.serve.uplink.set_seeding(self.swarm.missing == 0);
        while let Some(block) = self.serve.uplink.next(now) {
            self.serve.started(&mut self.swarm, block, now);
            self.swarm.actions.push_back(Action::Upload(block));
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        self.swarm.actions.pop_front()
    }

    /// When to feed [`Input::Tick`] next; `None` waits for another input.
    #[must_use]
    pub fn deadline(&self, now: Time) -> Option<Time> {
        let round = self.needs_rounds().then_some(self.serve.rounds.at);
        let timeouts = self.timeouts.at(&self.swarm);
        [
            round,
            timeouts,
            self.fetch.paced.at(),
            self.serve.uplink.ready_at(now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn message(&mut self, peer: PeerId, message: Message, now: Time) -> Result<(), Misbehaviour> {
        if !self.swarm.accepts_from(peer, now)? {
            return Ok(());
        }
        self.swarm.charge_for(peer, &message, now)?;
        match message {
            Message::Join(join) => self.joined(peer, *join, now)?,
            Message::Leave { transfer } => self.left(peer, transfer, now),
            Message::Have { transfer, chunk } => self.have(peer, transfer, chunk, now)?,
            Message::Lost { transfer, chunk } => self.swarm.has_lost(peer, transfer, chunk)?,
            Message::Interested => self.serve.set_interested(&mut self.swarm, peer, true, now),
            Message::NotInterested => self.serve.set_interested(&mut self.swarm, peer, false, now),
            Message::Choke => self.fetch.choked(&mut self.swarm, peer, true, now),
            Message::Unchoke => self.fetch.choked(&mut self.swarm, peer, false, now),
            Message::Request {
                transfer,
                chunk,
                offset,
            } => self
                .serve
                .requested(&mut self.swarm, peer, transfer, (chunk, offset), now)?,
            Message::Cancel { transfer, chunk } => {
                self.serve
                    .cancelled(&mut self.swarm, peer, transfer, chunk)?
            }
            Message::Reject { transfer, chunk } => {
                self.fetch
                    .refused(&mut self.swarm, peer, transfer, chunk, now)?
            }
            Message::Block {
                transfer,
                chunk,
                offset,
                len,
            } => {
                self.fetch
                    .block(&mut self.swarm, peer, (transfer, chunk), offset, len, now)?;
            }
            other => self.swarm.carry(peer, other),
        }
        Ok(())
    }

    fn tick(&mut self, now: Time) {
        if self.fetch.paced.at().is_some_and(|at| at <= now) {
            self.fetch.ask_in_turns(&mut self.swarm, now);
        }
        if now >= self.serve.rounds.at {
            self.round(now);
        }
        self.timeouts.check(&mut self.swarm, &mut self.fetch, now);
    }

    /// Whether anything changes with the next round: slots go round, or somebody owes us.
    pub(super) fn needs_rounds(&self) -> bool {
        let row = self.serve.row(&self.swarm);
        let goes_by_rounds = row.slots || row.watches || row.everybody || row.reviews;
        self.fetch.awaits() || (self.serve.interested > 0 && goes_by_rounds)
    }

    /// A round of the choker.
    pub(super) fn round(&mut self, now: Time) {
        self.fetch.drop_silent(&mut self.swarm, now);
        self.serve.rounds.hold(now);
        self.serve.decide(&mut self.swarm, true, now);
        self.fetch.ask_everybody(&mut self.swarm, now);
    }
}
