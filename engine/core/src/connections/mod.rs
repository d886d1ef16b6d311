//! The door: who may come in, and whom to call on.
//!
//! Decides about connections, before and beside the node, which knows no addresses and no keys:
//! admission of strangers, bans, one session per identity, when to dial whom, which addresses to
//! believe, whom to trust on first use. Each part
//! is told what happened and what time it is, and answers; the shell accepts, dials and closes.
//! Refuses to resolve names.

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
