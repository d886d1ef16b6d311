//! What the queue in front of the disciplines costs: one request, one block, one `sent`.
//!
//! A request is one block of 16 KiB, and every one of 10 to 100,000 peers always has two requests
//! waiting. The order in which the peers come to their turns is drawn: it is not the one in which
//! they lie in memory. `flat` is the common case: one transfer, no limits, equal weights.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fairhaul_core::id::{GroupId, PeerId, TransferId};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::sched;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::token_bucket::TokenBucket;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::{Limit, Request, Settings, Share, Target, Uplink};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

const BLOCK: ByteCount = ByteCount::kib(16);
const PEERS: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

/// What is set besides the peers.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One transfer, no limits.
    Flat,
    /// Two transfers for each peer, peers in four groups.
    Tree,
    /// Flat, and each peer has a weight drawn from 1 to 100.
    Mixed,
    /// Flat, and each peer has a cap that it stays below.
    Capped,
    /// Flat, and each peer has a cap that holds it after every block; one call in seven finds
    /// nobody to serve.
    Held,
}

fn settings(discipline: &str) -> Settings {
    let row = sched::DISCIPLINES
        .find(discipline)
        .expect("it is in the table");
    Settings {
        outer: row,
        inner: row,
        share: Share::Peer,
        largest: BLOCK,
        window_node: ByteCount::kib(64),
        window_peer: ByteCount::mib(1),
        adapt: false,
        quantum: None,
    }
}

/// What `shape` sets for a peer among so many.
fn limit(shape: Shape, peers: u32, rng: &mut ChaCha8Rng) -> Option<Limit> {
    let capped = |rate| Limit {
        cap: Some(Rate::new(rate)),
        burst: Some(ByteCount::kib(32)),
        ..Limit::default()
    };
    match shape {
        Shape::Flat | Shape::Tree => None,
        Shape::Mixed => Some(Limit {
            weight: Weight::whole(rng.random_range(1..=100)),
            ..Limit::default()
        }),
        Shape::Capped => Some(capped(100_000_000_000)),
        Shape::Held => Some(capped(7_000_000_000 / u64::from(peers))),
    }
}

fn main_loop(discipline: &str, shape: Shape, peers: u32) -> impl FnMut() {
    let mut uplink = Uplink::new(settings(discipline));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut now = Time::ZERO;
    let transfers = if matches!(shape, Shape::Tree) { 2 } else { 1 };
    let manifest = Manifest::new(BLOCK, BLOCK).expect("one chunk");
    let chunk = manifest.index(0).expect("it has one");
    let mut request = Request {
        peer: PeerId(0),
        transfer: TransferId(0),
        chunk,
        offset: ByteCount::ZERO,
        len: BLOCK,
        remaining: ByteCount::mib(64),
    };
    for id in 0..peers {
        let peer = Target::Peer(PeerId(id));
        if let Some(limit) = limit(shape, peers, &mut rng) {
            uplink.set_limit(peer, limit, now);
        }
        if matches!(shape, Shape::Tree) {
            uplink.join(peer, Some(GroupId(id % 4)), now);
        }
    }
    let mut order: Vec<u32> = (0..peers).collect();
    order.shuffle(&mut rng);
    for peer in order {
        for place in 0..2 * transfers {
            request.peer = PeerId(peer);
            request.transfer = TransferId(place % transfers);
            uplink.request(request, now).expect("few requests");
        }
    }
    move || {
        // 8 GB/s: a block each two microseconds.
        now = now + Span::from_micros(2);
        let Some(block) = uplink.next(now) else {
            return;
        };
        request.peer = block.peer;
        request.transfer = block.transfer;
        uplink.request(request, now).expect("few requests");
        uplink.sent(block.peer, block.len, now);
        black_box(block);
    }
}

fn uplink(criterion: &mut Criterion) {
    use Shape::{Capped, Flat, Held, Mixed, Tree};
    let mut group = criterion.benchmark_group("uplink");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    let cases: [(&str, &[Shape]); 2] = [
        ("drr", &[Flat, Mixed, Tree, Capped, Held]),
        ("sfq", &[Flat, Mixed]),
    ];
    for (discipline, shapes) in cases {
        for &shape in shapes {
            for peers in PEERS {
                let name = format!("{discipline}/{}", format!("{shape:?}").to_lowercase());
                let id = BenchmarkId::new(name, peers);
                let mut turn = main_loop(discipline, shape, peers);
                group.bench_function(id, |bencher| bencher.iter(&mut turn));
            }
        }
    }
    group.finish();
}

fn token_bucket(criterion: &mut Criterion) {
    let mut bucket = TokenBucket::full(Rate::new(1_000_000_000), BLOCK, Time::ZERO);
    let mut now = Time::ZERO;
    criterion.bench_function("token_bucket/spend and ready_at", |bencher| {
        bencher.iter(|| {
            bucket.spend(BLOCK, now);
            now = bucket.ready_at(black_box(BLOCK), now);
        });
    });
}

criterion_group!(benches, uplink, token_bucket);
criterion_main!(benches);
