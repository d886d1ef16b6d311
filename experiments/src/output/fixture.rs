//! Made-up runs for tests: not the outcome of any simulation.
//!
//! Numbers come from a small hash of (policy, replication, entity), so that policies share
//! their random numbers as real runs do.

use std::path::Path;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::record::{
    ContentRecord, FlowName, PairRecord, PeerRecord, Record, TransferRecord, WindowRecord,
};
use fairhaul_simulator::setup::{
    ContentSetup, Latency, LibrarySetup, NetworkModel, PeerSetup, Setup, TransferSetup,
};

use crate::compare::conclude;

use super::{Existing, Facts, ResultDir, Results, RunRow};

/// A number in 0..1 that depends on `keys` alone.
fn draw(keys: [u64; 3]) -> f64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for key in keys {
        hash = (hash ^ key).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 29;
    }
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

fn span(seconds: f64) -> Span {
    Span::from_micros(format!("{:.0}", seconds * 1e6).parse().unwrap())
}

fn bytes(count: f64) -> ByteCount {
    ByteCount::new(format!("{count:.0}").parse().unwrap())
}

pub(crate) fn peer(name: &str, class: &str, up: u64) -> PeerSetup {
    PeerSetup {
        name: name.into(),
        class: class.into(),
        up: Some(Rate::new(up)),
        neighbours: 10,
        ..PeerSetup::default()
    }
}

fn empty(replication: u32) -> Setup {
    Setup {
        rng_seed: 7,
        replication,
        network: NetworkModel::Fluid,
        policies: Vec::new(),
        latency: Latency {
            regions: vec!["fra".into()],
            one_way: vec![Span::ZERO],
        },
        links: Vec::new(),
        groups: Vec::new(),
        peers: Vec::new(),
        contents: Vec::new(),
        transfers: Vec::new(),
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: Some(fairhaul_core::uplink::Share::Transfer),
        horizon: Time::ZERO + Span::from_secs(100),
        windows: Vec::new(),
        event_budget: 1_000,
    }
}

/// Bulk transfers, and 40 small ones that wait `wait` times as long as alone at the median,
/// where the bulk shares are off by `skew`.
pub(crate) fn transfers(replication: u32, wait: f64, skew: f64) -> (Setup, Record) {
    let mut setup = empty(replication);
    let mut record = Record {
        end: Time::ZERO + Span::from_secs(60),
        events: 1_000,
        ..Record::default()
    };
    setup.peers = vec![peer("vm-1", "vm", 1_000_000), peer("vm-2", "vm", 1_000_000)];
    record.peers = vec![
        PeerRecord {
            joined: Some(Time::ZERO),
            up_as_seed: ByteCount::new(54_000_000),
            present: Span::from_secs(60),
            ..PeerRecord::default()
        },
        PeerRecord::default(),
    ];
    record.pairs = vec![PairRecord {
        sender: 0,
        receiver: 1,
        bytes: ByteCount::new(54_000_000),
    }];
    for at in 0..44_u32 {
        let bulk = at < 4;
        let size = if bulk { 20_000_000 } else { 50_000 };
        let random = draw([u64::from(replication), u64::from(at), 1]);
        let alone = size as f64 / 1e6;
        let slow = 1.0 + wait * (if bulk { 0.3 } else { -libm::log(1.0 - random) });
        let start = if bulk { 0.0 } else { 1.0 + random * 50.0 };
        let off = if at % 2 == 0 { 1.0 + skew } else { 1.0 - skew };
        setup.transfers.push(TransferSetup {
            name: format!("t{at}"),
            class: if bulk { "bulk" } else { "small" }.into(),
            source: 0,
            destination: 1,
            bytes: ByteCount::new(size),
            chunk: ByteCount::kib(256),
            start: Time::ZERO + span(start),
            weight: Weight::ONE,
            cap: None,
            floor: None,
            group: None,
            band: 0,
        });
        record.transfers.push(TransferRecord {
            start: Some(Time::ZERO + span(start)),
            first_byte: Some(Time::ZERO + span(start + 0.01)),
            end: Some(Time::ZERO + span(start + alone * slow)),
            alone: Some(span(alone)),
            received: ByteCount::new(size),
            entitlement: bytes(size as f64 / off),
        });
    }
    add_windows(&mut setup, &mut record, skew);
    (setup, record)
}

fn add_windows(setup: &mut Setup, record: &mut Record, skew: f64) {
    for millis in [10_u64, 100, 1_000, 10_000] {
        let window = Span::from_millis(millis);
        setup.windows.push(window);
        let rough = skew + 1.0 / libm::sqrt(millis as f64);
        let entitled = millis as f64 * 250.0;
        for index in 0..6_u64 {
            for flow in 0..4_u32 {
                let random = draw([index, u64::from(flow), millis]) - 0.5;
                let sign = if flow % 2 == 0 { skew } else { -skew };
                record.windows.push(WindowRecord {
                    window,
                    start: Time::ZERO + Span::from_millis(millis * index),
                    flow: FlowName::Transfer(flow),
                    bytes: bytes(entitled * (1.0 + sign + rough * random).max(0.0)),
                    entitlement: bytes(entitled),
                    backlogged: window,
                });
            }
        }
    }
}

