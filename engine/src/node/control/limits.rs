//! The limits in force: those of the parameter file, of its schedule, and of commands since.
//!
//! A command's change lasts until the file is read again.

use std::collections::BTreeMap;

use fairhaul_core::id::GroupId;
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::{Limit, Promises, Target, Unkept};

use super::settings::Settings;

/// Caps, floors and weights by target.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    of: BTreeMap<Target, Limit>,
    pub(crate) download: Option<Rate>,
    /// Whether the node's are those of an entry of the timetable.
    pub(crate) scheduled: bool,
}

impl Limits {
    /// What holds for `target`.
    pub(crate) fn of(&self, target: Target) -> Limit {
        self.of.get(&target).copied().unwrap_or_default()
    }

    /// Whether `target` can be promised `floor` beside the floors in force. One that is not raised
    /// is never refused: the node may have become slower since. Transfers are in no group.
    ///
    /// # Errors
    ///
    /// What it does not fit under.
    pub(crate) fn keep_floor(
        &self,
        target: Target,
        floor: Rate,
        group_of: impl Fn(Target) -> Option<GroupId>,
    ) -> Result<(), Unkept> {
        let zero = Rate::new(0);
        if floor <= self.of(target).floor.unwrap_or(zero) {
            return Ok(());
        }
        let mut promises = Promises::new(self.of(Target::Node).cap);
        let mut promise = |target, floor: Rate| {
            let cap = self.of(target).cap;
            match target {
                Target::Node => Ok(()),
                Target::Group(group) => promises.group(group, floor, cap),
                Target::Peer(_) | Target::Transfer(_) => {
                    promises.member(floor, cap, group_of(target))
                }
            }
        };
        for (other, limit) in self.of.iter().filter(|(other, _)| **other != target) {
            // Those in force were promised, whatever has become of the node since.
            let _ = promise(*other, limit.floor.unwrap_or(zero));
        }
        promise(target, floor)
    }

    pub(crate) fn set(&mut self, target: Target, limit: Limit) {
        self.of.insert(target, limit);
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) -> Vec<Target> {
        std::mem::take(&mut self.of).into_keys().collect()
    }

    /// Changes one thing of what holds for `target`; the bucket follows the cap.
    pub(crate) fn change(
        &mut self,
        target: Target,
        change: impl FnOnce(&mut Limit),
        settings: &Settings,
    ) {
        let mut limit = self.of(target);
        change(&mut limit);
        let floor = limit.floor.unwrap_or(Rate::new(0));
        let band = limit.band;
        let limit = Limit {
            band,
            ..settings.limit(limit.cap, floor, limit.weight)
        };
        self.set(target, limit);
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_core::id::{PeerId, TransferId};
    use fairhaul_core::uplink::Over;

    use super::*;

    const LAB: GroupId = GroupId(0);

    /// Peers with even numbers are in the group.
    fn group_of(target: Target) -> Option<GroupId> {
        match target {
            Target::Peer(peer) if peer.0 % 2 == 0 => Some(LAB),
            _ => None,
        }
    }

    fn limits(of: &[(Target, u64, Option<u64>)]) -> Limits {
        let mut limits = Limits::default();
        for &(target, floor, cap) in of {
            let limit = Limit {
                floor: Some(Rate::new(floor)),
                cap: cap.map(Rate::new),
                ..Limit::default()
            };
            limits.set(target, limit);
        }
        limits
    }

    /// 18 at the node: 8 for peer 1, 6 for a group of which peer 2 has 4, so 4 are left.
    #[test]
    fn a_floor_is_refused_beside_those_in_force_that_leave_too_little() {
        let (one, two) = (Target::Peer(PeerId(1)), Target::Peer(PeerId(2)));
        let three = Target::Transfer(TransferId(3));
        let group = Target::Group(LAB);
        let limits = limits(&[
            (Target::Node, 0, Some(18)),
            (one, 8, None),
            (two, 4, None),
            (group, 6, Some(11)),
        ]);
        let ask = |target, floor| limits.keep_floor(target, Rate::new(floor), group_of);
        let over = |target, floor| ask(target, floor).map_err(|unkept| unkept.over);
        assert_eq!(over(three, 4), Ok(()));
        assert_eq!(over(three, 5), Err(Over::Node));
        assert_eq!(
            ask(three, 5).map_err(|unkept| unkept.sum),
            Err(Rate::new(19))
        );
        assert_eq!(over(one, 12), Ok(()));
        assert_eq!(over(one, 13), Err(Over::Node));
        // Within the group's floor a member's costs nothing more; then it counts.
        assert_eq!(over(two, 10), Ok(()));
        assert_eq!(over(two, 11), Err(Over::Node));
        assert_eq!(over(two, 12), Err(Over::Group(LAB)));
        assert_eq!(over(group, 12), Err(Over::Own));
    }

    #[test]
    fn a_floor_that_is_not_raised_is_not_refused() {
        let peer = Target::Peer(PeerId(1));
        let limits = limits(&[(Target::Node, 0, Some(5)), (peer, 8, None)]);
        let ask = |floor| limits.keep_floor(peer, Rate::new(floor), group_of);
        assert_eq!(ask(8), Ok(()));
        assert_eq!(ask(6), Ok(()));
        assert!(ask(9).is_err());
    }
}
