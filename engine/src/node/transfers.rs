//! The steps of contents: what people, peers and disks did goes to the library, and what it wants
//! done to the core, the sessions and the disk.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::disk_fault::DiskFault;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::library::{
    self, Action, Content, Event, FinishFault, ManifestFault, Placement, Role,
};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::message::{Message, Offer};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::Input;
use fairhaul_core::units::ByteCount;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Happening;
use super::host::Host;
use super::inbox::Looked;
use super::opening::description_of;
use super::opening::{Opened, verdict};
use super::shelf::ManifestShelf;
use crate::content::Tree;
use crate::content::line::Line;
use crate::content::path::shown;
use crate::content::ticket::Ticket;
use crate::control::api::{self, Call, Direction, Failure};
use crate::identity::PublicKey;
use crate::store::StoreError;

impl Host {
    /// One thing happened to contents. The answers of library and core wait to be drained.
    pub(super) fn tell_library(&mut self, input: library::Input) {
        self.for_library.push_back(input);
        self.drain();
    }

    /// Carries out what the library wants done.
    pub(super) fn carry_library(&mut self, action: Action) {
        match action {
            Action::Join {
                transfer,
                geometry,
                have,
                audience,
            } => self.take_part(transfer, geometry, have, audience),
            Action::Settle { transfer } => self.hand_over(Input::Settle { transfer }),
            Action::Leave { transfer } => self.hand_over(Input::Remove { transfer }),
            Action::Stored {
                transfer,
                chunk,
                from,
                parts,
            } => self.stored(transfer, chunk, from, &parts),
            Action::Look {
                offer,
                peer,
                folder,
                of,
            } => self.contents.look(offer, peer, folder, &of),
            Action::Offer { peer, number } => self.offer(peer, number),
            Action::Answer {
                peer,
                content,
                verdict,
            } => {
                let message = Message::Verdict { content, verdict };
                self.hand_over(Input::Say { peer, message });
            }
            Action::Blame { peer } => self.close(peer, Misbehaviour::WrongHash),
            Action::Tell {
                waiter,
                number,
                outcome,
            } => self.end_wait(waiter, number, outcome),
            Action::Notify(event) => self.notice_library(event),
            Action::Forget { number } => {
                self.watch.forget(number);
                self.contents.carry(action);
            }
            action => self.contents.carry(action),
        }
    }

    fn take_part(
        &mut self,
        transfer: TransferId,
        manifest: Manifest,
        have: Bitfield,
        audience: Option<PeerId>,
    ) {
        let Some(content) = self.contents.moved_as(transfer) else {
            return;
        };
        self.hand_over(Input::Add {
            transfer,
            content,
            manifest,
            have,
            audience,
        });
    }

    /// A chunk was written and counts.
    fn stored(
        &mut self,
        transfer: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        parts: &[(PeerId, ByteCount)],
    ) {
        let number = transfer.0 / 2;
        if transfer.0.is_multiple_of(2)
            && let Some(row) = self.contents.row_mut(number)
        {
            for (peer, len) in parts {
                row.counts.came += len.get();
                self.watch.stored(*peer, number, len.get());
            }
        }
        self.watch.metrics.chunks_stored.inc();
        self.hand_over(Input::Stored {
            transfer,
            chunk,
            from,
        });
    }

    fn offer(&mut self, peer: PeerId, number: u32) {
        let Some((content, row)) = self.contents.at(number) else {
            return;
        };
        let message = Message::Offer(Box::new(Offer {
            content: content.id(),
            manifest_bytes: row.manifest.geometry().bytes().get(),
            bytes: content.bytes(),
            name: row.name.as_str().into(),
        }));
        self.hand_over(Input::Say { peer, message });
    }

    /// Something that people or the log want to know of a content.
    fn notice_library(&mut self, event: Event) {
        let number = match &event {
            Event::Started(number)
            | Event::Complete(number)
            | Event::Failed(number, _)
            | Event::Paused(number, _)
            | Event::WrongManifest(number, _)
            | Event::PushEnded(number, _) => *number,
        };
        let Some((content, row)) = self.contents.at(number) else {
            return;
        };
        let (name, bytes) = (row.name.clone(), content.bytes());
        match event {
            Event::Started(_) => self.watch.started(number, name, Direction::Down),
            Event::Complete(_) => {
                let took = self.clock.now().since(content.started()).as_secs_f64();
                info!(%name, bytes, seconds = took, "complete");
                self.note_transfer(number);
                self.watch.complete(number, name, Direction::Down, bytes);
            }
            Event::Failed(_, why) => {
                let folder = self.contents.path_of(content).display();
                warn!(content = %name, %folder, %why, "cannot go on");
                self.watch.failed(number, name, why.into());
            }
            Event::Paused(_, why) => warn!(content = %name, %why, "paused"),
            Event::WrongManifest(_, blamed) => {
                warn!(
                    content = number,
                    blamed, "a manifest is not what was asked for"
                );
            }
            Event::PushEnded(_, verdict) => {
                warn!(content = %shown(&name), ?verdict, "a push ends");
            }
        }
    }

