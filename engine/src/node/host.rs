//! The host of a core: feeds events to the core, and hands the actions of core and library to
//! their owners.
//!
//! Connections, contents, control and statistics are owners with private state. The host decides
//! nothing, and keeps only the core and the queue of its inputs.

use std::sync::Arc;
use std::time::Duration;

use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::LibraryInput;
use fairhaul_core::node::Input;
use fairhaul_core::units::ByteCount;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::{error, warn};

use super::connections::Connections;
use super::contents::Contents;
use super::control::Control;
use super::control::event::Answer;
use super::control::others::Others;
use super::event::NodeEvent;
use super::inputs::PendingInputs;
use super::recorded::Recorded;
use super::stats::Stats;
use crate::clock::Clock;
use crate::control::api::{Call, ControlRequest, Failure};
use crate::session::{FromSession, Heard, LAST_WORDS, SessionEvent, SessionId};

mod carry;

/// A core and the owners that carry out its actions.
pub(crate) struct Host {
    core: Recorded,
    clock: Clock,
    inputs: PendingInputs,
    connections: Connections,
    contents: Contents,
    control: Control,
    stats: Stats,
    stopped: bool,
}

impl Host {
    pub(super) fn new(
        (core, clock): (Recorded, Clock),
        connections: Connections,
        contents: Contents,
        control: Control,
        stats: Stats,
    ) -> Self {
        Self {
            core,
            clock,
            inputs: PendingInputs::default(),
            connections,
            contents,
            control,
            stats,
            stopped: false,
        }
    }

    /// Gives the core the settings of the parameter file, restores trusted keys, and takes up the
    /// contents of earlier runs.
    pub(super) fn start(&mut self) {
        self.control(Control::take_over);
        self.drain();
        self.connections.start(self.clock.now());
        match self.contents.kept() {
            Ok(all) => {
                for old in all {
                    match old {
                        Ok(old) => {
                            let known = self.contents.remember(old);
                            self.inputs.library(known);
                            self.drain();
                        }
                        Err(why) => warn!(why, "an earlier content is left alone"),
                    }
                }
            }
            Err(error) => warn!(%error, "earlier contents cannot be listed"),
        }
        self.control(Control::timetable);
        self.drain();
        self.connections.dial(self.clock.now());
    }

    /// Where the node listens.
    pub(super) fn listening(&self) -> String {
        self.connections.access().listening().to_string()
    }

    /// What wakes the task that accepts callers.
    pub(super) fn room(&self) -> Arc<Notify> {
        self.connections.room()
    }

    /// One thing happened.
    pub(crate) fn handle(&mut self, event: NodeEvent) {
        let now = self.clock.now();
        match event {
            NodeEvent::Session(FromSession(session, news)) => self.session(session, news),
            NodeEvent::Connection(event) => {
                self.connections.happened(event, &mut self.inputs, now);
            }
            NodeEvent::Crowded => self.contents.make_room(),
            NodeEvent::Disk(event) => {
                let opens = event.opens();
                self.contents.disk(event, &mut self.inputs);
                self.drain();
                opens
                    .into_iter()
                    .for_each(|number| self.contents.close_unused(number));
            }
            NodeEvent::Answer(Answer::Named(call, get, usable)) => {
                self.control(|control, others| control.get_into(call, &get, usable, others));
            }
            NodeEvent::Answer(Answer::Scanned(call, result)) => {
                let found = self.control(|control, others| control.scanned(call, result, others));
                if let Some((call, shared)) = found {
                    self.drain();
                    self.control(|control, others| control.shared(call, shared, others));
                }
            }
            NodeEvent::Call(call) => self.call(call),
            NodeEvent::Reload => {
                let reloaded = self.control(Control::reload);
                if let Err(failure) = reloaded {
                    error!(%failure, "the parameter file is not read again");
                }
            }
            NodeEvent::Stop => self.stop(),
            NodeEvent::Second => self.second(),
        }
        self.drain();
        self.connections.settle(&mut self.inputs, self.clock.now());
        self.drain();
        self.look();
    }

