//! Offers of peers: whether to take what a peer offers.
//!
//! The answer hangs on what the parameter file grants the sender, and what is left of it. A peer
//! without the right is refused before anything is looked up: it learns nothing of what is here.
//! A disk may stand still, so it is looked at beside the driver: each offer is judged before that,
//! and once more after it.

use std::collections::BTreeMap;

use super::content::{Content, Stage};
use super::io::{Disk, FolderId, LibraryAction, OfferId};
use super::quota;
use super::stages::Turn;
use crate::connections::Key;
use crate::id::PeerId;
use crate::message::{Offer, OfferVerdict};

/// Longest manifest that is taken (limit L8).
pub const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

/// Pushes of one peer that may be under way at once.
const PUSHES_MAX: usize = 64;

/// Offers of one peer that may wait for a disk: more than it can make at once (limit L6).
const WAITING_MAX: usize = 1_024;

/// What the parameter file lets a peer push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushGrant {
    /// Its inbox; `None` accepts nothing.
    pub folder: Option<FolderId>,
    /// Bytes that all of it may take on disk; `None` sets no limit.
    pub quota: Option<u64>,
}

/// An offer that waits until the disk of its inbox was looked at.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) peer: PeerId,
    pub(super) folder: FolderId,
    pub(super) offer: Box<Offer>,
}

/// Push quotas of the peers, and the offers that wait.
#[derive(Debug, Default)]
pub(super) struct Offers {
    grants: BTreeMap<PeerId, (Key, PushGrant)>,
    waiting: BTreeMap<OfferId, Waiting>,
    next: u64,
}

/// What is there for one peer's offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Whether the peer may offer at all: it has a folder.
    pub accepts: bool,
    /// Bytes that it may still bring. Those of offers that are accepted and not yet whole are
    /// no longer part of it.
    pub quota_left: u64,
    /// Bytes that the disk can still take, with the same left out.
    pub disk_left: u64,
    /// The longest content that is taken; none sets no limit.
    pub bytes_max: Option<u64>,
    /// Accepted offers that are not whole yet, and how many there may be.
    pub active: usize,
    /// The most of them.
    pub active_max: usize,
    /// Whether there is memory for its manifest.
    pub memory: bool,
    /// What is here of the content.
    pub here: LocalCopy,
}

/// What is here of an offered content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalCopy {
    /// Nothing.
    Nothing,
    /// It is in the inbox of that peer, or on its way there. Before it is reported as complete,
    /// that is checked.
    Coming,
}

/// What to answer.
#[must_use]
pub fn judge(offer: &Offer, inbox: &Inbox) -> OfferVerdict {
    let too_long = inbox.bytes_max.is_some_and(|most| offer.bytes > most);
    let manifest = (1..=MANIFEST_MAX).contains(&offer.manifest_bytes);
    if !inbox.accepts || too_long || !manifest || !is_name(&offer.name) {
        return OfferVerdict::NotAccepted;
    }
    if inbox.here == LocalCopy::Coming {
        return OfferVerdict::Accepted;
    }
    let cost = offer.bytes.checked_add(offer.manifest_bytes);
    match cost {
        Some(cost) if cost <= inbox.quota_left => {}
        _ => return OfferVerdict::Quota,
    }
    // The quota was granted; that the disk is full may pass.
    let fits = inbox.memory && cost.is_some_and(|cost| cost <= inbox.disk_left);
    if !fits || inbox.active >= inbox.active_max {
        return OfferVerdict::Busy;
    }
    OfferVerdict::Accepted
}

impl Offers {
    /// What a peer may push from now on.
    pub(super) fn grant(&mut self, peer: PeerId, key: Key, grant: Option<PushGrant>) {
        match grant {
            Some(grant) => self.grants.insert(peer, (key, grant)),
            None => self.grants.remove(&peer),
        };
    }

    /// The key of a peer that has a grant.
    pub(super) fn key(&self, peer: PeerId) -> Option<Key> {
        self.grants.get(&peer).map(|(key, _)| *key)
    }

