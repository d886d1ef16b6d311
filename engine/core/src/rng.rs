//! Randomness as a value: one named generator, forked by purpose.
//!
//! ChaCha with eight rounds (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008). A
//! component forks its own stream, so that a draw in one does not change another's.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// A seeded generator. Equal seeds and equal calls give equal numbers on every machine.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The generator of a 256-bit seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A generator for one purpose; it does not move this one.
    #[must_use]
    pub fn fork(&self, purpose: &str) -> Self {
        // FNV-1a, 64 bit: the stream number only has to differ between purposes.
        let stream = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let mut fork = ChaCha8Rng::from_seed(self.0.get_seed());
        fork.set_stream(stream);
        Self(fork)
    }

    /// A number from all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `bound - 1`, each as likely as another to within 2^-64.
    ///
    /// Multiply-shift (D. Lemire, "Fast Random Integer Generation in an Interval", 2019)
    /// without the rejection step, so that every draw costs exactly one number.
    ///
    /// # Panics
    ///
    /// If `bound` is zero: there is nothing to draw.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "a draw needs something to draw from");
        let product = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(product >> 64).expect("less than bound, which is a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_differ_by_purpose_and_do_not_move_their_parent() {
        let parent = Rng::from_seed([7; 32]);
        let mut first = parent.fork("pick");
        let mut second = parent.fork("choke");
        assert_ne!(first.next_u64(), second.next_u64());
        assert_eq!(
            parent.fork("pick").next_u64(),
            Rng::from_seed([7; 32]).fork("pick").next_u64()
        );
    }

    #[test]
    fn a_draw_stays_below_its_bound() {
        let mut rng = Rng::from_seed([1; 32]);
        assert!((0..1_000).all(|_| rng.below(3) < 3));
        assert_eq!(rng.below(1), 0);
    }
}
