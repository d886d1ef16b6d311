//! Calls that go out: whom to call, and the way to a handshake.
//!
//! Decides nothing: whose time it is, is the dialler's.

use std::net::SocketAddr;
use std::time::Duration;

use fairhaul_core::door::dialer::Dial;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::Happening;
use super::arrivals::set_up;
use super::doors::{By, Met};
use super::host::Host;
use crate::identity::PublicKey;
use crate::session;
use crate::transport::{DEADLINE, GreetError};

/// How long a host may take to answer the first packet of a call.
const CONNECT: Duration = Duration::from_secs(10);

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
                let connect = async {
                    let found = lookup_host(&*dial.address).await?;
                    let found: Vec<SocketAddr> = found.collect();
                    // Where it is expected, also if nobody answers there.
                    remote = found.first().copied().unwrap_or(remote);
                    TcpStream::connect(&*found).await
                };
                let stream = timeout(CONNECT, connect).await.map_err(late)??;
                remote = stream.peer_addr()?;
                local = stream.local_addr().ok();
                set_up(&stream);
                let (secure, welcome) = endpoint.call(stream, key, &hello, DEADLINE).await?;
                Ok((secure, welcome.name))
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
