//! How the descriptors that a process may open are divided.
//!
//! Each use has a share of the limit, so that none can take those of another: neither files nor
//! callers keep sessions out, and no session keeps commands away (limit L3).

/// Descriptors of the node itself: its streams, its listeners, its lock, the event queue, the log.
const OWN: usize = 32;

/// Sizes of the shares that more descriptors do not increase.
const FILES_MAX: usize = 1_024;
const BRIEF_MAX: usize = 512;
const CALLERS_MAX: usize = 64;
const UNPROVED_MAX: usize = 16;
const PENDING_MAX: usize = 64;

/// The shares of one process, in descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Files and folders of contents that stay open between two uses.
    pub files: usize,
    /// Files that are opened for one use; as many threads may wait for a disk.
    pub brief: usize,
    /// Callers of the control socket, and as many over HTTP whose token is known.
    pub callers: usize,
    /// Connections over HTTP before they have shown a token.
    pub unproved: usize,
    /// Handshakes of peers.
    pub pending: usize,
    /// Sessions with peers.
    pub sessions: usize,
}

impl Shares {
    /// The shares of `limit` descriptors for a node that is to have `sessions` at most. There is
    /// at least one place of each kind, however few descriptors there are.
    #[must_use]
    pub fn of(limit: usize, sessions: usize) -> Self {
        let left = limit.saturating_sub(OWN);
        let share = |part: usize, most: usize| (left / part).clamp(1, most);
        let shares = Self {
            files: share(4, FILES_MAX),
            brief: share(8, BRIEF_MAX),
            callers: share(16, CALLERS_MAX),
            unproved: share(32, UNPROVED_MAX),
            pending: share(8, PENDING_MAX),
            sessions,
        };
        let others = shares.needed() - sessions;
        Self {
            sessions: sessions.min(limit.saturating_sub(others)).max(1),
            ..shares
        }
    }

    /// Descriptors with which a node has all of `sessions`.
    #[must_use]
    pub fn needed_for(sessions: usize) -> usize {
        let most = Self {
            files: FILES_MAX,
            brief: BRIEF_MAX,
            callers: CALLERS_MAX,
            unproved: UNPROVED_MAX,
            pending: PENDING_MAX,
            sessions,
        };
        let (mut few, mut many) = (0, most.needed());
        while few < many {
            let limit = few.midpoint(many);
            if Self::of(limit, sessions).sessions < sessions {
                few = limit + 1;
            } else {
                many = limit;
            }
        }
        few
    }

    /// Descriptors that are open if every share is used up.
    #[must_use]
    pub const fn needed(&self) -> usize {
        OWN + self.files
            + self.brief
            + 2 * self.callers
            + self.unproved
            + self.pending
            + self.sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: C3.
    /// Limit: L3.
    #[test]
    fn all_shares_together_are_within_the_limit() {
        for limit in 64..5_000 {
            for sessions in [1, 256, 4_096] {
                let shares = Shares::of(limit, sessions);
                assert!(shares.needed() <= limit, "{limit}: {shares:?}");
                assert!(shares.sessions <= sessions && shares.sessions > 0);
            }
        }
    }

    /// 256 descriptors, a common limit, are enough for a small swarm.
    ///
    /// Register: C3.
    #[test]
    fn a_small_limit_leaves_room_for_everybody() {
        let shares = Shares::of(256, 256);
        assert!(shares.sessions >= 64, "{shares:?}");
        assert!(shares.pending >= 16 && shares.files >= 32 && shares.callers >= 8);
        let shares = Shares::of(1_024, 256);
        assert_eq!(shares.sessions, 256, "{shares:?}");
        assert_eq!(Shares::of(3, 256).sessions, 1);
        for sessions in [64, 256, 4_096, 100_000] {
            let needed = Shares::needed_for(sessions);
            assert_eq!(Shares::of(needed, sessions).sessions, sessions);
            assert!(Shares::of(needed - 1, sessions).sessions < sessions);
        }
    }

    /// Limit: L3.
    #[test]
    fn a_common_limit_is_divided_without_a_rest() {
        let shares = Shares {
            files: 56,
            brief: 28,
            callers: 14,
            unproved: 7,
            pending: 28,
            sessions: 77,
        };
        assert_eq!(Shares::of(256, 256), shares);
        // A caller takes two, and 32 are in reserve.
        assert_eq!(32 + 56 + 28 + 2 * 14 + 7 + 28 + 77, 256);
        assert_eq!(shares.needed(), 256);
    }

    #[test]
    fn more_descriptors_take_nothing_away() {
        let mut before = Shares::of(0, 1_000);
        for limit in 1..10_000 {
            let now = Shares::of(limit, 1_000);
            let grows = |of: fn(&Shares) -> usize| of(&now) >= of(&before);
            assert!(grows(|it| it.files) && grows(|it| it.pending) && grows(|it| it.callers));
            before = now;
        }
    }
}
