//! What a library of a peer wants done, carried out on virtual disks and the peer's node.

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::{Disk, LibraryAction, LibraryEvent, LibraryInput, ManifestFault};
use fairhaul_core::message::{Message, Offer};
use fairhaul_core::node::Input;
use fairhaul_core::units::ByteCount;

use super::World;
use super::deliveries::{Job, STEP};
use super::desk::{DEVICE, content_id};
use crate::setup::DeliveryKind;

impl World<'_> {
    /// Tells a library what happened, and does all that it wants done.
    pub(super) fn library(&mut self, host: u32, input: LibraryInput) {
        let desk = &mut self.deliveries.desks[host as usize];
        let node = self.hosts[host as usize].node.as_ref();
        let (Some(library), Some(node)) = (desk.library.as_mut(), node) else {
            return;
        };
        library.handle(input, node, self.now);
        let actions: Vec<LibraryAction> = std::iter::from_fn(|| library.poll()).collect();
        for action in actions {
            self.carry(host, action);
        }
    }

    fn carry(&mut self, host: u32, action: LibraryAction) {
        match action {
            LibraryAction::Join {
                transfer,
                geometry,
                have,
                audience,
            } => {
                let Some(content) = self.moved_as(host, transfer, geometry) else {
                    return;
                };
                self.tell(
                    host,
                    Input::Add {
                        transfer,
                        content,
                        manifest: geometry,
                        have,
                        audience,
                    },
                );
            }
            LibraryAction::Settle { transfer } => self.tell(host, Input::Settle { transfer }),
            LibraryAction::Leave { transfer } => self.tell(host, Input::Remove { transfer }),
            LibraryAction::ForgetManifest { number, .. } => {
                if let Some(row) = self.delivery_of(host, number) {
                    self.deliveries.desk(host).wrong.remove(&row);
                }
            }
            LibraryAction::Describe { number, attempt } => self.describe(host, number, attempt),
            LibraryAction::Prepare { number } => self.later(host, STEP, Job::Prepare(number)),
            LibraryAction::Finish { number } => self.later(host, STEP, Job::Finish(number, 1)),
            LibraryAction::Sync { number } => {
                let result = Ok(());
                let synced = LibraryInput::Synced { number, result };
                self.later(host, STEP, Job::Say(synced));
            }
            LibraryAction::Stored {
                transfer,
                chunk,
                from,
                parts,
            } => {
                if transfer.0.is_multiple_of(2) {
                    self.store(host, transfer, &parts);
                }
                let stored = Input::Stored {
                    transfer,
                    chunk,
                    from,
                };
                self.tell(host, stored);
            }
            LibraryAction::Notify(event) => self.library_notices(host, &event),
            other => self.answer(host, other),
        }
    }

    /// Carries out what concerns other peers and disks.
    fn answer(&mut self, host: u32, action: LibraryAction) {
        match action {
            LibraryAction::Look { offer, .. } => {
                let (free, device) = (self.deliveries.desk(host).free, DEVICE);
                let looked = LibraryInput::Looked {
                    offer,
                    disk: Some(Disk { free, device }),
                    has_memory: true,
                };
                self.later(host, STEP, Job::Say(looked));
            }
            LibraryAction::Offer { peer, number } => self.offer_content(host, peer, number),
            LibraryAction::Answer {
                peer,
                content,
                verdict,
            } => {
                let message = Message::Verdict { content, verdict };
                self.tell(host, Input::Say { peer, message });
            }
            LibraryAction::Blame { peer } => {
                let other = self.hosts[host as usize].links[peer.index()].host;
                for record in &mut self.deliveries.records {
                    record.blamed.push(other);
                }
                self.disconnect(host, other);
            }
            LibraryAction::Keep { number } => {
                if let Some(row) = self.delivery_of(host, number) {
                    self.deliveries.desk(host).keep(row, number);
                }
            }
            LibraryAction::Forget { .. } => self.deliveries.desk(host).forget_gone(),
            LibraryAction::Tell {
                waiter, outcome, ..
            } => self.end_delivery(waiter, outcome),
            _ => {}
        }
    }

    /// A chunk of a content is whole: it is verified, and written.
    pub(super) fn receive(
        &mut self,
        host: u32,
        (transfer, chunk): (TransferId, ChunkIndex),
        from: PeerId,
        parts: Vec<(PeerId, ByteCount)>,
    ) {
        let Some(row) = self.delivery_of(host, transfer.0 / 2) else {
            return;
        };
        if !transfer.0.is_multiple_of(2) {
            let liars = &self.setup.library.deliveries[row as usize].liars;
            let links = &self.hosts[host as usize].links;
            let lies = |part: &(PeerId, ByteCount)| liars.contains(&links[part.0.index()].host);
            if parts.iter().any(lies) {
                self.deliveries.desk(host).wrong.insert(row);
            }
        }
        let senders = parts.iter().map(|(peer, _)| *peer).collect();
        self.library(host, LibraryInput::Writing { transfer, senders });
        self.later(
            host,
            STEP,
            Job::Write {
                transfer,
                chunk,
                from,
                parts,
            },
        );
    }

    fn describe(&mut self, host: u32, number: u32, attempt: u32) {
        let Some(row) = self.delivery_of(host, number) else {
            return;
        };
        let is_wrong = self.deliveries.desk(host).wrong.contains(&row);
        let result = match is_wrong {
            true => Err(ManifestFault::Wrong),
            false => Ok(self.description(row)),
        };
        let described = LibraryInput::Described {
            number,
            attempt,
            result,
        };
        self.later(host, STEP, Job::Say(described));
    }

    fn offer_content(&mut self, host: u32, peer: PeerId, number: u32) {
        let Some(row) = self.delivery_of(host, number) else {
            return;
        };
        let delivery = &self.setup.library.deliveries[row as usize];
        let message = Message::Offer(Box::new(Offer {
            content: content_id(row),
            manifest_bytes: delivery.manifest_bytes.get(),
            bytes: delivery.said_bytes.unwrap_or(delivery.bytes).get(),
            name: delivery.name.as_str().into(),
        }));
        self.tell(host, Input::Say { peer, message });
    }

    fn library_notices(&mut self, host: u32, event: &LibraryEvent) {
        let (LibraryEvent::Paused(number, _) | LibraryEvent::Complete(number)) = event else {
            return;
        };
        let Some(row) = self.delivery_of(host, *number) else {
            return;
        };
        self.moved_at = self.now;
        let is_named = self.deliveries.desk(host).on_disk.get(&row);
        let is_named = is_named.is_some_and(|on_disk| on_disk.named);
        let record = &mut self.deliveries.records[row as usize];
        match event {
            LibraryEvent::Complete(_) => {
                assert!(
                    is_named,
                    "a success is reported when the thing itself is there"
                );
                record.completed.get_or_insert(self.now);
                if let DeliveryKind::Get = self.setup.library.deliveries[row as usize].kind {
                    record.end.get_or_insert(self.now);
                }
            }
            _ => record.pauses += 1,
        }
    }
}
