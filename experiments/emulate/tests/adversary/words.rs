//! What an adversary says and hears instead of the honest node behind it.
//!
//! What is announced is decided where the simulator decides it, in `announcer`; which chunks and
//! blocks are refused, in `behaviour`. Here the ids of real transfers are turned into those
//! that both know, and bytes are made garbage.
//!
//! A transfer is that of a content if it has as many chunks as a content of the scenario; others
//! are manifests, and those are true.

use std::collections::BTreeMap;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::{Join, Message};
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire;
use fairhaul_emulate::mask::Mask;
use fairhaul_simulator::announcer::Announcer;
use fairhaul_simulator::behaviour::Serves;
use fairhaul_simulator::random::Streams;

/// A message; that of a block with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) message: Message,
    pub(crate) payload: Vec<u8>,
}

impl From<Message> for Frame {
    fn from(message: Message) -> Self {
        let payload = Vec::new();
        Self { message, payload }
    }
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::encode(&self.message, &mut bytes);
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// What a mask knows of a node and its peers.
pub(crate) struct Words {
    mask: Mask,
    geometries: Vec<Manifest>,
    announcer: Announcer,
    /// Contents that were met; the place of one is the id by which the announcer knows it.
    contents: Vec<(ContentId, Manifest)>,
    talks: BTreeMap<PeerId, Talk>,
}

/// What was said on one connection. Ids are places in [`Words::contents`].
#[derive(Default)]
struct Talk {
    /// What the node calls its contents.
    ours: BTreeMap<TransferId, TransferId>,
    /// What the peer calls them.
    theirs: BTreeMap<TransferId, TransferId>,
    /// What the node has said that it has.
    had: BTreeMap<TransferId, Bitfield>,
}

impl Talk {
    /// A message of the announcer, as the node would have said it.
    fn of_node(&self, mut message: Message) -> Option<Frame> {
        if let Message::Have { transfer, .. } = &mut message {
            let mut ours = self.ours.iter();
            *transfer = *ours.find(|(_, content)| *content == transfer)?.0;
        }
        Some(message.into())
    }
}

impl Words {
    pub(crate) fn new(mask: &Mask) -> Self {
        let streams = Streams::new(mask.rng_seed, mask.replication);
        let contents = mask.contents.iter();
        let manifest = |(bytes, chunk): &(u64, u64)| {
            Manifest::new(ByteCount::new(*bytes), ByteCount::new(*chunk)).unwrap()
        };
        Self {
            mask: mask.clone(),
            geometries: contents.map(manifest).collect(),
            announcer: Announcer::new(mask.announces, streams, &mask.name),
            contents: Vec::new(),
            talks: BTreeMap::new(),
        }
    }

    /// Nanoseconds between two calls of [`Words::again`].
    pub(crate) const fn every_ns(&self) -> u64 {
        self.mask.look_ns
    }

    /// A connection begins.
    pub(crate) fn meet(&mut self, peer: PeerId) {
        self.talks.insert(peer, Talk::default());
    }

    /// A connection is over.
    pub(crate) fn part(&mut self, peer: PeerId) {
        self.announcer.forget(peer);
        self.talks.remove(&peer);
    }

    /// The node says something to a peer: what is said instead.
    pub(crate) fn says(&mut self, peer: PeerId, frame: Frame) -> Vec<Frame> {
        match frame.message {
            Message::Join(join) => vec![self.joins(peer, *join)],
            Message::Have { transfer, chunk } => {
                let Some(content) = self.talks[&peer].ours.get(&transfer).copied() else {
                    return vec![frame];
                };
                let talk = self.talks.get_mut(&peer).unwrap();
                let had = talk.had.get_mut(&content).unwrap();
                let index = self.contents[content.index()].1.index(chunk);
                had.insert(index.expect("an honest node names no chunk that there is not"));
                let news = self.announcer.news((peer, content), chunk, Some(had));
                news.and_then(|news| talk.of_node(news))
                    .into_iter()
                    .collect()
            }
            // Nobody asks who is choked.
            Message::Unchoke if self.mask.serves == Serves::Nothing => Vec::new(),
            Message::Block { .. } => self.sends(peer, frame),
            _ => vec![frame],
        }
    }

