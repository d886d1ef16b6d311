//! The core of a node, and the log of its inputs if one is kept.

use fairhaul_core::node::{Action, Input, Node};
use fairhaul_core::time::Time;
use tracing::{error, info};

use crate::control::api::Failure;
use crate::record::Recorder;

/// A core of which every input and every action is written down, if that is wanted.
pub(crate) struct Recorded {
    node: Node,
    log: Option<Recorder>,
}

impl Recorded {
    pub(crate) const fn new(node: Node, log: Option<Recorder>) -> Self {
        Self { node, log }
    }

    /// What the core knows.
    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }

    /// Exactly one thing happened. The answers wait to be polled.
    pub(crate) fn handle(&mut self, input: Input, now: Time) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.input(&input, now)
        {
            error!(%error, "the log of inputs ends here");
            self.log = None;
        }
        self.node.handle(input, now);
    }

    /// The next thing to do, until there is none.
    pub(crate) fn poll(&mut self) -> Option<Action> {
        let action = self.node.poll()?;
        if let Some(log) = &mut self.log {
            log.action(&action);
        }
        Some(action)
    }

    /// Ends the log of inputs. Its digest.
    pub(crate) fn end(&mut self) -> Result<Option<String>, Failure> {
        let Some(log) = self.log.take() else {
            return Ok(None);
        };
        let failed = |error| Failure::storage(format!("log of inputs: {error}"));
        let digest = log.finish().map_err(failed)?;
        info!(digest, "recorded");
        Ok(Some(digest))
    }
}
