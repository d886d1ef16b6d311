//! Chunks of one content that wait to be written, in the order in which they came.
//!
//! A file system lets one thread write to a file at a time. Further ones would stand in its queue,
//! where some systems have them spin, so that few threads write a content however many chunks wait.
//! A content has threads of its own, because a disk that stands still concerns no other one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

/// Threads that write one content, at most: one writes while another one makes the next file.
const WRITERS_MAX: usize = 2;

/// Writes a chunk, and tells what came of it.
type Job = Box<dyn FnOnce() + Send>;

/// What waits, and who works.
#[derive(Default)]
pub(super) struct WriteQueue(Mutex<Work>);

#[derive(Default)]
struct Work {
    waiting: VecDeque<Job>,
    writers: usize,
}

impl WriteQueue {
    /// Has `job` done beside the caller, after those that came before.
    pub(super) fn push(self: &Arc<Self>, job: impl FnOnce() + Send + 'static) {
        let mut work = self.work();
        work.waiting.push_back(Box::new(job));
        if work.writers < WRITERS_MAX {
            work.writers += 1;
            let queue = Arc::clone(self);
            spawn_blocking(move || queue.empty());
        }
    }

    /// Does one job after another until none waits. One that panics takes no writer with it.
    fn empty(&self) {
        while let Some(job) = self.next() {
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; if there is none, its writer has ended.
    fn next(&self) -> Option<Job> {
        let mut work = self.work();
        let job = work.waiting.pop_front();
        work.writers -= usize::from(job.is_none());
        job
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.work().waiting.len();
        f.debug_struct("WriteQueue")
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;

    // Two jobs that wait for each other are done at once; a third one begins when one of them is.
    #[tokio::test]
    async fn two_chunks_are_written_at_once_and_no_third() {
        let queue = Arc::new(WriteQueue::default());
        let (barrier, under_way) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let (tell, told) = mpsc::channel();
        for number in 0..40 {
            let (barrier, under_way) = (Arc::clone(&barrier), Arc::clone(&under_way));
            let tell = tell.clone();
            queue.push(move || {
                let others = under_way.fetch_add(1, Ordering::SeqCst);
                barrier.wait();
                under_way.fetch_sub(1, Ordering::SeqCst);
                tell.send((number, others)).unwrap();
            });
        }
        drop(tell);
        let all = spawn_blocking(move || told.iter().collect::<Vec<_>>());
        let all = all.await.unwrap();
        assert_eq!(all.len(), 40);
        assert!(
            all.iter().all(|(_, others)| *others < WRITERS_MAX),
            "{all:?}"
        );
        let late = |(at, (number, _)): (usize, &(usize, usize))| at.abs_diff(*number) > 1;
        assert!(!all.iter().enumerate().any(late), "in turn: {all:?}");
        // Who ended is begun again, and those whose job panicked go on.
        for _ in 0..2 * WRITERS_MAX {
            queue.push(|| panic!("planted"));
        }
        let (tell, told) = mpsc::channel();
        queue.push(move || tell.send(()).unwrap());
        spawn_blocking(move || told.recv().unwrap()).await.unwrap();
    }
}
