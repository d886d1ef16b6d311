//! Decodes a stream of bytes into messages.
//!
//! A fault is reported at the first byte that shows it. Of a frame that is incomplete its bytes are
//! kept, but of a block only the head.

use super::control_frames::{self, CLOSE_TEXT_MAX, NAME_MAX, OFFER_HEAD};
use super::{
    ADDRESSES, BLOCK, BLOCK_HEAD, BLOCK_MAX, CANCEL, CHOKE, CLOSE, CONTROL_MAX, FORWARDED, HAVE,
    INTERESTED, JOIN, JOIN_HEAD, JOIN_MAX, LEAVE, LENGTH, LOST, NOT_INTERESTED, OFFER, OPTIONAL,
    PING, PONG, REJECT, REQUEST, TEXT, TEXT_MAX, UNCHOKE, VERDICT, WANT_ADDRESSES,
};
use crate::bitfield::Bitfield;
use crate::id::TransferId;
use crate::manifest::ContentId;
use crate::message::{Forwarded, Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::units::ByteCount;

/// The buffer grows by this much at most, and only when that many bytes have come (W1).
const STEP: usize = 64 * 1024;

/// What a decoder found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message. After a [`Message::Block`] its `len` bytes follow as [`Frame::Payload`].
    Message(Message),
    /// The next bytes of the last block, never none; they lie in what the caller passed.
    Payload(&'a [u8]),
    /// An optional frame of a type that is unknown here. Counts as a control frame.
    Skipped {
        /// Its type.
        kind: u8,
    },
}

/// Cuts one stream into frames, whatever the pieces it comes in.
///
/// ```
/// use fairhaul_core::message::Message;
/// use fairhaul_core::wire::{Decoder, Frame, encode};
///
/// let mut bytes = Vec::new();
/// encode(&Message::Ping(7), &mut bytes);
/// let (mut first, mut rest) = bytes.split_at(6);
/// let mut decoder = Decoder::new();
/// assert_eq!(decoder.next(&mut first), Ok(None));
/// assert_eq!(decoder.next(&mut rest), Ok(Some(Frame::Message(Message::Ping(7)))));
/// assert_eq!(decoder.next(&mut rest), Ok(None));
/// assert!(decoder.is_between_frames());
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    /// The begun frame, as far as it came, with its length.
    begun: Vec<u8>,
    rest: Rest,
    failed: Option<Misbehaviour>,
}

/// What the next bytes of the stream belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rest {
    /// A frame's length, type or kept body.
    #[default]
    Frame,
    /// So many bytes of a block.
    Payload(usize),
    /// This many bytes of an optional frame were skipped.
    Skipped(usize),
}

/// What follows from the length and the type of a frame.
enum Shape {
    /// Keep this many bytes, length and type included, and read a message from them.
    Whole(usize),
    /// The head of a block, and so many bytes after it.
    Block(usize),
    /// This many bytes to skip.
    Skip(u8, usize),
}

