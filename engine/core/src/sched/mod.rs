//! Disciplines: whose turn it is on an uplink.
//!
//! Each discipline is one file and one row of [`ALL`]. A discipline holds sizes, never data,
//! and knows flows, never peers: what a flow is was decided before, by classification.

mod bitswap;
mod bounds;
mod deficits;
mod drr;
mod fairtorrent;
mod fifo;
mod flow_queue;
#[cfg(test)]
mod gps;
mod heap;
mod karma;
mod las;
#[cfg(test)]
mod laws;
mod mclock;
pub mod oracle;
mod queues;
mod ranked;
#[cfg(test)]
mod references;
mod ring;
mod round_robin;
mod rounds;
mod sfq;
mod sparse_drr;
mod srpt;
mod strict;
mod virtual_time;
mod wf2q_plus;

use std::fmt::Debug;

use ranked::Ranked;

use crate::id::FlowId;
use crate::registry::{Named, Registry};
use crate::time::Time;
use crate::units::{ByteCount, Rate, Weight};

/// One block that waits for its turn, and the facts that a discipline may order it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The flow it belongs to. Dense: a discipline may index a table by it.
    pub flow: FlowId,
    /// The flow's right to a proportion.
    pub weight: Weight,
    /// Bytes that its turn costs.
    pub len: ByteCount,
    /// Number of the request it came from: requests that came earlier have smaller ones.
    pub arrival: u64,
    /// Bytes of its transfer that are still to be served, this block included.
    pub remaining: ByteCount,
    /// Strict priority band, 0 first.
    pub band: u8,
    /// Rate guaranteed to the flow; zero if none.
    pub floor: Rate,
    /// Rate above which the flow is not served; zero if none.
    pub cap: Rate,
    /// Requests of the flow that wait, the one of this block included.
    pub waiting: u32,
}

impl Ticket {
    /// A ticket with no facts beyond its flow, weight and length.
    #[must_use]
    pub const fn new(flow: FlowId, weight: Weight, len: ByteCount) -> Self {
        Self {
            flow,
            weight,
            len,
            arrival: 0,
            remaining: len,
            band: 0,
            floor: Rate::new(0),
            cap: Rate::new(0),
            waiting: 1,
        }
    }
}

/// The rule that orders flows.
pub trait Discipline: Debug + Send {
    /// Adds a block to the queue of its flow. Within a flow order is kept.
    fn enqueue(&mut self, ticket: Ticket, now: Time);

    /// The block whose turn it is. None only if nothing is backlogged, or, for a discipline
    /// that enforces caps itself, before [`Discipline::ready_at`].
    fn dequeue(&mut self, now: Time) -> Option<Ticket>;

    /// The head of `flow` out of turn, charged as if it had been its turn. This is how a
    /// floor is kept: what is served for the floor counts towards the share.
    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket>;

    /// A block of `flow` that was given, by [`Discipline::dequeue`] or [`Discipline::take`], has
    /// left the link, or is lost with its connection. Said once for each block, in any order.
    ///
    /// Until then the flow is backlogged, though its queue may be empty, and the busy period
    /// goes on: who asks again while its last block is on the link has not been idle. A rule
    /// that remembers nothing across an idle moment has no use for it.
    fn sent(&mut self, _flow: FlowId) {}

    /// Forgets all that `flow` has queued. It earns no credit by coming back.
    fn purge(&mut self, flow: FlowId);

    /// A limit holds `flow` back, which has something queued: that is taken out, and comes back
    /// with [`Discipline::enqueue`] when the limit lets it go, unless a purge says that it never
    /// will. It is no idle flow: what its turn has left is not forfeited.
    fn hold(&mut self, flow: FlowId) {
        self.purge(flow);
    }

    /// Forgets `flow` for good: its number may come back as another flow's, which must not
    /// inherit what this one was served, or owes. Its blocks have left the link.
    fn retire(&mut self, flow: FlowId);

    /// Verified bytes came from the peer that `flow` goes to. For rules that order by what comes
    /// back.
    fn received(&mut self, _flow: FlowId, _len: ByteCount) {}

    /// A flow is new here, but its peer is not: that gave so many verified bytes more than it was
    /// sent before.
    fn meets(&mut self, _flow: FlowId, _balance: i64) {}

