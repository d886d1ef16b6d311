//! Offences of a peer: one variant for each place that detects one.
//!
//! The shell closes the connection with the offence's name; [`Misbehaviour::is_lie`] says whether
//! the peer is banned.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a peer did that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Misbehaviour {
    /// A chunk position beyond the end of the content.
    ChunkOutOfRange,
    /// A bitfield of another length than the content has chunks.
    BitfieldLength,
    /// A block that does not continue the chunk it belongs to.
    BlockOutOfOrder,
    /// A block that goes beyond the end of its chunk, or has no bytes.
    BlockLength,
    /// A chunk whose hash is not the one in the manifest.
    WrongHash,
    /// A message about a transfer that was never joined. Sent by earlier versions only: after a
    /// Leave such messages may still arrive for a while.
    UnknownTransfer,
    /// More joined contents than a peer may name. Said by earlier versions: now the newest waits.
    TooManyContents,
    /// More control messages than the limit, for longer than the grace.
    Flood,
    /// A frame that has not even a type.
    EmptyFrame,
    /// A frame of a type that this version does not know and may not skip.
    UnknownFrame,
    /// A frame that is longer than its type may be.
    FrameTooLarge,
    /// A frame whose length is not that of its message.
    FrameLength,
    /// A yes or no that is neither.
    BadFlag,
    /// A bitfield with bits beyond its length.
    SpareBits,
    /// A text that is not UTF-8.
    BadText,
    /// A code that this version does not know.
    UnknownCode,
    /// An address that is no host and port.
    BadAddress,
    /// Addresses out of order, or one of them twice.
    AddressOrder,
    /// A message that has no place where it came, as after the last one.
    BadState,
    /// It owed us something, or took nothing of what it asked for, for too long.
    Stalled,
    /// It said nothing for too long.
    Silent,
    /// It sent too much that was not requested.
    Unrequested,
}

impl Misbehaviour {
    /// Every offence; its position is its number on the wire, so new ones go to the end.
    pub const ALL: [Self; 22] = [
        Self::ChunkOutOfRange,
        Self::BitfieldLength,
        Self::BlockOutOfOrder,
        Self::BlockLength,
        Self::WrongHash,
        Self::UnknownTransfer,
        Self::TooManyContents,
        Self::Flood,
        Self::EmptyFrame,
        Self::UnknownFrame,
        Self::FrameTooLarge,
        Self::FrameLength,
        Self::BadFlag,
        Self::SpareBits,
        Self::BadText,
        Self::UnknownCode,
        Self::BadAddress,
        Self::AddressOrder,
        Self::BadState,
        Self::Stalled,
        Self::Silent,
        Self::Unrequested,
    ];

    /// Whether no honest peer of this version can do this, whatever went wrong on its way.
    #[must_use]
    pub const fn is_lie(self) -> bool {
        !matches!(
            self,
            Self::Flood
                | Self::UnknownTransfer
                | Self::TooManyContents
                | Self::UnknownFrame
                | Self::UnknownCode
                | Self::BadState
                | Self::Stalled
                | Self::Silent
                | Self::Unrequested
        )
    }
}

impl Misbehaviour {
    /// Whether it only means that a connection is of no use: the peer may be honest and its link
    /// dead.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::Stalled | Self::Silent)
    }

    /// Its name, for people and counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChunkOutOfRange => "chunk out of range",
            Self::BitfieldLength => "bitfield of the wrong length",
            Self::BlockOutOfOrder => "block out of order",
            Self::BlockLength => "block of an impossible length",
            Self::WrongHash => "chunk with the wrong hash",
            Self::UnknownTransfer => "message about an unknown transfer",
            Self::TooManyContents => "too many contents",
            Self::Flood => "too many control messages",
            Self::EmptyFrame => "empty frame",
            Self::UnknownFrame => "frame of an unknown type",
            Self::FrameTooLarge => "frame too large",
            Self::FrameLength => "frame of the wrong length",
            Self::BadFlag => "flag that is neither yes nor no",
            Self::SpareBits => "bits beyond the end of a bitfield",
            Self::BadText => "text that is not UTF-8",
            Self::UnknownCode => "unknown code",
            Self::BadAddress => "address that is no host and port",
            Self::AddressOrder => "addresses out of order",
            Self::BadState => "message out of place",
            Self::Stalled => "no progress for too long",
            Self::Silent => "silent for too long",
            Self::Unrequested => "too many bytes that nobody asked for",
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Misbehaviour {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_offence_is_its_position() {
        for (position, offence) in Misbehaviour::ALL.into_iter().enumerate() {
            assert_eq!(offence as usize, position, "{offence}");
        }
        assert_eq!(
            Misbehaviour::Unrequested as usize + 1,
            Misbehaviour::ALL.len()
        );
    }

    /// What happens to an honest peer on a bad link or a slow machine is no reason for a ban.
    /// Register: D3, J14.
    #[test]
    fn being_slow_or_late_is_no_lie_and_a_wrong_block_is_one() {
        for honest in [
            Misbehaviour::Stalled,
            Misbehaviour::Silent,
            Misbehaviour::Unrequested,
            Misbehaviour::Flood,
        ] {
            assert!(!honest.is_lie(), "{honest}");
        }
        assert!(Misbehaviour::WrongHash.is_lie());
    }
}