    /// Bytes that the owner of `key` may push in all; `None` sets no limit.
    pub(super) fn quota(&self, key: &Key) -> Option<u64> {
        let mut grants = self.grants.values();
        grants.find(|(of, _)| of == key)?.1.quota
    }

    /// A peer offers a content: its disk is looked at first, if the rest speaks for it.
    pub(super) fn offer(
        &mut self,
        peer: PeerId,
        offer: Box<Offer>,
        (contents, has_memory): (&BTreeMap<u32, Content>, bool),
        turn: &mut Turn<'_>,
    ) {
        let content = offer.content;
        let (mut verdict, folder) = self.allowance(peer, &offer, (contents, has_memory), None);
        let waiting = self.waiting.values().filter(|one| one.peer == peer);
        if verdict == OfferVerdict::Accepted && waiting.count() >= WAITING_MAX {
            verdict = OfferVerdict::Busy;
        }
        let folder = folder.filter(|_| verdict == OfferVerdict::Accepted);
        let Some(folder) = folder else {
            return turn.act(LibraryAction::Answer {
                peer,
                content,
                verdict,
            });
        };
        let id = OfferId(self.next);
        self.next += 1;
        turn.act(LibraryAction::Look {
            offer: id,
            peer,
            folder,
            of: offer.clone(),
        });
        let waiting = Waiting {
            peer,
            folder,
            offer,
        };
        self.waiting.insert(id, waiting);
    }

    /// The disk of an inbox was looked at: the offer that waited for it, and the answer.
    pub(super) fn looked(
        &mut self,
        id: OfferId,
        (contents, has_memory): (&BTreeMap<u32, Content>, bool),
        disk: Option<Disk>,
    ) -> Option<(Waiting, OfferVerdict)> {
        let waiting = self.waiting.remove(&id)?;
        let facts = (contents, has_memory);
        let (verdict, folder) = self.allowance(waiting.peer, &waiting.offer, facts, disk);
        let is_usable = disk.is_some() && folder == Some(waiting.folder);
        let verdict = match verdict {
            OfferVerdict::Accepted if !is_usable => OfferVerdict::Failed,
            verdict => verdict,
        };
        Some((waiting, verdict))
    }

    /// A session ended: its peer makes its offers again in the next.
    pub(super) fn disconnected(&mut self, peer: PeerId) {
        self.waiting.retain(|_, waiting| waiting.peer != peer);
    }

    /// What becomes of an offer as far as is known before its disk was looked at, or after that;
    /// and where the content goes.
    fn allowance(
        &self,
        peer: PeerId,
        offer: &Offer,
        (contents, has_memory): (&BTreeMap<u32, Content>, bool),
        disk: Option<Disk>,
    ) -> (OfferVerdict, Option<FolderId>) {
        let Some((key, grant)) = self.grants.get(&peer) else {
            return (OfferVerdict::NotAccepted, None);
        };
        // A peer that may not push learns nothing of what is here (H2).
        let mut known = contents.values();
        let known = known.find(|one| one.id == offer.content && grant.folder.is_some());
        let bytes = known.map_or(offer.bytes, |known| offered_bytes(known, offer));
        // What is in that folder already, or on its way to it, costs no more room.
        let coming = |known: &Content| grant.folder.is_some_and(|to| known.places.include(to));
        let here = match known.is_some_and(coming) {
            true => LocalCopy::Coming,
            false => LocalCopy::Nothing,
        };
        // One that was given up takes of the quota, and no place.
        let active = contents.values().filter(|one| {
            let is_active = one.is_coming_push() && !matches!(one.stage, Stage::Failed(_));
            is_active && quota::charge(one, key) > 0
        });
        let used = quota::used(contents, key);
        let inbox = Inbox {
            accepts: grant.folder.is_some(),
            quota_left: grant
                .quota
                .map_or(u64::MAX, |quota| quota.saturating_sub(used)),
            disk_left: disk.map_or(u64::MAX, |disk| quota::disk_left(contents, disk)),
            bytes_max: None,
            active: active.count(),
            active_max: PUSHES_MAX,
            memory: has_memory,
            here,
        };
        let offer = &Offer {
            bytes,
            ..offer.clone()
        };
        (judge(offer, &inbox), grant.folder)
    }
}

