//! Arrivals: calls that come and handshakes, and who may come in at all.
//!
//! Carries what the doors decide to tasks and tables.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use fairhaul_core::door::admission::{Entry, HandshakeId};
use fairhaul_core::door::bans::Reason;
use fairhaul_core::door::source::Source;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::message::CloseCode;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::wire::greeting::{Hello, Refusal, RefusalCode};
use tokio::net::TcpStream;
use tracing::{debug, error, warn};

use super::Happening;
use super::doors::{By, Met, name_of};
use super::entering::{Arrived, turn_away};
use super::host::Host;
use super::keeper::Then;
use super::peers::Trouble;
use crate::identity::PublicKey;
use crate::session;
use crate::transport::{DEADLINE, GreetError, TransportError};

/// Bytes that a socket may hold unsent: the queue is kept where the discipline orders it.
const UNSENT_MAX: u32 = 64 * 1024;

impl Host {
    /// Somebody called. Costs nothing until it is admitted.
    pub(super) fn knocked(&mut self, stream: TcpStream, remote: SocketAddr) {
        let now = self.clock.now();
        self.doors.handshakes += 1;
        let id = self.doors.handshakes;
        match self.doors.admission.knock(id, Source::of(remote.ip()), now) {
            Entry::Refuse(refusal) => self.no_room(remote, &refusal.to_string()),
            Entry::Admit { instead_of } => {
                if let Some(other) = instead_of.and_then(|id| self.doors.greeting.remove(&id)) {
                    other.abort();
                    self.watch.metrics.refused("gave way");
                }
                self.greet(id, stream, remote);
            }
        }
        self.make_room();
    }

    /// Somebody is not let in because there is no place, which is said here and, once there is a
    /// stream, there.
    fn no_room(&mut self, remote: SocketAddr, why: &str) {
        if self.complains() {
            warn!(%remote, why, "turned away");
        }
        self.watch
            .refused(remote.to_string(), "no room", why.to_owned());
    }

    /// Whether one more line of the log about who is turned away is not one too many: a flood of
    /// callers is no flood of lines.
    pub(super) fn complains(&mut self) -> bool {
        let now = self.clock.now();
        self.doors.complaints.check(now).is_ok()
    }

    pub(super) fn make_room(&self) {
        if self.doors.admission.accepts() {
            self.doors.room.notify_one();
        }
    }

    fn greet(&mut self, id: HandshakeId, stream: TcpStream, remote: SocketAddr) {
        self.watch.metrics.handshakes.inc();
        let endpoint = self.doors.endpoint.clone();
        let happenings = self.happenings.clone();
        let guests = Arc::clone(&self.doors.guests);
        let over = move |error| {
            Happening::Met(Box::new(Met {
                by: By::Them(id),
                remote,
                local: None,
                result: Err(GreetError::Io(error)),
            }))
        };
        let news = happenings.clone();
        let greeting = async move {
            set_up(&stream);
            let local = stream.local_addr().ok();
            let judge = |key: &PublicKey, hello: &Hello| {
                guests
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .judge(key, &hello.name)
            };
            let result = endpoint.welcome(stream, DEADLINE, judge).await;
            let met = Met {
                by: By::Them(id),
                remote,
                local,
                result: result.map(|(secure, hello)| (secure, hello.name, hello.listen)),
            };
            let _ = happenings.send(Happening::Met(Box::new(met))).await;
        };
        let greeting = session::watched(greeting, news, over);
        self.doors.greeting.insert(id, greeting);
    }

    /// A handshake is over.
    pub(super) fn met(&mut self, met: Met) {
        let Met {
            by,
            remote,
            local,
            result,
        } = met;
        let now = self.clock.now();
        let source = Source::of(remote.ip());
        let listed = result
            .as_ref()
            .is_ok_and(|(secure, ..)| self.is_listed(&secure.peer));
        let admission = &mut self.doors.admission;
        let (place, called) = match by {
            By::Us(key) if result.is_ok() => (admission.join(source, listed, now), Some(key)),
            By::Us(key) => (Ok(()), Some(key)),
            By::Them(id) => {
                self.doors.greeting.remove(&id);
                let place = if result.is_ok() {
                    admission.pass(id, source, listed, now)
                } else {
                    admission.fail(id);
                    Ok(())
                };
                (place, None)
            }
        };
        let told = called
            .and_then(|key| self.doors.calling.remove(&key))
            .flatten();
        if called.is_some() && told.is_none() && !remote.ip().is_unspecified() {
            // Its name in the parameter file leads here: it may call from here as well.
            self.doors.admission.expect(source);
        }
        match (result, place) {
            (Ok((secure, name, port)), Ok(())) => {
                if let Some(at) = told {
                    self.doors
                        .addresses
                        .worked(*secure.peer.as_bytes(), at, now);
                }
                self.arrived(Arrived {
                    dialled: called.is_some(),
                    local,
                    remote,
                    listed,
                    secure,
                    name,
                    port,
                });
            }
            (Ok((secure, ..)), Err(refusal)) => {
                let why = refusal.to_string();
                self.no_room(remote, &why);
                if called.is_some() {
                    self.doors.dialer.failed(secure.peer.as_bytes(), now);
                }
                turn_away(secure, CloseCode::Overload, &why);
            }
            (Err(error), _) => self.unmet(called, remote, told, &error),
        }
        self.make_room();
    }

