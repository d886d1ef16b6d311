//! Calls that go out: whom to call, and the way to a handshake.
//!
//! Decides nothing: whose time it is, is the dialler's.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use fairhaul_core::door::dialer::Dial;
use fairhaul_core::wire::greeting::Hello;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Happening;
use super::arrivals::set_up;
use super::doors::{By, Greeted, Met};
use super::host::Host;
use crate::identity::PublicKey;
use crate::session;
use crate::transport::{DEADLINE, Endpoint, GreetError};

/// How long a host may take to answer the first packet of a call.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one address of a peer is waited for before the next is tried beside it (RFC 8305,
/// section 8: 250 ms).
const BESIDE: Duration = Duration::from_millis(250);

impl Host {
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
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let over = move |error| {
            Happening::Met(Box::new(Met {
                by: By::Us(key),
                remote: nowhere,
                local: None,
                result: Err(GreetError::Io(error)),
            }))
        };
        let news = happenings.clone();
        let calling = async move {
            let mut remote = nowhere;
            let mut local = None;
            let call = async {
                let late = |_| GreetError::Deadline(CONNECT);
                let found = timeout(CONNECT, look_up(&dial.address)).await;
                let found = found.map_err(late)??;
                // Where it is expected, also if nobody answers there.
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
            let _ = happenings.send(Happening::Met(Box::new(met))).await;
        };
        session::watched(calling, news, over);
    }

    /// A peer of the file can be called at `address`.
    pub(super) fn call_at(&mut self, key: PublicKey, address: &str) {
        let now = self.clock.now();
        self.doors.dialer.configure(*key.as_bytes(), address, now);
    }

    /// A key is no longer listed.
    pub(super) fn forget_key(&mut self, key: PublicKey) {
        self.doors.dialer.remove(key.as_bytes());
    }
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

/// Whether somebody else may be at that address, so that another is worth trying.
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
