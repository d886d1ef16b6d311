use super::*;
use crate::library::offers::MANIFEST_MAX;

/// The identity of the content with this number.
fn id(number: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    ContentId(id)
}

fn charges(told: &[LibraryAction]) -> Vec<(Option<PeerId>, u64)> {
    let charged = told.iter().filter_map(|action| match action {
        LibraryAction::Charge { peer, bytes, .. } => Some((*peer, *bytes)),
        _ => None,
    });
    charged.collect()
}

/// The offered size is charged before a byte comes, and the size in the manifest once that is read.
/// The sender of the offer hears at the end that the content is whole.
///
/// Limit: L8.
#[test]
fn a_push_is_charged_and_its_sender_hears_how_it_ended() {
    let mut rig = Rig::new();
    rig.meets(A);
    assert_eq!(charges(&rig.offer(4_000, Some(5_000))), [(Some(A), 100)]);
    // What its manifest says is within the quota to the last byte.
    let told = rig.describe(Ok(description(4_900)));
    assert_eq!(
        (charges(&told), verdicts(&told)),
        (vec![(None, 500)], vec![])
    );
    assert!(told.contains(&LibraryAction::Prepare { number: 1 }));
    rig.prepare(4);
    let (number, result) = (1, Ok(()));
    let told = rig.tell(LibraryInput::Finished { number, result });
    assert_eq!(verdicts(&told), [OfferVerdict::Done]);
    let pushed = Placement {
        role: Role::Fetched {
            overwrite: false,
            force: false,
            whole: true,
        },
        offered: 4_900,
        ..placement(HERE, Some(KEY))
    };
    assert_eq!(rig.kept().placement, pushed);
    // It stays charged to its sender.
    assert_eq!(verdicts(&rig.offers(A, id(2), 1)), [OfferVerdict::Quota]);
}

/// A quota becomes less while a push is on its way, or stays as it is to the last byte.
#[test]
fn a_push_beyond_a_quota_that_has_become_less_ends() {
    for is_described in [false, true] {
        let mut rig = Rig::new();
        rig.get(THERE, 1);
        rig.tell(LibraryInput::Cancel { number: 1 });
        rig.meets(A);
        rig.grant(A, HERE, None);
        let asked = rig.offers(A, ID, 4_000);
        rig.looked(&asked, 1_000_000, None);
        if is_described {
            let (number, attempt) = (2, 0);
            let result = Ok(description(4_000));
            rig.tell(LibraryInput::Described {
                number,
                attempt,
                result,
            });
            let result = Ok(Prepared {
                have: some(1),
                whole_in: Vec::new(),
                device: None,
            });
            rig.tell(LibraryInput::Prepared { number, result });
        }
        rig.grant(A, HERE, Some(4_100));
        assert_eq!(rig.after(Span::SECOND), [], "{is_described}");
        rig.grant(A, HERE, Some(4_099));
        let told = rig.after(Span::SECOND);
        assert_eq!(verdicts(&told), [OfferVerdict::Quota], "{is_described}");
        let ended = LibraryAction::Notify(LibraryEvent::PushEnded(2, OfferVerdict::Quota));
        assert_eq!(told[0], ended);
        assert!(rig.library.find(&ID).is_none());
    }
}

/// A push into a second folder ends: what a person has in the first stays as it is.
#[test]
fn a_push_that_ends_takes_nothing_from_other_folders() {
    for is_over_quota in [true, false] {
        let mut rig = Rig::whole();
        rig.meets(A);
        rig.grant(A, THERE, None);
        let asked = rig.offers(A, ID, 1);
        let told = rig.looked(&asked, 1_000_000, None);
        assert_eq!(verdicts(&told), [OfferVerdict::Accepted]);
        assert_eq!(charges(&told), [], "its manifest is here");
        rig.copied(1);
        rig.tell(LibraryInput::Disconnected { peer: A });
        let told = if is_over_quota {
            rig.grant(A, THERE, Some(4_195));
            rig.after(Span::SECOND)
        } else {
            rig.node
                .handle(node::Input::Disconnected { peer: A }, rig.now);
            rig.after(Span::from_secs(60))
        };
        let verdict = match is_over_quota {
            true => OfferVerdict::Quota,
            false => OfferVerdict::Failed,
        };
        assert_eq!(verdicts(&told), [verdict]);
        let forgotten = |one: &LibraryAction| matches!(one, LibraryAction::ForgetManifest { .. });
        assert!(!told.iter().any(forgotten), "{told:?}");
        rig.copied(4);
        assert_eq!((rig.stage(), rig.gives()), (&Stage::Whole, Some(4)));
        assert_eq!(rig.kept().placement.folder, HERE);
    }
}

