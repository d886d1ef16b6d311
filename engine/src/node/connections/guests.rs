//! The rules that handshakes read: which callers are welcome, and why another is refused.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_config::text::is_name;
use fairhaul_core::connections::tofu::{Distrust, FirstUse};
use fairhaul_core::wire::handshake::{Refusal, RefusalCode, VERSION, Welcome};

use super::line;
use crate::identity::PublicKey;

/// What handshakes read about keys while the driver is busy.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// By key: whether it is banned.
    pub(super) allowed: BTreeMap<PublicKey, bool>,
    /// Keys that were listed, and are no longer.
    pub(super) revoked: BTreeSet<PublicKey>,
    /// Which names are taken, if keys that are not listed are trusted when they first call.
    pub(super) first_use: Option<FirstUse>,
    /// The receivers of this node's line, if it has one.
    pub(super) line: Option<line::LineGuests>,
    pub(super) name: String,
    pub(super) own: Option<PublicKey>,
    pub(super) stopping: bool,
}

impl Guests {
    /// Of a node with this name and key that admits no peer yet.
    pub(super) fn new(name: &str, own: PublicKey) -> Self {
        Self {
            name: name.to_owned(),
            own: Some(own),
            ..Self::default()
        }
    }

    /// The answer to a caller with a proved key. It does not tell an unknown key from one without
    /// rights (H2).
    pub(super) fn judge(&self, key: &PublicKey, name: &str) -> Result<Welcome, Refusal> {
        let refuse = |code| Err(Refusal::new(code));
        if self.stopping {
            return refuse(RefusalCode::Stopping);
        }
        if self.own == Some(*key) {
            return refuse(RefusalCode::Yourself);
        }
        match self.allowed.get(key) {
            Some(false) => {}
            Some(true) => return refuse(RefusalCode::Banned),
            None => self.meets(key, name)?,
        }
        Ok(Welcome {
            version: VERSION,
            name: self.name.as_str().into(),
        })
    }
}

/// Callers with a key of the line, and trust on first use if it is switched on.
impl Guests {
    /// The answer to a caller whose key is not listed.
    fn meets(&self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        if let Some(line) = &self.line {
            return line.judge(key, name);
        }
        let names = self.first_use.as_ref();
        let names = names.filter(|_| !self.revoked.contains(key));
        let not_welcome = || Refusal::new(RefusalCode::NotWelcome);
        let names = names.ok_or_else(not_welcome)?;
        let name = name_of(key, name);
        names.judge(key.as_bytes(), &name).map_err(distrusted)
    }
}

/// What a caller whose key is not listed is called here.
pub(super) fn name_of(key: &PublicKey, claimed: &str) -> String {
    FirstUse::name(Some(claimed).filter(|name| is_name(name)), &key.to_string())
}

/// The refusal of a caller that is not trusted. If its name belongs to another key, that is named,
/// so that a person can compare it with the caller's own: a refusal has no room for both.
pub(super) fn distrusted(why: Distrust) -> Refusal {
    match why {
        Distrust::Changed { known } => {
            let known = PublicKey::from_bytes(known);
            let known = known.map_or_else(|error| error.to_string(), |known| known.to_string());
            Refusal::because(RefusalCode::KeyChanged, &format!("known is {known}"))
        }
        Distrust::Full => Refusal::new(RefusalCode::Busy),
    }
}
