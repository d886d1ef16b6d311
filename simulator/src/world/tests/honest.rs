//! Honest peers in a network that goes wrong: links that stand still and come back with what was in
//! them, crashes, restarts, aborts, caps that change, memory that is short. Nobody accuses anybody,
//! and whoever stays has everything in the end.

use fairhaul_config::policy::{ChokerName, SeedRule};
use fairhaul_core::node::Guard;
use fairhaul_core::rng::Rng;

use super::*;
use crate::random::Streams;
use crate::setup::NewRate;

const LEECHERS: u32 = 6;
/// How long things go wrong, in seconds.
const FAULTS: usize = 600;

/// A fault at a moment, and what mends it up to 100 s later.
fn faults(rng: &mut Rng, transfers: u32) -> Vec<FaultSetup> {
    let mut faults = Vec::new();
    for _ in 0..24 {
        let at = Time::ZERO + Span::from_millis(1 + rng.below(FAULTS * 1_000) as u64);
        let until = at + Span::from_millis(1 + rng.below(100_000) as u64);
        let peer = u32::try_from(rng.below(LEECHERS as usize + 1)).unwrap();
        let stands = NewRate::At(Rate::new(0));
        let back = NewRate::At(Rate::new(1_000_000));
        let capacity = |up, down| FaultKind::Capacity { peer, up, down };
        let cap = |rate| FaultKind::UploadCap { peer, rate };
        let [breaks, mends] = match rng.below(5) {
            0 => [
                capacity(stands, NewRate::Keep),
                capacity(back, NewRate::Keep),
            ],
            1 => [
                capacity(NewRate::Keep, stands),
                capacity(NewRate::Keep, NewRate::Unlimited),
            ],
            2 => [FaultKind::Crash { peer }, FaultKind::Restart { peer }],
            3 => [cap(Some(Rate::new(20_000))), cap(None)],
            _ => {
                let transfer = u32::try_from(rng.below(transfers as usize)).unwrap();
                let abort = FaultKind::Abort { transfer };
                [abort.clone(), abort]
            }
        };
        faults.push(FaultSetup { at, kind: breaks });
        faults.push(FaultSetup {
            at: until,
            kind: mends,
        });
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// A swarm of two contents and some transfers beside it.
fn world(seed: u64) -> Setup {
    let mut rng = Streams::new(seed, 0).stream("world", "honest");
    let mut world = swarm(LEECHERS, 24 << 20);
    let other = ContentSetup {
        name: "other".into(),
        bytes: ByteCount::mib(8),
        chunk: ByteCount::kib(64),
        seeds: vec![1],
        leechers: vec![0, 2, 3],
        start: Vec::new(),
    };
    world.contents.push(other);
    world.transfers = (1..=4)
        .map(|row| transfer(&format!("t{row}"), row, 4 << 20))
        .collect();
    world.faults = faults(&mut rng, 4);
    world.rng_seed = seed;
    let rules = ["none", "wary-tit-for-tat", "round-robin"];
    world.policies[0].unchoke = ChokerName::of(rules[rng.below(rules.len())]);
    let rules = ["even", "forwarders-first"];
    world.policies[0].seed_rule = SeedRule::of(rules[rng.below(rules.len())]);
    // From none to as much as a node has by default.
    let memory = [None, Some(256 << 10), Some(2 << 20), Some(64 << 20)][rng.below(4)];
    world.policies[0].guard = memory.map(|bytes| Guard {
        held: ByteCount::new(bytes),
        ..Guard::default()
    });
    world
}

/// A run in which somebody is accused of anything, or waits for ever, is an error.
///
/// Register: C7, D8, J14.
#[test]
fn no_schedule_of_faults_makes_an_honest_peers_offence() {
    for seed in 0..30 {
        let world = world(seed);
        if let Err(error) = run(&world, &mut |_| {}) {
            panic!("seed {seed}: {error}");
        }
    }
}