/// A push of which nothing comes is forgotten after a minute if its sender is disconnected, and
/// after ten if it is connected. Each chunk that comes starts the wait again.
///
/// Limit: L7.
#[test]
fn a_push_of_which_nothing_comes_is_forgotten() {
    for (is_here, patience) in [(false, 60), (true, 600)] {
        let mut rig = Rig::new();
        rig.meets(A);
        rig.offer(4_000, None);
        if !is_here {
            rig.node
                .handle(node::Input::Disconnected { peer: A }, rig.now);
        }
        rig.now = at(50);
        let transfer = MANIFEST;
        rig.tell(LibraryInput::Received { transfer });
        rig.now = at(0);
        assert_eq!(rig.after(Span::from_secs(50 + patience - 1)), []);
        let told = rig.after(Span::SECOND);
        assert_eq!(verdicts(&told), [OfferVerdict::Failed], "{is_here}");
        assert!(rig.library.get(1).is_none());
    }
}

/// Each offer that waits for a disk is answered by its own name, whatever the disk said of the
/// others.
#[test]
fn offers_wait_for_their_disks_apart() {
    let mut rig = Rig::new();
    rig.grant(A, HERE, None);
    let asked: Vec<_> = (2..5)
        .map(|number| rig.offers(A, id(number), 900))
        .collect();
    let answers = |told: &[LibraryAction]| -> Vec<(ContentId, OfferVerdict)> {
        let said = told.iter().filter_map(|action| match action {
            LibraryAction::Answer {
                content, verdict, ..
            } => Some((*content, *verdict)),
            _ => None,
        });
        said.collect()
    };
    let told = rig.looked(&asked[1], 1_000, None);
    assert_eq!(answers(&told), [(id(3), OfferVerdict::Accepted)]);
    let [LibraryAction::Look { offer, .. }] = asked[2][..] else {
        panic!("{asked:?}");
    };
    let (disk, has_memory) = (None, true);
    let told = rig.tell(LibraryInput::Looked {
        offer,
        disk,
        has_memory,
    });
    assert_eq!(
        answers(&told),
        [(id(4), OfferVerdict::Failed)],
        "no such folder"
    );
    // Its inbox is another one meanwhile.
    rig.grant(A, THERE, None);
    let told = rig.looked(&asked[0], 1_000_000, None);
    assert_eq!(answers(&told), [(id(2), OfferVerdict::Failed)]);
    assert_eq!(rig.looked(&asked[0], 1_000_000, None), [], "answered");
    // It has no inbox any more, or no grant.
    let asked = rig.offers(A, id(5), 900);
    let (peer, key) = (A, KEY);
    rig.tell(LibraryInput::Grant {
        peer,
        key,
        grant: None,
    });
    let told = rig.looked(&asked, 1_000_000, None);
    assert_eq!(answers(&told), [(id(5), OfferVerdict::NotAccepted)]);
}

/// A disk that stands still collects a thousand offers of a peer, and those of others all the same.
///
/// Limit: L6.
#[test]
fn offers_that_wait_for_a_disk_have_a_bound_for_each_peer() {
    let mut rig = Rig::new();
    rig.grant(A, HERE, None);
    rig.grant(B, HERE, None);
    for number in 0..1_024 {
        assert_eq!(verdicts(&rig.offers(A, id(number), 1)), [], "{number}");
    }
    assert_eq!(verdicts(&rig.offers(A, id(1_024), 1)), [OfferVerdict::Busy]);
    assert_eq!(verdicts(&rig.offers(B, id(1_024), 1)), []);
}

/// Sixty-four pushes of a peer are under way at once. Those of another peer, and those that were
/// set aside, take none of its places.
#[test]
fn a_peer_has_sixty_four_pushes_under_way() {
    let mut rig = Rig::new();
    rig.grant(A, HERE, None);
    rig.grant(B, HERE, None);
    rig.meets(B);
    let push = |rig: &mut Rig, peer, number| {
        let asked = rig.offers(peer, id(number), 1);
        let said = verdicts(&asked);
        if !said.is_empty() {
            return said;
        }
        verdicts(&rig.looked(&asked, 1_000_000, None))
    };
    for number in 1..=64 {
        assert_eq!(
            push(&mut rig, A, number),
            [OfferVerdict::Accepted],
            "{number}"
        );
    }
    assert_eq!(push(&mut rig, A, 65), [OfferVerdict::Busy]);
    assert_eq!(push(&mut rig, B, 66), [OfferVerdict::Accepted]);
    // One of them is set aside with a part on disk, because no peer sends the rest.
    let (number, attempt) = (1, 0);
    let result = Ok(description(4_096));
    rig.tell(LibraryInput::Described {
        number,
        attempt,
        result,
    });
    rig.prepare(1);
    for number in 2..=64 {
        let transfer = TransferId(number * 2);
        rig.now = at(60);
        rig.tell(LibraryInput::Received { transfer });
    }
    rig.now = at(60);
    let standings = Vec::new();
    rig.tell(LibraryInput::Tick { standings });
    assert!(matches!(rig.stage(), Stage::Failed(_)));
    assert_eq!(push(&mut rig, A, 67), [OfferVerdict::Accepted]);
    assert_eq!(push(&mut rig, A, 68), [OfferVerdict::Busy]);
}

