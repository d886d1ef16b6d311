//! What becomes of a transfer that its disk does not let go on.
//!
//! Decides who is told, and when it is tried again. Refuses to give up what is under way for
//! something that may pass by itself: what arrived stays, and other transfers do not notice.

use crate::time::{Span, Time};

/// Time between two tries with a disk that took nothing: short beside what a person needs to
/// make room, long beside what a look at the disk costs.
pub const RETRY: Span = Span::from_secs(10);

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

/// What becomes of the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standstill {
    /// It pauses and is tried again; who waits for it goes on waiting.
    Pause,
    /// It pauses and is tried again; who waits for it is told.
    PauseAndTell,
    /// It has failed, and who waits for it is told.
    Fail,
}

/// What becomes of a transfer, which may be under way.
#[must_use]
pub const fn judge(cause: Cause, is_under_way: bool) -> Standstill {
    match (cause, is_under_way) {
        (Cause::Full, true) => Standstill::Pause,
        (Cause::Disk, true) => Standstill::PauseAndTell,
        // What is known before any peer is asked for anything is said at once.
        (_, false) | (Cause::InTheWay, true) => Standstill::Fail,
    }
}

/// Whether it is time to try again what stood still at `since`.
#[must_use]
pub fn is_due(since: Time, now: Time) -> bool {
    now.since(since) >= RETRY
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: P5, P7.
    #[test]
    fn what_is_under_way_pauses_for_what_may_pass_and_fails_for_what_may_not() {
        assert_eq!(judge(Cause::Full, true), Standstill::Pause);
        assert_eq!(judge(Cause::Disk, true), Standstill::PauseAndTell);
        assert_eq!(judge(Cause::InTheWay, true), Standstill::Fail);
        for cause in [Cause::Full, Cause::Disk, Cause::InTheWay] {
            assert_eq!(judge(cause, false), Standstill::Fail);
        }
    }

    #[test]
    fn it_is_tried_again_every_ten_seconds() {
        let since = Time::ZERO + Span::from_secs(3);
        assert!(!is_due(since, since + Span::from_secs(9)));
        assert!(is_due(since, since + RETRY));
    }
}
