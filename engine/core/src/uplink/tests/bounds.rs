//! The bounds of the tree: what disciplines promise of their flows, groups and their members get
//! of the uplink, with requests that come while blocks are on the link.

use std::cell::Cell;
use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::id::FlowId;
use crate::sched::oracle::Spread;
use crate::sched::{Claim, Discipline, Setting, Ticket};

/// Cases; each has a discipline for the root and one for the groups.
const CASES: u32 = 10_000;
/// Members of the first two groups. Further peers are in none.
const GROUPS: [[u32; 2]; 2] = [[0, 1], [2, 3]];
const PEERS: u32 = 6;
const BLOCK: u64 = 16 * KIB;

#[derive(Clone, Debug)]
enum Step {
    /// A peer asks for so many bytes.
    Ask(u32, u64),
    /// The block on the link leaves it.
    Leave,
    /// The next block is chosen, if the link is free.
    Choose,
    /// The peer goes, with all that it has asked for and all that is on its way to it.
    Go(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..PEERS, BLOCK..4 * BLOCK).prop_map(|(peer, len)| Step::Ask(peer, len)),
        8 => Just(Step::Leave),
        8 => Just(Step::Choose),
    ];
    prop::collection::vec(step, 1..120)
}

fn weights(count: usize) -> impl Strategy<Value = Vec<Weight>> {
    let weight = prop::sample::select(vec![1_u32, 50, 100, 100, 300, 10_000]);
    let weight = weight.prop_map(|hundredths| Weight::from_hundredths(hundredths).unwrap());
    prop::collection::vec(weight, count)
}

