//! Anything, in any order: no byte is lost or invented, no cap is broken, no link is idle.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::limits::assert_capped;
use super::*;

/// What may happen to an uplink.
#[derive(Clone, Debug)]
enum Step {
    Request {
        peer: u32,
        transfer: u32,
        len: u64,
    },
    Cancel {
        peer: u32,
        transfer: u32,
        chunk: u32,
    },
    PurgePeer(u32),
    PurgeTransfer(u32),
    Join {
        target: Target,
        group: Option<u32>,
    },
    Weigh {
        target: Target,
        weight: u32,
        floor: u64,
    },
    Wait(u64),
    Issue(usize),
    Sent(usize),
    Stalled(u32),
}

const PEERS: u32 = 5;
const TRANSFERS: u32 = 3;
const GROUPS: u32 = 2;

fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0..PEERS).prop_map(peer),
        (0..TRANSFERS).prop_map(transfer),
        (0..GROUPS).prop_map(group),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let lens = prop_oneof![1_u64..100, 1_u64..200_000, Just(16_384)];
    prop_oneof![
        6 => (0..PEERS, 0..TRANSFERS, lens)
            .prop_map(|(peer, transfer, len)| Step::Request { peer, transfer, len }),
        1 => (0..PEERS, 0..TRANSFERS, 0_u32..60)
            .prop_map(|(peer, transfer, chunk)| Step::Cancel { peer, transfer, chunk }),
        1 => (0..PEERS).prop_map(Step::PurgePeer),
        1 => (0..TRANSFERS).prop_map(Step::PurgeTransfer),
        1 => (targets(), prop::option::of(0..GROUPS))
            .prop_map(|(target, group)| Step::Join { target, group }),
        1 => (targets(), 0_u32..9, 0_u64..2)
            .prop_map(|(target, weight, floor)| Step::Weigh { target, weight, floor }),
        3 => (0_u64..60_000_000).prop_map(Step::Wait),
        8 => (1_usize..12).prop_map(Step::Issue),
        4 => (1_usize..12).prop_map(Step::Sent),
        1 => (0..PEERS).prop_map(Step::Stalled),
    ]
}

/// Chunk, length and what was served of it.
type Queue = VecDeque<(u32, u64, u64)>;

/// The uplink, and beside it what it should know.
struct Model {
    uplink: Uplink,
    settings: Settings,
    now: Time,
    chunks: u32,
    may_idle: bool,
    /// What each peer has waiting of each transfer.
    queues: BTreeMap<(u32, u32), Queue>,
    in_flight: VecDeque<(u32, u64)>,
    stalled: BTreeSet<u32>,
    groups: BTreeMap<Target, u32>,
    limits: BTreeMap<Target, Limit>,
    /// What passed, by every target that it concerned.
    passed: BTreeMap<Target, Vec<(Time, u64)>>,
}

impl Model {
    fn new(settings: Settings, limits: BTreeMap<Target, Limit>) -> Self {
        let mut uplink = Uplink::new(settings);
        for (&target, &limit) in &limits {
            uplink.set_limit(target, limit, Time::ZERO);
        }
        Self {
            uplink,
            settings,
            now: Time::ZERO,
            chunks: 0,
            may_idle: false,
            queues: BTreeMap::new(),
            in_flight: VecDeque::new(),
            stalled: BTreeSet::new(),
            groups: BTreeMap::new(),
            limits,
            passed: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Request {
                peer,
                transfer,
                len,
            } => self.request(peer, transfer, len),
            Step::Cancel {
                peer,
                transfer,
                chunk,
            } => {
                let queue = self.queues.entry((peer, transfer)).or_default();
                let place = queue.iter().position(|pending| pending.0 == chunk);
                place.map(|place| queue.remove(place));
                let chunk = ChunkIndex(chunk);
                let found = self
                    .uplink
                    .cancel(PeerId(peer), TransferId(transfer), chunk);
                assert_eq!(found, place.is_some());
            }
            Step::PurgePeer(peer) => {
                self.queues.retain(|&(of, _), _| of != peer);
                self.in_flight.retain(|&(of, _)| of != peer);
                self.stalled.remove(&peer);
                self.uplink.purge_peer(PeerId(peer));
            }
            Step::PurgeTransfer(transfer) => {
                self.queues.retain(|&(_, of), _| of != transfer);
                self.uplink.purge_transfer(TransferId(transfer));
            }
            Step::Join { target, group } => {
                self.uplink.join(target, group.map(GroupId), self.now);
                if !matches!(target, Target::Group(_)) {
                    self.groups.remove(&target);
                    group.map(|group| self.groups.insert(target, group));
                }
            }
            Step::Weigh {
                target,
                weight,
                floor,
            } => {
                let limit = self.limits.entry(target).or_default();
                limit.weight = Weight::whole(weight);
                limit.floor = (floor > 0).then(|| Rate::new(floor * MB));
                self.uplink.set_limit(target, *limit, self.now);
            }
            Step::Wait(nanos) => self.now = self.now + Span::from_nanos(nanos),
            Step::Issue(blocks) => {
                for _ in 0..blocks {
                    self.issue();
                }
            }
            Step::Sent(blocks) => {
                for (peer, len) in self.in_flight.drain(..blocks.min(self.in_flight.len())) {
                    self.stalled.remove(&peer);
                    self.uplink
                        .sent(PeerId(peer), ByteCount::new(len), self.now);
                }
            }
            Step::Stalled(peer) => {
                if self.in_flight.iter().any(|&(of, _)| of == peer) {
                    self.stalled.insert(peer);
                }
                self.uplink.stalled(PeerId(peer), self.now);
            }
        }
    }

