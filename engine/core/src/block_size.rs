//! The size of a block, the unit that a discipline orders.
//!
//! Every delay bound of a discipline grows with its largest unit, so blocks are small on a slow
//! link; each turn costs some work, so they are no smaller than that bound needs.

use crate::time::Span;
use crate::units::{ByteCount, Rate};

/// The largest block, and the block of an unlimited rate. Also the largest data frame.
pub const LARGEST: ByteCount = ByteCount::kib(256);
/// The smallest block: below it the frame's header and the turn itself weigh too much.
pub const SMALLEST: ByteCount = ByteCount::kib(1);
/// What a block may take on the link: a few milliseconds, so that a small transfer that
/// finds N others waits N times that at most.
const TURN: Span = Span::from_millis(4);

/// The block size for a link of `rate`; `None` is a link without a limit.
///
/// A power of two from [`SMALLEST`] to [`LARGEST`] that takes at most 4 ms at `rate`, except
/// below 256 KB/s, where [`SMALLEST`] takes longer.
#[must_use]
pub fn for_rate(rate: Option<Rate>) -> ByteCount {
    let Some(rate) = rate else { return LARGEST };
    let fits = rate.bytes_in(TURN);
    let mut block = LARGEST.get();
    while block > SMALLEST.get() && block > fits.get() {
        block /= 2;
    }
    ByteCount::new(block)
}

/// The block under a cap of `rate` on a part of a link's traffic.
///
/// The cap is kept over its burst, not over a turn of the link, which is not busy meanwhile: a
/// block may take 64 ms at the cap, if the burst holds two.
#[must_use]
pub fn for_cap(rate: Option<Rate>) -> ByteCount {
    for_rate(rate.map(|rate| Rate::new(rate.get().saturating_mul(16))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_power_of_two_that_takes_at_most_four_milliseconds() {
        for exponent in 0..40 {
            let rate = Rate::new((1 << exponent) + 12_345);
            let block = for_rate(Some(rate));
            assert!(block.get().is_power_of_two());
            assert!((SMALLEST..=LARGEST).contains(&block));
            assert!(block == SMALLEST || rate.time_for(block) <= TURN);
            let twice = ByteCount::new(block.get() * 2);
            assert!(block == LARGEST || rate.time_for(twice) > TURN);
        }
    }

    #[test]
    fn known_rates_have_the_blocks_of_the_table() {
        let block = |bytes| for_rate(Some(Rate::new(bytes))).get() / 1024;
        assert_eq!(block(0), 1);
        assert_eq!(block(1_000), 1);
        assert_eq!(block(1_250_000), 4);
        assert_eq!(block(12_500_000), 32);
        assert_eq!(block(65_536_000), 256);
        assert_eq!(block(10_000_000_000), 256);
        assert_eq!(for_rate(None), LARGEST);
    }

    #[test]
    fn a_cap_allows_larger_blocks_than_a_link_of_its_rate() {
        assert_eq!(for_cap(Some(Rate::new(1_000_000))), ByteCount::kib(32));
        assert_eq!(for_rate(Some(Rate::new(1_000_000))), ByteCount::kib(2));
        assert_eq!(for_cap(Some(Rate::new(u64::MAX))), LARGEST);
        assert_eq!(for_cap(None), LARGEST);
    }
}
