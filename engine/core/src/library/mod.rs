//! The life of every content on a node: get, offer, push, quota, retry and finish.
//!
//! A library is told what people, peers and disks did, and answers with what should be done. It
//! knows no paths, files, keys' owners or bytes: the shell has them. It stands beside a
//! [`Node`], which moves the chunks: a content is two transfers of the node, its bytes and its
//! manifest, which moves like a content of its own.
//!
//! ```text
//! Get ─┐                     ┌──────────── Paused, DiskFault: tried again ─────────────┐
//! Offer┼─> Describing ──> Checking ──> Moving ──> Finishing ──> Whole ──> next folder ─┘
//! Found┘    manifest       Prepare      chunks      Finish       served
//! ```

use std::collections::{BTreeMap, VecDeque};

use crate::id::{PeerId, TransferId};
use crate::manifest::ContentId;
use crate::message::{Offer, OfferVerdict};
use crate::node::Node;
use crate::time::{Span, Time};

pub mod disk_fault;
pub mod offers;
pub mod quota;
pub mod wait_timeout;

mod content;
mod io;
mod manifest_senders;
mod places;
mod pushes;
mod review;
mod stages;
#[cfg(test)]
mod tests;

use places::Wish;
use stages::Turn;

pub use content::{Content, MANIFEST_CHUNK, Stage, geometry_of_manifest};
pub use io::{
    Description, Disk, FinishFault, FolderId, Kept, LibraryAction, LibraryEvent, LibraryInput,
    ManifestFault, OfferId, Placement, Prepared, Role, WaitOutcome, Waiter,
};
pub use pushes::{Push, Recipient};

/// Every content of a node.
#[derive(Debug)]
pub struct Library {
    contents: BTreeMap<u32, Content>,
    numbers: BTreeMap<ContentId, u32>,
    next: u32,
    offers: offers::Offers,
    pushes: pushes::Pushes,
    /// How long chunks may be missing at every connected peer before the waiters are told.
    patience: Span,
    actions: VecDeque<LibraryAction>,
}

impl Library {
    /// An empty one that numbers its contents from `first` on: content `n` has the transfers `2 n`
    /// and `2 n + 1` of its node. Waiters are told when no peer has had what is missing for
    /// `patience`.
    #[must_use]
    pub fn new(first: u32, patience: Span) -> Self {
        Self {
            contents: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next: first,
            offers: offers::Offers::default(),
            pushes: pushes::Pushes::default(),
            patience,
            actions: VecDeque::new(),
        }
    }

    /// Exactly one thing happened. Drain [`Library::poll`] before the next; `node` is the one that
    /// its actions are told to.
    pub fn handle(&mut self, input: LibraryInput, node: &Node, now: Time) {
        let mut actions = std::mem::take(&mut self.actions);
        let mut turn = Turn {
            node,
            now,
            actions: &mut actions,
        };
        self.happen(input, &mut turn);
        self.actions = actions;
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<LibraryAction> {
        self.actions.pop_front()
    }

    /// The content with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Content> {
        self.contents.get(&number)
    }

    /// The content of a transfer, and whether the transfer is its manifest.
    #[must_use]
    pub fn of(&self, transfer: TransferId) -> Option<(&Content, bool)> {
        Some((self.get(transfer.0 / 2)?, transfer.0 % 2 == 1))
    }

    /// The content with this identity.
    #[must_use]
    pub fn find(&self, id: &ContentId) -> Option<&Content> {
        self.contents.get(self.numbers.get(id)?)
    }

