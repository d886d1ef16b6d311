//! The limits of one target: the bucket of its cap and that of its floor.
//!
//! A cap is charged the bytes that are sent; a floor is charged the cost of the turn, so that tiny
//! requests are not free.

use serde::{Deserialize, Serialize};

use crate::block_size;
use crate::time::{Span, Time};
use crate::token_bucket::TokenBucket;
use crate::units::{ByteCount, Rate, Weight};

use super::floors::Standing;

/// Default depth of a cap's bucket, as time at its rate: long enough for a shell that wakes late,
/// short enough for every second to be within two percent.
const BURST: Span = Span::from_millis(15);
/// The coarsest timer of a shell: tokens earned while it oversleeps must still fit.
const TIMER: Span = Span::from_millis(1);
/// Depth of a floor's bucket as time at its rate, and the longest that a cap with several members
/// goes without a look at which of them wait.
pub(super) const PATIENCE: Span = Span::from_millis(250);

/// The limits of one target: cap, floor, weight and the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Bytes per second above which it is not served; `None` is no limit.
    pub cap: Option<Rate>,
    /// Depth of the cap's bucket. None for what it earns in 15 ms while nobody asks and, unless it
    /// is the node's, a turn of the discipline more while it waits for one: a target that is
    /// entitled to its cap reaches it, however many turns of others lie between its own. Less than
    /// 1 KiB counts as 1 KiB, the smallest block.
    pub burst: Option<ByteCount>,
    /// Bytes per second that it gets while it asks for them, whatever its weight. Nothing is
    /// refused here, since a link may become too slow for floors that it could keep: then they
    /// share what there is in proportion, and targets without a floor keep one block in 32.
    pub floor: Option<Rate>,
    /// The right to a proportion.
    pub weight: Weight,
    /// Strict priority band, 0 first, for disciplines that have bands.
    pub band: u8,
}

/// The buckets of one target.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) limit: Limit,
    /// The weight that the choker granted, beside the one of the limit.
    pub(super) granted: Weight,
    /// Bytes that the choker still lets pass; none if it does not count them.
    pub(super) budget: Option<u64>,
    /// No block larger than this passes.
    pub(super) block: ByteCount,
    pub(super) cap: Option<TokenBucket>,
    pub(super) floor: Option<TokenBucket>,
    /// The most that the cap has saved up when its target comes back from idle.
    saved: ByteCount,
    /// Until when the connection of its target, a peer, counts as what limits it.
    narrow_until: Time,
    /// The cap holds some members back.
    pub(super) is_holding: bool,
    /// When the cap may let more of them go; its key among the wakes.
    pub(super) wake: Option<Time>,
    /// Where its floor stands among those of the backlogged.
    pub(super) standing: Standing,
}

impl Meter {
    pub(super) fn new(largest: ByteCount) -> Self {
        Self {
            block: largest,
            ..Self::default()
        }
    }

    /// Takes over `limit`; `block` is the largest block that the target may pass, `turn` what
    /// the others get between two turns of it, each. Buckets that were there keep level and
    /// debt.
    pub(super) fn set(&mut self, limit: Limit, block: ByteCount, turn: ByteCount, now: Time) {
        self.limit = limit;
        let default = limit.cap.map(|rate| rate.bytes_in(BURST));
        let burst = limit.burst.or(default);
        self.block = burst.map_or(block, |burst| block.min(half(burst)));
        self.cap = limit.cap.map(|rate| {
            let least = match limit.burst {
                Some(_) => self.block,
                None => self.block.saturating_add(rate.bytes_in(TIMER)),
            };
            self.saved = burst.unwrap_or_default().max(least);
            let more = if limit.burst.is_none() {
                turn
            } else {
                ByteCount::ZERO
            };
            let mut cap = adjust(self.cap, rate, self.saved.saturating_add(more), now);
            cap.clip(self.saved, now);
            cap
        });
        self.floor = limit.floor.map(|rate| {
            let depth = rate
                .bytes_in(PATIENCE)
                .max(self.block.saturating_add(self.block));
            match self.floor {
                Some(bucket) => adjust(Some(bucket), rate, depth, now),
                None => TokenBucket::empty(rate, depth, now),
            }
        });
    }

