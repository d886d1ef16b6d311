//! Trust on first use, for who asked for it.
//!
//! Decides nothing: `fairhaul_core::door::first_use` says which name belongs to which key (H12).
//! Who is trusted is written down before it comes in, beside the driver; refuses who cannot be.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fairhaul_core::door::first_use::FirstUse;
use fairhaul_core::message::CloseCode;
use fairhaul_core::wire::greeting::{Refusal, RefusalCode};
use tracing::{info, warn};

use super::Happening;
use super::doors::{distrusted, name_of};
use super::entering::{Arrived, turn_away};
use super::host::Host;
use crate::identity::PublicKey;

/// Keys by the names that they called themselves.
pub(super) type Trusted = BTreeMap<String, String>;

/// A caller that is trusted from now on, if that could be written down.
pub(crate) struct FirstMet {
    pub(super) arrived: Arrived,
    /// What it is called here.
    pub(super) name: String,
    pub(super) durable: bool,
}

/// Whom earlier runs trusted, if keys `are` trusted on first use; nobody if there was no such run.
///
/// # Errors
///
/// One line about a file that cannot be read. Were it taken for an empty one, any key could take
/// the name of another.
pub(super) fn kept_trust(data: &Path, are: bool) -> Result<Trusted, String> {
    let file = trusted_file(data);
    let text = match fs::read(&file) {
        _ if !are => return Ok(Trusted::new()),
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Trusted::new()),
        Err(error) => return Err(format!("{}: cannot be read: {error}", file.display())),
    };
    serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}:{}: is no file of trusted keys: {error}; got {} bytes; allowed is what a node \
             wrote: to trust nobody yet, remove it",
            file.display(),
            error.line().max(1),
            text.len()
        )
    })
}

fn trusted_file(data: &Path) -> PathBuf {
    data.join("trusted.json")
}

impl Host {
    /// Trusts whom an earlier run trusted.
    pub(super) fn trust_again(&mut self) {
        for (name, key) in self.doors.trusted.clone() {
            match key.parse::<PublicKey>() {
                Ok(key) => self.let_in(key, &name),
                Err(error) => warn!(peer = %name, %error, "a trusted key is left out"),
            }
        }
        self.allow();
    }

    /// Names that are taken, as far as they matter to who calls.
    pub(super) fn names(&self) -> FirstUse {
        let mut names = FirstUse::default();
        for (_, row) in self.peers.iter() {
            names.hold(&row.name, *row.key.as_bytes());
        }
        for (key, name) in &self.doors.trusting {
            names.hold(name, *key.as_bytes());
        }
        names
    }

    /// Trusts a caller from now on, and lets it in once that is written down.
    pub(super) fn trust(&mut self, arrived: Arrived) -> Result<(), Box<(Arrived, Refusal)>> {
        let key = arrived.secure.peer;
        let name = name_of(&key, &arrived.name);
        if self.doors.trusting.contains_key(&key) {
            return Err(Box::new((arrived, Refusal::new(RefusalCode::Busy))));
        }
        if let Err(why) = self.names().trust(*key.as_bytes(), &name) {
            return Err(Box::new((arrived, distrusted(why))));
        }
        self.doors.trusting.insert(key, name.clone());
        self.doors.trusted.insert(name.clone(), key.to_string());
        let json = serde_json::to_vec_pretty(&self.doors.trusted);
        let json = json.expect("names and keys are text");
        let happenings = self.happenings.clone();
        let then = move |durable| {
            let met = FirstMet {
                arrived,
                name,
                durable,
            };
            // Where the node has ended, nobody comes in any more.
            let _ = happenings.blocking_send(Happening::FirstMet(Box::new(met)));
        };
        let file = trusted_file(&self.settings.params.node.data);
        self.contents.write(file, json, Some(Box::new(then)));
        Ok(())
    }

    /// It is written down that a caller is trusted, or cannot be.
    pub(super) fn first_met(&mut self, met: FirstMet) {
        let FirstMet {
            arrived,
            name,
            durable,
        } = met;
        let key = arrived.secure.peer;
        self.doors.trusting.remove(&key);
        if !durable {
            self.doors.trusted.remove(&name);
            self.doors.admission.leave(arrived.source(), arrived.listed);
            return turn_away(arrived.secure, CloseCode::Revoked, "cannot be written down");
        }
        self.let_in(key, &name);
        info!(peer = %name, %key, remote = %arrived.remote, "trusted on first use");
        self.allow();
        if let Some(peer) = self.peers.find(&key) {
            self.comes_in(peer, arrived);
        }
    }

    /// A key may come in from now on; [`Host::allow`] makes that so.
    pub(super) fn let_in(&mut self, key: PublicKey, name: &str) {
        let peer = self.peers.meet(key, name);
        self.peers.at_mut(peer).allowed = true;
    }
}