    // ---- what disks say

    /// A chunk was written, or could not be.
    pub(super) fn wrote(
        &mut self,
        (transfer, chunk): (TransferId, ChunkIndex),
        (from, parts): (PeerId, Vec<(PeerId, ByteCount)>),
        result: Result<(), StoreError>,
    ) {
        self.tell_library(library::Input::Written {
            transfer,
            chunk,
            from,
            parts,
            result: result.map_err(|error| fault_of(&error)),
        });
    }

    /// A manifest that came whole was read.
    pub(super) fn described(
        &mut self,
        number: u32,
        attempt: u32,
        result: Result<Arc<Tree>, ManifestFault>,
    ) {
        if let (Ok(tree), Some(row)) = (&result, self.contents.row_mut(number)) {
            row.tree.get_or_insert_with(|| Arc::clone(tree));
        }
        self.tell_library(library::Input::Described {
            number,
            attempt,
            result: result.map(|tree| description_of(&tree)),
        });
        self.contents.close_unused(number);
    }

    /// What is on disk of a content is known.
    pub(super) fn prepared(&mut self, number: u32, result: Result<Opened, StoreError>) {
        let result = match result {
            Ok(opened) => match self.contents.opened(number, opened) {
                Some(prepared) => Ok(prepared),
                None => return,
            },
            Err(error) => Err(fault_of(&error)),
        };
        self.tell_library(library::Input::Prepared { number, result });
        self.contents.close_unused(number);
    }

    /// A content has its final names, or not.
    pub(super) fn finished(&mut self, number: u32, result: Result<Vec<PathBuf>, StoreError>) {
        let result = match result {
            Ok(names) => {
                if let Some(row) = self.contents.row_mut(number) {
                    row.names = names;
                }
                Ok(())
            }
            Err(StoreError::Unfinished { .. }) => Err(FinishFault::Unfinished),
            Err(error) => Err(FinishFault::Disk(fault_of(&error))),
        };
        self.tell_library(library::Input::Finished { number, result });
    }

    /// Chunks are durable, or have to come again because the disk would not say so.
    pub(super) fn synced(&mut self, number: u32, result: Result<(), StoreError>) {
        let result = result.map_err(|error| fault_of(&error));
        self.tell_library(library::Input::Synced { number, result });
    }

    /// An inbox was looked at: what becomes of the offers that waited for that.
    pub(super) fn looked(&mut self, looked: Looked) {
        let (folder, waiting) = self.contents.looked(looked.folder);
        if let Err(error) = &looked.disk {
            warn!(folder = %folder.display(), %error, "the inbox cannot be used");
        }
        let disk = looked.disk.ok();
        for one in waiting {
            let peer = one.held.peer();
            let has_memory = self.budget.books().admits(peer, one.manifest_bytes);
            self.tell_library(library::Input::Looked {
                offer: one.offer,
                disk,
                has_memory,
            });
        }
    }

    /// A second has passed.
    pub(super) fn tick_library(&mut self) {
        let now = self.clock.now();
        for number in self.contents.second(now) {
            self.tell_library(library::Input::SyncDue { number });
        }
        let rows = self.peers.iter().filter(|(_, row)| row.allowed);
        let standings: Vec<(PeerId, Standing)> =
            rows.map(|(peer, row)| (peer, row.standing())).collect();
        self.tell_library(library::Input::Tick { standings });
    }

    // ---- what people say

