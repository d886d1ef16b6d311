//! The setups that oracles run, as plain as the theorems that they are held against: no delay, no
//! limits but those named, one region.

use fairhaul_config::amount::SizeLimit;
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{ChokerName, DisciplineName, PickerName, Policy, SeedRule};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::{ContentSetup, NetworkModel, PeerSetup, Setup, TransferSetup};
use fairhaul_simulator::world;

/// Where a run ends that does not end by itself: far beyond what any oracle needs.
const HORIZON: Span = Span::from_secs(10_000_000);

/// Events after which a run has gone wrong.
const EVENT_BUDGET: u64 = 2_000_000_000;

/// Policies of a node that serves all who ask, in blocks of `block`.
pub(super) fn policy(uplink: &str, share: Share, block: ByteCount) -> Policy {
    Policy {
        uplink: DisciplineName::of(uplink),
        share,
        unchoke: ChokerName::of("none"),
        seed_rule: SeedRule::of("even"),
        picker: PickerName::of("sequential"),
        slots: Bounded::new(4),
        block: Some(SizeLimit::At(block)),
        ..Policy::default()
    }
}

/// A peer with an uplink of `up`, present from the start to the end.
pub(super) fn peer(name: String, up: Option<Rate>) -> PeerSetup {
    PeerSetup {
        name,
        class: "peer".to_owned(),
        up,
        ..PeerSetup::default()
    }
}

/// `bytes` in one chunk from peer 0 to `destination`, asked for at `start`.
pub(super) fn transfer(
    name: String,
    destination: u32,
    bytes: ByteCount,
    start: Time,
) -> TransferSetup {
    TransferSetup {
        name,
        class: "transfer".to_owned(),
        destination,
        bytes,
        chunk: bytes,
        start,
        ..TransferSetup::default()
    }
}

/// `bytes` in chunks of `chunk`, which peer 0 has and the `leechers` after it want.
pub(super) fn content(bytes: ByteCount, chunk: ByteCount, leechers: u32) -> ContentSetup {
    ContentSetup {
        name: "content".to_owned(),
        bytes,
        chunk,
        seeds: vec![0],
        leechers: (1..=leechers).collect(),
        start: Vec::new(),
    }
}

/// Runs a setup to its end.
pub(super) fn run(setup: &Setup) -> Result<Record, String> {
    world::run(setup, &mut |_| ()).map_err(|error| error.to_string())
}

/// Replication `replication` of `peers` under one `policy`, on links that serve blocks.
pub(super) fn setup(
    rng_seed: u64,
    replication: u32,
    policy: Policy,
    peers: Vec<PeerSetup>,
) -> Setup {
    Setup {
        rng_seed,
        replication,
        network: NetworkModel::Block {
            window: ByteCount::MAX,
        },
        policies: vec![policy.into()],
        peers,
        horizon: Time::ZERO + HORIZON,
        event_budget: EVENT_BUDGET,
        ..Setup::default()
    }
}
