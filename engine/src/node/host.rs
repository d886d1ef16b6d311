//! The host of a core: who is connected, what moves, and where it lies.
//!
//! Decides nothing about service. It holds the tables from the core's small numbers to keys,
//! connections and files, tells the core what happened, and carries out what it wants done.

use std::collections::VecDeque;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library;
use fairhaul_core::message::{CloseCode, Message};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::{Action, Input, Node};
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Block;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use super::commands::Waiting;
use super::contents::Contents;
use super::doors::Doors;
use super::limits::Limits;
use super::paths::Paths;
use super::peers::{Link, Peers};
use super::records::Records;
use super::settings::Settings;
use super::watch::Watch;
use super::{Happening, doors};
use crate::clock::Clock;
use crate::record::Recorder;
use crate::session::{Budget, Named, Outgoing, Pool, Told};
use crate::store::{StoreError, patiently};

/// A core with its tables.
pub(crate) struct Host {
    pub(crate) core: Node,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) waiting: Waiting,
    pub(crate) peers: Peers,
    pub(crate) paths: Paths,
    pub(crate) contents: Contents,
    pub(crate) doors: Doors,
    pub(crate) watch: Watch,
    pub(crate) pool: Arc<Pool>,
    /// What peers make this node hold.
    pub(crate) budget: Arc<Budget>,
    pub(crate) happenings: mpsc::Sender<Happening>,
    /// Inputs that came up while actions were carried out.
    pub(crate) later: VecDeque<Input>,
    /// What the library is still to be told.
    pub(super) for_library: VecDeque<library::Input>,
    /// Peers that said their last message.
    pub(crate) leaving: Vec<(PeerId, String)>,
    /// The entry of the timetable in force.
    pub(crate) timetable: Option<(Option<Rate>, Option<Rate>)>,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) tables: Option<Records>,
    pub(crate) file: PathBuf,
    pub(crate) trust_first_use: bool,
    pub(crate) stopped: bool,
}

