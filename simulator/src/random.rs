//! Streams of random numbers, each with a name.
//!
//! The generator of a purpose of an entity is ChaCha8 (D. J. Bernstein, "ChaCha, a variant of
//! Salsa20", 2008), seeded by BLAKE3 of the seed, the replication, the entity's name and the
//! purpose. No two entities share one: another peer never changes what the others draw, and two
//! policies meet the same luck.

use fairhaul_core::rng::Rng;

/// The streams of one replication of one scenario.
///
/// ```
/// use fairhaul_simulator::random::Streams;
///
/// let streams = Streams::new(1, 0);
/// let mut first = streams.stream("small.1", "session");
/// let mut again = streams.stream("small.1", "session");
/// assert_eq!(first.next_u64(), again.next_u64());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    rng_seed: u64,
    replication: u32,
}

impl Streams {
    /// The streams of a seed and a replication. Cells of a sweep share them.
    #[must_use]
    pub const fn new(rng_seed: u64, replication: u32) -> Self {
        Self {
            rng_seed,
            replication,
        }
    }

    /// The stream of one purpose of one entity, from its start.
    #[must_use]
    pub fn stream(&self, entity: &str, purpose: &str) -> Rng {
        let mut hasher = blake3::Hasher::new_derive_key("fairhaul simulator stream v1");
        hasher.update(&self.rng_seed.to_le_bytes());
        hasher.update(&self.replication.to_le_bytes());
        // The lengths keep ("ab", "c") apart from ("a", "bc").
        for part in [entity, purpose] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Rng::from_seed(*hasher.finalize().as_bytes())
    }
}

/// A number between 0 and 1, never either: an odd multiple of 2^-53.
///
/// With `u`, also `1 - u` is a value, so no distribution leans to one side, and an inverse
/// distribution function never meets an infinite end.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    reason = "an odd number below 2^53 is exact in an f64"
)]
pub fn uniform(rng: &mut Rng) -> f64 {
    ((rng.next_u64() >> 11) | 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(seed: u64, replication: u32, entity: &str, purpose: &str) -> Vec<u64> {
        let mut rng = Streams::new(seed, replication).stream(entity, purpose);
        (0..4).map(|_| rng.next_u64()).collect()
    }

    #[test]
    fn each_part_of_the_name_of_a_stream_changes_its_numbers() {
        let base = draws(1, 0, "a", "session");
        assert_eq!(base, draws(1, 0, "a", "session"));
        assert_ne!(base, draws(2, 0, "a", "session"));
        assert_ne!(base, draws(1, 1, "a", "session"));
        assert_ne!(base, draws(1, 0, "b", "session"));
        assert_ne!(base, draws(1, 0, "a", "arrival"));
        assert_ne!(draws(1, 0, "ab", "c"), draws(1, 0, "a", "bc"));
    }

    // The numbers of a stream are part of every published result: this test fails in a build
    // or on a machine that would draw others.
    #[test]
    fn the_first_numbers_of_a_stream_are_the_same_in_every_build() {
        assert_eq!(
            draws(1, 0, "small.1", "session"),
            [
                2_191_397_086_921_168_695,
                12_167_418_417_528_556_294,
                1_918_504_178_051_508_686,
                12_317_058_465_140_594_045
            ]
        );
    }

    #[test]
    fn a_uniform_number_is_never_zero_or_one_and_has_the_mean_of_a_half() {
        let mut rng = Streams::new(7, 0).stream("a", "test");
        let numbers: Vec<f64> = (0..100_000).map(|_| uniform(&mut rng)).collect();
        assert!(numbers.iter().all(|u| *u > 0.0 && *u < 1.0));
        let mean = numbers.iter().sum::<f64>() / 100_000.0;
        // Four standard errors: 4 / sqrt(12 * 100,000).
        assert!((mean - 0.5).abs() < 0.003_7, "{mean}");
    }
}
