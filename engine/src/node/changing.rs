//! Limits, weights and floors that people change while the node runs.
//!
//! Decides whom a name means; refuses names that nobody has, and limits that nothing keeps.

use fairhaul_core::node::Input;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::{Over, Target};

use super::host::Host;
use crate::control::api::{self, Direction, Failure};

impl Host {
    fn target(&self, target: &api::Target) -> Result<Target, Failure> {
        let group = |name: &str| self.settings.group(name).map(Target::Group);
        let found = match target {
            api::Target::Node => Some(Target::Node),
            api::Target::Peer(name) => self.peers.named(name).map(Target::Peer),
            api::Target::Group(name) => group(name),
            api::Target::Transfer(id) => self
                .contents
                .library()
                .get(*id)
                .map(|content| Target::Transfer(content.data())),
            api::Target::Named(name) => self
                .peers
                .named(name)
                .map(Target::Peer)
                .or_else(|| group(name)),
        };
        found.ok_or_else(|| Failure::usage(format!("{target} is unknown")))
    }

    pub(super) fn set_cap(&mut self, limit: &api::Limit) -> Result<(), Failure> {
        let cap = limit.rate_bytes_s.map(Rate::new);
        if limit.direction == Direction::Down {
            if limit.target != api::Target::Node {
                return Err(Failure::usage(
                    "only the node has a limit of what it receives",
                ));
            }
            self.limits.download = cap;
            self.tell(Input::Download { rate: cap });
            return Ok(());
        }
        let target = self.target(&limit.target)?;
        self.limits
            .change(target, |limit| limit.cap = cap, &self.settings);
        self.apply(target);
        Ok(())
    }

    pub(super) fn set_weight(&mut self, weight: &api::Weight) -> Result<(), Failure> {
        let target = self.target(&weight.target)?;
        let hundredths = weight.weight_hundredths;
        let weight = Weight::from_hundredths(hundredths)
            .or_else(|| (hundredths == 0).then_some(Weight::BEST_EFFORT));
        let weight = weight.ok_or_else(|| {
            Failure::usage(format!(
                "weight {hundredths} hundredths: allowed are 0 to 1000000"
            ))
        })?;
        if target == Target::Node {
            return Err(Failure::usage(
                "the node has no weight; peers, groups and transfers have",
            ));
        }
        self.limits
            .change(target, |limit| limit.weight = weight, &self.settings);
        self.apply(target);
        Ok(())
    }

    pub(super) fn set_floor(&mut self, floor: &api::Floor) -> Result<(), Failure> {
        let target = self.target(&floor.target)?;
        let rate = Some(Rate::new(floor.rate_bytes_s)).filter(|rate| rate.get() > 0);
        if target == Target::Node {
            return Err(Failure::usage(
                "the node has no floor; peers, groups and transfers have",
            ));
        }
        self.check_floor(target, rate.unwrap_or(Rate::new(0)))?;
        self.limits
            .change(target, |limit| limit.floor = rate, &self.settings);
        self.apply(target);
        Ok(())
    }

    /// Refuses a floor that cannot be kept beside those that are in force.
    fn check_floor(&self, target: Target, floor: Rate) -> Result<(), Failure> {
        let group_of = |target| match target {
            Target::Peer(peer) => {
                let name = self.peers.at(peer).params.as_ref()?.group.as_deref()?;
                self.settings.group(name)
            }
            _ => None,
        };
        let kept = self.limits.keep_floor(target, floor, group_of);
        kept.map_err(|unkept| {
            let text = |rate: Rate| Quantity::Rate.text(rate.get());
            let (sum, cap) = (text(unkept.sum), text(unkept.capacity));
            let what = match unkept.over {
                Over::Own => "the floor is above the cap of the same target",
                Over::Group(_) => "the sum of floors in the group is above the cap of the group",
                Over::Node => "the sum of all floors is above the cap of the node",
            };
            Failure::usage(format!("{what}; got {sum}; allowed at most {cap}"))
        })
    }

    pub(super) fn set_band(&mut self, band: &api::Band) -> Result<(), Failure> {
        let target = self.target(&band.target)?;
        self.limits
            .change(target, |limit| limit.band = band.band, &self.settings);
        self.apply(target);
        Ok(())
    }

    /// Tells the core what holds for `target` now.
    pub(super) fn apply(&mut self, target: Target) {
        let limit = self.limits.of(target);
        self.tell(Input::Limit { target, limit });
    }
}
