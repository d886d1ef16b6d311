//! Commands of people: each becomes inputs of core and library, or an answer from the node's state.
//!
//! Longer than other files: a method for each command, and all of them share who waits for an
//! answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fairhaul_config::fault::did_you_mean;
use fairhaul_config::text::key_bytes;
use fairhaul_core::connections::Key;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::library::{LibraryInput, WaitOutcome, Waiter};
use fairhaul_core::node::Input;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Limit, Target};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::warn;

use self::event::Answer;
use self::limits::Limits;
use self::others::Others;
use self::settings::Settings;
use self::view::View;
use self::waiting::Waiting;
use super::connections::access::Access;
use super::contents::own::Own;
use super::event::NodeEvent;
use crate::clock::unix_ms;
use crate::content::line::Line;
use crate::content::path::shown;
use crate::content::scan::{Options, Scanned, Stamp, scan};
use crate::content::ticket::ContentTicket;
use crate::control::api::{
    self, Call, CommandProgress, ControlRequest, Failure, Lifted, Nothing, Phase, Shared,
};
use crate::store::SETTLED_S;

pub(crate) mod event;
mod limit_commands;
mod limits;
pub(crate) mod others;
mod outcomes;
mod reload;
pub(crate) mod settings;
mod status;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

/// Settings in force, from the parameter file and from commands, and calls that wait for an answer.
pub(crate) struct Control {
    settings: Settings,
    /// The parameter file, for reading it again.
    file: PathBuf,
    limits: Limits,
    /// The entry of the timetable in force: caps of the uplink and of the downlink.
    timetable: Option<(Option<Rate>, Option<Rate>)>,
    waiting: Waiting,
    /// What the node keeps for itself on disk.
    own: Own,
    events: mpsc::Sender<NodeEvent>,
}

impl Control {
    /// Control of a node without calls yet.
    pub(crate) fn new(
        settings: Settings,
        file: PathBuf,
        own: Own,
        events: mpsc::Sender<NodeEvent>,
    ) -> Self {
        Self {
            settings,
            file,
            limits: Limits::default(),
            timetable: None,
            waiting: Waiting::default(),
            own,
            events,
        }
    }

    /// What holds for a transfer, or anything else that can be limited.
    pub(crate) fn limit(&self, target: Target) -> Limit {
        self.limits.of(target)
    }

