//! The connections of a node: who is connected, how a session begins, and every way in which one
//! ends.

use std::mem;
use std::sync::Arc;

use fairhaul_core::connections::Key;
use fairhaul_core::connections::sessions::{Arrival, SessionRefusal as Doubled, Sessions};
use fairhaul_core::connections::source_prefix::Source;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::LibraryInput;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::message::{CloseCode, Known, Message, STOPS};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use self::access::{Access, AccessError, OwnEndpoint};
use self::event::{Arrived, ConnectionEvent};
use self::last_word::{last_word, turn_away};
use self::links::{Link, Links};
use self::paths::Paths;
use self::peers::Peers;
use super::contents::state_writer::Keeper;
use super::event::NodeEvent;
use super::inputs::PendingInputs;
use super::stats::notifier::Notifier;
use crate::control::api::Reached;
use crate::session::{Budget, End, Pool, SessionId};
use crate::transport::Secure;

pub(crate) mod accept;
pub(crate) mod access;
mod admitting;
pub(crate) mod bans;
mod calling;
pub(crate) mod event;
mod guests;
mod handshakes;
mod last_word;
pub(crate) mod line;
pub(crate) mod links;
mod paths;
pub(crate) mod peers;
mod tcp_info;
#[cfg(test)]
pub(crate) mod tests;
mod trust;

/// All of them.
pub(crate) struct Connections {
    access: Access,
    links: Links,
    /// Which session an identity has.
    sessions: Sessions,
    paths: Paths,
    /// Peers that said their last message, and what it was.
    leaving: Vec<(PeerId, String)>,
    notifier: Notifier,
    events: mpsc::Sender<NodeEvent>,
}

impl Connections {
    /// Connections of a node that has just begun.
    ///
    /// # Errors
    ///
    /// If the tables behind them cannot be made.
    pub(crate) fn new(
        own: &OwnEndpoint<'_>,
        keeper: &Arc<Keeper>,
        (budget, pool): (Arc<Budget>, Arc<Pool>),
        (notifier, events): (Notifier, mpsc::Sender<NodeEvent>),
        now: Time,
    ) -> Result<Self, AccessError> {
        let access = Access::new(own, keeper, notifier.clone(), events.clone(), now)?;
        Ok(Self {
            access,
            links: Links::new(pool, budget),
            sessions: Sessions::new(*own.identity.public().as_bytes()),
            paths: Paths::default(),
            leaving: Vec::new(),
            notifier,
            events,
        })
    }

    /// The tables behind admission and dialling.
    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// The same, for changes.
    pub(crate) const fn access_mut(&mut self) -> &mut Access {
        &mut self.access
    }

    /// The peers that were met.
    pub(crate) const fn peers(&self) -> &Peers {
        self.access.peers()
    }

    /// The sessions that are there.
    pub(crate) const fn links(&self) -> &Links {
        &self.links
    }

