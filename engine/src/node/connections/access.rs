//! The tables behind admission and dialling: peers, bans, trust, handshakes under way.
//!
//! The rules are those of `fairhaul_core::connections`. Handshakes read a copy of the tables while
//! the driver is busy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use fairhaul_core::connections::Key;
use fairhaul_core::connections::admission::{Admission, HandshakeId, Limits as Places};
use fairhaul_core::connections::descriptors::Shares;
use fairhaul_core::connections::source_prefix::Source;
use fairhaul_core::event_limit::EventLimit;
use fairhaul_core::id::PeerId;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Time;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::bans::BanList;
use super::calling::{Calling, way_out};
use super::guests::Guests;
use super::line;
use super::peers::Peers;
use super::trust::Trust;
use crate::content::ticket::ContentTicket;
use crate::identity::{Identity, PublicKey};
use crate::node::contents::state_writer::{Keeper, Then};
use crate::node::event::NodeEvent;
use crate::node::stats::notifier::Notifier;
use crate::params::{NodeParams, PeerParams};
use crate::transport::Endpoint;

/// Lines of the log about callers that are turned away, in a second and at once.
const COMPLAINTS: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::MIN, NonZeroU32::new(10).expect("not zero"));

/// The tables behind admission and dialling.
pub(crate) struct Access {
    pub(super) endpoint: Endpoint,
    listening: SocketAddr,
    pub(super) peers: Peers,
    pub(super) admission: Admission,
    /// How many handshakes callers have begun, which numbers them, and those under way.
    pub(super) handshakes: HandshakeId,
    pub(super) greeting: BTreeMap<HandshakeId, AbortHandle>,
    pub(super) guests: Arc<RwLock<Guests>>,
    /// Lines of the log about callers that are turned away.
    complaints: EventLimit,
    /// Wakes the task that accepts when there is room again.
    room: Arc<Notify>,
    pub(super) bans: BanList,
    pub(super) calling: Calling,
    pub(super) trust: Trust,
    pub(super) notifier: Notifier,
    pub(super) events: mpsc::Sender<NodeEvent>,
}

/// The node's own key, address and parameters, for its connections.
pub(crate) struct OwnEndpoint<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) listening: SocketAddr,
    pub(crate) params: &'a NodeParams,
    /// Whether keys that the file does not list are trusted when they first call.
    pub(crate) trust_first_use: bool,
    /// Descriptors, and bytes of a connection's buffers.
    pub(crate) shares: Shares,
    pub(crate) buffer: u64,
    pub(crate) rng: Rng,
}

impl Access {
    /// Tables without connections, with the bans and trusted keys of earlier runs.
    ///
    /// # Errors
    ///
    /// One line about a file of an earlier run that cannot be read, or about TLS.
    pub(super) fn new(
        own: &OwnEndpoint<'_>,
        keeper: &Arc<Keeper>,
        notifier: Notifier,
        events: mpsc::Sender<NodeEvent>,
        now: Time,
    ) -> Result<Self, AccessError> {
        let data: &Path = &own.params.data;
        let bans = BanList::read(data, Arc::clone(keeper), now).map_err(AccessError::State)?;
        let trust = Trust::read(data, own.trust_first_use, Arc::clone(keeper));
        let trust = trust.map_err(AccessError::State)?;
        let endpoint = Endpoint::new(own.identity);
        let endpoint = endpoint.map_err(|error| AccessError::Tls(error.to_string()))?;
        let endpoint = endpoint.with_buffers(own.buffer);
        let (name, params) = (&*own.params.name, own.params);
        let ranges = params.private_addresses.iter();
        let ranges = ranges.map(|range| range.get()).collect();
        let calling = Calling::new(
            endpoint.clone(),
            (name, own.listening),
            (params.exchange, ranges),
            &own.rng,
            events.clone(),
        );
        let places = Places {
            pending: own.shares.pending,
            pending_known: own.shares.pending / 4,
            sessions: own.shares.sessions,
            ..Places::default()
        };
        let guests = Guests::new(name, endpoint.public());
        Ok(Self {
            endpoint,
            listening: own.listening,
            peers: Peers::default(),
            admission: Admission::new(places),
            handshakes: 0,
            greeting: BTreeMap::new(),
            guests: Arc::new(RwLock::new(guests)),
            complaints: EventLimit::new(COMPLAINTS.0, COMPLAINTS.1),
            room: Arc::default(),
            bans,
            calling,
            trust,
            notifier,
            events,
        })
    }

