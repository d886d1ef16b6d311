//! The list of bans, and the file that carries it to the next run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::connections::Key;
use fairhaul_core::connections::bans::{Ban, Bans, Reason, SavedBans};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::time::Time;

use crate::node::contents::state_writer::{Keeper, Then};

/// The bans of a node.
#[derive(Debug)]
pub(crate) struct BanList {
    bans: Bans,
    file: PathBuf,
    keeper: Arc<Keeper>,
}

impl BanList {
    /// Those of earlier runs, in the folder of the node's data.
    ///
    /// # Errors
    ///
    /// One line about a file that cannot be read, or is none of bans.
    pub(super) fn read(data: &Path, keeper: Arc<Keeper>, now: Time) -> Result<Self, String> {
        let file = data.join("bans.json");
        Ok(Self {
            bans: kept_bans(&file, now)?,
            file,
            keeper,
        })
    }

    /// Every identity that is banned.
    pub(crate) fn list(&self, now: Time) -> impl Iterator<Item = Ban> {
        self.bans.list(now)
    }

    /// The ban of one identity, if it is banned.
    pub(crate) fn of(&self, key: &Key, now: Time) -> Option<Ban> {
        self.bans.of(key, now)
    }

    /// Whether an identity is banned.
    pub(crate) fn has(&self, key: &Key, now: Time) -> bool {
        self.bans.left(key, now).is_some()
    }

    /// A caller claimed a key that it did not prove.
    pub(super) fn false_key(&mut self, key: Key, now: Time) {
        self.bans.ban(key, Reason::FalseKey, now);
        self.save(None, now);
    }

    /// A peer did this; whether it is banned for it.
    pub(super) fn judge(&mut self, key: Key, why: Misbehaviour, now: Time) -> bool {
        self.bans.judge(key, why, now)
    }

    /// A person lifts a ban.
    pub(super) fn pardon(&mut self, key: &Key) {
        self.bans.pardon(key);
    }

    /// Those whose ban is over.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Key> {
        self.bans.expire(now)
    }

    /// Writes the bans to their file, off the driver, and then runs `then`.
    pub(super) fn save(&self, then: Option<Then>, now: Time) {
        let text = serde_json::to_vec(&self.bans.save(now)).expect("bans are plain values");
        self.keeper.write(self.file.clone(), text, then);
    }
}

/// The bans of earlier runs; none if there was no such run.
///
/// # Errors
///
/// One line about a file that cannot be read or parsed. To take it for an empty one would let
/// banned keys in.
fn kept_bans(file: &Path, now: Time) -> Result<Bans, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Bans::default()),
        Err(error) => return Err(format!("{}: cannot be read: {error}", file.display())),
    };
    let saved: SavedBans = serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}:{}: is no file of bans: {error}; got {} bytes; allowed is what a node wrote: to \
             start with nobody banned, remove it",
            file.display(),
            error.line().max(1),
            text.len()
        )
    })?;
    Ok(Bans::restore(saved, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An earlier version kept bans of addresses beside those of identities. Whatever is not known
    /// at all is refused: it may be a ban.
    ///
    /// Register: P12, J14.
    #[test]
    fn a_file_of_bans_of_an_earlier_version_is_read() {
        let key = vec!["7"; 32].join(",");
        let earlier =
            format!("{{\"identities\":[[[{key}],5000000000]],\"sources\":[[\"192.0.2.1\",7]]}}");
        let saved: SavedBans = serde_json::from_str(&earlier).unwrap();
        let bans = Bans::restore(saved, Time::ZERO);
        assert!(bans.left(&[7; 32], Time::ZERO).is_some());
        let kept = serde_json::to_string(&bans.save(Time::ZERO)).unwrap();
        assert!(!kept.contains("sources"), "{kept}");
        assert!(serde_json::from_str::<SavedBans>("{\"identities\":[],\"more\":[]}").is_err());
    }
}
