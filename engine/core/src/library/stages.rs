//! The stages of a content: from its manifest to a check of what is there, to its chunks, to its
//! final names.
//!
//! Each step that touches the disk is an action, whose outcome comes back as an input. An outcome
//! counts only in the stage that waits for it: whatever a person or a disk did meanwhile holds.

use std::collections::VecDeque;

use super::content::{Content, Stage};
use super::disk_fault::{self, DiskFault};
use super::io::{
    Description, FinishFault, LibraryAction, LibraryEvent, ManifestFault, Prepared, Role,
    WaitOutcome, Waiter,
};
use super::places;
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId};
use crate::message::OfferVerdict;
use crate::node::Node;
use crate::time::Time;
use crate::units::ByteCount;

/// The context of every input to a content: the node, the time, and the queue of actions.
pub(super) struct Turn<'a> {
    pub(super) node: &'a Node,
    pub(super) now: Time,
    pub(super) actions: &'a mut VecDeque<LibraryAction>,
}

impl Turn<'_> {
    pub(super) fn act(&mut self, action: LibraryAction) {
        self.actions.push_back(action);
    }

    /// Tells all of them how it ended, and forgets them.
    pub(super) fn tell(&mut self, waiters: &mut Vec<Waiter>, number: u32, outcome: &WaitOutcome) {
        for waiter in std::mem::take(waiters) {
            let outcome = outcome.clone();
            self.act(LibraryAction::Tell {
                waiter,
                number,
                outcome,
            });
        }
    }
}

impl Content {
    /// Takes part in its manifest, and in its bytes if they are at hand.
    pub(super) fn join(&mut self, have: Option<Bitfield>, turn: &mut Turn<'_>) {
        if !self.manifest.joined {
            self.join_manifest(None, turn);
        }
        let open = self.manifest.description.filter(|_| self.is_open());
        if let (Some(Description { geometry, .. }), Some(have)) = (open, have)
            && !self.joined
        {
            self.joined = true;
            turn.act(LibraryAction::Join {
                transfer: self.data(),
                geometry,
                have,
                audience: None,
            });
        }
    }

    fn join_manifest(&mut self, audience: Option<PeerId>, turn: &mut Turn<'_>) {
        let geometry = self.manifest.geometry();
        let have = match self.manifest.is_whole {
            true => Bitfield::full(geometry.chunks()),
            false => Bitfield::empty(geometry.chunks()),
        };
        self.manifest.joined = true;
        turn.act(LibraryAction::Join {
            transfer: self.manifest_transfer(),
            geometry,
            have,
            audience,
        });
    }

