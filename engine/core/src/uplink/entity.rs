//! Whom the classes stand for: peers, transfers and groups, with what is known of each.
//!
//! Decides nothing. Keeps an entity as long as somebody has set something for it or has
//! something with it: a bucket hangs on the identity and survives its connections.

use std::collections::BTreeMap;

use super::Target;
use super::drain::Drain;
use super::meter::Meter;
use super::on_link::OnLink;
use super::tree::NONE;

#[derive(Debug)]
pub(super) struct Entity {
    pub(super) target: Target,
    /// The entity of its group, or [`NONE`].
    pub(super) group: u32,
    /// Limits, for who has some.
    pub(super) meter: Option<Box<Meter>>,
    /// The classes that are held when it may not be served: its own, or leaves of others.
    pub(super) members: Vec<u32>,
    /// Requests that wait.
    pub(super) requests: u32,
    /// Leaves that belong to it.
    pub(super) leaves: u32,
    /// Bytes that wait.
    pub(super) queued: u64,
    /// Bytes issued and not yet sent, of a peer.
    pub(super) in_flight: u64,
    /// The blocks that these bytes are, in the order in which its connection sends them.
    pub(super) on_link: Option<Box<OnLink>>,
    /// How fast its connection takes blocks, of a peer whose window adapts.
    pub(super) drain: Option<Box<Drain>>,
    /// Its window is full.
    pub(super) is_full: bool,
    /// Its connection takes no more, through no fault of this uplink.
    pub(super) is_stalled: bool,
}

impl Entity {
    const fn new(target: Target) -> Self {
        Self {
            target,
            group: NONE,
            meter: None,
            members: Vec::new(),
            requests: 0,
            leaves: 0,
            queued: 0,
            in_flight: 0,
            on_link: None,
            drain: None,
            is_full: false,
            is_stalled: false,
        }
    }

    /// Its window, which is never wider than `widest`.
    pub(super) fn window(&self, widest: u64) -> u64 {
        self.drain.as_ref().map_or(widest, |drain| drain.window)
    }

    fn is_on_link(&self) -> bool {
        self.on_link
            .as_ref()
            .is_some_and(|blocks| !blocks.is_empty())
    }

    fn is_forgettable(&self) -> bool {
        self.group == NONE && self.meter.is_none() && self.leaves == 0 && !self.is_on_link()
    }
}

/// All entities of an uplink, by slot and by target.
#[derive(Debug, Default)]
pub(super) struct Entities {
    slots: Vec<Entity>,
    vacant: Vec<u32>,
    index: BTreeMap<Target, u32>,
}

impl Entities {
    pub(super) fn find(&self, target: Target) -> Option<u32> {
        self.index.get(&target).copied()
    }

    pub(super) fn find_or_add(&mut self, target: Target) -> u32 {
        if let Some(slot) = self.find(target) {
            return slot;
        }
        let slot = if let Some(slot) = self.vacant.pop() {
            self.slots[slot as usize] = Entity::new(target);
            slot
        } else {
            self.slots.push(Entity::new(target));
            u32::try_from(self.slots.len() - 1).expect("ids are 32 bits, of three kinds in use")
        };
        self.index.insert(target, slot);
        slot
    }

    /// Forgets `slot` if nothing is known of it that has to be kept. Groups are kept: they
    /// are named by the parameter file only.
    pub(super) fn forget(&mut self, slot: u32) {
        let entity = self.at(slot);
        if matches!(entity.target, Target::Group(_)) || !entity.is_forgettable() {
            return;
        }
        let target = entity.target;
        if self.find(target) == Some(slot) {
            self.index.remove(&target);
            self.vacant.push(slot);
        }
    }

    pub(super) fn at(&self, slot: u32) -> &Entity {
        &self.slots[slot as usize]
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Entity {
        &mut self.slots[slot as usize]
    }

    /// Peer, transfer and the groups of both, each once: all whose limits a block must pass.
    pub(super) fn concerned(&self, peer: u32, transfer: u32) -> Concerned {
        let first = self.at(peer).group;
        let second = self.at(transfer).group;
        let second = if second == first { NONE } else { second };
        Concerned([peer, transfer, first, second])
    }

    /// Peers and transfers that are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let targets = self.index.keys();
        targets
            .filter(|target| !matches!(target, Target::Group(_)))
            .count()
    }
}

/// Up to four slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concerned([u32; 4]);

impl Concerned {
    pub(super) fn slots(self) -> impl Iterator<Item = u32> {
        self.0.into_iter().filter(|&slot| slot != NONE)
    }
}
