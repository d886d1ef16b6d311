//! Banned identities, and how long each ban lasts (limit L9).
//!
//! An identity is banned for a day, and only for what no honest peer can do, see
//! [`Misbehaviour::is_lie`]. Addresses are never banned: other peers may share one, and a caller
//! without a key has nothing that a ban could take away.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::Key;
use super::lru::Recent;
use crate::misbehaviour::Misbehaviour;
use crate::time::{Span, Time};

/// How long an identity is banned that sent wrong bytes or broke the protocol.
pub const IDENTITY_BAN: Span = Span::from_secs(24 * 3_600);
/// Bans that are kept; the oldest goes.
pub(crate) const BANS_MAX: usize = 100_000;

/// What an identity is banned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It did what no honest peer does.
    Misbehaviour(Misbehaviour),
    /// It said that it was another key than the one that it proved.
    FalseKey,
    /// An earlier version, which kept no reasons, banned it.
    Unknown,
}

/// One banned identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The banned key.
    pub key: Key,
    /// Why.
    pub reason: Reason,
    /// How much longer.
    pub left: Span,
}

/// The list of bans.
#[derive(Debug)]
pub struct Bans {
    identities: Recent<Key, (Time, Reason)>,
}

/// The bans in a form that outlives a process: how much of each is left. The clock stands still
/// between two runs, so that a ban never ends early, whatever the wall clock says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedBans {
    /// Identities and what is left of their bans.
    pub identities: Vec<(Key, Span)>,
    /// What these were banned for; one that is not named was banned by an earlier version.
    #[serde(default)]
    pub reasons: Vec<(Key, Reason)>,
    /// Bans of addresses, from earlier versions; ignored.
    #[serde(default, skip_serializing)]
    sources: Former,
}

/// What is read and forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Former;

impl<'de> Deserialize<'de> for Former {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            identities: Recent::new(BANS_MAX),
        }
    }
}

impl Bans {
    /// What was saved, from `now` on. No ban is longer than a new one would be.
    #[must_use]
    pub fn restore(saved: SavedBans, now: Time) -> Self {
        let mut bans = Self::default();
        let mut identities = saved.identities;
        // Those with the least left are the oldest.
        identities.sort_by_key(|&(key, left)| (left, key));
        let reasons: BTreeMap<Key, Reason> = saved.reasons.into_iter().collect();
        for (key, left) in identities {
            let until = now.saturating_add(left.min(IDENTITY_BAN));
            let reason = reasons.get(&key).copied().unwrap_or(Reason::Unknown);
            *bans.identities.touch(key, now, || (until, reason)) = (until, reason);
        }
        bans
    }

    /// What is left of every ban.
    #[must_use]
    pub fn save(&self, now: Time) -> SavedBans {
        let identities = || self.list(now);
        SavedBans {
            identities: identities().map(|ban| (ban.key, ban.left)).collect(),
            reasons: identities().map(|ban| (ban.key, ban.reason)).collect(),
            sources: Former,
        }
    }

    /// `key` did something wrong. True if it is banned for it.
    pub fn judge(&mut self, key: Key, why: Misbehaviour, now: Time) -> bool {
        if why.is_lie() {
            self.ban(key, Reason::Misbehaviour(why), now);
        }
        why.is_lie()
    }

    /// Bans an identity from `now` on.
    pub fn ban(&mut self, key: Key, reason: Reason, now: Time) {
        let ban = (now.saturating_add(IDENTITY_BAN), reason);
        *self.identities.touch(key, now, || ban) = ban;
    }

    /// Every identity that is banned at `now`, in order of their keys.
    pub fn list(&self, now: Time) -> impl Iterator<Item = Ban> {
        let bans = self
            .identities
            .iter()
            .map(move |(key, (until, reason))| Ban {
                key: *key,
                reason: *reason,
                left: until.since(now),
            });
        bans.filter(|ban| ban.left > Span::ZERO)
    }

    /// The ban of an identity; none if it is welcome.
    #[must_use]
    pub fn of(&self, key: &Key, now: Time) -> Option<Ban> {
        let (until, reason) = *self.identities.get(key)?;
        (until > now).then(|| Ban {
            key: *key,
            reason,
            left: until.since(now),
        })
    }

    /// Removes expired bans and returns their keys: these may be admitted and dialled again.
    pub fn expire(&mut self, now: Time) -> Vec<Key> {
        self.identities.forget_while(|_, (until, _)| *until <= now)
    }

    /// Lifts the ban of an identity, if there was one.
    pub fn pardon(&mut self, key: &Key) -> bool {
        self.identities.remove(key).is_some()
    }

    /// What is left of an identity's ban; none if it is welcome.
    #[must_use]
    pub fn left(&self, key: &Key, now: Time) -> Option<Span> {
        self.of(key, now).map(|ban| ban.left)
    }

    /// How many there are, expired ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.identities.len()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misbehaviour(why) => why.fmt(f),
            Self::FalseKey => f.write_str("claimed another key than its own"),
            Self::Unknown => f.write_str("banned by an earlier version"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::de::Visitor;
    use serde::de::value::Error;

    use super::*;

    /// A value that notes whether it was read.
    struct Value<'a>(&'a Cell<bool>);

