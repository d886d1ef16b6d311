//! What is moved: a file or a tree, and its manifest.
//!
//! Decides which names may exist in a tree, how its bytes are cut into chunks and what each
//! chunk must hash to. Refuses every name that could leave the chosen directory, and every
//! manifest that says one thing in two ways.

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