    /// Whether a flow earns something while it has nothing queued: then the class of a group stays,
    /// and is not retired with its last request.
    fn has_accounts(&self) -> bool {
        false
    }

    /// Whether the node wants nothing itself: then nothing comes back.
    fn seeds(&mut self, _seeding: bool) {}

    /// When [`Discipline::dequeue`] gives a block next; none if nothing is backlogged.
    fn ready_at(&self, now: Time) -> Option<Time>;
}

/// What a discipline is told when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The largest block that will be enqueued.
    pub largest: ByteCount,
    /// Bytes per unit weight ([`Weight::ONE`]) and round, for those that count rounds; if it
    /// is none they choose.
    pub quantum: Option<ByteCount>,
    /// A number that no other node has, for those that draw an order of flows; without one that is
    /// the order in which their blocks were enqueued.
    pub salt: Option<u64>,
}

impl Params {
    /// Blocks of at most `largest`, and all else chosen by the discipline.
    #[must_use]
    pub const fn new(largest: ByteCount) -> Self {
        Self {
            largest,
            quantum: None,
            salt: None,
        }
    }
}

/// What a bound on unfairness may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// What the discipline was told.
    pub params: Params,
    /// The weight and the largest block of every flow that it has seen.
    pub flows: &'a [(Weight, ByteCount)],
}

