//! Dialling: which identity to dial at which address, and when.
//!
//! Configured peers are dialled for ever, at growing intervals; addresses from peer exchange are
//! dialled rarely and forgotten after three failures (limit L10). The rate is bounded: ten dials a
//! second in all, and one a minute for each host from peer exchange, whatever names it has
//! (register X3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;

use super::Key;
use super::source_prefix::Source;
use crate::event_limit::EventLimit;
use crate::rng::Rng;
use crate::time::{Span, Time};

/// Dials in a second, to all peers, and at once.
const DIALS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// The first wait after a failure; each one more doubles it.
const WAIT_MIN: Span = Span::from_secs(1);
/// The longest wait.
const WAIT_MAX: Span = Span::from_secs(60);

/// A session that ends sooner counts as a failure: a peer that accepts and closes at once is not
/// dialled each second.
const SESSION_MIN: Span = Span::from_secs(10);

/// The least time between two dials of a host from peer exchange.
const HOST_EVERY: Span = Span::from_secs(60);

/// Failures after which such an address is forgotten.
const FAILURES_MAX: u32 = 3;

/// Addresses of one identity.
const PLACES_MAX: usize = 4;

/// One dial to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The key that must answer: the dial pins it.
    pub key: Key,
    /// Host and port, as configured or from peer exchange.
    pub address: Box<str>,
    /// Whether it is from peer exchange: it must be a bare address then, with no name to resolve.
    pub told: bool,
}

/// Every identity that may be dialled.
#[derive(Debug)]
pub struct Dialer {
    rng: Rng,
    limit: EventLimit,
    /// No dial before this, for there were too many.
    paused: Time,
    targets: BTreeMap<Key, Target>,
    due: BTreeSet<(Time, Key)>,
    /// When each host from peer exchange was dialled last.
    hosts: BTreeMap<Source, Time>,
    /// Identities with a session, whether they are targets or not, and since when.
    open: BTreeMap<Key, Time>,
}

#[derive(Debug)]
struct Target {
    places: Vec<Place>,
    /// Which of them comes next.
    turn: usize,
    failures: u32,
    state: State,
}

#[derive(Debug)]
struct Place {
    address: Box<str>,
    /// The host, if it is from peer exchange; `None` if it is configured.
    host: Option<Source>,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Time),
    Dialling,
    Connected,
}

