//! The bytes of contents and transfers.
//!
//! They follow from the seed, the replication and the name alone, so that two machines that have a
//! content have the same one and no two contents have a chunk in common.

use std::io::{self, Read};

use fairhaul_core::rng::Rng;
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::setup::Setup;

use super::Interrupt;
use super::environment::Environment;
use super::error::EmulateError;
use super::item::Unit;

/// Bytes of one content, as they are needed. A read fails once the end is asked for.
#[derive(Debug)]
pub struct Bytes {
    rng: Rng,
    left: u64,
    /// What of the last number is not taken.
    rest: Vec<u8>,
    interrupt: Interrupt,
}

impl Bytes {
    /// The `len` bytes of the content `name` in a replication of a scenario.
    #[must_use]
    pub fn new(streams: Streams, name: &str, len: u64, interrupt: &Interrupt) -> Self {
        Self {
            rng: streams.stream(name, "bytes"),
            left: len,
            rest: Vec::new(),
            interrupt: interrupt.clone(),
        }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_set() {
            // Not `Interrupted`: readers try again after that.
            return Err(io::Error::other("interrupted"));
        }
        let room = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let len = usize::try_from(room.min(self.left)).unwrap_or(buffer.len());
        let buffer = &mut buffer[..len];
        let held = len.min(self.rest.len());
        for (to, from) in buffer.iter_mut().zip(self.rest.drain(..held)) {
            *to = from;
        }
        for part in buffer[held..].chunks_mut(8) {
            let number = self.rng.next_u64().to_le_bytes();
            part.copy_from_slice(&number[..part.len()]);
            self.rest.extend_from_slice(&number[part.len()..]);
        }
        self.left -= len as u64;
        Ok(len)
    }
}

/// Writes the files of everything to the machines of those who have it from the start.
pub(super) fn write(
    setup: &Setup,
    place: &mut dyn Environment,
    interrupt: &Interrupt,
) -> Result<(), EmulateError> {
    let streams = Streams::new(setup.rng_seed, setup.replication);
    for unit in Unit::all(setup) {
        let (bytes, _) = unit.lengths(setup);
        let name = match unit {
            Unit::Content(_) => format!("content {}", unit.name(setup)),
            Unit::Transfer(row) => format!("transfer {row} {}", unit.name(setup)),
        };
        for peer in unit.sources(setup) {
            let mut bytes = Bytes::new(streams, &name, bytes.get(), interrupt);
            let put = place.put(peer, &unit.file(), &mut bytes);
            if interrupt.is_set() {
                return Err(EmulateError::Interrupted);
            }
            put.map_err(|error| EmulateError::Environment {
                peer: setup.peers[peer as usize].name.clone(),
                error,
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, len: u64, step: usize) -> Vec<u8> {
        let mut bytes = Bytes::new(Streams::new(1, 0), name, len, &Interrupt::default());
        let (mut out, mut buffer) = (Vec::new(), vec![0; step]);
        loop {
            match bytes.read(&mut buffer).unwrap() {
                0 => return out,
                len => out.extend_from_slice(&buffer[..len]),
            }
        }
    }

    #[test]
    fn the_bytes_of_a_content_do_not_hang_on_how_they_are_read() {
        let whole = all("a", 1_003, 4_096);
        assert_eq!(whole.len(), 1_003);
        for step in [1, 3, 8, 13, 1_000] {
            assert_eq!(all("a", 1_003, step), whole);
        }
        assert_ne!(all("b", 1_003, 4_096), whole);
        assert_eq!(all("a", 100, 7), whole[..100]);
    }

    #[test]
    fn who_is_interrupted_writes_no_further() {
        let interrupt = Interrupt::default();
        let mut bytes = Bytes::new(Streams::new(1, 0), "a", 100, &interrupt);
        assert_eq!(bytes.read(&mut [0; 10]).unwrap(), 10);
        interrupt.set();
        assert!(bytes.read(&mut [0; 10]).is_err());
    }
}