    // ---- what is known

    /// The peers that were met.
    pub(crate) const fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The list of bans.
    pub(crate) const fn bans(&self) -> &BanList {
        &self.bans
    }

    /// The key of this node.
    pub(crate) fn public(&self) -> PublicKey {
        self.endpoint.public()
    }

    /// Where this node listens.
    pub(crate) const fn listening(&self) -> SocketAddr {
        self.listening
    }

    /// Where others reach this node, as far as it can tell.
    pub(crate) fn address(&self) -> String {
        if !self.listening.ip().is_unspecified() {
            return self.listening.to_string();
        }
        let ip = way_out().unwrap_or_else(|_| self.listening.ip());
        SocketAddr::new(ip, self.listening.port()).to_string()
    }

    /// Whether this node lets keys in by a line.
    pub(super) fn has_line(&self) -> bool {
        self.guests_mut().line.is_some()
    }

    pub(super) fn guests_mut(&self) -> RwLockWriteGuard<'_, Guests> {
        self.guests.write().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- places

    /// What wakes the task that accepts.
    pub(super) fn room(&self) -> Arc<Notify> {
        Arc::clone(&self.room)
    }

    /// Lets another caller be accepted if there is a place for it.
    pub(super) fn make_room(&self) {
        if self.admission.accepts() {
            self.room.notify_one();
        }
    }

    /// Refuses every new caller from now on.
    pub(super) fn stop(&self) {
        self.guests_mut().stopping = true;
    }

    /// Whether the log may have one more line about a refused caller. The rate is limited, so that
    /// a flood of callers is no flood of lines.
    pub(super) fn complains(&mut self, now: Time) -> bool {
        self.complaints.check(now).is_ok()
    }

    // ---- whom the parameter file lists

    /// A peer of the file, which may connect from now on once [`Access::allow`] is called.
    pub(crate) fn list(&mut self, params: PeerParams, now: Time) -> Option<PeerId> {
        let key = match PublicKey::from_bytes(params.key.bytes()) {
            Ok(key) => key,
            Err(error) => {
                warn!(peer = %params.name, %error, "the key is refused");
                return None;
            }
        };
        let peer = self.peers.meet(key, &params.name);
        let row = self.peers.at_mut(peer);
        row.name = params.name.to_string();
        row.address = params.address.as_ref().map(ToString::to_string);
        row.params = Some(params);
        row.allowed = true;
        match &row.address {
            Some(address) => self.calling.configure(*key.as_bytes(), address, now),
            None => self.calling.forget(key.as_bytes()),
        }
        Some(peer)
    }

    /// Peers that the file does not list any more may not connect. Which those are.
    pub(crate) fn unlist(&mut self, is_listed: impl Fn(&Key) -> bool) -> Vec<PeerId> {
        let gone = self.peers.iter().filter(|(_, row)| row.params.is_some());
        let gone = gone.filter(|(_, row)| !is_listed(row.key.as_bytes()));
        let gone: Vec<PeerId> = gone.map(|(peer, _)| peer).collect();
        for peer in &gone {
            let row = self.peers.at_mut(*peer);
            row.allowed = false;
            row.params = None;
            self.calling.forget(row.key.as_bytes());
        }
        gone
    }

