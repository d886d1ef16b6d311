//! Pushes that come: what becomes of what was accepted.
//!
//! Carries the facts to `fairhaul_core::door::push`, which decides.

use std::sync::Arc;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::door::push;
use fairhaul_core::id::PeerId;
use fairhaul_core::message::Verdict;
use tracing::warn;

use super::content::{Content, Stage};
use super::host::Host;
use super::shelf::ManifestShelf;
use crate::content::path::shown;
use crate::content::{Kind as EntryKind, Tree};
use crate::control::api::Failure;

/// A manifest in memory beside what was read from it, as a multiple of its length (limit L8).
pub(super) const READ_MANIFEST: u64 = 5;
/// Of whom something is held that no peer can give back.
const NOBODY: PeerId = PeerId(u32::MAX);

impl Host {
    /// What a peer may push in all and what it has pushed, in bytes; none sets no limit.
    pub(super) fn quota(&self, peer: PeerId) -> Option<(u64, u64)> {
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
        self.hold_manifest(number, READ_MANIFEST);
        if pusher.is_some_and(|peer| self.is_over_quota(peer)) {
            return self.end_push(number, Verdict::Quota);
        }
        self.prepare(number, tree);
    }

    /// The manifest of a push stays in memory, whoever is connected, `times` over. That of an
    /// earlier run is read already, or is still to come.
    pub(super) fn hold_manifest(&mut self, number: u32, times: u64) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.kept.from.is_some() {
            let bytes = content.kept.manifest_bytes.saturating_mul(times);
            content.held = Some(self.budget.hold(NOBODY, Kind::Announced, bytes));
        }
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
pub(super) fn space_of(tree: &Tree) -> u64 {
    let lens = tree.entries().iter().map(|entry| match entry.kind {
        EntryKind::File { bytes, .. } => bytes,
        EntryKind::EmptyDirectory => 0,
    });
    push::space(lens)
}
