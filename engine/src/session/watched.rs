//! Tasks whose panic ends their session and not the node.
//!
//! A task that panics sends no more events: without this its session would keep its slot, and a
//! handshake its descriptor, until the node ends.

use std::io;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::error;

/// Runs `task`. If it panics the driver gets the event `last` in its place.
pub(crate) fn watched<E: Send + 'static>(
    task: impl Future<Output = ()> + Send + 'static,
    news: mpsc::Sender<E>,
    last: impl FnOnce(io::Error) -> E + Send + 'static,
) -> AbortHandle {
    let task = tokio::spawn(task);
    let handle = task.abort_handle();
    tokio::spawn(async move {
        if let Err(ended) = task.await
            && ended.is_panic()
        {
            error!("a task panicked: its session ends, please report this");
            let _ = news.send(last(io::Error::other("internal error"))).await;
        }
    });
    handle
}

#[cfg(test)]
mod tests {
    use fairhaul_core::id::PeerId;

    use super::*;
    use crate::session::{End, FromSession, SessionEvent, SessionId};

    const SESSION: SessionId = SessionId {
        peer: PeerId(3),
        serial: 7,
    };

    fn broken(error: io::Error) -> FromSession {
        FromSession(SESSION, SessionEvent::Ended(End::Broken(error)))
    }

    /// Register: C11.
    #[tokio::test]
    async fn a_panic_in_a_task_of_a_session_is_the_end_of_that_session() {
        let (news, mut driver) = mpsc::channel(8);
        watched(async { panic!("planted") }, news.clone(), broken);
        drop(news);
        let heard = driver.recv().await;
        assert!(matches!(
            heard,
            Some(FromSession(SESSION, SessionEvent::Ended(End::Broken(_))))
        ));
    }

    #[tokio::test]
    async fn a_task_that_ends_or_is_ended_says_nothing_more() {
        let (news, mut driver) = mpsc::channel(8);
        watched(async {}, news.clone(), broken);
        watched(std::future::pending(), news.clone(), broken).abort();
        drop(news);
        assert!(driver.recv().await.is_none());
    }
}
