//! How the memory that a process may take is divided.
//!
//! A node without a limit has the sizes of limit L4. Where the system allows less, each use has a
//! part of what is allowed, so that all of them together, with every session that the node may
//! have, stay below it: a node that is killed for its memory serves nobody.

/// Sizes of the shares that more memory does not increase, in bytes.
const HELD_MAX: u64 = super::memory::NODE_MAX;
const PASSING_MAX: u64 = super::memory::PASSING_MAX;
const RECEIVE_MAX: u64 = 64 * MIB;
const POOL_MAX: u64 = 64 * MIB;
const BUFFER_MAX: u64 = 256 * 1024;

/// A stream needs room for two records of 16 KiB each and what is added to them.
const BUFFER_MIN: u64 = 36 * 1024;

const MIB: u64 = 1024 * 1024;

/// The shares of one process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShares {
    /// What peers may make the node hold in all.
    pub held: u64,
    /// The part of it that waits for disks and for the driver.
    pub passing: u64,
    /// Chunks that are begun or asked for, over all peers.
    pub receive: u64,
    /// Buffers that are kept for the next chunk; as much again for partial chunks that no peer
    /// continues.
    pub pool: u64,
    /// The buffer of one session in one direction.
    pub buffer: u64,
}

impl MemoryShares {
    /// The shares of a process that may take `limit` bytes, if there is a limit, and have
    /// `sessions` peers at the same time.
    ///
    /// A quarter is for what is held and what passes with it, an eighth for chunks on their way, an
    /// eighth for the pool, and a quarter for the buffers of all sessions. The last quarter is
    /// the program, its tables and its threads.
    #[must_use]
    pub fn of(limit: Option<u64>, sessions: usize) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        let buffers = 2 * (sessions as u64).max(1);
        Self {
            held: (limit / 4).min(HELD_MAX),
            passing: (limit / 8).min(PASSING_MAX),
            receive: (limit / 8).min(RECEIVE_MAX),
            pool: (limit / 16).min(POOL_MAX),
            buffer: (limit / 4 / buffers).clamp(BUFFER_MIN, BUFFER_MAX),
        }
    }
}

impl Default for MemoryShares {
    /// Those of a process without a limit.
    fn default() -> Self {
        Self::of(None, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: C10. Limit: L4.
    #[test]
    fn all_shares_together_leave_a_quarter_of_the_limit() {
        for mib in 64..8_192 {
            for sessions in [1_usize, 64, 200] {
                let limit = mib * MIB;
                let shares = MemoryShares::of(Some(limit), sessions);
                let buffers = 2 * sessions as u64 * shares.buffer;
                let sum = shares.held + shares.receive + 2 * shares.pool + buffers;
                assert!(sum <= limit / 4 * 3, "{mib} MiB, {sessions}: {shares:?}");
                assert!(shares.passing <= shares.held);
            }
        }
    }

    /// Register: C10. Limit: L4.
    #[test]
    fn a_small_limit_is_divided_as_it_says() {
        let shares = MemoryShares {
            held: 64 * MIB,
            passing: 32 * MIB,
            receive: 32 * MIB,
            pool: 16 * MIB,
            buffer: 64 * MIB / 400,
        };
        assert_eq!(MemoryShares::of(Some(256 * MIB), 200), shares);
        let least = MemoryShares::of(Some(0), 0).buffer;
        assert_eq!(least, 36 * 1024, "a stream needs that, whatever there is");
    }

    /// Register: C10. Limit: L4.
    #[test]
    fn a_large_limit_is_none() {
        let shares = MemoryShares::of(Some(8_192 * MIB), 256);
        assert_eq!(shares, MemoryShares::of(None, 256));
        assert_eq!(shares, MemoryShares::default());
        assert_eq!((shares.held, shares.buffer), (HELD_MAX, BUFFER_MAX));
    }
}
