//! Virtual time as an integer: what a block costs its flow.
//!
//! A tag counts bytes per hundredth of weight, in units of 2^-30, so weights divide with an
//! error of less than one unit per block: for a block of 16 KiB at weight 10,000 that is one
//! part in 17 million. A tag has 96 bits, so a single flow of the least weight can be served
//! 2^66 bytes before the tags end: 234 years at 10 GB/s. Beyond that tags stay at their
//! largest value and order falls back on sequence numbers; nothing wraps.

use crate::units::{ByteCount, Weight};

/// A point in virtual time.
pub(super) type Tag = u128;

/// The largest tag that keeps its order.
pub(super) const TAG_MAX: Tag = (1 << 96) - 1;

/// Units of virtual time in one byte per hundredth of weight, as a power of two.
const SCALE_BITS: u32 = 30;

/// How far `len` bytes move a flow of `weight` in virtual time, rounded up.
pub(super) fn cost(len: ByteCount, weight: Weight) -> Tag {
    advance(len, u64::from(weight.hundredths()))
}

/// How far `len` bytes move a server that `hundredths` of weight share, rounded up.
pub(super) fn advance(len: ByteCount, hundredths: u64) -> Tag {
    if len.get() >> (u64::BITS - SCALE_BITS) == 0 {
        // The usual case: a division of 64 bits is several times faster than one of 128.
        return Tag::from((len.get() << SCALE_BITS).div_ceil(hundredths));
    }
    (Tag::from(len.get()) << SCALE_BITS).div_ceil(Tag::from(hundredths))
}

/// The sum of two tags, [`TAG_MAX`] if it is past the horizon.
pub(super) fn later(tag: Tag, by: Tag) -> Tag {
    (tag + by).min(TAG_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_and_the_long_division_agree_where_they_meet() {
        let short = ByteCount::new((1 << 34) - 1);
        let long = ByteCount::new(1 << 34);
        let weight = Weight::BEST_EFFORT;
        assert_eq!(cost(short, weight), ((1 << 34) - 1) << 30);
        assert_eq!(cost(long, weight), 1 << 64);
    }

    #[test]
    fn a_hundred_years_at_ten_gigabytes_a_second_fit() {
        let bytes: u128 = 10_000_000_000 * 86_400 * 365 * 100;
        assert!(bytes << SCALE_BITS < TAG_MAX);
    }

    #[test]
    fn a_block_at_the_greatest_weight_still_costs_something() {
        assert!(cost(ByteCount::new(1), Weight::MAX) > 1_000);
    }
}
