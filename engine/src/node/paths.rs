//! What the connections measure, for the core that finds the cap of the uplink from it.
//!
//! Decides how often they are looked at: only while something is sent. Refuses to guess: where
//! the system does not answer, no cap is found, and the log says so once.

use fairhaul_config::amount::UploadLimit;
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::{PathSample, Target};
use tracing::warn;

use super::host::Host;
use super::probe::Probe;

/// Between two looks: a cap that is a few percent too high fills a queue of 5 ms in about 200.
const EVERY: Span = Span::from_millis(50);

/// Whether connections are looked at, and when next.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    probe: Option<Probe>,
    next: Time,
}

impl Host {
    /// Looks at connections from now on, or no longer, as the parameters say.
    pub(super) fn find_cap(&mut self) {
        let wanted = self.settings.params.limits.upload == UploadLimit::Auto;
        if wanted == self.paths.probe.is_some() {
            return;
        }
        self.paths.probe = None;
        if wanted {
            match Probe::new() {
                Ok(probe) => self.paths.probe = Some(probe),
                Err(error) => {
                    warn!(%error, "the system does not tell round trips: no cap is found");
                    return;
                }
            }
        }
        self.tell(Input::FindCap { on: wanted });
    }

    /// When connections are to be looked at next; none while nothing is sent.
    pub(super) fn look_at(&self) -> Option<Time> {
        let busy = self.paths.probe.is_some() && self.core.uplink().is_busy();
        busy.then_some(self.paths.next)
    }

    /// Tells the core what the connections have measured, if it is time for that.
    pub(super) fn look(&mut self) {
        let now = self.clock.now();
        if self.look_at().is_none_or(|at| now < at) {
            return;
        }
        self.paths.next = now.saturating_add(EVERY);
        let Some(probe) = &mut self.paths.probe else {
            return;
        };
        let mut paths = Vec::new();
        for (peer, link) in self.peers.linked() {
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
        self.tell(Input::Paths { paths });
    }

    /// The cap of the node that holds: the lower one of what was told and what was found.
    pub(super) fn node_cap(&self) -> Option<Rate> {
        let told = self.limits.of(Target::Node).cap;
        let found = self.core.uplink().found_cap();
        told.into_iter().chain(found).min()
    }
}
