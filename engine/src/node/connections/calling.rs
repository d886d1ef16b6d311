//! Outgoing connections: which peers are due, at which addresses, up to the handshake.
//!
//! The core's dialer decides when each peer is dialled, and which addresses from peer exchange are
//! worth it.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use fairhaul_core::connections::Key;
use fairhaul_core::connections::address_range::Range;
use fairhaul_core::connections::addresses::Addresses;
use fairhaul_core::connections::dialer::{Dial, Dialer};
use fairhaul_core::message::Known;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Time;
use fairhaul_core::wire::handshake::Hello;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::accept::set_up;
use super::event::{By, ConnectionEvent, Greeted, Met};
use crate::identity::PublicKey;
use crate::node::event::NodeEvent;
use crate::session;
use crate::transport::{DEADLINE, Endpoint, GreetError};

/// How long a host may take to answer the first packet of a call.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one address of a peer is waited for before the next is tried beside it (RFC 8305,
/// section 8: 250 ms).
const BESIDE: Duration = Duration::from_millis(250);

/// The peers that this node dials, and their known addresses.
pub(super) struct Calling {
    endpoint: Endpoint,
    /// What this node calls itself, and where it listens.
    name: String,
    listening: SocketAddr,
    dialer: Dialer,
    addresses: Addresses,
    /// Whether peers exchange addresses.
    exchange: bool,
    /// Addresses at which dials are under way, for the record of their senders.
    under_way: BTreeMap<PublicKey, Option<SocketAddr>>,
    events: mpsc::Sender<NodeEvent>,
}

impl Calling {
    /// A dialler without peers.
    pub(super) fn new(
        endpoint: Endpoint,
        (name, listening): (&str, SocketAddr),
        (exchange, private): (bool, Vec<Range>),
        rng: &Rng,
        events: mpsc::Sender<NodeEvent>,
    ) -> Self {
        let key = *endpoint.public().as_bytes();
        Self {
            endpoint,
            name: name.to_owned(),
            listening,
            dialer: Dialer::new(rng),
            addresses: Addresses::new(key, private),
            exchange,
            under_way: BTreeMap::new(),
            events,
        }
    }

    /// When the next peer is due to be dialled.
    pub(super) fn ready_at(&self) -> Option<Time> {
        self.dialer.ready_at()
    }

    /// Calls those whose time it is.
    pub(super) fn dial(&mut self, now: Time) {
        while let Some(dial) = self.dialer.next(now) {
            let Ok(key) = PublicKey::from_bytes(dial.key) else {
                self.dialer.remove(&dial.key);
                continue;
            };
            let told = dial.told.then(|| dial.address.parse().ok()).flatten();
            self.under_way.insert(key, told);
            self.call(key, dial);
        }
    }

    fn call(&self, key: PublicKey, dial: Dial) {
        let endpoint = self.endpoint.clone();
        let events = self.events.clone();
        let hello = endpoint.hello(&self.name, Some(self.listening.port()));
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let over = move |error| {
            let met = Met::broken(By::Us(key), nowhere, error);
            ConnectionEvent::Met(Box::new(met)).into()
        };
        let news = events.clone();
        let calling = async move {
            let mut remote = nowhere;
            let mut local = None;
            let call = async {
                let late = |_| GreetError::Deadline(CONNECT);
                let found = timeout(CONNECT, look_up(&dial.address)).await;
                let found = found.map_err(late)??;
                // The address that later messages name, also if no connection comes about.
                remote = found.first().copied().unwrap_or(remote);
                let mut streams = Streams::of(found);
                loop {
                    let stream = streams.next().await?;
                    remote = stream.peer_addr()?;
                    local = stream.local_addr().ok();
                    match greet(&endpoint, stream, key, &hello).await {
                        Err(error) if streams.are_left() && is_elsewhere(&error) => {
                            streams.failed = error;
                        }
                        result => return result,
                    }
                }
            };
            let result = call.await;
            let met = Met {
                by: By::Us(key),
                remote,
                local,
                result,
            };
            let _ = events
                .send(ConnectionEvent::Met(Box::new(met)).into())
                .await;
        };
        session::watched(calling, news, over);
    }

    /// A peer can be called at `address`.
    pub(super) fn configure(&mut self, key: Key, address: &str, now: Time) {
        self.dialer.configure(key, address, now);
    }