/// Bytes per unit weight by which the service of two flows, named by their places, may differ.
type Bound = fn(&Setting<'_>, usize, usize) -> u64;

/// A discipline that is fair by weight, with its bound.
fn fair() -> impl Strategy<Value = (&'static DisciplineRow, Bound)> {
    let rows: Vec<_> = sched::ALL
        .iter()
        .filter_map(|row| match row.claim {
            Claim::Weighted(bound) | Claim::Banded(bound) => Some((row, bound)),
            Claim::None | Claim::Exchange | Claim::Turns => None,
        })
        .collect();
    prop::sample::select(rows)
}

thread_local! {
    /// Blocks that the disciplines of this test's uplink gave and have not heard of since.
    static ON_LINK: Cell<i64> = const { Cell::new(0) };
}

/// Deficit round robin, counted.
#[derive(Debug)]
struct Counting(Box<dyn Discipline>);

static COUNTING: DisciplineRow = DisciplineRow {
    name: "counting",
    about: "",
    source: "",
    claim: Claim::None,
    delay: sched::Delay::None,
    make: |params| {
        let row = sched::DISCIPLINES.find("drr").expect("it is in the table");
        Box::new(Counting((row.make)(params)))
    },
};

impl Discipline for Counting {
    fn enqueue(&mut self, ticket: Ticket, now: Time) {
        self.0.enqueue(ticket, now);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        let given = self.0.dequeue(now)?;
        ON_LINK.set(ON_LINK.get() + 1);
        Some(given)
    }

    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        let given = self.0.take(flow, now)?;
        ON_LINK.set(ON_LINK.get() + 1);
        Some(given)
    }

    fn sent(&mut self, flow: FlowId) {
        ON_LINK.set(ON_LINK.get() - 1);
        assert!(ON_LINK.get() >= 0, "told twice of a block of {flow:?}");
        self.0.sent(flow);
    }

    fn purge(&mut self, flow: FlowId) {
        self.0.purge(flow);
    }

    fn hold(&mut self, flow: FlowId) {
        self.0.hold(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.0.retire(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        self.0.ready_at(now)
    }
}

/// The children of one class: how far they get apart, and how far they may.
struct Level {
    spread: Spread,
    weights: Vec<Weight>,
    bound: fn(&Setting<'_>, usize, usize) -> u64,
    /// Blocks by which what a child was served may differ from what it was charged.
    off: Vec<u64>,
}

impl Level {
    fn check(&self, what: &str) -> Result<(), TestCaseError> {
        let block = ByteCount::new(BLOCK);
        let flows: Vec<_> = self.weights.iter().map(|weight| (*weight, block)).collect();
        let setting = Setting {
            params: Params::new(block),
            flows: &flows,
        };
        for one in 0..flows.len() {
            for other in one + 1..flows.len() {
                let off = |flow: usize| {
                    let blocks = self.off[flow] * BLOCK * 100;
                    blocks.div_ceil(u64::from(self.weights[flow].hundredths()))
                };
                let allowed = (self.bound)(&setting, one, other) + off(one) + off(other);
                let apart = self.spread.widest(one, other);
                prop_assert!(
                    apart <= allowed,
                    "{what}: {one}, {other}: {apart} > {allowed}"
                );
            }
        }
        Ok(())
    }
}

/// Which child of the root a peer belongs to, and if that is a group which of its members it is.
fn place(peer: u32) -> (usize, Option<usize>) {
    let group = GROUPS.iter().position(|members| members.contains(&peer));
    match group {
        Some(group) => {
            let member = GROUPS[group].iter().position(|member| *member == peer);
            (group, member)
        }
        None => (peer as usize - 2, None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    // The children of the root are two groups and two peers. Members of a group are held to the
    // bound of the inner discipline, whatever the root gives the group when; children of the
    // root to that of the outer one, and a group may be three blocks away from what it was
    // charged on either side, since its tickets are guesses of what it will serve.
    #[test]
    fn groups_and_their_members_keep_the_bounds_of_their_disciplines(
        steps in steps(),
        of_root in weights(4),
        of_members in weights(4),
        outer in fair(),
        inner in fair(),
    ) {
        let mut settings = settings("sfq", Share::Group);
        (settings.outer, settings.inner) = (outer.0, inner.0);
        settings.window_node = ByteCount::new(1);
        let mut uplink = Uplink::new(settings);
        for (id, members) in (0..).zip(GROUPS) {
            let limit = |weight| Limit { weight, ..Limit::default() };
            uplink.set_limit(group(id), limit(of_root[id as usize]), Time::ZERO);
            for member in members {
                uplink.join(peer(member), Some(GroupId(id)), Time::ZERO);
                uplink.set_limit(peer(member), limit(of_members[member as usize]), Time::ZERO);
            }
        }
        for id in 4..PEERS {
            let weight = of_root[id as usize - 2];
            uplink.set_limit(peer(id), Limit { weight, ..Limit::default() }, Time::ZERO);
        }
        let level = |weights: &[Weight], bound, off: &[u64]| Level {
            spread: Spread::new(weights),
            weights: weights.to_vec(),
            bound,
            off: off.to_vec(),
        };
        let mut root = level(&of_root, outer.1, &[6, 6, 0, 0]);
        let mut groups = [0, 2].map(|at| level(&of_members[at..at + 2], inner.1, &[0, 0]));
        let mut on_link: Option<Block> = None;
        for step in &steps {
            match *step {
                Step::Ask(id, len) => {
                    let request = Request {
                        peer: PeerId(id),
                        transfer: TransferId(0),
                        chunk: ChunkIndex(0),
                        offset: ByteCount::ZERO,
                        len: ByteCount::new(len),
                        remaining: ByteCount::new(MB),
                    };
                    uplink.request(request, Time::ZERO).expect("few requests");
                    let (child, member) = place(id);
                    for _ in 0..len.div_ceil(BLOCK) {
                        root.spread.enqueued(child);
                        if let Some(member) = member {
                            groups[child].spread.enqueued(member);
                        }
                    }
                }
                Step::Leave => {
                    if let Some(block) = on_link.take() {
                        uplink.sent(block.peer, block.len, Time::ZERO);
                        let (child, member) = place(block.peer.0);
                        root.spread.sent(child);
                        if let Some(member) = member {
                            groups[child].spread.sent(member);
                        }
                    }
                }
                Step::Choose if on_link.is_none() => {
                    on_link = uplink.next(Time::ZERO);
                    if let Some(block) = on_link {
                        let (child, member) = place(block.peer.0);
                        root.spread.served(child, block.len);
                        if let Some(member) = member {
                            groups[child].spread.served(member, block.len);
                        }
                    }
                }
                Step::Choose | Step::Go(_) => (),
            }
        }
        root.check(outer.0.name)?;
        for group in &groups {
            group.check(inner.0.name)?;
        }
    }

    // Whatever is lost on the way, with its connection or when a class goes, every discipline
    // hears of every block that it gave, once.
    #[test]
    fn nothing_that_is_lost_leaves_a_flow_backlogged(
        steps in steps(),
        going in prop::collection::vec((0..PEERS, 0_usize..120), 0..4),
        stalls in any::<bool>(),
    ) {
        ON_LINK.set(0);
        let mut settings = settings("sfq", Share::Group);
        (settings.outer, settings.inner) = (&COUNTING, &COUNTING);
        settings.window_node = ByteCount::new(3 * BLOCK);
        let mut uplink = Uplink::new(settings);
        for (id, members) in (0..).zip(GROUPS) {
            for member in members {
                uplink.join(peer(member), Some(GroupId(id)), Time::ZERO);
            }
        }
        let mut steps = steps;
        for (id, at) in going {
            steps.insert(at.min(steps.len()), Step::Go(id));
        }
        let mut on_link: VecDeque<Block> = VecDeque::new();
        let ask = |uplink: &mut Uplink, id, len| {
            let request = Request {
                peer: PeerId(id),
                transfer: TransferId(id % 2),
                chunk: ChunkIndex(0),
                offset: ByteCount::ZERO,
                len: ByteCount::new(len),
                remaining: ByteCount::new(MB),
            };
            uplink.request(request, Time::ZERO).expect("few requests");
        };
        for step in &steps {
            match *step {
                Step::Ask(id, len) => ask(&mut uplink, id, len),
                Step::Leave => {
                    if let Some(block) = on_link.pop_front() {
                        uplink.sent(block.peer, block.len, Time::ZERO);
                    }
                }
                Step::Choose => on_link.extend(uplink.next(Time::ZERO)),
                Step::Go(id) if stalls => {
                    uplink.stalled(PeerId(id), Time::ZERO);
                    uplink.purge_transfer(TransferId(id % 2));
                }
                Step::Go(id) => {
                    uplink.purge_peer(PeerId(id));
                    on_link.retain(|block| block.peer.0 != id);
                }
            }
        }
        // All that is queued goes out, and all leaves.
        loop {
            on_link.extend(uplink.next(Time::ZERO));
            let Some(block) = on_link.pop_front() else {
                break;
            };
            uplink.sent(block.peer, block.len, Time::ZERO);
        }
        prop_assert!(!uplink.is_busy());
        prop_assert_eq!(ON_LINK.get(), 0);
    }
}
