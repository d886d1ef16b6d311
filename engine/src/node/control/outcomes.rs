//! Answers to commands that wait for a content: its progress, and how it ended.

use std::path::PathBuf;

use fairhaul_core::id::{ChunkIndex, PeerId};
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::library::{Content, Push, Recipient, WaitOutcome};
use fairhaul_core::message::OfferVerdict;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;

use super::view::View;
use crate::content::Tree;
use crate::control::api::{Call, CommandProgress, Failure, Got, Phase, Sent};
use crate::node::contents::row::Row;
use crate::node::stats::counts::Counts;

/// Files that an error names.
const FILES_TOLD: usize = 3;

impl View<'_> {
    /// A wait has ended: the call is answered.
    pub(super) fn answer(&self, call: Call, number: u32, outcome: WaitOutcome) {
        let failure = match outcome {
            WaitOutcome::Done => {
                let Some((content, row)) = self.contents.at(number) else {
                    return;
                };
                let folder = self.contents.path_of(content).to_owned();
                let counts = self.stats.counts(number);
                return call.done(&got((content, row), counts, folder, self.now));
            }
            WaitOutcome::Pushed { since, recipients } => match self.pushed(number, &recipients) {
                Ok((bytes, content)) => {
                    return call.done(&Sent {
                        content,
                        bytes,
                        peers: recipients.iter().map(|one| self.name(one.peer)).collect(),
                        seconds: self.now.since(since).as_secs_f64(),
                    });
                }
                Err(failure) => failure,
            },
            WaitOutcome::Disk(why) => Failure::storage(why),
            WaitOutcome::Unusable(why) => Failure::new(Failure::INTEGRITY, why),
            WaitOutcome::PushEnded => Failure::new(Failure::ERROR, "a push of it has ended"),
            WaitOutcome::Unfed => Failure::unreachable("nobody sends the rest"),
            WaitOutcome::Unreachable => {
                Failure::unreachable("no peer can be reached; the transfer goes on when one is")
            }
            WaitOutcome::Identity => Failure::new(Failure::IDENTITY, self.identity_troubles()),
            WaitOutcome::Missing => self.what_is_missing(number),
            WaitOutcome::Cancelled => Failure::new(Failure::ERROR, "the transfer was cancelled"),
        };
        call.fail(failure);
    }

    fn name(&self, peer: PeerId) -> String {
        self.connections.peers().at(peer).name.clone()
    }

    /// Peers whose identities are refused, and why.
    fn identity_troubles(&self) -> String {
        let allowed = self
            .connections
            .peers()
            .iter()
            .filter(|(_, row)| row.allowed);
        let troubles = allowed.filter_map(|(_, row)| {
            let trouble = row.trouble.as_ref()?;
            let is_identity = matches!(trouble.standing, Standing::Refused | Standing::Claimed);
            is_identity.then(|| format!("{}: {}", row.name, trouble.text))
        });
        troubles.collect::<Vec<_>>().join("; ")
    }

    /// The failure that names how much of a content no connected peer has.
    fn what_is_missing(&self, number: u32) -> Failure {
        let goes_on = "no connected peer has it; the transfer goes on when one has";
        let manifest = || Failure::unreachable(format!("the manifest is missing: {goes_on}"));
        let Some((content, row)) = self.contents.at(number) else {
            return manifest();
        };
        let had = self.core.had(content.data());
        let (Some(had), Some(tree)) = (had, row.tree().filter(|_| content.is_open())) else {
            return manifest();
        };
        let text = missing_text(tree, |chunk| had.has(chunk), goes_on);
        match content.here() {
            0 => Failure::unreachable(text),
            _ => Failure::new(Failure::PART, text),
        }
    }

    /// Bytes of a content that a peer has announced.
    pub(super) fn has_bytes(&self, peer: PeerId, content: &Content) -> u64 {
        let has = self.core.has_of(peer, content.data());
        has.map_or(0, ByteCount::get)
    }

    /// Says how far the pushes are that are not over.
    pub(super) fn report_pushes(&self) {
        for push in self.contents.library().pushes() {
            self.report_push(push);
        }
    }

    fn report_push(&self, push: &Push) {
        let call = self.waiting.get(push.waiter);
        let (Some(call), Some((content, _))) = (call, self.contents.at(push.number)) else {
            return;
        };
        // The bytes that receivers have announced, not those that have left.
        let has = |one: &Recipient| match one.verdict {
            Some(OfferVerdict::Done) => content.bytes(),
            _ => self.has_bytes(one.peer, content),
        };
        let done: u64 = push.recipients.iter().map(has).sum();
        let waits = push.recipients.iter().filter(|one| !one.is_over());
        let names: Vec<String> = waits.map(|one| self.name(one.peer)).collect();
        let total = content.bytes() * push.recipients.len() as u64;
        let up_rate = self.stats.counts(push.number).up_rate;
        call.progress(CommandProgress {
            phase: Phase::Moving,
            transfer: Some(push.number),
            done_bytes: done,
            total_bytes: Some(total),
            rate_bytes_s: up_rate,
            eta_s: total.saturating_sub(done).checked_div(up_rate),
            waiting_for: Some(names.join(", ")),
        });
    }

    /// A push is over: the length and identity of the content if all have it, or what failed.
    fn pushed(&self, number: u32, recipients: &[Recipient]) -> Result<(u64, String), Failure> {
        let is_done = |one: &&Recipient| one.verdict == Some(OfferVerdict::Done);
        let failed = || recipients.iter().filter(|one| !is_done(one));
        let cancelled = || Failure::error("the transfer was cancelled");
        let (content, _) = self.contents.at(number).ok_or_else(cancelled)?;
        if failed().next().is_none() {
            let id = data_encoding::HEXLOWER.encode(&content.id().0);
            return Ok((content.bytes(), id));
        }
        let texts = failed().map(|one| {
            let trouble = self.connections.peers().at(one.peer).trouble.as_ref();
            let trouble = trouble.filter(|_| !one.offered);
            let more = trouble.map_or(String::new(), |trouble| format!(": {}", trouble.text));
            format!("{} {}{more}", self.name(one.peer), why(one))
        });
        let texts: Vec<String> = texts.collect();
        let reached = recipients.iter().any(|one| one.offered);
        let refused = failed().any(|one| {
            let standing = self.connections.standing(one.peer);
            matches!(standing, Standing::Refused | Standing::Claimed)
        });
        let code = match (recipients.iter().filter(is_done).count(), reached) {
            (0, false) if refused => Failure::IDENTITY,
            (0, false) => Failure::UNREACHABLE,
            _ => Failure::PART,
        };
        Err(Failure::new(code, texts.join("; ")))
    }
}

