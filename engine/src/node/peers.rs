//! The peers that a node knows: keys, names, connections, and what went over them.
//!
//! Decides which id a key has: one identity, one id, for as long as the node runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::message::Message;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::wire::greeting::RefusalCode;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::control::metrics::PeerMetrics;
use crate::identity::PublicKey;
use crate::params::PeerParams;
use crate::session::{Held, Outgoing, Shared, cost};
use crate::transport::{GreetError, TransportError};

/// All of them, by id.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    rows: Vec<PeerRow>,
    ids: BTreeMap<PublicKey, PeerId>,
    serials: u64,
}

/// One identity.
#[derive(Debug)]
pub(crate) struct PeerRow {
    pub(crate) key: PublicKey,
    /// Its name here.
    pub(crate) name: String,
    /// What the parameter file says; none for one that is trusted on first use, or no longer.
    pub(crate) params: Option<PeerParams>,
    /// Whether it may connect.
    pub(crate) allowed: bool,
    /// Where it was reached last, or may be.
    pub(crate) address: Option<String>,
    pub(crate) link: Option<Link>,
    pub(crate) traffic: Traffic,
    pub(crate) counters: Option<PeerMetrics>,
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

impl PeerRow {
    /// How it stands, for who waits for it.
    pub(crate) fn standing(&self) -> Standing {
        if self.link.is_some() {
            return Standing::Connected;
        }
        let trouble = self.trouble.as_ref();
        trouble.map_or(Standing::Away, |trouble| trouble.standing)
    }
}

/// Bytes of blocks by direction, since the node runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// The same a second ago, and the rates since, in bytes per second.
    pub(crate) before: (u64, u64),
    pub(crate) rate: (u64, u64),
}

/// The connection to a peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) serial: u64,
    pub(crate) since: Time,
    pub(crate) dialled: bool,
    /// Whether the parameter file listed its key when it began.
    pub(crate) listed: bool,
    /// The address of this end, if the system says.
    pub(crate) local: Option<SocketAddr>,
    /// The address of the other end.
    pub(crate) remote: SocketAddr,
    pub(crate) outgoing: mpsc::UnboundedSender<Outgoing>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: AbortHandle,
    /// Bitfields that are kept of it, in the books of memory.
    pub(crate) claimed: Held,
}

impl Link {
    /// Queues a message. What the peer makes us say, and what it is told of each chunk, is held
    /// of it until it reads; what we take part in is our own doing.
    pub(crate) fn say(&self, peer: PeerId, message: Message) {
        let kind = match &message {
            Message::Join(join) if join.reply => None,
            Message::Join(_)
            | Message::Reject { .. }
            | Message::Pong(_)
            | Message::Verdict { .. }
            | Message::Addresses(_) => Some(Kind::Reply),
            _ => Some(Kind::News),
        };
        let held = kind.map(|kind| self.shared.budget.hold(peer, kind, cost(&message)));
        // If its task has ended, the news of that is on its way.
        let _ = self.outgoing.send(Outgoing::Message(message, held));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The writer ends when its queue does, after what was still to be said.
        self.reader.abort();
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
            link: None,
            traffic: Traffic::default(),
            counters: None,
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

    pub(crate) fn link(&self, id: PeerId) -> Option<&Link> {
        self.rows.get(id.index())?.link.as_ref()
    }

    pub(crate) fn link_mut(&mut self, id: PeerId) -> Option<&mut Link> {
        self.rows.get_mut(id.index())?.link.as_mut()
    }

    /// A number that no session had before.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &PeerRow)> {
        let ids = (0..).map(PeerId);
        ids.zip(&self.rows)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerId, &mut PeerRow)> {
        let ids = (0..).map(PeerId);
        ids.zip(&mut self.rows)
    }

    /// Those that are connected.
    pub(crate) fn linked(&self) -> impl Iterator<Item = (PeerId, &Link)> {
        self.iter()
            .filter_map(|(id, row)| Some((id, row.link.as_ref()?)))
    }
}
