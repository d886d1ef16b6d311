//! Whether somebody who waits for a peer should go on waiting.
//!
//! Decides when a command ends because nobody comes, and which fault that is: a peer that cannot
//! be reached may come later, one whose identity is refused will not before a person does
//! something. Refuses to end a wait while anybody is connected.

use crate::time::{Span, Time};

/// How long a command waits for a peer that cannot be reached.
pub const REACH: Span = Span::from_secs(30);

/// How a peer stands that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is connected.
    Connected,
    /// It is not, and nothing is known against it.
    Away,
    /// It cannot be reached, or hangs up.
    Unreachable,
    /// Somebody with another key came under its name.
    Claimed,
    /// It has another key than expected, or refuses ours.
    Refused,
}

/// What becomes of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It goes on.
    Wait,
    /// It ends: nobody can be reached.
    Unreachable,
    /// It ends: an identity is refused.
    Identity,
}

/// What becomes of a wait, since `since`, for any one of some peers.
#[must_use]
pub fn outlook(peers: impl IntoIterator<Item = Standing>, since: Time, now: Time) -> Outlook {
    let (mut all, mut any, mut nobody) = (true, false, true);
    for peer in peers {
        if peer == Standing::Connected {
            return Outlook::Wait;
        }
        nobody = false;
        all &= peer == Standing::Refused;
        any |= matches!(peer, Standing::Refused | Standing::Claimed);
    }
    let late = now.since(since) >= REACH;
    match (late, any) {
        (_, true) if all && !nobody => Outlook::Identity,
        (false, _) => Outlook::Wait,
        (true, true) => Outlook::Identity,
        (true, false) => Outlook::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Away, Claimed, Connected, Refused, Unreachable};

    fn after(secs: u64, peers: &[Standing]) -> Outlook {
        let now = Time::ZERO + Span::from_secs(secs);
        outlook(peers.iter().copied(), Time::ZERO, now)
    }

    #[test]
    fn who_may_still_come_is_waited_for_half_a_minute() {
        for peers in [&[][..], &[Away], &[Unreachable], &[Away, Unreachable]] {
            assert_eq!(after(29, peers), Outlook::Wait, "{peers:?}");
            assert_eq!(after(30, peers), Outlook::Unreachable, "{peers:?}");
        }
        assert_eq!(after(3_600, &[Connected, Refused]), Outlook::Wait);
    }

    /// Register: H1, H12.
    #[test]
    fn a_wait_for_identities_that_are_refused_alone_ends_at_once() {
        assert_eq!(after(0, &[Refused]), Outlook::Identity);
        assert_eq!(after(0, &[Refused, Refused]), Outlook::Identity);
        for peers in [&[Refused, Away][..], &[Unreachable, Refused], &[Claimed]] {
            assert_eq!(after(29, peers), Outlook::Wait, "{peers:?}");
            assert_eq!(after(30, peers), Outlook::Identity, "{peers:?}");
        }
    }
}
