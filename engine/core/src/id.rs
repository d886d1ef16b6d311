//! Identifiers inside one node: small integers, allocated by the owner of what they name.
//!
//! The core knows no addresses and no keys: the shell maps a `PeerId` to a connection and an
//! identity.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// The place of this id in a table that its owner indexes by it.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// Another node, as this one sees it. One identity has one id, whatever its connections.
    PeerId
}
id! {
    /// A group of peers and transfers, from the parameter file.
    GroupId
}
id! {
    /// One content moving; the shell maps it to a root hash.
    TransferId
}
id! {
    /// A unit among which a link is shared: what `share` says. Dense, reused after a purge.
    FlowId
}

/// The position of a chunk in its content. Only a manifest makes a valid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkIndex(pub(crate) u32);

impl ChunkIndex {
    /// The position as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The position as an index into a table with a row for each chunk.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
