//! Peer exchange: which addresses from other peers are believed, and which are passed on.
//!
//! Kept are addresses of identities on the allowlist only, at most a thousand, a quarter from one
//! sender, a tenth in one network (limit L10). Names are dropped, for a name may resolve to
//! anything, and so is every address that no outsider may direct this node to (register X2):
//! loopback, link-local with the metadata service, private networks, multicast, the node's own,
//! and low ports, unless their range is configured.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Key;
use super::address_range::Range;
use super::lru::Recent;
use super::source_prefix::NetworkPrefix;
use crate::message::Known;
use crate::time::{Span, Time};
use crate::wire::ADDRESSES_MAX;

/// Addresses from peer exchange, in all.
const TOLD_MAX: usize = 1_000;
/// From one sender: a quarter.
const SENDER_MAX: usize = TOLD_MAX / 4;
/// In one network: a tenth.
const NETWORK_MAX: usize = TOLD_MAX / 10;
/// The least time between two lists from a peer, and between two to it.
const EVERY: Span = Span::from_secs(60);
/// Ports below are not dialled, see X2.
const PORT_MIN: u16 = 1_024;
/// A sender is no longer believed after this many failed addresses, if fewer of its addresses
/// worked.
const FAILURES_MAX: u32 = 20;
/// Senders that are remembered.
const SENDERS_MAX: usize = 4_096;

/// A peer sent addresses twice within a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon;

/// What became of a message of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Those that are new, to be dialled.
    pub added: Vec<(Key, SocketAddr)>,
    /// How many are refused.
    pub refused: usize,
}

/// The table.
#[derive(Debug)]
pub struct Addresses {
    own_key: Key,
    own: BTreeSet<IpAddr>,
    allowed: Vec<Range>,
    keys: BTreeSet<Key>,
    entries: BTreeMap<(Key, SocketAddr), Entry>,
    senders: Recent<Key, Sender>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The peer that sent it; `None` if it is configured.
    sender: Option<Key>,
    since: Time,
    worked: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    told: Option<Time>,
    asked: Option<Time>,
    worked: u32,
    failed: u32,
}

impl fmt::Display for TooSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "addresses more often than once a minute")
    }
}

impl std::error::Error for TooSoon {}

impl Addresses {
    /// An empty table of a node with that key, which believes addresses in the ranges `allowed`
    /// whatever they are, and public ones.
    #[must_use]
    pub const fn new(own_key: Key, allowed: Vec<Range>) -> Self {
        Self {
            own_key,
            own: BTreeSet::new(),
            allowed,
            keys: BTreeSet::new(),
            entries: BTreeMap::new(),
            senders: Recent::new(SENDERS_MAX),
        }
    }

    /// The addresses of this machine.
    pub fn set_own(&mut self, own: impl IntoIterator<Item = IpAddr>) {
        self.own = own.into_iter().map(|ip| ip.to_canonical()).collect();
    }

    /// The allowlist, now or changed. What is known of others is forgotten.
    pub fn set_keys(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.keys = keys.into_iter().collect();
        let keys = &self.keys;
        self.entries.retain(|(key, _), _| keys.contains(key));
    }

    /// A list of addresses from the peer `sender`.
    ///
    /// # Errors
    ///
    /// [`TooSoon`] within a minute of its last list: nothing is learned.
    pub fn learn(&mut self, sender: Key, list: &[Known], now: Time) -> Result<Learned, TooSoon> {
        let memory = self.senders.touch(sender, now, Sender::default);
        if memory.told.is_some_and(|told| now.since(told) < EVERY) {
            return Err(TooSoon);
        }
        memory.told = Some(now);
        let believed = memory.failed < FAILURES_MAX || memory.failed < memory.worked;
        let mut learned = Learned::default();
        for known in list.iter().take(ADDRESSES_MAX) {
            match one_spelling(&known.address).filter(|_| believed) {
                Some(at) if self.entries.contains_key(&(known.key, at)) => {}
                Some(at) if self.add(sender, known.key, at, now) => {
                    learned.added.push((known.key, at));
                }
                _ => learned.refused += 1,
            }
        }
        Ok(learned)
    }

    /// A dial of `key` at `at` led to a session. What is not in the table was configured, and
    /// stays in it from now on.
    pub fn worked(&mut self, key: Key, at: SocketAddr, now: Time) {
        if !self.keys.contains(&key) {
            return;
        }
        let entry = self.entries.entry((key, at)).or_insert(Entry {
            sender: None,
            since: now,
            worked: None,
        });
        let first = entry.worked.replace(now).is_none();
        if let Some(sender) = entry.sender.filter(|_| first) {
            let memory = self.senders.touch(sender, now, Sender::default);
            memory.worked = memory.worked.saturating_add(1);
        }
    }

