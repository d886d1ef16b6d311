//! A node: takes an input and the time, and answers with actions.
//!
//! This file only dispatches: `fetch` decides what to request, `rounds` whom to unchoke, `uplink`
//! which block is next, `control_rate` which messages are passed on, `timeouts` which peers are
//! closed. A node never waits, and knows no addresses, keys or bytes.

use std::collections::{BTreeMap, VecDeque};

use crate::bitfield::Bitfield;
use crate::choke::{self, Choker};
use crate::id::{PeerId, TransferId};
use crate::manifest::ContentId;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::Peer;
use crate::pick::Picker;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::transfer::Transfer;
use crate::units::ByteCount;
use crate::uplink::{Hold, Uplink};

mod control_rate;
mod fetch;
mod io;
mod paced;
mod receive_budget;
mod responses;
mod rounds;
mod serve;
mod silence;
mod swarm;
#[cfg(test)]
mod tests;
mod timeouts;
mod transfers;

use paced::Paced;
use receive_budget::Memory;
use rounds::Rounds;
use timeouts::Watch;
use transfers::Transfers;

pub use crate::transfer::Missing;
pub use io::{Action, Asking, Config, Event, Input};
pub(crate) use paced::Turns;
use silence::Silence;
pub use timeouts::{CLAIMS_PEER, Guard};
pub(crate) use transfers::Place;