    /// Whether the choker granted anything but a slot.
    pub(super) fn is_granted(&self) -> bool {
        self.granted != Weight::ONE || self.budget.is_some()
    }

    /// Whether anything was told of its target, by a file or by the choker.
    pub(super) fn is_told(&self) -> bool {
        self.limit != Limit::default() || self.is_granted()
    }

    /// The right to a proportion: that of the limit times the granted one.
    pub(super) fn weight(&self) -> Weight {
        self.limit.weight.times(self.granted)
    }

    /// No block larger than this passes now: what is left of a budget is used up to the byte.
    pub(super) fn block(&self) -> ByteCount {
        let left = ByteCount::new(self.budget.unwrap_or(u64::MAX).max(1));
        self.block.min(left)
    }

    /// When the cap lets a block pass; never if the budget is used up: only a new grant ends that.
    pub(super) fn ready_at(&self, now: Time) -> Time {
        if self.budget == Some(0) {
            return Time::MAX;
        }
        self.cap
            .as_ref()
            .map_or(now, |bucket| bucket.ready_at(self.block, now))
    }

    /// Blocks that the cap, and a window that was full a moment ago, let pass at `now`.
    pub(super) fn blocks(&self, now: Time) -> u64 {
        let blocks = self.cap.as_ref().map_or(u64::MAX, |bucket| {
            bucket.available(now).get() / self.block.get().max(1)
        });
        let left = self.budget.unwrap_or(u64::MAX);
        let blocks = blocks.min(left.div_ceil(self.block.get().max(1)));
        blocks.min(if self.is_narrow(now) { 1 } else { u64::MAX })
    }

    /// Whether neither cap nor window limits a member now: a full bucket loses what it earns.
    pub(super) fn is_full(&self, now: Time) -> bool {
        let is_full = |bucket: &TokenBucket| bucket.available(now) >= bucket.burst();
        let is_free = self.budget.is_none() && !self.is_narrow(now);
        is_free && self.cap.as_ref().is_none_or(is_full)
    }

    /// The window of its target was full, and several members wait for it.
    pub(super) fn narrow(&mut self, now: Time) {
        self.narrow_until = now.saturating_add(PATIENCE);
        self.is_holding = true;
    }

    pub(super) fn is_narrow(&self, now: Time) -> bool {
        now < self.narrow_until
    }

    /// When the cap lets `blocks` pass or is full; none if it does or is, or if that is not known.
    pub(super) fn ready_for(&self, blocks: u64, now: Time) -> Option<Time> {
        if self.is_narrow(now) {
            return None;
        }
        let bucket = self.cap.as_ref()?;
        let bytes = ByteCount::new(self.block.get().saturating_mul(blocks)).min(bucket.burst());
        (bucket.available(now) < bytes).then(|| bucket.ready_at(bytes, now))
    }

    /// The target comes back from idle: it waited for no turn meanwhile.
    pub(super) fn begin(&mut self, now: Time) {
        if let Some(cap) = &mut self.cap {
            cap.clip(self.saved, now);
        }
        // A target that was idle is behind by a block at most.
        if let Some(floor) = &mut self.floor {
            floor.clip(self.block, now);
        }
    }

    /// Takes a block of `len` bytes from the cap, if there is one.
    pub(super) fn spend(&mut self, len: ByteCount, now: Time) {
        if let Some(bucket) = &mut self.cap {
            bucket.spend(len, now);
        }
        if let Some(left) = &mut self.budget {
            *left = left.saturating_sub(len.get());
        }
    }
}

/// The largest power of two that is at most half of `burst`: a bucket that holds two blocks
/// can earn the next one while it waits for the rest of this one.
fn half(burst: ByteCount) -> ByteCount {
    let half = (burst.get() / 2).max(block_size::SMALLEST.get());
    ByteCount::new(1 << half.ilog2())
}

/// `bucket` at a new rate, or a full one: without a limit nothing was spent.
fn adjust(bucket: Option<TokenBucket>, rate: Rate, burst: ByteCount, now: Time) -> TokenBucket {
    let Some(mut bucket) = bucket else {
        return TokenBucket::full(rate, burst, now);
    };
    bucket.set_rate(rate, burst, now);
    bucket
}
