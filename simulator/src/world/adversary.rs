//! What stands between the core of an adversary and the world: an honest core whose words and
//! blocks are changed on their way.
//!
//! Decides what [`Behaviour`] says and no more. All other hosts keep their defences: what they
//! find out they punish, and an identity that was found out is never connected to again.

use std::collections::BTreeMap;

use fairhaul_core::id::PeerId;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::Node;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::uplink::Block;

use super::{Event, World, rows};
use crate::announcer::Announcer;
use crate::behaviour::{Announces, Behaviour, Identities, STARVED, SwarmView};
use crate::peer_rounds::PeerRounds;
use crate::random::Streams;
use crate::setup::Setup;

mod blocks;
mod words;

/// How long before a peer's round an oscillator begins to serve it.
const BEFORE: Span = Span::SECOND;

/// How often an adversary looks at what it can do.
const LOOK: Span = Span::SECOND;

/// What an adversary remembers while it is there.
#[derive(Debug)]
pub(super) struct Mask {
    /// Counts how often it joined: what was planned for an earlier life does not happen.
    life: u32,
    joined: Time,
    /// It has left to come back.
    away: bool,
    /// Blocks that its core has let go and that have not been sent.
    held: Vec<Block>,
    rounds: PeerRounds,
    /// When each peer last gave something, or was met.
    fed: BTreeMap<PeerId, Time>,
    pub(super) announcer: Announcer,
    /// As whom each other host knows it now.
    known_as: BTreeMap<u32, u32>,
    /// Others of the class that vouches for it.
    partners: Vec<u32>,
}

impl Mask {
    /// One for each peer that departs from the protocol.
    pub(super) fn all(setup: &Setup) -> Vec<Option<Box<Self>>> {
        let peers = rows(&setup.peers);
        let streams = Streams::new(setup.rng_seed, setup.replication);
        peers
            .map(|(row, peer)| {
                let behaviour = &peer.behaviour;
                (!behaviour.is_compliant()).then(|| {
                    Box::new(Self {
                        life: 0,
                        joined: Time::ZERO,
                        away: false,
                        held: Vec::new(),
                        rounds: PeerRounds::new(BEFORE),
                        fed: BTreeMap::new(),
                        announcer: Announcer::new(behaviour.announces, streams, &peer.name),
                        known_as: BTreeMap::new(),
                        partners: setup.partners(row).collect(),
                    })
                })
            })
            .collect()
    }

    /// It has joined, and knows nobody yet.
    fn begin(&mut self, now: Time) {
        self.life += 1;
        self.joined = now;
        self.away = false;
        self.held.clear();
        self.rounds = PeerRounds::new(BEFORE);
        self.fed.clear();
        self.announcer.forget_all();
    }
}

