//! Whether to take what a peer offers, and how long to wait for it.
//!
//! The answer hangs on what the parameter file grants the sender, and what is left of it. A peer
//! without the right is refused before anything is looked up: it learns nothing of what is here.
//! An offer says how long a content is; what it takes is charged again once its manifest is known,
//! by the block, because a million empty files are not nothing.

use crate::message::{Offer, Verdict};
use crate::time::{Span, Time};

/// Longest manifest that is taken (limit L8).
pub const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

/// What a file or a folder takes of a disk at least, and in what steps it grows: the block of
/// nearly all file systems.
const DISK_BLOCK: u64 = 4_096;

/// A push of which nothing comes ends after so long, if nobody who offered it is connected, ...
const UNFED_ALONE: Span = Span::from_secs(60);
/// ... and if somebody is, who may have others to serve first.
const UNFED: Span = Span::from_secs(600);

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
    pub here: Here,
}

/// What is here of an offered content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// Nothing.
    Nothing,
    /// It is in the folder of that peer, or on its way there. Whether it is whole is looked at
    /// before anybody is told so.
    Coming,
}

/// What to answer.
#[must_use]
pub fn judge(offer: &Offer, inbox: &Inbox) -> Verdict {
    let too_long = inbox.bytes_max.is_some_and(|most| offer.bytes > most);
    let manifest = (1..=MANIFEST_MAX).contains(&offer.manifest_bytes);
    if !inbox.accepts || too_long || !manifest || !is_name(&offer.name) {
        return Verdict::NotAccepted;
    }
    if inbox.here == Here::Coming {
        return Verdict::Accepted;
    }
    let cost = offer.bytes.checked_add(offer.manifest_bytes);
    match cost {
        Some(cost) if cost <= inbox.quota_left => {}
        _ => return Verdict::Quota,
    }
    // The quota was granted; that the disk is full may pass.
    let fits = inbox.memory && cost.is_some_and(|cost| cost <= inbox.disk_left);
    if !fits || inbox.active >= inbox.active_max {
        return Verdict::Busy;
    }
    Verdict::Accepted
}

/// What files and empty folders of these lengths take of a disk, in bytes.
#[must_use]
pub fn space(lens: impl IntoIterator<Item = u64>) -> u64 {
    let blocks = |len: u64| len.max(1).div_ceil(DISK_BLOCK);
    let all = lens.into_iter().map(blocks);
    all.fold(0, u64::saturating_add).saturating_mul(DISK_BLOCK)
}

/// Whether a push ends because nobody feeds it: of which something came last at `fed`, and of
/// those who offered it somebody `is_here` or nobody.
#[must_use]
pub fn is_unfed(is_here: bool, fed: Time, now: Time) -> bool {
    let patience = if is_here { UNFED } else { UNFED_ALONE };
    now.since(fed) >= patience
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
        here: Here::Nothing,
    };

    #[test]
    fn an_offer_is_accepted_up_to_the_last_byte_of_the_quota() {
        assert_eq!(judge(&offer(900), &ROOM), Verdict::Accepted);
        assert_eq!(judge(&offer(901), &ROOM), Verdict::Quota);
        assert_eq!(judge(&offer(u64::MAX), &ROOM), Verdict::Quota);
        let bytes_max = Some(500);
        let inbox = Inbox { bytes_max, ..ROOM };
        assert_eq!(judge(&offer(500), &inbox), Verdict::Accepted);
        assert_eq!(judge(&offer(501), &inbox), Verdict::NotAccepted);
    }

    /// The answer is the same whether we have it or not.
    ///
    /// Register: H2.
    #[test]
    fn whoever_has_no_right_learns_nothing() {
        for here in [Here::Nothing, Here::Coming] {
            for quota_left in [0, 1_000] {
                let inbox = Inbox {
                    accepts: false,
                    quota_left,
                    here,
                    ..ROOM
                };
                assert_eq!(judge(&offer(1), &inbox), Verdict::NotAccepted);
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
        assert_eq!(of(Here::Coming), Verdict::Accepted);
        assert_eq!(of(Here::Nothing), Verdict::Quota);
    }

    /// Register: P5.
    #[test]
    fn what_may_pass_is_called_busy() {
        let disk_left = 999;
        let disk = Inbox { disk_left, ..ROOM };
        assert_eq!(judge(&offer(900), &disk), Verdict::Busy);
        let active = 2;
        let crowd = Inbox { active, ..ROOM };
        assert_eq!(judge(&offer(1), &crowd), Verdict::Busy);
        let memory = false;
        let full = Inbox { memory, ..ROOM };
        assert_eq!(judge(&offer(1), &full), Verdict::Busy);
    }

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
            assert_eq!(judge(&offer, &ROOM), Verdict::NotAccepted, "{name:?}");
        }
        for manifest_bytes in [0, MANIFEST_MAX + 1, u64::MAX] {
            let offer = Offer {
                manifest_bytes,
                ..offer(1)
            };
            assert_eq!(judge(&offer, &ROOM), Verdict::NotAccepted);
        }
    }
}
