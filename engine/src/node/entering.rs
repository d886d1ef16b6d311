//! Entering: whoever has proved its key gets its session, or is turned away with a word.
//!
//! Carries what the doors decide to tasks and tables.

use std::net::SocketAddr;
use std::sync::Arc;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::door::sessions::{Arrival, Refusal as Doubled};
use fairhaul_core::door::source::Source;
use fairhaul_core::id::PeerId;
use fairhaul_core::library;
use fairhaul_core::message::{CloseCode, Message};
use fairhaul_core::node::Input;
use fairhaul_core::wire;
use fairhaul_core::wire::greeting::{Refusal, RefusalCode};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{info, warn};

use super::doors::short;
use super::host::Host;
use super::peers::Link;
use crate::control::api::Reached;
use crate::session::{self, End, News, Seat, Shared, Told};
use crate::transport::{DEADLINE, Secure};

/// A caller whose handshake is over, or somebody whom we have called.
pub(super) struct Arrived {
    pub(super) dialled: bool,
    /// The address of this end, if the system says.
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: SocketAddr,
    /// Whether the parameter file lists its key.
    pub(super) listed: bool,
    pub(super) secure: Secure<TcpStream>,
    /// What it calls itself.
    pub(super) name: Box<str>,
    /// The port at which it says that it can be dialled.
    pub(super) port: Option<u16>,
}

impl Arrived {
    pub(super) fn source(&self) -> Source {
        Source::of(self.remote.ip())
    }
}

impl Host {
    /// Somebody with a right to be here is here.
    pub(super) fn arrived(&mut self, arrived: Arrived) {
        let key = arrived.secure.peer;
        let (arrived, refusal) = match self.peers.find(&key) {
            Some(id) if self.peers.at(id).allowed => {
                self.found_at(&arrived);
                return self.comes_in(id, arrived);
            }
            None if self.doors.has_line() => match self.by_line(arrived) {
                Ok(()) => return,
                Err(refused) => *refused,
            },
            None if self.trust_first_use => match self.trust(arrived) {
                Ok(()) => return,
                Err(refused) => *refused,
            },
            _ => (arrived, Refusal::new(RefusalCode::NotWelcome)),
        };
        self.doors.admission.leave(arrived.source(), arrived.listed);
        if refusal.code == RefusalCode::KeyChanged {
            self.watch.metrics.refused("key changed");
            self.claimed(&key, &arrived.name, &refusal);
        }
        turn_away(arrived.secure, CloseCode::Revoked, &refusal.text);
    }

    /// A caller that is known comes in, if it has no session yet.
    pub(super) fn comes_in(&mut self, id: PeerId, arrived: Arrived) {
        let now = self.clock.now();
        let key = *arrived.secure.peer.as_bytes();
        let serial = self.peers.next_serial();
        let dialled = arrived.dialled;
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
                self.doors.admission.leave(arrived.source(), arrived.listed);
                return self.one_each(id, arrived.secure, &refusal);
            }
        }
        self.doors.dialer.connected(&key, now);
        self.seat(id, serial, arrived);
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

    /// A session begins.
    fn seat(&mut self, id: PeerId, serial: u64, arrived: Arrived) {
        let Arrived {
            dialled,
            local,
            remote,
            listed,
            secure,
            ..
        } = arrived;
        let seat = Seat { peer: id, serial };
        let shared = Shared::new(id, Arc::clone(&self.pool), Arc::clone(&self.budget));
        let shared = Arc::new(shared);
        let (outgoing, queue) = mpsc::unbounded_channel();
        let Secure { reader, writer, .. } = secure;
        let happenings = &self.happenings;
        let reading = session::read(reader, Arc::clone(&shared), seat, happenings.clone());
        let writing = session::write(writer, Arc::clone(&shared), seat, queue, happenings.clone());
        let broken = move |error| Told(seat, News::Ended(End::Broken(error))).into();
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
            claimed: self.budget.hold(id, Kind::Claimed, 0),
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
        self.tell_library(library::Input::Connected { peer: id });
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
        let gone = library::Input::Disconnected { peer };
        self.for_library.push_back(gone);
        self.make_room();
    }
}

/// Ends a session before it is one, with a word of why. The greeting had welcomed the caller: what
/// speaks against it came up since.
pub(super) fn turn_away(secure: Secure<TcpStream>, code: CloseCode, why: &str) {
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