impl World<'_> {
    /// What a host does that others do not.
    pub(super) fn behaviour(&self, host: u32) -> &Behaviour {
        &self.setup.peers[host as usize].behaviour
    }

    /// Whether a host departs from the protocol.
    pub(super) fn is_adversary(&self, host: u32) -> bool {
        self.masks[host as usize].is_some()
    }

    fn mask(&mut self, host: u32) -> &mut Mask {
        let mask = self.masks[host as usize].as_mut();
        mask.expect("asked for of adversaries only")
    }

    /// What says what an adversary has, and its core while it is there.
    fn announcer(&mut self, host: u32) -> (&mut Announcer, Option<&Node>) {
        let mask = self.masks[host as usize].as_mut();
        let mask = mask.expect("asked for of adversaries only");
        let node = self.hosts[host as usize].node.as_deref();
        (&mut mask.announcer, node)
    }

    /// An adversary joins.
    pub(super) fn put_on_mask(&mut self, host: u32) {
        if !self.is_adversary(host) {
            return;
        }
        let now = self.now;
        self.mask(host).begin(now);
        let Behaviour {
            announces,
            identities,
            rejoins,
            ..
        } = self.behaviour(host);
        let looks = *announces == Announces::Repeated
            || *identities == Identities::Renewed
            || rejoins.is_some();
        if looks {
            self.look_again(host);
        }
    }

    fn look_again(&mut self, host: u32) {
        let life = self.mask(host).life;
        let at = self.now.saturating_add(LOOK);
        self.queue.push(at, Event::Scheme { host, life });
    }

    /// Under which identities two hosts may be connected: the first, and how many.
    pub(super) fn identities(&self, one: u32, other: u32) -> (u32, u32) {
        let own = |host: u32, to: u32| match self.behaviour(host).identities {
            Identities::Many(count) => (0, u32::from(count.max(1))),
            Identities::Renewed => {
                let mask = self.masks[host as usize].as_ref();
                let known = mask.and_then(|mask| mask.known_as.get(&to));
                (known.copied().unwrap_or(0), 1)
            }
        };
        let (first, second) = (own(one, other), own(other, one));
        (first.0.max(second.0), first.1.max(second.1))
    }

    /// A host has found out another that it is connected to. An identity is banned for good, and
    /// the connection ends. Honest hosts that accuse each other are a fault of the run.
    pub(super) fn accuse(&mut self, host: u32, peer: PeerId, why: Misbehaviour) {
        let connection = self.hosts[host as usize].links[peer.index()];
        let other = connection.host;
        if !self.is_adversary(host) && !self.is_adversary(other) {
            return self.counters.closed(host, other, why);
        }
        self.bans.insert((host, other, connection.identity));
        let cut = Event::Cut {
            from: host,
            peer,
            generation: connection.generation,
        };
        self.queue.push(self.now, cut);
    }

    /// Whether one of two hosts has banned the other under an identity.
    pub(super) fn is_banned(&self, one: u32, other: u32, identity: u32) -> bool {
        let pairs = [(one, other, identity), (other, one, identity)];
        !self.bans.is_empty() && pairs.iter().any(|pair| self.bans.contains(pair))
    }

    /// An adversary is connected.
    pub(super) fn mask_meets(&mut self, host: u32, peer: PeerId) {
        if self.is_adversary(host) {
            let now = self.now;
            self.mask(host).fed.insert(peer, now);
        }
    }

    /// An adversary is not connected to a peer any more.
    pub(super) fn mask_loses(&mut self, host: u32, peer: PeerId) {
        if self.is_adversary(host) {
            let mask = self.mask(host);
            mask.held.retain(|block| block.peer != peer);
            mask.rounds.forget(peer);
            mask.fed.remove(&peer);
            mask.announcer.forget(peer);
        }
    }

    /// Whether somebody may keep from others for good what only it has. Work that is left because
    /// of that is no fault of the run.
    pub(super) fn may_be_kept_back(&self) -> bool {
        let masked = rows(&self.masks).filter(|(_, mask)| mask.is_some());
        let mut hosts = masked.map(|(host, _)| self.behaviour(host));
        hosts.any(|behaviour| !behaviour.only_rides())
    }

    /// An adversary looks at what it can do, once a second while it wants something.
    pub(super) fn scheme(&mut self, host: u32, life: u32) {
        if self.mask(host).life != life || !self.counters.is_leecher(host) {
            return;
        }
        if self.hosts[host as usize].node.is_none() {
            if self.mask(host).away {
                self.join(host);
            }
            return;
        }
        let behaviour = self.behaviour(host);
        let (announces, identities) = (behaviour.announces, behaviour.identities);
        let rejoins = behaviour.rejoins;
        let joined = self.mask(host).joined;
        if rejoins.is_some_and(|period| self.now.since(joined) >= period) {
            return self.come_again(host, identities);
        }
        if announces == Announces::Repeated {
            self.repeat_news(host);
        }
        if identities == Identities::Renewed {
            self.renew(host);
        }
        self.look_again(host);
    }

    /// An adversary leaves and joins a second later, as somebody new if it can.
    fn come_again(&mut self, host: u32, identities: Identities) {
        let met = self.hosts[host as usize].links.iter();
        let met: Vec<u32> = met.map(|connection| connection.host).collect();
        self.leave(host);
        if identities == Identities::Renewed {
            self.become_new(host, met);
        }
        self.mask(host).away = true;
        self.look_again(host);
    }

    /// A host is gone for other reasons than its own: an adversary does not come back by itself.
    pub(super) fn stays_away(&mut self, host: u32) {
        if self.is_adversary(host) {
            self.mask(host).away = false;
        }
    }

    /// Those hosts do not know an adversary again.
    fn become_new(&mut self, host: u32, mut to: Vec<u32>) {
        to.sort_unstable();
        to.dedup();
        for other in to {
            *self.mask(host).known_as.entry(other).or_default() += 1;
        }
    }

    /// Where an adversary has got nothing for a while, it leaves and calls again as somebody new.
    /// So it does where it was banned.
    fn renew(&mut self, host: u32) {
        let now = self.now;
        let fed = self.mask(host).fed.iter();
        let starved = fed.filter(|(_, at)| now.since(**at) >= STARVED);
        let starved: Vec<PeerId> = starved.map(|(peer, _)| *peer).collect();
        let mut others: Vec<u32> = Vec::new();
        for peer in starved {
            let connection = self.hosts[host as usize].links[peer.index()];
            self.cut(host, peer, connection.generation);
            others.push(connection.host);
        }
        let known = self.mask(host).known_as.clone();
        let identity = |victim: u32| known.get(&victim).copied().unwrap_or(0);
        let banned = self.bans.iter();
        let banned =
            banned.filter(|(victim, who, as_whom)| *who == host && identity(*victim) == *as_whom);
        others.extend(banned.map(|(victim, ..)| *victim));
        for to in &others {
            let dial = Event::Dial {
                from: host,
                to: *to,
            };
            self.queue.push(now.saturating_add(LOOK), dial);
        }
        self.become_new(host, others);
    }

    /// Somebody has joined a content: those who connect to everybody hear of it.
    pub(super) fn call_large_views(&mut self, content: u32, joined: u32) {
        for other in self.swarm.members(content) {
            if other != joined && self.behaviour(other).view == SwarmView::All {
                self.queue.push(self.now, Event::Meet(other));
            }
        }
    }
}