    fn view<'a>(&'a self, others: &'a Others<'_>) -> View<'a> {
        View {
            core: others.core,
            connections: others.connections,
            contents: others.contents,
            stats: others.stats,
            settings: &self.settings,
            limits: &self.limits,
            waiting: &self.waiting,
            now: others.now,
        }
    }

    /// Does what a call asks, or starts to.
    pub(crate) fn call(&mut self, call: Call, others: &mut Others<'_>) {
        let path = match &call.request {
            ControlRequest::Share(share) => Some(&share.path),
            ControlRequest::Send(send) => Some(&send.path),
            ControlRequest::Get(get) => Some(&get.dir),
            _ => None,
        };
        if let Some(path) = path.filter(|path| !path.is_absolute()) {
            let got = shown(&path.to_string_lossy());
            let what = format!("path \"{got}\" is relative; allowed is one that begins with \"/\"");
            return call.fail(Failure::usage(what));
        }
        let done = match call.request.clone() {
            ControlRequest::Share(share) => {
                let chunk = share.chunk_bytes.map(ByteCount::new);
                return self.scan(call, share.path, share.ignore, chunk);
            }
            ControlRequest::Send(send) => return self.send(call, send, others),
            ControlRequest::Get(get) => return self.get(call, get, others),
            ControlRequest::Ping(ping) => return self.ping(call, &ping.peer, others),
            ControlRequest::Lift(lift) => return lift_bans(call, &lift.whose, others),
            ControlRequest::Peers(_) => return call.done(&self.view(others).peer_status()),
            ControlRequest::Bans(_) => return call.done(&self.view(others).bans()),
            ControlRequest::Status(_) => return call.done(&self.view(others).status()),
            ControlRequest::History(since) => return call.done(&self.view(others).history(since)),
            ControlRequest::Moves(_) => return call.done(&self.view(others).moves()),
            ControlRequest::Reload(_) => match self.reload(others) {
                Ok(reloaded) => return call.done(&reloaded),
                Err(failure) => Err(failure),
            },
            ControlRequest::Message(text) => say(&text.peer, text.text, others),
            ControlRequest::InForce(asked) => {
                return self.answer_in_force(call, &asked.target, Ok(()), others);
            }
            ControlRequest::Limit(limit) => {
                let set = self.set_cap(&limit, others);
                return self.answer_in_force(call, &limit.target, set, others);
            }
            ControlRequest::Weight(weight) => {
                let set = self.set_weight(&weight, others);
                return self.answer_in_force(call, &weight.target, set, others);
            }
            ControlRequest::Band(band) => {
                let set = self.set_band(&band, others);
                return self.answer_in_force(call, &band.target, set, others);
            }
            ControlRequest::Floor(floor) => {
                let set = self.set_floor(&floor, others);
                return self.answer_in_force(call, &floor.target, set, others);
            }
            ControlRequest::Pause(transfer) => set_paused(transfer.id, true, others),
            ControlRequest::Resume(transfer) => set_paused(transfer.id, false, others),
            ControlRequest::Cancel(transfer) => {
                let number = transfer.id;
                about(number, LibraryInput::Cancel { number }, others)
            }
            // The node ends after this one: its host does that.
            ControlRequest::Stop(_) => Ok(()),
        };
        match done {
            Ok(()) => call.done(&Nothing {}),
            Err(failure) => call.fail(failure),
        }
    }

    // ---- waiting

    /// A wait for a content has ended.
    pub(crate) fn end_wait(
        &mut self,
        (waiter, number): (Waiter, u32),
        outcome: WaitOutcome,
        others: &Others<'_>,
    ) {
        if let Some(call) = self.waiting.take(waiter) {
            self.view(others).answer(call, number, outcome);
        }
    }

    fn ping(&mut self, call: Call, name: &str, others: &mut Others<'_>) {
        let peer = match linked(name, others) {
            Ok(peer) => peer,
            Err(failure) => return call.fail(failure),
        };
        let number = self.waiting.ping(call, peer, others.now);
        others.inputs.core(Input::Ping { peer, number });
    }

    /// A peer answered a ping.
    pub(crate) fn ponged(&mut self, peer: PeerId, number: u64, others: &mut Others<'_>) {
        if let Some(rtt) = self.waiting.ponged(peer, number, others.now) {
            others.connections.ponged(peer, rtt);
        }
    }

    /// A second has passed: waiting calls get their progress.
    pub(crate) fn report(&self, others: &Others<'_>) {
        let view = self.view(others);
        for (content, _) in view.contents.iter() {
            view.report(content);
        }
        view.report_pushes();
    }

    /// A second has passed: pings that are not answered end, and the timetable is looked at.
    pub(crate) fn second(&mut self, others: &mut Others<'_>) {
        let connected = |peer| others.connections.standing(peer) == Standing::Connected;
        self.waiting.second(others.now, connected);
        self.timetable(others);
    }

    // ---- sharing, sending and fetching

    fn send(&self, call: Call, send: api::Send, others: &Others<'_>) {
        let unknown = send.peers.iter().find_map(|name| named(name, others).err());
        match unknown {
            Some(failure) => call.fail(failure),
            None => self.scan(call, send.path, send.ignore, None),
        }
    }

    /// Reads and hashes a tree, beside the driver.
    fn scan(&self, call: Call, path: PathBuf, ignore: Vec<String>, chunk: Option<ByteCount>) {
        let (events, own) = (self.events.clone(), self.own.clone());
        spawn_blocking(move || {
            let hashed = AtomicU64::new(0);
            let cancel = AtomicBool::new(false);
            let progress = |bytes: u64| {
                if call.reply.is_closed() {
                    cancel.store(true, Ordering::Relaxed);
                }
                let done_bytes = hashed.fetch_add(bytes, Ordering::Relaxed);
                call.progress(CommandProgress {
                    phase: Phase::Hashing,
                    done_bytes: done_bytes + bytes,
                    ..CommandProgress::default()
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
            let _ = events.blocking_send(Answer::Scanned(call, result).into());
        });
    }

    /// A tree was scanned: the input for the library. Then [`Control::shared`] answers.
    pub(crate) fn scanned(
        &mut self,
        call: Call,
        result: Result<Scanned, String>,
        others: &mut Others<'_>,
    ) -> Option<(Call, Shared)> {
        let scanned = match result {
            Ok(scanned) => scanned,
            Err(why) => {
                call.fail(Failure::storage(why));
                return None;
            }
        };
        let left_out = scanned.skipped.iter().map(ToString::to_string);
        let left_out_entries = scanned.skipped.len() as u64;
        let left_out: Vec<String> = left_out.take(api::LEFT_OUT_MAX).collect();
        for what in &left_out {
            warn!(path = %scanned.base.display(), "{what}");
        }
        let tree = Arc::new(scanned.tree);
        let stamps = settled(scanned.stamps, unix_ms());
        let shared = Shared {
            transfer: 0,
            ticket: String::new(),
            content: data_encoding::HEXLOWER.encode(&tree.id().0),
            name: tree.name().unwrap_or("tree").to_owned(),
            bytes: tree.bytes(),
            files: tree.files() as u64,
            left_out_entries,
            left_out,
        };
        let (number, found) = others.contents.found(tree, &scanned.base, stamps);
        others.inputs.library(found);
        Some((
            call,
            Shared {
                transfer: number,
                ..shared
            },
        ))
    }

    /// The library knows of a tree that was read: it is pushed, or its ticket is handed out.
    pub(crate) fn shared(&mut self, call: Call, mut shared: Shared, others: &mut Others<'_>) {
        let number = shared.transfer;
        if let ControlRequest::Send(send) = &call.request {
            let all = others.connections.peers();
            let peers = send.peers.iter().filter_map(|name| all.named(name));
            let peers = peers.collect();
            let waiter = self.waiting.add(call);
            return others.inputs.library(LibraryInput::Push {
                number,
                peers,
                waiter,
            });
        }
        shared.ticket = ticket(number, others);
        // A ticket is handed on: what it names is to outlive this run.
        let then = move |durable| match durable {
            true => call.done(&shared),
            false => call.fail(Failure::storage(
                "shared, but that cannot be written down: it holds until the node ends",
            )),
        };
        others.contents.keep(number, Some(Box::new(then)));
    }

    fn get(&self, call: Call, get: api::Get, others: &mut Others<'_>) {
        if Line::is_one(&get.ticket) {
            let what = "that is the line of a `fairhaul send`, not a ticket";
            let how = "`fairhaul get LINE` in a terminal fetches by it, without this node";
            return call.fail(Failure::usage(format!("{what}; {how}")));
        }
        let ticket: ContentTicket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        let is_known = others.contents.library().find(&ticket.content()).is_some();
        let connections = &mut *others.connections;
        let is_alone = connections.links().iter().next().is_none();
        if !is_known && !connections.access_mut().introduce(&ticket, others.now) && is_alone {
            let keys = ticket.peers().iter();
            let keys: Vec<String> = keys
                .map(|(key, _)| data_encoding::HEXLOWER.encode(key))
                .collect();
            let why = "no peer of the ticket is in the parameter file";
            let failure = Failure::new(Failure::IDENTITY, format!("{why}: {}", keys.join(", ")));
            return call.fail(failure);
        }
        let (own, events) = (self.own.clone(), self.events.clone());
        // The disk that it names may stand still.
        spawn_blocking(move || {
            // As other tools do, the last folder of the path is made; what is above it must be
            // there, and what is wrong with it is said when it is held.
            let is_made = std::fs::create_dir(&get.dir).is_ok();
            let usable = match get.dir.exists() {
                true => own.refuse_folder(&get.dir),
                false => Ok(()),
            };
            if is_made && usable.is_err() {
                let _ = std::fs::remove_dir(&get.dir);
            }
            let _ = events.blocking_send(Answer::Named(call, get, usable).into());
        });
    }

    /// The folder that was named for a ticket was looked at: fetch into it if it may be used.
    pub(crate) fn get_into(
        &mut self,
        call: Call,
        get: &api::Get,
        usable: Result<(), String>,
        others: &mut Others<'_>,
    ) {
        let ticket: ContentTicket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        if let Err(why) = usable {
            return call.fail(Failure::storage(why));
        }
        let waiter = self.waiting.add(call);
        let asked = others.contents.asked_for(&ticket, get, waiter);
        others.inputs.library(asked);
    }
}

fn set_paused(number: u32, paused: bool, others: &mut Others<'_>) -> Result<(), Failure> {
    about(number, LibraryInput::Paused { number, paused }, others)
}

/// A command about a content that must be known.
fn about(number: u32, input: LibraryInput, others: &mut Others<'_>) -> Result<(), Failure> {
    let known = others.contents.library().get(number);
    known.ok_or_else(|| {
        Failure::error(format!(
            "transfer {number} is unknown; `fairhaul status` lists transfers"
        ))
    })?;
    others.inputs.library(input);
    Ok(())
}

fn named(name: &str, others: &Others<'_>) -> Result<PeerId, Failure> {
    let peers = others.connections.peers();
    let unknown = || {
        let what = format!("peer {name} is unknown");
        let what = did_you_mean(what, name, peers.names());
        Failure::usage(format!("{what}; `fairhaul peers` lists them"))
    };
    peers.named(name).ok_or_else(unknown)
}

fn linked(name: &str, others: &Others<'_>) -> Result<PeerId, Failure> {
    let peer = named(name, others)?;
    let trouble = &others.connections.peers().at(peer).trouble;
    match (others.connections.standing(peer), trouble) {
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

fn say(name: &str, text: String, others: &mut Others<'_>) -> Result<(), Failure> {
    if text.len() > api::TEXT_MAX {
        let got = text.len();
        return Err(Failure::usage(format!(
            "the text has {got} bytes, allowed are {}",
            api::TEXT_MAX
        )));
    }
    let peer = linked(name, others)?;
    let text = text.into();
    others.inputs.core(Input::Text { peer, text });
    Ok(())
}

fn ticket(number: u32, others: &Others<'_>) -> String {
    let Some((content, row)) = others.contents.at(number) else {
        return String::new();
    };
    let access: &Access = others.connections.access();
    let own = (*access.public().as_bytes(), access.address());
    let ticket = ContentTicket::new(content.id(), row.manifest_bytes(), vec![own]);
    let ticket = ticket.map(|ticket| ticket.with_manifest(&row.manifest()));
    ticket.map_or_else(|error| error.to_string(), |ticket| ticket.to_string())
}

/// Lifts the ban of one identity, or of all; the command ends once that is durable.
fn lift_bans(call: Call, whose: &str, others: &mut Others<'_>) {
    let keys = match banned(whose, others) {
        Ok(keys) => keys,
        Err(failure) => return call.fail(failure),
    };
    let named = keys.iter().map(|key| data_encoding::HEXLOWER.encode(key));
    let lifted = Lifted {
        keys: named.collect(),
    };
    let then = move |durable| match durable {
        true => call.done(&lifted),
        false => call.fail(Failure::storage(
            "lifted, but that cannot be written down: it holds until the node ends",
        )),
    };
    let access = others.connections.access_mut();
    access.lift(&keys, Box::new(then), others.now);
}

/// The identities that `whose` means, which are banned.
fn banned(whose: &str, others: &Others<'_>) -> Result<Vec<Key>, Failure> {
    let (access, peers, now) = (
        others.connections.access(),
        others.connections.peers(),
        others.now,
    );
    if whose == "all" {
        return Ok(access.bans().list(now).map(|ban| ban.key).collect());
    }
    let named = peers.named(whose);
    let named = named.map(|peer| *peers.at(peer).key.as_bytes());
    let key = key_bytes(whose).or(named);
    let key = key.filter(|key| access.bans().has(key, now));
    let refused = || {
        Failure::usage(format!(
            "{whose} is not banned; allowed are \"all\" and the keys and peers that \
             `fairhaul bans` lists"
        ))
    };
    Ok(vec![key.ok_or_else(refused)?])
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
