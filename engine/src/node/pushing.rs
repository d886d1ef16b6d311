//! Pushes that come: what peers offer, and what becomes of it.
//!
//! Carries the facts to `fairhaul_core::door::push`, which decides.

use std::path::PathBuf;

use fairhaul_core::door::push::{self, Here, Inbox};
use fairhaul_core::id::PeerId;
use fairhaul_core::message::{Message, Offer, Verdict};
use fairhaul_core::node::Input;
use tracing::warn;

use super::contents::{Content, Kept, Role, Stage};
use super::host::Host;

/// Pushes of one peer that may be under way at once.
const PUSHES_MAX: usize = 64;

impl Host {
    /// A peer offers a content: fetch it if the peer may push.
    pub(super) fn offered(&mut self, peer: PeerId, offer: &Offer) {
        let id = offer.content;
        let params = self.peers.at(peer).params.as_ref();
        let may_push = params.is_some_and(|params| params.accept.is_some());
        // Who may not push learns nothing of what is here (H2).
        if let Some(content) = self.contents.find(&id).filter(|_| may_push) {
            let number = content.number;
            let is_whole = content.stage == Stage::Whole;
            if let Some(content) = self.contents.at_mut(number) {
                content.offered.push(peer);
            }
            let verdict = if is_whole {
                Verdict::Done
            } else {
                Verdict::Accepted
            };
            return self.judge(number, verdict);
        }
        let (verdict, folder) = self.allowance(peer, offer);
        if verdict != Verdict::Accepted {
            let message = Message::Verdict {
                content: id,
                verdict,
            };
            return self.tell(Input::Say { peer, message });
        }
        let role = Role::Fetched {
            into: folder,
            overwrite: false,
            force: false,
            whole: false,
        };
        let mut kept = Kept::new(offer.name.to_string(), offer.manifest_bytes, role);
        kept.from = Some(self.peers.at(peer).key.to_string());
        kept.offered = offer.bytes;
        let number = self.fetch(id, kept, None);
        if let Some(content) = self.contents.at_mut(number) {
            content.offered.push(peer);
        }
        self.judge(number, Verdict::Accepted);
    }

    /// What becomes of an offer, and where the content goes.
    fn allowance(&self, peer: PeerId, offer: &Offer) -> (Verdict, PathBuf) {
        let row = self.peers.at(peer);
        let folder = row
            .params
            .as_ref()
            .and_then(|params| params.accept.as_ref());
        let data = self.settings.params.node().data;
        let key = Some(row.key.to_string());
        let pushed = || {
            self.contents
                .iter()
                .filter(|content| content.kept.from == key)
        };
        // What is not described yet counts with what was offered.
        let used: u64 = pushed()
            .map(|content| content.bytes().max(content.kept.offered))
            .sum();
        let quota = row.params.as_ref().and_then(|params| params.quota);
        let quota_left = quota.map_or(u64::MAX, |quota| quota.get().saturating_sub(used));
        let underway = |content: &&Content| content.stage != Stage::Whole;
        let coming: u64 = self
            .contents
            .iter()
            .filter(underway)
            .map(Content::lacking)
            .sum();
        let free =
            rustix::fs::statvfs(&data).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
        let inbox = Inbox {
            accepts: folder.is_some(),
            quota_left,
            disk_left: free.saturating_sub(coming),
            bytes_max: None,
            active: pushed().filter(underway).count(),
            active_max: PUSHES_MAX,
            here: Here::Nothing,
        };
        let verdict = push::judge(offer, &inbox);
        let folder = folder.map_or_else(PathBuf::new, |folder| data.join(folder));
        if verdict == Verdict::Accepted
            && let Err(error) = std::fs::create_dir_all(&folder)
        {
            warn!(folder = %folder.display(), %error, "the inbox cannot be made");
            return (Verdict::Failed, folder);
        }
        (verdict, folder)
    }

    /// Tells who offered a content what became of it.
    pub(super) fn judge(&mut self, number: u32, verdict: Verdict) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let id = content.id;
        let offered = if verdict == Verdict::Accepted {
            content.offered.clone()
        } else {
            std::mem::take(&mut content.offered)
        };
        for peer in offered {
            let message = Message::Verdict {
                content: id,
                verdict,
            };
            self.tell(Input::Say { peer, message });
        }
    }
}
