//! Contents: a file or a tree, and its manifest.
//!
//! Here are the names that may exist in a tree, how its bytes are cut into chunks, and the hash of
//! each. Names that could leave the chosen directory are refused.

pub mod line;
pub mod manifest;
pub mod path;
pub mod scan;
mod spelling;
pub mod ticket;
pub mod tree;

pub use manifest::manifest_id;
pub use spelling::BadSpelling;
pub use tree::{BadManifest, ChunkHash, EntryKind, Piece, Tree, TreeEntry, chunk_size, hash_chunk};
