//! Who sent the chunks of a transfer that we have, where that is reported.

use std::collections::BTreeMap;

use crate::id::{ChunkIndex, PeerId};
use crate::units::ByteCount;

/// Chunks of a content whose senders are remembered; of more, the lowest numbers are forgotten.
const SENDERS_MAX: usize = 65_536;

/// Senders with how many bytes each sent, by chunk.
#[derive(Debug, Default)]
pub(crate) struct Senders(BTreeMap<ChunkIndex, Vec<(PeerId, ByteCount)>>);

impl Senders {
    /// These sent a chunk that is stored.
    pub(crate) fn remember(&mut self, chunk: ChunkIndex, parts: Vec<(PeerId, ByteCount)>) {
        self.0.insert(chunk, parts);
        if self.0.len() > SENDERS_MAX {
            self.0.pop_first();
        }
    }

    /// Who sent a chunk; nobody if that is not known.
    pub(crate) fn of(&self, chunk: ChunkIndex) -> &[(PeerId, ByteCount)] {
        self.0.get(&chunk).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut senders = Senders::default();
        let most = u32::try_from(SENDERS_MAX).unwrap();
        for chunk in 0..=most {
            senders.remember(ChunkIndex(chunk), vec![(PeerId(1), ByteCount::kib(16))]);
        }
        assert!(senders.of(ChunkIndex(0)).is_empty());
        assert_eq!(senders.of(ChunkIndex(1)).len(), 1);
        assert_eq!(senders.0.len(), SENDERS_MAX);
    }
}
