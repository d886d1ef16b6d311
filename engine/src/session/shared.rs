//! What sessions share with the driver and with each other.
//!
//! Decides how much may wait for the disk before reading stops, and how many buffers are kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::Manifest;
use tokio::sync::Notify;

use super::intake::Begun;

/// Chunk bytes that may wait for the disk before reading stops (limit L4).
const WRITE_BEHIND: u64 = 64 * 1024 * 1024;
/// Buffers kept for the next chunk, in bytes.
const POOL_MAX: usize = 64 * 1024 * 1024;

/// Buffers of chunks, used again: new pages cost more than the bytes that go into them.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    buffers: Mutex<(Vec<Vec<u8>>, usize)>,
}

impl Pool {
    /// A buffer with room for `len` bytes, if one is at hand. What is in it means nothing.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let mut guard = self.buffers.lock().expect("nobody panics with a buffer");
        let (buffers, held) = &mut *guard;
        let fits = buffers.iter().rposition(|buffer| buffer.capacity() >= len);
        let Some(at) = fits else {
            return Vec::new();
        };
        let buffer = buffers.swap_remove(at);
        *held -= buffer.capacity();
        buffer
    }

    pub(crate) fn put(&self, buffer: Vec<u8>) {
        let mut guard = self.buffers.lock().expect("nobody panics with a buffer");
        let (buffers, held) = &mut *guard;
        if *held + buffer.capacity() <= POOL_MAX {
            *held += buffer.capacity();
            buffers.push(buffer);
        }
    }
}

/// What waits for the disk, over all sessions.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: AtomicU64,
    less: Notify,
}

impl Backlog {
    pub(crate) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.less.notify_waiters();
    }

    pub(super) async fn room(&self) {
        loop {
            let less = self.less.notified();
            if self.bytes.load(Ordering::Relaxed) < WRITE_BEHIND {
                return;
            }
            less.await;
        }
    }
}

/// What a session shares with the driver.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Geometry of the contents that the peer takes part in, by its own ids.
    geometry: Mutex<BTreeMap<TransferId, Manifest>>,
    /// Bytes of control messages that were not written yet (limit L5).
    pub(crate) queued: AtomicUsize,
    pub(crate) pool: Arc<Pool>,
    pub(crate) backlog: Arc<Backlog>,
    /// Chunks that the peer began to send.
    pub(super) begun: Mutex<Begun>,
}

impl Shared {
    pub(crate) fn new(pool: Arc<Pool>, backlog: Arc<Backlog>) -> Self {
        Self {
            pool,
            backlog,
            ..Self::default()
        }
    }

    /// The peer calls a content with this geometry `theirs`; none forgets it.
    pub(crate) fn learn(&self, theirs: TransferId, geometry: Option<Manifest>) {
        let mut known = self.geometry.lock().expect("nobody panics with the table");
        match geometry {
            Some(geometry) => known.insert(theirs, geometry),
            None => known.remove(&theirs),
        };
        drop(known);
        if geometry.is_none() {
            self.give_up(theirs, None);
        }
    }

    pub(super) fn geometry(&self, theirs: TransferId) -> Option<Manifest> {
        let known = self.geometry.lock().expect("nobody panics with the table");
        known.get(&theirs).copied()
    }
}
