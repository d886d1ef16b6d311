use super::*;

const ELSEWHERE: FolderId = FolderId(3);

fn begins(told: &[LibraryAction]) -> Option<bool> {
    told.iter().find_map(|action| match action {
        LibraryAction::Begin { is_other, .. } => Some(*is_other),
        _ => None,
    })
}

fn whole_in(rig: &Rig) -> Vec<FolderId> {
    let whole = rig.kept().whole_in;
    whole.iter().map(|placement| placement.folder).collect()
}

fn finished(rig: &mut Rig) -> Vec<LibraryAction> {
    let (number, result) = (1, Ok(()));
    rig.tell(LibraryInput::Finished { number, result })
}

/// Two wait for one folder and one for another, while a third is filled: each folder has its turn,
/// in the order in which they were named, and both of the first hear at once.
#[test]
fn folders_have_their_turn_in_order_and_who_waits_for_one_waits_together() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    for (folder, waiter) in [(THERE, 2), (ELSEWHERE, 3), (THERE, 4)] {
        assert_eq!(rig.get(folder, waiter), []);
    }
    rig.prepare(4);
    let told = finished(&mut rig);
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Done)]);
    assert_eq!(begins(&told), Some(true));
    rig.copied(4);
    let told = finished(&mut rig);
    assert_eq!(
        outcomes(&told),
        [(2, WaitOutcome::Done), (4, WaitOutcome::Done)]
    );
    assert_eq!(rig.kept().placement.folder, ELSEWHERE);
    rig.copied(4);
    assert_eq!(outcomes(&finished(&mut rig)), [(3, WaitOutcome::Done)]);
    assert_eq!(whole_in(&rig), [HERE, THERE]);
    assert_eq!((rig.gives(), rig.left.len()), (Some(4), 0));
}

/// A second `get` for a folder may allow more than the first (overwrite, force), never less.
#[test]
fn a_second_wish_for_a_folder_widens_what_may_be_done_there() {
    let role = |rig: &Rig| rig.kept().placement.role;
    let wish = |rig: &mut Rig, folder, overwrite, force| {
        let placement = Placement {
            role: Role::fetched(overwrite, force),
            ..placement(folder, None)
        };
        rig.tell(LibraryInput::Get {
            content: ID,
            manifest_bytes: 100,
            description: None,
            placement,
            waiter: Waiter(9),
        });
    };
    for is_first in [true, false] {
        let mut rig = Rig::new();
        if !is_first {
            rig.get(THERE, 1);
        }
        for (overwrite, force) in [(false, false), (true, false), (true, true), (false, true)] {
            wish(&mut rig, HERE, overwrite, force);
        }
        if !is_first {
            assert_eq!(role(&rig), Role::fetched(false, false));
            rig.describe(Ok(description(1)));
            rig.prepare(4);
            finished(&mut rig);
        }
        assert_eq!(rig.kept().placement.folder, HERE);
        assert_eq!(role(&rig), Role::fetched(true, true), "{is_first}");
    }
}

/// The disk of one folder is full: a `get` into another folder goes on at once, and the first has
/// the next turn.
///
/// Register: P5.
#[test]
fn a_folder_that_stands_still_makes_room_for_another_and_comes_again() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(1);
    rig.write(1, Err(fault(Cause::Full)));
    rig.now = at(5);
    assert_eq!(begins(&rig.get(THERE, 2)), Some(true));
    assert_eq!(rig.library.get(1).unwrap().started(), at(5));
    rig.prepare(4);
    let told = finished(&mut rig);
    assert_eq!(outcomes(&told), [(2, WaitOutcome::Done)]);
    assert_eq!(begins(&told), Some(true));
    rig.copied(4);
    assert_eq!(outcomes(&finished(&mut rig)), [(1, WaitOutcome::Done)]);
    assert_eq!(whole_in(&rig), [THERE]);
}

/// What is on its way to a disk, or is being made durable, ends before another folder has its turn.
#[test]
fn a_turn_waits_for_what_is_being_written() {
    for is_synced in [false, true] {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        rig.describe(Ok(description(1)));
        rig.prepare(1);
        let (number, transfer, senders) = (1, DATA, vec![A]);
        if is_synced {
            rig.tell(LibraryInput::SyncDue { number });
        } else {
            rig.tell(LibraryInput::Writing { transfer, senders });
        }
        rig.write(1, Err(fault(Cause::Full)));
        assert_eq!(rig.gives(), Some(1));
        assert_eq!(begins(&rig.get(THERE, 2)), None);
        assert_eq!(rig.gives(), None, "who asks here asks in vain");
        assert_eq!(begins(&rig.after(Span::SECOND)), None);
        let result = Ok(());
        if is_synced {
            rig.tell(LibraryInput::Synced { number, result });
        } else {
            let (chunk, from, parts) = (ChunkIndex(2), A, Vec::new());
            rig.tell(LibraryInput::Written {
                transfer,
                chunk,
                from,
                parts,
                result,
            });
        }
        let told = rig.after(Span::SECOND);
        assert_eq!(begins(&told), Some(true), "{is_synced}: {told:?}");
        assert_eq!(rig.kept().placement.folder, THERE);
    }
}

