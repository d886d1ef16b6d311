//! Caps: who is held back while a bucket does not hold a block, and who goes first after.
//!
//! Decides among the members of one cap, which are either one class or leaves spread over
//! the tree. While the bucket does not hold a block all are held. After that, no more of them
//! compete than it holds blocks for, those that have had least by weight, each for a block:
//! if all came back at once, the order of their numbers would decide, block after block, and
//! the last would starve. But if nobody else has anything to send, all may.

use crate::time::Time;
use crate::units::{ByteCount, Weight};

use super::leaf::{Leaf, Served};
use super::meter::PATIENCE;
use super::tree::ROOT;
use super::{Share, Target, Uplink, reason};

impl Uplink {
    /// Counts a block for the member of `slot` that got it, if there are others.
    pub(super) fn count_service(&mut self, slot: u32, served: &Served) {
        let entity = self.entities.at(slot);
        let Some(meter) = entity.meter.as_ref().filter(|_| entity.members.len() > 1) else {
            return;
        };
        let clock = meter.clock;
        let member = self.member_of(slot, served.leaf);
        let weight = u64::from(self.weight_of(served.leaf).hundredths());
        let cost = served.facts.cost;
        let cost = cost.saturating_mul(u64::from(Weight::ONE.hundredths())) / weight;
        let start = self.tree.class(member).service;
        self.tree.add_service(member, cost);
        if let Some(meter) = &mut self.entities.at_mut(slot).meter {
            meter.clock = clock.max(start);
        }
    }

    /// A leaf that was idle comes back level with those it shares caps and floors with.
    pub(super) fn level(&mut self, leaf: u32) {
        let Leaf { peer, transfer, .. } = *self.tree.leaf(leaf);
        for slot in self.entities.concerned(peer, transfer).slots() {
            if let Some(meter) = &self.entities.at(slot).meter {
                let clock = meter.clock;
                self.tree.raise_service(self.member_of(slot, leaf), clock);
            }
        }
    }

    /// Charges a block to the cap of `slot`.
    pub(super) fn pay_cap(&mut self, slot: u32, served: &Served, now: Time) {
        let entity = self.entities.at_mut(slot);
        let reason = reason_of(entity.target);
        let shared = entity.members.len() > 1;
        let Some(meter) = entity.meter.as_mut() else {
            return;
        };
        let Some(cap) = &mut meter.cap else {
            return;
        };
        cap.spend(ByteCount::new(served.len), now);
        if meter.is_holding && shared {
            // It competed for a block and has it; the next one goes to who has had least.
            let member = self.member_of(slot, served.leaf);
            self.tree.hold(member, reason);
        }
        self.review(slot, now);
    }

    /// Lets go who was held by a bucket that has earned enough since.
    pub(super) fn wake(&mut self, now: Time) {
        while let Some(&(time, slot)) = self.wakes.first() {
            if time > now {
                return;
            }
            self.review(slot, now);
        }
    }

    /// Brings the members of `slot` in line with its bucket.
    pub(super) fn review(&mut self, slot: u32, now: Time) {
        self.forget_wake(slot);
        let entity = self.entities.at_mut(slot);
        let reason = reason_of(entity.target);
        let Some(meter) = entity.meter.as_mut() else {
            return;
        };
        let ready = meter.ready_at(now);
        if ready > now {
            meter.is_holding = true;
            self.partial.remove(&slot);
            self.hold(slot, reason);
            self.set_wake(slot, ready);
        } else if meter.is_holding {
            self.grant(slot, now);
        }
    }

    /// A leaf that has something again and is held: perhaps its caps let it go.
    pub(super) fn ask_for_grants(&mut self, leaf: u32) {
        if self.tree.class(leaf).held & !reason::WINDOW == 0 {
            return;
        }
        let leaf = self.tree.leaf(leaf);
        for slot in self.entities.concerned(leaf.peer, leaf.transfer).slots() {
            if self.partial.contains(&slot) {
                self.review(slot, self.now);
            }
        }
    }

    /// Lets all go that are held by caps with a block to give. False if there are none.
    pub(super) fn grant_to_all(&mut self) -> bool {
        let slots = std::mem::take(&mut self.partial);
        for &slot in &slots {
            self.forget_wake(slot);
            self.let_go(slot);
        }
        !slots.is_empty()
    }

