//! The entities behind classes: peers, transfers and groups, with the limits of each.
//!
//! An entity is kept while it has a limit or a class. Its buckets belong to the identity and
//! outlive its connections.

use std::collections::BTreeMap;

use super::delivery_rate::Drain;
use super::limits::Meter;
use super::on_link::OnLink;
use super::tree::NONE;
use super::{Target, reason};

/// A class that is held when an entity may not be served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) class: u32,
    /// The reason for which the entity's cap holds it.
    pub(super) reason: u8,
    /// Bytes that it was served per unit weight.
    service: u64,
    /// Those of its last block: about what the next one will count.
    pub(super) step: u64,
}

impl Member {
    /// The bit of `reason` for this member: [`reason::CAP`] is another one for each.
    pub(super) const fn bit(&self, reason: u8) -> u8 {
        match reason {
            reason::CAP => self.reason,
            other => other,
        }
    }
}

#[derive(Debug)]
pub(super) struct Entity {
    pub(super) target: Target,
    /// The entity of its group, or [`NONE`].
    pub(super) group: u32,
    /// Limits, if it has any.
    pub(super) meter: Option<Box<Meter>>,
    /// The classes that are held when it may not be served, by number: its own, or those of its
    /// members, or leaves of others.
    pub(super) members: Vec<Member>,
    /// Service of the members that are served now: a new member starts level with it.
    clock: u64,
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
            clock: 0,
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

    /// The member that is the class numbered `class`.
    pub(super) fn member(&self, class: u32) -> Option<&Member> {
        let place = self.members.binary_search_by_key(&class, |one| one.class);
        place.ok().map(|place| &self.members[place])
    }

    /// Adds a class, which is held for `reason` by a cap of this entity.
    pub(super) fn add_member(&mut self, class: u32, reason: u8) {
        let place = self.members.partition_point(|one| one.class < class);
        let service = self.clock;
        let member = Member {
            class,
            reason,
            service,
            step: 0,
        };
        self.members.insert(place, member);
    }

    pub(super) fn remove_member(&mut self, class: u32) {
        self.members.retain(|one| one.class != class);
    }

    /// The class `to` takes the place of the class `from`.
    pub(super) fn replace_member(&mut self, from: u32, to: u32) {
        for member in &mut self.members {
            if member.class == from {
                member.class = to;
            }
        }
        self.members.sort_unstable_by_key(|one| one.class);
    }

    /// Service of a member; one with less than those that are served now counts as level with them.
    pub(super) fn service(&self, member: &Member) -> u64 {
        member.service.max(self.clock)
    }

    /// A member is served, `amount` bytes per unit weight.
    pub(super) fn count_service(&mut self, class: u32, amount: u64) {
        let Ok(place) = self.members.binary_search_by_key(&class, |one| one.class) else {
            return;
        };
        let is_holding = self.meter.as_ref().is_some_and(|meter| meter.is_holding);
        let start = if is_holding {
            // Those whom a limit lets go one by one are not served in the order in which they were
            // let go: what all have had is known there, see `at_least`.
            self.service(&self.members[place])
        } else {
            self.at_least(self.members[place].service);
            self.members[place].service
        };
        self.members[place].service = start.saturating_add(amount);
        self.members[place].step = amount;
    }

    /// Every member that is served now has had this much.
    pub(super) fn at_least(&mut self, service: u64) {
        self.clock = self.clock.max(service);
    }

    /// A member that was idle comes back: it is at least level with those that are served now.
    pub(super) fn level(&mut self, class: u32) {
        if let Ok(place) = self.members.binary_search_by_key(&class, |one| one.class) {
            let clock = self.clock;
            let service = &mut self.members[place].service;
            *service = clock.max(*service);
        }
    }

    /// The classes of all members, those first that have had least.
    pub(super) fn by_service(&self) -> Vec<Member> {
        let mut members = self.members.clone();
        if members.len() > 1 {
            members.sort_by_key(|one| self.service(one));
        }
        members
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
    pub(super) const fn of([first, second]: [u32; 2]) -> Self {
        Self([first, second, NONE, NONE])
    }

    pub(super) fn slots(self) -> impl Iterator<Item = u32> {
        self.0.into_iter().filter(|&slot| slot != NONE)
    }
}