    pub(super) fn get(&mut self, call: Call, get: &api::Get) {
        if Line::is_one(&get.ticket) {
            let what = "that is the line of a `fairhaul send`, not a ticket";
            let how = "`fairhaul get LINE` in a terminal fetches by it, without this node";
            return call.fail(Failure::usage(format!("{what}; {how}")));
        }
        let ticket: Ticket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        let known = self.contents.library().find(&ticket.content()).is_some();
        let (own, happenings) = (self.contents.own().clone(), self.happenings.clone());
        let get = get.clone();
        // The disk that it names may stand still.
        spawn_blocking(move || {
            if known {
                // As for a content that is new, the last folder of the path is made.
                let _ = std::fs::create_dir(&get.dir);
            }
            let usable = match get.dir.exists() {
                true => own.refuse_folder(&get.dir),
                false => Ok(()),
            };
            let _ = happenings.blocking_send(Happening::Named(call, get, usable));
        });
    }

    /// The folder that was named for a ticket was looked at: fetch into it if it may be used.
    pub(super) fn get_into(&mut self, call: Call, get: &api::Get, usable: Result<(), String>) {
        let ticket: Ticket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        if let Err(why) = usable {
            return call.fail(Failure::storage(why));
        }
        let id = ticket.content();
        let is_known = self.contents.library().find(&id).is_some();
        if !is_known && !self.introduce(&ticket) && self.peers.linked().next().is_none() {
            let keys = ticket.peers().iter();
            let keys: Vec<String> = keys
                .map(|(key, _)| data_encoding::HEXLOWER.encode(key))
                .collect();
            let why = "no peer of the ticket is in the parameter file";
            let failure = Failure::new(Failure::IDENTITY, format!("{why}: {}", keys.join(", ")));
            return call.fail(failure);
        }
        let tree = ticket
            .manifest()
            .filter(|_| !is_known)
            .and_then(|bytes| Some((bytes, Tree::decode(bytes).ok()?)));
        if !is_known {
            // As other tools do, the last folder of the path is made; what is above it must be
            // there, and what is wrong with it is said when it is held.
            let _ = std::fs::create_dir(&get.dir);
            let name = data_encoding::HEXLOWER.encode(&id.0[..6]);
            let shelf = match &tree {
                Some((bytes, _)) => ManifestShelf::full(bytes),
                None => ManifestShelf::empty(ticket.manifest_bytes()),
            };
            self.contents.expect(id, &name, shelf);
        }
        let placement = Placement {
            folder: self.contents.folder(&get.dir),
            role: Role::fetched(get.overwrite, get.force),
            pusher: None,
            offered: 0,
        };
        let waiter = self.waiting.add(call);
        self.tell_library(library::Input::Get {
            content: id,
            manifest_bytes: ticket.manifest_bytes(),
            description: tree.map(|(_, tree)| description_of(&tree)),
            placement,
            waiter,
        });
    }

    /// Takes over the addresses of a ticket. Whether any of its peers is known.
    fn introduce(&mut self, ticket: &Ticket) -> bool {
        let mut known = false;
        for (key, address) in ticket.peers() {
            let Ok(key) = PublicKey::from_bytes(*key) else {
                continue;
            };
            let found = self.peers.find(&key);
            let Some(peer) = found.filter(|peer| self.peers.at(*peer).allowed) else {
                continue;
            };
            known = true;
            if self.peers.at(peer).address.is_none() {
                self.peers.at_mut(peer).address = Some(address.clone());
                self.call_at(key, address);
            }
        }
        known
    }

    /// A person says something of a content that must be known.
    pub(super) fn about(&mut self, number: u32, input: library::Input) -> Result<(), Failure> {
        let known = self.contents.library().get(number).map(Content::number);
        known.ok_or_else(|| Failure::error(format!("transfer {number} is unknown")))?;
        self.tell_library(input);
        Ok(())
    }
}

/// What the library hears of an error of the disk.
fn fault_of(error: &StoreError) -> DiskFault {
    DiskFault {
        cause: error.cause(),
        verdict: verdict(error),
        why: error.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_core::library::disk_fault::Cause;
    use fairhaul_core::message::Verdict;

    use super::*;

    /// Who pushed it hears which kind of trouble it is; a person hears the words of the system.
    #[test]
    fn a_fault_of_a_disk_keeps_its_cause_and_its_words() {
        let exists = StoreError::Exists {
            path: "a".to_owned(),
        };
        let fault = fault_of(&exists);
        let expected = (Cause::InTheWay, Verdict::Exists);
        assert_eq!((fault.cause, fault.verdict), expected);
        assert_eq!(*fault.why, exists.to_string());
        let space = StoreError::Space {
            path: "a".into(),
            needed: 2,
            available: 1,
        };
        let fault = fault_of(&space);
        assert_eq!(
            (fault.cause, fault.verdict),
            (Cause::Full, Verdict::Storage)
        );
    }
}
