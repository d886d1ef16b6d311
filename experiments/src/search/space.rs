//! The space of behaviours that a search walks: points, draws, and steps that change one setting.

use fairhaul_config::tree::{self, Data, Item, TomlTable};
use fairhaul_core::rng::Rng;

use crate::scenario::{BehaviourSetting, COMPLIANT, SETTINGS};

/// One in so many settings departs from the protocol in a point that is drawn.
const DEPARTS: usize = 3;

/// Every setting with its values.
#[derive(Clone, Debug)]
pub(super) struct SearchSpace(Vec<Dimension>);

#[derive(Clone, Debug)]
struct Dimension {
    setting: &'static BehaviourSetting,
    /// Values beside what the protocol says.
    tried: Vec<Data>,
}

/// A behaviour: the value of each setting, 0 for what the protocol says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpacePoint(Vec<usize>);

impl SearchSpace {
    /// The space of a deviant that may collude with these classes.
    pub(super) fn of(accomplices: &[String]) -> Self {
        let dimensions = SETTINGS.iter().map(|setting| Dimension {
            setting,
            tried: (setting.tried)(accomplices),
        });
        Self(dimensions.collect())
    }

    /// The point that departs in nothing.
    pub(super) fn compliant(&self) -> SpacePoint {
        SpacePoint(vec![0; self.0.len()])
    }

    /// Names of the settings.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|dimension| dimension.setting.name)
    }

    /// A point at random: each setting departs with probability 1/3, to any of its values.
    pub(super) fn draw(&self, rng: &mut Rng) -> SpacePoint {
        let values = self.0.iter().map(|dimension| {
            let departs = rng.below(DEPARTS) == 0 && !dimension.tried.is_empty();
            if departs {
                1 + rng.below(dimension.tried.len())
            } else {
                0
            }
        });
        SpacePoint(values.collect())
    }

    /// The points that differ in one setting: by the next value or the one before where values
    /// have an order, by any other elsewhere.
    pub(super) fn neighbours(&self, point: &SpacePoint) -> Vec<SpacePoint> {
        let mut found = Vec::new();
        for (at, (dimension, own)) in self.0.iter().zip(&point.0).enumerate() {
            let values = 0..=dimension.tried.len();
            let is_step = |value: &usize| {
                *value != *own && (!dimension.setting.is_ordered || value.abs_diff(*own) == 1)
            };
            found.extend(values.filter(is_step).map(|value| point.with(at, value)));
        }
        found
    }

    /// What a scenario says for it: a word, or a table of settings.
    pub(super) fn behaviour(&self, point: &SpacePoint) -> Data {
        let mut table = TomlTable::default();
        for (dimension, value) in self.0.iter().zip(&point.0) {
            if let Some(value) = value.checked_sub(1) {
                let (data, line) = (dimension.tried[value].clone(), 1);
                table.set(dimension.setting.name, Item { data, line });
            }
        }
        if table.entries.is_empty() {
            Data::Text(COMPLIANT.to_owned())
        } else {
            Data::Table(table)
        }
    }

    /// The same for a reader: `view = "all", serves = "nothing"`.
    pub(super) fn shown(&self, point: &SpacePoint) -> String {
        let behaviour = self.behaviour(point);
        let Some(table) = behaviour.table() else {
            return COMPLIANT.to_owned();
        };
        let pairs = table.entries.iter();
        let pairs = pairs.map(|entry| format!("{} = {}", entry.key, tree::value(&entry.item.data)));
        pairs.collect::<Vec<_>>().join(", ")
    }

    /// The value of each setting, for a table.
    pub(super) fn columns(&self, point: &SpacePoint) -> Vec<String> {
        let values = self.0.iter().zip(&point.0);
        let values = values.map(|(dimension, value)| match value.checked_sub(1) {
            None => dimension.setting.compliant.to_owned(),
            Some(value) => match &dimension.tried[value] {
                Data::Text(text) => text.clone(),
                other => tree::value(other),
            },
        });
        values.collect()
    }
}

impl SpacePoint {
    /// The same with another value of a setting.
    pub(super) fn with(&self, at: usize, value: usize) -> Self {
        let mut point = self.clone();
        point.0[at] = value;
        point
    }

    /// The settings in which it departs, with their values.
    pub(super) fn departures(&self) -> Vec<(usize, usize)> {
        let values = self.0.iter().copied().enumerate();
        values.filter(|(_, value)| *value > 0).collect()
    }

