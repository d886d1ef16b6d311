//! Whether a set of floors can be kept: what is promised at least against what is allowed at
//! most.
//!
//! The one rule for the files of nodes and scenarios and for changes while a node runs. All who
//! have a floor may ask at once, so floors count as a sum: under the cap of each target, of its
//! group and of the node. A group's floor is met by what its members get.

use std::collections::BTreeMap;

use crate::id::GroupId;
use crate::units::Rate;

/// Floors that were promised so far, under one node's capacity.
#[derive(Clone, Debug)]
pub struct Promises {
    capacity: Option<Rate>,
    sum: u64,
    groups: BTreeMap<GroupId, Group>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    cap: Option<Rate>,
    floor: u64,
    /// The floors of its members.
    members: u64,
}

/// What a floor does not fit under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The cap of the same target.
    Own,
    /// The cap of its group, with the floors of the group's other members.
    Group(GroupId),
    /// The capacity of the node, with all other floors.
    Node,
}

/// A floor that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unkept {
    /// What it does not fit under.
    pub over: Over,
    /// The sum of the floors that are to fit there, this one included.
    pub sum: Rate,
    /// The most that they may come to.
    pub capacity: Rate,
}

impl Promises {
    /// No floors yet, at a node that sends at most `capacity`; `None` is no limit.
    #[must_use]
    pub const fn new(capacity: Option<Rate>) -> Self {
        Self {
            capacity,
            sum: 0,
            groups: BTreeMap::new(),
        }
    }

    /// The floor and the cap of a group. Groups come before their members, or after them.
    ///
    /// # Errors
    ///
    /// The floor does not fit under the cap, or with the others under the node's capacity. It
    /// counts all the same.
    pub fn group(&mut self, id: GroupId, floor: Rate, cap: Option<Rate>) -> Result<(), Unkept> {
        let group = self.groups.entry(id).or_default();
        let before = group.promised();
        (group.cap, group.floor) = (cap, floor.get());
        self.sum = (self.sum - before).saturating_add(group.promised());
        let grows = group.promised() > before;
        fits(Over::Own, floor.get(), cap)?;
        fits(Over::Node, self.sum, self.capacity.filter(|_| grows))
    }

    /// The floor and the cap of a peer or a transfer, which may be in a group.
    ///
    /// # Errors
    ///
    /// The floor does not fit under the cap, or with the others under that of the group or
    /// under the node's capacity. It counts all the same.
    pub fn member(
        &mut self,
        floor: Rate,
        cap: Option<Rate>,
        group: Option<GroupId>,
    ) -> Result<(), Unkept> {
        let floor = floor.get();
        let mut more = floor;
        let mut over_group = Ok(());
        if let Some(id) = group {
            let group = self.groups.entry(id).or_default();
            let before = group.promised();
            group.members = group.members.saturating_add(floor);
            more = group.promised() - before;
            over_group = fits(
                Over::Group(id),
                group.members,
                group.cap.filter(|_| floor > 0),
            );
        }
        self.sum = self.sum.saturating_add(more);
        fits(Over::Own, floor, cap)?;
        over_group?;
        fits(Over::Node, self.sum, self.capacity.filter(|_| more > 0))
    }
}

impl Group {
    fn promised(&self) -> u64 {
        self.floor.max(self.members)
    }
}

fn fits(over: Over, sum: u64, capacity: Option<Rate>) -> Result<(), Unkept> {
    match capacity {
        Some(capacity) if sum > capacity.get() => Err(Unkept {
            over,
            sum: Rate::new(sum),
            capacity,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: GroupId = GroupId(0);

    fn rate(rate: u64) -> Option<Rate> {
        Some(Rate::new(rate))
    }

    fn unkept(over: Over, sum: u64, capacity: u64) -> Result<(), Unkept> {
        let (sum, capacity) = (Rate::new(sum), Rate::new(capacity));
        Err(Unkept {
            over,
            sum,
            capacity,
        })
    }

    #[test]
    fn the_floor_that_brings_the_sum_over_the_capacity_is_refused() {
        let mut promises = Promises::new(rate(18));
        assert_eq!(promises.member(Rate::new(12), None, None), Ok(()));
        assert_eq!(promises.member(Rate::new(6), None, None), Ok(()));
        let over = promises.member(Rate::new(1), None, None);
        assert_eq!(over, unkept(Over::Node, 19, 18));
        // A floor of zero takes nothing from the others.
        assert_eq!(promises.member(Rate::new(0), None, None), Ok(()));
    }

    // The group's 5 are met by its members' 3 and 2; only what is above 5 counts at the node.
    #[test]
    fn a_group_and_its_members_are_promised_the_larger_of_the_two() {
        for group_first in [true, false] {
            let mut promises = Promises::new(rate(6));
            if group_first {
                assert_eq!(promises.group(LAB, Rate::new(5), rate(8)), Ok(()));
            }
            for floor in [3, 2] {
                let member = promises.member(Rate::new(floor), None, Some(LAB));
                assert_eq!(member, Ok(()));
            }
            if !group_first {
                assert_eq!(promises.group(LAB, Rate::new(5), rate(8)), Ok(()));
            }
            assert_eq!(promises.member(Rate::new(1), None, Some(LAB)), Ok(()));
            let over = promises.member(Rate::new(1), None, Some(LAB));
            assert_eq!(over, unkept(Over::Node, 7, 6));
            let over = promises.member(Rate::new(2), None, Some(LAB));
            assert_eq!(over, unkept(Over::Group(LAB), 9, 8));
        }
    }

    #[test]
    fn a_floor_fits_under_the_cap_of_the_same_target() {
        let mut promises = Promises::new(None);
        assert_eq!(promises.member(Rate::new(5), rate(5), None), Ok(()));
        let over = promises.member(Rate::new(6), rate(5), None);
        assert_eq!(over, unkept(Over::Own, 6, 5));
        let over = promises.group(LAB, Rate::new(9), rate(8));
        assert_eq!(over, unkept(Over::Own, 9, 8));
    }
}
