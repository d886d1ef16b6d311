//! Commands of people: each becomes inputs of the core, or an answer from the tables.
//!
//! Decides nothing about service; refuses names that nobody has.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fairhaul_config::fault::did_you_mean;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::library::{self, Waiter};
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use tokio::task::spawn_blocking;

use super::Happening;
use super::host::Host;
use crate::clock::unix_ms;
use crate::content::path::shown;
use crate::content::scan::{Options, Scanned, Stamp, scan};
use crate::content::ticket::Ticket;
use crate::control::api::{self, Call, Failure, Nothing, Phase, Pong, Progress, Request, Shared};
use crate::store::SETTLED_S;

/// How long a ping waits for its answer.
const PING: Span = Span::from_secs(10);

/// Commands that wait for peers.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Those that wait for the outcome of a content.
    calls: BTreeMap<Waiter, Call>,
    pings: Vec<(Call, PeerId, u64, Time)>,
    numbers: u64,
}

impl Waiting {
    /// A call waits for an outcome.
    pub(super) fn add(&mut self, call: Call) -> Waiter {
        self.numbers += 1;
        let waiter = Waiter(self.numbers);
        self.calls.insert(waiter, call);
        waiter
    }

    /// A call that waits.
    pub(super) fn get(&self, waiter: Waiter) -> Option<&Call> {
        self.calls.get(&waiter)
    }

    /// A call whose wait has ended.
    pub(super) fn take(&mut self, waiter: Waiter) -> Option<Call> {
        self.calls.remove(&waiter)
    }
}

impl Host {
    /// Does what a call asks, or starts to.
    pub(super) fn call(&mut self, call: Call) {
        let path = match &call.request {
            Request::Share(share) => Some(&share.path),
            Request::Send(send) => Some(&send.path),
            Request::Get(get) => Some(&get.dir),
            _ => None,
        };
        if let Some(path) = path.filter(|path| !path.is_absolute()) {
            let got = shown(&path.to_string_lossy());
            let what = format!("path \"{got}\" is relative; allowed is one that begins with \"/\"");
            return call.fail(Failure::usage(what));
        }
        let done = match call.request.clone() {
            Request::Share(share) => {
                let chunk = share.chunk_bytes.map(ByteCount::new);
                return self.scan(call, share.path, share.ignore, chunk);
            }
            Request::Send(send) => return self.scan(call, send.path, send.ignore, None),
            Request::Get(get) => return self.get(call, &get),
            Request::Ping(ping) => return self.ping(call, &ping.peer),
            Request::Peers(_) => return call.done(&self.peer_status()),
            Request::Bans(_) => return call.done(&self.bans()),
            Request::Lift(lift) => return self.lift(call, &lift),
            Request::Status(_) => return call.done(&self.status()),
            Request::History(since) => return call.done(&self.history(since)),
            Request::Moves(_) => return call.done(&self.moves()),
            Request::Reload(_) => match self.reload() {
                Ok(reloaded) => return call.done(&reloaded),
                Err(failure) => Err(failure),
            },
            Request::Message(text) => self.say(&text.peer, text.text),
            Request::Limit(limit) => {
                let set = self.set_cap(&limit);
                return self.answer_in_force(call, &limit.target, set);
            }
            Request::Weight(weight) => {
                let set = self.set_weight(&weight);
                return self.answer_in_force(call, &weight.target, set);
            }
            Request::Band(band) => {
                let set = self.set_band(&band);
                return self.answer_in_force(call, &band.target, set);
            }
            Request::Floor(floor) => {
                let set = self.set_floor(&floor);
                return self.answer_in_force(call, &floor.target, set);
            }
            Request::Pause(transfer) => self.set_paused(transfer.id, true),
            Request::Resume(transfer) => self.set_paused(transfer.id, false),
            Request::Cancel(transfer) => {
                let number = transfer.id;
                self.about(number, library::Input::Cancel { number })
            }
            Request::Stop(_) => {
                call.done(&Nothing {});
                return self.stop();
            }
        };
        match done {
            Ok(()) => call.done(&Nothing {}),
            Err(failure) => call.fail(failure),
        }
    }

    fn set_paused(&mut self, number: u32, paused: bool) -> Result<(), Failure> {
        self.about(number, library::Input::Paused { number, paused })
    }

    fn named(&self, name: &str) -> Result<PeerId, Failure> {
        let unknown = || {
            let what = format!("peer {name} is unknown");
            let what = did_you_mean(what, name, self.peer_names());
            Failure::usage(format!("{what}; `fairhaul peers` lists them"))
        };
        self.peers.named(name).ok_or_else(unknown)
    }

    fn linked(&self, name: &str) -> Result<PeerId, Failure> {
        let peer = self.named(name)?;
        let row = self.peers.at(peer);
        match (row.standing(), &row.trouble) {
            (Standing::Connected, _) => Ok(peer),
            (Standing::Refused, Some(trouble)) => Err(Failure::new(
                Failure::IDENTITY,
                format!("peer {name} is not connected: {}", trouble.text),
            )),
            _ => Err(Failure::unreachable(format!(
                "peer {name} is not connected"
            ))),
        }
    }

    fn say(&mut self, name: &str, text: String) -> Result<(), Failure> {
        if text.len() > api::TEXT_MAX {
            let got = text.len();
            return Err(Failure::usage(format!(
                "the text has {got} bytes, allowed are {}",
                api::TEXT_MAX
            )));
        }
        let peer = self.linked(name)?;
        let text = text.into();
        self.tell(Input::Text { peer, text });
        Ok(())
    }

