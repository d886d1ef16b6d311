//! The scheduler alone, in somebody else's program: whose bytes go next onto a link that many
//! share, under weights and caps.
//!
//! `cargo run -p fairhaul-core --example uplink`

use std::collections::BTreeMap;

use fairhaul_core::{
    ByteCount, DISCIPLINES, Limit, Manifest, PeerId, Rate, Request, Share, Target, Time,
    TransferId, Uplink, UplinkSettings, Weight,
};

/// The link: 10 MB/s.
const LINK: Rate = Rate::new(10_000_000);
const BLOCK: ByteCount = ByteCount::kib(16);

/// Serves three peers who always want more for `seconds`; gives the bytes of each. Peer 1 has
/// three times the right of peer 0, and peer 2 is capped at 1 MB/s.
fn serve(discipline: &str, seconds: u64) -> Option<BTreeMap<PeerId, u64>> {
    let row = DISCIPLINES.find(discipline)?;
    let mut uplink = Uplink::new(UplinkSettings {
        outer: row,
        inner: row,
        share: Share::Peer,
        largest: BLOCK,
        // One block on the link at a time: what waits, waits where the discipline orders it.
        window_node: ByteCount::new(1),
        window_peer: ByteCount::MAX,
        adapt: false,
        quantum: None,
    });
    let limits = [
        Limit::default(),
        Limit {
            weight: Weight::whole(3),
            ..Limit::default()
        },
        Limit {
            cap: Some(Rate::new(1_000_000)),
            ..Limit::default()
        },
    ];
    for (peer, limit) in (0..).map(PeerId).zip(limits) {
        uplink.set_limit(Target::Peer(peer), limit, Time::ZERO);
        ask(&mut uplink, peer, Time::ZERO)?;
    }
    let mut served = BTreeMap::new();
    let mut now = Time::ZERO;
    while now.as_secs_f64() < seconds as f64 {
        let Some(block) = uplink.next(now) else {
            // A cap holds back everybody who asks: wait until it lets somebody go.
            now = uplink.ready_at(now)?;
            continue;
        };
        // Here the block would be written; its last byte leaves after as long as the link takes.
        now = now.saturating_add(LINK.time_for(block.len));
        uplink.sent(block.peer, block.len, now);
        *served.entry(block.peer).or_insert(0) += block.len.get();
        if block.last {
            ask(&mut uplink, block.peer, now)?;
        }
    }
    Some(served)
}

/// A peer asks for another MiB.
fn ask(uplink: &mut Uplink, peer: PeerId, now: Time) -> Option<()> {
    let len = ByteCount::mib(1);
    let chunk = Manifest::new(len, len).ok()?.index(0)?;
    let request = Request {
        peer,
        transfer: TransferId(0),
        chunk,
        offset: ByteCount::ZERO,
        len,
        remaining: len,
    };
    uplink.request(request, now).ok()
}

fn main() {
    for discipline in ["fifo", "drr", "sfq"] {
        for (peer, bytes) in serve(discipline, 60).unwrap_or_default() {
            eprintln!("{discipline}: peer {} got {bytes} bytes", peer.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 10 MB/s for 60 s: peer 2 gets its cap, 60 MB; the other 540 MB go one to three. A block of
    // each and what a bucket saves up may be missing or too much.
    #[test]
    fn weights_and_caps_hold_under_a_fair_discipline() {
        for discipline in ["drr", "sfq", "wf2q+"] {
            let served = serve(discipline, 60).unwrap();
            let shares = [135_000_000, 405_000_000, 60_000_000];
            for ((peer, bytes), share) in served.iter().zip(shares) {
                let apart = bytes.abs_diff(share);
                assert!(apart <= share / 100, "{discipline}: {peer:?} got {bytes}");
            }
        }
    }
}
