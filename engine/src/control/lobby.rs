//! Places of connections over HTTP, before and after they have shown the token.
//!
//! Before it they are few and short: who has not shown it in two seconds is cut off, and a
//! newcomer takes the place of the one that has waited longest. So whoever has the token and says
//! so at once is never kept away by those who have not. After it a connection has a place that no
//! stranger can take.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How long a connection may take to show the token.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Places of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// On the local socket, and over HTTP with the token, each.
    pub callers: usize,
    /// Over HTTP before the token.
    pub unproved: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            callers: 64,
            unproved: 16,
        }
    }
}

/// All connections over HTTP.
#[derive(Debug)]
pub(super) struct Lobby {
    unproved: usize,
    visitors: AtomicU64,
    /// Those without a token, the oldest first.
    waiting: Mutex<VecDeque<(u64, AbortHandle)>>,
    proved: Arc<Semaphore>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    id: u64,
    lobby: Arc<Lobby>,
    is_proved: AtomicBool,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Lobby {
    pub(super) fn new(places: Places) -> Arc<Self> {
        Arc::new(Self {
            unproved: places.unproved.max(1),
            visitors: AtomicU64::default(),
            waiting: Mutex::default(),
            proved: Arc::new(Semaphore::new(places.callers)),
        })
    }

    /// A connection that was accepted.
    pub(super) fn visitor(self: &Arc<Self>) -> Arc<Visitor> {
        Arc::new(Visitor {
            id: self.visitors.fetch_add(1, Ordering::Relaxed),
            lobby: Arc::clone(self),
            is_proved: AtomicBool::default(),
            place: Mutex::default(),
        })
    }

    /// It is served by `task`, and whoever has waited longest goes if there are too many.
    pub(super) fn enter(&self, visitor: &Visitor, task: AbortHandle) {
        let mut waiting = self.lock();
        if visitor.is_proved() {
            return;
        }
        waiting.push_back((visitor.id, task));
        if waiting.len() > self.unproved
            && let Some((_, oldest)) = waiting.pop_front()
        {
            oldest.abort();
        }
    }

    fn forget(&self, id: u64) {
        self.lock().retain(|(other, _)| *other != id);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, AbortHandle)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    /// It has shown the token. False if all places of those who have are taken.
    pub(crate) fn prove(&self) -> bool {
        if self.is_proved() {
            return true;
        }
        let Ok(place) = Arc::clone(&self.lobby.proved).try_acquire_owned() else {
            return false;
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        let mut waiting = self.lobby.lock();
        self.is_proved.store(true, Ordering::Relaxed);
        waiting.retain(|(other, _)| *other != self.id);
        true
    }

    /// Waits until it has taken too long to show the token.
    pub(super) async fn is_late(&self) {
        sleep(SHOWN_WITHIN).await;
        if self.is_proved() {
            std::future::pending::<()>().await;
        }
    }

    fn is_proved(&self) -> bool {
        self.is_proved.load(Ordering::Relaxed)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if !self.is_proved() {
            self.lobby.forget(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    async fn waits(visitor: Arc<Visitor>) {
        visitor.is_late().await;
    }

    /// A hundred connections that say nothing, and one with the token among them.
    ///
    /// Register: O1.
    #[tokio::test(start_paused = true)]
    async fn who_shows_the_token_keeps_its_place_and_of_the_others_the_oldest_goes() {
        let places = Places {
            callers: 1,
            unproved: 4,
        };
        let lobby = Lobby::new(places);
        let mut open = JoinSet::new();
        let enter = |open: &mut JoinSet<()>| {
            let visitor = lobby.visitor();
            lobby.enter(&visitor, open.spawn(waits(Arc::clone(&visitor))));
            visitor
        };
        let mine = enter(&mut open);
        assert!(mine.prove() && mine.prove());
        for _ in 0..100 {
            enter(&mut open);
        }
        assert_eq!(lobby.lock().len(), 4);
        let other = enter(&mut open);
        assert!(!other.prove(), "there is one place for those with a token");
        let mut cut = 0;
        while lobby.lock().len() > 1 {
            let ended = open.join_next().await.unwrap();
            cut += u32::from(ended.is_err_and(|error| error.is_cancelled()));
        }
        // The last ones are late; the one with the token stays as long as it likes.
        assert!((97..=98).contains(&cut), "{cut}");
        drop((mine, other));
    }
}
