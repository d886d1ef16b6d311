//! What must hold of a sharing, and who is still being served: both look at every flow.
//!
//! Decides nothing; the laws are read off the levels in force, not off the way they were found.

use fairhaul_core::time::Time;

use super::{Flow, FluidNetwork};
use crate::network::maxmin::UNLIMITED;
use crate::network::{Violation, Waiting};

/// No link is above its capacity; every flow has a bottleneck: a link on its path that is full,
/// up to rounding, and on which no flow has a higher level.
pub(super) fn check(network: &FluidNetwork, at: Time) -> Result<(), Violation> {
    for ((place, name), class) in (0u32..).zip(&network.names).zip(&network.classes) {
        let load = network.sharing.load(place);
        if let (Some(link), Some((capacity, load, _))) = (name, load)
            && load > capacity
        {
            return Err(Violation::OverCapacity { link: *link, at });
        }
        // Only flows that nothing limits are counted to a link without a level.
        let full = class.level == UNLIMITED
            || load.is_some_and(|(capacity, load, weight)| capacity - load < u128::from(weight));
        for crossing in network.sharing.crossing(place) {
            let Flow {
                what, bottleneck, ..
            } = network.flows[crossing.flow as usize];
            let level = bottleneck.map(|link| network.classes[link as usize].level);
            let limited = bottleneck != Some(place) || full;
            if !limited || level.is_none_or(|own| own > class.level) {
                return Err(Violation::NoBottleneck { id: what.id, at });
            }
        }
    }
    Ok(())
}

/// Everything in flight, oldest first.
pub(super) fn waiting(network: &FluidNetwork) -> Vec<Waiting> {
    let mut all = Vec::new();
    for (place, name) in (0u32..).zip(&network.names) {
        for crossing in network.sharing.crossing(place) {
            let Flow {
                what, bottleneck, ..
            } = network.flows[crossing.flow as usize];
            let here = network.topology.up(what.from) == place;
            let held = bottleneck.and_then(|link| network.names[link as usize]);
            if here {
                all.push((what, held.or(*name)));
            }
        }
    }
    all.extend(network.propagating.iter().map(|what| (*what, None)));
    all.sort_unstable_by_key(|(what, _)| what.order);
    let tell = |(what, link): (super::Departed, _)| Waiting {
        id: what.id,
        from: what.from,
        to: what.to,
        link,
    };
    all.into_iter().map(tell).collect()
}