impl Decoder {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            begun: Vec::new(),
            rest: Rest::Frame,
            failed: None,
        }
    }

    /// The next frame, from what was kept and the front of `input`, which moves on. None once
    /// `input` is used up; what it left of a begun frame is kept.
    ///
    /// Call it until it gives none, then again with the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// The peer's offence. The stream has no meaning from there on: the same is said again.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Misbehaviour> {
        if let Some(why) = self.failed {
            return Err(why);
        }
        let next = self.advance(input);
        self.failed = next.as_ref().err().copied();
        if self.failed.is_some() {
            self.begun = Vec::new();
        }
        next
    }

    /// Whether a stream that ends here ends after a whole frame (W3).
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.rest == Rest::Frame && self.begun.is_empty()
    }

    /// Bytes of memory that the begun frame takes.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.begun.capacity()
    }

    fn advance<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Misbehaviour> {
        match self.rest {
            Rest::Frame => {}
            Rest::Payload(_) if input.is_empty() => return Ok(None),
            Rest::Payload(left) => {
                let bytes = take(input, left);
                self.rest = Rest::Payload(left - bytes.len()).settled();
                return Ok(Some(Frame::Payload(bytes)));
            }
            Rest::Skipped(left) => {
                let skipped = take(input, left).len();
                self.rest = Rest::Skipped(left - skipped).settled();
                if self.rest != Rest::Frame {
                    return Ok(None);
                }
            }
        }
        // The length alone can be enough to refuse a frame.
        if !self.fill(LENGTH, input) {
            return Ok(None);
        }
        let length = check_length(le_u32(&self.begun))?;
        if !self.fill(LENGTH + 1, input) {
            return Ok(None);
        }
        match shape(self.begun[LENGTH], length)? {
            Shape::Skip(kind, bytes) => {
                self.begun.clear();
                self.rest = Rest::Skipped(bytes).settled();
                Ok(Some(Frame::Skipped { kind }))
            }
            Shape::Whole(bytes) => {
                if !self.fill(bytes, input) {
                    return Ok(None);
                }
                let message = message(self.begun[LENGTH], &self.begun[LENGTH + 1..])?;
                // A long Join is rare: what it took is not kept for the next frame.
                if self.begun.capacity() > STEP {
                    self.begun = Vec::new();
                }
                self.begun.clear();
                Ok(Some(Frame::Message(message)))
            }
            Shape::Block(payload) => {
                if !self.fill(LENGTH + 1 + BLOCK_HEAD, input) {
                    return Ok(None);
                }
                let message = block(&self.begun[LENGTH + 1..], payload);
                self.begun.clear();
                self.rest = Rest::Payload(payload).settled();
                Ok(Some(Frame::Message(message)))
            }
        }
    }

    /// Moves bytes from `input` until `wanted` bytes of the frame are there; false if it has
    /// too few.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) -> bool {
        let mut missing = wanted.saturating_sub(self.begun.len());
        while missing > 0 && !input.is_empty() {
            let bytes = take(input, missing.min(STEP));
            if self.begun.capacity() - self.begun.len() < bytes.len() {
                // Never the length that the peer announces: at most a step ahead of what came.
                self.begun.reserve_exact(missing.min(STEP));
            }
            self.begun.extend_from_slice(bytes);
            missing -= bytes.len();
        }
        missing == 0
    }
}

impl Rest {
    /// Nothing left is the start of the next frame.
    const fn settled(self) -> Self {
        match self {
            Self::Payload(0) | Self::Skipped(0) => Self::Frame,
            rest => rest,
        }
    }
}

/// The front of `input`, at most `most` bytes; `input` moves on.
fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    front
}

/// Refuses lengths that no type has.
fn check_length(length: u32) -> Result<usize, Misbehaviour> {
    match length as usize {
        0 => Err(Misbehaviour::EmptyFrame),
        length if length > JOIN_MAX => Err(Misbehaviour::FrameTooLarge),
        length => Ok(length),
    }
}

/// What to do with a frame of type `kind` and that `length`, before its body has come.
fn shape(kind: u8, length: usize) -> Result<Shape, Misbehaviour> {
    let body = length - 1;
    let exactly = |bytes: usize| (bytes, bytes, bytes);
    let (least, most, kept) = match kind {
        JOIN => (JOIN_HEAD, JOIN_MAX - 1, body),
        LEAVE => exactly(4),
        HAVE | LOST | CANCEL | REJECT | PING | PONG => exactly(8),
        REQUEST | FORWARDED => exactly(16),
        INTERESTED | NOT_INTERESTED | CHOKE | UNCHOKE => exactly(0),
        BLOCK => (BLOCK_HEAD, BLOCK_HEAD + BLOCK_MAX, BLOCK_HEAD),
        TEXT => (0, TEXT_MAX, body),
        CLOSE => (1, 1 + CLOSE_TEXT_MAX, body),
        OFFER => (OFFER_HEAD + 1, OFFER_HEAD + NAME_MAX, body),
        VERDICT => exactly(33),
        WANT_ADDRESSES => exactly(0),
        ADDRESSES => (0, control_frames::ADDRESSES_BYTES_MAX, body),
        OPTIONAL.. => (0, CONTROL_MAX - 1, 0),
        _ => return Err(Misbehaviour::UnknownFrame),
    };
    if body > most {
        return Err(Misbehaviour::FrameTooLarge);
    }
    if body < least {
        return Err(Misbehaviour::FrameLength);
    }
    Ok(match kind {
        BLOCK => Shape::Block(body - kept),
        OPTIONAL.. if kind != FORWARDED => Shape::Skip(kind, body),
        _ => Shape::Whole(LENGTH + 1 + kept),
    })
}

