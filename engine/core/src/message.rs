//! What nodes say to each other, as values. `wire` turns them into bytes.
//!
//! A message names a transfer by the sender's own id, which its `Join` bound to a content.

use crate::bitfield::Bitfield;
use crate::id::TransferId;
use crate::manifest::ContentId;
use crate::units::ByteCount;

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Send me a chunk.
    Request {
        /// The sender's id.
        transfer: TransferId,
        /// Its position.
        chunk: u32,
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
}

/// The body of [`Message::Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
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
