//! The trace: every event in order, with its time, hashed as it happens.
//!
//! Decides nothing. Two runs with the same digest did the same things at the same times.

use fairhaul_core::time::Time;

/// Bytes collected before they are hashed: BLAKE3 is fastest on long inputs.
const BUFFER: usize = 64 * 1024;

/// A running hash of events.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            buffer: Vec::with_capacity(BUFFER),
        }
    }

    /// One event: when, what kind, who, whom, and two numbers that tell it from others.
    pub(crate) fn event(&mut self, at: Time, kind: u8, who: u32, whom: u32, facts: [u64; 2]) {
        self.buffer.extend_from_slice(&at.as_nanos().to_le_bytes());
        self.buffer.push(kind);
        self.buffer.extend_from_slice(&who.to_le_bytes());
        self.buffer.extend_from_slice(&whom.to_le_bytes());
        self.buffer.extend_from_slice(&facts[0].to_le_bytes());
        self.buffer.extend_from_slice(&facts[1].to_le_bytes());
        if self.buffer.len() + 64 > BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    pub(crate) fn digest(&mut self) -> [u8; 32] {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
        *self.hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_nanosecond_of_difference_changes_the_digest() {
        let digest = |nanos| {
            let mut trace = Trace::new();
            trace.event(Time::from_nanos(nanos), 1, 2, 3, [4, 5]);
            trace.digest()
        };
        assert_eq!(digest(7), digest(7));
        assert_ne!(digest(7), digest(8));
    }
}
