use super::*;

/// Half of a content is on a full disk, and two more chunks are being written. How these two writes
/// end does not matter: the disk is verified when the transfer goes on.
///
/// Register: P5.
#[test]
fn what_was_on_its_way_to_a_full_disk_is_looked_for_later() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(1);
    let (transfer, senders) = (DATA, vec![A]);
    for _ in 0..2 {
        let senders = senders.clone();
        rig.tell(LibraryInput::Writing { transfer, senders });
    }
    rig.write(1, Err(fault(Cause::Full)));
    assert_eq!(rig.after(RETRY), [], "two are still being written");
    for chunk in [2, 3] {
        let told = rig.tell(LibraryInput::Written {
            transfer,
            chunk: ChunkIndex(chunk),
            from: A,
            parts: vec![(A, ByteCount::new(CHUNK))],
            result: Ok(()),
        });
        assert_eq!(told, [], "{chunk}");
    }
    assert_eq!(rig.library.get(1).unwrap().here(), CHUNK);
    assert_eq!(
        rig.after(Span::SECOND),
        [LibraryAction::Prepare { number: 1 }]
    );
    rig.prepare(3);
    assert_eq!(rig.gives(), Some(3));
    assert_eq!(rig.write(3, Ok(())).len(), 1);
    assert_eq!(rig.library.get(1).unwrap().here(), 4 * CHUNK);
}

/// A disk that stays full is told once, and again when it is something else.
#[test]
fn why_it_stands_still_is_told_when_it_changes() {
    let paused = |told: &[LibraryAction]| -> usize {
        let events = told
            .iter()
            .filter(|one| matches!(one, LibraryAction::Notify(LibraryEvent::Paused(..))));
        events.count()
    };
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    assert_eq!(paused(&rig.write(0, Err(fault(Cause::Full)))), 1);
    for (why, told) in [("no", 0), ("other", 1), ("other", 0)] {
        assert!(
            rig.after(RETRY)
                .contains(&LibraryAction::Prepare { number: 1 })
        );
        let result = Err(DiskFault {
            why: why.into(),
            ..fault(Cause::Full)
        });
        let number = 1;
        assert_eq!(
            paused(&rig.tell(LibraryInput::Prepared { number, result })),
            told
        );
        assert_eq!(rig.stage(), &Stage::Paused(Some(why.into())));
    }
}

/// Two chunks fail on the same full disk: it stands still once, and for the first reason.
#[test]
fn a_content_that_stands_still_hears_of_no_second_fault() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    rig.write(0, Err(fault(Cause::Full)));
    assert_eq!(rig.write(1, Err(fault(Cause::InTheWay))), []);
    assert_eq!(rig.stage(), &Stage::Paused(Some("no".into())));
}

/// A sync fails: what was written since the last one is not counted on.
///
/// Register: P4.
#[test]
fn a_disk_that_does_not_sync_stops_its_content() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(1);
    let number = 1;
    rig.tell(LibraryInput::SyncDue { number });
    let result = Err(fault(Cause::Disk));
    let told = rig.tell(LibraryInput::Synced { number, result });
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Disk("no".into()))]);
    assert_eq!(rig.stage(), &Stage::Paused(Some("no".into())));
    assert_eq!(rig.gives(), None);
    assert!(
        rig.after(RETRY)
            .contains(&LibraryAction::Prepare { number })
    );
}

/// A file was changed under its temporary name: the missing chunks are fetched again, without a
/// failure for the `get`.
#[test]
fn a_content_that_is_not_whole_after_all_fetches_the_rest() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let told = rig.finish(Err(FinishFault::Unfinished));
    assert!(
        told.contains(&LibraryAction::Prepare { number: 1 }),
        "{told:?}"
    );
    assert!(
        told.contains(&LibraryAction::Open { number: 1 }),
        "read anew"
    );
    assert_eq!((outcomes(&told), rig.gives()), (Vec::new(), None));
    rig.prepare(3);
    assert_eq!(rig.gives(), Some(3));
    assert_eq!(outcomes(&rig.finish(Ok(()))), [(1, WaitOutcome::Done)]);
}

/// Something has the name that a file of it needs.
#[test]
fn a_name_in_the_way_fails_its_content_and_a_person_may_try_again() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.describe(Ok(description(1)));
    rig.prepare(0);
    let told = rig.finish(Err(FinishFault::Disk(fault(Cause::InTheWay))));
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Disk("no".into()))]);
    assert_eq!(rig.stage(), &Stage::Failed("no".into()));
    assert_eq!((rig.gives(), rig.node.had(MANIFEST)), (None, None));
    assert_eq!(rig.after(RETRY), [], "nothing passes by itself");
    let told = rig.get(HERE, 2);
    let (number, is_other) = (1, false);
    assert!(told.contains(&LibraryAction::Begin { number, is_other }));
    assert!(told.contains(&LibraryAction::Prepare { number }));
}

/// It is whole in one folder, and the disk of the next is full with a part of it: all of it is
/// given from the first meanwhile.
///
/// Register: P5.
#[test]
fn while_one_disk_stands_still_it_is_given_from_another() {
    let mut rig = Rig::whole();
    rig.get(THERE, 2);
    rig.copied(1);
    assert_eq!(rig.gives(), Some(1));
    let told = rig.write(1, Err(fault(Cause::Full)));
    assert!(
        told.contains(&LibraryAction::Open { number: 1 }),
        "{told:?}"
    );
    assert!(outcomes(&told).is_empty());
    let content = rig.library.get(1).unwrap();
    assert_eq!((content.open().0, rig.gives()), (Some(HERE), Some(4)));
    assert!(
        rig.after(RETRY)
            .contains(&LibraryAction::Prepare { number: 1 })
    );
    assert_eq!(rig.gives(), Some(4), "and while it is tried again");
    rig.copied(2);
    assert_eq!(rig.library.get(1).unwrap().open().0, Some(THERE));
    assert_eq!(outcomes(&rig.finish(Ok(()))), [(2, WaitOutcome::Done)]);
}

/// The same with all of it copied already: no peer notices anything.
#[test]
fn who_is_given_all_of_it_is_not_left_because_a_disk_stands_still() {
    let mut rig = Rig::whole();
    rig.get(THERE, 2);
    assert!(rig.copied(4).contains(&LibraryAction::Finish { number: 1 }));
    let result = Err(FinishFault::Disk(fault(Cause::Full)));
    rig.tell(LibraryInput::Finished { number: 1, result });
    assert_eq!((rig.gives(), &rig.left[..]), (Some(4), &[][..]));
    assert_eq!(rig.library.get(1).unwrap().open().0, Some(HERE));
}
