//! Pushes that come: what peers offer, and what becomes of it.
//!
//! Carries the facts to `fairhaul_core::door::push`, which decides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::door::push::{self, Here, Inbox};
use fairhaul_core::id::PeerId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{Message, Offer, Verdict};
use fairhaul_core::node::Input;
use tracing::warn;

use super::STATE;
use super::contents::{Content, Contents, Kept, Role, Stage};
use super::host::Host;
use super::shelf::ManifestShelf;
use crate::content::path::shown;
use crate::content::{Kind as EntryKind, Tree};
use crate::control::api::Failure;

/// A manifest in memory beside what was read from it, as a multiple of its length (limit L8).
const READ_MANIFEST: u64 = 5;
/// Of whom something is held that no peer can give back.
const NOBODY: PeerId = PeerId(u32::MAX);

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
            let (number, stage) = (content.number, content.stage.clone());
            if stage == Stage::Whole {
                return self.answer(peer, id, Verdict::Done);
            }
            self.wants_to_know(number, peer);
            if let (Stage::Failed(_), true) = (stage, content_is_pushed(&self.contents, number)) {
                // It was given up because nobody fed it: what has come of it is on disk.
                self.restart(number);
            }
            return self.answer(peer, id, Verdict::Accepted);
        }
        let (verdict, folder) = self.allowance(peer, offer);
        if verdict != Verdict::Accepted {
            return self.answer(peer, id, verdict);
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
            // Charged before a byte of it comes, and given back when it is read or given up.
            let held = self
                .budget
                .hold(peer, Kind::Announced, offer.manifest_bytes);
            content.held = Some(held);
        }
        self.wants_to_know(number, peer);
        self.answer(peer, id, Verdict::Accepted);
    }

    /// `peer` is told what becomes of a content that it offered.
    fn wants_to_know(&mut self, number: u32, peer: PeerId) {
        let now = self.clock.now();
        if let Some(content) = self.contents.at_mut(number)
            && !content.offered.contains(&peer)
        {
            content.offered.push(peer);
            content.fed = now;
        }
    }

    fn answer(&mut self, peer: PeerId, content: ContentId, verdict: Verdict) {
        let message = Message::Verdict { content, verdict };
        self.tell(Input::Say { peer, message });
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
        let underway = |content: &&Content| content.stage != Stage::Whole;
        // One that was given up takes of the quota, and no place.
        let active = |content: &&Content| {
            content.is_coming_push() && !matches!(content.stage, Stage::Failed(_))
        };
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
            quota_left: self
                .quota(peer)
                .map_or(u64::MAX, |(quota, used)| quota.saturating_sub(used)),
            disk_left: free.saturating_sub(coming),
            bytes_max: None,
            active: pushed().filter(active).count(),
            active_max: PUSHES_MAX,
            memory: self.budget.books().admits(peer, offer.manifest_bytes),
            here: Here::Nothing,
        };
        let verdict = push::judge(offer, &inbox);
        let folder = folder.map_or_else(PathBuf::new, |folder| data.join(folder));
        if verdict == Verdict::Accepted {
            let made = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
            let made = made.and_then(|()| self.not_our_own(&folder));
            if let Err(error) = made {
                warn!(folder = %folder.display(), %error, "the inbox cannot be used");
                return (Verdict::Failed, folder);
            }
        }
        (verdict, folder)
    }

    /// What a peer may push in all and what it has pushed, in bytes; none sets no limit.
    fn quota(&self, peer: PeerId) -> Option<(u64, u64)> {
        let row = self.peers.at(peer);
        let quota = row.params.as_ref()?.quota?;
        let key = Some(row.key.to_string());
        let pushed = self.contents.iter().filter(|one| one.kept.from == key);
        // What is not described yet counts with what was offered, everything else with what its
        // manifest says that it takes.
        let used = pushed.map(|one| one.kept.offered.saturating_add(one.kept.manifest_bytes));
        Some((quota.get(), used.fold(0, u64::saturating_add)))
    }

    /// The manifest of a content is read. A push is taken if what it says is within the quota of
    /// who offered it: the offer may have said anything.
    pub(super) fn admit(&mut self, number: u32, tree: Arc<Tree>) {
        let pusher = self.pusher(number);
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.kept.from.is_none() {
            return self.prepare(number, tree);
        }
        let lens = tree.entries().iter().map(|entry| match entry.kind {
            EntryKind::File { bytes, .. } => bytes,
            EntryKind::EmptyDirectory => 0,
        });
        content.kept.offered = push::space(lens);
        // It stays in memory, whoever is connected.
        let bytes = content.kept.manifest_bytes.saturating_mul(READ_MANIFEST);
        content.held = Some(self.budget.hold(NOBODY, Kind::Announced, bytes));
        if pusher.is_some_and(|peer| self.is_over_quota(peer)) {
            return self.end_push(number, Verdict::Quota);
        }
        self.prepare(number, tree);
    }

    fn is_over_quota(&self, peer: PeerId) -> bool {
        self.quota(peer).is_some_and(|(quota, used)| used > quota)
    }

    /// Who pushed a content, if it is known here.
    fn pusher(&self, number: u32) -> Option<PeerId> {
        let key = self.contents.at(number)?.kept.from.as_ref()?;
        self.peers.find(&key.parse().ok()?)
    }

    /// Ends a push that is not whole, and says so to whoever offered it.
    fn end_push(&mut self, number: u32, verdict: Verdict) {
        let Some(content) = self.contents.at(number) else {
            return;
        };
        warn!(content = %shown(&content.kept.name), ?verdict, "a push ends");
        self.judge(number, verdict);
        // Nobody waits for it any more.
        let _ = self.cancel(number);
    }

    /// Ends pushes that nobody feeds, and those beyond a quota that has become less.
    pub(super) fn review_coming_pushes(&mut self) {
        let now = self.clock.now();
        let coming = self.contents.iter().filter(|one| one.is_coming_push());
        let coming: Vec<u32> = coming.map(|one| one.number).collect();
        for number in coming {
            let over = self.pusher(number).filter(|peer| self.is_over_quota(*peer));
            let Some(content) = self.contents.at(number) else {
                continue;
            };
            let mut offered = content.offered.iter();
            let is_here = offered.any(|peer| self.peers.link(*peer).is_some());
            let unfed = push::is_unfed(is_here, content.fed, now);
            match &content.stage {
                Stage::Describing | Stage::Moving if over.is_some() => {
                    self.end_push(number, Verdict::Quota);
                }
                // Nothing of it is on disk.
                Stage::Describing if unfed => self.end_push(number, Verdict::Failed),
                Stage::Moving if unfed => self.set_aside(number),
                _ => {}
            }
        }
    }

    /// A push of which something is on disk waits there until it is offered again.
    fn set_aside(&mut self, number: u32) {
        self.fail(number, Failure::UNREACHABLE, "nobody sends the rest");
        if let Some(content) = self.contents.at_mut(number) {
            content.manifest = Arc::new(ManifestShelf::empty(content.kept.manifest_bytes));
            (content.files, content.held) = (None, None);
        }
    }

    /// Refuses a folder in which the node keeps its own state, or that holds it, by whatever links
    /// it is named: what is written there would be taken for state at the next start.
    pub(super) fn not_our_own(&self, folder: &Path) -> Result<(), String> {
        let folder = std::fs::canonicalize(folder).map_err(|error| error.to_string())?;
        let data = std::fs::canonicalize(self.settings.params.node().data);
        let data = data.map_err(|error| error.to_string())?;
        if data.starts_with(&folder) || folder.starts_with(data.join(STATE)) {
            let folder = folder.display();
            return Err(format!("{folder} is where this node keeps its own state"));
        }
        Ok(())
    }

    /// Tells who offered a content what became of it at last.
    pub(super) fn judge(&mut self, number: u32, verdict: Verdict) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let id = content.id;
        for peer in std::mem::take(&mut content.offered) {
            self.answer(peer, id, verdict);
        }
    }
}

/// Whether a peer pushed a content.
fn content_is_pushed(contents: &Contents, number: u32) -> bool {
    contents
        .at(number)
        .is_some_and(|content| content.kept.from.is_some())
}
