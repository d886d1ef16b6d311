//! What a node was made with, as it is written down.
//!
//! Decides which numbers a log may bring to a core; refuses policies that this version does
//! not have.

use fairhaul_core::node::{Asking, Config, Guard};
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Settings, Share};
use fairhaul_core::{block_size, choke, pick, sched};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::content::path::shown;

/// Longest time in a setup: a century, as for every time.
const SPAN_MAX: Span = super::validate::CENTURY;

/// Most unchoke slots.
const SLOTS_MAX: usize = 1 << 20;

/// Everything that decides what a node does, but what happens to it: [`Config`] with names
/// for policies and bytes for the generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The discipline of the root.
    pub outer: String,
    /// The discipline of every other class that has children.
    pub inner: String,
    /// To whom the uplink is fair.
    pub share: Share,
    /// The largest block, 1 B to 256 KiB.
    pub largest: ByteCount,
    /// Bytes in flight below which a block is issued.
    pub window_node: ByteCount,
    /// The same for each peer.
    pub window_peer: ByteCount,
    /// Whether a peer's window follows what its connection takes.
    pub adapt: bool,
    /// Bytes per round and unit weight; none lets the discipline choose.
    pub quantum: Option<ByteCount>,
    /// The choker while something is still wanted.
    pub unchoke: String,
    /// The choker once everything is had, by its own name and not that of the rule.
    pub seed_rule: String,
    /// The picker.
    pub picker: String,
    /// Unchoke slots, optimistic ones included, up to 2^20.
    pub slots: usize,
    /// Time between two rounds of the choker, up to a century.
    pub rechoke: Span,
    /// Chunks asked ahead of one peer; none adapts.
    pub pipeline: Option<u32>,
    /// How long requests may wait, and whether they move.
    pub asking: Asking,
    /// Rate at which chunks are asked for at most.
    pub download: Option<Rate>,
    /// How long peers are borne with; none leaves it to the rounds of the choker.
    pub guard: Option<Guard>,
    /// The seed of the node's generator.
    pub seed: [u8; 32],
}

/// Why there is no such node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadSetup {
    /// No policy of that name.
    #[error("{kind}: there is no \"{}\"", shown(name))]
    Policy {
        /// What it should be.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A number that no node has.
    #[error("{key} is {got}; allowed are {allowed}")]
    Number {
        /// Which.
        key: &'static str,
        /// The number.
        got: u64,
        /// What would be allowed.
        allowed: &'static str,
    },
}

impl Setup {
    /// What was written into `config`, whose generator was made from `seed`: a generator does
    /// not tell its seed.
    #[must_use]
    pub fn of(config: &Config, seed: [u8; 32]) -> Self {
        let uplink = &config.uplink;
        Self {
            outer: uplink.outer.name.to_owned(),
            inner: uplink.inner.name.to_owned(),
            share: uplink.share,
            largest: uplink.largest,
            window_node: uplink.window_node,
            window_peer: uplink.window_peer,
            adapt: uplink.adapt,
            quantum: uplink.quantum,
            unchoke: config.unchoke.name.to_owned(),
            seed_rule: config.seed_rule.name.to_owned(),
            picker: config.picker.name.to_owned(),
            slots: config.slots,
            rechoke: config.rechoke,
            pipeline: config.pipeline,
            download: config.download,
            asking: config.asking,
            guard: config.guard,
            seed,
        }
    }

    /// What [`fairhaul_core::node::Node::new`] takes.
    ///
    /// # Errors
    ///
    /// A policy that is not there, or a number out of its range.
    pub fn config(&self) -> Result<Config, BadSetup> {
        self.check()?;
        let bad = |kind, name: &str| BadSetup::Policy {
            kind,
            name: name.to_owned(),
        };
        let discipline =
            |kind, name: &str| sched::DISCIPLINES.find(name).ok_or_else(|| bad(kind, name));
        let seed_rule = choke::CHOKERS.find(&self.seed_rule);
        Ok(Config {
            uplink: Settings {
                outer: discipline("outer discipline", &self.outer)?,
                inner: discipline("inner discipline", &self.inner)?,
                share: self.share,
                largest: self.largest,
                window_node: self.window_node,
                window_peer: self.window_peer,
                adapt: self.adapt,
                quantum: self.quantum,
            },
            unchoke: choke::CHOKERS
                .find(&self.unchoke)
                .ok_or_else(|| bad("choker", &self.unchoke))?,
            seed_rule: seed_rule.ok_or_else(|| bad("seed rule", &self.seed_rule))?,
            picker: pick::PICKERS
                .find(&self.picker)
                .ok_or_else(|| bad("picker", &self.picker))?,
            slots: self.slots,
            rechoke: self.rechoke,
            pipeline: self.pipeline,
            asking: self.asking,
            download: self.download,
            guard: self.guard,
            rng: Rng::from_seed(self.seed),
        })
    }

    fn check(&self) -> Result<(), BadSetup> {
        let number = |key, got, allowed| BadSetup::Number { key, got, allowed };
        if self.largest == ByteCount::ZERO || self.largest > block_size::LARGEST {
            return Err(number("largest", self.largest.get(), "1 to 262144"));
        }
        if self.quantum == Some(ByteCount::ZERO) {
            return Err(number("quantum", 0, "1 and more"));
        }
        if self.slots > SLOTS_MAX {
            return Err(number("slots", self.slots as u64, "0 to 1048576"));
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
        for (key, span) in [("rechoke", self.rechoke)].into_iter().chain(guard) {
            if span == Span::ZERO || span > SPAN_MAX {
                return Err(number(key, span.as_nanos(), "1 ns to a century"));
            }
        }
        Ok(())
    }
}
