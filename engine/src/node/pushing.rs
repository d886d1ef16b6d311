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
use super::contents::{Content, Kept, Stage, Wish};
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
        let known = self.contents.find(&id).filter(|_| may_push);
        let number = known.map(|content| content.number);
        // What is here says itself how long it is, whatever the offer says.
        let tree = known.and_then(|content| content.files.as_ref().map(|(_, tree)| tree));
        let bytes = tree.map_or(offer.bytes, |tree| space_of(tree));
        let offer = &Offer {
            bytes,
            ..offer.clone()
        };
        let (verdict, folder) = self.allowance(peer, offer, number);
        if verdict != Verdict::Accepted {
            return self.answer(peer, id, verdict);
        }
        let key = self.peers.at(peer).key.to_string();
        let mut wish = Wish::new(folder, false, false);
        (wish.place.from, wish.place.offered) = (Some(key), bytes);
        wish.offered.push(peer);
        self.answer(peer, id, Verdict::Accepted);
        if let Some(number) = number {
            return self.place(number, wish, offer.manifest_bytes);
        }
        let place = wish.place;
        let mut kept = Kept::new(offer.name.to_string(), offer.manifest_bytes, place.role);
        (kept.from, kept.offered) = (place.from, place.offered);
        let number = self.fetch(id, kept, None);
        let now = self.clock.now();
        if let Some(content) = self.contents.at_mut(number) {
            // Charged before a byte of it comes, and given back when it is read or given up.
            let held = self
                .budget
                .hold(peer, Kind::Announced, offer.manifest_bytes);
            content.held = Some(held);
            content.offered.push(peer);
            content.fed = now;
        }
    }

    fn answer(&mut self, peer: PeerId, content: ContentId, verdict: Verdict) {
        let message = Message::Verdict { content, verdict };
        self.tell(Input::Say { peer, message });
    }

    /// What becomes of an offer, and where the content goes.
    fn allowance(&self, peer: PeerId, offer: &Offer, known: Option<u32>) -> (Verdict, PathBuf) {
        let row = self.peers.at(peer);
        let folder = row
            .params
            .as_ref()
            .and_then(|params| params.accept.as_ref());
        let data = &*self.settings.params.node.data;
        let key = row.key.to_string();
        let charged = |content: &&Content| content.charged_to(&key) > 0;
        let target = folder.map_or_else(PathBuf::new, |folder| data.join(&**folder));
        // What is in that folder already, or on its way to it, costs no more room.
        let known = known.and_then(|number| self.contents.at(number));
        let here = match known {
            Some(content) if content.goes_to(&target) => Here::Coming,
            _ => Here::Nothing,
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
        let free = rustix::fs::statvfs(data).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
        let inbox = Inbox {
            accepts: folder.is_some(),
            quota_left: self
                .quota(peer)
                .map_or(u64::MAX, |(quota, used)| quota.saturating_sub(used)),
            disk_left: free.saturating_sub(coming),
            bytes_max: None,
            active: self.contents.iter().filter(charged).filter(active).count(),
            active_max: PUSHES_MAX,
            memory: self.budget.books().admits(peer, offer.manifest_bytes),
            here,
        };
        let verdict = push::judge(offer, &inbox);
        let folder = target;
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
        let quota = row.params.as_ref()?.quota.get()?;
        let key = row.key.to_string();
        let used = self.contents.iter().map(|one| one.charged_to(&key));
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
        content.kept.offered = space_of(&tree);
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
        if !content.kept.places.is_empty() || !content.wishes.is_empty() {
            // It is wanted in other folders, too.
            return self.fail(number, Failure::ERROR, verdict, "a push of it has ended");
        }
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
        let why = "nobody sends the rest";
        self.fail(number, Failure::UNREACHABLE, Verdict::Failed, why);
        let given_up = |content: &&mut Content| matches!(content.stage, Stage::Failed(_));
        if let Some(content) = self.contents.at_mut(number).filter(given_up) {
            content.manifest = Arc::new(ManifestShelf::empty(content.kept.manifest_bytes));
            (content.files, content.held) = (None, None);
        }
    }

    /// Refuses a folder in which the node keeps its own state, or that holds it, by whatever links
    /// it is named: what is written there would be taken for state at the next start.
    pub(super) fn not_our_own(&self, folder: &Path) -> Result<(), String> {
        let folder = std::fs::canonicalize(folder).map_err(|error| error.to_string())?;
        let data = std::fs::canonicalize(&*self.settings.params.node.data);
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

/// What a content takes on disk.
fn space_of(tree: &Tree) -> u64 {
    let lens = tree.entries().iter().map(|entry| match entry.kind {
        EntryKind::File { bytes, .. } => bytes,
        EntryKind::EmptyDirectory => 0,
    });
    push::space(lens)
}
