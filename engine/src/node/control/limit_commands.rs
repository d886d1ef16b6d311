//! Commands that change limits, weights and floors while the node runs.
//!
//! Unknown names are refused, and floors that cannot be kept beside those in force.

use fairhaul_config::fault::did_you_mean;
use fairhaul_core::node::Input;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::{Over, Target};

use super::Control;
use super::others::Others;
use crate::control::api::{self, Call, Failure, InForce, TransferDirection};
use crate::node::connections::peers::Peers;
use crate::node::inputs::PendingInputs;

impl Control {
    fn target(&self, target: &api::LimitTarget, others: &Others<'_>) -> Result<Target, Failure> {
        let peers = others.connections.peers();
        let group = |name: &str| self.settings.group(name).map(Target::Group);
        let found = match target {
            api::LimitTarget::Node => Some(Target::Node),
            api::LimitTarget::Peer(name) => peers.named(name).map(Target::Peer),
            api::LimitTarget::Group(name) => group(name),
            api::LimitTarget::Transfer(id) => others
                .contents
                .library()
                .get(*id)
                .map(|content| Target::Transfer(content.data())),
            api::LimitTarget::Named(name) => {
                peers.named(name).map(Target::Peer).or_else(|| group(name))
            }
        };
        found.ok_or_else(|| self.unknown(target, peers))
    }

    /// The failure for an unknown target.
    fn unknown(&self, target: &api::LimitTarget, peers: &Peers) -> Failure {
        let groups = || self.settings.params.groups.iter();
        let groups = || groups().map(|(name, _)| &**name);
        let what = format!("{target} is unknown");
        let text = match target {
            api::LimitTarget::Peer(name) => did_you_mean(what, name, peers.names()),
            api::LimitTarget::Group(name) => did_you_mean(what, name, groups()),
            api::LimitTarget::Named(name) => {
                let all = peers.names().chain(groups());
                did_you_mean(what, name, all.chain(["node"]))
            }
            api::LimitTarget::Node | api::LimitTarget::Transfer(_) => {
                format!("{what}; `fairhaul status` lists transfers")
            }
        };
        Failure::usage(text)
    }

    /// Answers with what holds for `target` now, or with why it was not changed.
    pub(super) fn answer_in_force(
        &self,
        call: Call,
        target: &api::LimitTarget,
        set: Result<(), Failure>,
        others: &Others<'_>,
    ) {
        match set.and_then(|()| self.target(target, others)) {
            Ok(found) => {
                let limit = self.limits.of(found);
                let download = self.limits.download.filter(|_| found == Target::Node);
                call.done(&InForce {
                    target: target.clone(),
                    limit_bytes_s: limit.cap.map(Rate::get),
                    download_bytes_s: download.map(Rate::get),
                    floor_bytes_s: limit.floor.map_or(0, Rate::get),
                    weight_hundredths: limit.weight.hundredths(),
                });
            }
            Err(failure) => call.fail(failure),
        }
    }

    pub(super) fn set_cap(
        &mut self,
        limit: &api::LimitRequest,
        others: &mut Others<'_>,
    ) -> Result<(), Failure> {
        limit.rate_bytes_s.map_or(Ok(()), check_rate)?;
        let cap = limit.rate_bytes_s.map(Rate::new);
        if limit.direction == TransferDirection::Down {
            if limit.target != api::LimitTarget::Node {
                return Err(Failure::usage(
                    "only the node has a limit of what it receives",
                ));
            }
            self.limits.download = cap;
            others.inputs.core(Input::Download { rate: cap });
            return Ok(());
        }
        let target = self.target(&limit.target, others)?;
        self.limits
            .change(target, |limit| limit.cap = cap, &self.settings);
        self.apply(target, others.inputs);
        Ok(())
    }

    pub(super) fn set_weight(
        &mut self,
        weight: &api::WeightRequest,
        others: &mut Others<'_>,
    ) -> Result<(), Failure> {
        let target = self.target(&weight.target, others)?;
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
        self.apply(target, others.inputs);
        Ok(())
    }

    pub(super) fn set_floor(
        &mut self,
        floor: &api::Floor,
        others: &mut Others<'_>,
    ) -> Result<(), Failure> {
        let target = self.target(&floor.target, others)?;
        let rate = Some(Rate::new(floor.rate_bytes_s)).filter(|rate| rate.get() > 0);
        if target == Target::Node {
            return Err(Failure::usage(
                "the node has no floor; peers, groups and transfers have",
            ));
        }
        rate.map_or(Ok(()), |rate| check_rate(rate.get()))?;
        let peers = others.connections.peers();
        self.check_floor(target, rate.unwrap_or(Rate::new(0)), peers)?;
        self.limits
            .change(target, |limit| limit.floor = rate, &self.settings);
        self.apply(target, others.inputs);
        Ok(())
    }

    /// Refuses a floor that cannot be kept beside those that are in force.
    fn check_floor(&self, target: Target, floor: Rate, peers: &Peers) -> Result<(), Failure> {
        let group_of = |target| match target {
            Target::Peer(peer) => {
                let name = peers.at(peer).params.as_ref()?.group.as_deref()?;
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

    pub(super) fn set_band(
        &mut self,
        band: &api::Band,
        others: &mut Others<'_>,
    ) -> Result<(), Failure> {
        let target = self.target(&band.target, others)?;
        self.limits
            .change(target, |limit| limit.band = band.band, &self.settings);
        self.apply(target, others.inputs);
        Ok(())
    }

    /// Tells the core what holds for `target` now.
    pub(super) fn apply(&self, target: Target, inputs: &mut PendingInputs) {
        let limit = self.limits.of(target);
        inputs.core(Input::Limit { target, limit });
    }
}

/// Refuses a rate that no parameter file may have.
fn check_rate(rate: u64) -> Result<(), Failure> {
    let (least, greatest) = Quantity::Rate.range();
    if (least..=greatest).contains(&rate) {
        return Ok(());
    }
    let allowed = Quantity::Rate.allowed();
    Err(Failure::usage(format!(
        "a rate of {rate} B/s; allowed is {allowed}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON can hold values that no parameter file and no command line may.
    ///
    /// Register: I1.
    #[test]
    fn a_rate_that_no_file_may_have_is_refused_whoever_asks() {
        for good in [1, 125_000_000_000] {
            check_rate(good).unwrap();
        }
        for bad in [0, 125_000_000_001, u64::MAX] {
            let failure = check_rate(bad).unwrap_err();
            assert_eq!(failure.code, Failure::USAGE);
            let expected = format!("a rate of {bad} B/s; allowed is a rate of 1 B/s to 1 Tbit/s");
            assert!(failure.message.starts_with(&expected), "{failure}");
        }
    }
}
