//! What a node did, as tables in the lab's schema.
//!
//! Decides nothing; refuses nothing.
