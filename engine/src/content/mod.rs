//! What is moved: a file or a tree, and its manifest.
//!
//! Decides which names may exist in a tree, how its bytes are cut into chunks and what each
//! chunk must hash to. Refuses every name that could leave the chosen directory, and every
//! manifest that says one thing in two ways.

pub mod scan;
pub mod tree;

pub use tree::{ChunkHash, Entry, Kind, Piece, Tree, hash_chunk};