/// Why a peer does not have what was pushed to it.
const fn why(recipient: &Recipient) -> &'static str {
    match recipient.verdict {
        Some(OfferVerdict::NotAccepted) => "does not accept pushes from this node",
        Some(OfferVerdict::Quota) => "has no quota left for what this node pushes",
        Some(OfferVerdict::Exists) => "does not take it: something else has its name there already",
        Some(OfferVerdict::Storage) => "does not take it: its disk has no room or fails",
        Some(OfferVerdict::Failed) if !recipient.offered => "cannot be reached",
        _ => "could not fetch or store it",
    }
}

/// How many chunks are missing, and of which files.
fn missing_text(tree: &Tree, has: impl Fn(ChunkIndex) -> bool, goes_on: &str) -> String {
    let geometry = tree.geometry();
    let all = (0..geometry.chunks()).filter_map(|position| geometry.index(position));
    let missing: Vec<ChunkIndex> = all.filter(|chunk| !has(*chunk)).collect();
    let mut files: Vec<&str> = Vec::new();
    for chunk in &missing {
        for piece in tree.pieces(*chunk, ByteCount::ZERO, geometry.len_of(*chunk)) {
            let path = &*tree.entries()[piece.entry].path;
            if files.len() <= FILES_TOLD && !files.contains(&path) {
                files.push(path);
            }
        }
    }
    let more = files.len() > FILES_TOLD;
    files.truncate(FILES_TOLD);
    let (count, chunks) = (missing.len(), geometry.chunks());
    let (files, more) = (files.join(", "), if more { " and more" } else { "" });
    format!("{count} of {chunks} chunks are missing, of {files}{more}: {goes_on}")
}

fn got((content, row): (&Content, &Row), counts: Counts, folder: PathBuf, now: Time) -> Got {
    let path = match row.names() {
        [path] => path.clone(),
        _ => folder,
    };
    let started = content.started();
    let first_byte = counts.first_byte;
    Got {
        path,
        content: data_encoding::HEXLOWER.encode(&content.id().0),
        bytes: content.bytes(),
        files: row.tree().map_or(0, |tree| tree.files() as u64),
        resumed_bytes: row.resumed(),
        first_byte_seconds: first_byte.map(|at| at.since(started).as_secs_f64()),
        seconds: now.since(started).as_secs_f64(),
    }
}
