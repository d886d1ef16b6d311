//! Encodes and decodes messages.
//!
//! Every message has one encoding, and a stream may come in pieces of any size. Every other
//! encoding is refused, every frame above its limit and every unknown type; nothing that a peer
//! sends causes a panic.
//!
//! A frame is `length: u32 | type: u8 | body`, all numbers little endian; `length` counts
//! the type and the body. Bodies, with `t` a transfer and `c` a chunk, both `u32`:
//!
//! | type | message | body |
//! | --- | --- | --- |
//! | 1 | Join | content: 32 bytes, `t`, reply: `u8` 0 or 1, chunks: `u32`, bits: ⌈chunks / 8⌉ bytes |
//! | 2 | Leave | `t` |
//! | 3, 4 | Have, Lost | `t`, `c` |
//! | 5, 6, 7, 8 | Interested, `NotInterested`, Choke, Unchoke | none |
//! | 9 | Request | `t`, `c`, offset: `u64` |
//! | 10, 11 | Cancel, Reject | `t`, `c` |
//! | 12 | Block | `t`, `c`, offset: `u64`, then the bytes of the block |
//! | 13 | Text | UTF-8 |
//! | 14, 15 | Ping, Pong | `u64` |
//! | 16 | Close | code: `u8`, UTF-8 of at most 128 bytes |
//! | 17 | Offer | content: 32 bytes, manifest: `u64`, bytes: `u64`, name: UTF-8 of 1 to 255 bytes |
//! | 18 | Verdict | content: 32 bytes, verdict: `u8` |
//! | 19 | `WantAddresses` | none |
//! | 20 | Addresses | up to 50 of: key: 32 bytes, length: `u8`, host and port: UTF-8 |
//! | 128 | Forwarded, optional | of yours: `u64`, of others: `u64` |
//! | 129 to 255 | optional: skipped by who does not know it | anything up to 64 KiB |
//!
//! Bit `i` of a bitfield is bit `i % 8` of byte `i / 8`; bits beyond the last are zero. What
//! can be told from the length of a frame stands nowhere else in it: no two fields can
//! contradict each other. Nothing is compressed, and nothing nests.
//!
//! A verdict is its position in [`OfferVerdict::ALL`]. A code is 1 Shutdown, 2 Replaced, 3 Idle,
//! 4 Overload, 5 Revoked, or 64 plus the position of an offence in [`Misbehaviour::ALL`].
//! Addresses stand in strictly ascending order of key and text, so that a set has one encoding;
//! a port is written without leading zeros, and an IPv6 address in brackets.
//!
//! Whether a chunk exists, a bitfield has the length of its content or a block fits its chunk
//! depends on the manifest: the node checks that.

use crate::block_size;
use crate::id::TransferId;
use crate::manifest::CHUNKS_MAX;
use crate::message::{Join, Message};
#[cfg(doc)]
use crate::{message::OfferVerdict, misbehaviour::Misbehaviour};

pub use control_frames::{ADDRESS_MAX, ADDRESSES_MAX, CLOSE_TEXT_MAX, NAME_MAX, is_address};
pub use decoder::{Decoder, Frame};

mod control_frames;
mod decoder;
pub mod handshake;

/// Most bytes of type and body of a control frame (limit L1), but for a Join.
pub const CONTROL_MAX: usize = 64 * 1024;
/// Most bytes of a text (limit L1).
pub const TEXT_MAX: usize = 4 * 1024;
/// Most bytes of a block. The frame has 21 bytes more, inside the 64 of limit L1.
pub const BLOCK_MAX: usize = 256 * 1024;
/// Most bytes of type and body of a Join: that of a content with the most chunks. It is the
/// only frame above [`CONTROL_MAX`] that is kept until it is whole, so a decoder never keeps
/// more than this.
pub(crate) const JOIN_MAX: usize = 1 + JOIN_HEAD + (CHUNKS_MAX as usize).div_ceil(8);

const _: () = assert!(BLOCK_MAX as u64 == block_size::LARGEST.get());

/// Bytes of a length.
const LENGTH: usize = 4;
/// Bytes of a Join before its bitfield: content, transfer, reply, chunks.
const JOIN_HEAD: usize = 32 + 4 + 1 + 4;
/// Bytes of a Block before its own: transfer, chunk, offset.
const BLOCK_HEAD: usize = 4 + 4 + 8;