/// The message of a whole frame, whose `body` has a length that [`shape`] has checked.
fn message(kind: u8, body: &[u8]) -> Result<Message, Misbehaviour> {
    // Only the messages about a chunk have one; the others do not look.
    let transfer = || TransferId(le_u32(body));
    let chunk = || le_u32(&body[4..]);
    Ok(match kind {
        JOIN => Message::Join(Box::new(join(body)?)),
        LEAVE => Message::Leave {
            transfer: transfer(),
        },
        HAVE => Message::Have {
            transfer: transfer(),
            chunk: chunk(),
        },
        LOST => Message::Lost {
            transfer: transfer(),
            chunk: chunk(),
        },
        INTERESTED => Message::Interested,
        NOT_INTERESTED => Message::NotInterested,
        CHOKE => Message::Choke,
        UNCHOKE => Message::Unchoke,
        REQUEST => Message::Request {
            transfer: transfer(),
            chunk: chunk(),
            offset: ByteCount::new(le_u64(&body[8..])),
        },
        CANCEL => Message::Cancel {
            transfer: transfer(),
            chunk: chunk(),
        },
        REJECT => Message::Reject {
            transfer: transfer(),
            chunk: chunk(),
        },
        TEXT => Message::Text(control_frames::text(body)?),
        PING => Message::Ping(le_u64(body)),
        PONG => Message::Pong(le_u64(body)),
        CLOSE => control_frames::close(body)?,
        OFFER => control_frames::offer(body)?,
        VERDICT => control_frames::verdict(body)?,
        WANT_ADDRESSES => Message::WantAddresses,
        ADDRESSES => Message::Addresses(control_frames::addresses(body)?),
        FORWARDED => Message::Forwarded(Forwarded {
            of_yours: ByteCount::new(le_u64(body)),
            of_others: ByteCount::new(le_u64(&body[8..])),
        }),
        _ => return Err(Misbehaviour::UnknownFrame),
    })
}

fn join(body: &[u8]) -> Result<Join, Misbehaviour> {
    let (head, bits) = body.split_at(JOIN_HEAD);
    let content = ContentId(head[..32].try_into().expect("32 bytes are 32 bytes"));
    let reply = match head[36] {
        0 => false,
        1 => true,
        _ => return Err(Misbehaviour::BadFlag),
    };
    let chunks = le_u32(&head[37..]);
    // Above the most chunks, the frame that carries them would be too long.
    if (chunks as usize).div_ceil(8) != bits.len() {
        return Err(Misbehaviour::FrameLength);
    }
    let words = bits.chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    });
    let have = Bitfield::from_words(words.collect(), chunks).ok_or(Misbehaviour::SpareBits)?;
    Ok(Join {
        content,
        transfer: TransferId(le_u32(&head[32..])),
        have,
        reply,
    })
}

/// A block of `payload` bytes, from its head.
fn block(head: &[u8], payload: usize) -> Message {
    Message::Block {
        transfer: TransferId(le_u32(head)),
        chunk: le_u32(&head[4..]),
        offset: ByteCount::new(le_u64(&head[8..])),
        len: ByteCount::new(payload as u64),
    }
}

/// The number at the front of `bytes`, which are enough.
fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes are 4 bytes"))
}

/// The number at the front of `bytes`, which are enough.
pub(super) fn le_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes are 8 bytes"))
}
