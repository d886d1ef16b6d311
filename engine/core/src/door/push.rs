//! Whether to take what a peer offers.
//!
//! Decides from what the parameter file grants the sender, and what is left of it. Refuses before
//! it looks anything up: a peer without the right learns nothing of what is here.

use crate::message::{Offer, Verdict};

/// Longest manifest that is taken (limit L8).
pub const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

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
    let fits = cost.is_some_and(|cost| cost <= inbox.disk_left);
    if !fits || inbox.active >= inbox.active_max {
        return Verdict::Busy;
    }
    Verdict::Accepted
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