    /// Whether the parameter file lists a key.
    fn is_listed(&self, key: &PublicKey) -> bool {
        let found = self.peers.find(key);
        found.is_some_and(|peer| self.peers.at(peer).params.is_some())
    }

    /// A handshake failed.
    fn unmet(
        &mut self,
        called: Option<PublicKey>,
        remote: SocketAddr,
        told: Option<SocketAddr>,
        error: &GreetError,
    ) {
        let now = self.clock.now();
        debug!(%remote, %error, "no session");
        if let Some(key) = called {
            let forget = self.doors.dialer.failed(key.as_bytes(), now);
            if let Some(at) = told {
                self.doors
                    .addresses
                    .failed(*key.as_bytes(), at, forget, now);
            }
            if let Some(peer) = self.peers.find(&key) {
                let row = self.peers.at_mut(peer);
                let trouble = Trouble::of(error, &self.doors.public());
                let first = row.trouble.as_ref() != Some(&trouble);
                if first {
                    warn!(peer = %row.name, error = trouble.text, "cannot be reached");
                }
                row.trouble = Some(trouble);
            }
            return;
        }
        let word = match error {
            GreetError::Deadline(_) | GreetError::Transport(TransportError::Late(_)) => "late",
            GreetError::Refuses { refusal, .. } if refusal.code == RefusalCode::KeyChanged => {
                "key changed"
            }
            GreetError::Refuses { .. } => "not welcome",
            GreetError::FalseKey { .. } => "false key",
            GreetError::Bad(_) | GreetError::WrongPart => "bad greeting",
            _ => "handshake",
        };
        // A stranger has no right that a ban could take away.
        if let GreetError::FalseKey { proved, .. } = error
            && (self.trust_first_use || self.is_listed(proved))
        {
            let key = *proved.as_bytes();
            self.doors.bans.ban(key, Reason::FalseKey, now);
            self.keep_bans(None);
            self.allow();
        }
        if let GreetError::Refuses {
            peer,
            name,
            refusal,
        } = error
            && refusal.code == RefusalCode::KeyChanged
        {
            self.claimed(peer, name, refusal);
        }
        self.watch
            .refused(remote.to_string(), word, error.to_string());
    }

    /// Somebody came under the name of another.
    pub(super) fn claimed(&mut self, key: &PublicKey, name: &str, refusal: &Refusal) {
        let name = name_of(key, name);
        let keys = format!("{}, got {key}", refusal.text);
        error!(peer = %name, keys, "the key has changed; refused");
        if let Some(peer) = self.peers.named(&name) {
            let row = self.peers.at_mut(peer);
            row.trouble = Some(Trouble {
                standing: Standing::Claimed,
                text: format!("the key has changed: {keys}"),
            });
        }
    }

    /// Peers are expected from the addresses of the parameter file; names are resolved when they
    /// are called.
    pub(super) fn expect_listed(&mut self) {
        let sources = self.peers.iter().filter_map(|(_, row)| {
            let address: SocketAddr = row.params.as_ref()?.address.as_ref()?.parse().ok()?;
            Some(Source::of(address.ip()))
        });
        self.doors.admission.set_listed(sources);
    }

    /// Who may come in has changed.
    pub(super) fn allow(&mut self) {
        let now = self.clock.now();
        let listed = self.peers.iter().filter(|(_, row)| row.allowed);
        let keys: Vec<PublicKey> = listed.map(|(_, row)| row.key).collect();
        let bytes = keys.iter().map(|key| *key.as_bytes());
        self.doors.addresses.set_keys(bytes);
        let bans = &self.doors.bans;
        let allowed = keys.into_iter().map(|key| {
            let banned = bans.left(key.as_bytes(), now).is_some();
            (key, banned)
        });
        let allowed = allowed.collect();
        let first_use = self.trust_first_use.then(|| self.names());
        let revoked = self.peers.iter().filter(|(_, row)| !row.allowed);
        let revoked = revoked.map(|(_, row)| row.key).collect();
        let mut guests = self.doors.guests_mut();
        guests.allowed = allowed;
        guests.first_use = first_use;
        guests.revoked = revoked;
    }

    /// A peer lied: it is not let in for a day (L9). It hears so `then`, when that is durable: a
    /// crash loses no ban of which anybody was told.
    pub(super) fn ban(&mut self, peer: PeerId, why: Misbehaviour, then: Then) {
        let now = self.clock.now();
        let key = *self.peers.at(peer).key.as_bytes();
        if self.doors.bans.judge(key, why, now) {
            self.doors.dialer.remove(&key);
            self.allow();
        }
        self.keep_bans(Some(then));
    }

    /// Writes down who is banned, beside the driver.
    pub(super) fn keep_bans(&self, then: Option<Then>) {
        let text = self.doors.bans_text(self.clock.now());
        let file = self.doors.bans_file.clone();
        self.contents.write(file, text, then);
    }
}

/// What every connection has set.
pub(super) fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A system that knows none of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}
