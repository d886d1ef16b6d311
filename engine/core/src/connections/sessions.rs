//! One session for each identity: which of two connections stays.
//!
//! The rule is that of register H8 and H9. An identity that connects too often is refused before it
//! costs more than its handshake (C5); the counts outlive the sessions.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use super::Key;
use super::lru::Recent;
use crate::event_limit::EventLimit;
use crate::time::{Span, Time};

/// Two connections in opposite directions within this time were opened at once: a node with a
/// session does not dial, so the other was begun before it was there, and a dial and its handshake
/// take ten seconds each at most.
const SIMULTANEOUS: Span = Span::from_secs(20);

/// The newest connection of an identity takes the place of an older one this often at most.
const REPLACE_EVERY: Span = Span::from_secs(60);

/// How often an identity may come in, in a second and at once.
const ARRIVALS: NonZeroU32 = NonZeroU32::MIN;
const ARRIVALS_BURST: NonZeroU32 = NonZeroU32::new(5).expect("not zero");

/// Identities that are remembered.
const RECORDS_MAX: usize = 4_096;

/// The shell's name for a connection; never used twice.
pub type ConnectionId = u64;

/// What to do with a connection whose identity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the session of its identity.
    Keep,
    /// The same, in place of another, which is to be closed.
    Replace {
        /// The other.
        old: ConnectionId,
        /// Two programs may share one key: warn.
        clone: bool,
    },
    /// Close it.
    Refuse(SessionRefusal),
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRefusal {
    /// It is our own key.
    OwnKey,
    /// Both sides dialled at once, and the other connection stays.
    Simultaneous,
    /// The identity has a session, and replaced it not long ago.
    Clone,
    /// The identity comes too often; it may come again then.
    TooOften(Time),
}

/// Every session.
#[derive(Debug)]
pub struct Sessions {
    own: Key,
    open: BTreeMap<Key, Session>,
    records: Recent<Key, Record>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    connection: ConnectionId,
    outbound: bool,
    since: Time,
}

#[derive(Debug)]
struct Record {
    arrivals: EventLimit,
    replaced: Option<Time>,
}

impl Sessions {
    /// No session yet of a node with that key.
    #[must_use]
    pub const fn new(own: Key) -> Self {
        Self {
            own,
            open: BTreeMap::new(),
            records: Recent::new(RECORDS_MAX),
        }
    }

    /// The handshake of `connection` showed that `key` is at its other end. `outbound` if we
    /// dialled.
    pub fn arrive(
        &mut self,
        key: Key,
        connection: ConnectionId,
        outbound: bool,
        now: Time,
    ) -> Arrival {
        if key == self.own {
            return Arrival::Refuse(SessionRefusal::OwnKey);
        }
        let record = self.records.touch(key, now, || Record {
            arrivals: EventLimit::new(ARRIVALS, ARRIVALS_BURST),
            replaced: None,
        });
        if !outbound && let Err(at) = record.arrivals.check(now) {
            return Arrival::Refuse(SessionRefusal::TooOften(at));
        }
        let session = Session {
            connection,
            outbound,
            since: now,
        };
        let Some(old) = self.open.get(&key).copied() else {
            self.open.insert(key, session);
            return Arrival::Keep;
        };
        let at_once = old.outbound != outbound && now.since(old.since) < SIMULTANEOUS;
        if at_once {
            // The one that the smaller key dialled: both ends choose the same.
            let stays = outbound == (self.own < key);
            if !stays {
                return Arrival::Refuse(SessionRefusal::Simultaneous);
            }
        } else {
            let since = record.replaced.map(|replaced| now.since(replaced));
            if since.is_some_and(|since| since < REPLACE_EVERY) {
                return Arrival::Refuse(SessionRefusal::Clone);
            }
            record.replaced = Some(now);
        }
        self.open.insert(key, session);
        Arrival::Replace {
            old: old.connection,
            clone: !at_once,
        }
    }

    /// A connection has ended. True if it was the session of `key`, not one that was replaced.
    pub fn end(&mut self, key: &Key, connection: ConnectionId) -> bool {
        let open = self.open.get(key);
        let same = open.is_some_and(|session| session.connection == connection);
        if same {
            self.open.remove(key);
        }
        same
    }

    /// The session of an identity.
    #[must_use]
    pub fn of(&self, key: &Key) -> Option<ConnectionId> {
        self.open.get(key).map(|session| session.connection)
    }

    /// Sessions of identities that are no longer `allowed`: to be closed (register H16).
    pub fn revoked(&self, allowed: impl Fn(&Key) -> bool) -> Vec<(Key, ConnectionId)> {
        let sessions = self.open.iter().filter(|(key, _)| !allowed(key));
        sessions
            .map(|(key, session)| (*key, session.connection))
            .collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }
}

