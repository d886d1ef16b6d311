//! What concerns contents together: pushes that end, and what is looked at every second.

use super::content::{Content, Stage};
use super::io::{Description, LibraryAction, LibraryEvent, ManifestFault, WaitOutcome};
use super::stages::Turn;
use super::wait_timeout::{self, Standing};
use super::{Library, disk_fault, manifest_senders, places, quota};
use crate::id::PeerId;
use crate::message::OfferVerdict;

impl Library {
    /// A manifest was read. A push is accepted if the length in it is within the quota of the peer
    /// that offered it: the length in the offer proves nothing.
    pub(super) fn described(
        &mut self,
        number: u32,
        attempt: u32,
        result: Result<Description, ManifestFault>,
        turn: &mut Turn<'_>,
    ) {
        let Some(content) = self.contents.get_mut(&number) else {
            return;
        };
        let space = result.as_ref().map_or(0, |description| description.space);
        if !content.described(attempt, result, turn) {
            return;
        }
        if content.places.filled.pusher.is_none() {
            return content.prepare(turn);
        }
        content.places.filled.offered = space;
        charge_manifest(content, quota::READ_MANIFEST, turn);
        let content = &self.contents[&number];
        if quota::is_over(content, &self.contents, &self.offers) {
            return self.end_push(number, OfferVerdict::Quota, turn);
        }
        if let Some(content) = self.contents.get_mut(&number) {
            content.prepare(turn);
        }
    }

    /// Ends an incomplete push, and tells the peer that offered it.
    fn end_push(&mut self, number: u32, verdict: OfferVerdict, turn: &mut Turn<'_>) {
        let Some(content) = self.contents.get_mut(&number) else {
            return;
        };
        turn.act(LibraryAction::Notify(LibraryEvent::PushEnded(
            number, verdict,
        )));
        if content.places.has_others() {
            let why = "a push of it has ended";
            return content.fail(verdict, &WaitOutcome::PushEnded, why, turn);
        }
        content.judge(verdict, turn);
        self.cancel(number, turn);
    }

    /// A push of which something is on disk waits there until it is offered again.
    fn set_aside(&mut self, number: u32, turn: &mut Turn<'_>) {
        let Some(content) = self.contents.get_mut(&number) else {
            return;
        };
        let why = "nobody sends the rest";
        content.fail(OfferVerdict::Failed, &WaitOutcome::Unfed, why, turn);
        if !matches!(content.stage, Stage::Failed(_)) {
            return;
        }
        let bytes = content.manifest.bytes;
        content.manifest.restart(bytes);
        content.reading = None;
        turn.act(LibraryAction::ForgetManifest { number, bytes });
        turn.act(LibraryAction::Open { number });
        turn.act(LibraryAction::Charge {
            number,
            peer: None,
            bytes: 0,
        });
    }

    /// Ends a content. What arrived stays on disk for a later one.
    pub(super) fn cancel(&mut self, number: u32, turn: &mut Turn<'_>) {
        let Some(mut content) = self.contents.remove(&number) else {
            return;
        };
        self.numbers.remove(&content.id);
        for wish in std::mem::take(&mut content.places.wishes) {
            content.offered.extend(wish.offered);
            content.waiters.extend(wish.waiters);
        }
        content.judge(OfferVerdict::Failed, turn);
        content.leave(turn);
        turn.act(LibraryAction::Forget { number });
        turn.tell(&mut content.waiters, number, &WaitOutcome::Cancelled);
    }

    /// A second has passed.
    pub(super) fn tick(&mut self, standings: &[(PeerId, Standing)], turn: &mut Turn<'_>) {
        self.pushes.offer(&self.contents, turn);
        let standing = |peer| {
            let known = standings.iter().find(|(of, _)| *of == peer);
            known.map_or(Standing::Away, |(_, standing)| *standing)
        };
        self.pushes.review(standing, turn);
        let standings = standings.iter().map(|(_, standing)| *standing);
        wait_timeout::review(&mut self.contents, standings, self.patience, turn);
        let pushes = self.contents.values().filter(|one| one.is_coming_push());
        let pushes: Vec<u32> = pushes.map(Content::number).collect();
        for number in pushes {
            let facts = (&self.contents, &self.offers);
            match quota::review(&self.contents[&number], facts, turn.node, turn.now) {
                Some(quota::End::Forget(verdict)) => self.end_push(number, verdict, turn),
                Some(quota::End::SetAside) => self.set_aside(number, turn),
                None => {}
            }
        }
        for content in self.contents.values_mut() {
            if manifest_senders::gives_up(content, turn) {
                content.describe_again(None, turn);
            }
            if disk_fault::is_retried(content, turn.now) {
                content.restart(turn);
            }
            // A wish whose turn came while something was still being written.
            if !content.places.wishes.is_empty() && places::is_idle(content) {
                places::go_on(content, true, turn);
            }
        }
    }
}

/// Charges the manifest of a push to memory, `times` over; it stays there when the peer is gone.
pub(super) fn charge_manifest(content: &Content, times: u64, turn: &mut Turn<'_>) {
    if content.places.filled.pusher.is_some() {
        turn.act(LibraryAction::Charge {
            number: content.number,
            peer: None,
            bytes: content.manifest.bytes.saturating_mul(times),
        });
    }
}
