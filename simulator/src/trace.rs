//! The trace: every event in order, with its time, hashed as it happens.
//!
//! Two runs with the same digest did the same things at the same times.

use fairhaul_core::message::Message;
use fairhaul_core::time::Time;

/// Bytes collected before they are hashed: BLAKE3 is fastest on long inputs.
const BUFFER: usize = 64 * 1024;

/// A running hash of events.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            buffer: Vec::with_capacity(BUFFER),
        }
    }

    /// One event: when, what kind, who, whom, and two numbers that tell it from others.
    pub(crate) fn event(&mut self, at: Time, kind: u8, who: u32, whom: u32, facts: [u64; 2]) {
        self.buffer.extend_from_slice(&at.as_nanos().to_le_bytes());
        self.buffer.push(kind);
        self.buffer.extend_from_slice(&who.to_le_bytes());
        self.buffer.extend_from_slice(&whom.to_le_bytes());
        self.buffer.extend_from_slice(&facts[0].to_le_bytes());
        self.buffer.extend_from_slice(&facts[1].to_le_bytes());
        if self.buffer.len() + 64 > BUFFER {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    pub(crate) fn digest(&mut self) -> [u8; 32] {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
        *self.hasher.finalize().as_bytes()
    }
}

/// Two numbers that tell a message from others, for the trace.
pub(crate) fn describe(message: &Message) -> [u64; 2] {
    let place = |kind: u64, transfer: u32, chunk: u32| {
        [kind, (u64::from(transfer) << 32) | u64::from(chunk)]
    };
    match message {
        Message::Join(join) => place(1, join.transfer.0, join.have.count()),
        Message::Leave { transfer } => place(2, transfer.0, 0),
        Message::Have { transfer, chunk } => place(3, transfer.0, *chunk),
        Message::Lost { transfer, chunk } => place(4, transfer.0, *chunk),
        Message::Interested => [5, 0],
        Message::NotInterested => [6, 0],
        Message::Choke => [7, 0],
        Message::Unchoke => [8, 0],
        Message::Request {
            transfer,
            chunk,
            offset,
        } => place(9 | (offset.get() << 8), transfer.0, *chunk),
        Message::Cancel { transfer, chunk } => place(10, transfer.0, *chunk),
        Message::Reject { transfer, chunk } => place(11, transfer.0, *chunk),
        Message::Block {
            transfer, chunk, ..
        } => place(12, transfer.0, *chunk),
        Message::Text(text) => [13, text.len() as u64],
        Message::Ping(number) => [14, *number],
        Message::Pong(number) => [15, *number],
        Message::Close { text, .. } => [16, text.len() as u64],
        Message::Offer(offer) => [17, offer.bytes],
        Message::Verdict { verdict, .. } => [18, *verdict as u64],
        Message::WantAddresses => [19, 0],
        Message::Addresses(known) => [20, known.len() as u64],
        Message::Forwarded(said) => [128 | (said.of_yours.get() << 8), said.of_others.get()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_nanosecond_of_difference_changes_the_digest() {
        let digest = |nanos| {
            let mut trace = Trace::new();
            trace.event(Time::from_nanos(nanos), 1, 2, 3, [4, 5]);
            trace.digest()
        };
        assert_eq!(digest(7), digest(7));
        assert_ne!(digest(7), digest(8));
    }
}
