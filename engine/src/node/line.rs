//! Receivers of a line: whoever proves a key that the line's secret gives comes in, unlisted.
//!
//! How many do is decided by `fairhaul_core::door::invitation`. Receivers of one line are a swarm:
//! each finds the keys of the others by the secret when they call, and the sender tells each whom
//! it can call itself.

use std::net::SocketAddr;

use fairhaul_core::door::invitation::{Invitation, Uninvited};
use fairhaul_core::message::Known;
use fairhaul_core::wire::greeting::{Refusal, RefusalCode};

use super::entering::Arrived;
use super::host::Host;
use crate::content::line::Secret;
use crate::identity::PublicKey;

/// Digits of its key in the name of a receiver that has not said its own.
const KEY_DIGITS: usize = 8;

/// Who may come in by the line of a node.
pub(super) struct Guests {
    secret: Secret,
    invitation: Invitation,
    sender: Option<(PublicKey, Vec<String>)>,
}

/// Shows no secret.
impl std::fmt::Debug for Guests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guests {{ {:?}, .. }}", self.invitation)
    }
}

impl Guests {
    pub(super) const fn new(
        secret: Secret,
        most: usize,
        sender: Option<(PublicKey, Vec<String>)>,
    ) -> Self {
        Self {
            secret,
            invitation: Invitation::new(most),
            sender,
        }
    }

    /// What a caller is told.
    pub(super) fn judge(&self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        let given = self.secret.gave(key, name);
        let judged = self.invitation.judge(key.as_bytes(), given);
        judged.map_err(uninvited)
    }

    fn admit(&mut self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        let given = self.secret.gave(key, name);
        let admitted = self.invitation.admit(*key.as_bytes(), given);
        admitted.map_err(uninvited)
    }

    /// Lets in whom `teller` vouches for, if that is the sender.
    fn vouch(&mut self, teller: &[u8; 32], key: &PublicKey) -> bool {
        let sender = self.sender.as_ref();
        let is_sender = sender.is_some_and(|(sender, _)| sender.as_bytes() == teller);
        is_sender && self.invitation.admit(*key.as_bytes(), true).is_ok()
    }
}

fn uninvited(why: Uninvited) -> Refusal {
    Refusal::because(RefusalCode::NotWelcome, &why.to_string())
}

impl Host {
    /// Calls the sender of the line, if there is one.
    pub(super) fn call_sender(&mut self) {
        let line = self.doors.guests_mut();
        let sender = line.line.as_ref().and_then(|line| line.sender.clone());
        drop(line);
        if let Some((key, addresses)) = sender {
            self.call_at(key, &addresses.join(","));
        }
    }

    /// A caller that is not known comes in if the line lets it.
    pub(super) fn by_line(&mut self, arrived: Arrived) -> Result<(), Box<(Arrived, Refusal)>> {
        let key = arrived.secure.peer;
        let mut guests = self.doors.guests_mut();
        let admitted = match &mut guests.line {
            Some(line) => line.admit(&key, &arrived.name),
            None => Err(Refusal::new(RefusalCode::NotWelcome)),
        };
        drop(guests);
        if let Err(refusal) = admitted {
            return Err(Box::new((arrived, refusal)));
        }
        self.let_in(key, &arrived.name);
        self.allow();
        let id = self.peers.find(&key).expect("it was let in");
        self.found_at(&arrived);
        self.comes_in(id, arrived);
        Ok(())
    }

    /// A caller that came by the line says where it can be called: the others are told.
    pub(super) fn found_at(&mut self, arrived: &Arrived) {
        let now = self.clock.now();
        let Some(port) = arrived.port.filter(|_| self.doors.has_line()) else {
            return;
        };
        let at = SocketAddr::new(arrived.remote.ip().to_canonical(), port);
        let key = *arrived.secure.peer.as_bytes();
        self.doors.addresses.worked(key, at, now);
    }

    /// The sender of the line says who else fetches by it.
    pub(super) fn vouched_for(&mut self, teller: &[u8; 32], known: &[Known]) {
        let mut keys = known.iter().map(|one| PublicKey::from_bytes(one.key));
        let mut met = false;
        while let Some(Ok(key)) = keys.next() {
            if self.peers.find(&key).is_some() {
                continue;
            }
            let mut guests = self.doors.guests_mut();
            let vouched = guests.line.as_mut();
            let vouched = vouched.is_some_and(|line| line.vouch(teller, &key));
            drop(guests);
            if vouched {
                let digits: String = key.to_string().chars().take(KEY_DIGITS).collect();
                self.let_in(key, &format!("receiver-{digits}"));
                met = true;
            }
        }
        if met {
            self.allow();
        }
    }
}
