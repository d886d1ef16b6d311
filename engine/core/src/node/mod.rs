//! A node: told what happened and what time it is, it answers with what should be done.
//!
//! Decides nothing itself: `fetch` decides what to ask for, `serve` whom to serve, `uplink`
//! who is next. It refuses to wait, and it knows no addresses, keys or bytes.

use std::collections::{BTreeMap, VecDeque};

use crate::bitfield::Bitfield;
use crate::choke::{self, Choker};
use crate::id::{ChunkIndex, GroupId, PeerId, TransferId};
use crate::manifest::{ContentId, Manifest};
use crate::message::{Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Peer, Remote};
use crate::pick::{self, Picker};
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::token_bucket::TokenBucket;
use crate::transfer::Transfer;
use crate::units::{ByteCount, Rate};
use crate::uplink::{Block, Hold, Limit, Settings, Target, Uplink};

mod fetch;
mod serve;
#[cfg(test)]
mod tests;

/// What a node is made with.
#[derive(Debug)]
pub struct Config {
    /// The uplink's disciplines, window and fairness key.
    pub uplink: Settings,
    /// The choker while something is still wanted.
    pub unchoke: &'static choke::Row,
    /// The choker once everything is had.
    pub seed_rule: &'static choke::Row,
    /// The picker.
    pub picker: &'static pick::Row,
    /// Unchoke slots, optimistic ones included.
    pub slots: usize,
    /// Time between two rounds of the choker.
    pub rechoke: Span,
    /// Chunks asked ahead of one peer; none adapts.
    pub pipeline: Option<u32>,
    /// Rate at which chunks are asked for at most.
    pub download: Option<Rate>,
    /// The generator of all its draws.
    pub rng: Rng,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer is connected, in both directions. `outbound` if we dialled.
    Connected {
        /// Who.
        peer: PeerId,
        /// Whether we dialled.
        outbound: bool,
    },
    /// A peer is gone.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// A peer said something.
    Message {
        /// Who.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// The last byte of a block has left: its place in the window is free.
    Sent {
        /// To whom.
        peer: PeerId,
        /// How long it was.
        len: ByteCount,
    },
    /// A chunk is verified and stored.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent it.
        from: PeerId,
    },
    /// A chunk had the wrong hash.
    Rejected {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent it.
        from: PeerId,
    },
    /// A chunk that we had is no longer there.
    Lost {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
    },
    /// Take part in a content.
    Add {
        /// Our id for it, chosen by the shell.
        transfer: TransferId,
        /// Its identity.
        content: ContentId,
        /// Its geometry.
        manifest: Manifest,
        /// What we have of it; the rest is wanted.
        have: Bitfield,
        /// The only peer that may know of it; none tells every peer.
        audience: Option<PeerId>,
    },
    /// The connection takes no more for now, through no fault of this uplink: its own window
    /// is full. Ends with the next [`Input::Sent`] of that peer.
    Stalled {
        /// Whose.
        peer: PeerId,
    },
    /// Take part in it no longer.
    Remove {
        /// Which.
        transfer: TransferId,
    },
    /// A limit, floor or weight, now or changed.
    Limit {
        /// Whose.
        target: Target,
        /// What.
        limit: Limit,
    },
    /// A peer or transfer belongs to a group.
    Group {
        /// Who.
        target: Target,
        /// Which; none takes it out.
        group: Option<GroupId>,
    },
    /// Say a line to a peer.
    Text {
        /// To whom.
        peer: PeerId,
        /// What.
        text: Box<str>,
    },
    /// Ask a peer for an answer; its number comes back in [`Event::Pong`].
    Ping {
        /// Whom.
        peer: PeerId,
        /// Chosen by the shell.
        number: u64,
    },
    /// The time of [`Node::deadline`] has come.
    Tick,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say this to a peer.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// Send this block to its peer, and say [`Input::Sent`] when its last byte has left.
    Upload(Block),
    /// A chunk is whole: verify and store it, then say [`Input::Stored`] or
    /// [`Input::Rejected`].
    Store {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        chunk: ChunkIndex,
        /// Who sent it.
        from: PeerId,
    },
    /// End the connection.
    Close {
        /// With whom.
        peer: PeerId,
        /// Why.
        why: Misbehaviour,
    },
    /// Something that a person or a log wants to know.
    Notify(Event),
}

