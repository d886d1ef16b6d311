//! How long a command waits for peers, and for chunks that no connected peer has.
//!
//! A wait never ends while a connected peer has something to send. A peer that is unreachable may
//! come back by itself; one whose identity is refused needs a person to act.

use std::collections::BTreeMap;

use super::content::{Content, Stage};
use super::io::WaitOutcome;
use super::stages::Turn;
use crate::time::{Span, Time};

/// How long a command waits for a peer that cannot be reached.
pub(crate) const REACH: Span = Span::from_secs(30);

/// State of a peer that a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is connected.
    Connected,
    /// It is not, and nothing is known against it.
    Away,
    /// It cannot be reached, or hangs up.
    Unreachable,
    /// A peer with another key uses its name.
    Claimed,
    /// It has another key than expected, or refuses ours.
    Refused,
}

/// What becomes of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It goes on.
    Wait,
    /// The wait ends: no peer is reachable.
    Unreachable,
    /// It ends: an identity is refused.
    Identity,
}

/// What becomes of a wait, since `since`, for any one of some peers.
#[must_use]
pub(crate) fn outlook(
    peers: impl IntoIterator<Item = Standing>,
    since: Time,
    now: Time,
) -> Outlook {
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

/// How long no peer has had what is still missing of a content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drought {
    since: Option<Time>,
}

impl Drought {
    /// Looks at what is missing: `on_its_way` if any of it is being received or written, `held` if
    /// a connected peer has any of it. True if neither has been so for `patience`; then the waiters
    /// are told.
    pub fn is_over(&mut self, on_its_way: bool, held: bool, patience: Span, now: Time) -> bool {
        if on_its_way || held {
            self.since = None;
            return false;
        }
        now.since(*self.since.get_or_insert(now)) >= patience
    }
}

/// Ends the waiting of those whose peers cannot be reached, and for what no connected peer has had
/// for a while. What they wait for goes on when one comes.
pub(super) fn review(
    contents: &mut BTreeMap<u32, Content>,
    standings: impl Iterator<Item = Standing> + Clone,
    patience: Span,
    turn: &mut Turn<'_>,
) {
    let is_anybody_here = standings.clone().any(|one| one == Standing::Connected);
    for content in contents.values_mut() {
        let transfer = match content.stage {
            Stage::Describing => content.manifest_transfer(),
            Stage::Moving => content.data(),
            _ => continue,
        };
        let missing = turn.node.missing(transfer);
        let comes = missing.coming > 0 || content.writing > 0;
        let is_held = missing.held > 0;
        let number = content.number;
        if content.drought.is_over(comes, is_held, patience, turn.now) {
            turn.tell(&mut content.waiters, number, &WaitOutcome::Missing);
        }
        if is_anybody_here {
            continue;
        }
        match outlook(standings.clone(), content.started, turn.now) {
            Outlook::Wait => {}
            Outlook::Unreachable => {
                turn.tell(&mut content.waiters, number, &WaitOutcome::Unreachable);
            }
            Outlook::Identity => turn.tell(&mut content.waiters, number, &WaitOutcome::Identity),
        }
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

    /// Peers come and go. The wait ends when no peer has had anything of it for the whole span.
    #[test]
    fn a_drought_begins_anew_with_whatever_comes() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let patience = Span::from_secs(60);
        let mut drought = Drought::default();
        let mut over =
            |on_its_way, held, secs| drought.is_over(on_its_way, held, patience, at(secs));
        assert!(!over(false, false, 0));
        assert!(!over(false, false, 59));
        assert!(!over(false, true, 60), "a peer has some of it");
        assert!(!over(false, false, 100));
        assert!(!over(true, false, 159), "some is on its way");
        assert!(!over(false, false, 160));
        assert!(over(false, false, 220));
        assert!(over(false, false, 221));
    }
}