    fn joins(&mut self, peer: PeerId, mut join: Join) -> Frame {
        if let Some(content) = self.content(&join) {
            let talk = self.talks.get_mut(&peer).unwrap();
            talk.ours.insert(join.transfer, content);
            talk.had.insert(content, join.have.clone());
            join.have = self.announcer.claim(peer, content, join.have);
        }
        Message::Join(Box::new(join)).into()
    }

    fn sends(&mut self, peer: PeerId, mut frame: Frame) -> Vec<Frame> {
        let Message::Block {
            transfer,
            chunk,
            offset,
            len,
        } = frame.message
        else {
            unreachable!("blocks alone are sent");
        };
        let talk = &self.talks[&peer];
        let Some(content) = talk.ours.get(&transfer).copied() else {
            return vec![frame];
        };
        let manifest = self.contents[content.index()].1;
        let index = manifest.index(chunk).expect("an honest node sends chunks");
        let last = offset + len == manifest.len_of(index);
        if self.mask.withholds.keeps_block(last) {
            return vec![Message::Reject { transfer, chunk }.into()];
        }
        if self.mask.serves == Serves::Garbage {
            frame.payload.iter_mut().for_each(|byte| *byte = !*byte);
        }
        let had = talk.had.get(&content).filter(|_| last);
        let next = had.and_then(|had| self.announcer.has_got((peer, content), index, Some(had)));
        let next = next.and_then(|next| talk.of_node(next));
        std::iter::once(frame).chain(next).collect()
    }

    /// A peer says something: what the node hears of it, and what is answered without it.
    pub(crate) fn hears(&mut self, peer: PeerId, frame: Frame) -> (Option<Frame>, Vec<Frame>) {
        let content = match &frame.message {
            Message::Join(join) => self.content(join),
            Message::Have { transfer, .. } | Message::Request { transfer, .. } => {
                self.talks[&peer].theirs.get(transfer).copied()
            }
            _ => None,
        };
        let mut known = frame.message.clone();
        match (&mut known, content) {
            (Message::Join(join), Some(content)) => {
                let talk = self.talks.get_mut(&peer).unwrap();
                talk.theirs.insert(join.transfer, content);
                join.transfer = content;
            }
            (Message::Have { transfer, .. }, Some(content)) => *transfer = content,
            (Message::Request { chunk, .. }, Some(content)) => {
                let chunks = self.contents[content.index()].1.chunks();
                let talk = &self.talks[&peer];
                let ours = talk.ours.iter().find(|(_, known)| **known == content);
                if let Some((ours, _)) = ours
                    && self.mask.withholds.keeps_chunk(*chunk, chunks)
                {
                    let (transfer, chunk) = (*ours, *chunk);
                    return (None, vec![Message::Reject { transfer, chunk }.into()]);
                }
            }
            // A manifest is none of the announcer's business.
            (Message::Join(_) | Message::Have { .. }, None) => return (Some(frame), Vec::new()),
            _ => {}
        }
        let talk = &self.talks[&peer];
        let contents = &self.contents;
        let said = self.announcer.heard(peer, &known, |content: TransferId| {
            let manifest = contents.get(content.index()).map(|(_, manifest)| *manifest);
            (manifest, talk.had.get(&content))
        });
        let said = said.into_iter().filter_map(|news| talk.of_node(news));
        (Some(frame), said.collect())
    }

    /// A second has passed: what is said by itself while the node wants something.
    pub(crate) fn again(&mut self) -> Vec<(PeerId, Frame)> {
        let mut said = Vec::new();
        for (peer, talk) in &self.talks {
            for (content, had) in talk.had.iter().filter(|(_, had)| !had.is_full()) {
                let news = self.announcer.again(*content, had);
                said.extend(news.and_then(|news| Some((*peer, talk.of_node(news)?))));
            }
        }
        said
    }

    /// The content that a Join is about, as the announcer calls it; `None` of a manifest.
    fn content(&mut self, join: &Join) -> Option<TransferId> {
        let chunks = join.have.len();
        let manifest = self.geometries.iter().find(|one| one.chunks() == chunks)?;
        let met = self.contents.iter().position(|(id, _)| *id == join.content);
        let at = met.unwrap_or_else(|| {
            self.contents.push((join.content, *manifest));
            self.contents.len() - 1
        });
        Some(TransferId(u32::try_from(at).unwrap()))
    }
}

#[cfg(test)]
mod tests;
