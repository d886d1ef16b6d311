//! Floors: who is served out of turn, so that nobody gets less than was guaranteed.
//!
//! Decides by one bucket for each floor. It earns at the guaranteed rate and pays for all that
//! its target is served, in turn or not; whoever's bucket holds a block is behind by a block.
//! What is served out of turn is taken back from the discipline's account (see `tree`), so
//! that in turn the target gets its share of what the floors leave: with shares `t * w` in
//! turn and `floor - t * w` out of turn, everybody has `max(t * w, floor)`, and a floor leaves
//! no debt behind when the others change.

use crate::time::Time;
use crate::units::ByteCount;

use super::leaf::Served;
use super::tree::ROOT;
use super::{OUT_OF_TURN_MAX, Uplink};

impl Uplink {
    /// Below which class the next block is: the root, or one that is behind its floor.
    pub(super) fn first(&mut self, now: Time) -> u32 {
        let behind = self.behind_floor(now);
        let behind = behind.filter(|_| self.out_of_turn < OUT_OF_TURN_MAX);
        self.out_of_turn = behind.map_or(0, |_| self.out_of_turn + 1);
        behind.unwrap_or(ROOT)
    }

    /// A class that can be served and is a block behind its floor, the longest behind first.
    /// If a floor has several members, the one of them that has had least by weight.
    pub(super) fn behind_floor(&self, now: Time) -> Option<u32> {
        let behind = self.floors.iter().take_while(|&&(time, _)| time <= now);
        behind
            .map(|&(_, slot)| self.entities.at(slot))
            .find_map(|entity| {
                let clock = entity.meter.as_ref().map_or(0, |meter| meter.clock);
                let members = entity.members.iter().copied();
                members
                    .filter(|&member| self.tree.is_reachable(member))
                    .min_by_key(|&member| self.tree.class(member).service.max(clock))
            })
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
        floor.spend_down_to(ByteCount::new(served.facts.cost), floor.burst(), now);
        self.expect_floor(slot);
    }

    /// Brings the floor of `slot` to its place among the floors of the backlogged.
    pub(super) fn expect_floor(&mut self, slot: u32) {
        let entity = self.entities.at_mut(slot);
        let Some(meter) = &mut entity.meter else {
            return;
        };
        if let Some(time) = meter.behind.take() {
            self.floors.remove(&(time, slot));
        }
        if entity.requests > 0
            && let Some(floor) = &meter.floor
        {
            let time = floor.ready_at(meter.block, self.now);
            meter.behind = Some(time);
            self.floors.insert((time, slot));
        }
    }
}
