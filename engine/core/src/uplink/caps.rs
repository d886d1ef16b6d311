//! Caps: which members of a cap compete once its bucket holds a block again.
//!
//! The members of a cap are one class, or leaves spread over the tree. While the bucket does not
//! hold a block, all of them are held. After that, as many compete as it holds blocks for, the ones
//! with the least service by weight first, each for one block: if all were released at once, the
//! order of their numbers would decide, block after block, and the last would starve. If nothing
//! else is backlogged, all may compete. One block is reserved for released members that wait for
//! another limit: the others would take it each time.
//!
//! The window of a peer that is shared by transfer is such a limit too: what its connection takes
//! goes block by block to the class with the least service.

use std::cmp::Ordering;

use crate::sched::Claim;
use crate::time::Time;
use crate::units::{ByteCount, Weight};

use super::class::Class;
use super::entity::{Concerned, Member};
use super::leaf::{Leaf, Served};
use super::limits::{Meter, PATIENCE};
use super::tree::ROOT;
use super::{Share, Target, Uplink, reason};

/// The members of a limit that have something to send.
#[derive(Debug)]
struct Members {
    /// Those that it let go and that hang on nothing else: each needs a block of its bucket.
    competing: Vec<Turn>,
    /// It let others go that wait for another limit. One block is kept for them: limits that let
    /// the same member go at different times, and never together, would starve it.
    is_kept: bool,
    /// The members it holds back, by band and service: the least served is first. And whether
    /// another limit holds that one too.
    waiting: Vec<(Turn, Member, bool)>,
    /// A narrow window passes over a member that waits for another limit.
    is_elsewhere: bool,
    /// The least service of those that hang on this limit alone.
    least: u64,
}

/// A member's rank in the order of a limit: the lower band first, then the least served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    band: u8,
    /// Bytes that it was served per unit weight.
    service: u64,
    /// What its next block will add to that.
    step: u64,
}

impl Turn {
    /// How many blocks this member, which is let go, may have after its next one before it is the
    /// turn of `other`.
    fn more_before(&self, other: &Self) -> u64 {
        match self.band.cmp(&other.band) {
            Ordering::Less => u64::MAX,
            Ordering::Greater => 0,
            Ordering::Equal => {
                let behind = other.service.saturating_sub(self.service);
                behind.div_ceil(self.step.max(1)).saturating_sub(1)
            }
        }
    }
}

impl Default for Members {
    fn default() -> Self {
        Self {
            competing: Vec::new(),
            is_kept: false,
            waiting: Vec::new(),
            is_elsewhere: false,
            least: u64::MAX,
        }
    }
}

impl Uplink {
    /// Counts a block for the member of `slot` that got it, if there are others.
    pub(super) fn count_service(&mut self, slot: u32, served: &Served) {
        if !self.is_shared(slot) {
            return;
        }
        let weight = u64::from(self.weight_of(served.leaf).hundredths());
        let cost = served.facts.cost;
        let cost = cost.saturating_mul(u64::from(Weight::ONE.hundredths())) / weight;
        let member = self.member_of(slot, served.leaf);
        self.entities.at_mut(slot).count_service(member, cost);
    }

    /// A leaf that was idle comes back level with those it shares caps, floors and windows with.
    pub(super) fn level(&mut self, leaf: u32) {
        let Leaf { peer, transfer, .. } = *self.tree.leaf(leaf);
        for slot in self.entities.concerned(peer, transfer).slots() {
            if self.is_shared(slot) {
                let member = self.member_of(slot, leaf);
                self.entities.at_mut(slot).level(member);
            }
        }
    }

    /// Whether several classes wait for one limit: a cap, a floor, or a peer's window.
    fn is_shared(&self, slot: u32) -> bool {
        let entity = self.entities.at(slot);
        let is_limited = entity.meter.is_some() || matches!(entity.target, Target::Peer(_));
        is_limited && entity.members.len() > 1
    }

    /// Charges a block to the cap of `slot`.
    pub(super) fn pay_cap(&mut self, slot: u32, served: &Served, now: Time) {
        let entity = self.entities.at_mut(slot);
        let shared = entity.members.len() > 1;
        let Some(meter) = entity.meter.as_mut() else {
            return;
        };
        meter.spend(ByteCount::new(served.len), now);
        if meter.is_holding && shared {
            // It competed for a block and has it; the next one goes to the least served.
            let member = self.member_of(slot, served.leaf);
            if let Some(member) = self.entities.at(slot).member(member) {
                self.tree.hold(member.class, member.reason);
            }
        }
        self.review(slot, now);
    }

