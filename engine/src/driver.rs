//! The driver of one core in real time: drain, wait, handle.
//!
//! It carries what the core wants done to the sockets and the disk, and what happened there back
//! to the core. `simulator/src/host.rs` is the same in virtual time. Messages of peers, the clock
//! and people take turns: however much peers say, a deadline is late by one batch at most.

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::node::{Host, NodeEvent};

/// Events of peers and disks that are handled before the clock and people have their turn.
const BATCH: usize = 64;

/// What a driver waits for.
pub(crate) struct Inbox {
    /// What peers and disks make happen: as much as they like.
    pub(crate) peers: mpsc::Receiver<NodeEvent>,
    /// What people and the clock of the node make happen.
    pub(crate) people: mpsc::Receiver<NodeEvent>,
    /// Whether peers had the last turn.
    heard: bool,
}

/// Whose turn it is.
enum Turn {
    Peers,
    People,
    Time,
    /// Every sender of events is dropped.
    Over,
}

impl Inbox {
    pub(crate) const fn new(
        peers: mpsc::Receiver<NodeEvent>,
        people: mpsc::Receiver<NodeEvent>,
    ) -> Self {
        Self {
            peers,
            people,
            heard: false,
        }
    }

    /// Waits for the next turn. What happened is put into `batch`, which is empty.
    async fn next(&mut self, batch: &mut Vec<NodeEvent>, deadline: Option<Instant>) -> Turn {
        // Without a deadline this one is never polled.
        let time = sleep_until(deadline.unwrap_or_else(Instant::now));
        let timed = deadline.is_some();
        let (peers, people) = (&mut self.peers, &mut self.people);
        let turn = if self.heard {
            tokio::select! {
                biased;
                Some(one) = people.recv() => {
                    batch.push(one);
                    Turn::People
                }
                () = time, if timed => Turn::Time,
                count = peers.recv_many(batch, BATCH) => Turn::of(count),
            }
        } else {
            tokio::select! {
                biased;
                count = peers.recv_many(batch, BATCH) => Turn::of(count),
                Some(one) = people.recv() => {
                    batch.push(one);
                    Turn::People
                }
                () = time, if timed => Turn::Time,
            }
        };
        self.heard = matches!(turn, Turn::Peers);
        turn
    }
}

impl Turn {
    const fn of(count: usize) -> Self {
        if count == 0 { Self::Over } else { Self::Peers }
    }
}

/// Drives the core of `host` until the node has stopped.
pub(crate) async fn drive(host: &mut Host, inbox: &mut Inbox) {
    let mut batch = Vec::with_capacity(BATCH);
    while !host.has_stopped() {
        host.drain();
        match inbox.next(&mut batch, host.deadline()).await {
            Turn::Peers | Turn::People => {}
            Turn::Time => host.tick(),
            Turn::Over => return,
        }
        for event in batch.drain(..) {
            host.handle(event);
            host.drain();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::interval;

    use super::*;

    /// Peers fill the inbox faster than it is emptied. Of every three turns one is theirs, and
    /// neither a person nor a deadline waits for more than two.
    ///
    /// Register: W6.
    #[tokio::test(start_paused = true)]
    async fn a_full_inbox_keeps_neither_people_nor_the_clock_waiting() {
        let (sender, peers) = mpsc::channel(1_024);
        let (calls, people) = mpsc::channel(64);
        let mut inbox = Inbox::new(peers, people);
        let (mut batch, mut turns) = (Vec::new(), Vec::new());
        // It is over at once, in a time that stands still.
        let past = Some(interval(Duration::from_secs(1)).tick().await);
        for _ in 0..60 {
            while sender.try_send(NodeEvent::Second).is_ok() {}
            while calls.try_send(NodeEvent::Reload).is_ok() {}
            turns.push(match inbox.next(&mut batch, past).await {
                Turn::Peers => 'm',
                Turn::People => 'p',
                Turn::Time => 't',
                Turn::Over => 'o',
            });
            batch.clear();
        }
        let turns: String = turns.into_iter().collect();
        assert!(
            turns.matches('m').count() >= 30 && turns.matches('p').count() >= 20,
            "{turns}"
        );
        // And without people the clock has every second turn.
        drop(calls);
        while inbox.people.try_recv().is_ok() {}
        let mut times = 0;
        for _ in 0..60 {
            while sender.try_send(NodeEvent::Second).is_ok() {}
            let turn = inbox.next(&mut batch, past).await;
            times += u32::from(matches!(turn, Turn::Time));
            batch.clear();
        }
        assert_eq!(times, 30);
    }
}
