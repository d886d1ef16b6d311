//! Push quotas: what a peer has pushed, what it may still push, and when a push of it ends.
//!
//! An offer says how long a content is; what it takes is charged again once its manifest is known,
//! by the block, because a million empty files are not nothing.

use std::collections::BTreeMap;

use super::content::{Content, Stage};
use super::io::Disk;
use super::offers::Offers;
use crate::connections::Key;
use crate::message::OfferVerdict;
use crate::node::Node;
use crate::time::{Span, Time};

/// A manifest in memory beside what was read from it, as a multiple of its length (limit L8).
pub(crate) const READ_MANIFEST: u64 = 5;

/// What a file or a folder takes of a disk at least, and in what steps it grows: the block of
/// nearly all file systems.
const DISK_BLOCK: u64 = 4_096;

/// A push that receives nothing ends after this long while no peer that offered it is connected,
/// ...
const UNFED_ALONE: Span = Span::from_secs(60);
/// ... and while one is, which may have others to serve first.
const UNFED: Span = Span::from_secs(600);

/// How a push ends that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is forgotten, and the peer that offered it is told why.
    Forget(OfferVerdict),
    /// What is on disk of it waits there until it is offered again.
    SetAside,
}

/// What files and empty folders of these lengths take of a disk, in bytes.
#[must_use]
pub fn space(lens: impl IntoIterator<Item = u64>) -> u64 {
    let blocks = |len: u64| len.max(1).div_ceil(DISK_BLOCK);
    let all = lens.into_iter().map(blocks);
    all.fold(0, u64::saturating_add).saturating_mul(DISK_BLOCK)
}

/// Bytes that the owner of `key` has pushed of one content.
pub(super) fn charge(content: &Content, key: &Key) -> u64 {
    content.places.charged_to(key, content.manifest.bytes)
}

/// Bytes that the owner of `key` has pushed in all.
pub(super) fn used(contents: &BTreeMap<u32, Content>, key: &Key) -> u64 {
    let all = contents.values().map(|one| charge(one, key));
    all.fold(0, u64::saturating_add)
}

/// Free space of a disk, less what is on its way to it. A content whose disk is not known yet
/// counts against this one.
pub(super) fn disk_left(contents: &BTreeMap<u32, Content>, disk: Disk) -> u64 {
    let coming = contents.values().filter(|content| {
        let elsewhere = content.device.is_some() && content.device != disk.device;
        content.stage != Stage::Whole && !elsewhere
    });
    let coming = coming.map(Content::lacking);
    disk.free
        .saturating_sub(coming.fold(0, u64::saturating_add))
}

/// Whether the peer that pushed a content is over its quota.
pub(super) fn is_over(content: &Content, contents: &BTreeMap<u32, Content>, of: &Offers) -> bool {
    let Some(key) = &content.places.filled.pusher else {
        return false;
    };
    of.quota(key)
        .is_some_and(|quota| used(contents, key) > quota)
}

/// Whether an incomplete push ends now: it is over a quota that was lowered, or no peer sends any
/// more of it.
pub(super) fn review(
    content: &Content,
    (contents, offers): (&BTreeMap<u32, Content>, &Offers),
    node: &Node,
    now: Time,
) -> Option<End> {
    if !content.is_coming_push() {
        return None;
    }
    let mut offered = content.offered.iter();
    let is_here = offered.any(|peer| node.is_connected(*peer));
    let unfed = is_unfed(is_here, content.fed, now);
    match &content.stage {
        Stage::Describing | Stage::Moving if is_over(content, contents, offers) => {
            Some(End::Forget(OfferVerdict::Quota))
        }
        // Nothing of it is on disk.
        Stage::Describing if unfed => Some(End::Forget(OfferVerdict::Failed)),
        Stage::Moving if unfed => Some(End::SetAside),
        _ => None,
    }
}

/// Whether a push ends because no peer sends any more of it. Bytes of it last came at `fed`;
/// `is_here` if a peer that offered it is connected.
fn is_unfed(is_here: bool, fed: Time, now: Time) -> bool {
    let patience = if is_here { UNFED } else { UNFED_ALONE };
    now.since(fed) >= patience
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million empty files are four gigabytes, and a folder is a block.
    #[test]
    fn every_file_takes_a_block_at_least_and_whole_ones() {
        assert_eq!(space([]), 0);
        assert_eq!(space([0]), 4_096);
        assert_eq!(space([1, 4_096, 4_097]), 4 * 4_096);
        assert_eq!(space(std::iter::repeat_n(0, 1_000_000)), 4_096_000_000);
        assert!(space([u64::MAX, u64::MAX]) >= u64::MAX - 4_096);
    }

    #[test]
    fn a_push_that_nobody_feeds_ends_sooner_when_its_sender_has_gone() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        assert!(!is_unfed(false, at(5), at(64)) && is_unfed(false, at(5), at(65)));
        assert!(!is_unfed(true, at(5), at(604)) && is_unfed(true, at(5), at(605)));
    }
}