impl Dialer {
    /// A dialer without peers.
    #[must_use]
    pub fn new(rng: &Rng) -> Self {
        Self {
            rng: rng.fork("dial"),
            limit: EventLimit::new(DIALS, DIALS),
            paused: Time::ZERO,
            targets: BTreeMap::new(),
            due: BTreeSet::new(),
            hosts: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// `key` is to be dialled at `address` for ever, from `now` on.
    pub fn configure(&mut self, key: Key, address: &str, now: Time) {
        self.add(key, address.into(), None, now);
    }

    /// Peer exchange: `key` is at `address`. False if enough addresses of it are known.
    pub fn told(&mut self, key: Key, address: SocketAddr, now: Time) -> bool {
        let host = Source::of(address.ip());
        self.add(key, address.to_string().into(), Some(host), now)
    }

    /// `key` is dialled no more, wherever it is.
    pub fn remove(&mut self, key: &Key) {
        if let Some(target) = self.targets.remove(key)
            && let State::Waiting(at) = target.state
        {
            self.due.remove(&(at, *key));
        }
    }

    /// The next dial to make now. Say later [`Self::failed`] or [`Self::connected`].
    pub fn next(&mut self, now: Time) -> Option<Dial> {
        if now < self.paused {
            return None;
        }
        self.hosts.retain(|_, at| now.since(*at) < HOST_EVERY);
        while let Some(&(at, key)) = self.due.first().filter(|(at, _)| *at <= now) {
            let target = self.targets.get_mut(&key).expect("what is due is a target");
            let place = &target.places[target.turn];
            let last = place.host.and_then(|host| self.hosts.get(&host));
            if let Some(last) = last {
                let later = last.saturating_add(HOST_EVERY);
                target.turn = (target.turn + 1) % target.places.len();
                // Another place of the same identity may be free at once.
                let free = target.places.iter().any(|place| {
                    place
                        .host
                        .is_none_or(|host| !self.hosts.contains_key(&host))
                });
                if !free {
                    target.state = State::Waiting(later);
                    self.due.remove(&(at, key));
                    self.due.insert((later, key));
                }
                continue;
            }
            if let Err(later) = self.limit.check(now) {
                self.paused = later;
                return None;
            }
            if let Some(host) = place.host {
                self.hosts.insert(host, now);
            }
            target.state = State::Dialling;
            self.due.remove(&(at, key));
            return Some(Dial {
                key,
                address: place.address.clone(),
                told: place.host.is_some(),
            });
        }
        None
    }

    /// When to call [`Self::next`] again; `None` if no peer waits to be dialled.
    #[must_use]
    pub fn ready_at(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at.max(self.paused))
    }

    /// The dial of `key` failed, or its handshake did. True if the address is forgotten for it.
    pub fn failed(&mut self, key: &Key, now: Time) -> bool {
        let Some(target) = self.targets.get_mut(key) else {
            return false;
        };
        if target.state != State::Dialling {
            return false;
        }
        target.failures = target.failures.saturating_add(1);
        let place = &mut target.places[target.turn];
        place.failures = place.failures.saturating_add(1);
        let forgotten = place.host.is_some() && place.failures >= FAILURES_MAX;
        if forgotten {
            target.places.remove(target.turn);
        } else {
            target.turn += 1;
        }
        if target.places.is_empty() {
            self.targets.remove(key);
            return true;
        }
        target.turn %= target.places.len();
        let failures = target.failures;
        self.wait(*key, failures, now);
        forgotten
    }

    /// There is a session with `key`, in either direction: it is not dialled until that ends.
    pub fn connected(&mut self, key: &Key, now: Time) {
        self.open.insert(*key, now);
        let Some(target) = self.targets.get_mut(key) else {
            return;
        };
        match target.state {
            State::Waiting(at) => {
                self.due.remove(&(at, *key));
            }
            State::Dialling => target.places[target.turn].failures = 0,
            State::Connected => {}
        }
        target.state = State::Connected;
    }

    /// The session with `key` has ended. If it lasted, the waits begin anew.
    pub fn disconnected(&mut self, key: &Key, now: Time) {
        let since = self.open.remove(key);
        let Some((since, target)) = since.zip(self.targets.get_mut(key)) else {
            return;
        };
        let short = now.since(since) < SESSION_MIN;
        let before = if short { target.failures } else { 0 };
        target.failures = before.saturating_add(1);
        let failures = target.failures;
        self.wait(*key, failures, now);
    }

    /// How many identities it knows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.targets.len()
    }

    fn add(&mut self, key: Key, address: Box<str>, host: Option<Source>, now: Time) -> bool {
        let is_new = !self.targets.contains_key(&key);
        let connected = self.open.contains_key(&key);
        let target = self.targets.entry(key).or_insert_with(|| Target {
            places: Vec::new(),
            turn: 0,
            failures: 0,
            state: if connected {
                State::Connected
            } else {
                State::Waiting(now)
            },
        });
        let known = target
            .places
            .iter()
            .position(|place| place.address == address);
        if let Some(at) = known {
            if host.is_none() {
                target.places[at].host = None;
            }
            return false;
        }
        // What is configured is always kept.
        if host.is_some() && target.places.len() >= PLACES_MAX {
            return false;
        }
        target.places.push(Place {
            address,
            host,
            failures: 0,
        });
        if is_new && !connected {
            self.due.insert((now, key));
        }
        true
    }

    /// Dials `key` again after the wait that `failures` in a row ask for: at least a half of
    /// it, and the rest by chance, so that nodes that failed together do not dial together.
    fn wait(&mut self, key: Key, failures: u32, now: Time) {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = (WAIT_MIN.as_nanos() << doublings).min(WAIT_MAX.as_nanos());
        let half = whole / 2;
        let chance = self.rng.below(usize::try_from(half).unwrap_or(usize::MAX)) as u64;
        let at = now.saturating_add(Span::from_nanos(half + chance));
        if let Some(target) = self.targets.get_mut(&key) {
            target.state = State::Waiting(at);
            self.due.insert((at, key));
        }
    }
}

#[cfg(test)]
mod tests;
