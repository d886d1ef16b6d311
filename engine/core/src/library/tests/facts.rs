use super::*;

/// What is asked of a content is what the library was told of it.
#[test]
fn a_content_says_what_is_known_of_it() {
    let mut rig = Rig {
        library: Library::new(5, Span::from_secs(60)),
        ..Rig::new()
    };
    rig.now = at(7);
    let told = rig.get(HERE, 1);
    assert_eq!(rig.library.vacant(), 6);
    let new = LibraryAction::New {
        number: 5,
        content: ID,
        manifest_bytes: 100,
        name: None,
    };
    assert_eq!(
        told[..2],
        [new, LibraryAction::Notify(LibraryEvent::Started(5))]
    );
    let content = rig.library.find(&ID).unwrap();
    assert_eq!((content.number(), content.id()), (5, ID));
    assert_eq!(content.started(), at(7));
    assert_eq!(content.waiters(), [Waiter(1)]);
    assert_eq!(content.placement(), &placement(HERE, None));
    assert!(content.is_fetch() && !content.is_paused() && !content.is_open());
    assert_eq!((content.bytes(), content.here()), (0, 0));
    assert_eq!(content.data(), TransferId(10));
    assert_eq!(content.manifest_transfer(), TransferId(11));
    let of = |transfer| {
        let (content, is_manifest) = rig.library.of(TransferId(transfer))?;
        Some((content.number(), is_manifest))
    };
    assert_eq!(of(10), Some((5, false)));
    assert_eq!(of(11), Some((5, true)));
    assert_eq!((of(9), of(12)), (None, None));
    assert_eq!(rig.library.iter().count(), 1);
    let (number, attempt) = (5, 0);
    let result = Ok(description(1));
    rig.tell(LibraryInput::Described {
        number,
        attempt,
        result,
    });
    assert_eq!(rig.library.get(5).unwrap().bytes(), 0, "until it is open");
    rig.tell(LibraryInput::Prepared {
        number,
        result: Ok(Prepared {
            have: some(2),
            whole_in: vec![THERE],
            device: None,
        }),
    });
    let content = rig.library.get(5).unwrap();
    assert!(content.is_open());
    assert_eq!(content.open(), (Some(HERE), &[THERE][..]));
    assert_eq!((content.bytes(), content.here()), (4 * CHUNK, 2 * CHUNK));
    let paused = true;
    rig.tell(LibraryInput::Paused { number, paused });
    assert!(rig.library.get(5).unwrap().is_paused());
}

/// A shared content needs no final names, and a finished one is not finished twice.
#[test]
fn a_content_is_finished_once_and_only_if_it_was_fetched() {
    let transfer = DATA;
    let mut rig = Rig::new();
    rig.tell(LibraryInput::Found {
        content: ID,
        manifest_bytes: 100,
        description: description(1),
        folder: HERE,
    });
    rig.prepare(3);
    assert!(!rig.library.get(1).unwrap().is_fetch());
    assert_eq!(rig.stage(), &Stage::Whole);
    assert_eq!(rig.tell(LibraryInput::Complete { transfer }), []);
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let finish = [LibraryAction::Finish { number: 1 }];
    assert_eq!(rig.tell(LibraryInput::Complete { transfer }), finish);
    assert_eq!(rig.tell(LibraryInput::Complete { transfer }), []);
    let (number, result) = (1, Ok(()));
    let told = rig.tell(LibraryInput::Finished { number, result });
    assert!(told.contains(&LibraryAction::Notify(LibraryEvent::Complete(1))));
    assert_eq!(rig.tell(LibraryInput::Complete { transfer }), []);
}

/// A run before this one had it paused, or under way with or without its manifest.
///
/// Register: P1.
#[test]
fn what_an_earlier_run_kept_is_taken_up_where_it_stood() {
    let kept = |pusher, paused| Kept {
        manifest_bytes: 100,
        placement: placement(HERE, pusher),
        whole_in: vec![placement(THERE, None)],
        paused,
    };
    let remember = |kept, description| {
        let mut rig = Rig::new();
        let told = rig.tell(LibraryInput::Remember {
            content: ID,
            kept,
            description,
        });
        (rig, told)
    };
    let charged = |told: &[LibraryAction]| -> Option<u64> {
        told.iter().find_map(|action| match action {
            LibraryAction::Charge {
                peer: None, bytes, ..
            } => Some(*bytes),
            _ => None,
        })
    };
    let (rig, told) = remember(kept(None, true), Some(description(1)));
    assert_eq!(rig.stage(), &Stage::Paused(None));
    assert!(!told.contains(&LibraryAction::Prepare { number: 1 }));
    assert_eq!((rig.kept(), charged(&told)), (kept(None, true), None));
    // Its manifest is in memory once, and with what was read from it five times.
    let (rig, told) = remember(kept(Some(KEY), false), None);
    assert_eq!(
        (rig.stage(), charged(&told)),
        (&Stage::Describing, Some(100))
    );
    let (mut rig, told) = remember(kept(Some(KEY), false), Some(description(1)));
    assert_eq!((rig.stage(), charged(&told)), (&Stage::Checking, Some(500)));
    // It has begun: a full disk is waited for.
    let (number, result) = (1, Err(fault(Cause::Full)));
    rig.tell(LibraryInput::Prepared { number, result });
    assert_eq!(rig.stage(), &Stage::Paused(Some("no".into())));
}

/// Everything of a cancelled content is left.
#[test]
fn a_content_that_is_cancelled_while_it_moves_is_left() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(2);
    rig.tell(LibraryInput::Cancel { number: 1 });
    assert_eq!(rig.left, [DATA, MANIFEST]);
    assert_eq!(rig.tell(LibraryInput::Cancel { number: 1 }), []);
}