    /// Whether it departs in every setting in which `other` does.
    pub(super) fn departs_like(&self, other: &Self) -> bool {
        let mut own = self.0.iter().zip(&other.0);
        own.all(|(own, other)| *other == 0 || *own > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fairhaul_config::tree::parse;
    use fairhaul_simulator::random::Streams;

    use super::*;
    use crate::scenario::{Scenario, Variant};

    fn space() -> SearchSpace {
        SearchSpace::of(&["gang".to_owned()])
    }

    /// The point that a TOML text says.
    fn read(space: &SearchSpace, text: &str) -> SpacePoint {
        let root = parse("text", text).unwrap();
        let said = &root.get("behaviour").unwrap().item.data;
        let Some(table) = said.table() else {
            assert_eq!(said.text(), Some(COMPLIANT));
            return space.compliant();
        };
        let known: Vec<&str> = space.names().collect();
        assert!(
            table
                .entries
                .iter()
                .all(|entry| known.contains(&&*entry.key))
        );
        let values = space.0.iter().map(|dimension| {
            let Some(entry) = table.get(dimension.setting.name) else {
                return 0;
            };
            let same = |data: &Data| tree::value(data) == tree::value(&entry.item.data);
            1 + dimension.tried.iter().position(same).unwrap()
        });
        SpacePoint(values.collect())
    }

    fn drawn(space: &SearchSpace, count: usize) -> Vec<SpacePoint> {
        let mut rng = Streams::new(7, 0).stream("space", "test");
        (0..count).map(|_| space.draw(&mut rng)).collect()
    }

    #[test]
    fn a_point_is_the_same_after_it_was_written_and_read() {
        let space = space();
        let mut texts = Vec::new();
        for point in drawn(&space, 500).into_iter().chain([space.compliant()]) {
            let text = format!("behaviour = {}\n", tree::value(&space.behaviour(&point)));
            assert_eq!(read(&space, &text), point, "{text}");
            assert_eq!(space.columns(&point).len(), space.names().count());
            texts.push(text);
        }
        texts.sort();
        texts.dedup();
        assert!(texts.len() > 250, "{}", texts.len());
    }

    #[test]
    fn a_step_changes_one_setting_and_can_be_taken_back() {
        let space = space();
        for point in drawn(&space, 40) {
            let neighbours = space.neighbours(&point);
            for other in &neighbours {
                let changed = point.0.iter().zip(&other.0).filter(|(one, two)| one != two);
                assert_eq!(changed.count(), 1);
                assert!(space.neighbours(other).contains(&point));
            }
            let mut all = neighbours.clone();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), neighbours.len());
        }
    }

    /// Nothing of the space is out of reach of local steps from the protocol.
    #[test]
    fn every_value_of_every_setting_is_some_steps_from_the_protocol() {
        let space = space();
        for (at, dimension) in space.0.iter().enumerate() {
            assert!(!dimension.tried.is_empty(), "{}", dimension.setting.name);
            let mut seen = vec![space.compliant()];
            let mut next = 0;
            while let Some(point) = seen.get(next).cloned() {
                next += 1;
                let steps = space.neighbours(&point).into_iter();
                for step in steps.filter(|step| step.departures().iter().all(|own| own.0 == at)) {
                    if !seen.contains(&step) {
                        seen.push(step);
                    }
                }
            }
            assert_eq!(seen.len(), 1 + dimension.tried.len());
        }
    }

    /// Each value alone is one that a scenario takes: `garbage`, whose partner is whoever asks, and
    /// `last-chunk` of who serves by its policy are no contradictions.
    #[test]
    fn every_value_of_every_setting_is_one_that_a_scenario_takes() {
        let text = "scenario = { name = \"s\" }\n\
                    peer = [{ name = \"seed\", up = \"1 MB/s\" }]\n\
                    class = [{ name = \"deviant\", count = 1, up = \"1 MB/s\" },\n\
                    { name = \"gang\", count = 1, behaviour = \"free-rider\" }]\n\
                    content = [{ name = \"c\", bytes = \"1 MB\", seeds = \"seed\",\n\
                    leechers = [\"deviant\", \"gang\"] }]\n";
        let scenario = Scenario::read(Path::new("s.toml"), text).unwrap();
        let base = Variant::of(&scenario.cells()[0]);
        let space = space();
        for (at, dimension) in space.0.iter().enumerate() {
            for value in 1..=dimension.tried.len() {
                let point = space.compliant().with(at, value);
                let mut variant = base.clone();
                let behaviour = space.behaviour(&point);
                variant.set("class.deviant.behaviour", behaviour).unwrap();
                let setup = variant.resolve(0).unwrap();
                let deviant = setup.peers.iter().find(|peer| peer.class == "deviant");
                assert!(
                    !deviant.unwrap().behaviour.is_compliant(),
                    "{}",
                    space.shown(&point)
                );
            }
        }
    }
}
