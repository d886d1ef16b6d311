//! The doors of a node: who comes in, and whom it calls.
//!
//! Carries what `fairhaul_core::door` decides to sockets and back. Refuses by itself only what
//! has no key yet.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fairhaul_core::door::addresses::{Addresses, Range};
use fairhaul_core::door::admission::{Admission, Entry, Limits as Places};
use fairhaul_core::door::bans::{Bans, Saved};
use fairhaul_core::door::dialer::{Dial, Dialer};
use fairhaul_core::door::sessions::{Arrival, Sessions};
use fairhaul_core::door::source::Source;
use fairhaul_core::id::PeerId;
use fairhaul_core::message::{CloseCode, Known, Message};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::{Action, Input};
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Time;
use fairhaul_core::wire::CLOSE_TEXT_MAX;
use fairhaul_core::wire::greeting::{Hello, Refusal, RefusalCode, VERSION, Welcome};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::Happening;
use super::contents::replace;
use super::host::Host;
use super::peers::Link;
use crate::control::api::Reached;
use crate::identity::{Identity, PublicKey};
use crate::session::{self, Seat, Shared};
use crate::transport::{DEADLINE, Endpoint, GreetError, Secure};

/// Bytes that a socket may hold unsent: the queue is kept where the discipline orders it.
const UNSENT_MAX: u32 = 64 * 1024;
/// How long a host may take to answer the first packet of a call.
const CONNECT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed, for descriptors to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that stands at the doors.
pub(crate) struct Doors {
    endpoint: Endpoint,
    public: PublicKey,
    listening: SocketAddr,
    name: String,
    admission: Admission,
    pub(super) bans: Bans,
    sessions: Sessions,
    dialer: Dialer,
    addresses: Addresses,
    exchange: bool,
    /// Addresses at which dials are under way, for what was told of them.
    calling: BTreeMap<PublicKey, Option<SocketAddr>>,
    guests: Arc<RwLock<Guests>>,
    /// Wakes the task that accepts when there is room again.
    room: Arc<Notify>,
    bans_file: PathBuf,
}

/// What is known of keys while a handshake goes on.
#[derive(Debug, Default)]
struct Guests {
    /// By key: whether it is banned.
    allowed: BTreeMap<PublicKey, bool>,
    /// Whether keys that are not listed are trusted when they first call.
    first_use: bool,
    name: String,
    own: Option<PublicKey>,
    stopping: bool,
}

/// How a handshake ended.
pub(crate) struct Met {
    /// Who was called; none for a caller.
    called: Option<PublicKey>,
    remote: SocketAddr,
    result: Result<(Secure<TcpStream>, Box<str>), GreetError>,
}

