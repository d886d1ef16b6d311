//! Trust on first use, for who asked for it.
//!
//! Decides that a name belongs to the key that used it first (H12). Refuses another key under
//! that name, for good: only a person who removes the old one can change it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tracing::{error, warn};

use super::contents::replace;
use super::host::Host;
use crate::identity::PublicKey;
use crate::params::is_name;

/// Keys that may be trusted in this way, in all.
const TRUSTED_MAX: usize = 10_000;

/// Keys by the names that they called themselves.
type Trusted = BTreeMap<String, String>;

impl Host {
    fn trusted_file(&self) -> PathBuf {
        self.settings.params.node().data.join("trusted.json")
    }

    fn trusted(&self) -> Trusted {
        let text = fs::read(self.trusted_file()).ok();
        let read = text.and_then(|text| serde_json::from_slice(&text).ok());
        read.unwrap_or_default()
    }

    /// Trusts whom an earlier run trusted, while that is asked for.
    pub(super) fn trust_again(&mut self) {
        if !self.trust_first_use {
            return;
        }
        for (name, key) in self.trusted() {
            match key.parse::<PublicKey>() {
                Ok(key) => self.let_in(key, &name),
                Err(error) => warn!(peer = %name, %error, "a trusted key is left out"),
            }
        }
        self.allow();
    }

    /// Trusts `key` from now on. Its name, or none if it is refused.
    pub(super) fn trust(&mut self, key: PublicKey, name: &str) -> Option<String> {
        let mut trusted = self.trusted();
        let text = key.to_string();
        let name = if is_name(name) {
            name.to_owned()
        } else {
            format!("guest-{}", &text[..8])
        };
        let listed = self.peers.named(&name).map(|id| self.peers.at(id).key);
        let before = trusted.get(&name).cloned();
        let before = before.or_else(|| listed.map(|key| key.to_string()));
        if let Some(before) = before.filter(|before| *before != text) {
            error!(peer = %name, known = %before, got = %text, "the key has changed; refused");
            self.watch.metrics.refused("key changed");
            return None;
        }
        if trusted.len() >= TRUSTED_MAX {
            return None;
        }
        trusted.insert(name.clone(), text);
        let json = serde_json::to_vec_pretty(&trusted).expect("names and keys are text");
        if let Err(error) = replace(&self.trusted_file(), &json) {
            error!(%error, "who is trusted cannot be written down; refused");
            return None;
        }
        self.let_in(key, &name);
        Some(name)
    }

    fn let_in(&mut self, key: PublicKey, name: &str) {
        let peer = self.peers.meet(key, name);
        self.peers.at_mut(peer).allowed = true;
    }
}
