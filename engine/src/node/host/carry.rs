//! Hands each action of core and library to its owner.

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::{LibraryAction, LibraryEvent, LibraryInput};
use fairhaul_core::message::{CloseCode, Message, Offer};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::{Action, Event, Input};
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::{Block, Target};
use tracing::{debug, info, warn};

use super::Host;
use crate::content::path::shown;
use crate::control::api::TransferDirection;
use crate::session::Named;

impl Host {
    /// Carries out what the core wants done.
    pub(super) fn carry(&mut self, action: Action) {
        let now = self.clock.now();
        match action {
            Action::Send { peer, message } => {
                let inputs = &mut self.inputs;
                self.connections.send(peer, message, inputs, now);
            }
            Action::Upload(block) => self.upload(block),
            Action::Store {
                transfer,
                chunk,
                from,
                parts,
            } => self.store((transfer, chunk), (from, parts)),
            Action::Resume {
                peer,
                transfer,
                chunk,
                of,
            } => {
                if let Some(content) = self.contents.moved_as(transfer) {
                    self.connections.links().resume(peer, content, chunk, of);
                }
            }
            Action::Discard {
                transfer,
                chunk,
                from,
            } => {
                if let Some(content) = self.contents.moved_as(transfer) {
                    self.connections.links().discard(content, chunk, from);
                }
            }
            Action::Name {
                peer,
                theirs,
                transfer,
            } => {
                let named = transfer.and_then(|ours| self.named(ours));
                self.connections.links().name(peer, theirs, named);
            }
            Action::Close { peer, why } => {
                self.connections.close(peer, why, &mut self.inputs, now);
            }
            Action::Notify(event) => self.notice(event, now),
        }
    }

    fn named(&self, ours: TransferId) -> Option<Named> {
        Some(Named {
            content: self.contents.moved_as(ours)?,
            geometry: self.contents.chunk_store(ours)?.geometry(),
            ours,
        })
    }

    fn upload(&mut self, block: Block) {
        let chunk_store = self.contents.chunk_store(block.transfer);
        let links = self.connections.links();
        if chunk_store.is_some_and(|chunk_store| links.upload(block, chunk_store)) {
            self.stats.uploading(&block);
        } else {
            // The core learns of lost chunks on another way; the window is given back here.
            let (peer, len) = (block.peer, block.len);
            self.inputs.core(Input::Sent { peer, len });
        }
    }

    /// A chunk is whole: it is written if it is right.
    fn store(
        &mut self,
        (transfer, chunk): (TransferId, ChunkIndex),
        (from, parts): (PeerId, Vec<(PeerId, ByteCount)>),
    ) {
        let links = self.connections.links();
        let content = self.contents.moved_as(transfer);
        let arrival = content.and_then(|content| links.whole(from, content, chunk));
        let inputs = &mut self.inputs;
        let refused = self
            .contents
            .store((transfer, chunk), (from, parts), arrival, inputs);
        if let Some(input) = refused {
            if matches!(input, Input::Rejected { .. }) {
                self.stats.rejected();
            }
            self.inputs.core(input);
        }
    }

    /// Something that the core wants people or the shell to know.
    fn notice(&mut self, event: Event, now: Time) {
        let name = |peer| &self.connections.peers().at(peer).name;
        match event {
            Event::Complete(transfer) => {
                self.inputs.library(LibraryInput::Complete { transfer });
            }
            Event::Text(peer, text) => {
                let name = name(peer);
                info!(peer = %name, text = %shown(&text), "text");
                self.stats.notifier().text(name.clone(), text.into());
            }
            Event::Pong(peer, number) => {
                self.control(|control, others| control.ponged(peer, number, others));
            }
            Event::Wasted(peer, len) => {
                debug!(peer = %name(peer), bytes = len.get(), "came in vain");
                self.stats.wasted(len);
            }
            Event::Closed(peer, code, text) => {
                let name = name(peer);
                info!(peer = %name, ?code, text = %shown(&text), "closed by the peer");
                if code == CloseCode::Revoked {
                    warn!(peer = %name, "the peer no longer accepts this node");
                }
                let why = match text.is_empty() {
                    true => format!("the peer closed: {code:?}"),
                    false => format!("the peer closed: {}", shown(&text)),
                };
                self.connections.leaves(peer, why);
            }
            Event::Offer(peer, offer) => {
                let links = self.connections.links();
                let has_memory = links.has_memory(peer, offer.manifest_bytes);
                self.inputs.library(LibraryInput::Offer {
                    peer,
                    offer,
                    has_memory,
                });
            }
            Event::Verdict(peer, content, verdict) => {
                self.inputs.library(LibraryInput::Verdict {
                    peer,
                    content,
                    verdict,
                });
            }
            Event::WantAddresses(peer) => {
                if let Some(message) = self.connections.wants_addresses(peer, now) {
                    self.inputs.core(Input::Say { peer, message });
                }
            }
            Event::Addresses(peer, known) => {
                if !self.connections.told_addresses(peer, &known, now) {
                    self.inputs.core(Input::Skipped { peer });
                }
            }
        }
    }