    impl<'de> Deserializer<'de> for Value<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.0.set(true);
            visitor.visit_unit()
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    /// Were it left where it is, the rest of the file could not be read.
    #[test]
    fn what_an_earlier_version_kept_of_addresses_is_passed_over() {
        let is_read = Cell::new(false);
        assert_eq!(Former::deserialize(Value(&is_read)), Ok(Former));
        assert!(is_read.get());
    }

    fn key(number: u32) -> Key {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    /// Register: D1, J14.
    #[test]
    fn a_lie_is_banned_for_a_day_and_nothing_else_is() {
        for why in Misbehaviour::ALL {
            let mut bans = Bans::default();
            assert_eq!(bans.judge(key(1), why, at(0)), why.is_lie(), "{why}");
            let day = 24 * 3_600;
            assert_eq!(bans.left(&key(1), at(day - 1)).is_some(), why.is_lie());
            assert_eq!(bans.left(&key(1), at(day)), None);
            assert_eq!(bans.left(&key(2), at(0)), None);
        }
    }

    #[test]
    fn a_ban_lasts_from_the_last_time_and_can_be_lifted() {
        let mut bans = Bans::default();
        bans.ban(key(1), Reason::FalseKey, at(0));
        bans.ban(key(1), Reason::FalseKey, at(300));
        let left = bans.left(&key(1), at(24 * 3_600 + 299));
        assert_eq!(left, Some(Span::SECOND));
        assert!(bans.pardon(&key(1)));
        assert!(!bans.pardon(&key(1)));
        assert_eq!(bans.left(&key(1), at(301)), None);
    }

    /// Register: J14.
    #[test]
    fn the_oldest_goes_when_the_table_is_full() {
        let mut bans = Bans::default();
        for number in 0..100_001 {
            bans.ban(key(number), Reason::FalseKey, at(1));
        }
        assert_eq!(bans.count(), BANS_MAX);
        assert!(bans.left(&key(0), at(1)).is_none());
        assert!(bans.left(&key(100_000), at(1)).is_some());
        // What is over makes room.
        assert_eq!(bans.expire(at(24 * 3_600 + 1)).len(), BANS_MAX);
        assert_eq!(bans.count(), 0);
    }

    /// A ban of a day, an hour of which is over, has 23 hours left in the next run, whose time
    /// starts at zero again.
    ///
    /// Register: J14, T1. Limit: L9.
    #[test]
    fn bans_outlive_the_process() {
        let mut bans = Bans::default();
        let lie = Reason::Misbehaviour(Misbehaviour::WrongHash);
        bans.ban(key(1), lie, at(0));
        bans.ban(key(2), Reason::FalseKey, at(3_000));
        let saved = bans.save(at(3_600));
        let again = Bans::restore(saved.clone(), at(0));
        assert_eq!(again.save(at(0)), saved);
        let reasons: Vec<Reason> = again.list(at(0)).map(|ban| ban.reason).collect();
        assert_eq!(reasons, [lie, Reason::FalseKey]);
        assert!(again.left(&key(1), at(23 * 3_600 - 1)).is_some());
        assert!(again.left(&key(1), at(23 * 3_600)).is_none());
    }

    /// An edited file cannot ban for ever.
    #[test]
    fn a_saved_ban_is_no_longer_than_a_new_one() {
        let saved = SavedBans {
            identities: vec![(key(1), Span::from_nanos(u64::MAX))],
            reasons: Vec::new(),
            ..SavedBans::default()
        };
        let bans = Bans::restore(saved, at(9));
        assert_eq!(bans.left(&key(1), at(9)), Some(IDENTITY_BAN));
        let reason = bans.of(&key(1), at(9)).map(|ban| ban.reason);
        assert_eq!(reason, Some(Reason::Unknown));
    }

    /// A key whose ban expires is returned once.
    #[test]
    fn a_ban_is_listed_with_its_reason_until_its_last_moment() {
        let mut bans = Bans::default();
        bans.judge(key(1), Misbehaviour::WrongHash, at(0));
        let day = 24 * 3_600;
        let reasons = |secs| -> Vec<String> {
            let listed = bans.list(at(secs));
            listed.map(|ban| ban.reason.to_string()).collect()
        };
        assert_eq!(reasons(day - 1), [Misbehaviour::WrongHash.to_string()]);
        assert!(reasons(day).is_empty());
        let said = Reason::FalseKey.to_string();
        assert_eq!(said, "claimed another key than its own");
    }

    #[test]
    fn a_ban_that_is_over_is_told_once() {
        let mut bans = Bans::default();
        for number in 0..3 {
            bans.ban(key(number), Reason::FalseKey, at(u64::from(number)));
        }
        let day = 24 * 3_600;
        assert!(bans.expire(at(day - 1)).is_empty());
        assert_eq!(bans.expire(at(day + 1)), [key(0), key(1)]);
        assert!(bans.expire(at(day + 1)).is_empty());
        assert_eq!(bans.list(at(day + 1)).count(), 1);
    }
}
