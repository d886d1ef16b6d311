//! Floors: which target is served out of turn, so that each gets at least its guaranteed rate.
//!
//! Each floor has a bucket that earns at the guaranteed rate and pays for all that its target is
//! served, in turn or not; a target whose bucket holds a block is behind by a block. Service out of
//! turn is taken back from the discipline's account (see `tree`), so that in turn the target gets
//! its share of what the floors leave: with shares `t * w` in turn and `floor - t * w` out of turn,
//! each target gets `max(t * w, floor)`, and a floor leaves no debt behind when the others change.
//!
//! Targets that are behind are served in the order of start tags, weighted by their floors: on a
//! link that has become too slow for all floors they share it in proportion. Buckets alone cannot
//! do that: once all are full they are level.

use std::collections::BTreeSet;

use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

use super::leaf::Served;
use super::tree::ROOT;
use super::{OUT_OF_TURN_MAX, Uplink};

/// How far a target may be ahead of its floor by what it was served in turn: as much as a
/// discipline serves at a stretch, and little of the second in which it is promised its floor.
const AHEAD: Span = Span::from_millis(50);

/// A point in the virtual time of the floors: picoseconds of service at the guaranteed rate.
type Tag = u128;

/// Floors of the backlogged, each in one of two places.
#[derive(Debug, Default)]
pub(super) struct Floors {
    /// By the time at which they are a block behind.
    in_time: BTreeSet<(Time, u32)>,
    /// Those that are, by start tag.
    behind: BTreeSet<(Tag, u32)>,
    /// The start tag of the floor that was served last.
    clock: Tag,
}

/// Where the floor of one target stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// The tag at which its next block starts.
    tag: Tag,
    /// Its place, if it has one.
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    InTime(Time),
    Behind(Tag),
}

impl Floors {
    fn remove(&mut self, standing: &mut Standing, slot: u32) {
        match standing.place.take() {
            Some(Place::InTime(time)) => self.in_time.remove(&(time, slot)),
            Some(Place::Behind(tag)) => self.behind.remove(&(tag, slot)),
            None => false,
        };
    }

    /// `ahead` is how far a target may be ahead of the others when it falls behind: what it was
    /// served in turn meanwhile is no debt.
    fn insert(&mut self, standing: &mut Standing, slot: u32, due: Time, now: Time, ahead: Tag) {
        standing.place = Some(if due > now {
            self.in_time.insert((due, slot));
            Place::InTime(due)
        } else {
            standing.tag = standing.tag.clamp(self.clock, self.clock + ahead);
            self.behind.insert((standing.tag, slot));
            Place::Behind(standing.tag)
        });
    }
}

impl Uplink {
    /// Below which class the next block is: the root, or one that is behind its floor.
    pub(super) fn first(&mut self, now: Time) -> u32 {
        while let Some(&(time, slot)) = self.floors.in_time.first()
            && time <= now
        {
            self.expect_floor(slot);
        }
        let behind = self.behind_floor(now);
        let behind = behind.filter(|_| self.out_of_turn < OUT_OF_TURN_MAX);
        self.out_of_turn = behind.map_or(0, |_| self.out_of_turn + 1);
        let Some((slot, class)) = behind else {
            return ROOT;
        };
        if let Some(meter) = &self.entities.at(slot).meter {
            self.floors.clock = self.floors.clock.max(meter.standing.tag);
        }
        class
    }

    /// A floor that is behind and has a class that can be served, and that class. If a floor has
    /// several members, the one of them that has had least by weight.
    pub(super) fn behind_floor(&self, now: Time) -> Option<(u32, u32)> {
        let behind = self.floors.behind.iter().map(|&(_, slot)| slot);
        let late = self.floors.in_time.iter();
        let late = late.take_while(|&&(time, _)| time <= now);
        behind
            .chain(late.map(|&(_, slot)| slot))
            .find_map(|slot| Some((slot, self.member_behind(slot)?)))
    }

    fn member_behind(&self, slot: u32) -> Option<u32> {
        let entity = self.entities.at(slot);
        let members = entity.members.iter();
        let reachable = members.filter(|member| self.tree.is_reachable(member.class));
        let least = reachable.min_by_key(|&member| entity.service(member));
        least.map(|member| member.class)
    }

    /// Charges what the turn cost to the floor of `slot`, so that a floor does not make tiny
    /// requests free.
    pub(super) fn pay_floor(&mut self, slot: u32, served: &Served, now: Time) {
        let entity = self.entities.at_mut(slot);
        let Some(meter) = entity.meter.as_mut() else {
            return;
        };
        let Some(floor) = &mut meter.floor else {
            return;
        };
        let cost = ByteCount::new(served.facts.cost);
        let two = ByteCount::new(2 * meter.block.get());
        let ahead = floor.rate().bytes_in(AHEAD).max(two);
        floor.spend_down_to(cost, ahead, now);
        // A target that could not be served while others were starts level with them.
        let start = meter.standing.tag.max(self.floors.clock);
        meter.standing.tag = start + time_for(floor.rate(), cost);
        self.expect_floor(slot);
    }

    /// Brings the floor of `slot` to its place among the floors of the backlogged.
    pub(super) fn expect_floor(&mut self, slot: u32) {
        let entity = self.entities.at_mut(slot);
        let Some(meter) = &mut entity.meter else {
            return;
        };
        self.floors.remove(&mut meter.standing, slot);
        if entity.requests > 0
            && let Some(floor) = &meter.floor
        {
            let due = floor.ready_at(meter.block, self.now);
            let two = ByteCount::new(2 * meter.block.get());
            let ahead = time_for(floor.rate(), two);
            self.floors
                .insert(&mut meter.standing, slot, due, self.now, ahead);
        }
    }
}

/// How long `len` bytes take at `floor`, in picoseconds; a floor of zero is never behind.
fn time_for(floor: Rate, len: ByteCount) -> Tag {
    Tag::from(len.get()) * 1_000_000_000_000 / Tag::from(floor.get().max(1))
}