    /// The window of the peer at `slot` opens: the end of the hold for `reason`.
    pub(super) fn reopen(&mut self, slot: u32, reason: u8) {
        let (largest, now) = (self.settings.largest, self.now);
        let entity = self.entities.at_mut(slot);
        if entity.members.len() > 1 {
            let meter = entity
                .meter
                .get_or_insert_with(|| Box::new(Meter::new(largest)));
            meter.narrow(now);
            self.hold(slot, reason::CAP);
            self.review(slot, now);
        }
        self.release(slot, reason);
    }

    /// Resets the narrow window of a peer without measurements.
    pub(super) fn forget_window(&mut self, slot: u32) {
        let entity = self.entities.at(slot);
        let meter = entity.meter.as_ref();
        let is_told = meter.is_none_or(|meter| meter.is_told());
        if entity.members.len() <= 1 && !is_told {
            self.let_go(slot);
            self.entities.at_mut(slot).meter = None;
        }
    }

    /// Releases members whose bucket has earned enough since.
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
        let Some(meter) = entity.meter.as_mut() else {
            return;
        };
        let ready = meter.ready_at(now);
        if ready > now {
            meter.is_holding = true;
            self.partial.remove(&slot);
            self.hold(slot, reason::CAP);
            self.set_wake(slot, ready);
        } else if meter.is_holding {
            self.let_some_go(slot, false);
        }
    }

    /// A leaf that has something again and is held: perhaps its caps let it go.
    pub(super) fn ask_for_grants(&mut self, leaf: u32) {
        if self.reasons(leaf) & !reason::WINDOW == 0 {
            return;
        }
        let leaf = self.tree.leaf(leaf);
        self.look_again(self.entities.concerned(leaf.peer, leaf.transfer));
    }

    /// A member came, or one left for which a block was kept: caps that hold blocks look again at
    /// their waiting members.
    pub(super) fn look_again(&mut self, concerned: Concerned) {
        for slot in concerned.slots() {
            let meter = self.entities.at(slot).meter.as_ref();
            let has_block = |meter: &Meter| meter.ready_at(self.now) <= self.now;
            if meter.is_some_and(|meter| meter.is_holding && has_block(meter)) {
                self.review(slot, self.now);
            }
        }
    }

    /// Lets the limits look again at the classes that got something to serve from below. False if
    /// there are none.
    pub(super) fn look_at_woken(&mut self) -> bool {
        let woken = self.tree.take_woken();
        for &slot in &woken {
            let side = self.side_group(slot);
            self.look_again(Concerned::of([slot, side]));
        }
        !woken.is_empty()
    }

    /// Nothing competes: releases the members of caps that hold a block, all but the block that is
    /// kept for members which wait for another limit as well. False if none was held so.
    pub(super) fn grant_to_all(&mut self) -> bool {
        let slots = std::mem::take(&mut self.partial);
        for &slot in &slots {
            self.forget_wake(slot);
            self.let_some_go(slot, true);
        }
        !slots.is_empty()
    }

    /// Ends what the cap of `slot` holds.
    pub(super) fn let_go(&mut self, slot: u32) {
        self.forget_wake(slot);
        self.partial.remove(&slot);
        if let Some(meter) = &mut self.entities.at_mut(slot).meter {
            meter.is_holding = false;
        }
        self.release(slot, reason::CAP);
    }

    /// Releases as many members of `slot` as its bucket holds blocks for, the least served first;
    /// all of them if it is full, for then it is not what limits them, or if `alone`: nothing else
    /// has anything to send.
    fn let_some_go(&mut self, slot: u32, alone: bool) {
        let now = self.now;
        let members = self.look_at(slot, now);
        if members.least < u64::MAX {
            self.entities.at_mut(slot).at_least(members.least);
        }
        let entity = self.entities.at(slot);
        let meter = entity.meter.as_ref().expect("only a meter holds");
        let (blocks, is_full) = (meter.blocks(now), meter.is_full(now));
        // A discipline that ranks blocks keeps its order whichever members come back; one that
        // shares treats members that come back together as level.
        let is_ranked = matches!(self.settings.outer.claim, Claim::None);
        let is_free = is_full || entity.members.len() == 1;
        let all = members.waiting.len() + members.competing.len();
        let is_enough = is_free && all as u64 <= blocks;
        if !members.is_kept && (alone || is_ranked || is_enough) {
            return self.let_go(slot);
        }
        let mut ahead = if alone { Vec::new() } else { members.competing };
        let taken = ahead.len() as u64 + u64::from(members.is_kept);
        let room = match blocks.saturating_sub(taken) {
            0 => 0,
            _ if is_ranked => u64::MAX,
            room => room,
        };
        let (mut left, mut is_kept, mut stay) = (room, members.is_kept, 0_usize);
        for &(turn, member, is_elsewhere) in &members.waiting {
            // Where nothing competes, all members that wait for another limit share the one block
            // that is kept: else one of them would hold what another could use now.
            let is_free = alone && is_elsewhere && is_kept;
            // Blocks for released members that were served so little that they come before it.
            // Without them a member with a small share would get every second block wherever the
            // bucket holds two. A full bucket loses what it earns: every member that may compete is
            // released.
            let before = |left, one: &Turn| left - one.more_before(&turn).min(left);
            let is_spared = is_ranked || is_full;
            let free = if is_spared {
                left
            } else {
                ahead.iter().fold(left, before)
            };
            if free == 0 && !is_free {
                stay += 1;
                continue;
            }
            left -= u64::from(!is_free);
            is_kept |= is_elsewhere;
            if !is_elsewhere {
                ahead.push(turn);
            }
            self.tree.release(member.class, member.reason, now);
        }
        let someone_stays = members.is_elsewhere || stay > 0;
        // Whether the held members may be released when nothing competes.
        let may_be_more = !alone && (!is_kept || blocks > 1);
        if may_be_more {
            self.partial.insert(slot);
        } else {
            self.partial.remove(&slot);
        }
        if someone_stays {
            // Competing members may be held by other limits: look again even if the bucket will not
            // hold more.
            let meter = self.entities.at(slot).meter.as_ref();
            let next = if left == 0 {
                taken.saturating_add(room)
            } else {
                blocks
            };
            let next = meter.and_then(|meter| meter.ready_for(next.saturating_add(1), now));
            self.set_wake(slot, next.unwrap_or_else(|| now.saturating_add(PATIENCE)));
        }
    }

    /// The state of the members of `slot`: which compete, and which wait, in order.
    fn look_at(&self, slot: u32, now: Time) -> Members {
        let entity = self.entities.at(slot);
        let meter = entity.meter.as_ref().expect("only a meter holds");
        let is_narrow = meter.is_narrow(now);
        let mut members = Members::default();
        for member in &entity.members {
            let class = self.tree.class(member.class);
            if !class.is_backlogged() {
                continue;
            }
            let service = entity.service(member);
            let (band, step) = (self.band(class), member.step);
            let turn = Turn {
                band,
                service,
                step,
            };
            let mut others = class.held & !member.reason;
            others |= self.tree.held_above(member.class);
            if class.held & member.reason == 0 {
                if others == 0 {
                    members.competing.push(turn);
                    members.least = members.least.min(service);
                } else {
                    members.is_kept = !is_narrow;
                }
            } else if is_narrow && others & !reason::OPENING != 0 {
                // Its turn at the window would pass unused.
                members.is_elsewhere = true;
            } else {
                members.waiting.push((turn, *member, others != 0));
                // A member that waits for another limit as well does not keep its arrears.
                if others == 0 {
                    members.least = members.least.min(service);
                }
            }
        }
        members
            .waiting
            .sort_unstable_by_key(|&(turn, member, _)| (turn.band, turn.service, member.class));
        members
    }

    /// The band that a class waits in, where bands count.
    const fn band(&self, class: &Class) -> u8 {
        match self.settings.outer.claim {
            Claim::Banded(_) => class.standing.band,
            _ => 0,
        }
    }

    /// Holds all members of `slot`; for [`reason::CAP`] each for its own reason.
    pub(super) fn hold(&mut self, slot: u32, reason: u8) {
        for member in &self.entities.at(slot).members {
            self.tree.hold(member.class, member.bit(reason));
        }
    }

    /// Ends a hold. The least served are back first: disciplines that treat all that come back
    /// together as level serve them in this order.
    pub(super) fn release(&mut self, slot: u32, reason: u8) {
        for member in self.entities.at(slot).by_service() {
            self.tree
                .release(member.class, member.bit(reason), self.now);
        }
    }

    /// A bucket of rate zero never releases a member: only another limit does.
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

    /// The member of `slot` that `leaf` is, or is below.
    fn member_of(&self, slot: u32, leaf: u32) -> u32 {
        let entity = self.entities.at(slot);
        let mut id = leaf;
        while id != ROOT && entity.member(id).is_none() {
            id = self.tree.class(id).parent;
        }
        id
    }

    /// The weight of a leaf in what the uplink is shared by.
    fn weight_of(&self, leaf: u32) -> Weight {
        if matches!(self.settings.outer.claim, Claim::Turns) {
            return Weight::ONE;
        }
        let leaf = self.tree.leaf(leaf);
        let slot = match self.settings.share {
            Share::Peer | Share::Group => leaf.peer,
            Share::Transfer => leaf.transfer,
        };
        let meter = self.entities.at(slot).meter.as_ref();
        meter.map_or(Weight::ONE, |meter| meter.weight())
    }
}