    /// The sessions, for updates of what each is charged.
    pub(crate) const fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }

    /// The standing of a peer, for a command that waits for it.
    pub(crate) fn standing(&self, peer: PeerId) -> Standing {
        if self.links.has(peer) {
            return Standing::Connected;
        }
        let trouble = self.peers().at(peer).trouble.as_ref();
        trouble.map_or(Standing::Away, |trouble| trouble.standing)
    }

    /// How all peers stand that may connect.
    pub(crate) fn standings(&self) -> Vec<(PeerId, Standing)> {
        let allowed = self.peers().iter().filter(|(_, row)| row.allowed);
        allowed
            .map(|(peer, _)| (peer, self.standing(peer)))
            .collect()
    }

    /// What wakes the task that accepts.
    pub(crate) fn room(&self) -> Arc<Notify> {
        self.access.room()
    }

    // ---- in time

    /// Trusts the keys that an earlier run trusted, and dials the sender of the line.
    pub(crate) fn start(&mut self, now: Time) {
        self.access.trust_again(now);
        self.access.call_sender(now);
    }

    /// When the next peer is due to be dialled.
    pub(crate) fn ready_at(&self) -> Option<Time> {
        self.access.calling.ready_at()
    }

    /// Calls those whose time it is.
    pub(crate) fn dial(&mut self, now: Time) {
        self.access.calling.dial(now);
    }

    /// A second has passed.
    pub(crate) fn second(&mut self, now: Time) {
        self.access.expire_bans(now);
        self.access.calling.dial(now);
    }

    /// Closes every session with a reason, and refuses every new caller.
    pub(crate) fn stop(&mut self, inputs: &mut PendingInputs, now: Time) {
        self.links.linger();
        let all: Vec<PeerId> = self.links.iter().map(|(peer, _)| peer).collect();
        for peer in all {
            self.part(peer, CloseCode::Shutdown, STOPS, inputs, now);
        }
        self.access.stop();
    }

    /// Resolves when every peer has heard why its session was closed, and has closed it too.
    pub(crate) fn all_ended(&mut self) -> impl Future<Output = ()> + use<> {
        self.links.all_ended()
    }

    // ---- how sessions begin

    /// Handles an event of a connection that has no session yet.
    pub(crate) fn happened(
        &mut self,
        event: ConnectionEvent,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        let admitted = match event {
            ConnectionEvent::Accepted(stream, from) => {
                return self.access.accepted(stream, from, now);
            }
            ConnectionEvent::Met(met) => {
                let arrived = self.access.met(*met, now);
                arrived.and_then(|arrived| self.access.admit(arrived, now))
            }
            ConnectionEvent::FirstMet(met) => self.access.first_met(*met, now),
        };
        if let Some((peer, arrived)) = admitted {
            self.comes_in(peer, arrived, inputs, now);
        }
        self.access.make_room();
    }

    /// A caller that is known comes in, if it has no session yet.
    fn comes_in(&mut self, id: PeerId, arrived: Arrived, inputs: &mut PendingInputs, now: Time) {
        let key = *arrived.secure.peer.as_bytes();
        let serial = self.links.next_serial();
        match self.sessions.arrive(key, serial, arrived.dialled, now) {
            Arrival::Keep => {}
            Arrival::Replace { clone, .. } => {
                if clone {
                    let name = &self.peers().at(id).name;
                    warn!(peer = %name, "a second connection; two nodes may have the same key");
                }
                let newer = "a newer connection";
                self.part(id, CloseCode::Replaced, newer, inputs, now);
            }
            Arrival::Refuse(refusal) => {
                let (source, listed) = (arrived.source(), arrived.listed);
                self.access.admission.leave(source, listed);
                return self.one_each(id, arrived.secure, &refusal, now);
            }
        }
        self.access.calling.connected(&key, now);
        let session = SessionId { peer: id, serial };
        self.begin(session, arrived, inputs, now);
    }

    /// An identity has its session already, or connects too often. It is told which.
    fn one_each(&mut self, peer: PeerId, secure: Secure<TcpStream>, refusal: &Doubled, now: Time) {
        self.notifier.metrics().refused("one session each");
        // Of two connections made at once one goes, and both sides know which.
        if *refusal == Doubled::Simultaneous {
            return;
        }
        let wait = match refusal {
            Doubled::TooOften(at) => at.since(now).as_secs_f64().ceil(),
            _ => 0.0,
        };
        let mut why = refusal.to_string();
        if wait > 0.0 {
            why.push_str(&format!("; it may come again in {wait} s"));
        }
        if self.access.complains(now) {
            warn!(peer = %self.peers().at(peer).name, why, "turned away");
        }
        turn_away(secure, CloseCode::Overload, &why);
    }

    /// A session begins.
    fn begin(
        &mut self,
        session: SessionId,
        arrived: Arrived,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        let (peer, dialled) = (session.peer, arrived.dialled);
        let row = self.access.peers.at_mut(peer);
        row.trouble = None;
        row.joined.get_or_insert(now);
        let (name, remote) = (row.name.clone(), arrived.remote);
        self.links.begin(session, arrived, &self.events, now);
        info!(peer = %name, %remote, dialled, "connected");
        let how = match dialled {
            true => Reached::Dialled,
            false => Reached::Accepted,
        };
        self.notifier.connected(name, how);
        let outbound = dialled;
        inputs.core(Input::Connected { peer, outbound });
        if self.access.calling.exchanges() {
            let message = Message::WantAddresses;
            inputs.core(Input::Say { peer, message });
        }
        inputs.library(LibraryInput::Connected { peer });
    }

    // ---- how they end

    /// Sends a message to a peer. A peer that does not read is closed.
    pub(crate) fn send(
        &mut self,
        peer: PeerId,
        message: Message,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        if !self.links.say(peer, message) {
            let why = "too much waits to be read";
            self.part(peer, CloseCode::Overload, why, inputs, now);
        }
    }

    /// The core wants no more of a peer.
    pub(crate) fn close(
        &mut self,
        peer: PeerId,
        why: Misbehaviour,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        if !self.links.has(peer) {
            return;
        }
        warn!(peer = %self.peers().at(peer).name, why = %why, "closing");
        self.notifier.closed(why);
        let code = CloseCode::from(why);
        if !why.is_lie() {
            return self.part(peer, code, &why.to_string(), inputs, now);
        }
        // It is cut off now; the word of why waits for the disk.
        let Some(link) = self.links.take(peer) else {
            return;
        };
        let last = last_word(code, &why.to_string());
        let outgoing = link.outgoing.clone();
        let then = move |_| drop(outgoing.send(last));
        self.access.ban(peer, why, Box::new(then), now);
        self.parted(peer, &link, format!("{code:?}"), inputs, now);
    }

    /// Says why, and ends the session with a peer.
    pub(crate) fn part(
        &mut self,
        peer: PeerId,
        code: CloseCode,
        text: &str,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        let Some(link) = self.links.take(peer) else {
            return;
        };
        let _ = link.outgoing.send(last_word(code, text));
        self.parted(peer, &link, format!("{code:?}"), inputs, now);
    }

    /// A session is over, and not because we ended it.
    pub(crate) fn ended(&mut self, peer: PeerId, end: End, inputs: &mut PendingInputs, now: Time) {
        let reason = match end {
            End::Closed => "the peer ended the connection".to_owned(),
            End::Broken(error) => error.to_string(),
            End::Offence(why) => return self.close(peer, why, inputs, now),
        };
        info!(peer = %self.peers().at(peer).name, reason, "disconnected");
        if let Some(link) = self.links.take(peer) {
            self.parted(peer, &link, reason, inputs, now);
        }
    }

    /// A peer said its last message. It need not hold its place until it hangs up.
    pub(crate) fn leaves(&mut self, peer: PeerId, why: String) {
        self.leaving.push((peer, why));
    }

    /// Closes the sessions that sent their last message. The core must have no more actions.
    pub(crate) fn settle(&mut self, inputs: &mut PendingInputs, now: Time) {
        for (peer, why) in mem::take(&mut self.leaving) {
            if let Some(link) = self.links.take(peer) {
                self.parted(peer, &link, why, inputs, now);
            }
        }
    }

    /// Every way in which a session ends comes through here, once.
    fn parted(
        &mut self,
        peer: PeerId,
        link: &Link,
        reason: String,
        inputs: &mut PendingInputs,
        now: Time,
    ) {
        inputs.core(Input::Disconnected { peer });
        let row = self.access.peers.at_mut(peer);
        row.present += now.since(link.since).as_nanos();
        let (key, name) = (*row.key.as_bytes(), row.name.clone());
        if self.sessions.end(&key, link.serial) {
            self.access.calling.disconnected(&key, now);
        }
        let source = Source::of(link.remote.ip());
        self.access.admission.leave(source, link.listed);
        inputs.library(LibraryInput::Disconnected { peer });
        self.access.make_room();
        self.notifier.lost(name, reason);
    }

    // ---- what connected peers tell of others, and what connections measure

    /// A peer asks for addresses: the answer, if it gets one.
    pub(crate) fn wants_addresses(&mut self, peer: PeerId, now: Time) -> Option<Message> {
        if !self.access.calling.exchanges() {
            return None;
        }
        let dialled = self.links.iter();
        let dialled = dialled.filter(|(id, link)| *id != peer && link.dialled);
        let key_of = |peer| *self.access.peers.at(peer).key.as_bytes();
        for (other, link) in dialled {
            let key: Key = key_of(other);
            self.access.calling.worked(key, link.remote, now);
        }
        let asker = key_of(peer);
        self.access
            .calling
            .share(asker, now)
            .map(Message::Addresses)
    }

    /// Takes a list of addresses from a peer. False if its last one was too recent.
    pub(crate) fn told_addresses(&mut self, peer: PeerId, known: &[Known], now: Time) -> bool {
        if !self.access.calling.exchanges() {
            return true;
        }
        let sender = *self.peers().at(peer).key.as_bytes();
        self.access.vouched_for(&sender, known, now);
        self.access.calling.learn(sender, known, now)
    }

    /// A peer answered after so long.
    pub(crate) fn ponged(&mut self, peer: PeerId, rtt: Span) {
        self.access.peers.at_mut(peer).rtt = Some(rtt);
    }

    /// Looks at what connections measure from now on, or no longer.
    pub(crate) fn find_cap(&mut self, wanted: bool, inputs: &mut PendingInputs) {
        if let Some(input) = self.paths.set(wanted) {
            inputs.core(input);
        }
    }

    /// When connections are to be looked at next; none while nothing is sent.
    pub(crate) fn look_at(&self, is_busy: bool) -> Option<Time> {
        self.paths.look_at(is_busy)
    }

    /// Tells the core what the connections have measured, if it is time for that.
    pub(crate) fn look(&mut self, is_busy: bool, inputs: &mut PendingInputs, now: Time) {
        if let Some(input) = self.paths.look(is_busy, &self.links, now) {
            inputs.core(input);
        }
    }
}
