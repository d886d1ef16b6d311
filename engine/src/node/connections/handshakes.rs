//! Handshakes: callers that are admitted to one, and how each of them ends.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use fairhaul_core::connections::admission::{AcceptDecision, HandshakeId};
use fairhaul_core::connections::source_prefix::Source;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::message::CloseCode;
use fairhaul_core::time::Time;
use fairhaul_core::wire::handshake::{Hello, Refusal, RefusalCode};
use tokio::net::TcpStream;
use tracing::{debug, error, warn};

use super::accept::set_up;
use super::access::Access;
use super::event::{Arrived, By, ConnectionEvent, Met};
use super::guests::name_of;
use super::last_word::turn_away;
use super::peers::Trouble;
use crate::identity::PublicKey;
use crate::session;
use crate::transport::{DEADLINE, GreetError, TransportError};

impl Access {
    /// A connection was accepted. It costs nothing until it is admitted.
    pub(super) fn accepted(&mut self, stream: TcpStream, remote: SocketAddr, now: Time) {
        self.handshakes += 1;
        let id = self.handshakes;
        match self.admission.accept(id, Source::of(remote.ip()), now) {
            AcceptDecision::Refuse(refusal) => self.no_room(remote, &refusal.to_string(), now),
            AcceptDecision::Admit { instead_of } => {
                if let Some(other) = instead_of.and_then(|id| self.greeting.remove(&id)) {
                    other.abort();
                    self.notifier.metrics().refused("gave way");
                }
                self.greet(id, stream, remote);
            }
        }
        self.make_room();
    }

    /// A caller is refused because all slots are taken. That is logged here, and sent to the caller
    /// if there is a stream.
    fn no_room(&mut self, remote: SocketAddr, why: &str, now: Time) {
        if self.complains(now) {
            warn!(%remote, why, "turned away");
        }
        self.notifier
            .refused(shown(remote), "no room", why.to_owned());
    }

    fn greet(&mut self, id: HandshakeId, stream: TcpStream, remote: SocketAddr) {
        self.notifier.metrics().handshakes.inc();
        let endpoint = self.endpoint.clone();
        let events = self.events.clone();
        let guests = Arc::clone(&self.guests);
        let over = move |error| {
            let met = Met::broken(By::Them(id), remote, error);
            ConnectionEvent::Met(Box::new(met)).into()
        };
        let news = events.clone();
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
            let _ = events
                .send(ConnectionEvent::Met(Box::new(met)).into())
                .await;
        };
        let greeting = session::watched(greeting, news, over);
        self.greeting.insert(id, greeting);
    }

    /// A handshake is over. Returns the caller if it has a place now.
    pub(super) fn met(&mut self, met: Met, now: Time) -> Option<Arrived> {
        let Met {
            by,
            remote,
            local,
            result,
        } = met;
        let source = Source::of(remote.ip());
        let is_listed = |peer| self.peers.is_listed(peer);
        let listed = result
            .as_ref()
            .is_ok_and(|(secure, ..)| is_listed(&secure.peer));
        let admission = &mut self.admission;
        let (place, called) = match by {
            By::Us(key) if result.is_ok() => (admission.join(source, listed, now), Some(key)),
            By::Us(key) => (Ok(()), Some(key)),
            By::Them(id) => {
                self.greeting.remove(&id);
                let place = if result.is_ok() {
                    admission.pass(id, source, listed, now)
                } else {
                    admission.fail(id);
                    Ok(())
                };
                (place, None)
            }
        };
        let told = called.and_then(|key| self.calling.is_over(&key));
        if called.is_some() && told.is_none() && !remote.ip().is_unspecified() {
            // Its name in the parameter file leads here: it may call from here as well.
            self.admission.expect(source);
        }
        match (result, place) {
            (Ok((secure, name, port)), Ok(())) => {
                if let Some(at) = told {
                    self.calling.worked(*secure.peer.as_bytes(), at, now);
                }
                return Some(Arrived {
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
                self.no_room(remote, &why, now);
                if called.is_some() {
                    self.calling.failed(secure.peer.as_bytes(), None, now);
                }
                turn_away(secure, CloseCode::Overload, &why);
            }
            (Err(error), _) => self.unmet(called, (remote, told), &error, now),
        }
        None
    }

    /// A handshake failed.
    fn unmet(
        &mut self,
        called: Option<PublicKey>,
        (remote, told): (SocketAddr, Option<SocketAddr>),
        error: &GreetError,
        now: Time,
    ) {
        debug!(%remote, %error, "no session");
        if let Some(key) = called {
            self.calling.failed(key.as_bytes(), told, now);
            if let Some(peer) = self.peers.find(&key) {
                let row = self.peers.at_mut(peer);
                let trouble = Trouble::of(error, &self.endpoint.public());
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
            && (self.trust.is_on() || self.peers.is_listed(proved))
        {
            let key = *proved.as_bytes();
            self.bans.false_key(key, now);
            self.allow(now);
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
        self.notifier
            .refused(shown(remote), word, error.to_string());
    }

    /// A caller used the name of another key.
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
}

/// The address of a caller, as a person writes it.
fn shown(remote: SocketAddr) -> String {
    SocketAddr::new(remote.ip().to_canonical(), remote.port()).to_string()
}
