//! What nodes say to each other, as values. `wire` turns them into bytes.
//!
//! A message names a transfer by the sender's own id, which its `Join` bound to a content.

use serde::{Deserialize, Serialize};

use crate::bitfield::Bitfield;
use crate::id::TransferId;
use crate::manifest::ContentId;
use crate::misbehaviour::Misbehaviour;
use crate::units::ByteCount;

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// I take part in a content. Says what I have.
    Join(Box<Join>),
    /// I no longer take part in it.
    Leave {
        /// The sender's id.
        transfer: TransferId,
    },
    /// I have one more chunk.
    Have {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
    },
    /// I had a chunk and have it no longer.
    Lost {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
    },
    /// You have something I want.
    Interested,
    /// You have nothing I want.
    NotInterested,
    /// Ask me for nothing until I unchoke you. What I drop, I reject by name.
    Choke,
    /// You may ask.
    Unchoke,
    /// Send me a chunk, or the rest of one.
    Request {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
        /// Where in the chunk to begin: the sender has what comes before.
        offset: ByteCount,
    },
    /// I no longer want it.
    Cancel {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
    },
    /// I will not send it.
    Reject {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
    },
    /// A part of a chunk; its bytes follow the message and stay in the shell.
    Block {
        /// The sender's id.
        transfer: TransferId,
        /// Position of the chunk.
        chunk: u32,
        /// Where in the chunk it starts.
        offset: ByteCount,
        /// How many bytes follow.
        len: ByteCount,
    },
    /// A line for a person.
    Text(Box<str>),
    /// Answer with the same number.
    Ping(u64),
    /// The answer.
    Pong(u64),
    /// The last message: the connection ends after it.
    Close {
        /// Why, for a program.
        code: CloseCode,
        /// Why, for a person; at most [`crate::wire::CLOSE_TEXT_MAX`] bytes.
        text: Box<str>,
    },
    /// Please fetch this.
    Offer(Box<Offer>),
    /// The answer to an offer, and later its outcome.
    Verdict {
        /// What was offered.
        content: ContentId,
        /// What becomes of it.
        verdict: OfferVerdict,
    },
    /// Tell me whom you know.
    WantAddresses,
    /// Whom I know, in strictly ascending order, at most [`crate::wire::ADDRESSES_MAX`].
    Addresses(Box<[Known]>),
    /// What I have forwarded since I said so last, of contents that you take part in too. Who does
    /// not know it skips it.
    Forwarded(Forwarded),
}

/// The body of [`Message::Join`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// What the content is.
    pub content: ContentId,
    /// The sender's id for it, in every later message.
    pub transfer: TransferId,
    /// What the sender has of it.
    pub have: Bitfield,
    /// Whether the sender waits for the same message back.
    pub reply: bool,
}

/// The body of [`Message::Offer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What the content is.
    pub content: ContentId,
    /// Length of its manifest, in bytes.
    pub manifest_bytes: u64,
    /// Length of the content, in bytes.
    pub bytes: u64,
    /// What its sender calls it, 1 to [`crate::wire::NAME_MAX`] bytes. It is no path: the
    /// receiver decides where the content goes.
    pub name: Box<str>,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OfferVerdict {
    /// It will be fetched.
    Accepted,
    /// The sender has no right to offer it, or it is more than is ever taken.
    NotAccepted,
    /// No room is left of what is granted to the sender.
    Quota,
    /// Too many at once: offer it again later.
    Busy,
    /// It is whole and verified here.
    Done,
    /// It could not be fetched or stored.
    Failed,
    /// Something else has a name there that it needs.
    Exists,
    /// The receiver's disk has no room for it, or cannot be used.
    Storage,
}

/// What a node says as it closes with [`CloseCode::Shutdown`].
pub const STOPS: &str = "the node stops";

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CloseCode {
    /// The node stops.
    Shutdown,
    /// A newer connection of the same identity took its place.
    Replaced,
    /// Nothing was said for too long.
    Idle,
    /// No room is left.
    Overload,
    /// The identity may no longer connect.
    Revoked,
    /// The receiver of this code broke the protocol.
    Misbehaviour(Misbehaviour),
}

/// The body of [`Message::Forwarded`]: bytes that its sender forwarded to anybody. Both numbers are
/// its own claim, which nobody can verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Of chunks that it has from the receiver of the message.
    pub of_yours: ByteCount,
    /// Of others.
    pub of_others: ByteCount,
}

/// A node, and where it was reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    /// Its public key.
    pub key: [u8; 32],
    /// Host and port as in `example.org:7400` or `[2001:db8::1]:7400`, at most
    /// [`crate::wire::ADDRESS_MAX`] bytes.
    pub address: Box<str>,
}

impl OfferVerdict {
    /// Every verdict; its position is its number on the wire.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::NotAccepted,
        Self::Quota,
        Self::Busy,
        Self::Done,
        Self::Failed,
        Self::Exists,
        Self::Storage,
    ];

    /// Whether it is the receiver's last word on an offer.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Busy)
    }
}

impl Forwarded {
    /// Nothing was forwarded.
    pub const NOTHING: Self = Self {
        of_yours: ByteCount::ZERO,
        of_others: ByteCount::ZERO,
    };

    /// Both.
    #[must_use]
    pub const fn in_all(self) -> ByteCount {
        self.of_yours.saturating_add(self.of_others)
    }

    /// The sum of two, as much of it as can be counted.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            of_yours: self.of_yours.saturating_add(more.of_yours),
            of_others: self.of_others.saturating_add(more.of_others),
        }
    }
}

impl From<Misbehaviour> for CloseCode {
    /// The code that tells a peer why it is closed.
    fn from(why: Misbehaviour) -> Self {
        match why {
            Misbehaviour::Silent => Self::Idle,
            why => Self::Misbehaviour(why),
        }
    }
}
