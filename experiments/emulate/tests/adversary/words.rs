//! What an adversary says and hears instead of the honest node behind it.
//!
//! What is announced is decided where the simulator decides it, in `announcer`; which chunks and
//! blocks are refused, in `behaviour`; when a peer's next round comes, in `peer_rounds`. Here the
//! ids of real transfers are turned into those that both know, bytes are made garbage, and blocks
//! wait for their time.
//!
//! A transfer is that of a content if it has as many chunks as a content of the scenario; others
//! are manifests, and those are true.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::{Join, Message};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire;
use fairhaul_emulate::mask::Mask;
use fairhaul_simulator::announcer::Announcer;
use fairhaul_simulator::behaviour::{Identities, STARVED, Serves};
use fairhaul_simulator::peer_rounds::PeerRounds;
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

/// A chunk of a content.
pub(crate) type Piece = (ContentId, u32);

/// What a mask knows of a node and its peers.
pub(crate) struct Words {
    mask: Mask,
    /// Since it began.
    pub(crate) now: Time,
    rounds: PeerRounds,
    /// Who has sent something of each chunk that the node does not have yet.
    senders: BTreeMap<Piece, BTreeSet<PeerId>>,
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
    /// When the peer last sent something, or was met.
    fed: Time,
    /// Blocks that the node has sent and that wait for the peer's round.
    held: Vec<Frame>,
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
            now: Time::ZERO,
            rounds: PeerRounds::new(Span::from_nanos(mask.look_ns)),
            senders: BTreeMap::new(),
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
        let talk = Talk {
            fed: self.now,
            ..Talk::default()
        };
        self.talks.insert(peer, talk);
    }

    /// A connection is over.
    pub(crate) fn part(&mut self, peer: PeerId) {
        self.announcer.forget(peer);
        self.rounds.forget(peer);
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
            Message::Reject { transfer, chunk } => {
                let is_its = |held: &mut Frame| match held.message {
                    Message::Block {
                        transfer: of,
                        chunk: at,
                        ..
                    } => (of, at) == (transfer, chunk),
                    _ => false,
                };
                let talk = self.talks.get_mut(&peer).unwrap();
                talk.held.retain_mut(|held| !is_its(held));
                vec![frame]
            }
            _ => vec![frame],
        }
    }

    /// Blocks that may leave now: the window before the peer's round is open.
    pub(crate) fn released(&mut self, peer: PeerId) -> Vec<Frame> {
        let is_open = self.is_open(peer);
        let talk = self.talks.get_mut(&peer).filter(|_| is_open);
        let held = talk.map_or(Vec::new(), |talk| std::mem::take(&mut talk.held));
        let sent = held.into_iter().map(|frame| self.leaves(peer, frame));
        sent.collect::<Vec<_>>().concat()
    }

    fn is_open(&self, peer: PeerId) -> bool {
        let period = Span::from_nanos(self.mask.rechoke_ns);
        self.rounds.window(peer, (period, Span::ZERO), self.now).1
    }

    /// A chunk that the node has now, for the first time: who sent it, for those who vouch.
    pub(crate) fn came(&mut self, piece: Piece) -> BTreeSet<PeerId> {
        self.senders.remove(&piece).unwrap_or_default()
    }

    /// Whether others vouch for this one, and it for them.
    pub(crate) fn has_partners(&self) -> bool {
        !self.mask.partners.is_empty()
    }

    /// One that this one vouches for has a piece from `peer`: what is said to that peer.
    pub(crate) fn vouches(&self, peer: PeerId, (id, chunk): Piece) -> Option<Frame> {
        let talk = self.talks.get(&peer)?;
        let at = self.contents.iter().position(|(known, _)| *known == id)?;
        let content = TransferId(u32::try_from(at).unwrap());
        let index = self.contents[at].1.index(chunk)?;
        let has = talk.had.get(&content)?.has(index);
        let transfer = content;
        (!has).then(|| talk.of_node(Message::Have { transfer, chunk }))?
    }

    /// The piece that a word of the node to a peer is news of.
    pub(crate) fn piece(&self, peer: PeerId, message: &Message) -> Option<Piece> {
        let Message::Have { transfer, chunk } = message else {
            return None;
        };
        let content = self.talks.get(&peer)?.ours.get(transfer)?;
        Some((self.contents[content.index()].0, *chunk))
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

    fn sends(&mut self, peer: PeerId, frame: Frame) -> Vec<Frame> {
        let Some((_, _, last)) = self.place(peer, &frame.message) else {
            return vec![frame];
        };
        if let Message::Block {
            transfer, chunk, ..
        } = frame.message
            && self.mask.withholds.keeps_block(last)
        {
            return vec![Message::Reject { transfer, chunk }.into()];
        }
        if self.mask.serves == Serves::BeforeRechoke && !self.is_open(peer) {
            self.talks.get_mut(&peer).unwrap().held.push(frame);
            return Vec::new();
        }
        self.leaves(peer, frame)
    }

    /// A block of a content leaves.
    fn leaves(&mut self, peer: PeerId, mut frame: Frame) -> Vec<Frame> {
        if self.mask.serves == Serves::Garbage {
            frame.payload.iter_mut().for_each(|byte| *byte = !*byte);
        }
        let (content, index, last) = self.place(peer, &frame.message).unwrap();
        let talk = &self.talks[&peer];
        let had = talk.had.get(&content).filter(|_| last);
        let next = had.and_then(|had| self.announcer.has_got((peer, content), index, Some(had)));
        let next = next.and_then(|next| talk.of_node(next));
        std::iter::once(frame).chain(next).collect()
    }

    /// The content and the chunk that a block of the node is of, and whether it is the last of the
    /// chunk; `None` of a manifest.
    fn place(&self, peer: PeerId, message: &Message) -> Option<(TransferId, ChunkIndex, bool)> {
        let Message::Block {
            transfer,
            chunk,
            offset,
            len,
        } = message
        else {
            unreachable!("blocks alone are sent");
        };
        let content = *self.talks[&peer].ours.get(transfer)?;
        let manifest = self.contents[content.index()].1;
        let index = manifest.index(*chunk).expect("an honest node sends chunks");
        Some((content, index, *offset + *len == manifest.len_of(index)))
    }

    /// A peer says something: what the node hears of it, and what is answered without it.
    pub(crate) fn hears(&mut self, peer: PeerId, frame: Frame) -> (Option<Frame>, Vec<Frame>) {
        self.rounds.hear(peer, &frame.message, self.now);
        if let Message::Block { .. } = frame.message {
            self.talks.get_mut(&peer).unwrap().fed = self.now;
        }
        if let Message::Block {
            transfer, chunk, ..
        } = frame.message
            && self.has_partners()
            && let Some(content) = self.talks[&peer].theirs.get(&transfer)
        {
            let piece = (self.contents[content.index()].0, chunk);
            self.senders.entry(piece).or_default().insert(peer);
        }
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

    /// Whether the node comes back as somebody new where it gets nothing.
    pub(crate) fn renews(&self) -> bool {
        self.mask.identities == Identities::Renewed
    }

    /// Whether a peer has sent nothing for so long that the node does better as somebody new.
    pub(crate) fn is_starved(&self, peer: PeerId) -> bool {
        let looks = STARVED.as_nanos() / Span::SECOND.as_nanos();
        let starved = Span::from_nanos(self.mask.look_ns.saturating_mul(looks));
        let fed = self.talks.get(&peer).map(|talk| talk.fed);
        fed.is_some_and(|fed| self.now.since(fed) >= starved) && self.renews() && self.wants()
    }

    /// Whether the node wants something still, as far as it has said what it has.
    pub(crate) fn wants(&self) -> bool {
        let mut had = self.talks.values().flat_map(|talk| talk.had.values());
        had.any(|had| !had.is_full())
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