/// News for whoever runs the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every chunk of a transfer is stored.
    Complete(TransferId),
    /// A peer sent a line of text.
    Text(PeerId, Box<str>),
    /// A peer answered a ping.
    Pong(PeerId, u64),
    /// Bytes came that nobody waited for.
    Wasted(PeerId, ByteCount),
}

/// A participant in any number of swarms, in both directions at once.
#[derive(Debug)]
pub struct Node {
    transfers: BTreeMap<TransferId, Transfer>,
    contents: BTreeMap<ContentId, TransferId>,
    peers: Vec<Option<Box<Peer>>>,
    uplink: Uplink,
    actions: VecDeque<Action>,
    missing: usize,
    asked: usize,
    interested: usize,
    picker: Box<dyn Picker>,
    pick_rng: Rng,
    download: Option<TokenBucket>,
    download_at: Option<Time>,
    pipeline: Option<u32>,
    unchoke: (&'static choke::Row, Box<dyn Choker>),
    seed_rule: (&'static choke::Row, Box<dyn Choker>),
    choke_rng: Rng,
    slots: usize,
    rechoke: Span,
    round_at: Time,
}

impl Node {
    /// A node that knows nobody and takes part in nothing.
    #[must_use]
    pub fn new(config: Config, now: Time) -> Self {
        let rng = config.rng;
        let mut choke_rng = rng.fork("choke");
        let period = usize::try_from(config.rechoke.as_nanos())
            .unwrap_or(usize::MAX)
            .max(1);
        // Nodes that start together do not hold their rounds together.
        let phase = Span::from_nanos(choke_rng.below(period) as u64);
        let bucket = |rate: Rate| TokenBucket::full(rate, fetch::burst(rate), now);
        Self {
            transfers: BTreeMap::new(),
            contents: BTreeMap::new(),
            peers: Vec::new(),
            uplink: Uplink::new(config.uplink),
            actions: VecDeque::new(),
            missing: 0,
            asked: 0,
            interested: 0,
            picker: (config.picker.make)(),
            pick_rng: rng.fork("pick"),
            download: config.download.map(bucket),
            download_at: None,
            pipeline: config.pipeline,
            unchoke: (config.unchoke, (config.unchoke.make)()),
            seed_rule: (config.seed_rule, (config.seed_rule.make)()),
            choke_rng,
            slots: config.slots,
            rechoke: config.rechoke,
            round_at: now + phase,
        }
    }

    /// Exactly one thing happened. Drain [`Node::poll`] before the next.
    pub fn handle(&mut self, input: Input, now: Time) {
        match input {
            Input::Connected { peer, outbound } => self.connected(peer, outbound, now),
            Input::Disconnected { peer } => self.disconnected(peer, now),
            Input::Message { peer, message } => {
                if let Err(why) = self.message(peer, message, now) {
                    self.actions.push_back(Action::Close { peer, why });
                }
            }
            Input::Sent { peer, len } => self.sent(peer, len, now),
            Input::Stored {
                transfer,
                chunk,
                from,
            } => self.stored(transfer, chunk, from, now),
            Input::Rejected {
                transfer,
                chunk,
                from,
            } => {
                self.give_up(from, transfer, chunk, now);
                self.actions.push_back(Action::Close {
                    peer: from,
                    why: Misbehaviour::WrongHash,
                });
            }
            Input::Lost { transfer, chunk } => self.lost(transfer, chunk, now),
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
            Input::Remove { transfer } => self.remove(transfer, now),
            Input::Limit { target, limit } => self.uplink.set_limit(target, limit, now),
            Input::Group { target, group } => self.uplink.join(target, group, now),
            Input::Text { peer, text } => self.send(peer, Message::Text(text)),
            Input::Ping { peer, number } => self.send(peer, Message::Ping(number)),
            Input::Tick => self.tick(now),
        }
        while let Some(block) = self.uplink.next(now) {
            self.started(block);
            self.actions.push_back(Action::Upload(block));
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to say [`Input::Tick`] next; none waits for another input.
    #[must_use]
    pub fn deadline(&self, now: Time) -> Option<Time> {
        let round = self.needs_rounds().then_some(self.round_at);
        [round, self.download_at, self.uplink.ready_at(now)]
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

    /// What we have of a transfer; none if we take no part in it.
    #[must_use]
    pub fn had(&self, transfer: TransferId) -> Option<&Bitfield> {
        self.transfers.get(&transfer).map(Transfer::had)
    }

    /// What we have of every transfer.
    #[must_use]
    pub fn holdings(&self) -> Vec<(TransferId, Bitfield)> {
        self.transfers
            .iter()
            .map(|(id, transfer)| (*id, transfer.had().clone()))
            .collect()
    }

    /// For a report that says who waits for what: the chunks asked of each peer, and whether
    /// that peer chokes us.
    pub fn waiting(&self) -> impl Iterator<Item = (PeerId, usize, bool)> {
        let peers = self.peers.iter().enumerate();
        peers.filter_map(|(at, peer)| {
            let peer = peer.as_ref().filter(|peer| !peer.asked.is_empty())?;
            Some((
                PeerId(u32::try_from(at).ok()?),
                peer.asked.len(),
                peer.chokes_us,
            ))
        })
    }

    fn message(&mut self, peer: PeerId, message: Message, now: Time) -> Result<(), Misbehaviour> {
        if self.peer(peer).is_none() {
            return Ok(());
        }
        match message {
            Message::Join(join) => self.joined(peer, *join, now)?,
            Message::Leave { transfer } => self.left(peer, transfer, now),
            Message::Have { transfer, chunk } => self.have(peer, transfer, chunk, now)?,
            Message::Lost { transfer, chunk } => self.has_lost(peer, transfer, chunk)?,
            Message::Interested => self.set_interested(peer, true),
            Message::NotInterested => self.set_interested(peer, false),
            Message::Choke => self.choked(peer, true, now),
            Message::Unchoke => self.choked(peer, false, now),
            Message::Request { transfer, chunk } => self.requested(peer, transfer, chunk, now)?,
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
            Message::Text(text) => {
                self.actions
                    .push_back(Action::Notify(Event::Text(peer, text)));
            }
            Message::Ping(number) => self.send(peer, Message::Pong(number)),
            Message::Pong(number) => {
                self.actions
                    .push_back(Action::Notify(Event::Pong(peer, number)));
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Time) {
        if self.download_at.is_some_and(|at| at <= now) {
            self.download_at = None;
            self.ask_everybody(now);
        }
        if now >= self.round_at {
            self.round(now);
        }
    }

    fn connected(&mut self, peer: PeerId, outbound: bool, now: Time) {
        if self.peers.len() <= peer.index() {
            self.peers.resize_with(peer.index() + 1, || None);
        }
        self.peers[peer.index()] = Some(Box::new(Peer::new(self.pipeline, now)));
        self.welcome(peer);
        let told = self.transfers.iter().filter(|(_, transfer)| {
            transfer
                .audience
                .map_or(outbound, |audience| audience == peer)
        });
        for (transfer, state) in told {
            let message = Message::Join(Box::new(join(*transfer, state, true)));
            self.actions.push_back(Action::Send { peer, message });
        }
    }

    fn disconnected(&mut self, peer: PeerId, now: Time) {
        let Some(gone) = self.peers.get_mut(peer.index()).and_then(Option::take) else {
            return;
        };
        self.uplink.purge_peer(peer);
        self.asked -= gone.asked.len();
        self.interested -= usize::from(gone.interested);
        for remote in &gone.remotes {
            if let Some(transfer) = self.transfers.get_mut(&remote.ours) {
                transfer.drop_holder(&remote.has);
            }
        }
        for ask in &gone.asked {
            if let Some(transfer) = self.transfers.get_mut(&ask.transfer) {
                transfer.release(peer, ask.chunk);
            }
        }
        if !gone.asked.is_empty() {
            self.ask_everybody(now);
        }
        self.fill_slots();
    }

    fn add(&mut self, id: TransferId, transfer: Transfer, now: Time) {
        let (content, audience) = (transfer.content, transfer.audience);
        self.missing += usize::from(!transfer.is_complete());
        self.contents.insert(content, id);
        let before = self.transfers.insert(id, transfer);
        assert!(
            before.is_none(),
            "the shell gives each transfer an id of its own"
        );
        let told = audience.map_or_else(|| self.peer_ids(), |audience| vec![audience]);
        for peer in told {
            let Some(state) = self.peers.get_mut(peer.index()).and_then(Option::as_mut) else {
                continue;
            };
            let offer = state.take_offer(content);
            let message = join(id, &self.transfers[&id], offer.is_none());
            self.send(peer, Message::Join(Box::new(message)));
            if let Some(offer) = offer
                && let Err(why) = self.joined(peer, offer, now)
            {
                self.actions.push_back(Action::Close { peer, why });
            }
        }
    }

    fn remove(&mut self, id: TransferId, now: Time) {
        let Some(transfer) = self.transfers.remove(&id) else {
            return;
        };
        self.missing -= usize::from(!transfer.is_complete());
        self.contents.remove(&transfer.content);
        self.uplink.purge_transfer(id);
        for peer in self.peer_ids() {
            let state = self.peer_mut(peer).expect("it is in the list of peers");
            if state.remote(id).is_none() {
                continue;
            }
            state.remotes.retain(|remote| remote.ours != id);
            let before = state.asked.len();
            state.asked.retain(|ask| ask.transfer != id);
            let dropped = before - state.asked.len();
            state.serving.retain(|serving| serving.transfer != id);
            self.asked -= dropped;
            self.send(peer, Message::Leave { transfer: id });
            self.update_interest(peer);
        }
        self.ask_everybody(now);
    }

    fn joined(&mut self, peer: PeerId, join: Join, now: Time) -> Result<(), Misbehaviour> {
        let known = self.contents.get(&join.content).copied();
        let Some(id) = known else {
            let state = self.peer_mut(peer).expect("checked by the caller");
            state.keep_offer(join);
            return Ok(());
        };
        let transfer = self
            .transfers
            .get_mut(&id)
            .expect("the index names what is there");
        if transfer.audience.is_some_and(|audience| audience != peer) {
            return Ok(());
        }
        if join.have.len() != transfer.manifest.chunks() {
            return Err(Misbehaviour::BitfieldLength);
        }
        let known = self.peers[peer.index()]
            .as_mut()
            .expect("checked by the caller");
        if let Some(before) = known.remote(id) {
            transfer.drop_holder(&before.has);
        }
        transfer.add_holder(&join.have);
        let useful = join.have.count_beyond(transfer.had());
        let answer = join.reply.then(|| self::join(id, transfer, false));
        let remote = Remote {
            ours: id,
            theirs: join.transfer,
            has: join.have,
            useful,
        };
        known
            .set_remote(remote)
            .ok_or(Misbehaviour::TooManyContents)?;
        if let Some(answer) = answer {
            self.send(peer, Message::Join(Box::new(answer)));
        }
        self.update_interest(peer);
        self.ask(peer, now);
        Ok(())
    }

    fn left(&mut self, peer: PeerId, theirs: TransferId, now: Time) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        state.drop_offer(theirs);
        let Some(ours) = state.ours(theirs) else {
            return;
        };
        let gone: Vec<ChunkIndex> = state
            .asked
            .iter()
            .filter(|ask| ask.transfer == ours)
            .map(|ask| ask.chunk)
            .collect();
        let has = state
            .remote(ours)
            .map(|remote| std::mem::take(&mut remote.has));
        state.remotes.retain(|remote| remote.ours != ours);
        state.serving.retain(|serving| serving.transfer != ours);
        if let (Some(transfer), Some(has)) = (self.transfers.get_mut(&ours), has) {
            transfer.drop_holder(&has);
        }
        for chunk in gone {
            self.give_up(peer, ours, chunk, now);
        }
        self.update_interest(peer);
    }

    fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(peer.index())?.as_deref()
    }

    fn peer_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer.index())?.as_deref_mut()
    }

    fn peer_ids(&self) -> Vec<PeerId> {
        let ids = (0..self.peers.len()).filter(|at| self.peers[*at].is_some());
        ids.map(|at| PeerId(u32::try_from(at).expect("ids are u32")))
            .collect()
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        self.actions.push_back(Action::Send { peer, message });
    }
}

fn join(id: TransferId, transfer: &Transfer, reply: bool) -> Join {
    Join {
        content: transfer.content,
        transfer: id,
        have: transfer.had().clone(),
        reply,
    }
}