    /// All contents, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Content> {
        self.contents.values()
    }

    /// The number that the next content gets that is not known yet.
    #[must_use]
    pub const fn vacant(&self) -> u32 {
        self.next
    }

    /// Pushes of ours that are not over.
    pub fn pushes(&self) -> impl Iterator<Item = &Push> {
        self.pushes.iter()
    }

    fn happen(&mut self, input: LibraryInput, turn: &mut Turn<'_>) {
        match input {
            LibraryInput::Get { .. }
            | LibraryInput::Found { .. }
            | LibraryInput::Remember { .. } => {
                self.person(input, turn);
            }
            LibraryInput::Grant { peer, key, grant } => self.offers.grant(peer, key, grant),
            LibraryInput::Offer {
                peer,
                offer,
                has_memory,
            } => {
                let facts = (&self.contents, has_memory);
                self.offers.offer(peer, offer, facts, turn);
            }
            LibraryInput::Looked {
                offer,
                disk,
                has_memory,
            } => self.looked(offer, disk, has_memory, turn),
            LibraryInput::Push {
                number,
                peers,
                waiter,
            } => {
                self.pushes.begin(waiter, number, peers, turn.now);
                self.pushes.offer(&self.contents, turn);
            }
            LibraryInput::Verdict {
                peer,
                content,
                verdict,
            } => {
                if let Some(number) = self.numbers.get(&content) {
                    self.pushes.verdict(peer, *number, verdict, turn.now);
                }
            }
            LibraryInput::Connected { .. } => self.pushes.offer(&self.contents, turn),
            LibraryInput::Disconnected { peer } => {
                self.offers.disconnected(peer);
                self.pushes.disconnected(peer);
            }
            LibraryInput::Received { transfer } => {
                if let Some((content, _)) = self.of_mut(transfer) {
                    content.fed = turn.now;
                }
            }
            LibraryInput::Cancel { number } => self.cancel(number, turn),
            LibraryInput::Tick { standings } => self.tick(&standings, turn),
            other => self.progress(other, turn),
        }
    }

    /// What a person wants, or an earlier run had.
    fn person(&mut self, input: LibraryInput, turn: &mut Turn<'_>) {
        match input {
            LibraryInput::Get {
                content,
                manifest_bytes,
                description,
                placement,
                waiter,
            } => {
                let mut wish = Wish::new(placement);
                wish.waiters.push(waiter);
                let manifest = (manifest_bytes, description);
                self.fetch(content, wish, (manifest, None), turn);
            }
            LibraryInput::Found {
                content,
                manifest_bytes,
                description,
                folder,
            } => {
                if let Some(known) = self.known(&content) {
                    return places::found(known, folder, turn);
                }
                let placement = Placement {
                    folder,
                    role: Role::Shared,
                    pusher: None,
                    offered: 0,
                };
                let manifest = (manifest_bytes, Some(description));
                self.add(content, placement, (manifest, None), turn)
                    .prepare(turn);
            }
            LibraryInput::Remember {
                content,
                kept,
                description,
            } => {
                let manifest = (kept.manifest_bytes, description);
                let content = self.add(content, kept.placement, (manifest, None), turn);
                content.places.whole = kept.whole_in;
                content.paused = kept.paused;
                content.begun = content.is_fetch();
                let times = description.map_or(1, |_| quota::READ_MANIFEST);
                review::charge_manifest(content, times, turn);
                if kept.paused {
                    content.stage = Stage::Paused(None);
                } else {
                    content.take_up(turn);
                }
            }
            _ => {}
        }
    }

    /// A step of one content has ended.
    fn progress(&mut self, input: LibraryInput, turn: &mut Turn<'_>) {
        match input {
            LibraryInput::Described {
                number,
                attempt,
                result,
            } => self.described(number, attempt, result, turn),
            LibraryInput::Prepared { number, result } => {
                if let Some(content) = self.contents.get_mut(&number) {
                    content.looked_at(result, turn);
                    self.pushes.offer(&self.contents, turn);
                }
            }
            LibraryInput::Complete { transfer } => match self.of_mut(transfer) {
                Some((content, true)) => content.manifest_is_whole(turn),
                Some((content, false)) => content.finish(turn),
                None => {}
            },
            LibraryInput::Writing { transfer, senders } => {
                if let Some((content, is_manifest)) = self.of_mut(transfer) {
                    content.writing(is_manifest, &senders, turn.now);
                }
            }
            LibraryInput::Written {
                transfer,
                chunk,
                from,
                parts,
                result,
            } => {
                if let Some((content, is_manifest)) = self.of_mut(transfer) {
                    content.written((is_manifest, chunk), (from, parts), result, turn);
                }
            }
            LibraryInput::SyncDue { number } => {
                if let Some(content) = self.contents.get_mut(&number)
                    && content.stage == Stage::Moving
                    && !std::mem::replace(&mut content.syncing, true)
                {
                    turn.act(LibraryAction::Sync { number });
                }
            }
            LibraryInput::Synced { number, result } => {
                let Some(content) = self.contents.get_mut(&number) else {
                    return;
                };
                content.syncing = false;
                if let Err(fault) = result {
                    disk_fault::stop(content, &fault, turn);
                }
            }
            LibraryInput::Finished { number, result } => {
                if let Some(content) = self.contents.get_mut(&number) {
                    content.finished(result, turn);
                }
            }
            LibraryInput::Paused { number, paused } => {
                if let Some(content) = self.contents.get_mut(&number) {
                    content.set_paused(paused, turn);
                }
            }
            _ => {}
        }
    }

    fn known(&mut self, id: &ContentId) -> Option<&mut Content> {
        self.contents.get_mut(self.numbers.get(id)?)
    }

    fn of_mut(&mut self, transfer: TransferId) -> Option<(&mut Content, bool)> {
        let content = self.contents.get_mut(&(transfer.0 / 2))?;
        Some((content, transfer.0 % 2 == 1))
    }

    fn add(
        &mut self,
        id: ContentId,
        placement: Placement,
        (manifest, name): Named,
        turn: &mut Turn<'_>,
    ) -> &mut Content {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(id, number);
        turn.act(LibraryAction::New {
            number,
            content: id,
            manifest_bytes: manifest.0,
            name,
        });
        let content = Content::new((number, id), placement, manifest, turn.now);
        self.contents.entry(number).or_insert(content)
    }

    /// A person wants a content in a folder. Returns the content if it is new.
    fn fetch(
        &mut self,
        id: ContentId,
        wish: Wish,
        named: Named,
        turn: &mut Turn<'_>,
    ) -> Option<&mut Content> {
        let manifest_bytes = named.0.0;
        if let Some(known) = self.known(&id) {
            places::wish(known, wish, manifest_bytes, turn);
            return None;
        }
        let content = self.add(id, wish.placement, named, turn);
        let number = content.number;
        (content.waiters, content.offered) = (wish.waiters, wish.offered);
        turn.act(LibraryAction::Notify(LibraryEvent::Started(number)));
        turn.act(LibraryAction::Keep { number });
        content.take_up(turn);
        Some(content)
    }

    /// The disk of an inbox was looked at: what becomes of the offer that waited for that.
    fn looked(
        &mut self,
        offer: OfferId,
        disk: Option<Disk>,
        has_memory: bool,
        turn: &mut Turn<'_>,
    ) {
        let facts = (&self.contents, has_memory);
        let Some((waiting, verdict)) = self.offers.looked(offer, facts, disk) else {
            return;
        };
        let (peer, offer) = (waiting.peer, waiting.offer);
        let content = offer.content;
        turn.act(LibraryAction::Answer {
            peer,
            content,
            verdict,
        });
        if verdict == OfferVerdict::Accepted {
            self.accept(peer, (waiting.folder, disk), &offer, turn);
        }
    }

    /// An offer is taken.
    fn accept(
        &mut self,
        peer: PeerId,
        (folder, disk): (FolderId, Option<Disk>),
        offer: &Offer,
        turn: &mut Turn<'_>,
    ) {
        let known = self.find(&offer.content);
        let mut wish = Wish::new(Placement {
            folder,
            role: Role::fetched(false, false),
            pusher: self.offers.key(peer),
            offered: known.map_or(offer.bytes, |known| offers::offered_bytes(known, offer)),
        });
        wish.offered.push(peer);
        let bytes = offer.manifest_bytes;
        let named = ((bytes, None), Some(offer.name.clone()));
        if let Some(content) = self.fetch(offer.content, wish, named, turn) {
            content.device = disk.and_then(|disk| disk.device);
            // Charged before a byte of it comes, and given back when it is read or given up.
            turn.act(LibraryAction::Charge {
                number: content.number,
                peer: Some(peer),
                bytes,
            });
        }
    }
}

/// Length of a manifest, its description, and the name that the offering peer gives the content.
type Named = ((u64, Option<Description>), Option<Box<str>>);
