//! What an uplink promises, on a link that sends one block at a time.

mod attacks;
mod bounds;
mod floors;
mod grants;
mod limits;
mod random;
mod shares;

use std::collections::BTreeMap;

use super::*;
use crate::id::GroupId;
use crate::sched;
use crate::time::Span;
use crate::units::{Rate, Weight};

/// The disciplines that are fair by weight.
const FAIR: [&str; 5] = ["drr", "sparse-drr", "sfq", "wf2q+", "mclock"];

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
    /// Blocks of 16 KiB, one at a time on the link, start-time fair queues.
    fn new(share: Share, link: u64) -> Self {
        Self::of("sfq", share, link)
    }

    fn of(discipline: &str, share: Share, link: u64) -> Self {
        Self::with(settings(discipline, share), link)
    }

    fn with(settings: Settings, link: u64) -> Self {
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

    fn join(&mut self, target: Target, group: Option<u32>) {
        self.uplink.join(target, group.map(GroupId), self.now);
    }

    /// The peer goes, with all it has asked for.
    fn leave(&mut self, peer: u32) {
        self.hungry.retain(|hungry| hungry.0 != peer);
        self.uplink.purge_peer(PeerId(peer));
    }

    fn ask(&mut self, peer: u32, transfer: u32, len: u64) {
        self.ask_for(peer, transfer, len, MB);
    }

    fn ask_for(&mut self, peer: u32, transfer: u32, len: u64, remaining: u64) {
        let request = Request {
            peer: PeerId(peer),
            transfer: TransferId(transfer),
            chunk: ChunkIndex(0),
            offset: ByteCount::ZERO,
            len: ByteCount::new(len),
            remaining: ByteCount::new(remaining),
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
        for ((peer, _), len) in self.by_both(from) {
            *sums.entry(peer).or_default() += len;
        }
        sums
    }

    /// Bytes for each peer and transfer since `from`.
    fn by_both(&self, from: Time) -> BTreeMap<(u32, u32), u64> {
        let mut sums = BTreeMap::new();
        for &(_, peer, transfer, len) in self.sent.iter().filter(|block| block.0 >= from) {
            *sums.entry((peer, transfer)).or_default() += len;
        }
        sums
    }
}

fn settings(discipline: &str, share: Share) -> Settings {
    let row = sched::DISCIPLINES.find(discipline).unwrap();
    Settings {
        outer: row,
        inner: row,
        share,
        largest: ByteCount::kib(16),
        window_node: ByteCount::kib(16),
        window_peer: ByteCount::mib(64),
        adapt: false,
        quantum: None,
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

fn floor(rate: u64) -> Limit {
    Limit {
        floor: Some(Rate::new(rate)),
        ..Limit::default()
    }
}

const fn peer(id: u32) -> Target {
    Target::Peer(PeerId(id))
}

const fn transfer(id: u32) -> Target {
    Target::Transfer(TransferId(id))
}

const fn group(id: u32) -> Target {
    Target::Group(GroupId(id))
}

fn secs(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

#[track_caller]
fn assert_near(got: u64, expected: u64, tolerance: u64) {
    assert!(
        got.abs_diff(expected) <= tolerance,
        "got {got}, expected {expected} within {tolerance}"
    );
}

const KIB: u64 = 1024;
const MB: u64 = 1_000_000;

impl Uplink {
    /// Classes, leaves and entities other than groups in use.
    fn footprint(&self) -> (usize, usize, usize) {
        (self.tree.len(), self.leaves.len(), self.entities.len())
    }
}
