//! Whom to dial, and when.
//!
//! Decides for each identity that is not connected: configured ones are dialled for ever, ever
//! more rarely; addresses that others told are dialled rarely and forgotten after three failures
//! (limit L10). Refuses to be a flood: ten dials a second in all, and one a minute for each host
//! that others told of, under whatever names (register X3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;

use super::Key;
use super::source::Source;
use crate::event_limit::EventLimit;
use crate::rng::Rng;
use crate::time::{Span, Time};

/// Dials in a second, of everybody, and at once.
const DIALS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// The first wait after a failure; each one more doubles it.
const WAIT_MIN: Span = Span::from_secs(1);
/// The longest wait.
const WAIT_MAX: Span = Span::from_secs(60);

/// A session that ends sooner counts as a failure: who lets us in and throws us out is not
/// dialled each second.
const SESSION_MIN: Span = Span::from_secs(10);

/// A host that others told of is dialled this often at most.
const HOST_EVERY: Span = Span::from_secs(60);

/// Failures after which such an address is forgotten.
const FAILURES_MAX: u32 = 3;

/// Addresses of one identity.
const PLACES_MAX: usize = 4;

/// One dial to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Who must answer. The dial pins it.
    pub key: Key,
    /// Host and port, as configured or told.
    pub address: Box<str>,
    /// Whether others told of it: it must be a bare address then, with no name to resolve.
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
    /// When each host that others told of was dialled last.
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
    /// The host, if others told of it; none if it is configured.
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
    /// A dialer that knows nobody.
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

    /// Somebody told that `key` is at `address`. False if enough is known of it.
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

    /// When to ask [`Self::next`] again; none if nobody waits to be dialled.
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

    /// There is a session with `key`, whoever dialled: it is not dialled until that ends.
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
mod tests {
    use super::*;

    const KEY: Key = [7; 32];

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn dialer() -> Dialer {
        Dialer::new(&Rng::from_seed([1; 32]))
    }

    fn key(number: u32) -> Key {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        key
    }

    /// Every dial until `end`, each of which fails at once.
    fn dials(dialer: &mut Dialer, end: Time) -> Vec<(Time, Dial)> {
        let mut made = Vec::new();
        while let Some(now) = dialer.ready_at().filter(|now| *now <= end) {
            if let Some(dial) = dialer.next(now) {
                dialer.failed(&dial.key, now);
                made.push((now, dial));
            }
        }
        made
    }

    #[test]
    fn a_configured_peer_is_dialled_for_ever_and_ever_more_rarely() {
        let mut dialer = dialer();
        dialer.configure(KEY, "a.example:1", at(0));
        let made = dials(&mut dialer, at(3_600));
        let waits: Vec<f64> = made
            .windows(2)
            .map(|two| (two[1].0 - two[0].0).as_secs_f64())
            .collect();
        let mut longest: f64 = 1.0;
        for wait in &waits {
            assert!((longest / 2.0..=longest).contains(wait), "{waits:?}");
            longest = (longest * 2.0).min(60.0);
        }
        assert!((60..130).contains(&waits.len()), "{}", waits.len());
        assert!(
            waits[7..].iter().any(|wait| (wait - waits[8]).abs() > 1.0),
            "jitter"
        );
        assert!(made.iter().all(|(_, dial)| !dial.told));
    }

    #[test]
    fn a_session_starts_the_waits_anew() {
        let mut dialer = dialer();
        dialer.configure(KEY, "a.example:1", at(0));
        dials(&mut dialer, at(600));
        dialer.connected(&KEY, at(700));
        assert_eq!(dialer.ready_at(), None);
        assert_eq!(dialer.next(at(1_000)), None, "it is connected");
        dialer.disconnected(&KEY, at(1_000));
        let next = dialer.ready_at().unwrap();
        assert!(next > at(1_000) && next <= at(1_001), "{next}");
        // One that comes in while ours is on its way is as good.
        assert!(dialer.next(next).is_some());
        dialer.connected(&KEY, next);
        assert!(!dialer.failed(&KEY, next), "the session stays");
        assert_eq!(dialer.ready_at(), None);
    }

