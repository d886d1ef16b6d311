//! From the parameter file to the core: its configuration, limits, groups and peers.
//!
//! Here are also the defaults for the depth of buckets and the width of windows.

use std::collections::BTreeMap;

use fairhaul_config::amount::{RateLimit, SizeLimit, TimeBetween, UploadLimit};
use fairhaul_config::policy::Policy;
use fairhaul_core::block_size;
use fairhaul_core::connections::memory_shares::MemoryShares;
use fairhaul_core::id::GroupId;
use fairhaul_core::node::{Asking, Guard};
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Limit;

use crate::params::{GroupParams, LimitParams, ParameterFile, PeerParams};
use crate::record::NodeSetup;

/// Blocks on their way to the sockets, for all peers and for one: the least that keeps a
/// connection of 10 Gbit/s busy while the next block is read. Slow ones narrow theirs.
const WINDOWS: (ByteCount, ByteCount) = (ByteCount::mib(8), ByteCount::mib(1));

/// Credit of a round where the rate is found while the node runs: a block of 50 Mbit/s. The largest
/// block, which a round gives without a limit, would be 42 ms there.
const QUANTUM_FOUND: ByteCount = ByteCount::kib(16);

/// One part in this many of what peers may make the node hold is for their bitfields.
const CLAIMS_PART: u64 = 4;

/// The limits in force, as far as the core needs them again.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) params: ParameterFile,
    groups: BTreeMap<String, GroupId>,
    burst: Option<Span>,
}

impl Settings {
    pub(crate) fn new(params: ParameterFile) -> Self {
        let burst = params.limits.burst.map(TimeBetween::get);
        let mut settings = Self {
            params,
            groups: BTreeMap::new(),
            burst,
        };
        settings.number_groups();
        settings
    }

    /// Takes over a file that was read again. Groups keep their numbers.
    pub(crate) fn replace(&mut self, params: ParameterFile) {
        self.burst = params.limits.burst.map(TimeBetween::get);
        self.params = params;
        self.number_groups();
    }

    fn number_groups(&mut self) {
        for (name, _) in self.params.groups.iter() {
            let next = GroupId(u32::try_from(self.groups.len()).expect("far fewer groups"));
            self.groups.entry(name.to_string()).or_insert(next);
        }
    }

    /// The number of a group.
    pub(crate) fn group(&self, name: &str) -> Option<GroupId> {
        self.groups.get(name).copied()
    }

    /// What the core is made with.
    pub(crate) fn setup(&self, seed: [u8; 32], memory: MemoryShares) -> NodeSetup {
        let guard = Guard {
            held: ByteCount::new(memory.receive),
            claims: ByteCount::new(memory.held / CLAIMS_PART),
            ..Guard::default()
        };
        let (policy, limits) = (&self.params.policy, &self.params.limits);
        let block = policy.block.and_then(SizeLimit::get).map_or_else(
            || largest(limits),
            |block| block.clamp(block_size::SMALLEST, block_size::LARGEST),
        );
        let found = (limits.upload == UploadLimit::Auto).then_some(SizeLimit::At(QUANTUM_FOUND));
        NodeSetup {
            policy: Policy {
                block: Some(SizeLimit::At(block)),
                quantum: policy
                    .quantum
                    .filter(|quantum| quantum.get().is_some())
                    .or(found),
                ..*policy
            },
            window_node: WINDOWS.0,
            window_peer: WINDOWS.1,
            adapt: true,
            download: limits.download.get(),
            asking: Asking::default(),
            guard: Some(guard),
            seed,
        }
    }

    pub(crate) fn of_peer(&self, peer: &PeerParams) -> Limit {
        self.limit(peer.upload.get(), peer.floor.0, peer.weight.get())
    }

    pub(crate) fn of_group(&self, group: &GroupParams) -> Limit {
        self.limit(group.upload.get(), group.floor.0, group.weight.get())
    }

    /// A limit with the depth of bucket of the file, if the file has one.
    pub(crate) fn limit(&self, cap: Option<Rate>, floor: Rate, weight: Weight) -> Limit {
        Limit {
            cap,
            burst: cap.zip(self.burst).map(|(cap, burst)| cap.bytes_in(burst)),
            floor: Some(floor).filter(|floor| floor.get() > 0),
            weight,
            band: 0,
        }
    }
}

/// The largest block: what the fastest limit of the file can carry in a turn.
fn largest(limits: &LimitParams) -> ByteCount {
    let scheduled = limits.schedule.iter().map(|entry| {
        entry
            .upload
            .map_or_else(|| limits.upload.rate(), RateLimit::get)
    });
    let all = std::iter::once(limits.upload.rate()).chain(scheduled);
    // None, unlimited, is the fastest.
    let blocks = all.map(block_size::for_rate);
    blocks.max().unwrap_or(block_size::LARGEST)
}
