//! The even part of each leecher in what seeds send, exactly: who was there when each chunk came.
//!
//! A sum over all chunks of their length over the number of leechers present is kept. What it grew
//! by while a leecher was there is that leecher's part, so a chunk costs the same however many
//! there are.

use fairhaul_core::units::ByteCount;

use super::rows;

/// Fractions of a byte that the sum counts: with a million leechers a chunk of one byte still
/// counts a thousandfold.
const UNIT: u128 = 1 << 32;

/// Even parts in the making.
#[derive(Debug)]
pub(super) struct SeedShares {
    /// What one leecher would have that had been there from the start.
    sum: u128,
    /// Leechers that are there now.
    present: u32,
    peers: Vec<Part>,
}

/// What one peer has, and the sum at which it came, while it is there.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    had: u128,
    since: Option<u128>,
}

impl SeedShares {
    pub(super) fn new(peers: usize) -> Self {
        Self {
            sum: 0,
            present: 0,
            peers: vec![Part::default(); peers],
        }
    }

    /// A peer is there and wants something.
    pub(super) fn begins(&mut self, peer: u32) {
        let part = &mut self.peers[peer as usize];
        if part.since.is_none() {
            part.since = Some(self.sum);
            self.present += 1;
        }
    }

    /// It is gone, or wants nothing more.
    pub(super) fn ends(&mut self, peer: u32) {
        let part = &mut self.peers[peer as usize];
        if let Some(since) = part.since.take() {
            part.had += self.sum - since;
            self.present -= 1;
        }
    }

    /// A seed has sent so many bytes to one of those that are there.
    pub(super) fn sent(&mut self, len: ByteCount) {
        let present = u128::from(self.present.max(1));
        self.sum += u128::from(len.get()) * UNIT / present;
    }

    /// The part of each peer, of those that are gone.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u32, ByteCount)> {
        rows(&self.peers).map(|(row, part)| {
            let bytes = u64::try_from(part.had / UNIT);
            (row, ByteCount::new(bytes.unwrap_or(u64::MAX)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two are there for the first 100 bytes, three for the next 90, one for the last 10: who came
    // late has 30, who left 80, who stayed 90. The bytes of one who is alone are all its own.
    #[test]
    fn each_chunk_is_divided_among_those_who_are_there() {
        let mut shares = SeedShares::new(3);
        shares.begins(0);
        shares.begins(1);
        shares.begins(1);
        shares.sent(ByteCount::new(100));
        shares.begins(2);
        shares.sent(ByteCount::new(90));
        shares.ends(1);
        shares.ends(2);
        shares.ends(2);
        shares.sent(ByteCount::new(10));
        shares.ends(0);
        let parts: Vec<u64> = shares.parts().map(|(_, part)| part.get()).collect();
        assert_eq!(parts, [90, 80, 30]);
    }
}