    /// Ends what the cap of `slot` holds.
    pub(super) fn let_go(&mut self, slot: u32) {
        self.forget_wake(slot);
        self.partial.remove(&slot);
        let entity = self.entities.at_mut(slot);
        let reason = reason_of(entity.target);
        if let Some(meter) = &mut entity.meter {
            meter.is_holding = false;
        }
        self.release(slot, reason);
    }

    /// Lets as many members of `slot` go as its bucket holds blocks for, who has had least
    /// first; all if it holds enough.
    fn grant(&mut self, slot: u32, now: Time) {
        let entity = self.entities.at(slot);
        let reason = reason_of(entity.target);
        let meter = entity.meter.as_ref().expect("only a meter holds");
        let blocks = meter.blocks(now);
        let (mut competing, clock) = (0, meter.clock);
        let mut waiting = Vec::new();
        for &member in &entity.members {
            let class = self.tree.class(member);
            if class.is_posted() {
                competing += 1;
            } else if class.is_backlogged() && class.held & reason != 0 {
                waiting.push((class.service.max(clock), member));
            }
        }
        if waiting.len() as u64 + competing <= blocks {
            return self.let_go(slot);
        }
        waiting.sort_unstable();
        let room = usize::try_from(blocks.saturating_sub(competing)).unwrap_or(usize::MAX);
        let someone_stays = room < waiting.len();
        let mut clock = clock;
        for (service, member) in waiting.into_iter().take(room) {
            competing += 1;
            clock = service;
            self.tree.raise_service(member, service);
            self.tree.release(member, reason, now);
        }
        self.partial.insert(slot);
        let meter = self.entities.at_mut(slot).meter.as_mut();
        let meter = meter.expect("it was there above");
        meter.clock = clock;
        if someone_stays {
            // Those who compete may be held by other limits: look again even if the bucket
            // will not hold more.
            let next = meter.ready_for(competing + 1, now);
            self.set_wake(slot, next.unwrap_or_else(|| now.saturating_add(PATIENCE)));
        }
    }

    pub(super) fn hold(&mut self, slot: u32, reason: u8) {
        for &member in &self.entities.at(slot).members {
            self.tree.hold(member, reason);
        }
    }

    pub(super) fn release(&mut self, slot: u32, reason: u8) {
        for &member in &self.entities.at(slot).members {
            self.tree.release(member, reason, self.now);
        }
    }

    /// A bucket of rate zero never wakes anybody: only another limit does.
    fn set_wake(&mut self, slot: u32, time: Time) {
        if time < Time::MAX
            && let Some(meter) = &mut self.entities.at_mut(slot).meter
        {
            meter.wake = Some(time);
            self.wakes.insert((time, slot));
        }
    }

    fn forget_wake(&mut self, slot: u32) {
        let meter = self.entities.at_mut(slot).meter.as_mut();
        if let Some(time) = meter.and_then(|meter| meter.wake.take()) {
            self.wakes.remove(&(time, slot));
        }
    }

    /// The class that stands for `slot` above `leaf`, or the leaf itself.
    fn member_of(&self, slot: u32, leaf: u32) -> u32 {
        let mut id = leaf;
        while id != ROOT {
            if self.tree.class(id).entity == slot {
                return id;
            }
            id = self.tree.class(id).parent;
        }
        leaf
    }

    /// The weight of a leaf in what the uplink is shared by.
    fn weight_of(&self, leaf: u32) -> Weight {
        let leaf = self.tree.leaf(leaf);
        let slot = match self.settings.share {
            Share::Peer | Share::Group => leaf.peer,
            Share::Transfer => leaf.transfer,
        };
        let meter = self.entities.at(slot).meter.as_ref();
        meter.map_or(Weight::ONE, |meter| meter.limit.weight)
    }
}

/// The reason for which the cap of `target` holds.
pub(super) const fn reason_of(target: Target) -> u8 {
    match target {
        Target::Group(_) => reason::GROUP,
        Target::Peer(_) => reason::PEER,
        Target::Transfer(_) => reason::TRANSFER,
        Target::Node => unreachable!(),
    }
}
