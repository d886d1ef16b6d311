//! A request inside the node, and the channel of its replies.
//!
//! The node never waits for a reader: progress is dropped when the channel is full, the end has a
//! place of its own.

use fairhaul_client::api::{CommandProgress, ControlRequest, Failure, Reply};
use serde::Serialize;
use tokio::sync::mpsc;

/// Replies of one call that may wait to be read. The last place is kept for the end.
pub const REPLIES_MAX: usize = 16;

/// A request on its way to the node, and the channel of its replies.
///
/// The node never waits for who reads them: see [`Call::progress`]. `reply.closed()` says when
/// nobody reads any more; a transfer goes on then, and reading what is to be offered ends.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: ControlRequest,
    /// A channel of [`REPLIES_MAX`] places.
    pub reply: mpsc::Sender<Reply>,
}

impl Call {
    /// A call, and the end that its replies come out of.
    #[must_use]
    pub fn new(request: ControlRequest) -> (Self, mpsc::Receiver<Reply>) {
        let (reply, replies) = mpsc::channel(REPLIES_MAX);
        (Self { request, reply }, replies)
    }

    /// Tells how far it is. A reader that is behind misses some of these; the last place is
    /// kept for the end, so that the end is never lost.
    pub fn progress(&self, progress: CommandProgress) {
        if self.reply.capacity() > 1 {
            // A reader that is gone needs no progress.
            let _ = self.reply.try_send(Reply::Progress(progress));
        }
    }

    /// Ends it with the answer that [`ControlRequest`] names.
    pub fn done(self, answer: &impl Serialize) {
        let reply = serde_json::to_value(answer).map_or_else(
            |error| Reply::Failed(Failure::error(format!("the answer is no JSON: {error}"))),
            Reply::Done,
        );
        let _ = self.reply.try_send(reply);
    }

    /// Ends it with a failure.
    pub fn fail(self, failure: Failure) {
        let _ = self.reply.try_send(Reply::Failed(failure));
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_client::api::Nothing;

    use super::*;

    #[test]
    fn the_end_of_a_call_arrives_however_much_progress_came_before_it() {
        let (call, mut replies) = Call::new(ControlRequest::Stop(Nothing {}));
        for done_bytes in 0..1_000 {
            call.progress(CommandProgress {
                done_bytes,
                ..CommandProgress::default()
            });
        }
        call.done(&Nothing {});
        let mut last = None;
        let mut count = 0;
        while let Ok(reply) = replies.try_recv() {
            last = Some(reply);
            count += 1;
        }
        assert_eq!(last, Some(Reply::Done(serde_json::json!({}))));
        assert_eq!(count, REPLIES_MAX);
    }
}