    fn ping(&mut self, call: Call, name: &str) {
        let peer = match self.linked(name) {
            Ok(peer) => peer,
            Err(failure) => return call.fail(failure),
        };
        self.waiting.numbers += 1;
        let number = self.waiting.numbers;
        self.waiting
            .pings
            .push((call, peer, number, self.clock.now()));
        self.tell(Input::Ping { peer, number });
    }

    /// A peer answered a ping.
    pub(super) fn ponged(&mut self, peer: PeerId, number: u64) {
        let is_it = |ping: &(Call, PeerId, u64, Time)| ping.1 == peer && ping.2 == number;
        let Some(at) = self.waiting.pings.iter().position(is_it) else {
            return;
        };
        let (call, _, _, since) = self.waiting.pings.swap_remove(at);
        let rtt = self.clock.now().since(since);
        self.peers.at_mut(peer).rtt = Some(rtt);
        let rtt_us = vec![rtt.as_nanos() / 1_000];
        call.done(&Pong { rtt_us });
    }

    // ---- sharing and sending

    /// Reads and hashes a tree, beside the driver.
    fn scan(&mut self, call: Call, path: PathBuf, ignore: Vec<String>, chunk: Option<ByteCount>) {
        if let Request::Send(send) = &call.request {
            let unknown = send.peers.iter().find_map(|name| self.named(name).err());
            if let Some(failure) = unknown {
                return call.fail(failure);
            }
        }
        let happenings = self.happenings.clone();
        let own = self.contents.own().clone();
        spawn_blocking(move || {
            let hashed = AtomicU64::new(0);
            let cancel = AtomicBool::new(false);
            let progress = |bytes: u64| {
                if call.reply.is_closed() {
                    cancel.store(true, Ordering::Relaxed);
                }
                let done_bytes = hashed.fetch_add(bytes, Ordering::Relaxed);
                call.progress(Progress {
                    phase: Phase::Hashing,
                    done_bytes: done_bytes + bytes,
                    ..Progress::default()
                });
            };
            let options = Options {
                ignore,
                skip_unportable: false,
                chunk,
                threads: None,
                progress: &progress,
                cancel: &cancel,
            };
            // A folder of the node's own is not even read; links of a file are found by the scan.
            let result = own.refuse_share(&path).and_then(|()| {
                let scanned = scan(&path, &options).map_err(|error| error.to_string())?;
                own.refuse_scanned(&scanned).map(|()| scanned)
            });
            let _ = happenings.blocking_send(Happening::Scanned(call, result));
        });
    }

    /// A tree was read: offer it.
    pub(super) fn scanned(&mut self, call: Call, result: Result<Scanned, String>) {
        let scanned = match result {
            Ok(scanned) => scanned,
            Err(why) => return call.fail(Failure::storage(why)),
        };
        let tree = Arc::new(scanned.tree);
        let id = tree.id();
        let stamps = settled(scanned.stamps, unix_ms());
        let found = self
            .contents
            .found(Arc::clone(&tree), &scanned.base, stamps);
        self.tell_library(found);
        let known = self.contents.library().find(&id);
        let number = known.expect("it was found just now").number();
        let bytes = tree.bytes();
        if let Request::Send(send) = &call.request {
            let peers = send.peers.iter().filter_map(|name| self.peers.named(name));
            let peers = peers.collect();
            let waiter = self.waiting.add(call);
            return self.tell_library(library::Input::Push {
                number,
                peers,
                waiter,
            });
        }
        let shared = Shared {
            transfer: number,
            ticket: self.ticket(number),
            content: data_encoding::HEXLOWER.encode(&id.0),
            name: tree.name().unwrap_or("tree").to_owned(),
            bytes,
            files: tree.files() as u64,
        };
        // A ticket is handed on: what it names is to outlive this run.
        let then = move |durable| match durable {
            true => call.done(&shared),
            false => call.fail(Failure::storage(
                "shared, but that cannot be written down: it holds until the node ends",
            )),
        };
        self.contents.keep(number, Some(Box::new(then)));
    }

    fn ticket(&self, number: u32) -> String {
        let Some(row) = self.contents.row(number) else {
            return String::new();
        };
        let own = (*self.doors.public().as_bytes(), self.doors.address());
        let length = row.manifest.geometry().bytes().get();
        let ticket = Ticket::new(row.id, length, vec![own]);
        let ticket = ticket.map(|ticket| ticket.with_manifest(&row.manifest.bytes()));
        ticket.map_or_else(|error| error.to_string(), |ticket| ticket.to_string())
    }

    /// Ends the pings that are not answered.
    pub(super) fn review_pings(&mut self) {
        let now = self.clock.now();
        let mut pings = std::mem::take(&mut self.waiting.pings);
        for (call, ..) in pings.extract_if(.., |ping| now.since(ping.3) >= PING) {
            call.fail(Failure::unreachable("no answer in 10 s"));
        }
        self.waiting.pings.append(&mut pings);
    }
}

/// The stamps of a scan, but for files that changed a moment before it: they may change again
/// within the same tick of the file system's clock, so their chunks are verified once more.
fn settled(stamps: Vec<Stamp>, now_ms: u64) -> Vec<Stamp> {
    let before = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX) - SETTLED_S;
    let unsettled = |stamp: Stamp| Stamp { inode: 0, ..stamp };
    let check = |stamp: Stamp| {
        if stamp.mtime_s >= before {
            unsettled(stamp)
        } else {
            stamp
        }
    };
    stamps.into_iter().map(check).collect()
}
