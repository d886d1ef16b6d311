//! The smallest setups that tests of metrics need.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};

use crate::setup::{Latency, LibrarySetup, NetworkModel, PeerSetup, Setup, TransferSetup};

/// A node with an uplink of 100 B/s.
pub(crate) fn peer(name: &str) -> PeerSetup {
    PeerSetup {
        name: name.into(),
        class: "vm".into(),
        up: Some(Rate::new(100)),
        neighbours: 10,
        ..PeerSetup::default()
    }
}

fn transfer(class: &str, bytes: u64) -> TransferSetup {
    TransferSetup {
        name: class.into(),
        class: class.into(),
        source: 0,
        destination: 1,
        bytes: ByteCount::new(bytes),
        chunk: ByteCount::new(10),
        start: Time::ZERO,
        weight: Weight::ONE,
        cap: None,
        floor: None,
        group: None,
        band: 0,
    }
}

/// Two peers; the first sends a small and a bulk transfer to the second.
pub(crate) fn two_transfers() -> Setup {
    Setup {
        rng_seed: 1,
        replication: 0,
        network: NetworkModel::Fluid,
        policies: Vec::new(),
        latency: Latency::default(),
        links: Vec::new(),
        groups: Vec::new(),
        peers: vec![peer("source"), peer("sink")],
        contents: Vec::new(),
        transfers: vec![transfer("small", 100), transfer("bulk", 1_000)],
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: None,
        horizon: Time::ZERO + Span::from_secs(100),
        windows: Vec::new(),
        event_budget: 1_000,
    }
}
