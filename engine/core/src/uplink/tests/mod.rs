//! What an uplink promises, on a link that sends one block at a time.

mod fair;

use std::collections::BTreeMap;

use super::*;
use crate::time::Span;
use crate::units::{Rate, Weight};

use fair::FAIR;

/// An uplink, the link behind it, and demands that never end.
struct Rig {
    uplink: Uplink,
    link: Rate,
    now: Time,
    /// Who keeps asking, for requests of which length.
    hungry: Vec<(u32, u32, u64)>,
    /// Every block that left: when it was issued, to whom, of what, how long.
    sent: Vec<(Time, u32, u32, u64)>,
}

impl Rig {
    fn new(share: Share, link: u64) -> Self {
        Self::with(share, link, 16)
    }

    fn with(share: Share, link: u64, block_kib: u64) -> Self {
        let settings = Settings {
            outer: &FAIR,
            inner: &FAIR,
            share,
            largest: ByteCount::kib(block_kib),
            window_node: ByteCount::kib(block_kib),
            window_peer: ByteCount::mib(64),
            quantum: None,
        };
        Self {
            uplink: Uplink::new(settings),
            link: Rate::new(link),
            now: Time::ZERO,
            hungry: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn limit(&mut self, target: Target, limit: Limit) {
        self.uplink.set_limit(target, limit, self.now);
    }

    fn ask(&mut self, peer: u32, transfer: u32, len: u64) {
        let request = Request {
            peer: PeerId(peer),
            transfer: TransferId(transfer),
            chunk: ChunkIndex(0),
            len: ByteCount::new(len),
            remaining: ByteCount::mib(1),
        };
        self.uplink.request(request, self.now).unwrap();
    }

    /// A peer that always has four requests of `len` bytes waiting.
    fn hungry(&mut self, peer: u32, transfer: u32, len: u64) {
        self.hungry.push((peer, transfer, len));
        for _ in 0..4 {
            self.ask(peer, transfer, len);
        }
    }

    /// Sends until `span` has passed.
    fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            let Some(block) = self.uplink.next(self.now) else {
                let Some(at) = self.uplink.ready_at(self.now) else {
                    break;
                };
                assert!(at > self.now, "ready, but gives nothing: {:?}", self.uplink);
                if at > end {
                    break;
                }
                self.now = at;
                continue;
            };
            let (peer, transfer) = (block.peer, block.transfer);
            self.sent
                .push((self.now, peer.0, transfer.0, block.len.get()));
            if block.last {
                let same = |hungry: &&(u32, u32, u64)| (hungry.0, hungry.1) == (peer.0, transfer.0);
                if let Some(&(peer, transfer, len)) = self.hungry.iter().find(same) {
                    self.ask(peer, transfer, len);
                }
            }
            self.now = self.now + self.link.time_for(block.len);
            self.uplink.sent(peer, block.len, self.now);
            if self.now >= end {
                break;
            }
        }
        self.now = self.now.max(end);
    }

    /// Bytes for each peer since `from`.
    fn by_peer(&self, from: Time) -> BTreeMap<u32, u64> {
        let mut sums = BTreeMap::new();
        for &(time, peer, _, len) in &self.sent {
            if time >= from {
                *sums.entry(peer).or_default() += len;
            }
        }
        sums
    }
}

fn weigh(weight: u32) -> Limit {
    Limit {
        weight: Weight::whole(weight),
        ..Limit::default()
    }
}

fn cap(rate: u64) -> Limit {
    Limit {
        cap: Some(Rate::new(rate)),
        ..Limit::default()
    }
}

#[track_caller]
fn assert_near(got: u64, expected: u64, tolerance: u64) {
    assert!(
        got.abs_diff(expected) <= tolerance,
        "got {got}, expected {expected} within {tolerance}"
    );
}

const KIB: u64 = 1024;

// Three peers of weights 1, 2 and 5 on 8 MB/s for 10 s: 10, 20 and 50 MB.
#[test]
fn peers_share_by_weight() {
    let mut rig = Rig::new(Share::Peer, 8_000_000);
    for (peer, weight) in [(1, 1), (2, 2), (3, 5)] {
        rig.limit(Target::Peer(PeerId(peer)), weigh(weight));
        rig.hungry(peer, 0, 64 * KIB);
    }
    rig.run(Span::from_secs(10));
    let got = rig.by_peer(Time::ZERO);
    for (peer, expected) in [(1, 10_000_000), (2, 20_000_000), (3, 50_000_000)] {
        assert_near(got[&peer], expected, 32 * KIB);
    }
}

// C = 1,000: A (floor 300, weight 1), B (weight 2), D (weight 3, cap 200): 300, 500, 200.
#[test]
fn floors_and_caps_clamp_the_shares_as_the_fluid_oracle_does() {
    let mut rig = Rig::new(Share::Peer, 10_000_000);
    let floor = Limit {
        floor: Some(Rate::new(3_000_000)),
        ..weigh(1)
    };
    let capped = Limit {
        weight: Weight::whole(3),
        ..cap(2_000_000)
    };
    rig.limit(Target::Peer(PeerId(1)), floor);
    rig.limit(Target::Peer(PeerId(2)), weigh(2));
    rig.limit(Target::Peer(PeerId(3)), capped);
    for peer in 1..=3 {
        rig.hungry(peer, 0, 64 * KIB);
    }
    rig.run(Span::from_secs(20));
    let got = rig.by_peer(Time::from_nanos(10_000_000_000));
    assert_near(got[&1], 30_000_000, 100_000);
    assert_near(got[&2], 50_000_000, 100_000);
    assert_near(got[&3], 20_000_000, 100_000);
}
