//! What the queue in front of the disciplines costs: one request, one block, one `sent`.
//!
//! A request is one block of 16 KiB, the discipline is deficit round robin, and every peer
//! always has two requests waiting. `flat` is the common case: one transfer, no limits.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fairhaul_core::id::{GroupId, PeerId, TransferId};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::sched;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::token_bucket::TokenBucket;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Limit, Request, Settings, Share, Target, Uplink};

const BLOCK: ByteCount = ByteCount::kib(16);

/// What is set besides the peers.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One transfer, no limits.
    Flat,
    /// Two transfers for each peer, peers in four groups.
    Tree,
    /// Flat, and each peer has a cap that it stays below.
    Capped,
    /// Flat, and each peer has a cap that holds it after every block; one call in seven finds
    /// nobody to serve.
    Held,
}

fn main_loop(shape: Shape, peers: u32) -> impl FnMut() {
    let row = sched::find("drr").expect("it is in the table");
    let mut uplink = Uplink::new(Settings {
        outer: row,
        inner: row,
        share: Share::Peer,
        largest: BLOCK,
        window_node: ByteCount::kib(64),
        window_peer: ByteCount::mib(1),
        adapt: false,
        quantum: None,
    });
    let mut now = Time::ZERO;
    let rate = match shape {
        Shape::Flat | Shape::Tree => None,
        Shape::Capped => Some(100_000_000_000),
        Shape::Held => Some(7_000_000_000 / u64::from(peers)),
    };
    let transfers = if matches!(shape, Shape::Tree) { 2 } else { 1 };
    let manifest = Manifest::new(BLOCK, BLOCK).expect("one chunk");
    let chunk = manifest.index(0).expect("it has one");
    let mut request = Request {
        peer: PeerId(0),
        transfer: TransferId(0),
        chunk,
        len: BLOCK,
        remaining: ByteCount::mib(64),
    };
    for id in 0..peers {
        let peer = PeerId(id);
        if let Some(rate) = rate {
            let limit = Limit {
                cap: Some(Rate::new(rate)),
                burst: Some(ByteCount::kib(32)),
                ..Limit::default()
            };
            uplink.set_limit(Target::Peer(peer), limit, now);
        }
        if matches!(shape, Shape::Tree) {
            uplink.join(Target::Peer(peer), Some(GroupId(id % 4)), now);
        }
        for place in 0..2 * transfers {
            request.peer = peer;
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
    let mut group = criterion.benchmark_group("uplink");
    for shape in [Shape::Flat, Shape::Tree, Shape::Capped, Shape::Held] {
        for peers in [50, 1_000] {
            let id = BenchmarkId::new(format!("{shape:?}").to_lowercase(), peers);
            group.bench_function(id, |bencher| bencher.iter(main_loop(shape, peers)));
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
