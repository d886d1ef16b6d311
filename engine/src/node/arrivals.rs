//! Arrivals: calls that come, handshakes, and the sessions that come of them.
//!
//! Carries what the doors decide to tasks and tables.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use fairhaul_core::door::admission::{Entry, HandshakeId};
use fairhaul_core::door::bans::Reason;
use fairhaul_core::door::reach::Standing;
use fairhaul_core::door::sessions::{Arrival, Refusal as Doubled};
use fairhaul_core::door::source::Source;
use fairhaul_core::id::PeerId;
use fairhaul_core::message::{CloseCode, Message};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::{Action, Input};
use fairhaul_core::wire;
use fairhaul_core::wire::greeting::{Hello, Refusal, RefusalCode};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::Happening;
use super::doors::{By, Met, name_of, short};
use super::host::Host;
use super::peers::{Link, Trouble};
use crate::control::api::Reached;
use crate::identity::PublicKey;
use crate::session::{self, End, News, Seat, Shared};
use crate::transport::{DEADLINE, GreetError, Secure, TransportError};

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
    fn complains(&mut self) -> bool {
        let now = self.clock.now();
        self.doors.complaints.check(now).is_ok()
    }

    fn make_room(&self) {
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
                result: result.map(|(secure, hello)| (secure, hello.name)),
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
            .is_ok_and(|(secure, _)| self.is_listed(&secure.peer));
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
            (Ok((secure, name)), Ok(())) => {
                if let Some(at) = told {
                    self.doors
                        .addresses
                        .worked(*secure.peer.as_bytes(), at, now);
                }
                self.arrived(called.is_some(), (local, remote, listed), secure, &name);
            }
            (Ok((secure, _)), Err(refusal)) => {
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
            self.keep_bans();
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
    fn claimed(&mut self, key: &PublicKey, name: &str, refusal: &Refusal) {
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

    /// Somebody with a right to be here is here.
    fn arrived(
        &mut self,
        dialled: bool,
        (local, remote, listed): (Option<SocketAddr>, SocketAddr, bool),
        secure: Secure<TcpStream>,
        name: &str,
    ) {
        let now = self.clock.now();
        let key = *secure.peer.as_bytes();
        let source = Source::of(remote.ip());
        let id = match self.recognise(secure.peer, name, remote) {
            Ok(id) => id,
            Err(refusal) => {
                self.doors.admission.leave(source, listed);
                if refusal.code == RefusalCode::KeyChanged {
                    self.watch.metrics.refused("key changed");
                    self.claimed(&secure.peer, name, &refusal);
                }
                return turn_away(secure, CloseCode::Revoked, &refusal.text);
            }
        };
        let serial = self.peers.next_serial();
        match self.doors.sessions.arrive(key, serial, dialled, now) {
            Arrival::Keep => {}
            Arrival::Replace { clone, .. } => {
                if clone {
                    let name = &self.peers.at(id).name;
                    warn!(peer = %name, "a second connection; two nodes may have the same key");
                }
                self.part(id, CloseCode::Replaced, "a newer connection");
                self.drain();
            }
            Arrival::Refuse(refusal) => {
                self.doors.admission.leave(source, listed);
                return self.one_each(id, secure, &refusal);
            }
        }
        self.doors.dialer.connected(&key, now);
        self.seat(id, serial, dialled, (local, remote, listed), secure);
    }

    /// An identity has its session already, or comes too often. It hears which.
    fn one_each(&mut self, peer: PeerId, secure: Secure<TcpStream>, refusal: &Doubled) {
        self.watch.metrics.refused("one session each");
        // Of two connections made at once one goes, and both sides know which.
        if *refusal == Doubled::Simultaneous {
            return;
        }
        let wait = match refusal {
            Doubled::TooOften(at) => at.since(self.clock.now()).as_secs_f64().ceil(),
            _ => 0.0,
        };
        let mut why = refusal.to_string();
        if wait > 0.0 {
            why.push_str(&format!("; it may come again in {wait} s"));
        }
        if self.complains() {
            warn!(peer = %self.peers.at(peer).name, why, "turned away");
        }
        turn_away(secure, CloseCode::Overload, &why);
    }

    /// The id of a caller: listed, or trusted from now on if that was asked for.
    fn recognise(
        &mut self,
        key: PublicKey,
        name: &str,
        remote: SocketAddr,
    ) -> Result<PeerId, Refusal> {
        let not_welcome = || Refusal::new(RefusalCode::NotWelcome);
        if let Some(id) = self.peers.find(&key) {
            let allowed = self.peers.at(id).allowed.then_some(id);
            return allowed.ok_or_else(not_welcome);
        }
        if !self.trust_first_use {
            return Err(not_welcome());
        }
        let name = self.trust(key, name)?;
        info!(peer = %name, %key, %remote, "trusted on first use");
        self.allow();
        self.peers.find(&key).ok_or_else(not_welcome)
    }

    /// A session begins.
    fn seat(
        &mut self,
        id: PeerId,
        serial: u64,
        dialled: bool,
        (local, remote, listed): (Option<SocketAddr>, SocketAddr, bool),
        secure: Secure<TcpStream>,
    ) {
        let seat = Seat { peer: id, serial };
        let shared = Shared::new(id, Arc::clone(&self.pool), Arc::clone(&self.budget));
        let shared = Arc::new(shared);
        let (outgoing, queue) = mpsc::unbounded_channel();
        let Secure { reader, writer, .. } = secure;
        let happenings = &self.happenings;
        let reading = session::read(reader, Arc::clone(&shared), seat, happenings.clone());
        let writing = session::write(writer, Arc::clone(&shared), seat, queue, happenings.clone());
        let broken = move |error| Happening::Session(seat, News::Ended(End::Broken(error)));
        let reader = session::watched(reading, happenings.clone(), broken);
        session::watched(writing, happenings.clone(), broken);
        let since = self.clock.now();
        let row = self.peers.at_mut(id);
        row.trouble = None;
        row.joined.get_or_insert(since);
        row.link = Some(Link {
            serial,
            since,
            dialled,
            listed,
            local,
            remote,
            outgoing,
            shared,
            reader,
            names: BTreeMap::new(),
        });
        let name = row.name.clone();
        info!(peer = %name, %remote, dialled, "connected");
        let how = if dialled {
            Reached::Dialled
        } else {
            Reached::Accepted
        };
        self.watch.connected(name, how);
        self.tell(Input::Connected {
            peer: id,
            outbound: dialled,
        });
        if self.doors.exchange {
            let message = Message::WantAddresses;
            self.tell(Input::Say { peer: id, message });
        }
        self.push();
    }

    /// A session that was seated is over.
    pub(super) fn unseat(&mut self, peer: PeerId, link: &Link) {
        let now = self.clock.now();
        let key = *self.peers.at(peer).key.as_bytes();
        if self.doors.sessions.end(&key, link.serial) {
            self.doors.dialer.disconnected(&key, now);
        }
        let source = Source::of(link.remote.ip());
        self.doors.admission.leave(source, link.listed);
        self.peers.at_mut(peer).present += now.since(link.since).as_nanos();
        self.unoffer(peer);
        self.make_room();
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

    /// A peer lied: it is not let in for a day (L9).
    pub(super) fn ban(&mut self, peer: PeerId, why: Misbehaviour) {
        let now = self.clock.now();
        let key = *self.peers.at(peer).key.as_bytes();
        if self.doors.bans.judge(key, why, now) {
            self.doors.dialer.remove(&key);
            self.keep_bans();
            self.allow();
        }
    }

    /// Writes down who is banned, beside the driver.
    pub(super) fn keep_bans(&self) {
        let text = self.doors.bans_text(self.clock.now());
        self.contents.write(self.doors.bans_file.clone(), text);
    }

    /// Closes a peer for what only the shell can see.
    pub(super) fn blame(&mut self, peer: PeerId, why: Misbehaviour) {
        self.carry(Action::Close { peer, why });
        self.drain();
    }
}

/// Ends a session before it is one, with a word of why. The greeting had welcomed the caller: what
/// speaks against it came up since.
fn turn_away(secure: Secure<TcpStream>, code: CloseCode, why: &str) {
    let text = short(why);
    let close = Message::Close { code, text };
    let mut bytes = Vec::new();
    wire::encode(&close, &mut bytes);
    let mut writer = secure.writer;
    tokio::spawn(timeout(DEADLINE, async move {
        // Whether it is heard changes nothing.
        let _ = writer.write(&bytes).await;
        let _ = writer.close().await;
    }));
}

/// What every connection has set.
pub(super) fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A system that knows none of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}