    /// Takes over the addresses of a ticket. Whether any of its peers is known.
    pub(crate) fn introduce(&mut self, ticket: &ContentTicket, now: Time) -> bool {
        let mut known = false;
        for (key, address) in ticket.peers() {
            let found = PublicKey::from_bytes(*key).ok();
            let found = found.and_then(|key| self.peers.find(&key));
            let Some(peer) = found.filter(|peer| self.peers.at(*peer).allowed) else {
                continue;
            };
            known = true;
            let row = self.peers.at_mut(peer);
            if row.address.is_none() {
                row.address = Some(address.clone());
                self.calling.configure(*key, address, now);
            }
        }
        known
    }

    /// Peers are expected from the addresses of the parameter file; names are resolved when they
    /// are called.
    pub(crate) fn expect_listed(&mut self) {
        let sources = self.peers.iter().filter_map(|(_, row)| {
            let address: SocketAddr = row.params.as_ref()?.address.as_ref()?.parse().ok()?;
            Some(Source::of(address.ip()))
        });
        self.admission.set_listed(sources);
    }

    /// The set of admitted keys has changed.
    pub(crate) fn allow(&mut self, now: Time) {
        let listed = self.peers.iter().filter(|(_, row)| row.allowed);
        let keys: Vec<PublicKey> = listed.map(|(_, row)| row.key).collect();
        self.calling
            .set_keys(keys.iter().map(|key| *key.as_bytes()));
        let bans = &self.bans;
        let allowed = keys
            .into_iter()
            .map(|key| (key, bans.has(key.as_bytes(), now)));
        let allowed = allowed.collect();
        let first_use = self.trust.names(&self.peers);
        let revoked = self.peers.iter().filter(|(_, row)| !row.allowed);
        let revoked = revoked.map(|(_, row)| row.key).collect();
        let mut guests = self.guests_mut();
        guests.allowed = allowed;
        guests.first_use = first_use;
        guests.revoked = revoked;
    }

    // ---- bans

    /// A peer lied: it is banned for a day (L9). `then` tells it once the ban is durable, so that a
    /// crash loses no announced ban.
    pub(crate) fn ban(&mut self, peer: PeerId, why: Misbehaviour, then: Then, now: Time) {
        let key = *self.peers.at(peer).key.as_bytes();
        if self.bans.judge(key, why, now) {
            self.calling.forget(&key);
            self.allow(now);
        }
        self.bans.save(Some(then), now);
    }

    /// A person lifts the bans of these; `then` answers once that is durable.
    pub(crate) fn lift(&mut self, keys: &[Key], then: Then, now: Time) {
        for key in keys {
            self.bans.pardon(key);
        }
        self.let_in_again(keys, Some(then), now);
    }

    /// Lets those in again whose ban is over.
    pub(super) fn expire_bans(&mut self, now: Time) {
        let over = self.bans.expire(now);
        if !over.is_empty() {
            self.let_in_again(&over, None, now);
        }
    }

    /// These are banned no longer: they may come, and are called where they can be.
    fn let_in_again(&mut self, keys: &[Key], then: Option<Then>, now: Time) {
        self.bans.save(then, now);
        self.allow(now);
        for key in keys {
            let Ok(key) = PublicKey::from_bytes(*key) else {
                continue;
            };
            info!(%key, "no longer banned");
            let row = self.peers.find(&key).map(|peer| self.peers.at(peer));
            let row = row.filter(|row| row.allowed);
            if let Some(address) = row.and_then(|row| row.address.clone()) {
                self.calling.configure(*key.as_bytes(), &address, now);
            }
        }
    }

    /// This node lets receivers of a line in, if it is given one, and calls its sender.
    pub(crate) fn set_line(&self, line: Option<line::LineGuests>) {
        self.guests_mut().line = line;
    }
}

/// Why the tables cannot be made.
#[derive(Debug)]
pub(crate) enum AccessError {
    /// What an earlier run has written down cannot be read.
    State(String),
    /// There is no TLS with this key.
    Tls(String),
}
