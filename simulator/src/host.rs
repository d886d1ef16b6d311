//! The driver of one core in virtual time: drain, wait, handle.
//!
//! It carries the actions of a core to the world, and events of the world to the core.

use std::collections::BTreeMap;

use fairhaul_core::id::PeerId;
use fairhaul_core::node::{Action, Input, Node};
use fairhaul_core::time::Time;

/// A core, and what a shell must know to drive it.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// None before it joins and after it leaves.
    pub(crate) node: Option<Box<Node>>,
    /// Its connections, by the id under which the core knows them.
    pub(crate) links: Vec<Connection>,
    /// Ids under which the core knows the identities of other hosts. An identity keeps its id.
    ids: BTreeMap<(u32, u32), PeerId>,
    /// When its timer is set to go off; later settings replace it.
    pub(crate) timer: Option<Time>,
    /// Connections that are up.
    pub(crate) degree: u32,
    /// Connections that have ended.
    pub(crate) cuts: u32,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    /// The host at the other end.
    pub(crate) host: u32,
    /// Which identity of it, or of this one where the other end has one only.
    pub(crate) identity: u32,
    /// The id under which the other end knows this one.
    pub(crate) back: PeerId,
    /// Whether it is up.
    pub(crate) up: bool,
    /// Counts how often it was made: what an old one carried never arrives.
    pub(crate) generation: u32,
    /// The latest block that went into it from here.
    pub(crate) last: u64,
    /// The block behind which a refusal waits, if one does.
    pub(crate) refused: u64,
}

impl Host {
    /// Exactly one thing happened. Returns what should be done, into `actions`.
    pub(crate) fn handle(&mut self, input: Input, now: Time, actions: &mut Vec<Action>) -> bool {
        let Some(node) = &mut self.node else {
            return false;
        };
        node.handle(input, now);
        while let Some(action) = node.poll() {
            actions.push(action);
        }
        true
    }

    /// When the core must be told the time, if that is sooner than its timer is set.
    pub(crate) fn rearm(&mut self, now: Time) -> Option<Time> {
        let deadline = self.node.as_ref()?.deadline(now)?.max(now);
        if self.timer.is_some_and(|set| set <= deadline) {
            return None;
        }
        self.timer = Some(deadline);
        Some(deadline)
    }

    /// Whether what was sent over a connection still arrives. Nearly all hosts never lose one,
    /// and need not look.
    pub(crate) fn hears(&self, peer: PeerId, generation: u32) -> bool {
        self.cuts == 0 || {
            let connection = self.links[peer.index()];
            connection.up && connection.generation == generation
        }
    }

    /// The id under which this core knows `host`, if it ever met it: of several identities one that
    /// is connected, if one is.
    pub(crate) fn id_of(&self, host: u32) -> Option<PeerId> {
        self.links_to(host)
            .next()
            .or_else(|| self.ids_of(host).next_back())
    }

    /// Whether a connection to `host` is up.
    pub(crate) fn is_connected(&self, host: u32) -> bool {
        self.links_to(host).next().is_some()
    }

    /// Connections to `host` that are up.
    pub(crate) fn links_to(&self, host: u32) -> impl DoubleEndedIterator<Item = PeerId> {
        self.ids_of(host).filter(|peer| self.links[peer.index()].up)
    }

    fn ids_of(&self, host: u32) -> impl DoubleEndedIterator<Item = PeerId> {
        let all = self.ids.range((host, 0)..=(host, u32::MAX));
        all.map(|(_, peer)| *peer)
    }

    /// The id for `host` as it is, made if it is new.
    pub(crate) fn meet(&mut self, host: u32) -> PeerId {
        self.meet_as(host, 0)
    }

    /// The id for an identity of `host`, made if it is new.
    pub(crate) fn meet_as(&mut self, host: u32, identity: u32) -> PeerId {
        let next = PeerId(u32::try_from(self.links.len()).expect("fewer identities than u32"));
        *self.ids.entry((host, identity)).or_insert_with(|| {
            let back = PeerId(u32::MAX);
            self.links.push(Connection {
                host,
                identity,
                back,
                up: false,
                generation: 0,
                last: 0,
                refused: 0,
            });
            next
        })
    }
}