impl Doors {
    pub(crate) fn new(
        identity: &Identity,
        listening: SocketAddr,
        (name, rng): (&str, &Rng),
        (exchange, ranges, connections): (bool, Vec<Range>, u32),
        bans_file: PathBuf,
        now: Time,
    ) -> Result<Self, String> {
        let public = identity.public();
        let key = *public.as_bytes();
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = descriptors.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let places = Places {
            sessions: connections as usize,
            ..Places::default()
        };
        let saved: Option<Saved> = fs::read(&bans_file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        let bans = saved.map_or_else(Bans::default, |saved| Bans::restore(saved, now));
        let guests = Guests {
            name: name.to_owned(),
            own: Some(public),
            ..Guests::default()
        };
        Ok(Self {
            endpoint: Endpoint::new(identity).map_err(|error| error.to_string())?,
            public,
            listening,
            name: name.to_owned(),
            admission: Admission::new(places.within(descriptors, crate::store::OPEN_MAX)),
            bans,
            sessions: Sessions::new(key),
            dialer: Dialer::new(rng),
            addresses: Addresses::new(key, ranges),
            exchange,
            calling: BTreeMap::new(),
            guests: Arc::new(RwLock::new(guests)),
            room: Arc::default(),
            bans_file,
        })
    }

    pub(crate) fn room(&self) -> Arc<Notify> {
        Arc::clone(&self.room)
    }

    pub(crate) const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn listening(&self) -> String {
        self.listening.to_string()
    }

    /// When somebody is to be dialled next.
    pub(crate) fn ready_at(&self) -> Option<Time> {
        self.dialer.ready_at()
    }

    /// Where others reach this node, as far as it can tell.
    pub(crate) fn address(&self) -> String {
        if !self.listening.ip().is_unspecified() {
            return self.listening.to_string();
        }
        // Connecting a datagram socket sends nothing; it names the address of the way out.
        let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        });
        let ip = own.map_or_else(|_| self.listening.ip(), |own| own.ip());
        SocketAddr::new(ip, self.listening.port()).to_string()
    }

    fn keep_bans(&self, now: Time) {
        let text = serde_json::to_vec(&self.bans.save(now)).expect("bans are plain values");
        if let Err(error) = replace(&self.bans_file, &text) {
            warn!(%error, "bans cannot be kept for the next run");
        }
    }

    /// Nobody new comes in.
    pub(super) fn stop(&self) {
        self.guests_mut().stopping = true;
    }

    fn guests_mut(&self) -> std::sync::RwLockWriteGuard<'_, Guests> {
        self.guests.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// What a caller with a proved key is told. Whether it is unknown or has no right is not
    /// said (H2).
    fn judge(&self, key: &PublicKey) -> Result<Welcome, Refusal> {
        let refuse = |code| Err(Refusal::new(code));
        if self.stopping {
            return refuse(RefusalCode::Stopping);
        }
        if self.own == Some(*key) {
            return refuse(RefusalCode::Yourself);
        }
        match self.allowed.get(key) {
            Some(false) => {}
            Some(true) => return refuse(RefusalCode::Banned),
            None if self.first_use => {}
            None => return refuse(RefusalCode::NotWelcome),
        }
        Ok(Welcome {
            version: VERSION,
            name: self.name.as_str().into(),
        })
    }
}

/// Accepts callers. After each the driver says whether there is room for another.
pub(super) async fn accept(
    listener: TcpListener,
    room: Arc<Notify>,
    happenings: mpsc::Sender<Happening>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if happenings
                    .send(Happening::Knock(stream, from))
                    .await
                    .is_err()
                {
                    return;
                }
                room.notified().await;
            }
            Err(error) => {
                debug!(%error, "accept");
                sleep(PAUSE).await;
            }
        }
    }
}

