//! The laws of a sharing, and the flows that are still served: both look at every flow.
//!
//! The laws are checked on the rates in force, not on the way they were found.

use fairhaul_core::time::Time;

use super::FluidNetwork;
use crate::network::{Violation, Waiting};

/// A law that rates break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A link carries more than it can.
    OverCapacity { link: u32 },
    /// A flow could be faster.
    NoBottleneck { flow: u32 },
}

/// Looks for a broken law.
pub(super) fn check(network: &FluidNetwork, at: Time) -> Result<(), Violation> {
    let name = |link: u32| network.names.get(&link).copied();
    network.rates.check().map_err(|fault| match fault {
        Fault::OverCapacity { link } => match name(link) {
            Some(link) => Violation::OverCapacity { link, at },
            None => Violation::OverCap { at },
        },
        Fault::NoBottleneck { flow } => {
            let head = network.flows[flow as usize].queue.front();
            let id = head.map_or(u64::MAX, |block| block.sent.id);
            Violation::NoBottleneck { id, at }
        }
    })
}

/// Everything in flight, oldest first.
pub(super) fn waiting(network: &FluidNetwork) -> Vec<Waiting> {
    let mut all = Vec::new();
    for flow in network.index.values() {
        let held = network.rates.held_by(*flow);
        let held = held.and_then(|link| network.names.get(&link).copied());
        let queue = network.flows[*flow as usize].queue.iter();
        for (place, block) in queue.enumerate() {
            let link = held.unwrap_or(crate::network::Link::Up(block.sent.from));
            all.push((*block, (place == 0).then_some(link)));
        }
    }
    all.extend(network.propagating.iter().map(|block| (*block, None)));
    all.sort_unstable_by_key(|(block, _)| block.order);
    let tell = |(block, link): (super::Block, _)| Waiting {
        id: block.sent.id,
        from: block.sent.from,
        to: block.sent.to,
        link,
    };
    all.into_iter().map(tell).collect()
}
