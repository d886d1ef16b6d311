//! Strict priority: the lowest band that has anything, always.
//!
//! Source:    the `prio` queueing discipline of Linux; inside a band P. Goyal, H. M. Vin and
//!            H. Cheng, "Start-time Fair Queuing", SIGCOMM 1996.
//! Contract:  no block is served while the first block of another flow has a lower band. Of
//!            flows in one band the one with the least start tag is served: over any interval
//!            in which two flows of a band stay backlogged, their service per unit weight
//!            differs by at most Li/wi + Lj/wj. In the lowest band of all a block is done at
//!            the latest as under start-time fair queueing among the flows of that band, and
//!            one block of another band later.
//! Cost:      O(log N) per block for N flows.
//! Drawbacks: a busy band starves all above it.
//! Departs:   the busy period of a band ends when a higher one is served, or when the link is
//!            idle; then its clock moves to its largest finish tag. A flow whose band changes
//!            starts level in the new one.

use std::collections::BTreeSet;

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::queues::row;
use crate::sched::ranked::Rank;
use crate::sched::virtual_time::{Tag, cost, later};

/// A clock for each band, and where each flow stands.
#[derive(Debug)]
pub(super) struct Bands {
    bands: Vec<Band>,
    /// Bands whose busy period goes on.
    busy: BTreeSet<u8>,
    flows: Vec<Standing>,
    /// Blocks on the link.
    on_link: u32,
}

/// The virtual time of a band, and its largest finish tag.
#[derive(Clone, Copy, Debug, Default)]
struct Band {
    clock: Tag,
    latest: Tag,
}

/// Where a flow stands: the start tag of its head, or the finish tag of its last block.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    tag: Tag,
    band: u8,
}

impl Default for Bands {
    fn default() -> Self {
        Self {
            bands: vec![Band::default(); 256],
            busy: BTreeSet::new(),
            flows: Vec::new(),
            on_link: 0,
        }
    }
}

impl Bands {
    /// Ends the busy periods of the bands below `band`.
    fn rest_below(&mut self, band: Option<u8>) {
        while let Some(&lowest) = self.busy.first()
            && band.is_none_or(|band| lowest < band)
        {
            self.busy.pop_first();
            let lowest = &mut self.bands[usize::from(lowest)];
            lowest.clock = lowest.clock.max(lowest.latest);
        }
    }
}

impl Rank for Bands {
    type Key = (u8, Tag);

    fn key(&mut self, head: &Ticket, joins: bool) -> Self::Key {
        let clock = self.bands[usize::from(head.band)].clock;
        let standing = row(&mut self.flows, head.flow, Standing::default());
        if standing.band != head.band {
            *standing = Standing {
                tag: clock,
                band: head.band,
            };
        } else if joins {
            standing.tag = standing.tag.max(clock);
        }
        (head.band, standing.tag)
    }

    fn charge(&mut self, served: &Ticket, in_turn: bool) {
        if in_turn {
            // No flow of a lower band waits, or it would have been its turn.
            self.rest_below(Some(served.band));
        }
        self.busy.insert(served.band);
        self.on_link += 1;
        let standing = &mut self.flows[served.flow.index()];
        let band = &mut self.bands[usize::from(served.band)];
        if in_turn {
            band.clock = standing.tag.max(band.clock);
        }
        standing.tag = later(standing.tag, cost(served.len, served.weight));
        band.latest = band.latest.max(standing.tag);
    }

    fn sent(&mut self) {
        self.on_link = self.on_link.saturating_sub(1);
    }

    /// Ends all busy periods if nothing is on the link either.
    fn idle(&mut self) {
        if self.on_link == 0 {
            self.rest_below(None);
        }
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(standing) = self.flows.get_mut(flow.index()) {
            *standing = Standing::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::Discipline as _;
    use crate::sched::ranked::Ranked;
    use crate::time::Time;
    use crate::units::{ByteCount, Weight};

    fn ticket(flow: u32, weight: u32, band: u8) -> Ticket {
        Ticket {
            band,
            ..Ticket::new(FlowId(flow), Weight::whole(weight), ByteCount::new(100))
        }
    }

    #[test]
    fn a_lower_band_is_empty_before_a_higher_one_is_served() {
        let mut strict = Ranked::new(Bands::default());
        for (flow, band) in [(0, 7), (1, 3), (1, 3), (2, 0)] {
            strict.enqueue(ticket(flow, 1, band), Time::ZERO);
        }
        let served = std::iter::from_fn(|| strict.dequeue(Time::ZERO));
        let bands: Vec<_> = served.map(|ticket| ticket.band).collect();
        assert_eq!(bands, [0, 3, 3, 7]);
    }

    // Weights 1 and 3 of one band, 400 blocks: 100 and 300.
    #[test]
    fn a_band_is_shared_by_weight() {
        let mut strict = Ranked::new(Bands::default());
        for flow in [0, 1, 0, 1] {
            strict.enqueue(ticket(flow, 1 + 2 * flow, 4), Time::ZERO);
        }
        let mut served = [0_u32; 2];
        for _ in 0..400 {
            let ticket = strict.dequeue(Time::ZERO).unwrap();
            served[ticket.flow.index()] += 1;
            strict.enqueue(ticket, Time::ZERO);
        }
        assert!(served[0].abs_diff(100) <= 1 && served[1].abs_diff(300) <= 1);
    }
}