    /// A peer that dialled us is told of: there is no second connection to it.
    #[test]
    fn who_is_connected_is_not_dialled_on_somebodys_word() {
        let mut dialer = dialer();
        dialer.connected(&KEY, at(0));
        assert!(dialer.told(KEY, "45.0.0.1:2000".parse().unwrap(), at(1)));
        assert_eq!((dialer.ready_at(), dialer.next(at(9))), (None, None));
        dialer.disconnected(&KEY, at(20));
        let next = dialer.ready_at().unwrap();
        assert!(dialer.next(next).is_some());
    }

    /// Register: C5.
    #[test]
    fn whoever_lets_us_in_and_throws_us_out_is_dialled_ever_more_rarely() {
        let mut dialer = dialer();
        dialer.configure(KEY, "a.example:1", at(0));
        let mut made = 0;
        while let Some(now) = dialer.ready_at().filter(|now| *now <= at(3_600)) {
            assert!(dialer.next(now).is_some());
            dialer.connected(&KEY, now);
            dialer.disconnected(&KEY, now);
            made += 1;
        }
        assert!((60..130).contains(&made), "{made}");
    }

    /// A hundred identities, all told to be at different ports of one host.
    ///
    /// Register: X3.
    #[test]
    fn a_host_that_many_told_of_is_dialled_once_a_minute_whatever_its_names() {
        let mut dialer = dialer();
        for number in 0..100 {
            let address = format!("45.0.0.1:{}", 2_000 + number).parse().unwrap();
            assert!(dialer.told(key(number), address, at(0)));
        }
        let made = dials(&mut dialer, at(600));
        assert!(made.len() <= 11, "{}", made.len());
        for two in made.windows(2) {
            assert!(two[1].0 - two[0].0 >= HOST_EVERY);
        }
        assert!(made.iter().all(|(_, dial)| dial.told));
    }

    /// Register: X3, X1.
    #[test]
    fn what_others_told_is_forgotten_after_three_failures() {
        let mut dialer = dialer();
        dialer.told(KEY, "45.0.0.1:2000".parse().unwrap(), at(0));
        let made = dials(&mut dialer, at(100_000));
        assert_eq!(made.len(), 3);
        assert!(made[1].0 - made[0].0 >= HOST_EVERY);
        assert_eq!(dialer.count(), 0);
    }

    /// A thousand configured identities at once.
    ///
    /// Register: X3.
    #[test]
    fn there_are_ten_dials_a_second_in_all() {
        let mut dialer = dialer();
        for number in 0..1_000 {
            dialer.configure(key(number), "a.example:1", at(0));
        }
        let made = dials(&mut dialer, at(60));
        let within = |from: usize, span: Span| {
            let end = made[from].0 + span;
            made[from..].iter().take_while(|(at, _)| *at < end).count()
        };
        assert!(made.len() >= 600, "{}", made.len());
        assert!((0..made.len()).all(|from| within(from, Span::SECOND) <= 20));
        assert!(made.len() <= 10 + 600);
    }

    #[test]
    fn an_identity_with_several_addresses_is_tried_at_each_in_turn() {
        let mut dialer = dialer();
        dialer.configure(KEY, "a.example:1", at(0));
        for number in 1..=9 {
            let address = format!("45.0.{number}.1:2000").parse().unwrap();
            assert_eq!(dialer.told(KEY, address, at(0)), number < 4);
        }
        let made = dials(&mut dialer, at(20));
        let addresses: Vec<&str> = made.iter().map(|(_, dial)| &*dial.address).collect();
        let expected = [
            "a.example:1",
            "45.0.1.1:2000",
            "45.0.2.1:2000",
            "45.0.3.1:2000",
        ];
        assert_eq!(addresses[..4], expected);
        dialer.remove(&KEY);
        assert_eq!((dialer.count(), dialer.ready_at()), (0, None));
        assert!(!dialer.failed(&KEY, at(20)));
    }

    #[test]
    fn equal_seeds_dial_at_equal_times() {
        let run = || {
            let mut dialer = dialer();
            dialer.configure(KEY, "a.example:1", at(0));
            dials(&mut dialer, at(600))
        };
        assert_eq!(run(), run());
    }
}
