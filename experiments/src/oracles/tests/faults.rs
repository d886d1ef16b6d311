//! A fault planted in what each oracle of the shipped file measures: a row that no fault can fail
//! proves nothing.

use std::ops::Range;

use fairhaul_config::policy::ChokerName;
use fairhaul_core::id::FlowId;
use fairhaul_core::sched::{Discipline, DisciplineRow, Ticket};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::setup::{FaultKind, FaultSetup, NewRate, Setup};

use super::super::server::Job;
use super::super::trade::Traders;
use super::super::*;

/// Jobs of a run of a queue with a fault.
const JOBS: u32 = 200;

/// How long peers arrive at a seed with a fault, in chunks that a sound one could send.
const CHUNK_TIMES: u32 = 150;

/// Rounds of a trade with a fault.
const ROUNDS: u32 = 120;

/// What is wrong with a discipline.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It serves flow 10 third, whoever's turn it is.
    SwappedTurn,
    /// It takes every flow for one of the least weight.
    EqualWeights,
    /// It takes flow 0 for one of the least weight.
    LightFirst,
    /// It serves flow 0 where nobody else waits.
    StarvedFirst,
}

/// A discipline of the table with a fault.
#[derive(Debug)]
struct Faulty {
    sound: Box<dyn Discipline>,
    fault: Fault,
    served: u32,
}

impl Discipline for Faulty {
    fn enqueue(&mut self, mut ticket: Ticket, now: Time) {
        let is_first = ticket.flow == FlowId(0);
        match self.fault {
            Fault::EqualWeights => ticket.weight = Weight::BEST_EFFORT,
            Fault::LightFirst if is_first => ticket.weight = Weight::BEST_EFFORT,
            Fault::StarvedFirst => ticket.band = u8::from(is_first),
            Fault::SwappedTurn | Fault::LightFirst => {}
        }
        self.sound.enqueue(ticket, now);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        self.served += 1;
        let is_swapped = matches!(self.fault, Fault::SwappedTurn) && self.served == 3;
        let swapped = is_swapped.then(|| self.sound.take(FlowId(10), now));
        swapped.flatten().or_else(|| self.sound.dequeue(now))
    }

    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        self.sound.take(flow, now)
    }

    fn sent(&mut self, flow: FlowId) {
        self.sound.sent(flow);
    }

    fn purge(&mut self, flow: FlowId) {
        self.sound.purge(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.sound.retire(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        self.sound.ready_at(now)
    }
}

/// A row of the table whose disciplines have a fault. What makes them is a plain function, so
/// there is one for each name.
macro_rules! faulty {
    ($name:expr, $fault:expr) => {
        faulty!($name, $fault, "fifo" "round-robin" "drr" "sparse-drr" "sfq" "wf2q+" "strict"
            "srpt" "las" "mclock")
    };
    ($name:expr, $fault:expr, $($known:literal)+) => {
        match $name {
            $($known => DisciplineRow {
                make: |params| Box::new(Faulty {
                    sound: (row($known).make)(params),
                    fault: $fault,
                    served: 0,
                }),
                ..*row($known)
            },)+
            other => panic!("no fault is planted in {other}"),
        }
    };
}

/// The setup with links that carry a part of what it says, in hundredths: those of `peers`.
fn at_speed(mut setup: Setup, hundredths: u64, peers: Range<usize>) -> Setup {
    for peer in peers {
        let Some(up) = setup.peers[peer].up else {
            continue;
        };
        let kind = FaultKind::Capacity {
            peer: u32::try_from(peer).expect("a setup of an oracle is small"),
            up: NewRate::At(Rate::new(up.get() * hundredths / 100)),
            down: NewRate::Keep,
        };
        setup.faults.push(FaultSetup {
            at: Time::ZERO,
            kind,
        });
    }
    setup
}

/// Jobs of which each second one is like that before it, and all are a tenth too long and too far
/// apart.
fn biased(mut jobs: Vec<Job>) -> Vec<Job> {
    let sound = jobs.clone();
    for place in 1..jobs.len() {
        let like = (place - place % 2).max(1);
        let gap = sound[like].at - sound[like - 1].at;
        jobs[place].at = jobs[place - 1].at + Span::from_nanos(gap.as_nanos() * 11 / 10);
        jobs[place].bytes = ByteCount::new(sound[like].bytes.get() * 11 / 10);
    }
    jobs
}

/// The same with few jobs, arrivals or rounds: a queue or a swarm that is given more work than it
/// can do remembers all of it, and each step takes the longer.
fn short(work: &Work) -> Work {
    let mut work = work.clone();
    match &mut work {
        Work::Server(server) => {
            server.jobs = server.jobs.min(JOBS);
            server.margin = server.jobs / 10;
        }
        Work::Growth(arrivals) => arrivals.length = arrivals.length.min(CHUNK_TIMES),
        Work::Trade(trade) => trade.rounds = trade.rounds.min(ROUNDS),
        _ => {}
    }
    work
}

/// Which side of what is expected a fault leads to, where a row has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Links that carry more than they say; blocks that take too long.
    First,
    /// The opposite.
    Other,
}