    /// A peer is to be called no more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.dialer.remove(key);
    }

    /// These may connect: what peers tell of others is of no use.
    pub(super) fn set_keys(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.addresses.set_keys(keys);
    }

    // ---- how calls went

    /// A call is over. The address of another peer's telling at which it was made, if it was.
    pub(super) fn is_over(&mut self, key: &PublicKey) -> Option<SocketAddr> {
        self.under_way.remove(key).flatten()
    }

    /// A call came to nothing.
    pub(super) fn failed(&mut self, key: &Key, told: Option<SocketAddr>, now: Time) {
        let forget = self.dialer.failed(key, now);
        if let Some(at) = told {
            self.addresses.failed(*key, at, forget, now);
        }
    }

    /// A peer was reached there.
    pub(super) fn worked(&mut self, key: Key, at: SocketAddr, now: Time) {
        self.addresses.worked(key, at, now);
    }

    /// A peer has a session.
    pub(super) fn connected(&mut self, key: &Key, now: Time) {
        self.dialer.connected(key, now);
    }

    /// A peer has no session any more.
    pub(super) fn disconnected(&mut self, key: &Key, now: Time) {
        self.dialer.disconnected(key, now);
    }

    // ---- address exchange

    /// Whether peers exchange addresses.
    pub(super) const fn exchanges(&self) -> bool {
        self.exchange
    }

    /// Addresses for a peer that asks for some; `None` if it asks too often.
    pub(super) fn share(&mut self, asker: Key, now: Time) -> Option<Box<[Known]>> {
        let known = self.addresses.share(asker, now)?;
        Some(known).filter(|known| !known.is_empty())
    }

    /// Takes a list of addresses from a peer. False if its last one was too recent.
    pub(super) fn learn(&mut self, sender: Key, known: &[Known], now: Time) -> bool {
        self.addresses.set_own(own_addresses(self.listening.ip()));
        let Ok(learned) = self.addresses.learn(sender, known, now) else {
            return false;
        };
        for (key, at) in learned.added {
            self.dialer.told(key, at, now);
        }
        true
    }
}

/// The address of the way out. Connecting a datagram socket sends nothing.
pub(super) fn way_out() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect("192.0.2.1:9")?;
    Ok(socket.local_addr()?.ip())
}

fn own_addresses(listening: IpAddr) -> Vec<IpAddr> {
    std::iter::once(listening).chain(way_out()).collect()
}

/// Where a peer may be: its addresses, separated by commas. One that cannot be found is left out
/// if another can.
async fn look_up(addresses: &str) -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    let mut failed = None;
    for address in addresses.split(',') {
        match lookup_host(address).await {
            Ok(more) => found.extend(more),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

async fn greet(
    endpoint: &Endpoint,
    stream: TcpStream,
    key: PublicKey,
    hello: &Hello,
) -> Result<Greeted, GreetError> {
    set_up(&stream);
    let (secure, welcome) = endpoint.call(stream, key, hello, DEADLINE).await?;
    Ok((secure, welcome.name, None))
}

/// Whether the error leaves room for the peer being at another address.
const fn is_elsewhere(error: &GreetError) -> bool {
    !matches!(error, GreetError::Refused(_))
}

/// Connections to the addresses of one peer, as they are made: the next address is tried as soon
/// as one has failed, or beside one that has not answered for a moment.
struct Streams {
    /// Those that are still to be tried, the next one last.
    rest: Vec<SocketAddr>,
    tries: JoinSet<io::Result<TcpStream>>,
    /// Why the last one came to nothing.
    failed: GreetError,
}

impl Streams {
    fn of(mut found: Vec<SocketAddr>) -> Self {
        found.reverse();
        Self {
            rest: found,
            tries: JoinSet::new(),
            failed: GreetError::Io(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    fn are_left(&self) -> bool {
        !self.rest.is_empty() || !self.tries.is_empty()
    }

    /// The next that is made; if none is, why the last one was not.
    async fn next(&mut self) -> Result<TcpStream, GreetError> {
        loop {
            if let Some(at) = self.rest.pop() {
                self.tries.spawn(async move {
                    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
                    let connect = TcpStream::connect(at);
                    timeout(CONNECT, connect).await.map_err(late)?
                });
            }
            let made = self.tries.join_next();
            let made = match self.rest.is_empty() {
                true => made.await,
                // The next address is tried beside this one.
                false => match timeout(BESIDE, made).await {
                    Ok(made) => made,
                    Err(_) => continue,
                },
            };
            match made {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => self.failed = error.into(),
                Some(Err(ended)) => self.failed = io::Error::other(ended).into(),
                None => {
                    let nowhere = GreetError::Io(io::ErrorKind::AddrNotAvailable.into());
                    return Err(mem::replace(&mut self.failed, nowhere));
                }
            }
        }
    }
}