/// Length of an offered content that is known here: the local copy decides, not the offer.
pub(super) fn offered_bytes(known: &Content, offer: &Offer) -> u64 {
    let description = known.manifest.description.filter(|_| known.is_open());
    description.map_or(offer.bytes, |description| description.space)
}

/// Whether a name can be that of a file or folder anywhere: the store looks closer.
fn is_name(name: &str) -> bool {
    let odd = |letter: char| letter.is_control() || matches!(letter, '/' | '\\' | ':');
    !name.is_empty() && name != "." && name != ".." && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ContentId;

    fn offer(bytes: u64) -> Offer {
        Offer {
            content: ContentId([1; 32]),
            manifest_bytes: 100,
            bytes,
            name: "a b".into(),
        }
    }

    /// Room for a thousand bytes and for one content more.
    const ROOM: Inbox = Inbox {
        accepts: true,
        quota_left: 1_000,
        disk_left: 1_000,
        bytes_max: None,
        active: 1,
        active_max: 2,
        memory: true,
        here: LocalCopy::Nothing,
    };

    #[test]
    fn an_offer_is_accepted_up_to_the_last_byte_of_the_quota() {
        assert_eq!(judge(&offer(900), &ROOM), OfferVerdict::Accepted);
        assert_eq!(judge(&offer(901), &ROOM), OfferVerdict::Quota);
        assert_eq!(judge(&offer(u64::MAX), &ROOM), OfferVerdict::Quota);
        let bytes_max = Some(500);
        let inbox = Inbox { bytes_max, ..ROOM };
        assert_eq!(judge(&offer(500), &inbox), OfferVerdict::Accepted);
        assert_eq!(judge(&offer(501), &inbox), OfferVerdict::NotAccepted);
    }

    /// The answer is the same whether we have it or not.
    ///
    /// Register: H2.
    #[test]
    fn whoever_has_no_right_learns_nothing() {
        for here in [LocalCopy::Nothing, LocalCopy::Coming] {
            for quota_left in [0, 1_000] {
                let inbox = Inbox {
                    accepts: false,
                    quota_left,
                    here,
                    ..ROOM
                };
                assert_eq!(judge(&offer(1), &inbox), OfferVerdict::NotAccepted);
            }
        }
    }

    #[test]
    fn what_is_here_needs_no_room() {
        let full = Inbox {
            quota_left: 0,
            disk_left: 0,
            active: 2,
            ..ROOM
        };
        let of = |here| judge(&offer(1), &Inbox { here, ..full });
        assert_eq!(of(LocalCopy::Coming), OfferVerdict::Accepted);
        assert_eq!(of(LocalCopy::Nothing), OfferVerdict::Quota);
    }

    /// Register: P5.
    #[test]
    fn what_may_pass_is_called_busy() {
        let disk_left = 999;
        let disk = Inbox { disk_left, ..ROOM };
        assert_eq!(judge(&offer(900), &disk), OfferVerdict::Busy);
        let active = 2;
        let crowd = Inbox { active, ..ROOM };
        assert_eq!(judge(&offer(1), &crowd), OfferVerdict::Busy);
        let memory = false;
        let full = Inbox { memory, ..ROOM };
        assert_eq!(judge(&offer(1), &full), OfferVerdict::Busy);
    }

    /// Register: M1, M2, M5, M9.
    #[test]
    fn odd_names_and_manifests_are_not_accepted() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "C:",
            "a\0",
            "a\n",
            "\u{1b}[0m",
        ] {
            let offer = Offer {
                name: name.into(),
                ..offer(1)
            };
            assert_eq!(judge(&offer, &ROOM), OfferVerdict::NotAccepted, "{name:?}");
        }
        for manifest_bytes in [0, MANIFEST_MAX + 1, u64::MAX] {
            let offer = Offer {
                manifest_bytes,
                ..offer(1)
            };
            assert_eq!(judge(&offer, &ROOM), OfferVerdict::NotAccepted);
        }
    }
}
