//! The doors of a node: who comes in, and whom it calls.
//!
//! Carries what `fairhaul_core::door` decides to sockets and back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fairhaul_core::id::PeerId;
use fairhaul_core::message::{CloseCode, Known};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tracing::{debug, info};

use super::Happening;
use super::host::Host;
use super::peers::Link;
use crate::control::api::Reached;
use crate::identity::{Identity, PublicKey};
use crate::session::{self, Seat, Shared};
use crate::transport::{Endpoint, Secure};

/// Handshakes at the same time (limit L2).
const PENDING_MAX: usize = 64;
/// From the first byte to the end of the greeting (limit L2).
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes that a socket may hold unsent: the queue is kept where the discipline orders it.
const UNSENT_MAX: u32 = 64 * 1024;

pub(crate) struct Doors {
    endpoint: Endpoint,
    public: PublicKey,
    listening: SocketAddr,
    pending: Arc<Semaphore>,
    allowed: Arc<RwLock<BTreeSet<PublicKey>>>,
    calling: BTreeSet<PeerId>,
    next_call: BTreeMap<PeerId, Time>,
}

/// How a handshake ended.
pub(crate) struct Met {
    pub(super) peer: Option<PeerId>,
    pub(super) remote: SocketAddr,
    pub(super) result: Result<Secure<TcpStream>, String>,
}

impl Doors {
    pub(crate) fn new(identity: &Identity, listening: SocketAddr) -> Result<Self, String> {
        Ok(Self {
            endpoint: Endpoint::new(identity).map_err(|error| error.to_string())?,
            public: identity.public(),
            listening,
            pending: Arc::new(Semaphore::new(PENDING_MAX)),
            allowed: Arc::default(),
            calling: BTreeSet::new(),
            next_call: BTreeMap::new(),
        })
    }

    pub(crate) fn pending(&self) -> Arc<Semaphore> {
        Arc::clone(&self.pending)
    }