/// A participant in any number of swarms, in both directions at once.
#[derive(Debug)]
pub struct Node {
    transfers: Transfers,
    contents: BTreeMap<ContentId, TransferId>,
    /// By id; the place of one that is not connected is empty.
    peers: Vec<Option<Peer>>,
    uplink: Uplink,
    actions: VecDeque<Action>,
    missing: usize,
    asked: usize,
    silence: Silence,
    /// Peers that want something of ours, and those of them that are served.
    interested: usize,
    granted: usize,
    picker: Box<dyn Picker>,
    pick_rng: Rng,
    paced: Paced,
    pipeline: Option<u32>,
    asking: Asking,
    unchoke: (&'static choke::ChokerRow, Box<dyn Choker>),
    seed_rule: (&'static choke::ChokerRow, Box<dyn Choker>),
    choke_rng: Rng,
    slots: usize,
    rounds: Rounds,
    watch: Watch,
    memory: Memory,
}

impl Node {
    /// A node without peers and transfers.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Self {
        let uplink = Uplink::new(config.settings());
        let rng = config.rng;
        let mut choke_rng = rng.fork("choke");
        let period = usize::try_from(config.rechoke.as_nanos())
            .unwrap_or(usize::MAX)
            .max(1);
        // Nodes that start together do not hold their rounds together.
        let phase = Span::from_nanos(choke_rng.below(period) as u64);
        Self {
            transfers: Transfers::default(),
            contents: BTreeMap::new(),
            peers: Vec::new(),
            uplink,
            actions: VecDeque::new(),
            missing: 0,
            asked: 0,
            interested: 0,
            granted: 0,
            picker: (config.picker.make)(),
            pick_rng: rng.fork("pick"),
            paced: Paced::new(config.download, now),
            pipeline: config.pipeline,
            asking: config.asking,
            unchoke: (config.unchoke, (config.unchoke.make)(&config.choke)),
            seed_rule: (config.seed_rule, (config.seed_rule.make)(&config.choke)),
            choke_rng,
            slots: config.slots,
            rounds: Rounds::new(config.rechoke, config.capacity, now, now + phase),
            silence: Silence::default(),
            watch: Watch::new(config.guard),
            memory: Memory::default(),
        }
    }

    /// Exactly one thing happened. Drain [`Node::poll`] before the next.
    pub fn handle(&mut self, input: Input, now: Time) {
        match input {
            Input::Connected { peer, outbound } => self.connected(peer, outbound, now),
            Input::Disconnected { peer } => self.disconnected(peer, now),
            Input::Message { peer, message } => {
                let done = self.message(peer, message, now);
                self.judge(peer, done);
            }
            Input::Sent { peer, len } => self.sent(peer, len, now),
            Input::Overhead {
                peer,
                transfer,
                len,
            } => self.uplink.overhead(peer, transfer, len, now),
            Input::Stored {
                transfer,
                chunk,
                from,
            } => self.stored(transfer, chunk, from, now),
            Input::Rejected {
                transfer,
                chunk,
                from,
            } => self.rejected(transfer, chunk, from, now),
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
            Input::Stalled { peer } => self.uplink.stalled(peer, now),
            Input::Settle { transfer } => self.settle(transfer, now),
            Input::Remove { transfer } => self.remove(transfer, now),
            Input::Limit { target, limit } => self.uplink.set_limit(target, limit, now),
            Input::FindCap { on } => self.uplink.find_cap(on, now),
            Input::Paths { paths } => self.uplink.paths(&paths, now),
            Input::Group { target, group } => self.uplink.join(target, group, now),
            Input::Download { rate } => self.set_download(rate, now),
            Input::Text { peer, text } => self.send(peer, Message::Text(text)),
            Input::Ping { peer, number } => self.send(peer, Message::Ping(number)),
            Input::Say { peer, message } => self.say(peer, message),
            Input::Skipped { peer } => self.skipped(peer, now),
            Input::Tick => self.tick(now),
        }
        self.uplink.set_seeding(self.missing == 0);
        while let Some(block) = self.uplink.next(now) {
            self.started(block, now);
            self.actions.push_back(Action::Upload(block));
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to feed [`Input::Tick`] next; `None` waits for another input.
    #[must_use]
    pub fn deadline(&self, now: Time) -> Option<Time> {
        let round = self.needs_rounds().then_some(self.rounds.at);
        let watch = self.watch.at();
        [round, watch, self.paced.at(), self.uplink.ready_at(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether every transfer is complete.
    #[must_use]
    pub const fn is_seed(&self) -> bool {
        self.missing == 0
    }

    /// Which limit or turn holds the flow of `transfer` to `peer` now.
    #[must_use]
    pub fn why(&self, peer: PeerId, transfer: TransferId) -> Hold {
        self.uplink.why(peer, transfer)
    }

    /// What waits to be served, and for what: for reports and checks.
    #[must_use]
    pub const fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// What we have of a transfer; none if we take no part in it.
    #[must_use]
    pub fn had(&self, transfer: TransferId) -> Option<&Bitfield> {
        self.transfers.get(transfer).map(Transfer::had)
    }

    /// Bytes that came of chunks that are not whole: what is lost with this node.
    #[must_use]
    pub fn unfinished(&self) -> ByteCount {
        let transfers = self.transfers.iter();
        let begun = transfers.flat_map(|(_, transfer)| transfer.unfinished());
        begun.map(|(_, begun)| begun.received).sum()
    }

    /// What we have of every transfer.
    #[must_use]
    pub fn holdings(&self) -> Vec<(TransferId, Bitfield)> {
        self.transfers
            .iter()
            .map(|(id, transfer)| (id, transfer.had().clone()))
            .collect()
    }

    fn message(&mut self, peer: PeerId, message: Message, now: Time) -> Result<(), Misbehaviour> {
        if !self.hears(peer, now)? {
            return Ok(());
        }
        self.charge_for(peer, &message, now)?;
        match message {
            Message::Join(join) => self.joined(peer, *join, now)?,
            Message::Leave { transfer } => self.left(peer, transfer, now),
            Message::Have { transfer, chunk } => self.have(peer, transfer, chunk, now)?,
            Message::Lost { transfer, chunk } => self.has_lost(peer, transfer, chunk)?,
            Message::Interested => self.set_interested(peer, true, now),
            Message::NotInterested => self.set_interested(peer, false, now),
            Message::Choke => self.choked(peer, true, now),
            Message::Unchoke => self.choked(peer, false, now),
            Message::Request {
                transfer,
                chunk,
                offset,
            } => self.requested(peer, transfer, (chunk, offset), now)?,
            Message::Cancel { transfer, chunk } => self.cancelled(peer, transfer, chunk)?,
            Message::Reject { transfer, chunk } => self.refused(peer, transfer, chunk, now)?,
            Message::Block {
                transfer,
                chunk,
                offset,
                len,
            } => {
                self.block(peer, (transfer, chunk), offset, len, now)?;
            }
            other => self.carry(peer, other),
        }
        Ok(())
    }

    fn tick(&mut self, now: Time) {
        if self.paced.at().is_some_and(|at| at <= now) {
            self.ask_in_turns(now);
        }
        if now >= self.rounds.at {
            self.round(now);
        }
        self.watch(now);
    }

    fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(peer.index())?.as_ref()
    }

    fn peer_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer.index())?.as_mut()
    }

    /// Every id that a connected peer may have; some have none.
    fn peer_ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..u32::try_from(self.peers.len()).expect("ids are u32")).map(PeerId)
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        if let Some(state) = self.peer_mut(peer) {
            state.conduct.heard(&message);
        }
        self.actions.push_back(Action::Send { peer, message });
    }
}
