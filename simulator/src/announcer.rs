//! What an adversary says that it has, to each peer, whoever carries its words: the simulator does,
//! and on real connections a program of the tests.
//!
//! It is asked before a word of the honest core leaves, told what its peers say, and answers with
//! what is said instead or besides. It keeps no time and knows no network.

use std::collections::BTreeMap;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::message::Message;
use fairhaul_core::rng::Rng;

use crate::behaviour::Announces;
use crate::random::Streams;

/// What an adversary says that it has, and what it has said to whom.
#[derive(Debug)]
pub struct Announcer {
    announces: Announces,
    streams: Streams,
    name: String,
    /// What each peer was told and has, where one chunk is told at a time.
    pub(crate) told: BTreeMap<(PeerId, TransferId), ShownChunks>,
    rng: Rng,
}

/// What a peer knows, where it is told of one chunk at a time.
#[derive(Debug)]
pub(crate) struct ShownChunks {
    /// What it has or was told of.
    theirs: Bitfield,
    /// What it was told of.
    pub(crate) shown: Bitfield,
    /// The chunk that it was told of last, until it has it.
    open: Option<ChunkIndex>,
}

impl Announcer {
    /// That of the adversary `name`, whose luck is that of `streams`.
    #[must_use]
    pub fn new(announces: Announces, streams: Streams, name: &str) -> Self {
        Self {
            announces,
            streams,
            name: name.to_owned(),
            told: BTreeMap::new(),
            rng: streams.stream(name, "adversary"),
        }
    }

    /// Nobody has been told anything: it joins anew.
    pub fn forget_all(&mut self) {
        self.told.clear();
    }

    /// A peer is gone, and with it what it was told.
    pub fn forget(&mut self, peer: PeerId) {
        self.told.retain(|(told, _), _| *told != peer);
    }

    /// What it says that it has as it meets `peer` in a transfer of which it has `have`.
    pub fn claim(&mut self, peer: PeerId, transfer: TransferId, have: Bitfield) -> Bitfield {
        let chunks = have.len();
        match self.announces {
            Announces::Truth | Announces::Repeated => have,
            Announces::Nothing => Bitfield::empty(chunks),
            Announces::All => Bitfield::full(chunks),
            Announces::Random => {
                let mut rng = self.streams.stream(&self.name, "claims");
                let mut drawn = Bitfield::empty(chunks);
                for chunk in Bitfield::full(chunks).iter() {
                    if rng.below(2) == 0 {
                        drawn.insert(chunk);
                    }
                }
                drawn
            }
            Announces::Late => {
                let told = self.told.entry((peer, transfer));
                let told = told.or_insert_with(|| ShownChunks::nothing(chunks));
                told.shown.clone()
            }
        }
    }

    /// Its core, which has `had`, tells `peer` of `chunk`: what is said of that.
    pub fn news(
        &mut self,
        (peer, transfer): (PeerId, TransferId),
        chunk: u32,
        had: Option<&Bitfield>,
    ) -> Option<Message> {
        match self.announces {
            Announces::Truth | Announces::Repeated => Some(Message::Have { transfer, chunk }),
            Announces::Late => self.show_next(peer, transfer, had),
            Announces::Nothing | Announces::All | Announces::Random => None,
        }
    }

    /// `peer` has said something, with `transfer` as its own core calls it. `known` gives the
    /// geometry of a content and what it has of it. What it says to that peer now.
    pub fn heard<'a>(
        &mut self,
        peer: PeerId,
        message: &Message,
        known: impl Fn(TransferId) -> (Option<Manifest>, Option<&'a Bitfield>),
    ) -> Vec<Message> {
        if self.announces != Announces::Late {
            return Vec::new();
        }
        let had = |transfer| known(transfer).1;
        match message {
            Message::Join(join) => {
                let fresh = || ShownChunks::nothing(join.have.len());
                let told = self.told.entry((peer, join.transfer));
                told.or_insert_with(fresh).theirs = join.have.clone();
                let next = self.show_next(peer, join.transfer, had(join.transfer));
                next.into_iter().collect()
            }
            Message::Have { transfer, chunk } => {
                let (manifest, had) = known(*transfer);
                let chunk = manifest.and_then(|manifest| manifest.index(*chunk));
                let next = chunk.and_then(|chunk| self.has_got((peer, *transfer), chunk, had));
                next.into_iter().collect()
            }
            Message::NotInterested => {
                let told = self.told.iter_mut();
                let own = told.filter(|((told, _), _)| *told == peer);
                let let_go = own.map(|((_, transfer), told)| {
                    told.open = None;
                    *transfer
                });
                let let_go: Vec<TransferId> = let_go.collect();
                let next = |transfer| self.show_next(peer, transfer, had(transfer));
                let_go.into_iter().filter_map(next).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A peer has a chunk now: if it is the one that it was told of last, it is told of the next.
    pub fn has_got(
        &mut self,
        (peer, transfer): (PeerId, TransferId),
        chunk: ChunkIndex,
        had: Option<&Bitfield>,
    ) -> Option<Message> {
        let told = self.told.get_mut(&(peer, transfer))?;
        told.theirs.insert(chunk);
        if told.open != Some(chunk) {
            return None;
        }
        told.open = None;
        self.show_next(peer, transfer, had)
    }

    /// A second has passed: a chunk of `had` of which a peer is told again, if it says so.
    pub fn again(&mut self, transfer: TransferId, had: &Bitfield) -> Option<Message> {
        let chunks: Vec<ChunkIndex> = had.iter().collect();
        if self.announces != Announces::Repeated || chunks.is_empty() {
            return None;
        }
        let chunk = chunks[self.rng.below(chunks.len())].get();
        Some(Message::Have { transfer, chunk })
    }

    /// Tells `peer` of one more chunk, unless it has still to get the last one that it was told
    /// of.
    fn show_next(
        &mut self,
        peer: PeerId,
        transfer: TransferId,
        had: Option<&Bitfield>,
    ) -> Option<Message> {
        let told = self.told.get_mut(&(peer, transfer))?;
        let lacks = |chunk: &ChunkIndex| !told.theirs.has(*chunk) && !told.shown.has(*chunk);
        let choices: Vec<ChunkIndex> = had?.iter().filter(lacks).collect();
        if told.open.is_some() || choices.is_empty() {
            return None;
        }
        let chunk = choices[self.rng.below(choices.len())];
        told.shown.insert(chunk);
        told.open = Some(chunk);
        let chunk = chunk.get();
        Some(Message::Have { transfer, chunk })
    }
}

impl ShownChunks {
    fn nothing(chunks: u32) -> Self {
        Self {
            theirs: Bitfield::empty(chunks),
            shown: Bitfield::empty(chunks),
            open: None,
        }
    }
}
