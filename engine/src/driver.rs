//! The driver of one core in real time: drain, wait, handle.
//!
//! Decides nothing. It carries what the core wants done to the sockets and the disk, and what
//! happened there back to the core. `simulator/src/host.rs` is the same in virtual time.

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::node::{Happening, Host};

/// Happenings handled before the core's own clock is looked at again.
const BATCH: usize = 64;

/// Drives the core of `host` until the node has stopped.
pub(crate) async fn drive(host: &mut Host, happenings: &mut mpsc::Receiver<Happening>) {
    let mut batch = Vec::with_capacity(BATCH);
    while !host.has_stopped() {
        host.drain();
        if let Some(deadline) = host.deadline() {
            let instant = Instant::from_std(host.clock.instant(deadline));
            tokio::select! {
                biased;
                count = happenings.recv_many(&mut batch, BATCH) => if count == 0 { return },
                () = sleep_until(instant) => host.tick(),
            }
        } else if happenings.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        for happening in batch.drain(..) {
            host.handle(happening);
            host.drain();
        }
    }
}
