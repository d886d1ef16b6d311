//! What a node was made with, as a log of inputs keeps it.

use fairhaul_config::amount::SizeLimit;
use fairhaul_config::policy::Policy;
use fairhaul_core::block_size;
use fairhaul_core::node::{Asking, Config, Guard};
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Settings;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest time in a setup: a century, as for every time.
const SPAN_MAX: Span = super::validate::CENTURY;

/// Everything that decides what a node does, but what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSetup {
    /// Who is served next. It has a block, 1 B to 256 KiB; without a quantum the discipline
    /// chooses one.
    pub policy: Policy,
    /// Bytes in flight below which a block is issued.
    pub window_node: ByteCount,
    /// The same for each peer.
    pub window_peer: ByteCount,
    /// Whether a peer's window follows what its connection takes.
    pub adapt: bool,
    /// How long requests may wait, and whether they move.
    pub asking: Asking,
    /// Rate at which chunks are asked for at most.
    pub download: Option<Rate>,
    /// Timeouts for peers; with `None` only the rounds of the choker act on slow ones.
    pub guard: Option<Guard>,
    /// The seed of the node's generator.
    pub seed: [u8; 32],
}

/// A number that no node has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key} is {got}; allowed are {allowed}")]
pub struct BadSetup {
    /// Which.
    key: &'static str,
    /// The number.
    got: u64,
    /// What would be allowed.
    allowed: &'static str,
}

impl NodeSetup {
    /// What [`fairhaul_core::node::Node::new`] takes.
    ///
    /// # Errors
    ///
    /// A number out of its range.
    pub fn config(&self) -> Result<Config, BadSetup> {
        let bad = |key, got, allowed| BadSetup { key, got, allowed };
        let block = self.policy.block.and_then(SizeLimit::get);
        let largest = block.unwrap_or(ByteCount::ZERO);
        if largest == ByteCount::ZERO || largest > block_size::LARGEST {
            return Err(bad("block", largest.get(), "1 to 262144"));
        }
        let guard = self.guard.iter().flat_map(|guard| {
            [
                ("reassign", guard.reassign),
                ("stalled", guard.stalled),
                ("slow_over", guard.slow_over),
                ("ping", guard.ping),
                ("idle", guard.idle),
            ]
        });
        for (key, span) in guard {
            if span == Span::ZERO || span > SPAN_MAX {
                return Err(bad(key, span.as_nanos(), "1 ns to a century"));
            }
        }
        let config = self.policy.config(largest, Rng::from_seed(self.seed));
        Ok(Config {
            uplink: Settings {
                window_node: self.window_node,
                window_peer: self.window_peer,
                adapt: self.adapt,
                ..config.uplink
            },
            asking: self.asking,
            download: self.download,
            guard: self.guard,
            ..config
        })
    }
}