impl Host {
    /// One thing happened.
    pub(crate) fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Session(Told(seat, news)) => self.news(seat, news),
            Happening::Knock(Some((stream, from))) => self.knocked(stream, from),
            Happening::Knock(None) => self.contents.make_room(),
            Happening::Met(met) => self.met(*met),
            Happening::FirstMet(met) => self.first_met(*met),
            Happening::Wrote {
                transfer,
                chunk,
                from,
                parts,
                result,
            } => self.wrote((transfer, chunk), (from, parts), result),
            Happening::Looked(looked) => self.looked(looked),
            Happening::Named(call, get, usable) => self.get_into(call, &get, usable),
            Happening::Described(number, attempt, tree) => self.described(number, attempt, tree),
            Happening::Prepared(number, result) => self.prepared(number, result),
            Happening::Finished(number, result) => self.finished(number, result),
            Happening::Synced(number, result) => self.synced(number, result),
            Happening::Scanned(call, result) => self.scanned(call, result),
            Happening::Call(call) => self.call(call),
            Happening::Reload => {
                if let Err(failure) = self.reload() {
                    error!(%failure, "the parameter file is not read again");
                }
            }
            Happening::Stop => self.stop(),
            Happening::Second => self.second(),
        }
        self.settle();
        self.look();
    }

    /// What came up while actions were carried out, and needs the core again.
    fn settle(&mut self) {
        for (peer, why) in mem::take(&mut self.leaving) {
            if let Some(link) = self.peers.at_mut(peer).link.take() {
                self.parted(peer, &link, why);
                self.drain();
            }
        }
    }

    pub(crate) const fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// When the core wants to be told the time, or somebody is to be called.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let core = self.core.deadline(self.clock.now());
        let all = [core, self.doors.ready_at(), self.look_at()];
        all.into_iter().flatten().min()
    }

    /// The deadline has come.
    pub(crate) fn tick(&mut self) {
        self.tell(Input::Tick);
        self.dial();
        self.look();
    }

    /// Exactly one thing happened. The core's answers wait to be drained.
    pub(crate) fn tell(&mut self, input: Input) {
        self.hand_over(input);
        self.drain();
    }

    pub(super) fn hand_over(&mut self, input: Input) {
        let now = self.clock.now();
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.input(&input, now)
        {
            error!(%error, "the log of inputs ends here");
            self.recorder = None;
        }
        self.core.handle(input, now);
    }

    /// Carries out what core and library want done, until there is nothing left.
    pub(crate) fn drain(&mut self) {
        loop {
            while let Some(action) = self.core.poll() {
                if let Some(recorder) = &mut self.recorder {
                    recorder.action(&action);
                }
                self.carry(action);
            }
            // Told one at a time: each has its own answers.
            if let Some(input) = self.later.pop_front() {
                self.hand_over(input);
            } else if let Some(action) = self.contents.poll() {
                self.carry_library(action);
            } else if let Some(input) = self.for_library.pop_front() {
                let now = self.clock.now();
                self.contents.handle(input, &self.core, now);
            } else {
                return;
            }
        }
    }

    pub(super) fn carry(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => self.send(peer, message),
            Action::Upload(block) => self.upload(block),
            Action::Store {
                transfer,
                chunk,
                from,
                parts,
            } => self.store(transfer, chunk, from, parts),
            Action::Resume {
                peer,
                transfer,
                chunk,
                of,
            } => self.resume(peer, (transfer, chunk), of),
            Action::Discard {
                transfer,
                chunk,
                from,
            } => self.discard(transfer, chunk, from),
            Action::Name {
                peer,
                theirs,
                transfer,
            } => self.name_transfer(peer, theirs, transfer),
            Action::Close { peer, why } => self.close(peer, why),
            Action::Notify(event) => self.notice(event),
        }
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        let Some(link) = self.peers.link(peer) else {
            return;
        };
        link.say(peer, message);
        if self.budget.books().is_deaf(peer) {
            self.part(peer, CloseCode::Overload, "too much waits to be read");
        }
    }

    /// Reads a block and queues it. The reading starts now, so that the next block is at hand
    /// when the last one has left.
    fn upload(&mut self, block: Block) {
        let gone = self.peers.link(block.peer).is_none();
        let Some(shelf) = self.contents.shelf(block.transfer).filter(|_| !gone) else {
            // The core hears of what is gone on another way; the window is given back here.
            let (peer, len) = (block.peer, block.len);
            self.later.push_back(Input::Sent { peer, len });
            return;
        };
        let bytes = tokio::spawn(shelf.read_block(block, Arc::clone(&self.pool)));
        if block.transfer.0.is_multiple_of(2)
            && let Some(row) = self.contents.row_mut(block.transfer.0 / 2)
        {
            row.counts.sent += block.len.get();
        }
        self.watch
            .moved(block.peer, block.transfer.0 / 2, block.len.get(), 0);
        let link = self.peers.link(block.peer).expect("looked up above");
        // If its task has ended, the news of that is on its way.
        let _ = link.outgoing.send(Outgoing::Block {
            transfer: block.transfer,
            chunk: block.chunk,
            offset: block.offset,
            len: block.len,
            bytes,
        });
    }

    /// A chunk is whole: verify it, and write it if it is right.
    fn store(
        &mut self,
        transfer: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        parts: Vec<(PeerId, ByteCount)>,
    ) {
        let shelf = self.contents.shelf(transfer);
        let content = self.contents.moved_as(transfer);
        let link = self.peers.link(from).zip(content);
        let arrival = link.and_then(|(link, content)| link.shared.whole(content, chunk.get()));
        let (Some(shelf), Some(arrival)) = (shelf, arrival) else {
            // Without its bytes, or a place for them, it has to come again; nobody is to blame.
            warn!(
                transfer = transfer.0,
                chunk = chunk.get(),
                "a chunk came without its bytes"
            );
            self.later.push_back(Input::Lost { transfer, chunk });
            return;
        };
        if !shelf.expects(chunk, &arrival.hash) {
            self.watch.metrics.chunks_rejected.inc();
            self.pool.put(arrival.bytes);
            self.later.push_back(Input::Rejected {
                transfer,
                chunk,
                from,
            });
            return;
        }
        let senders = parts.iter().map(|(peer, _)| *peer).collect();
        self.for_library
            .push_back(library::Input::Writing { transfer, senders });
        let pool = Arc::clone(&self.pool);
        let happenings = self.happenings.clone();
        spawn_blocking(move || {
            let write = || shelf.write(chunk, &arrival.bytes);
            let result = patiently(write, StoreError::is_out);
            pool.put(arrival.bytes);
            drop(arrival.held);
            let wrote = Happening::Wrote {
                transfer,
                chunk,
                from,
                parts,
                result,
            };
            // The node has stopped: nobody counts chunks any more.
            let _ = happenings.blocking_send(wrote);
        });
    }

    /// A peer is asked for the rest of a chunk. If what is there of it is not, it turns out when
    /// the rest has come, and all of it is fetched again.
    fn resume(&self, peer: PeerId, (transfer, chunk): (TransferId, ChunkIndex), of: PeerId) {
        let link = self.peers.link(peer);
        let Some((content, link)) = self.contents.moved_as(transfer).zip(link) else {
            return;
        };
        let key = (content, chunk.get(), of);
        let first = self.peers.link(of).and_then(|of| of.shared.take(key));
        let mut others = self.peers.linked();
        let partial = first
            .or_else(|| self.pool.kept(key))
            .or_else(|| others.find_map(|(_, other)| other.shared.take(key)));
        if let Some(partial) = partial {
            link.shared.resume(partial);
        }
    }

    /// What came of a chunk is of no use any more.
    fn discard(&self, transfer: TransferId, chunk: ChunkIndex, from: PeerId) {
        let Some(content) = self.contents.moved_as(transfer) else {
            return;
        };
        let key = (content, chunk.get(), from);
        let first = self.peers.link(from);
        if first.is_some_and(|link| link.shared.discard(key)) | self.pool.discard(key) {
            return;
        }
        // They may wait where another was to go on with them.
        for (_, link) in self.peers.linked() {
            if let Some(partial) = link.shared.take(key) {
                return self.pool.put(partial.bytes);
            }
        }
    }

    /// What a peer calls `theirs` is one of our transfers from now on, or none.
    fn name_transfer(&self, peer: PeerId, theirs: TransferId, transfer: Option<TransferId>) {
        let Some(link) = self.peers.link(peer) else {
            return;
        };
        let named = transfer.and_then(|ours| {
            Some(Named {
                content: self.contents.moved_as(ours)?,
                geometry: self.contents.shelf(ours)?.geometry(),
                ours,
            })
        });
        match named {
            Some(named) => link.shared.learn(theirs, named),
            None => link.shared.forget(theirs),
        }
    }

    /// The core wants no more of a peer.
    pub(super) fn close(&mut self, peer: PeerId, why: Misbehaviour) {
        let row = self.peers.at(peer);
        if row.link.is_none() {
            return;
        }
        warn!(peer = %row.name, why = %why, "closing");
        self.watch.closed(why);
        let code = CloseCode::from(why);
        if !why.is_lie() {
            return self.part(peer, code, &why.to_string());
        }
        // It is cut off now; the word of why waits for the disk.
        let Some(link) = self.peers.at_mut(peer).link.take() else {
            return;
        };
        let last = last_word(code, &why.to_string());
        let outgoing = link.outgoing.clone();
        let then = move |_| drop(outgoing.send(last));
        self.ban(peer, why, Box::new(then));
        self.parted(peer, &link, format!("{code:?}"));
    }

    /// Says why, and ends the session with a peer.
    pub(crate) fn part(&mut self, peer: PeerId, code: CloseCode, text: &str) {
        let Some(link) = self.peers.at_mut(peer).link.take() else {
            return;
        };
        let _ = link.outgoing.send(last_word(code, text));
        self.parted(peer, &link, format!("{code:?}"));
    }

    /// Every way in which a session ends comes through here, once.
    pub(crate) fn parted(&mut self, peer: PeerId, link: &Link, reason: String) {
        link.shared.end();
        self.later.push_back(Input::Disconnected { peer });
        self.unseat(peer, link);
        let name = self.peers.at(peer).name.clone();
        self.watch.lost(name, reason);
    }
}

fn last_word(code: CloseCode, text: &str) -> Outgoing {
    let text = doors::short(text);
    Outgoing::Close(Message::Close { code, text })
}