    pub(super) fn leave_data(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.joined) {
            let transfer = self.data();
            turn.act(LibraryAction::Leave { transfer });
        }
    }

    pub(super) fn leave(&mut self, turn: &mut Turn<'_>) {
        self.leave_data(turn);
        if std::mem::take(&mut self.manifest.joined) {
            let transfer = self.manifest_transfer();
            turn.act(LibraryAction::Leave { transfer });
        }
    }

    /// Looks at what is on disk of it, or fetches its manifest first.
    pub(super) fn take_up(&mut self, turn: &mut Turn<'_>) {
        if self.manifest.description.is_some() {
            return self.prepare(turn);
        }
        self.stage = Stage::Describing;
        self.join(None, turn);
        if self.manifest.is_whole {
            self.describe(turn);
        }
    }

    /// Finds out what is there already, and copies what is missing from other folders.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>) {
        self.stage = Stage::Checking;
        let number = self.number;
        turn.act(LibraryAction::Prepare { number });
    }

    fn describe(&self, turn: &mut Turn<'_>) {
        let (number, attempt) = (self.number, self.manifest.attempt);
        turn.act(LibraryAction::Describe { number, attempt });
    }

    /// Every chunk of its manifest is here: is it the right one?
    pub(super) fn manifest_is_whole(&mut self, turn: &mut Turn<'_>) {
        self.manifest.is_whole = true;
        if !self.is_open() && self.stage == Stage::Describing {
            self.describe(turn);
        }
    }

    /// Its manifest was read. Whether the description is new, and the content waits for it.
    pub(super) fn described(
        &mut self,
        attempt: u32,
        result: Result<Description, ManifestFault>,
        turn: &mut Turn<'_>,
    ) -> bool {
        if attempt != self.manifest.attempt || self.is_open() {
            return false;
        }
        let waits = self.stage == Stage::Describing;
        match result {
            Ok(description) => {
                self.manifest.description = Some(description);
                return waits;
            }
            Err(_) if !waits => {}
            Err(ManifestFault::Unusable(why)) => {
                let outcome = WaitOutcome::Unusable(why.clone());
                self.fail(OfferVerdict::Failed, &outcome, &why, turn);
            }
            Err(ManifestFault::Wrong) => {
                let wrong = self.manifest.senders.wrong(turn.now);
                let event = LibraryEvent::WrongManifest(self.number, wrong.blame.is_some());
                turn.act(LibraryAction::Notify(event));
                if let Some(peer) = wrong.blame {
                    turn.act(LibraryAction::Blame { peer });
                }
                self.describe_again(wrong.ask, turn);
            }
        }
        false
    }

    /// Fetches its manifest from the beginning, from one peer or from everybody.
    pub(super) fn describe_again(&mut self, audience: Option<PeerId>, turn: &mut Turn<'_>) {
        self.stale = self.writing;
        // The sender of a wrong manifest may have given a wrong length, too: the next length is
        // tried.
        let last = self.manifest.bytes;
        let bytes = self.manifest.lengths.pop_front().unwrap_or(last);
        if bytes != last {
            self.manifest.lengths.push_back(last);
        }
        if std::mem::take(&mut self.manifest.joined) {
            let transfer = self.manifest_transfer();
            turn.act(LibraryAction::Leave { transfer });
        }
        self.manifest.restart(bytes);
        let number = self.number;
        turn.act(LibraryAction::ForgetManifest { number, bytes });
        turn.act(LibraryAction::Keep { number });
        self.join_manifest(audience.filter(|_| bytes == last), turn);
    }

    /// What is there was looked at. If it was paused meanwhile, that is done again when it goes on.
    pub(super) fn looked_at(&mut self, result: Result<Prepared, DiskFault>, turn: &mut Turn<'_>) {
        match result {
            _ if self.stage != Stage::Checking => {}
            Ok(prepared) => self.prepared(prepared, turn),
            Err(fault) => disk_fault::stop(self, &fault, turn),
        }
    }

    /// What is there is known: fetch the rest.
    fn prepared(&mut self, prepared: Prepared, turn: &mut Turn<'_>) {
        let Some(description) = self.manifest.description else {
            return;
        };
        let Prepared {
            have,
            whole_in,
            device,
        } = prepared;
        (self.begun, self.trouble) = (true, None);
        self.device = device;
        self.here = description.geometry.bytes_of(&have).get();
        self.reading = Some(self.places.filled.folder);
        self.others = whole_in;
        let (is_whole, was_whole) = (have.is_full(), self.places.filled.role.is_whole());
        self.stage = Stage::Moving;
        if was_whole {
            places::settle(self);
            self.stage = Stage::Whole;
        }
        let number = self.number;
        turn.act(LibraryAction::Open { number });
        turn.act(LibraryAction::Keep { number });
        // If it was served from other folders all the while, peers see no difference. What a full
        // disk refused is wanted again.
        let had = turn.node.had(self.data());
        if had.is_some_and(|had| !had.is_full() || *had != have) {
            self.leave_data(turn);
        }
        self.join(Some(have), turn);
        if is_whole && !was_whole {
            self.finish(turn);
        }
    }

    /// A chunk is on its way to the disk.
    pub(super) fn writing(&mut self, is_manifest: bool, senders: &[PeerId], now: Time) {
        self.writing += 1;
        for peer in senders.iter().filter(|_| is_manifest) {
            self.manifest.senders.sends(*peer, now);
        }
    }

    /// The writing of a chunk has ended.
    pub(super) fn written(
        &mut self,
        (is_manifest, chunk): (bool, ChunkIndex),
        (from, parts): (PeerId, Vec<(PeerId, ByteCount)>),
        result: Result<(), DiskFault>,
        turn: &mut Turn<'_>,
    ) {
        self.writing -= 1;
        if self.stale > 0 {
            // It tells nothing of what is fetched now.
            self.stale -= 1;
            return;
        }
        if let Err(fault) = result {
            return disk_fault::stop(self, &fault, turn);
        }
        if !is_manifest {
            let len: ByteCount = parts.iter().map(|(_, len)| *len).sum();
            self.here += len.get();
        }
        let transfer = match is_manifest {
            true => self.manifest_transfer(),
            false => self.data(),
        };
        turn.act(LibraryAction::Stored {
            transfer,
            chunk,
            from,
            parts,
        });
    }

    /// Every chunk is there: make all of it durable, and give the files their names.
    pub(super) fn finish(&mut self, turn: &mut Turn<'_>) {
        let is_over = matches!(self.stage, Stage::Finishing | Stage::Whole);
        if is_over || !self.is_open() || !self.is_fetch() {
            return;
        }
        self.stage = Stage::Finishing;
        let number = self.number;
        turn.act(LibraryAction::Finish { number });
    }

    /// It has its final names, or not.
    pub(super) fn finished(&mut self, result: Result<(), FinishFault>, turn: &mut Turn<'_>) {
        match result {
            Ok(()) => {}
            // A file was changed under its temporary name: what is missing comes again.
            Err(FinishFault::Unfinished) => {
                self.leave_data(turn);
                return self.restart(turn);
            }
            Err(FinishFault::Disk(fault)) => return disk_fault::stop(self, &fault, turn),
        }
        let number = self.number;
        self.stage = Stage::Whole;
        if let Role::Fetched { whole, .. } = &mut self.places.filled.role {
            *whole = true;
        }
        places::settle(self);
        turn.act(LibraryAction::Open { number });
        turn.tell(&mut self.waiters, number, &WaitOutcome::Done);
        turn.act(LibraryAction::Keep { number });
        turn.act(LibraryAction::Notify(LibraryEvent::Complete(number)));
        self.judge(OfferVerdict::Done, turn);
        places::go_on(self, true, turn);
    }

    /// It cannot continue by itself in the folder that is filled. The waiters for that folder are
    /// told; other folders are not affected.
    pub(super) fn fail(
        &mut self,
        verdict: OfferVerdict,
        outcome: &WaitOutcome,
        why: &str,
        turn: &mut Turn<'_>,
    ) {
        let number = self.number;
        self.stage = Stage::Failed(why.into());
        turn.act(LibraryAction::Notify(LibraryEvent::Failed(
            number,
            why.into(),
        )));
        turn.tell(&mut self.waiters, number, outcome);
        self.judge(verdict, turn);
        if !places::go_on(self, false, turn) {
            self.leave(turn);
        }
    }

    /// Tells the peers that offered it how it ended.
    pub(super) fn judge(&mut self, verdict: OfferVerdict, turn: &mut Turn<'_>) {
        let content = self.id;
        for peer in std::mem::take(&mut self.offered) {
            turn.act(LibraryAction::Answer {
                peer,
                content,
                verdict,
            });
        }
    }

    /// A person pauses or resumes it.
    pub(super) fn set_paused(&mut self, paused: bool, turn: &mut Turn<'_>) {
        self.paused = paused;
        if paused {
            self.stage = Stage::Paused(None);
            self.leave(turn);
        } else if matches!(self.stage, Stage::Paused(_) | Stage::Failed(_)) {
            self.restart(turn);
        }
        let number = self.number;
        turn.act(LibraryAction::Keep { number });
    }

    /// Goes on with what stood still, from what is on disk.
    pub(super) fn restart(&mut self, turn: &mut Turn<'_>) {
        if self.writing > 0 {
            // Tried again with the next second.
            return;
        }
        // What is given meanwhile is read.
        if !self.joined && self.reading.take().is_some() {
            let number = self.number;
            turn.act(LibraryAction::Open { number });
        }
        self.take_up(turn);
    }
}
