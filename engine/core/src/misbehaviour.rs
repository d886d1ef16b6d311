//! A peer's offences: one variant for each place that detects one.
//!
//! Decides nothing. A shell that gets one closes the connection with its name; whether the
//! peer is banned hangs on [`Misbehaviour::is_lie`].

use std::fmt;

/// What a peer did that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// A message about a transfer that was never joined.
    UnknownTransfer,
    /// More joined contents than a peer may name.
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
}

impl Misbehaviour {
    /// Whether no honest peer of this version can do this, whatever went wrong on its way.
    #[must_use]
    pub const fn is_lie(self) -> bool {
        !matches!(
            self,
            Self::Flood | Self::UnknownTransfer | Self::UnknownFrame
        )
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
        })
    }
}

impl std::error::Error for Misbehaviour {}
