//! What an adversary says and hears: news of chunks that are there, that are not, or that others
//! have.

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::message::Message;
use fairhaul_core::node::{Input, Node};
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;

use super::super::{World, rows};

impl World<'_> {
    /// The core of an adversary says something.
    pub(in crate::world) fn say_masked(
        &mut self,
        host: u32,
        peer: PeerId,
        message: Message,
        inputs: &mut Vec<(u32, Input)>,
    ) {
        match message {
            Message::Join(mut join) => {
                let announcer = &mut self.mask(host).announcer;
                join.have = announcer.claim(peer, join.transfer, join.have);
                self.say(host, peer, Message::Join(join));
            }
            Message::Have { transfer, chunk } => {
                let (announcer, node) = self.announcer(host);
                let had = node.and_then(|node| node.had(transfer));
                if let Some(news) = announcer.news((peer, transfer), chunk, had) {
                    self.say(host, peer, news);
                }
            }
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
            Message::Choke | Message::Unchoke => {
                let there = Time::from_nanos(there);
                self.mask(host).rounds.hear(peer, message, there);
            }
            Message::Block { .. } => {
                self.mask(host).fed.insert(peer, now);
            }
            Message::Request {
                transfer, chunk, ..
            } if transfer.index() < self.setup.contents.len()
                && withholds.keeps_chunk(*chunk, self.manifest(transfer.0).chunks()) =>
            {
                let (transfer, chunk) = (*transfer, *chunk);
                self.say(host, peer, Message::Reject { transfer, chunk });
                return false;
            }
            _ => {}
        }
        true
    }

    /// The core of an adversary has heard a message.
    pub(in crate::world) fn heard(&mut self, host: u32, peer: PeerId, message: &Message) {
        let contents = &self.setup.contents;
        let (announcer, node) = self.announcer(host);
        let news = announcer.heard(peer, message, |transfer| {
            let content = contents.get(transfer.index());
            let manifest = content.and_then(|row| Manifest::new(row.bytes, row.chunk).ok());
            (manifest, node.and_then(|node| node.had(transfer)))
        });
        for message in news {
            self.say(host, peer, message);
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
        let (announcer, node) = self.announcer(host);
        let mut news = Vec::new();
        for (transfer, had) in node.map_or(Vec::new(), Node::holdings) {
            for peer in &peers {
                news.extend(
                    announcer
                        .again(transfer, &had)
                        .map(|message| (*peer, message)),
                );
            }
        }
        for (peer, message) in news {
            self.say(host, peer, message);
        }
    }
}