/// What a discipline promises about shares.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// Nothing: another aim comes first.
    None,
    /// Nothing either: the order depends on what comes back, on what is on the link or on what was
    /// lent, so that only single blocks show it and no fluid does.
    Exchange,
    /// Over any interval in which two flows stay backlogged, the numbers of their blocks
    /// served differ by at most one.
    Turns,
    /// Over any interval in which two flows stay backlogged, their service per unit weight
    /// differs by at most this many bytes, for the flows at these two places of the setting.
    Weighted(fn(&Setting<'_>, usize, usize) -> u64),
    /// The same for two flows of one band.
    Banded(fn(&Setting<'_>, usize, usize) -> u64),
}

/// What a discipline promises about delay, on a link that is never idle while somebody waits.
///
/// A flow's weight over the sum of all weights of the setting reserves it a part of the link. A
/// block is expected when the one before it, of the same flow, would have been served at that
/// rate, and not before it came (the expected arrival time of P. Goyal, S. S. Lam and H. M. Vin,
/// "Determining End-to-End Delay Bounds in Heterogeneous Networks", NOSSDAV 1995).
#[derive(Clone, Copy, Debug)]
pub enum Delay {
    /// Nothing: somebody may wait for ever.
    None,
    /// A flow's blocks are done one round apart, a round being the largest block of every flow:
    /// each at the latest a round after it came, or a round after the one before it was due.
    Turns,
    /// A block is done, after it was expected, at the latest in the time in which the link
    /// sends this many bytes; for the flow at this place of the setting and a block of this length.
    Weighted(fn(&Setting<'_>, usize, ByteCount) -> u64),
    /// The same for flows of the lowest band, among themselves, and the largest block of any
    /// other flow more.
    Banded(fn(&Setting<'_>, usize, ByteCount) -> u64),
}

/// One discipline, as the command line, the scenarios and the tests know it.
#[derive(Debug)]
pub struct DisciplineRow {
    /// What it is called in files and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Where it comes from, in one line.
    pub source: &'static str,
    /// What it promises about shares; the laws hold it to that.
    pub claim: Claim,
    /// What it promises about delay; the laws hold it to that too.
    pub delay: Delay,
    /// Makes an empty one.
    pub make: fn(&Params) -> Box<dyn Discipline>,
}

/// FairTorrent, which is a choker too.
pub(crate) const FAIRTORRENT: DisciplineRow = DisciplineRow {
    name: "fairtorrent",
    about: "the peer that was sent least beyond what came back from it first",
    source: "Sherman, Nieh and Stein, FairTorrent, 2009 and 2012",
    claim: Claim::Exchange,
    delay: Delay::None,
    make: |params| Box::new(Ranked::new(fairtorrent::Deficits::new(params.salt))),
};

/// Bitswap as released, which is a choker too.
pub(crate) const BITSWAP: DisciplineRow = DisciplineRow {
    name: "bitswap",
    about: "starved flows first, then the fewest blocks on the way, then the most wants",
    source: "the peer task queue of boxo, April 2026",
    claim: Claim::Exchange,
    delay: Delay::None,
    make: |_| Box::new(bitswap::Bitswap::default()),
};

/// The disciplines, in the order in which they are listed.
pub static ALL: &[DisciplineRow] = &[
    DisciplineRow {
        name: "fifo",
        about: "the oldest request first, whoever made it",
        source: "the order of a plain socket",
        claim: Claim::None,
        delay: Delay::None,
        make: |_| Box::new(Ranked::new(fifo::Age)),
    },
    DisciplineRow {
        name: "round-robin",
        about: "one block of each active flow in turn",
        source: "Nagle, On Packet Switches with Infinite Storage, 1987",
        claim: Claim::Turns,
        delay: Delay::Turns,
        make: |_| Box::new(round_robin::round_robin()),
    },
    DisciplineRow {
        name: "drr",
        about: "weighted deficit round robin: byte-fair at constant cost",
        source: "Shreedhar and Varghese, Efficient Fair Queuing Using Deficit Round Robin, 1995",
        claim: Claim::Weighted(bounds::deficit),
        delay: Delay::Weighted(bounds::deficit_delay),
        make: |params| Box::new(drr::drr(params)),
    },
    DisciplineRow {
        name: "sparse-drr",
        about: "deficit round robin that serves new flows before old ones",
        source: "MacGregor and Shi, DRR++, 2000; RFC 8290",
        claim: Claim::Weighted(bounds::sparse_deficit),
        delay: Delay::Weighted(bounds::sparse_deficit_delay),
        make: |params| Box::new(sparse_drr::sparse_drr(params)),
    },
    DisciplineRow {
        name: "sfq",
        about: "start-time fair queueing: fair by weight on a link of any rate",
        source: "Goyal, Vin and Cheng, Start-time Fair Queuing, 1996",
        claim: Claim::Weighted(bounds::start_time),
        delay: Delay::Weighted(bounds::start_time_delay),
        make: |_| Box::new(sfq::Sfq::default()),
    },
    DisciplineRow {
        name: "wf2q+",
        about: "worst-case fair weighted fair queueing: never a block ahead of its share",
        source: "Bennett and Zhang, Hierarchical Packet Fair Queueing Algorithms, 1996",
        claim: Claim::Weighted(bounds::worst_case_fair),
        delay: Delay::Weighted(bounds::worst_case_fair_delay),
        make: |_| Box::new(wf2q_plus::Wf2qPlus::default()),
    },
    DisciplineRow {
        name: "strict",
        about: "the lowest priority band first, shared by weight inside a band",
        source: "the prio queueing discipline of Linux",
        claim: Claim::Banded(bounds::start_time),
        delay: Delay::Banded(bounds::start_time_delay),
        make: |_| Box::new(Ranked::new(strict::Bands::default())),
    },
    DisciplineRow {
        name: "srpt",
        about: "the transfer with the fewest bytes left first",
        source: "Schrage, A Proof of the Optimality of the SRPT Discipline, 1968",
        claim: Claim::None,
        delay: Delay::None,
        make: |_| Box::new(Ranked::new(srpt::Remaining)),
    },
    DisciplineRow {
        name: "las",
        about: "the flow that has been served least first",
        source: "Kleinrock, Queueing Systems, Volume 2, 1976",
        claim: Claim::None,
        delay: Delay::None,
        make: |_| Box::new(Ranked::new(las::Attained::default())),
    },
    DisciplineRow {
        name: "mclock",
        about: "guaranteed rates first, then shares by weight, within limits",
        source: "Gulati, Merchant and Varman, mClock, 2010",
        claim: Claim::Weighted(bounds::start_time),
        delay: Delay::Weighted(bounds::start_time_delay),
        make: |params| Box::new(mclock::Mclock::new(params)),
    },
    DisciplineRow {
        name: "karma",
        about: "between groups: who lends its share earns credits, who borrows pays with them",
        source: "Vuppalapati et al., Karma: Resource Allocation for Dynamic Demands, 2023",
        claim: Claim::Exchange,
        delay: Delay::None,
        make: |params| Box::new(karma::Karma::new(params)),
    },
    FAIRTORRENT,
    BITSWAP,
];

/// Every discipline by name: those of this crate, and those that a program adds.
pub static DISCIPLINES: Registry<DisciplineRow> = Registry::new(ALL);

impl Named for DisciplineRow {
    fn name(&self) -> &'static str {
        self.name
    }
}