const JOIN: u8 = 1;
const LEAVE: u8 = 2;
const HAVE: u8 = 3;
const LOST: u8 = 4;
const INTERESTED: u8 = 5;
const NOT_INTERESTED: u8 = 6;
const CHOKE: u8 = 7;
const UNCHOKE: u8 = 8;
const REQUEST: u8 = 9;
const CANCEL: u8 = 10;
const REJECT: u8 = 11;
const BLOCK: u8 = 12;
const TEXT: u8 = 13;
const PING: u8 = 14;
const PONG: u8 = 15;
const CLOSE: u8 = 16;
const OFFER: u8 = 17;
const VERDICT: u8 = 18;
const WANT_ADDRESSES: u8 = 19;
const ADDRESSES: u8 = 20;
/// Types from here on may be skipped.
const OPTIONAL: u8 = 128;
const FORWARDED: u8 = OPTIONAL;

/// Appends the frame of `message` to `out`. The bytes of a block are not part of it: its
/// sender writes exactly `len` of them after it.
///
/// # Panics
///
/// If the message breaks a limit of this file: the sender made it, so that is a bug.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0; LENGTH]);
    let mut payload = 0;
    match message {
        Message::Join(join) => encode_join(join, out),
        Message::Leave { transfer } => {
            out.push(LEAVE);
            out.extend(transfer.0.to_le_bytes());
        }
        Message::Have { transfer, chunk } => encode_chunk(HAVE, *transfer, *chunk, out),
        Message::Lost { transfer, chunk } => encode_chunk(LOST, *transfer, *chunk, out),
        Message::Interested => out.push(INTERESTED),
        Message::NotInterested => out.push(NOT_INTERESTED),
        Message::Choke => out.push(CHOKE),
        Message::Unchoke => out.push(UNCHOKE),
        Message::Request {
            transfer,
            chunk,
            offset,
        } => {
            encode_chunk(REQUEST, *transfer, *chunk, out);
            out.extend(offset.get().to_le_bytes());
        }
        Message::Cancel { transfer, chunk } => encode_chunk(CANCEL, *transfer, *chunk, out),
        Message::Reject { transfer, chunk } => encode_chunk(REJECT, *transfer, *chunk, out),
        Message::Block {
            transfer,
            chunk,
            offset,
            len,
        } => {
            assert!(*len <= block_size::LARGEST, "a block of {len}");
            encode_chunk(BLOCK, *transfer, *chunk, out);
            out.extend(offset.get().to_le_bytes());
            payload = len.get();
        }
        Message::Text(text) => {
            assert!(text.len() <= TEXT_MAX, "a text of {} bytes", text.len());
            out.push(TEXT);
            out.extend(text.as_bytes());
        }
        Message::Ping(number) => encode_number(PING, *number, out),
        Message::Pong(number) => encode_number(PONG, *number, out),
        Message::Close { code, text } => control_frames::encode_close(*code, text, out),
        Message::Offer(offer) => control_frames::encode_offer(offer, out),
        Message::Verdict { content, verdict } => {
            control_frames::encode_verdict(content, *verdict, out)
        }
        Message::WantAddresses => out.push(WANT_ADDRESSES),
        Message::Addresses(known) => control_frames::encode_addresses(known, out),
        Message::Forwarded(forwarded) => {
            encode_number(FORWARDED, forwarded.of_yours.get(), out);
            out.extend(forwarded.of_others.get().to_le_bytes());
        }
    }
    let length = (out.len() - start - LENGTH) as u64 + payload;
    let length = u32::try_from(length).expect("every limit of this file is below 4 GiB");
    out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

fn encode_join(join: &Join, out: &mut Vec<u8>) {
    let chunks = join.have.len();
    assert!(chunks <= CHUNKS_MAX, "a bitfield of {chunks} chunks");
    out.push(JOIN);
    out.extend(join.content.0);
    out.extend(join.transfer.0.to_le_bytes());
    out.push(u8::from(join.reply));
    out.extend(chunks.to_le_bytes());
    let words = join.have.words().iter();
    let bytes = words.flat_map(|word| word.to_le_bytes());
    out.extend(bytes.take((chunks as usize).div_ceil(8)));
}

fn encode_chunk(kind: u8, transfer: TransferId, chunk: u32, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(transfer.0.to_le_bytes());
    out.extend(chunk.to_le_bytes());
}

fn encode_number(kind: u8, number: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(number.to_le_bytes());
}

#[cfg(test)]
mod tests;