/// The same where it is whole: it is given on meanwhile.
#[test]
fn what_is_whole_is_given_while_a_turn_waits() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(3);
    let number = 1;
    rig.tell(LibraryInput::SyncDue { number });
    rig.finish(Ok(()));
    assert_eq!(begins(&rig.get(THERE, 2)), None);
    assert_eq!((rig.stage(), rig.gives()), (&Stage::Whole, Some(3)));
    let result = Ok(());
    rig.tell(LibraryInput::Synced { number, result });
    assert_eq!(begins(&rig.after(Span::SECOND)), Some(true));
}

/// What a person has paused goes on for a person, and for no push.
#[test]
fn a_push_does_not_wake_what_a_person_has_paused() {
    let mut rig = Rig::new();
    rig.meets(A);
    rig.get(HERE, 1);
    let (number, paused) = (1, true);
    rig.tell(LibraryInput::Paused { number, paused });
    assert_eq!(verdicts(&rig.offer(4_000, None)), [OfferVerdict::Accepted]);
    rig.grant(A, THERE, None);
    let asked = rig.offers(A, ID, 4_000);
    rig.looked(&asked, 1_000_000, None);
    assert_eq!(begins(&rig.after(Span::SECOND)), None);
    assert_eq!(rig.stage(), &Stage::Paused(None));
    let told = rig.get(THERE, 2);
    assert_eq!(begins(&told), Some(true));
    assert!(!rig.library.get(1).unwrap().is_paused());
}

/// A folder that could not be filled costs nothing: it is given from where it is whole, as before.
#[test]
fn a_folder_that_fails_leaves_what_is_whole_as_it_was() {
    let mut rig = Rig::whole();
    rig.get(THERE, 2);
    let (number, result) = (1, Err(fault(Cause::Full)));
    let told = rig.tell(LibraryInput::Prepared { number, result });
    assert_eq!(outcomes(&told), [(2, WaitOutcome::Disk("no".into()))]);
    assert!(told.contains(&LibraryAction::Open { number }));
    assert!(told.contains(&LibraryAction::Keep { number }));
    assert_eq!((rig.stage(), rig.gives()), (&Stage::Whole, Some(4)));
    assert_eq!(rig.left, []);
    assert_eq!(rig.library.get(1).unwrap().open(), (Some(HERE), &[][..]));
    assert_eq!(
        (rig.kept().placement.folder, whole_in(&rig)),
        (HERE, vec![])
    );
    // It fails once more with a part of it there: that part is given no longer.
    rig.get(THERE, 3);
    rig.copied(1);
    rig.write(1, Err(fault(Cause::InTheWay)));
    assert_eq!((rig.stage(), rig.left.len()), (&Stage::Checking, 2));
    rig.copied(4);
    assert_eq!((rig.stage(), rig.gives()), (&Stage::Whole, Some(4)));
}

/// It is fetched again into a folder in which it was whole, after another: there is one row of it.
#[test]
fn a_folder_is_named_once_however_often_it_is_filled() {
    let mut rig = Rig::whole();
    for (folder, waiter, others) in [(THERE, 2, [HERE]), (HERE, 3, [THERE]), (HERE, 4, [THERE])] {
        assert_eq!(begins(&rig.get(folder, waiter)), Some(waiter != 4));
        let result = Ok(Prepared {
            have: some(4),
            whole_in: others.to_vec(),
            device: Some(1),
        });
        rig.tell(LibraryInput::Prepared { number: 1, result });
        assert_eq!(outcomes(&finished(&mut rig)), [(waiter, WaitOutcome::Done)]);
        assert_eq!(whole_in(&rig), others);
        let content = rig.library.get(1).unwrap();
        assert_eq!(content.open(), (Some(folder), &others[..]));
    }
}

/// A scan finds it in another folder, while it is under way and when it is whole.
#[test]
fn what_a_scan_finds_is_one_of_its_folders() {
    let found = |rig: &mut Rig| {
        rig.tell(LibraryInput::Found {
            content: ID,
            manifest_bytes: 100,
            description: description(1),
            folder: THERE,
        })
    };
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    assert_eq!(found(&mut rig), [LibraryAction::Keep { number: 1 }]);
    assert_eq!(whole_in(&rig), [THERE]);
    assert_eq!(rig.kept().placement, placement(HERE, None));
    let mut rig = Rig::whole();
    let told = found(&mut rig);
    assert_eq!(begins(&told), Some(false));
    assert!(told.contains(&LibraryAction::Prepare { number: 1 }));
    let kept = rig.kept();
    assert_eq!(
        (kept.placement.folder, kept.placement.role),
        (THERE, Role::Shared)
    );
    assert_eq!(whole_in(&rig), [HERE]);
}
