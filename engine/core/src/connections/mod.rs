//! Connections: admission, bans, one session per identity, dialling, peer exchange, trust on first
//! use.
//!
//! These parts stand before and beside the node, which knows no addresses and no keys. Each is told
//! what happened and what time it is, and answers; the shell accepts, dials and closes. None of
//! them resolves a name.

pub mod address_range;
pub mod addresses;
pub mod admission;
pub mod bans;
pub mod descriptors;
pub mod dialer;
pub mod invitation;
mod lru;
pub mod memory;
pub mod memory_shares;
pub mod sessions;
pub mod source_prefix;
pub mod tofu;

/// A public key: an identity.
pub type Key = [u8; 32];
