//! Callers with a proved key: each is admitted, waits until its trust is durable, or is refused
//! with a reason.

use std::net::SocketAddr;

use fairhaul_core::id::PeerId;
use fairhaul_core::message::{CloseCode, Known};
use fairhaul_core::time::Time;
use fairhaul_core::wire::handshake::{Refusal, RefusalCode};
use tracing::info;

use super::access::Access;
use super::event::{Arrived, FirstMet};
use super::last_word::turn_away;
use crate::identity::PublicKey;

/// Digits of its key in the name of a receiver that has not said its own.
const KEY_DIGITS: usize = 8;

impl Access {
    /// Admits a caller that has proved its key and has a place. Returns its peer if it is admitted
    /// now.
    pub(super) fn admit(&mut self, arrived: Arrived, now: Time) -> Option<(PeerId, Arrived)> {
        let key = arrived.secure.peer;
        let (arrived, refusal) = match self.peers.find(&key) {
            Some(id) if self.peers.at(id).allowed => {
                self.found_at(&arrived, now);
                return Some((id, arrived));
            }
            None if self.has_line() => match self.by_line(arrived, now) {
                Ok(admitted) => return Some(admitted),
                Err(refused) => *refused,
            },
            None if self.trust.is_on() => {
                match self.trust.trust(arrived, &self.peers, self.events.clone()) {
                    Ok(()) => return None,
                    Err(refused) => *refused,
                }
            }
            _ => (arrived, Refusal::new(RefusalCode::NotWelcome)),
        };
        self.admission.leave(arrived.source(), arrived.listed);
        if refusal.code == RefusalCode::KeyChanged {
            self.notifier.metrics().refused("key changed");
            self.claimed(&key, &arrived.name, &refusal);
        }
        turn_away(arrived.secure, CloseCode::Revoked, &refusal.text);
        None
    }

    /// A key may come in from now on; [`Access::allow`] makes that so.
    fn let_in(&mut self, key: PublicKey, name: &str) -> PeerId {
        let peer = self.peers.meet(key, name);
        self.peers.at_mut(peer).allowed = true;
        peer
    }

    // ---- trust on first use

    /// Trusts whom an earlier run trusted.
    pub(super) fn trust_again(&mut self, now: Time) {
        if !self.trust.is_on() {
            return;
        }
        for (key, name) in self.trust.again() {
            self.let_in(key, &name);
        }
        self.allow(now);
    }

    /// The trust in a caller is durable, or could not be written. Returns its peer id if it is
    /// admitted.
    pub(super) fn first_met(&mut self, met: FirstMet, now: Time) -> Option<(PeerId, Arrived)> {
        let FirstMet {
            arrived,
            name,
            durable,
        } = met;
        let key = arrived.secure.peer;
        self.trust.is_written(&key, &name, durable);
        if !durable {
            self.admission.leave(arrived.source(), arrived.listed);
            turn_away(arrived.secure, CloseCode::Revoked, "cannot be written down");
            return None;
        }
        let peer = self.let_in(key, &name);
        info!(peer = %name, %key, remote = %arrived.remote, "trusted on first use");
        self.allow(now);
        Some((peer, arrived))
    }

    // ---- lines

    /// Calls the sender of the line, if there is one.
    pub(super) fn call_sender(&mut self, now: Time) {
        let guests = self.guests_mut();
        let sender = guests.line.as_ref().and_then(|line| line.sender().cloned());
        drop(guests);
        if let Some((key, addresses)) = sender {
            let addresses = addresses.join(",");
            self.calling.configure(*key.as_bytes(), &addresses, now);
        }
    }

    /// A caller that is not known comes in if the line lets it.
    fn by_line(
        &mut self,
        arrived: Arrived,
        now: Time,
    ) -> Result<(PeerId, Arrived), Box<(Arrived, Refusal)>> {
        let key = arrived.secure.peer;
        let mut guests = self.guests_mut();
        let admitted = match &mut guests.line {
            Some(line) => line.admit(&key, &arrived.name),
            None => Err(Refusal::new(RefusalCode::NotWelcome)),
        };
        drop(guests);
        if let Err(refusal) = admitted {
            return Err(Box::new((arrived, refusal)));
        }
        let peer = self.let_in(key, &arrived.name);
        self.allow(now);
        self.found_at(&arrived, now);
        Ok((peer, arrived))
    }

    /// A caller with a key of the line has an address at which it can be dialled: the other
    /// receivers get it.
    fn found_at(&mut self, arrived: &Arrived, now: Time) {
        let Some(port) = arrived.port.filter(|_| self.has_line()) else {
            return;
        };
        let at = SocketAddr::new(arrived.remote.ip().to_canonical(), port);
        let key = *arrived.secure.peer.as_bytes();
        self.calling.worked(key, at, now);
    }

    /// The sender of the line sends the keys of its other receivers.
    pub(super) fn vouched_for(&mut self, sender: &[u8; 32], known: &[Known], now: Time) {
        let mut keys = known.iter().map(|one| PublicKey::from_bytes(one.key));
        let mut met = false;
        while let Some(Ok(key)) = keys.next() {
            if self.peers.find(&key).is_some() {
                continue;
            }
            let mut guests = self.guests_mut();
            let vouched = guests.line.as_mut();
            let vouched = vouched.is_some_and(|line| line.vouch(sender, &key));
            drop(guests);
            if vouched {
                let digits: String = key.to_string().chars().take(KEY_DIGITS).collect();
                self.let_in(key, &format!("receiver-{digits}"));
                met = true;
            }
        }
        if met {
            self.allow(now);
        }
    }
}
