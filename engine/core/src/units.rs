//! Bytes, rates and weights, each in a type of its own.
//!
//! There are no floats; every product is taken in `u128` and saturates.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ByteCount(u64);

/// Bytes per second.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Rate(u64);

/// The right to a proportion of a link, in hundredths: `Weight::ONE` is 100.
///
/// Range 0.01 to 10,000. Weight 0 in a file means best effort and becomes [`Weight::BEST_EFFORT`],
/// so no flow starves and nothing is divided by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct Weight(u32);

impl ByteCount {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// More than anything that is moved.
    pub const MAX: Self = Self(u64::MAX);

    /// `bytes` bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `kib` times 1,024 bytes.
    #[must_use]
    pub const fn kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// `mib` times 1,048,576 bytes.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib * 1024 * 1024)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The difference, zero if `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, the largest count if it does not fit.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Rate {
    /// `bytes` bytes per second.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes per second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The shortest time in which this rate moves `bytes`, rounded up to a nanosecond;
    /// the longest span if the rate is zero.
    #[must_use]
    pub fn time_for(self, bytes: ByteCount) -> Span {
        if self.0 == 0 {
            return Span::from_nanos(u64::MAX);
        }
        let nanos = (u128::from(bytes.0) * 1_000_000_000).div_ceil(u128::from(self.0));
        Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whole bytes moved in `span`, rounded down.
    #[must_use]
    pub fn bytes_in(self, span: Span) -> ByteCount {
        let bytes = u128::from(self.0) * u128::from(span.as_nanos()) / 1_000_000_000;
        ByteCount(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Weight {
    /// The default weight.
    pub const ONE: Self = Self(100);
    /// The least weight, which 0 in a file stands for.
    pub const BEST_EFFORT: Self = Self(1);
    /// The greatest weight, 10,000.
    pub const MAX: Self = Self(1_000_000);

    /// The weight of `hundredths`/100; none outside 1 to 1,000,000 hundredths.
    #[must_use]
    pub const fn from_hundredths(hundredths: u32) -> Option<Self> {
        if hundredths == 0 || hundredths > Self::MAX.0 {
            None
        } else {
            Some(Self(hundredths))
        }
    }

    /// A whole weight, clamped to 0.01 to 10,000.
    #[must_use]
    pub const fn whole(weight: u32) -> Self {
        if weight == 0 {
            return Self::BEST_EFFORT;
        }
        if weight > 10_000 {
            Self::MAX
        } else {
            Self(weight * 100)
        }
    }

    /// The weight in hundredths; never zero.
    #[must_use]
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// The product of two weights, within the range of weights.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = u64::from(self.0) * u64::from(other.0) / u64::from(Self::ONE.0);
        let product = product.clamp(1, u64::from(Self::MAX.0));
        Self(u32::try_from(product).expect("at most the greatest weight"))
    }

    /// The sum of two weights, at most [`Weight::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        let sum = self.0.saturating_add(other.0);
        if sum > Self::MAX.0 {
            Self::MAX
        } else {
            Self(sum)
        }
    }
}

impl TryFrom<u32> for Weight {
    type Error = &'static str;

    /// As [`Weight::from_hundredths`].
    fn try_from(hundredths: u32) -> Result<Self, Self::Error> {
        Self::from_hundredths(hundredths).ok_or("a weight outside 1 to 1,000,000 hundredths")
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl Add for ByteCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for ByteCount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for ByteCount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for ByteCount {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Sum for ByteCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B/s", self.0)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 100 {
            0 => write!(f, "{}", self.0 / 100),
            part => write!(f, "{}.{part:02}", self.0 / 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_never_promises_bytes_early() {
        let rate = Rate::new(3);
        let span = rate.time_for(ByteCount::new(1));
        assert_eq!(span, Span::from_nanos(333_333_334));
        assert_eq!(rate.bytes_in(span), ByteCount::new(1));
    }

    #[test]
    fn the_largest_product_saturates_instead_of_wrapping() {
        assert_eq!(
            Rate::new(1).time_for(ByteCount::MAX),
            Span::from_nanos(u64::MAX)
        );
        assert_eq!(
            Rate::new(u64::MAX).bytes_in(Span::from_secs(10)),
            ByteCount::MAX
        );
        assert_eq!(
            Rate::new(0).time_for(ByteCount::new(1)),
            Span::from_nanos(u64::MAX)
        );
    }

    #[test]
    fn weight_zero_means_the_least_weight() {
        assert_eq!(Weight::whole(0), Weight::BEST_EFFORT);
        assert_eq!(Weight::whole(u32::MAX), Weight::MAX);
        assert_eq!(Weight::BEST_EFFORT.to_string(), "0.01");
    }
}
