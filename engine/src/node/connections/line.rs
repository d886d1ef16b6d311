//! Receivers of a line: a caller with a key derived from the line's secret is admitted unlisted.
//!
//! How many are admitted is decided by `fairhaul_core::connections::invitation`. Receivers of one
//! line are a swarm: each derives the keys of the others from the secret when they call, and the
//! sender tells it which of them it can dial itself.

use fairhaul_core::connections::invitation::{Invitation, Uninvited};
use fairhaul_core::wire::handshake::{Refusal, RefusalCode};

use crate::content::line::Secret;
use crate::identity::PublicKey;

/// The receivers that a line admits.
pub(crate) struct LineGuests {
    secret: Secret,
    invitation: Invitation,
    sender: Option<(PublicKey, Vec<String>)>,
}

/// Shows no secret.
impl std::fmt::Debug for LineGuests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineGuests {{ {:?}, .. }}", self.invitation)
    }
}

impl LineGuests {
    pub(crate) const fn new(
        secret: Secret,
        most: usize,
        sender: Option<(PublicKey, Vec<String>)>,
    ) -> Self {
        Self {
            secret,
            invitation: Invitation::new(most),
            sender,
        }
    }

    /// The key and addresses of the sender, to be dialled. `None` if this is the sender.
    pub(super) const fn sender(&self) -> Option<&(PublicKey, Vec<String>)> {
        self.sender.as_ref()
    }

    /// The answer to a caller.
    pub(super) fn judge(&self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        let given = self.secret.gave(key, name);
        let judged = self.invitation.judge(key.as_bytes(), given);
        judged.map_err(uninvited)
    }

    /// A caller comes in, if it may.
    pub(super) fn admit(&mut self, key: &PublicKey, name: &str) -> Result<(), Refusal> {
        let given = self.secret.gave(key, name);
        let admitted = self.invitation.admit(*key.as_bytes(), given);
        admitted.map_err(uninvited)
    }

    /// Admits `key` if `by`, which vouches for it, is the sender.
    pub(super) fn vouch(&mut self, by: &[u8; 32], key: &PublicKey) -> bool {
        let sender = self.sender.as_ref();
        let is_sender = sender.is_some_and(|(sender, _)| sender.as_bytes() == by);
        is_sender && self.invitation.admit(*key.as_bytes(), true).is_ok()
    }
}

fn uninvited(why: Uninvited) -> Refusal {
    Refusal::because(RefusalCode::NotWelcome, &why.to_string())
}
