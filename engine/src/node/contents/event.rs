//! Events of the disk for a content.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::ManifestFault;
use fairhaul_core::units::ByteCount;

use super::inbox::Looked;
use super::opening::Opened;
use crate::content::Tree;
use crate::store::StoreError;

/// The end of something that was done beside the driver.
pub(crate) enum DiskEvent {
    /// A chunk was written, or not.
    Wrote {
        transfer: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        /// Its senders with how many bytes each sent.
        parts: Vec<(PeerId, ByteCount)>,
        result: Result<(), StoreError>,
    },
    /// An inbox was looked at.
    Looked(Looked),
    /// A manifest of a content was read, which the library counts.
    Described(u32, u32, Result<Arc<Tree>, ManifestFault>),
    /// What is on disk of a content is known.
    Prepared(u32, Result<Opened, StoreError>),
    /// A content has its final names, or not.
    Finished(u32, Result<Vec<PathBuf>, StoreError>),
    /// Chunks are durable, or not.
    Synced(u32, Result<(), StoreError>),
}

impl DiskEvent {
    /// The content of which a file may have been opened that no read will use.
    pub(crate) const fn opens(&self) -> Option<u32> {
        match self {
            Self::Described(number, ..) | Self::Prepared(number, _) => Some(*number),
            _ => None,
        }
    }
}
