//! What becomes of a content that its disk does not let go on.
//!
//! What is under way is not given up for something that may pass by itself: it pauses and is tried
//! again. What arrived stays, and other contents do not notice.

use super::content::{Content, Stage};
use super::io::{LibraryAction, LibraryEvent, WaitOutcome};
use super::stages::Turn;
use crate::bitfield::Bitfield;
use crate::message::OfferVerdict;
use crate::time::{Span, Time};

/// Time between two tries with a disk that took nothing: short beside what a person needs to
/// make room, long beside what a look at the disk costs.
pub(crate) const RETRY: Span = Span::from_secs(10);

/// What the disk said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no room.
    Full,
    /// It cannot be used now: gone, read-only, forbidden, broken.
    Disk,
    /// Something lies in the way that only a person can clear.
    InTheWay,
}

/// What the disk refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFault {
    /// The cause, which decides whether the content goes on.
    pub cause: Cause,
    /// What a peer that pushed the content is told if it fails.
    pub verdict: OfferVerdict,
    /// Why, for people.
    pub why: Box<str>,
}

/// What becomes of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It pauses and is tried again; its waiters keep waiting.
    Pause,
    /// It pauses and is tried again; its waiters are told.
    PauseAndTell,
    /// It has failed, and its waiters are told.
    Fail,
}

/// What becomes of a content, which may be under way.
#[must_use]
pub const fn judge(cause: Cause, is_under_way: bool) -> Remedy {
    match (cause, is_under_way) {
        (Cause::Full, true) => Remedy::Pause,
        (Cause::Disk, true) => Remedy::PauseAndTell,
        // What is known before any peer is asked for anything is said at once.
        (_, false) | (Cause::InTheWay, true) => Remedy::Fail,
    }
}

/// Whether it is time to try again what stood still at `since`.
#[must_use]
pub fn is_due(since: Time, now: Time) -> bool {
    now.since(since) >= RETRY
}

/// The disk does not let a content go on. Nothing is lost; what may pass is tried again from time
/// to time.
pub(super) fn stop(content: &mut Content, fault: &DiskFault, turn: &mut Turn<'_>) {
    if matches!(content.stage, Stage::Paused(_) | Stage::Failed(_)) {
        return;
    }
    let (number, why) = (content.number, fault.why.clone());
    let remedy = judge(fault.cause, content.begun);
    if remedy == Remedy::Fail {
        let outcome = WaitOutcome::Disk(why.clone());
        return content.fail(fault.verdict, &outcome, &why, turn);
    }
    if content.trouble.as_ref() != Some(&why) {
        turn.act(LibraryAction::Notify(LibraryEvent::Paused(
            number,
            why.clone(),
        )));
    }
    content.trouble = Some(why.clone());
    content.stopped = turn.now;
    content.stage = Stage::Paused(Some(why.clone()));
    if remedy == Remedy::PauseAndTell {
        turn.tell(&mut content.waiters, number, &WaitOutcome::Disk(why));
    }
    if serve_meanwhile(content, turn) {
        return;
    }
    let transfer = content.data();
    let has_some = turn.node.had(transfer).is_some_and(|had| had.count() > 0);
    if fault.cause == Cause::Full && content.joined && has_some {
        // A full disk is read as before. What is on its way to it is looked for when it goes on.
        content.stale = content.writing;
        turn.act(LibraryAction::Settle { transfer });
    } else {
        content.leave_data(turn);
    }
}

/// Serves a content from the other folders in which it is whole while the one that is filled stands
/// still. False if there is none.
fn serve_meanwhile(content: &mut Content, turn: &mut Turn<'_>) -> bool {
    let (Some(description), Some(other), true) = (
        content.manifest.description,
        content.others.first().copied(),
        content.is_open(),
    ) else {
        return false;
    };
    content.reading = Some(other);
    let number = content.number;
    turn.act(LibraryAction::Open { number });
    // What is on its way to the disk that stands still is looked for when it goes on.
    content.stale = content.writing;
    let had = turn.node.had(content.data());
    if had.is_some_and(|had| !had.is_full()) {
        content.leave_data(turn);
    }
    let all = Bitfield::full(description.geometry.chunks());
    content.join(Some(all), turn);
    true
}

/// Whether a content stands still because of its disk, and it is time to try again.
pub(super) fn is_retried(content: &Content, now: Time) -> bool {
    matches!(content.stage, Stage::Paused(Some(_))) && is_due(content.stopped, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: P5, P7.
    #[test]
    fn what_is_under_way_pauses_for_what_may_pass_and_fails_for_what_may_not() {
        assert_eq!(judge(Cause::Full, true), Remedy::Pause);
        assert_eq!(judge(Cause::Disk, true), Remedy::PauseAndTell);
        assert_eq!(judge(Cause::InTheWay, true), Remedy::Fail);
        for cause in [Cause::Full, Cause::Disk, Cause::InTheWay] {
            assert_eq!(judge(cause, false), Remedy::Fail);
        }
    }

    #[test]
    fn it_is_tried_again_every_ten_seconds() {
        let since = Time::ZERO + Span::from_secs(3);
        assert!(!is_due(since, since + Span::from_secs(9)));
        assert!(is_due(since, since + RETRY));
    }
}