/// A flash crowd of a seed and twelve leechers in two classes, whose last one needs `over`
/// times the bound; in replication `unfinished` one never finishes.
pub(crate) fn swarm(replication: u32, over: f64, unfinished: u32) -> (Setup, Record) {
    let mut setup = empty(replication);
    let mut record = Record {
        end: Time::ZERO + span(100.0 * over),
        ..Record::default()
    };
    setup.peers.push(peer("seed", "seed", 1_000_000));
    record.peers.push(PeerRecord {
        joined: Some(Time::ZERO),
        up_as_seed: ByteCount::new(80_000_000),
        present: span(100.0 * over),
        ..PeerRecord::default()
    });
    for at in 0..12_u32 {
        let fast = at < 6;
        let class = if fast { "fibre" } else { "dsl" };
        setup.peers.push(peer(
            &format!("p{at}"),
            class,
            if fast { 500_000 } else { 100_000 },
        ));
        let random = draw([u64::from(replication), u64::from(at), 2]);
        let took = 100.0 * over * (if fast { 0.5 } else { 0.8 } + 0.2 * random);
        let never = at == 11 && replication == unfinished;
        record.peers.push(PeerRecord {
            joined: Some(Time::ZERO),
            completed: (!never).then(|| Time::ZERO + span(took)),
            wanted: true,
            up_as_leecher: bytes(if fast { 15e6 } else { 5e6 } * (0.8 + 0.4 * random)),
            down_from_leechers: ByteCount::new(8_000_000),
            down_from_seeds: ByteCount::new(2_000_000),
            alone: Some(Span::from_secs(20)),
            present: span(took),
            worst_service_error: ByteCount::kib(256),
            ..PeerRecord::default()
        });
    }
    setup.contents.push(ContentSetup {
        name: "film".into(),
        bytes: ByteCount::new(10_000_000),
        chunk: ByteCount::kib(256),
        seeds: vec![0],
        leechers: (1..=12).collect(),
        start: Vec::new(),
    });
    record.contents.push(ContentRecord {
        makespan: (replication != unfinished).then(|| span(100.0 * over)),
        leechers: 12,
        completed: if replication == unfinished { 11 } else { 12 },
        kumar_ross: Some(Span::from_secs(100)),
        mundinger: None,
    });
    (setup, record)
}

/// Ten policies with how long small transfers wait and how far shares are off.
pub(crate) const POLICIES: [(&str, f64, f64); 10] = [
    ("fifo", 60.0, 0.45),
    ("round-robin", 9.0, 0.2),
    ("drr", 5.0, 0.03),
    ("sparse-drr", 1.2, 0.03),
    ("sfq", 4.0, 0.015),
    ("wf2q+", 3.5, 0.01),
    ("strict", 0.5, 0.4),
    ("srpt", 0.4, 0.5),
    ("las", 0.7, 0.3),
    ("mclock", 4.5, 0.05),
];

/// Puts runs into `dir` and finishes the result. A run is its parameters and what it gave.
pub(crate) fn write_result(dir: &Path, runs: &[MadeUp]) -> Results {
    let out = ResultDir::begin(dir, "plan", "fairlab", Existing::Replace).unwrap();
    let mut names = Vec::new();
    for (at, (params, (setup, record))) in runs.iter().enumerate() {
        let run = format!("r{at:03}");
        let row = RunRow {
            run: &run,
            cell: "cell",
            params,
            seed: setup.rng_seed,
            replication: setup.replication,
            setup,
            record,
            machine: None,
        };
        out.write(&row).unwrap();
        names.push(run);
    }
    let facts = Facts {
        name: "<made up>".to_owned(),
        plan: "plan".to_owned(),
        emulated: None,
        scenario: "[scenario]\nname = \"<made up>\"\n".to_owned(),
        seed: Some(7),
        command: "fairlab run made-up.toml --seed 7".to_owned(),
        runs: names.len(),
        ..Facts::default()
    };
    // One policy alone has nothing to be compared with.
    let several = runs.iter().any(|(params, _)| params[0] != runs[0].0[0]);
    let baseline = runs
        .first()
        .filter(|_| several)
        .map(|(params, _)| format!("{}={}", params[0].0, params[0].1));
    conclude(out, &names, &facts, baseline.as_deref())
        .unwrap()
        .0
}

/// Parameters of a run, and the run.
pub(crate) type MadeUp = (Vec<(String, String)>, (Setup, Record));

fn param(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Ten disciplines, bulk and small transfers.
pub(crate) fn transfer_runs(replications: u32) -> Vec<MadeUp> {
    let mut runs = Vec::new();
    for (name, wait, skew) in POLICIES {
        for replication in 0..replications {
            let keys = vec![param("uplink", name), param("network", "block")];
            runs.push((keys, transfers(replication, wait, skew)));
        }
    }
    runs
}

/// Four disciplines at three loads.
pub(crate) fn load_runs(replications: u32) -> Vec<MadeUp> {
    let mut runs = Vec::new();
    for (name, wait, skew) in [POLICIES[0], POLICIES[2], POLICIES[7], POLICIES[8]] {
        for (load, queue) in [("0.5", 1.0), ("0.7", 2.3), ("0.8", 4.0), ("0.9", 9.0)] {
            for replication in 0..replications {
                let keys = vec![param("uplink", name), param("load", load)];
                runs.push((keys, transfers(replication, wait * queue / 10.0, skew)));
            }
        }
    }
    runs
}

/// Three chokers in a flash crowd.
pub(crate) fn swarm_runs(replications: u32) -> Vec<MadeUp> {
    let mut runs = Vec::new();
    for (name, over) in [("none", 1.08), ("round-robin", 1.21), ("tit-for-tat", 1.46)] {
        for replication in 0..replications {
            let unfinished = if name == "tit-for-tat" { 1 } else { u32::MAX };
            let off = over + 0.03 * draw([u64::from(replication), 5, 5]);
            let keys = vec![param("unchoke", name)];
            runs.push((keys, swarm(replication, off, unfinished)));
        }
    }
    runs
}

/// [`transfer_runs`], [`load_runs`] or [`swarm_runs`] read back from a result.
pub(crate) fn results(runs: &[MadeUp]) -> Results {
    write_result(tempfile::tempdir().unwrap().path(), runs)
}
