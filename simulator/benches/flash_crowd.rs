//! A flash crowd: everybody wants one content at the same time, and one seed has it.
//!
//! `cargo bench -p fairhaul-simulator --bench flash_crowd -- [PEERS] [MIB] [block|fluid] [CHOKER]
//! [NEIGHBOURS] [BLOCK_KIB] [RATIO]` prints what the simulation cost (events, steps, time, memory)
//! and how close the swarm came to the bounds that no policy can beat. Leechers have 10 Mbit/s up
//! and 50 Mbit/s down; the seed's uplink is `RATIO` times theirs. Every peer is a real core, and
//! the checkers are on, as in every run. It is no experiment: those are scenario files.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;
use std::fs;
use std::str::FromStr;
use std::time::Instant;

use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{ChokerName, DisciplineName, Policy, SeedRule};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::{ContentSetup, Latency, NetworkModel, PeerSetup, Setup};
use fairhaul_simulator::world;

/// 10 Mbit/s, a leecher's uplink.
const UP: u64 = 1_250_000;
/// 50 Mbit/s, everybody's downlink.
const DOWN: u64 = 6_250_000;
/// One-way delay between any two peers.
const DELAY: Span = Span::from_millis(20);

struct Arguments {
    peers: u32,
    mib: u64,
    network: NetworkModel,
    choker: String,
    neighbours: u32,
    block: ByteCount,
    ratio: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    let setup = setup(&arguments);
    let start = Instant::now();
    let record = world::run(&setup, &mut |_| ())?;
    let seconds = start.elapsed().as_secs_f64();
    print(&record, seconds)
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let network = match argument(3, "block".to_owned())?.as_str() {
        "block" => NetworkModel::Block {
            window: ByteCount::mib(4),
        },
        "fluid" => NetworkModel::Fluid,
        other => return Err(format!("network is block or fluid, not {other}").into()),
    };
    Ok(Arguments {
        peers: argument(1, 1_000)?,
        mib: argument(2, 64)?,
        network,
        choker: argument(4, "wary-tit-for-tat".to_owned())?,
        neighbours: argument(5, 40)?,
        block: ByteCount::kib(argument(6, 256)?),
        ratio: argument(7, 10)?,
    })
}

fn argument<T>(place: usize, default: T) -> Result<T, T::Err>
where
    T: FromStr,
{
    // Cargo says to every benchmark that it is one.
    let mut words = std::env::args().filter(|word| word != "--bench");
    words.nth(place).map_or(Ok(default), |text| text.parse())
}

fn setup(arguments: &Arguments) -> Setup {
    let leechers = arguments.peers;
    let peers = (0..=leechers)
        .map(|row| {
            let up = if row == 0 { UP * arguments.ratio } else { UP };
            peer(row, up, arguments.neighbours)
        })
        .collect();
    Setup {
        rng_seed: 1,
        network: arguments.network,
        policies: vec![policy(&arguments.choker, arguments.block).into()],
        latency: Latency {
            regions: vec!["one".into()],
            one_way: vec![DELAY],
        },
        peers,
        contents: vec![ContentSetup {
            name: "content".into(),
            bytes: ByteCount::mib(arguments.mib),
            chunk: ByteCount::kib(256),
            seeds: vec![0],
            leechers: (1..=leechers).collect(),
            start: Vec::new(),
        }],
        horizon: Time::ZERO + Span::from_secs(1_000_000),
        event_budget: 10_000_000_000,
        ..Setup::default()
    }
}

fn policy(choker: &str, block: ByteCount) -> Policy {
    Policy {
        uplink: DisciplineName::of("drr"),
        share: Share::Peer,
        unchoke: ChokerName::of(choker),
        seed_rule: SeedRule::of("round-robin"),
        slots: Bounded::new(4),
        rechoke: TimeBetween::new(10_000_000_000),
        block: Some(SizeLimit::At(block)),
        ..Policy::default()
    }
}

fn peer(row: u32, up: u64, neighbours: u32) -> PeerSetup {
    PeerSetup {
        name: format!("peer.{row}"),
        class: "peer".into(),
        up: Some(Rate::new(up)),
        down: Some(Rate::new(DOWN)),
        neighbours,
        ..PeerSetup::default()
    }
}

fn print(record: &Record, seconds: f64) -> Result<(), Box<dyn Error>> {
    let content = record.contents.first().ok_or("there is one content")?;
    let makespan = content.makespan.ok_or("somebody never completed")?;
    let wasted: ByteCount = record.peers.iter().map(|peer| peer.wasted).sum();
    let received: ByteCount = record
        .peers
        .iter()
        .map(|peer| peer.down_from_leechers + peer.down_from_seeds)
        .sum();
    let float = |count: u64| {
        // Exact below 2^53; reports only.
        count as f64
    };
    println!("events     {}", record.events);
    println!("steps      {}", record.steps);
    println!("wall       {seconds:.2} s");
    println!("steps/s    {:.0}", float(record.steps) / seconds);
    println!("events/s   {:.0}", float(record.events) / seconds);
    println!("peak RSS   {} kB", peak_kb()?);
    println!("makespan   {:.2} s", makespan.as_secs_f64());
    for (name, bound) in [
        ("Kumar-Ross", content.kumar_ross),
        ("Mundinger", content.mundinger),
    ] {
        if let Some(bound) = bound {
            let ratio = makespan.as_secs_f64() / bound.as_secs_f64();
            println!("{name} {:.2} s, ratio {ratio:.3}", bound.as_secs_f64());
        }
    }
    let percent = 100.0 * float(wasted.get()) / float(received.get());
    println!("wasted     {wasted}, {percent:.3} % of {received}");
    let digest = record.digest.map(|byte| format!("{byte:02x}")).concat();
    println!("digest     {digest}");
    Ok(())
}

/// The kernel's count of the most memory that this process ever held.
fn peak_kb() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("the kernel says how much")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
