//! What a choker promises about bytes that a peer is sent beyond what came back from it.
//!
//! A promise is about one node and one identity: a peer with several identities may be promised
//! several times as much. It is about nodes that want something themselves; a seed gets nothing
//! back from anybody.

use super::ChokerParams;
use crate::units::ByteCount;

/// The most that a node sends one identity beyond the verified bytes that came from it.
#[derive(Clone, Copy, Debug)]
pub enum LeakBound {
    /// Nothing is promised.
    None,
    /// A promise in words, whose constants are not known.
    Order(&'static str),
    /// So many bytes at most: in words, and as a number.
    Bytes(&'static str, fn(&Giver) -> ByteCount),
}

/// A node that serves, and what it exchanged with the identity that the promise is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Giver {
    /// The length of the largest chunk of what it exchanges.
    pub chunk: ByteCount,
    /// What its choker was told.
    pub params: ChokerParams,
    /// Bytes that it sent to everybody while it wanted something.
    pub sent: ByteCount,
    /// Peers that it sent any of them to; at least 1 where `sent` is not zero.
    pub peers: u32,
    /// Verified bytes that came from the identity.
    pub returned: ByteCount,
}

impl LeakBound {
    /// The promise in words; empty where there is none.
    #[must_use]
    pub const fn says(&self) -> &'static str {
        match self {
            Self::None => "",
            Self::Order(says) | Self::Bytes(says, _) => says,
        }
    }

    /// The bytes that `giver` sends the identity at most beyond what came from it; `None` where no
    /// number is promised.
    #[must_use]
    pub fn bytes(&self, giver: &Giver) -> Option<ByteCount> {
        match self {
            Self::None | Self::Order(_) => None,
            Self::Bytes(_, bound) => Some(bound(giver)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::{ALL, CHOKERS};

    fn bound(choker: &str, giver: &Giver) -> Option<u64> {
        let row = CHOKERS.find(choker).unwrap();
        row.leak.bytes(giver).map(ByteCount::get)
    }

    // Two chunks of 100 bytes, or what the file says. SWIFT: 65,536 bytes, a tenth of 4,000 over
    // four peers, and a third of what came back.
    #[test]
    fn a_bound_is_that_of_the_rule() {
        let mut giver = Giver {
            chunk: ByteCount::new(100),
            sent: ByteCount::new(4_000),
            peers: 4,
            returned: ByteCount::new(300),
            ..Giver::default()
        };
        assert_eq!(bound("bounded-deficit", &giver), Some(200));
        assert_eq!(bound("swift", &giver), Some(65_536 + 100 + 99));
        assert_eq!(bound("refuse", &giver), Some(0));
        assert_eq!(bound("tit-for-tat", &giver), None);
        assert_eq!(bound("fairtorrent", &giver), None);
        giver.params.deficit = Some(ByteCount::new(60));
        assert_eq!(bound("bounded-deficit", &giver), Some(60));
        // Nobody was sent anything: there is nobody to divide by.
        assert_eq!(bound("swift", &Giver::default()), Some(65_536));
    }

    #[test]
    fn a_promise_has_words() {
        for row in ALL {
            let is_promised = !matches!(row.leak, LeakBound::None);
            assert_eq!(!row.leak.says().is_empty(), is_promised, "{}", row.name);
        }
    }
}
