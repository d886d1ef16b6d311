//! Getting: a ticket becomes a content that is fetched.
//!
//! Decides nothing about service; refuses tickets of which no peer is known.

use fairhaul_core::door::reach::{Outlook, Standing, outlook};

use super::contents::{Kept, Role, Stage};
use super::host::Host;
use super::moving;
use crate::content::ticket::Ticket;
use crate::control::api::{self, Call, Failure};
use crate::identity::PublicKey;

impl Host {
    pub(super) fn get(&mut self, call: Call, get: &api::Get) {
        let ticket: Ticket = match get.ticket.parse() {
            Ok(ticket) => ticket,
            Err(error) => return call.fail(Failure::usage(format!("ticket: {error}"))),
        };
        if get.dir.exists()
            && let Err(why) = self.not_our_own(&get.dir)
        {
            return call.fail(Failure::storage(why));
        }
        if let Some(number) = self
            .contents
            .find(&ticket.content())
            .map(|found| found.number)
        {
            let stopped = self.contents.at_mut(number).is_some_and(|content| {
                if let Role::Fetched {
                    overwrite, force, ..
                } = &mut content.kept.role
                {
                    *overwrite |= get.overwrite;
                    *force |= get.force;
                }
                matches!(content.stage, Stage::Failed(_) | Stage::Paused(_))
            });
            if stopped {
                self.restart(number);
            }
            if let Some(content) = self.contents.at_mut(number) {
                moving::watch(content, call);
            }
            return;
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
        let role = Role::Fetched {
            into: get.dir.clone(),
            overwrite: get.overwrite,
            force: get.force,
            whole: false,
        };
        let id = ticket.content();
        let name = data_encoding::HEXLOWER.encode(&id.0[..6]);
        let kept = Kept::new(name, ticket.manifest_bytes(), role);
        let number = self.fetch(id, kept, ticket.manifest());
        if let Some(content) = self.contents.at_mut(number) {
            moving::watch(content, call);
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
}