    pub(super) fn carry_library(&mut self, action: LibraryAction) {
        let now = self.clock.now();
        match action {
            LibraryAction::Join {
                transfer,
                geometry,
                have,
                audience,
            } => {
                if let Some(content) = self.contents.moved_as(transfer) {
                    self.inputs.core(Input::Add {
                        transfer,
                        content,
                        manifest: geometry,
                        have,
                        audience,
                    });
                }
            }
            LibraryAction::Settle { transfer } => self.inputs.core(Input::Settle { transfer }),
            LibraryAction::Leave { transfer } => self.inputs.core(Input::Remove { transfer }),
            LibraryAction::Stored {
                transfer,
                chunk,
                from,
                parts,
            } => {
                self.stats.stored(transfer, &parts);
                self.inputs.core(Input::Stored {
                    transfer,
                    chunk,
                    from,
                });
            }
            LibraryAction::Offer { peer, number } => {
                if let Some(message) = self.offer_of(number) {
                    self.inputs.core(Input::Say { peer, message });
                }
            }
            LibraryAction::Answer {
                peer,
                content,
                verdict,
            } => {
                let message = Message::Verdict { content, verdict };
                self.inputs.core(Input::Say { peer, message });
            }
            LibraryAction::Blame { peer } => {
                let why = Misbehaviour::WrongHash;
                self.connections.close(peer, why, &mut self.inputs, now);
            }
            LibraryAction::Tell {
                waiter,
                number,
                outcome,
            } => self.control(|control, others| {
                control.end_wait((waiter, number), outcome, others);
            }),
            LibraryAction::Notify(event) => self.notice_library(event, now),
            LibraryAction::Forget { number } => {
                self.stats.forget(number);
                self.contents.carry(action);
            }
            LibraryAction::Begin { number, .. } => {
                self.stats.restart(number);
                self.contents.carry(action);
            }
            action => self.contents.carry(action),
        }
    }

    fn offer_of(&self, number: u32) -> Option<Message> {
        let (content, row) = self.contents.at(number)?;
        Some(Message::Offer(Box::new(Offer {
            content: content.id(),
            manifest_bytes: row.manifest_bytes(),
            bytes: content.bytes(),
            name: row.name().into(),
        })))
    }

    /// Something that people or the log want to know of a content.
    fn notice_library(&mut self, event: LibraryEvent, now: Time) {
        let (LibraryEvent::Started(number)
        | LibraryEvent::Complete(number)
        | LibraryEvent::Failed(number, _)
        | LibraryEvent::Paused(number, _)
        | LibraryEvent::WrongManifest(number, _)
        | LibraryEvent::PushEnded(number, _)) = event;
        let Some((content, row)) = self.contents.at(number) else {
            return;
        };
        let (name, bytes) = (row.name().to_owned(), content.bytes());
        match event {
            LibraryEvent::Started(_) => {
                let notifier = self.stats.notifier();
                notifier.started(number, name, TransferDirection::Down);
            }
            LibraryEvent::Complete(_) => {
                let took = now.since(content.started()).as_secs_f64();
                info!(%name, bytes, seconds = took, "complete");
                let limit = self.control.limit(Target::Transfer(content.data()));
                let peers = self.connections.peers();
                self.stats.note_transfer((content, row), limit, peers, now);
                self.stats.complete(number, name, bytes);
            }
            LibraryEvent::Failed(_, why) => {
                let folder = self.contents.path_of(content).display();
                warn!(content = %name, %folder, %why, "cannot go on");
                self.stats.notifier().failed(number, name, why.into());
            }
            LibraryEvent::Paused(_, why) => warn!(content = %name, %why, "paused"),
            LibraryEvent::WrongManifest(_, blamed) => {
                warn!(
                    content = number,
                    blamed, "a manifest is not what was asked for"
                );
            }
            LibraryEvent::PushEnded(_, verdict) => {
                warn!(content = %shown(&name), ?verdict, "a push ends");
            }
        }
    }
}
