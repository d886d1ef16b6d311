//! What an adversary says and hears: news of chunks that are there, that are not, or that others
//! have.

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::message::Message;
use fairhaul_core::node::Input;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;

use super::super::{World, rows};
use super::ShownChunks;
use crate::behaviour::{Announces, Withholds};
use crate::random::Streams;

impl World<'_> {
    /// The core of an adversary says something.
    pub(in crate::world) fn say_masked(
        &mut self,
        host: u32,
        peer: PeerId,
        message: Message,
        inputs: &mut Vec<(u32, Input)>,
    ) {
        let announces = self.behaviour(host).announces;
        match message {
            Message::Join(mut join) => {
                join.have = self.claimed((host, peer), join.transfer, join.have);
                self.say(host, peer, Message::Join(join));
            }
            Message::Have { transfer, chunk } => match announces {
                Announces::Truth | Announces::Repeated => {
                    self.say(host, peer, Message::Have { transfer, chunk });
                }
                Announces::Late => self.show_next(host, peer, transfer),
                Announces::Nothing | Announces::All | Announces::Random => {}
            },
            Message::Reject { transfer, chunk } => {
                let is_its = |block: &mut Block| {
                    let own = (block.peer, block.transfer, block.chunk.get());
                    own == (peer, transfer, chunk)
                };
                let dropped = self.mask(host).held.extract_if(.., is_its);
                let dropped: Vec<Block> = dropped.collect();
                let sent = |block: Block| {
                    (
                        host,
                        Input::Sent {
                            peer,
                            len: block.len,
                        },
                    )
                };
                inputs.extend(dropped.into_iter().map(sent));
                self.say(host, peer, Message::Reject { transfer, chunk });
            }
            other => self.say(host, peer, other),
        }
    }

    /// What an adversary says that it has, as it takes part in a transfer or meets a peer in it.
    pub(super) fn claimed(
        &mut self,
        (host, peer): (u32, PeerId),
        transfer: TransferId,
        have: Bitfield,
    ) -> Bitfield {
        let chunks = have.len();
        match self.behaviour(host).announces {
            Announces::Truth | Announces::Repeated => have,
            Announces::Nothing => Bitfield::empty(chunks),
            Announces::All => Bitfield::full(chunks),
            Announces::Random => {
                let name = &self.setup.peers[host as usize].name;
                let streams = Streams::new(self.setup.rng_seed, self.setup.replication);
                let mut rng = streams.stream(name, "claims");
                let mut drawn = Bitfield::empty(chunks);
                for chunk in Bitfield::full(chunks).iter() {
                    if rng.below(2) == 0 {
                        drawn.insert(chunk);
                    }
                }
                drawn
            }
            Announces::Late => {
                let told = self.mask(host).told.entry((peer, transfer));
                let told = told.or_insert_with(|| ShownChunks::nothing(chunks));
                told.shown.clone()
            }
        }
    }

    /// Tells `peer` of one more chunk, unless it has still to get the last one that it was told
    /// of.
    pub(super) fn show_next(&mut self, host: u32, peer: PeerId, transfer: TransferId) {
        let node = self.hosts[host as usize].node.as_ref();
        let had = node.and_then(|node| node.had(transfer)).cloned();
        let mask = self.mask(host);
        let (Some(had), Some(told)) = (had, mask.told.get_mut(&(peer, transfer))) else {
            return;
        };
        let lacks = |chunk: &ChunkIndex| !told.theirs.has(*chunk) && !told.shown.has(*chunk);
        let choices: Vec<ChunkIndex> = had.iter().filter(lacks).collect();
        if told.open.is_some() || choices.is_empty() {
            return;
        }
        let chunk = choices[mask.rng.below(choices.len())];
        told.shown.insert(chunk);
        told.open = Some(chunk);
        let chunk = chunk.get();
        self.say(host, peer, Message::Have { transfer, chunk });
    }

    /// A message reaches an adversary. False if its core must not hear of it.
    pub(in crate::world) fn overhear(
        &mut self,
        host: u32,
        peer: PeerId,
        message: &Message,
    ) -> bool {
        let from = self.hosts[host as usize].links[peer.index()].host;
        let there = self.now.as_nanos();
        let there = there.saturating_sub(self.delay(from, host).as_nanos());
        let (now, withholds) = (self.now, self.behaviour(host).withholds);
        match message {
            Message::Choke => {
                let seen = (Time::from_nanos(there), true);
                self.mask(host).rounds.insert(peer, seen);
            }
            Message::Unchoke => {
                let rounds = &mut self.mask(host).rounds;
                // A slot may be given between two rounds; a choke tells more.
                if rounds.get(&peer).is_none_or(|(_, is_choke)| !is_choke) {
                    rounds.insert(peer, (Time::from_nanos(there), false));
                }
            }
            Message::Block { .. } => {
                self.mask(host).fed.insert(peer, now);
            }
            Message::Request {
                transfer, chunk, ..
            } if withholds == Withholds::LastChunk && self.is_last_chunk(*transfer, *chunk) => {
                let (transfer, chunk) = (*transfer, *chunk);
                self.say(host, peer, Message::Reject { transfer, chunk });
                return false;
            }
            _ => {}
        }
        true
    }

    pub(super) fn is_last_chunk(&self, transfer: TransferId, chunk: u32) -> bool {
        let is_content = transfer.index() < self.setup.contents.len();
        is_content && chunk + 1 == self.manifest(transfer.0).chunks()
    }

    /// The core of an adversary has heard a message.
    pub(in crate::world) fn heard(&mut self, host: u32, peer: PeerId, message: &Message) {
        if self.behaviour(host).announces != Announces::Late {
            return;
        }
        match message {
            Message::Join(join) => {
                let fresh = || ShownChunks::nothing(join.have.len());
                let told = self.mask(host).told.entry((peer, join.transfer));
                told.or_insert_with(fresh).theirs = join.have.clone();
                self.show_next(host, peer, join.transfer);
            }
            Message::Have { transfer, chunk } => {
                if transfer.index() < self.setup.contents.len()
                    && let Some(chunk) = self.manifest(transfer.0).index(*chunk)
                {
                    self.has_got(host, peer, (*transfer, chunk));
                }
            }
            Message::NotInterested => {
                let told = self.mask(host).told.iter_mut();
                let own = told.filter(|((told, _), _)| *told == peer);
                let let_go = own.map(|((_, transfer), told)| {
                    told.open = None;
                    *transfer
                });
                for transfer in let_go.collect::<Vec<_>>() {
                    self.show_next(host, peer, transfer);
                }
            }
            _ => {}
        }
    }

    /// A peer has a chunk now: if it is the one that it was told of last, it is told of the next.
    pub(super) fn has_got(
        &mut self,
        host: u32,
        peer: PeerId,
        (transfer, chunk): (TransferId, ChunkIndex),
    ) {
        let Some(told) = self.mask(host).told.get_mut(&(peer, transfer)) else {
            return;
        };
        told.theirs.insert(chunk);
        if told.open == Some(chunk) {
            told.open = None;
            self.show_next(host, peer, transfer);
        }
    }

    /// An adversary has a chunk: those who collude with it tell its senders that they have it too.
    pub(in crate::world) fn vouch(
        &mut self,
        host: u32,
        (transfer, chunk): (TransferId, ChunkIndex),
        parts: &[(PeerId, ByteCount)],
    ) {
        let partners = match &self.masks[host as usize] {
            Some(mask) if !mask.partners.is_empty() => mask.partners.clone(),
            _ => return,
        };
        for (from, _) in parts {
            let sender = self.hosts[host as usize].links[from.index()].host;
            for partner in &partners {
                let other = &self.hosts[*partner as usize];
                let had = other.node.as_ref().and_then(|node| node.had(transfer));
                if sender == *partner || had.is_none_or(|had| had.has(chunk)) {
                    continue;
                }
                let links: Vec<PeerId> = other.links_to(sender).collect();
                for peer in links {
                    let chunk = chunk.get();
                    self.say(*partner, peer, Message::Have { transfer, chunk });
                }
            }
        }
    }

    /// Tells each peer once more of a chunk that it was told of.
    pub(super) fn repeat_news(&mut self, host: u32) {
        let links = rows(&self.hosts[host as usize].links);
        let up = links.filter(|(_, connection)| connection.up);
        let peers: Vec<PeerId> = up.map(|(peer, _)| PeerId(peer)).collect();
        let node = self.hosts[host as usize].node.as_ref();
        let holdings = node.map_or(Vec::new(), |node| node.holdings());
        for (transfer, had) in holdings {
            let chunks: Vec<ChunkIndex> = had.iter().collect();
            for peer in peers.iter().filter(|_| !chunks.is_empty()) {
                let at = self.mask(host).rng.below(chunks.len());
                let chunk = chunks[at].get();
                self.say(host, *peer, Message::Have { transfer, chunk });
            }
        }
    }
}