    pub(crate) const fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// When the core needs its next tick, or a peer is to be dialled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_busy = self.core.node().uplink().is_busy();
        let core = self.core.node().deadline(self.clock.now());
        let connections = &self.connections;
        let all = [core, connections.ready_at(), connections.look_at(is_busy)];
        let first = all.into_iter().flatten().min();
        first.map(|at| Instant::from_std(self.clock.instant(at)))
    }

    /// The deadline has come.
    pub(crate) fn tick(&mut self) {
        self.tell(Input::Tick);
        self.connections.dial(self.clock.now());
        self.look();
    }

    /// Exactly one thing happened: feeds it to core and library, and carries out their actions.
    fn tell(&mut self, input: Input) {
        self.core.handle(input, self.clock.now());
        self.drain();
    }

    /// Tells the core what connections have measured, if it is time for that.
    fn look(&mut self) {
        let is_busy = self.core.node().uplink().is_busy();
        let now = self.clock.now();
        self.connections.look(is_busy, &mut self.inputs, now);
        self.drain();
    }

    /// Lets the control act on the others. What comes of it waits to be drained.
    pub(super) fn control<T>(&mut self, act: impl FnOnce(&mut Control, &mut Others<'_>) -> T) -> T {
        let mut others = Others {
            core: self.core.node(),
            connections: &mut self.connections,
            contents: &mut self.contents,
            stats: &mut self.stats,
            inputs: &mut self.inputs,
            now: self.clock.now(),
        };
        act(&mut self.control, &mut others)
    }

    fn call(&mut self, call: Call) {
        let stops = matches!(call.request, ControlRequest::Stop(_));
        self.control(|control, others| control.call(call, others));
        if stops {
            self.stop();
        }
    }

    /// A second has passed.
    fn second(&mut self) {
        let now = self.clock.now();
        let links = self.connections.links().iter();
        let linked: Vec<PeerId> = links.map(|(peer, _)| peer).collect();
        for peer in linked {
            // Contents that are gone here took bitfields of theirs with them.
            let claimed = self.core.node().claimed(peer);
            self.connections.links_mut().count_claims(peer, claimed);
        }
        self.stats.second(self.connections.links().held(), now);
        self.contents.second(&mut self.inputs, now);
        let standings = self.connections.standings();
        self.inputs.library(LibraryInput::Tick { standings });
        self.drain();
        self.control(|control, others| control.report(others));
        let (peers, links) = (self.connections.peers(), self.connections.links());
        let core = self.core.node();
        self.stats.note_windows(peers, links, core, now);
        self.connections.second(now);
        self.control(Control::second);
    }

    // ---- what sessions tell

    /// Handles a session event. Events of a replaced session are dropped.
    fn session(&mut self, session: SessionId, news: SessionEvent) {
        if !self.connections.links().is_current(session) {
            return;
        }
        let peer = session.peer;
        match news {
            SessionEvent::Heard {
                heard, received, ..
            } => self.heard(peer, heard, &received),
            SessionEvent::Sent {
                transfer,
                len,
                beside,
            } => {
                self.stats.sent(peer, len, beside);
                self.tell(Input::Sent { peer, len });
                if beside > 0 {
                    let len = ByteCount::new(beside);
                    let transfer = Some(transfer);
                    self.tell(Input::Overhead {
                        peer,
                        transfer,
                        len,
                    });
                }
            }
            SessionEvent::Stalled => self.tell(Input::Stalled { peer }),
            SessionEvent::Unreadable {
                transfer,
                chunk,
                len,
                why,
            } => {
                self.tell(Input::Sent { peer, len });
                if let Some(trouble) = self.contents.changed(transfer, &why) {
                    self.stats.trouble(transfer.0 / 2, trouble);
                }
                self.tell(match self.contents.fetches_again(transfer) {
                    true => Input::Lost { transfer, chunk },
                    false => Input::Withdraw { transfer, chunk },
                });
            }
            SessionEvent::Ended(end) => {
                let now = self.clock.now();
                self.connections.ended(peer, end, &mut self.inputs, now);
            }
        }
    }

    fn heard(&mut self, peer: PeerId, heard: Vec<Heard>, received: &[(Option<TransferId>, u64)]) {
        let now = self.clock.now();
        for &(transfer, bytes) in received {
            // Late blocks of a content that was forgotten count for their peer alone.
            let transfer = transfer.filter(|of| self.contents.at(of.0 / 2).is_some());
            self.stats.received(peer, transfer, bytes, now);
            if let Some(transfer) = transfer {
                self.inputs.library(LibraryInput::Received { transfer });
            }
        }
        for one in heard {
            // An offence among these ends the session: the rest counts no longer.
            if !self.connections.links().has(peer) {
                break;
            }
            self.tell(match one {
                Heard::Skipped => Input::Skipped { peer },
                Heard::Message(message) => Input::Message { peer, message },
            });
        }
        let core = self.core.node();
        if let Some(until) = core.lull(peer) {
            let until = Instant::from_std(self.clock.instant(until));
            self.connections.links().hush(peer, until);
        }
        let claimed = core.claimed(peer);
        self.connections.links_mut().count_claims(peer, claimed);
    }

    /// Carries out what core and library want done, until there is nothing left.
    pub(crate) fn drain(&mut self) {
        loop {
            while let Some(action) = self.core.poll() {
                self.carry(action);
            }
            // One message at a time: each has its own answers.
            if let Some(input) = self.inputs.next_of_core() {
                self.core.handle(input, self.clock.now());
            } else if let Some(action) = self.contents.poll() {
                self.carry_library(action);
            } else if let Some(input) = self.inputs.next_of_library() {
                let now = self.clock.now();
                self.contents.handle(input, self.core.node(), now);
            } else {
                return;
            }
        }
    }

    // ---- the end

    /// Closes every session; the driver ends after this.
    fn stop(&mut self) {
        let now = self.clock.now();
        self.connections.stop(&mut self.inputs, now);
        self.stopped = true;
    }

    /// Makes durable what has arrived, and ends the logs.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        let digest = self.core.end()?;
        let (peers, links) = (self.connections.peers(), self.connections.links());
        let now = self.clock.now();
        self.stats
            .end_tables(peers, links, digest.as_deref(), now)?;
        let stores = self.contents.filled();
        let synced = spawn_blocking(move || {
            for store in stores {
                if let Err(error) = store.sync() {
                    warn!(%error, "not everything that arrived is durable");
                }
            }
        });
        // Two seconds of the five that a stop may take (O4). What was said last is on its way
        // meanwhile: the process would end before it.
        let told = timeout(LAST_WORDS, self.connections.all_ended());
        let _ = tokio::join!(timeout(Duration::from_secs(2), synced), told);
        // Waits for pending writes, while signals are still handled.
        let _ = spawn_blocking(move || drop(self)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_core::id::{PeerId, TransferId};

    use crate::node::tests::rig::{Place, until_connected};

    /// A peer may send what was cancelled for as long as it likes: no memory of ours grows by it.
    #[tokio::test]
    async fn late_blocks_of_a_forgotten_content_count_for_their_peer_alone() {
        let (a, b) = (Place::new(), Place::new());
        let (of_a, of_b) = (b.listed("b", ""), a.listed("a", &a.address()));
        let (mut a, mut b) = (a.node("a", &of_a), b.node("b", &of_b));
        until_connected(&mut a, &mut b).await;
        let peer: PeerId = b.host.connections.links().iter().next().unwrap().0;
        let before = b.host.stats.traffic(peer).down;
        for number in 1..100 {
            let late = [(Some(TransferId(number * 2)), 10)];
            b.host.heard(peer, Vec::new(), &late);
        }
        assert_eq!(b.host.stats.traffic(peer).down, before + 990);
        assert_eq!(b.host.stats.flows().count(), 0);
        assert_eq!(b.host.stats.counts(7).first_byte, None);
    }
}
