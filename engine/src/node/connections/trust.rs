//! Trust on first use, if the command line asks for it.
//!
//! `fairhaul_core::connections::tofu` decides which name belongs to which key (H12). A key is
//! written to disk, off the driver, before it is admitted; if that fails it is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::connections::tofu::FirstUse;
use fairhaul_core::wire::handshake::{Refusal, RefusalCode};
use tokio::sync::mpsc;
use tracing::warn;

use super::event::{Arrived, ConnectionEvent, FirstMet};
use super::guests::{distrusted, name_of};
use super::peers::Peers;
use crate::identity::PublicKey;
use crate::node::contents::state_writer::Keeper;
use crate::node::event::NodeEvent;

/// Keys by the names that they called themselves.
type Trusted = BTreeMap<String, String>;

/// Keys that were trusted when they first called.
#[derive(Debug)]
pub(super) struct Trust {
    /// Whether keys are trusted when they first call.
    is_on: bool,
    /// All of them, in all runs.
    trusted: Trusted,
    /// Those that are being written down.
    trusting: BTreeMap<PublicKey, String>,
    file: PathBuf,
    keeper: Arc<Keeper>,
}

impl Trust {
    /// The keys that earlier runs trusted on first use, if this is switched on.
    ///
    /// # Errors
    ///
    /// One line about a file that cannot be read. Were it taken for an empty one, any key could
    /// take the name of another.
    pub(super) fn read(data: &Path, is_on: bool, keeper: Arc<Keeper>) -> Result<Self, String> {
        let file = data.join("trusted.json");
        let trusted = match is_on {
            true => kept_trust(&file)?,
            false => Trusted::new(),
        };
        Ok(Self {
            is_on,
            trusted,
            trusting: BTreeMap::new(),
            file,
            keeper,
        })
    }

    /// Whether keys are trusted when they first call.
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Keys that earlier runs trusted, with their names.
    pub(super) fn again(&self) -> Vec<(PublicKey, String)> {
        let mut again = Vec::new();
        for (name, key) in &self.trusted {
            match key.parse::<PublicKey>() {
                Ok(key) => again.push((key, name.clone())),
                Err(error) => warn!(peer = %name, %error, "a trusted key is left out"),
            }
        }
        again
    }

    /// Names that are taken, for checks of a caller's name; `None` if this is switched off.
    pub(super) fn names(&self, peers: &Peers) -> Option<FirstUse> {
        if !self.is_on {
            return None;
        }
        let mut names = FirstUse::default();
        for (_, row) in peers.iter() {
            names.hold(&row.name, *row.key.as_bytes());
        }
        for (key, name) in &self.trusting {
            names.hold(name, *key.as_bytes());
        }
        Some(names)
    }

    /// Trusts a caller from now on. The driver gets an event once that is durable, or has failed.
    pub(super) fn trust(
        &mut self,
        arrived: Arrived,
        peers: &Peers,
        events: mpsc::Sender<NodeEvent>,
    ) -> Result<(), Box<(Arrived, Refusal)>> {
        let key = arrived.secure.peer;
        let name = name_of(&key, &arrived.name);
        if self.trusting.contains_key(&key) {
            return Err(Box::new((arrived, Refusal::new(RefusalCode::Busy))));
        }
        let mut names = self.names(peers).unwrap_or_default();
        if let Err(why) = names.trust(*key.as_bytes(), &name) {
            return Err(Box::new((arrived, distrusted(why))));
        }
        self.trusting.insert(key, name.clone());
        self.trusted.insert(name.clone(), key.to_string());
        let json = serde_json::to_vec_pretty(&self.trusted);
        let json = json.expect("names and keys are text");
        let then = move |durable| {
            let met = ConnectionEvent::FirstMet(Box::new(FirstMet {
                arrived,
                name,
                durable,
            }));
            // If the node has ended, the caller is not admitted.
            let _ = events.blocking_send(met.into());
        };
        self.keeper
            .write(self.file.clone(), json, Some(Box::new(then)));
        Ok(())
    }

    /// It is written down that a key is trusted under this name, or cannot be.
    pub(super) fn is_written(&mut self, key: &PublicKey, name: &str, durable: bool) {
        self.trusting.remove(key);
        if !durable {
            self.trusted.remove(name);
        }
    }
}

fn kept_trust(file: &Path) -> Result<Trusted, String> {
    let text = match fs::read(file) {
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