    /// A dial of `key` at `at` failed. It counts against the sender of the address (register X4);
    /// `forget` it once the dialler does.
    pub fn failed(&mut self, key: Key, at: SocketAddr, forget: bool, now: Time) {
        let Some(entry) = self.entries.get(&(key, at)) else {
            return;
        };
        let Some(sender) = entry.sender else {
            return;
        };
        if entry.worked.is_none() {
            let memory = self.senders.touch(sender, now, Sender::default);
            memory.failed = memory.failed.saturating_add(1);
        }
        if forget {
            self.entries.remove(&(key, at));
        }
    }

    /// What to tell `asker`: addresses that worked here, the latest ones, never its own. None if
    /// it asked within a minute.
    pub fn share(&mut self, asker: Key, now: Time) -> Option<Box<[Known]>> {
        let memory = self.senders.touch(asker, now, Sender::default);
        if memory.asked.is_some_and(|asked| now.since(asked) < EVERY) {
            return None;
        }
        memory.asked = Some(now);
        let entries = self.entries.iter();
        let mut good: Vec<(Time, Key, SocketAddr)> = entries
            .filter(|((key, _), _)| *key != asker)
            .filter_map(|((key, at), entry)| Some((entry.worked?, *key, *at)))
            .collect();
        good.sort_by_key(|&(worked, key, at)| (std::cmp::Reverse(worked), key, at));
        good.truncate(ADDRESSES_MAX);
        let mut known: Vec<Known> = good
            .into_iter()
            .map(|(_, key, at)| Known {
                key,
                address: at.to_string().into(),
            })
            .collect();
        known.sort();
        Some(known.into())
    }

    /// Whether `at` may be dialled if a peer sent it.
    #[must_use]
    pub(crate) fn may_be_dialled(&self, at: SocketAddr) -> bool {
        let ip = at.ip().to_canonical();
        if at.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
            return false;
        }
        let configured = self.allowed.iter().any(|range| range.contains(ip));
        configured || (at.port() >= PORT_MIN && is_public(ip) && !self.own.contains(&ip))
    }

    /// The number of addresses from peer exchange.
    #[must_use]
    pub fn told(&self) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.sender.is_some())
            .count()
    }

    fn add(&mut self, sender: Key, key: Key, at: SocketAddr, now: Time) -> bool {
        let network = NetworkPrefix::of(at.ip());
        if key == self.own_key
            || !self.keys.contains(&key)
            || !self.may_be_dialled(at)
            || self.count(|entry, _| entry.sender == Some(sender)) >= SENDER_MAX
            || self.count(|_, ip| NetworkPrefix::of(ip) == network) >= NETWORK_MAX
            || (self.told() >= TOLD_MAX && !self.make_room(sender))
        {
            return false;
        }
        let entry = Entry {
            sender: Some(sender),
            since: now,
            worked: None,
        };
        self.entries.insert((key, at), entry);
        true
    }

    /// Drops the oldest address of the sender with the most, if that is more than `sender` has.
    fn make_room(&mut self, sender: Key) -> bool {
        let mut told: BTreeMap<Key, usize> = BTreeMap::new();
        for key in self.entries.values().filter_map(|entry| entry.sender) {
            *told.entry(key).or_default() += 1;
        }
        let mine = told.get(&sender).copied().unwrap_or(0);
        let most = told.into_iter().max_by_key(|&(key, count)| (count, key));
        let Some((most, _)) = most.filter(|&(_, count)| count > mine) else {
            return false;
        };
        let theirs = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.sender == Some(most));
        let oldest = theirs.min_by_key(|(at, entry)| (entry.worked, entry.since, **at));
        let oldest = oldest.map(|(at, _)| *at);
        oldest.is_some_and(|at| self.entries.remove(&at).is_some())
    }

    /// Counts addresses from peer exchange that satisfy `such`.
    fn count(&self, such: impl Fn(&Entry, IpAddr) -> bool) -> usize {
        let told = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.sender.is_some());
        told.filter(|((_, at), entry)| such(entry, at.ip())).count()
    }
}

/// The address in `text` in its one spelling. A second spelling of the same address would replace
/// the known entry, and its failures would be charged to no sender.
fn one_spelling(text: &str) -> Option<SocketAddr> {
    let at: SocketAddr = text.parse().ok()?;
    // A zone or flow label would make many addresses of one.
    let plain = SocketAddr::new(at.ip(), at.port()) == at;
    plain.then(|| SocketAddr::new(at.ip().to_canonical(), at.port()))
}

/// Whether an address is public, by the registries for special purposes (RFC 6890 and its updates).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        // Shared by the customers of a provider (RFC 6598).
        || (a == 100 && b & 0xc0 == 64)
        // Protocol assignments (RFC 6890) and the old relay (RFC 7526).
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks (RFC 2544).
        || (a == 198 && b & 0xfe == 18)
        // Reserved, and broadcast.
        || a >= 240;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // Only 2000::/3 is given out; within it, what stands for other addresses is not: protocol
    // assignments with Teredo (2001::/23), 6to4 (2002::/16) and documentation (3fff::/20 too).
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8,
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests;