/// The room on a disk is its free space less what transfers will still write there. Those on other
/// disks and whole ones do not count; those whose disk is not known yet do.
///
/// Register: P5.
#[test]
fn room_that_was_promised_is_not_promised_again() {
    // What the first content stands on, and how much of the disk is left beside it.
    for (device, there, left) in [
        (Some(1), 0, 4_000),
        (Some(1), 2, 2_000),
        (None, 0, 4_000),
        (Some(2), 0, 0),
        (Some(1), 4, 0),
    ] {
        let mut rig = Rig::new();
        rig.grant(A, HERE, None);
        let asked = rig.offers(A, ID, 4_000);
        rig.looked(&asked, 1_000_000, device);
        if there > 0 {
            rig.describe(Ok(description(4_000)));
            rig.prepare(there);
        }
        if there == 4 {
            let (number, result) = (1, Ok(()));
            rig.tell(LibraryInput::Finished { number, result });
        }
        let asked = rig.offers(A, id(2), 900);
        let full = rig.looked(&asked, left + 999, Some(1));
        assert_eq!(verdicts(&full), [OfferVerdict::Busy], "{device:?} {there}");
        let asked = rig.offers(A, id(2), 900);
        let told = rig.looked(&asked, left + 1_000, Some(1));
        assert_eq!(
            verdicts(&told),
            [OfferVerdict::Accepted],
            "{device:?} {there}"
        );
    }
}

/// How long a content is that is here, and not yet in that folder, it says itself.
#[test]
fn an_offer_of_what_is_here_is_as_long_as_it_is() {
    let mut rig = Rig::whole();
    rig.grant(A, THERE, Some(4_195));
    assert_eq!(verdicts(&rig.offers(A, ID, 1)), [OfferVerdict::Quota]);
    rig.grant(A, THERE, Some(4_196));
    let asked = rig.offers(A, ID, u64::MAX);
    rig.looked(&asked, 1_000_000, None);
    let filled = rig.kept().placement;
    assert_eq!((filled.folder, filled.offered), (THERE, 4_096));
    // In the folder where it is, or to which it is on its way, it takes no more room.
    rig.grant(A, HERE, Some(0));
    let asked = rig.offers(A, ID, 1);
    assert!(
        matches!(asked[..], [LibraryAction::Look { .. }]),
        "{asked:?}"
    );
}

/// The longest manifest that is taken, and one byte more.
///
/// Limit: L8.
#[test]
fn a_manifest_may_be_64_mib_long() {
    for (manifest_bytes, said) in [
        (MANIFEST_MAX, vec![]),
        (MANIFEST_MAX + 1, vec![OfferVerdict::NotAccepted]),
    ] {
        let mut rig = Rig::new();
        rig.grant(A, HERE, None);
        let offer = Offer {
            content: ID,
            manifest_bytes,
            bytes: 1,
            name: "a".into(),
        };
        let told = rig.tell(LibraryInput::Offer {
            peer: A,
            offer: Box::new(offer),
            has_memory: true,
        });
        assert_eq!(verdicts(&told), said);
    }
}

/// A key is charged for a content in each folder that it pushed it into, also where another key
/// pushes the same content there later.
#[test]
fn a_push_is_charged_in_every_folder_that_it_lies_in() {
    let mut rig = Rig::new();
    rig.meets(A);
    rig.offer(4_000, None);
    rig.describe(Ok(description(4_000)));
    rig.grant(A, THERE, None);
    let asked = rig.offers(A, ID, 4_000);
    rig.looked(&asked, 1_000_000, None);
    rig.grant(A, THERE, Some(9_200));
    assert_eq!(verdicts(&rig.offers(A, id(2), 900)), []);
    assert_eq!(verdicts(&rig.offers(A, id(2), 901)), [OfferVerdict::Quota]);
    // A person fetches it into the first folder again: that is still charged to its sender.
    rig.prepare(4);
    let (number, result) = (1, Ok(()));
    rig.tell(LibraryInput::Finished { number, result });
    rig.copied(4);
    let result = Ok(());
    rig.tell(LibraryInput::Finished { number, result });
    rig.get(HERE, 1);
    assert_eq!(rig.kept().placement.pusher, Some(KEY));
    rig.copied(4);
    let result = Ok(());
    rig.tell(LibraryInput::Finished { number, result });
    assert_eq!(verdicts(&rig.offers(A, id(2), 900)), []);
    assert_eq!(verdicts(&rig.offers(A, id(2), 901)), [OfferVerdict::Quota]);
}