impl fmt::Display for SessionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnKey => write!(f, "our own key"),
            Self::Simultaneous => write!(f, "both sides dialled at once"),
            Self::Clone => write!(
                f,
                "another connection of the same key is newer than a minute"
            ),
            Self::TooOften(_) => write!(f, "the key comes too often"),
        }
    }
}

impl std::error::Error for SessionRefusal {}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Key = [1; 32];
    const LARGE: Key = [2; 32];

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    /// Register: H8.
    #[test]
    fn our_own_key_is_refused_whoever_dialled() {
        let mut sessions = Sessions::new(SMALL);
        for outbound in [false, true] {
            let own = sessions.arrive(SMALL, 1, outbound, at(0));
            assert_eq!(own, Arrival::Refuse(SessionRefusal::OwnKey));
        }
        assert_eq!(sessions.count(), 0);
    }

    /// Connection 1 is dialled by the smaller key, 2 by the larger. Each end may see them in
    /// either order, some seconds apart.
    ///
    /// Register: H9.
    #[test]
    fn both_ends_keep_the_same_connection_in_whatever_order_they_see_them() {
        for (small_first, large_first) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let mut kept = Vec::new();
            for (own, other, first) in [(SMALL, LARGE, small_first), (LARGE, SMALL, large_first)] {
                let mut sessions = Sessions::new(own);
                for (connection, secs) in [(first, 0), (3 - first, 9)] {
                    let outbound = (connection == 1) == (own == SMALL);
                    sessions.arrive(other, connection, outbound, at(secs));
                }
                assert_eq!(sessions.count(), 1);
                kept.push(sessions.of(&other).unwrap());
            }
            assert_eq!(kept, [1, 1]);
        }
    }

    /// A peer that died and comes back in the other direction is not held up by its ghost.
    ///
    /// Register: H9.
    #[test]
    fn an_old_session_in_the_other_direction_gives_way() {
        let mut sessions = Sessions::new(SMALL);
        assert_eq!(sessions.arrive(LARGE, 1, true, at(0)), Arrival::Keep);
        let again = sessions.arrive(LARGE, 2, false, at(20));
        let (old, clone) = (1, true);
        assert_eq!(again, Arrival::Replace { old, clone });
        assert!(!sessions.end(&LARGE, 1), "it is no session any more");
        assert!(sessions.end(&LARGE, 2));
        assert_eq!(sessions.of(&LARGE), None);
    }

    /// Two programs with one key take turns, a minute each.
    ///
    /// Register: H8.
    #[test]
    fn the_newest_of_two_clones_wins_at_most_once_a_minute() {
        let mut sessions = Sessions::new(SMALL);
        sessions.arrive(LARGE, 0, false, at(0));
        let mut replaced = Vec::new();
        for secs in 1..=200 {
            match sessions.arrive(LARGE, secs, false, at(secs)) {
                Arrival::Replace { clone: true, .. } => replaced.push(secs),
                Arrival::Refuse(SessionRefusal::Clone) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(replaced, [1, 61, 121, 181]);
        assert_eq!(sessions.count(), 1);
    }

    /// Register: C4.
    #[test]
    fn a_thousand_connections_of_one_key_are_one_session() {
        let mut sessions = Sessions::new(SMALL);
        let mut kept = 0;
        for connection in 0..1_000 {
            let arrival = sessions.arrive(LARGE, connection, false, at(0));
            kept += u32::from(!matches!(arrival, Arrival::Refuse(_)));
        }
        assert_eq!((kept, sessions.count()), (2, 1));
    }

    /// A hundred a second for a minute, each of which ends at once: the memory of it outlives
    /// the sessions.
    ///
    /// Register: C5, F8.
    #[test]
    fn a_storm_of_one_identity_is_let_in_once_a_second() {
        let mut sessions = Sessions::new(SMALL);
        let mut kept = 0;
        for tick in 0..6_000 {
            let now = Time::ZERO + Span::from_millis(10 * tick);
            match sessions.arrive(LARGE, tick, false, now) {
                Arrival::Keep => {
                    kept += 1;
                    assert!(sessions.end(&LARGE, tick));
                }
                Arrival::Refuse(SessionRefusal::TooOften(at)) => assert!(at > now),
                other => panic!("{other:?}"),
            }
        }
        assert!((60..=65).contains(&kept), "{kept}");
    }

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(SessionRefusal::OwnKey.to_string(), "our own key");
        let often = SessionRefusal::TooOften(at(1)).to_string();
        assert_eq!(often, "the key comes too often");
    }

    /// Register: H16.
    #[test]
    fn whoever_is_no_longer_allowed_is_named() {
        let mut sessions = Sessions::new([0; 32]);
        sessions.arrive(SMALL, 1, true, at(0));
        sessions.arrive(LARGE, 2, false, at(0));
        assert_eq!(sessions.revoked(|key| *key == SMALL), [(LARGE, 2)]);
    }
}