/// What comes of `work` with a fault in what it measures.
fn spoiled(work: &Work, run: u32, side: Side) -> Found {
    match short(work) {
        Work::Order(name) => Ok(schedule::order(&faulty!(&*name, Fault::SwappedTurn))),
        // Round robin is the example of who is unfair: there a fair one is the fault.
        Work::Spread(_, quantum) => Ok(schedule::spread(row("sfq"), quantum)),
        Work::SpreadOfBound(name, quantum) => {
            let faulty = match side {
                Side::First => faulty!(&*name, Fault::EqualWeights),
                Side::Other => DisciplineRow {
                    make: row("wf2q+").make,
                    ..*row(&name)
                },
            };
            Ok(schedule::spread_of_bound(&faulty, quantum))
        }
        // Round robin does not look at weights, and is the example of who delays the heavy.
        Work::Delay(name, weight) => {
            let faulty = match (&*name, weight) {
                ("round-robin", 1) => faulty!("strict", Fault::StarvedFirst),
                ("round-robin", _) => DisciplineRow {
                    make: row("sfq").make,
                    ..*row("sfq")
                },
                (name, _) => faulty!(name, Fault::LightFirst),
            };
            Ok(schedule::delay(&faulty, weight))
        }
        Work::Clamp => Ok(schedule::clamp(row("sfq"))),
        Work::Shares(shares) => {
            let mut setup = shares.setup();
            setup.transfers[0].floor = None;
            schedule::shares(&setup)
        }
        Work::Server(server) => {
            let jobs = server.draw(run);
            server.measure(&jobs, &at_speed(server.setup(&jobs, run), 40, 0..1))
        }
        Work::Draws(draws) => {
            let jobs: Vec<Vec<Job>> = draws.jobs().into_iter().map(biased).collect();
            Ok(draws.measure(&jobs))
        }
        Work::KumarRoss(mut crowd) => {
            crowd.seed_up = Rate::new(crowd.seed_up.get() / 2);
            Ok(vec![crowd.least(Least::KumarRoss)?])
        }
        Work::Mundinger(peers, chunks) => swarm::mundinger(2 * peers, chunks),
        Work::FlashCrowd(crowd) => {
            let setup = crowd.setup(run);
            let all = 0..setup.peers.len();
            let hundredths = if side == Side::First { 400 } else { 40 };
            crowd.measure(&at_speed(setup, hundredths, all))
        }
        // A seed that is only slower makes numbers of peers that differ too much between runs.
        Work::Growth(arrivals) => arrivals.measure(&at_speed(arrivals.setup(run), 0, 0..1)),
        Work::Trade(mut trade) => {
            match &mut trade.traders {
                Traders::Fluid(fluid) => fluid.drawn += std::mem::take(&mut fluid.regular),
                Traders::Nodes { policy, .. } => policy.unchoke = ChokerName::of("round-robin"),
            }
            trade.run(run)
        }
        work => spoiled_model(work, run),
    }
}

/// The same of what is measured without a run of nodes.
fn spoiled_model(work: Work, run: u32) -> Found {
    match work {
        Work::Response(mut response) => {
            response.rounds = u32::from(response.rounds == 0);
            Ok(response.run())
        }
        // Whoever was sent least first, whatever came back.
        Work::Balance(mut balance) => {
            balance.discipline = "las".to_owned();
            Ok(balance.run(run))
        }
        Work::Matching(mut matching) => {
            matching.choker = "wary-tit-for-tat".to_owned();
            matching.run(run)
        }
        Work::Index(name, mut values) => {
            values[0] += 3.0;
            index::of(&name, &values)
        }
        other => panic!("no fault is planted in {other:?}"),
    }
}

/// The shipped file with the rows that `keep` says.
fn suite(keep: impl Fn(&Oracle) -> bool) -> Suite {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/oracles.toml");
    let mut suite = load(std::path::Path::new(file)).unwrap_or_else(|bad| panic!("{bad}"));
    suite.oracles.retain(keep);
    assert!(!suite.oracles.is_empty());
    suite
}

/// The rows of `suite` that do not notice the fault.
fn blind(suite: &Suite, side: Side) -> Vec<String> {
    let measure = |work: &Work, run| spoiled(work, run, side);
    let verdicts = suite.judge(Size::Quick, &mut |_| (), &measure);
    // A measurement that ends in an error is no number that is too far away.
    let blind = verdicts
        .into_iter()
        .filter(|verdict| verdict.pass || verdict.got.is_empty());
    blind
        .map(|verdict| {
            let OracleVerdict { id, got, note, .. } = &verdict;
            format!("{id}: {got:?} within {} {note}", verdict.tolerance)
        })
        .collect()
}

#[test]
fn every_oracle_of_the_shipped_file_fails_when_a_fault_is_planted() {
    let blind = blind(&suite(|_| true), Side::First);
    assert!(blind.is_empty(), "{blind:#?}");
}

// One fault leads above what is expected, the other below.
#[test]
fn an_oracle_with_two_sides_fails_on_either() {
    let two_sided = [Relation::Reaches, Relation::NeverBelow];
    let suite = suite(|oracle| two_sided.contains(&oracle.relation));
    let blind = blind(&suite, Side::Other);
    assert!(blind.is_empty(), "{blind:#?}");
}

// It is the fault that is noticed, not the short time.
#[test]
fn what_is_measured_for_a_shorter_time_passes_without_a_fault() {
    let suite = suite(|oracle| short(&oracle.work) != oracle.work);
    let measure = |work: &Work, run| short(work).run(run);
    let verdicts = suite.judge(Size::Quick, &mut |_| (), &measure);
    assert!(
        verdicts.iter().all(|verdict| verdict.pass),
        "{}",
        table(&verdicts)
    );
}