/// At most 128 bytes of `text`, at a boundary of characters.
pub(super) fn short(text: &str) -> Box<str> {
    let mut end = text.len().min(CLOSE_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

impl Host {
    /// Somebody called. Costs nothing until it is admitted.
    pub(super) fn knocked(&mut self, stream: TcpStream, remote: SocketAddr) {
        let now = self.clock.now();
        let source = Source::of(remote.ip());
        let banned = self.doors.bans.source_left(&source, now).is_some();
        let entry = self.doors.admission.knock(source, now);
        if banned {
            if entry == Entry::Admit {
                self.doors.admission.fail(source);
            }
            self.watch.metrics.refused("banned source");
        } else if let Entry::Refuse(refusal) = entry {
            debug!(%remote, ?refusal, "turned away");
            self.watch.metrics.refused("no room");
        } else {
            self.greet(stream, remote);
        }
        self.make_room();
    }

    fn make_room(&self) {
        if self.doors.admission.accepts() {
            self.doors.room.notify_one();
        }
    }

    fn greet(&self, stream: TcpStream, remote: SocketAddr) {
        self.watch.metrics.handshakes.inc();
        let endpoint = self.doors.endpoint.clone();
        let happenings = self.happenings.clone();
        let guests = Arc::clone(&self.doors.guests);
        tokio::spawn(async move {
            set_up(&stream);
            let judge = |key: &PublicKey, _: &Hello| {
                guests
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .judge(key)
            };
            let result = endpoint.welcome(stream, DEADLINE, judge).await;
            let met = Met {
                called: None,
                remote,
                result: result.map(|(secure, hello)| (secure, hello.name)),
            };
            let _ = happenings.send(Happening::Met(Box::new(met))).await;
        });
    }

    /// Calls those whose time it is.
    pub(super) fn dial(&mut self) {
        let now = self.clock.now();
        while let Some(dial) = self.doors.dialer.next(now) {
            let Ok(key) = PublicKey::from_bytes(dial.key) else {
                self.doors.dialer.remove(&dial.key);
                continue;
            };
            let told = dial.told.then(|| dial.address.parse().ok()).flatten();
            self.doors.calling.insert(key, told);
            self.call_peer(key, dial);
        }
    }

    fn call_peer(&self, key: PublicKey, dial: Dial) {
        let endpoint = self.doors.endpoint.clone();
        let happenings = self.happenings.clone();
        let hello = endpoint.hello(&self.doors.name, Some(self.doors.listening.port()));
        tokio::spawn(async move {
            let mut remote = SocketAddr::from(([0, 0, 0, 0], 0));
            let call = async {
                let late = |_| GreetError::Deadline(CONNECT);
                let stream = timeout(CONNECT, TcpStream::connect(&*dial.address)).await;
                let stream = stream.map_err(late)??;
                remote = stream.peer_addr()?;
                set_up(&stream);
                let (secure, welcome) = endpoint.call(stream, key, &hello, DEADLINE).await?;
                Ok((secure, welcome.name))
            };
            let result = call.await;
            let met = Met {
                called: Some(key),
                remote,
                result,
            };
            let _ = happenings.send(Happening::Met(Box::new(met))).await;
        });
    }

    /// A handshake is over.
    pub(super) fn met(&mut self, met: Met) {
        let Met {
            called,
            remote,
            result,
        } = met;
        let now = self.clock.now();
        let source = Source::of(remote.ip());
        let place = match (&called, &result) {
            (None, Ok(_)) => self.doors.admission.pass(source),
            (Some(_), Ok(_)) => self.doors.admission.join(source),
            (None, Err(_)) => {
                self.doors.admission.fail(source);
                Ok(())
            }
            (Some(_), Err(_)) => Ok(()),
        };
        let told = called
            .and_then(|key| self.doors.calling.remove(&key))
            .flatten();
        match result {
            Ok((secure, name)) if place.is_ok() => {
                if let Some(at) = told {
                    self.doors
                        .addresses
                        .worked(*secure.peer.as_bytes(), at, now);
                }
                self.arrived(called.is_some(), remote, secure, &name);
            }
            Ok((secure, _)) => {
                self.watch.metrics.refused("no room");
                if called.is_some() {
                    self.doors.dialer.failed(secure.peer.as_bytes(), now);
                }
            }
            Err(error) => self.unmet(called, remote, told, &error),
        }
        self.make_room();
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
                let first = row.trouble.is_none();
                row.trouble = Some(error.to_string());
                if first {
                    warn!(peer = %row.name, %error, "cannot be reached");
                }
            }
            return;
        }
        let word = match error {
            GreetError::Deadline(_) => "late",
            GreetError::Refuses { .. } => "not welcome",
            GreetError::FalseKey { .. } => "false key",
            GreetError::Bad(_) | GreetError::WrongPart => "bad greeting",
            _ => "handshake",
        };
        if let GreetError::FalseKey { proved, .. } = error {
            self.doors.bans.ban(*proved.as_bytes(), now);
            self.doors.keep_bans(now);
            self.allow();
        }
        self.watch
            .refused(remote.to_string(), word, error.to_string());
    }

    /// Somebody with a right to be here is here.
    fn arrived(
        &mut self,
        dialled: bool,
        remote: SocketAddr,
        secure: Secure<TcpStream>,
        name: &str,
    ) {
        let now = self.clock.now();
        let key = *secure.peer.as_bytes();
        let source = Source::of(remote.ip());
        let Some(id) = self.recognise(secure.peer, name, remote) else {
            self.doors.admission.leave(source);
            return;
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
                debug!(%remote, ?refusal, "refused");
                self.watch.metrics.refused("one session each");
                self.doors.admission.leave(source);
                return;
            }
        }
        self.doors.dialer.connected(&key, now);
        self.seat(id, serial, dialled, remote, secure);
    }

    /// The id of a caller: listed, or trusted from now on if that was asked for.
    fn recognise(&mut self, key: PublicKey, name: &str, remote: SocketAddr) -> Option<PeerId> {
        if let Some(id) = self.peers.find(&key) {
            return self.peers.at(id).allowed.then_some(id);
        }
        if !self.trust_first_use {
            return None;
        }
        let name = self.trust(key, name)?;
        info!(peer = %name, %key, %remote, "trusted on first use");
        self.allow();
        self.peers.find(&key)
    }

    /// A session begins.
    fn seat(
        &mut self,
        id: PeerId,
        serial: u64,
        dialled: bool,
        remote: SocketAddr,
        secure: Secure<TcpStream>,
    ) {
        let seat = Seat { peer: id, serial };
        let shared = Shared::new(Arc::clone(&self.pool), Arc::clone(&self.backlog));
        let shared = Arc::new(shared);
        let (outgoing, queue) = mpsc::unbounded_channel();
        let Secure { reader, writer, .. } = secure;
        let happenings = &self.happenings;
        let reading = session::read(reader, Arc::clone(&shared), seat, happenings.clone());
        let writing = session::write(writer, Arc::clone(&shared), seat, queue, happenings.clone());
        let reader = tokio::spawn(reading);
        tokio::spawn(writing);
        let since = self.clock.now();
        let row = self.peers.at_mut(id);
        row.trouble = None;
        row.joined.get_or_insert(since);
        row.link = Some(Link {
            serial,
            since,
            dialled,
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
        self.doors.admission.leave(Source::of(link.remote.ip()));
        self.peers.at_mut(peer).present += now.since(link.since).as_nanos();
        self.unoffer(peer);
        self.make_room();
    }

    /// A peer of the file can be called at `address`.
    pub(super) fn call_at(&mut self, key: PublicKey, address: &str) {
        let now = self.clock.now();
        self.doors.dialer.configure(*key.as_bytes(), address, now);
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
        let first_use = self.trust_first_use;
        let mut guests = self.doors.guests_mut();
        guests.allowed = allowed;
        guests.first_use = first_use;
    }

    /// A key is no longer listed.
    pub(super) fn forget_key(&mut self, key: PublicKey) {
        self.doors.dialer.remove(key.as_bytes());
    }

    /// A peer lied: it is not let in for a day (L9).
    pub(super) fn ban(&mut self, peer: PeerId, why: Misbehaviour) {
        let now = self.clock.now();
        let key = *self.peers.at(peer).key.as_bytes();
        if self.doors.bans.judge(key, why, now) {
            self.doors.dialer.remove(&key);
            self.doors.keep_bans(now);
            self.allow();
        }
    }

    /// A peer asks whom we know.
    pub(super) fn wants_addresses(&mut self, peer: PeerId) {
        let now = self.clock.now();
        if !self.doors.exchange {
            return;
        }
        let key = *self.peers.at(peer).key.as_bytes();
        let own = self.known_links(peer);
        for (key, at) in own {
            self.doors.addresses.worked(key, at, now);
        }
        if let Some(known) = self.doors.addresses.share(key, now)
            && !known.is_empty()
        {
            let message = Message::Addresses(known);
            self.later.push_back(Input::Say { peer, message });
        }
    }

    /// Where the peers that we dialled are, but for one.
    fn known_links(&self, but: PeerId) -> Vec<([u8; 32], SocketAddr)> {
        let dialled = self
            .peers
            .linked()
            .filter(|(id, link)| *id != but && link.dialled);
        let of = |(id, link): (PeerId, &Link)| (*self.peers.at(id).key.as_bytes(), link.remote);
        dialled.map(of).collect()
    }

    /// A peer says whom it knows.
    pub(super) fn told_addresses(&mut self, peer: PeerId, known: &[Known]) {
        let now = self.clock.now();
        if !self.doors.exchange {
            return;
        }
        let teller = *self.peers.at(peer).key.as_bytes();
        self.doors
            .addresses
            .set_own(own_addresses(self.doors.listening.ip()));
        match self.doors.addresses.learn(teller, known, now) {
            Ok(learned) => {
                for (key, at) in learned.added {
                    self.doors.dialer.told(key, at, now);
                }
            }
            Err(_) => self.later.push_back(Input::Skipped { peer }),
        }
    }

    /// Closes a peer for what only the shell can see.
    pub(super) fn blame(&mut self, peer: PeerId, why: Misbehaviour) {
        self.carry(Action::Close { peer, why });
        self.drain();
    }
}

fn own_addresses(listening: IpAddr) -> Vec<IpAddr> {
    let mut own = vec![listening];
    let socket = UdpSocket::bind("0.0.0.0:0");
    let out = socket.and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    own.extend(out.map(|out| out.ip()));
    own
}

/// What every connection has set.
fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A system that knows none of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}