    /// Bytes in flight that count in the node's window.
    fn flying(&self) -> u64 {
        let blocks = self.in_flight.iter();
        blocks
            .filter(|(of, _)| !self.stalled.contains(of))
            .map(|block| block.1)
            .sum()
    }

    fn request(&mut self, peer: u32, transfer: u32, len: u64) {
        let request = Request {
            peer: PeerId(peer),
            transfer: TransferId(transfer),
            chunk: ChunkIndex(self.chunks),
            offset: ByteCount::ZERO,
            len: ByteCount::new(len),
            remaining: ByteCount::new(len),
        };
        self.uplink.request(request, self.now).unwrap();
        let queue = self.queues.entry((peer, transfer)).or_default();
        queue.push_back((self.chunks, len, 0));
        self.chunks += 1;
    }

    fn issue(&mut self) {
        let Some(block) = self.uplink.next(self.now) else {
            return self.check_that_nothing_may_go();
        };
        let (of, len) = ((block.peer.0, block.transfer.0), block.len.get());
        let queue = self.queues.get_mut(&of).unwrap();
        let head = queue.front_mut().unwrap();
        assert_eq!((block.chunk.get(), block.offset.get()), (head.0, head.2));
        head.2 += len;
        assert!(head.2 <= head.1 && len > 0);
        assert_eq!(block.last, head.2 == head.1);
        if block.last {
            queue.pop_front();
        }
        self.in_flight.push_back((of.0, len));
        for target in self.concerned(of) {
            self.passed.entry(target).or_default().push((self.now, len));
        }
    }