    pub(crate) const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn listening(&self) -> String {
        self.listening.to_string()
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
}

/// Accepts callers, as long as there is room for their handshakes.
pub(super) async fn accept(
    listener: TcpListener,
    pending: Arc<Semaphore>,
    happenings: mpsc::Sender<Happening>,
) {
    loop {
        let Ok(permit) = Arc::clone(&pending).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, from)) => {
                let knock = Happening::Knock(stream, from, permit);
                if happenings.send(knock).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                debug!(%error, "accept");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// At most 128 bytes of `text`, at a boundary of characters.
pub(super) fn short(text: &str) -> Box<str> {
    let mut end = text.len().min(fairhaul_core::wire::CLOSE_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

impl Host {
    pub(super) fn knocked(
        &mut self,
        stream: TcpStream,
        remote: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        self.watch.metrics.handshakes.inc();
        let endpoint = self.doors.endpoint.clone();
        let happenings = self.happenings.clone();
        let allowed = Arc::clone(&self.doors.allowed);
        tokio::spawn(async move {
            set_up(&stream);
            let result = match tokio::time::timeout(HANDSHAKE, endpoint.accept(stream)).await {
                Ok(Ok(secure)) => {
                    let is_known = allowed
                        .read()
                        .unwrap_or_else(PoisonError::into_inner)
                        .contains(&secure.peer);
                    if is_known {
                        Ok(secure)
                    } else {
                        Err(format!("{} is not known", secure.peer))
                    }
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no handshake in 10 s".to_owned()),
            };
            drop(permit);
            let met = Met {
                peer: None,
                remote,
                result,
            };
            let _ = happenings.send(Happening::Met(Box::new(met))).await;
        });
    }

    /// Calls the peers whose time it is.
    pub(super) fn dial(&mut self) {
        let now = self.clock.now();
        let due: Vec<(PeerId, String, PublicKey)> = self
            .peers
            .iter()
            .filter(|(id, row)| {
                row.allowed && row.link.is_none() && !self.doors.calling.contains(id)
            })
            .filter(|(id, _)| self.doors.next_call.get(id).is_none_or(|at| *at <= now))
            .filter_map(|(id, row)| Some((id, row.address.clone()?, row.key)))
            .collect();
        for (peer, address, key) in due {
            self.doors.calling.insert(peer);
            let endpoint = self.doors.endpoint.clone();
            let happenings = self.happenings.clone();
            tokio::spawn(async move {
                let call = async {
                    let stream = TcpStream::connect(&address)
                        .await
                        .map_err(|error| error.to_string())?;
                    let remote = stream.peer_addr().map_err(|error| error.to_string())?;
                    set_up(&stream);
                    let secure = endpoint
                        .dial(stream, key)
                        .await
                        .map_err(|error| error.to_string())?;
                    Ok((remote, secure))
                };
                let result = tokio::time::timeout(HANDSHAKE, call).await;
                let result: Result<_, String> =
                    result.unwrap_or_else(|_| Err("no answer in 10 s".to_owned()));
                let remote = result
                    .as_ref()
                    .map_or(([0, 0, 0, 0], 0).into(), |(remote, _)| *remote);
                let met = Met {
                    peer: Some(peer),
                    remote,
                    result: result.map(|(_, secure)| secure),
                };
                let _ = happenings.send(Happening::Met(Box::new(met))).await;
            });
        }
    }

    pub(super) fn met(&mut self, met: Met) {
        let Met {
            peer,
            remote,
            result,
        } = met;
        if let Some(peer) = peer {
            self.doors.calling.remove(&peer);
            self.doors
                .next_call
                .insert(peer, self.clock.now() + Span::from_secs(1));
        }
        let secure = match result {
            Ok(secure) => secure,
            Err(why) => {
                debug!(%remote, why, "no session");
                if let Some(peer) = peer {
                    self.peers.at_mut(peer).trouble = Some(why);
                } else {
                    self.watch.refused(remote.to_string(), "handshake", why);
                }
                return;
            }
        };
        let Some(id) = self.peers.find(&secure.peer) else {
            return;
        };
        let dialled = peer.is_some();
        if self.peers.link(id).is_some() {
            // Both called at once: the call of the smaller key stays, on both sides.
            let ours_stays = self.doors.public < secure.peer;
            if ours_stays != dialled {
                return;
            }
            self.part(id, CloseCode::Replaced, "a newer connection");
            self.drain();
        }
        self.seat(id, dialled, remote, secure);
    }

    /// A session begins.
    fn seat(&mut self, id: PeerId, dialled: bool, remote: SocketAddr, secure: Secure<TcpStream>) {
        let serial = self.peers.next_serial();
        let seat = Seat { peer: id, serial };
        let shared = Arc::new(Shared::new(
            Arc::clone(&self.pool),
            Arc::clone(&self.backlog),
        ));
        let (outgoing, queue) = mpsc::unbounded_channel();
        let Secure { reader, writer, .. } = secure;
        let reading = session::read(reader, Arc::clone(&shared), seat, self.happenings.clone());
        let writing = session::write(
            writer,
            Arc::clone(&shared),
            seat,
            queue,
            self.happenings.clone(),
        );
        let reader = tokio::spawn(reading);
        tokio::spawn(writing);
        let since = self.clock.now();
        let row = self.peers.at_mut(id);
        row.trouble = None;
        row.link = Some(Link {
            serial,
            since,
            dialled,
            remote: remote.to_string(),
            outgoing,
            shared,
            reader,
            names: BTreeMap::new(),
        });
        let name = row.name.clone();
        info!(peer = %name, %remote, dialled, "connected");
        self.watch.connected(
            name,
            if dialled {
                Reached::Dialled
            } else {
                Reached::Accepted
            },
        );
        self.tell(Input::Connected {
            peer: id,
            outbound: dialled,
        });
        self.push();
    }

    pub(super) fn doors_closed(&mut self, peer: PeerId) {
        let at = self.clock.now() + Span::from_secs(1);
        self.doors.next_call.insert(peer, at);
        self.unoffer(peer);
    }

    pub(super) fn doors_wanted(&mut self, peer: PeerId) {
        self.doors.next_call.remove(&peer);
        self.dial();
    }

    pub(super) fn allow(&mut self) {
        let keys = self
            .peers
            .iter()
            .filter(|(_, row)| row.allowed)
            .map(|(_, row)| row.key);
        let keys: BTreeSet<PublicKey> = keys.collect();
        *self
            .doors
            .allowed
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(super) fn ban(&mut self, _peer: PeerId, _why: Misbehaviour) {}

    pub(super) fn wants_addresses(&mut self, _peer: PeerId) {}

    pub(super) fn told_addresses(&mut self, _peer: PeerId, _known: &[Known]) {}
}

/// What every connection has set.
fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    // A system that knows none of these serves all the same.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}
