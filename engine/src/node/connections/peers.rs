//! The peers that a node knows: keys, names, addresses, and why they are not connected.
//!
//! One identity has one id, for as long as the node runs.

use std::collections::BTreeMap;

use fairhaul_core::id::PeerId;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::wire::handshake::RefusalCode;

use crate::identity::PublicKey;
use crate::params::PeerParams;
use crate::transport::{GreetError, TransportError};

/// All of them, by id.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    rows: Vec<PeerRow>,
    ids: BTreeMap<PublicKey, PeerId>,
}

/// One identity.
#[derive(Clone, Debug)]
pub(crate) struct PeerRow {
    pub(crate) key: PublicKey,
    /// Its name here.
    pub(crate) name: String,
    /// Its entry in the parameter file; `None` for one that is trusted on first use, or no longer
    /// listed.
    pub(crate) params: Option<PeerParams>,
    /// Whether it may connect.
    pub(crate) allowed: bool,
    /// Where it was reached last, or may be.
    pub(crate) address: Option<String>,
    pub(crate) rtt: Option<Span>,
    /// When it was first connected, and for how many nanoseconds in all before now.
    pub(crate) joined: Option<Time>,
    pub(crate) present: u64,
    /// Why it is not connected.
    pub(crate) trouble: Option<Trouble>,
}

/// Why a peer is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) standing: Standing,
    pub(crate) text: String,
}

impl Trouble {
    /// Why a call of the node with the key `own` came to nothing. Where keys are the matter, both
    /// are named.
    pub(crate) fn of(error: &GreetError, own: &PublicKey) -> Self {
        let refused = match error {
            GreetError::Transport(error) => matches!(
                error,
                TransportError::WrongKey { .. } | TransportError::WeakKey(_)
            ),
            GreetError::Refused(refusal) => matches!(
                refusal.code,
                RefusalCode::NotWelcome | RefusalCode::WrongKey | RefusalCode::KeyChanged
            ),
            _ => false,
        };
        let standing = if refused {
            Standing::Refused
        } else {
            Standing::Unreachable
        };
        let text = match error {
            GreetError::Refused(refusal) if refusal.code == RefusalCode::KeyChanged => {
                format!("{error}, this node's is {own}")
            }
            _ => error.to_string(),
        };
        Self { standing, text }
    }
}

impl Peers {
    /// The id of `key`, if it is known.
    pub(crate) fn find(&self, key: &PublicKey) -> Option<PeerId> {
        self.ids.get(key).copied()
    }

    /// The id of the peer with `name`.
    pub(crate) fn named(&self, name: &str) -> Option<PeerId> {
        let found = self.iter().find(|(_, row)| row.allowed && row.name == name);
        found.map(|(id, _)| id)
    }

    /// The id of `key`, which is new if it was not known.
    pub(crate) fn meet(&mut self, key: PublicKey, name: &str) -> PeerId {
        if let Some(id) = self.find(&key) {
            return id;
        }
        let id = PeerId(u32::try_from(self.rows.len()).expect("far fewer peers than that"));
        self.rows.push(PeerRow {
            key,
            name: name.to_owned(),
            params: None,
            allowed: false,
            address: None,
            rtt: None,
            joined: None,
            present: 0,
            trouble: None,
        });
        self.ids.insert(key, id);
        id
    }

    pub(crate) fn at(&self, id: PeerId) -> &PeerRow {
        &self.rows[id.index()]
    }

    pub(crate) fn at_mut(&mut self, id: PeerId) -> &mut PeerRow {
        &mut self.rows[id.index()]
    }

    /// Names of peers that may connect.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let allowed = self.iter().filter(|(_, row)| row.allowed);
        allowed.map(|(_, row)| row.name.as_str())
    }

    /// Whether the parameter file lists a key.
    pub(crate) fn is_listed(&self, key: &PublicKey) -> bool {
        let found = self.find(key);
        found.is_some_and(|peer| self.at(peer).params.is_some())
    }

    /// Every peer that was met, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &PeerRow)> {
        let ids = (0..).map(PeerId);
        ids.zip(&self.rows)
    }
}
