//! What a scan notes of a file.
//!
//! Decides when a file counts as unchanged; refuses nothing.

/// What stays the same as long as a file is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub mtime: i128,
    /// Its inode.
    pub inode: u64,
    /// The device that the inode is on.
    pub device: u64,
}
