//! Trust on first use, for who asked for it.
//!
//! Decides nothing: `fairhaul_core::door::first_use` says which name belongs to which key (H12).
//! Keeps who is trusted for the next run; refuses who cannot be written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fairhaul_core::door::first_use::FirstUse;
use fairhaul_core::wire::greeting::{Refusal, RefusalCode};
use tracing::{error, warn};

use super::doors::{distrusted, name_of};
use super::host::Host;
use super::keeper::replace;
use crate::identity::PublicKey;

/// Keys by the names that they called themselves.
type Trusted = BTreeMap<String, String>;

impl Host {
    fn trusted_file(&self) -> PathBuf {
        self.settings.params.node.data.join("trusted.json")
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

    /// Names that are taken, as far as they matter to who calls.
    pub(super) fn names(&self) -> FirstUse {
        let mut names = FirstUse::default();
        for (_, row) in self.peers.iter() {
            names.hold(&row.name, *row.key.as_bytes());
        }
        names
    }

    /// Trusts `key` from now on. Its name.
    pub(super) fn trust(&mut self, key: PublicKey, name: &str) -> Result<String, Refusal> {
        let name = name_of(&key, name);
        let mut names = self.names();
        names.trust(*key.as_bytes(), &name).map_err(distrusted)?;
        let mut trusted = self.trusted();
        trusted.insert(name.clone(), key.to_string());
        let json = serde_json::to_vec_pretty(&trusted).expect("names and keys are text");
        if let Err(error) = replace(&self.trusted_file(), &json) {
            error!(%error, "who is trusted cannot be written down; refused");
            return Err(Refusal::new(RefusalCode::NotWelcome));
        }
        self.let_in(key, &name);
        Ok(name)
    }

    fn let_in(&mut self, key: PublicKey, name: &str) {
        let peer = self.peers.meet(key, name);
        self.peers.at_mut(peer).allowed = true;
    }
}
