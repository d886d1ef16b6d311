//! Bans as people see them: listed, lifted, and over when their time is.
//!
//! Carries what `fairhaul_core::door::bans` decides to whoever is let in and called.

use fairhaul_config::text::key_bytes;
use fairhaul_core::door::Key;
use fairhaul_core::door::bans::Ban;
use fairhaul_core::time::Span;
use tracing::info;

use super::host::Host;
use super::keeper::Then;
use crate::clock::unix_ms;
use crate::control::api::{self, BanStatus, Call, Failure, Lifted};
use crate::identity::PublicKey;

impl Host {
    /// Every identity that is banned.
    pub(super) fn bans(&self) -> Vec<BanStatus> {
        let bans = self.doors.bans.list(self.clock.now());
        bans.map(|ban| self.ban_status(&ban)).collect()
    }

    pub(super) fn ban_status(&self, ban: &Ban) -> BanStatus {
        let key = PublicKey::from_bytes(ban.key);
        let peer = key.as_ref().ok().and_then(|key| self.peers.find(key));
        let millis = |span: Span| span.as_nanos() / 1_000_000;
        let whole = fairhaul_core::door::bans::IDENTITY_BAN;
        BanStatus {
            key: data_encoding::HEXLOWER.encode(&ban.key),
            peer: peer.map(|peer| self.peers.at(peer).name.clone()),
            reason: ban.reason.to_string(),
            since_unix_ms: unix_ms().saturating_sub(millis(whole).saturating_sub(millis(ban.left))),
            until_unix_ms: unix_ms().saturating_add(millis(ban.left)),
            left_s: ban.left.as_nanos().div_ceil(1_000_000_000),
        }
    }

    /// A person lifts the ban of one identity, or of all, and hears so once that is durable.
    pub(super) fn lift(&mut self, call: Call, lift: &api::Lift) {
        let keys = match self.banned(&lift.whose) {
            Ok(keys) => keys,
            Err(failure) => return call.fail(failure),
        };
        for key in &keys {
            self.doors.bans.pardon(key);
        }
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
        self.let_in_again(&keys, Some(Box::new(then)));
    }

    /// The identities that `whose` means, which are banned.
    fn banned(&self, whose: &str) -> Result<Vec<Key>, Failure> {
        let now = self.clock.now();
        let banned = |key: &Key| self.doors.bans.left(key, now).is_some();
        match whose {
            "all" => Ok(self.doors.bans.list(now).map(|ban| ban.key).collect()),
            whose => {
                let named = self.peers.named(whose);
                let named = named.map(|peer| *self.peers.at(peer).key.as_bytes());
                let key = key_bytes(whose).or(named).filter(banned);
                let refused = || {
                    Failure::usage(format!(
                        "{whose} is not banned; allowed are \"all\" and the keys and peers that \
                         `fairhaul bans` lists"
                    ))
                };
                Ok(vec![key.ok_or_else(refused)?])
            }
        }
    }

    /// Lets those in again whose ban is over.
    pub(super) fn expire_bans(&mut self) {
        let now = self.clock.now();
        let over = self.doors.bans.expire(now);
        if !over.is_empty() {
            self.let_in_again(&over, None);
        }
    }

    /// These are banned no longer: they may come, and are called where they can be.
    fn let_in_again(&mut self, keys: &[Key], then: Option<Then>) {
        self.keep_bans(then);
        self.allow();
        for key in keys {
            let Ok(key) = PublicKey::from_bytes(*key) else {
                continue;
            };
            info!(%key, "no longer banned");
            let row = self.peers.find(&key).map(|peer| self.peers.at(peer));
            let row = row.filter(|row| row.allowed);
            if let Some(address) = row.and_then(|row| row.address.clone()) {
                self.call_at(key, &address);
            }
        }
    }
}
