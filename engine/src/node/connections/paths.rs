//! Samples what connections measure, for the core that finds the cap of the uplink from it.
//!
//! Connections are sampled only while something is sent. If the system does not answer, no cap is
//! found, and the log reports that once.

use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::uplink::PathSample;
use tracing::warn;

use super::links::Links;
use super::tcp_info::Probe;

/// Between two looks: a cap that is a few percent too high fills a queue of 5 ms in about 200.
const EVERY: Span = Span::from_millis(50);

/// Whether connections are looked at, and when next.
#[derive(Debug, Default)]
pub(super) struct Paths {
    probe: Option<Probe>,
    next: Time,
}

impl Paths {
    /// Starts or stops sampling connections. Returns the input for the core.
    pub(super) fn set(&mut self, wanted: bool) -> Option<Input> {
        if wanted == self.probe.is_some() {
            return None;
        }
        self.probe = None;
        if wanted {
            match Probe::new() {
                Ok(probe) => self.probe = Some(probe),
                Err(error) => {
                    warn!(%error, "the system does not tell round trips: no cap is found");
                    return None;
                }
            }
        }
        Some(Input::FindCap { on: wanted })
    }

    /// When connections are to be looked at next; none while nothing is sent.
    pub(super) fn look_at(&self, is_busy: bool) -> Option<Time> {
        (is_busy && self.probe.is_some()).then_some(self.next)
    }

    /// What the connections have measured, if it is time to look.
    pub(super) fn look(&mut self, is_busy: bool, links: &Links, now: Time) -> Option<Input> {
        let due = self.look_at(is_busy).is_some_and(|at| at <= now);
        let probe = self.probe.as_mut().filter(|_| due)?;
        self.next = now.saturating_add(EVERY);
        let mut paths = Vec::new();
        for (peer, link) in links.iter() {
            // One that was closed meanwhile is not found, and soon gone here too.
            let measured = link.local.and_then(|at| probe.ask(at, link.remote).ok());
            paths.extend(measured.map(|measured| PathSample {
                peer,
                rtt: measured.rtt,
                least: measured.least,
                acked: measured.acked,
            }));
        }
        let paths = paths.into_boxed_slice();
        Some(Input::Paths { paths })
    }
}
