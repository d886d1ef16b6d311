//! The limits in force: what the file says, the timetable, and what people changed since.
//!
//! Decides which of them holds. A change by a person lasts until the file is read again.

use std::collections::BTreeMap;

use fairhaul_core::units::Rate;
use fairhaul_core::uplink::{Limit, Target};

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

    /// Everybody whose floor, cap or weight was said, with the floor.
    pub(crate) fn floors(&self) -> impl Iterator<Item = (Target, Rate)> + '_ {
        let floor = |limit: &Limit| limit.floor.unwrap_or(Rate::new(0));
        self.of
            .iter()
            .map(move |(target, limit)| (*target, floor(limit)))
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
