//! Getting: a ticket becomes a content that is fetched.
//!
//! Decides nothing about service; refuses tickets of which no peer is known.

use fairhaul_core::door::reach::{Outlook, Standing, outlook};
use fairhaul_core::id::ChunkIndex;
use fairhaul_core::units::ByteCount;
use tokio::task::spawn_blocking;

use super::Happening;
use super::content::{Content, Kept, Stage, Wish};
use super::host::Host;
use crate::content::ticket::Ticket;
use crate::control::api::{self, Call, Failure};
use crate::identity::PublicKey;

/// Files that an error names.
const FILES_TOLD: usize = 3;

impl Host {
    pub(super) fn get(&mut self, call: Call, get: &api::Get) {
        let ticket: Ticket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        let known = self.contents.find(&ticket.content()).is_some();
        let (own, happenings) = (self.own.clone(), self.happenings.clone());
        let get = get.clone();
        // The disk that it names may stand still.
        spawn_blocking(move || {
            if known {
                // As for a content that is new, the last folder of the path is made.
                let _ = std::fs::create_dir(&get.dir);
            }
            let usable = match get.dir.exists() {
                true => own.refuse_folder(&get.dir),
                false => Ok(()),
            };
            let _ = happenings.blocking_send(Happening::Named(call, get, usable));
        });
    }

    /// The folder that was named for a ticket was looked at: fetch into it if it may be used.
    pub(super) fn get_into(&mut self, call: Call, get: &api::Get, usable: Result<(), String>) {
        let ticket: Ticket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        if let Err(why) = usable {
            return call.fail(Failure::storage(why));
        }
        if let Some(number) = self
            .contents
            .find(&ticket.content())
            .map(|found| found.number)
        {
            let mut wish = Wish::new(get.dir.clone(), get.overwrite, get.force);
            wish.watchers.push(call);
            return self.place(number, wish, ticket.manifest_bytes());
        }
        if !self.introduce(&ticket) && self.peers.linked().next().is_none() {
            let keys = ticket.peers().iter();
            let keys: Vec<String> = keys
                .map(|(key, _)| data_encoding::HEXLOWER.encode(key))
                .collect();
            let why = "no peer of the ticket is in the parameter file";
            let failure = Failure::new(Failure::IDENTITY, format!("{why}: {}", keys.join(", ")));
            return call.fail(failure);
        }
        // As other tools do, the last folder of the path is made; what is above it must be there,
        // and what is wrong with it is said when it is held.
        let _ = std::fs::create_dir(&get.dir);
        let wish = Wish::new(get.dir.clone(), get.overwrite, get.force);
        let id = ticket.content();
        let name = data_encoding::HEXLOWER.encode(&id.0[..6]);
        let kept = Kept::new(name, ticket.manifest_bytes(), wish.place.role);
        let number = self.fetch(id, kept, ticket.manifest());
        if let Some(content) = self.contents.at_mut(number) {
            content.watchers.push(call);
        }
    }

    /// Takes over the addresses of a ticket. Whether any of its peers is known.
    fn introduce(&mut self, ticket: &Ticket) -> bool {
        let mut known = false;
        for (key, address) in ticket.peers() {
            let Ok(key) = PublicKey::from_bytes(*key) else {
                continue;
            };
            let found = self.peers.find(&key);
            let Some(peer) = found.filter(|peer| self.peers.at(*peer).allowed) else {
                continue;
            };
            known = true;
            if self.peers.at(peer).address.is_none() {
                self.peers.at_mut(peer).address = Some(address.clone());
                self.call_at(key, address);
            }
        }
        known
    }

    /// Ends the waiting of those whose peers cannot be reached. What they wait for goes on when
    /// one comes.
    pub(super) fn review_gets(&mut self) {
        self.review_droughts();
        let now = self.clock.now();
        let allowed = || self.peers.iter().filter(|(_, row)| row.allowed);
        let standings: Vec<Standing> = allowed().map(|(_, row)| row.standing()).collect();
        if standings.contains(&Standing::Connected) {
            return;
        }
        let troubles = allowed().filter_map(|(_, row)| {
            let trouble = row.trouble.as_ref()?;
            let is_identity = matches!(trouble.standing, Standing::Refused | Standing::Claimed);
            is_identity.then(|| format!("{}: {}", row.name, trouble.text))
        });
        let troubles: Vec<String> = troubles.collect();
        for content in self.contents.iter_mut() {
            if !matches!(content.stage, Stage::Describing | Stage::Moving) {
                continue;
            }
            let failure = match outlook(standings.iter().copied(), content.started, now) {
                Outlook::Wait => continue,
                Outlook::Unreachable => {
                    Failure::unreachable("no peer can be reached; the transfer goes on when one is")
                }
                Outlook::Identity => Failure::new(Failure::IDENTITY, troubles.join("; ")),
            };
            for call in std::mem::take(&mut content.watchers) {
                call.fail(failure.clone());
            }
        }
    }

    /// Ends the waiting for what no connected peer has had for a while. It goes on when one has.
    fn review_droughts(&mut self) {
        let (now, patience) = (self.clock.now(), self.settings.params.node.patience.get());
        let mut over = Vec::new();
        for content in self.contents.iter_mut() {
            let transfer = match content.stage {
                Stage::Describing => content.description(),
                Stage::Moving => content.data(),
                _ => continue,
            };
            let missing = self.core.missing(transfer);
            let comes = missing.coming > 0 || content.writing > 0;
            let drought = &mut content.drought;
            if drought.is_over(comes, missing.held > 0, patience, now) {
                over.push(content.number);
            }
        }
        for number in over {
            let Some(content) = self.contents.at(number) else {
                continue;
            };
            let failure = self.what_is_missing(content);
            if let Some(content) = self.contents.at_mut(number) {
                for call in std::mem::take(&mut content.watchers) {
                    call.fail(failure.clone());
                }
            }
        }
    }

    /// What of a content nobody has who is connected.
    fn what_is_missing(&self, content: &Content) -> Failure {
        let goes_on = "no connected peer has it; the transfer goes on when one has";
        let had = self.core.had(content.data());
        let (Some(had), Some((_, tree))) = (had, &content.files) else {
            return Failure::unreachable(format!("the manifest is missing: {goes_on}"));
        };
        let geometry = tree.geometry();
        let all = (0..geometry.chunks()).filter_map(|position| geometry.index(position));
        let missing: Vec<ChunkIndex> = all.filter(|chunk| !had.has(*chunk)).collect();
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
        let text = format!("{count} of {chunks} chunks are missing, of {files}{more}: {goes_on}");
        match content.here {
            0 => Failure::unreachable(text),
            _ => Failure::new(Failure::PART, text),
        }
    }
}
