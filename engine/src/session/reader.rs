//! The reading half of a session: frames as they come, and the chunks that they make.
//!
//! Blocks are not judged here: the core does that.

use std::sync::Arc;

use fairhaul_core::id::TransferId;
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::wire::{Decoder, Frame};

use super::{Heard, Shared};

/// Frames as they come.
pub(super) struct Intake {
    decoder: Decoder,
    pub(super) heard: Vec<Heard>,
    /// Bytes of blocks that came, by our transfer.
    pub(super) received: Vec<(Option<TransferId>, u64)>,
    shared: Arc<Shared>,
    /// The block whose bytes come now, and how many are still to come.
    block: Option<(Message, u64)>,
}

impl Intake {
    pub(super) const fn new(shared: Arc<Shared>, decoder: Decoder) -> Self {
        Self {
            decoder,
            heard: Vec::new(),
            received: Vec::new(),
            shared,
            block: None,
        }
    }

    /// Takes in what was read.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Misbehaviour> {
        let shared = Arc::clone(&self.shared);
        let mut begun = shared.begun();
        loop {
            let Some(frame) = self.decoder.next(&mut bytes)? else {
                begun.count(&shared);
                return Ok(());
            };
            match frame {
                Frame::Message(Message::Block {
                    transfer,
                    chunk,
                    offset,
                    len,
                }) => {
                    begun.begin(&shared, transfer, chunk, offset);
                    let head = Message::Block {
                        transfer,
                        chunk,
                        offset,
                        len,
                    };
                    self.block = Some((head, len.get()));
                }
                Frame::Message(message) => self.heard.push(Heard::Message(message)),
                Frame::Skipped { .. } => self.heard.push(Heard::Skipped),
                Frame::Payload(payload) => {
                    let (message, left) = self.block.take().expect("a head comes first");
                    // Borrowed from `bytes`, not from the decoder.
                    begun.append(&shared.pool, &message, payload);
                    let left = left - payload.len() as u64;
                    if left > 0 {
                        self.block = Some((message, left));
                    } else {
                        begun.finish(&shared, &message);
                        self.count(&shared, &message);
                        self.heard.push(Heard::Message(message));
                    }
                }
            }
        }
    }

    /// A block came.
    fn count(&mut self, shared: &Shared, head: &Message) {
        let Message::Block { transfer, len, .. } = head else {
            return;
        };
        let ours = shared.geometry(*transfer).map(|known| known.ours);
        match self.received.last_mut() {
            Some((last, bytes)) if *last == ours => *bytes += len.get(),
            _ => self.received.push((ours, len.get())),
        }
    }
}