    fn concerned(&self, (of, what): (u32, u32)) -> Vec<Target> {
        let groups = [peer(of), transfer(what)].map(|target| self.groups.get(&target));
        let mut targets = vec![Target::Node, peer(of), transfer(what)];
        targets.extend(groups.into_iter().flatten().map(|&id| group(id)));
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    fn meter(&self, target: Target) -> Option<&Meter> {
        if target == Target::Node {
            return Some(&self.uplink.node);
        }
        let slot = self.uplink.entities.find(target)?;
        self.uplink.entities.at(slot).meter.as_deref()
    }

    /// Whether a limit other than the cap of `but` holds back what waits for `of`.
    fn is_held(&self, of: (u32, u32), but: Option<Target>) -> bool {
        let flying = self.in_flight.iter().filter(|block| block.0 == of.0);
        let flying = flying.map(|block| block.1).sum::<u64>();
        let is_full = flying >= self.settings.window_peer.get() || self.stalled.contains(&of.0);
        let is_empty = |target: Target| {
            let meter = self.meter(target).filter(|_| Some(target) != but);
            meter.is_some_and(|meter| meter.ready_at(self.now) > self.now)
        };
        is_full || self.concerned(of).into_iter().any(is_empty)
    }

    /// Whether the cap of `target` keeps the only block that it holds for somebody who waits for
    /// another limit as well, which may keep its own.
    fn keeps_its_block(&self, target: Target) -> bool {
        let has_one = |target: Target| {
            let meter = self.meter(target).filter(|_| target != Target::Node);
            meter.is_some_and(|meter| meter.blocks(self.now) <= 1)
        };
        let is_kept_for = |of: (u32, u32)| {
            let mut others = self.concerned(of).into_iter().filter(|one| *one != target);
            self.concerned(of).contains(&target)
                && (self.is_held(of, Some(target)) || others.any(has_one))
        };
        let mut waiting = self.queues.iter().filter(|(_, queue)| !queue.is_empty());
        has_one(target) && waiting.any(|(&of, _)| is_kept_for(of))
    }

    /// J5: whoever waits has a cap without a block for it, or a full window.
    fn check_that_nothing_may_go(&self) {
        let full = self.flying() >= self.settings.window_node.get();
        let mut waits_for_time = false;
        for (&of, _) in self.queues.iter().filter(|(_, queue)| !queue.is_empty()) {
            let mut limits = self.concerned(of).into_iter();
            let is_held = self.is_held(of, None) || limits.any(|one| self.keeps_its_block(one));
            assert!(
                full || is_held || self.may_idle,
                "{of:?} may go: {:?}",
                self.uplink
            );
            let flying = self.in_flight.iter().filter(|block| block.0 == of.0);
            let flying = flying.map(|block| block.1).sum::<u64>();
            let full_peer =
                flying >= self.settings.window_peer.get() || self.stalled.contains(&of.0);
            waits_for_time |= !full && !full_peer;
        }
        let ready = self.uplink.ready_at(self.now);
        assert!(
            ready.is_none_or(|at| at > self.now),
            "ready, but gives nothing"
        );
        assert!(
            ready.is_some() || !waits_for_time,
            "nobody will wake it: {:?}",
            self.uplink
        );
    }

    fn check(&self) {
        for id in 0..PEERS {
            let queues = self.queues.iter().filter(|((of, _), _)| *of == id);
            let rests = queues
                .flat_map(|(_, queue)| queue)
                .map(|pending| pending.1 - pending.2);
            assert_eq!(self.uplink.queued(PeerId(id)).get(), rests.sum::<u64>());
        }
        assert_eq!(self.uplink.in_flight, self.flying());
    }
}

/// Whatever waits goes out in the end, and then nothing is left.
fn drain(model: &mut Model) {
    for _ in 0..1_000_000 {
        model.step(&Step::Sent(usize::MAX));
        let before = model.in_flight.len();
        model.issue();
        if model.in_flight.len() > before {
            continue;
        }
        let Some(at) = model.uplink.ready_at(model.now) else {
            break;
        };
        model.now = at;
    }
    assert!(
        model.queues.values().all(VecDeque::is_empty),
        "{:?}",
        model.uplink
    );
}

/// The cap keeps its one block for a peer whose window is full, and the other peer's class is made
/// anew by the group.
#[test]
fn who_joins_a_group_while_a_cap_holds_it_is_woken() {
    let mut settings = settings("drr", Share::Peer);
    settings.window_peer = ByteCount::new(1);
    let burst = Some(ByteCount::new(2 * 16_384));
    let limit = Limit {
        burst,
        ..cap(300_000)
    };
    let mut model = Model::new(settings, BTreeMap::from([(transfer(0), limit)]));
    let request = |peer| Step::Request {
        peer,
        transfer: 0,
        len: 2 * 16_384,
    };
    model.step(&request(0));
    model.step(&request(1));
    // Both have a block on the link; the bucket earns one more, for whichever window opens first.
    model.step(&Step::Issue(2));
    model.step(&Step::Wait(60_000_000));
    model.step(&Step::Issue(1));
    model.step(&request(2));
    for group in [Some(0), None] {
        let target = peer(2);
        model.step(&Step::Join { target, group });
        model.issue();
    }
    drain(&mut model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_byte_is_lost_no_cap_is_broken_and_no_link_is_idle(
        discipline in 0..sched::ALL.len(),
        share in prop::sample::select(vec![Share::Peer, Share::Group, Share::Transfer]),
        windows in (1_u64..400_000, 1_u64..200_000),
        caps in prop::collection::btree_map(
            prop_oneof![1 => Just(Target::Node), 4 => targets()],
            (100_000_u64..4_000_000, prop::option::of(1_024_u64..100_000)),
            0..6,
        ),
        steps in prop::collection::vec(steps(), 1..150),
    ) {
        let discipline = sched::ALL[discipline].name;
        let mut settings = settings(discipline, share);
        settings.window_node = ByteCount::new(windows.0);
        settings.window_peer = ByteCount::new(windows.1);
        let limits: BTreeMap<_, _> = caps.iter().map(|(&target, &(rate, burst))| {
            (target, Limit { burst: burst.map(ByteCount::new), ..cap(rate) })
        }).collect();
        let mut model = Model::new(settings, limits);
        // mClock waits for caps by a clock of its own, which knows no bursts.
        model.may_idle = discipline == "mclock";
        for step in &steps {
            model.step(step);
            model.check();
        }
        drain(&mut model);
        model.check();
        for (target, (rate, burst)) in caps {
            let depth = match burst {
                Some(burst) => burst,
                None => (rate / 4).max(16_384 + rate / 1_000),
            };
            if let Some(blocks) = model.passed.get(&target) {
                assert_capped(blocks, rate, depth);
            }
        }
        for id in 0..PEERS {
            model.step(&Step::PurgePeer(id));
        }
        prop_assert_eq!((model.uplink.footprint().0, model.uplink.footprint().1), (0, 0));
    }
}
