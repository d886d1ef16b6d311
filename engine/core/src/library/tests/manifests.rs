use super::*;

/// Two peers tell two lengths of one manifest. While no connected peer has it at the first length,
/// the second is tried, then the first again. A length that a connected peer has, or of which
/// chunks are being written, is waited for.
#[test]
fn another_length_has_its_turn_where_nobody_has_the_first() {
    let forgets = |told: &[LibraryAction]| -> Vec<u64> {
        let forgotten = told.iter().filter_map(|action| match action {
            LibraryAction::ForgetManifest { bytes, .. } => Some(*bytes),
            _ => None,
        });
        forgotten.collect()
    };
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    assert_eq!(rig.after(Span::SECOND), [], "no other is known");
    rig.get_of(HERE, 2, 200);
    let told = rig.after(Span::SECOND);
    assert_eq!(forgets(&told), [200]);
    assert!(told.contains(&LibraryAction::Keep { number: 1 }));
    assert_eq!(forgets(&rig.after(Span::SECOND)), [100]);
    let (transfer, senders) = (MANIFEST, vec![A]);
    rig.tell(LibraryInput::Writing { transfer, senders });
    assert_eq!(rig.after(Span::SECOND), [], "a chunk of it is written");
    for is_coming in [false, true] {
        let mut rig = Rig::new();
        rig.meets(A);
        rig.get(HERE, 1);
        rig.get_of(HERE, 2, 200);
        rig.has(A, MANIFEST, Bitfield::full(1));
        if is_coming {
            rig.hears(A, Message::Unchoke);
        }
        assert_eq!(rig.after(Span::SECOND), [], "it has it: {is_coming}");
    }
}

/// What was read of a manifest that is fetched again says nothing of the new one.
///
/// Register: D11.
#[test]
fn what_an_earlier_manifest_said_counts_no_more() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    for attempt in 0..3 {
        let transfer = MANIFEST;
        let asked = rig.tell(LibraryInput::Complete { transfer });
        assert_eq!(asked, [LibraryAction::Describe { number: 1, attempt }]);
        let said = |attempt, result| LibraryInput::Described {
            number: 1,
            attempt,
            result,
        };
        let told = rig.tell(said(attempt, Err(ManifestFault::Wrong)));
        assert_eq!(
            told[0],
            LibraryAction::Notify(LibraryEvent::WrongManifest(1, false))
        );
        assert_eq!(rig.tell(said(attempt, Ok(description(1)))), []);
        assert_eq!(rig.stage(), &Stage::Describing);
    }
}

/// The manifest is genuine but describes what cannot be stored: no peer is blamed, and the waiting
/// `get` fails.
#[test]
fn a_manifest_that_cannot_be_used_fails_its_content() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    let told = rig.describe(Err(ManifestFault::Unusable("odd".into())));
    assert_eq!(outcomes(&told), [(1, WaitOutcome::Unusable("odd".into()))]);
    assert!(told.contains(&LibraryAction::Notify(LibraryEvent::Failed(
        1,
        "odd".into()
    ))));
    assert_eq!(rig.stage(), &Stage::Failed("odd".into()));
    assert_eq!(rig.node.had(MANIFEST), None);
    // A person lets it go on: it is read once more.
    let (number, paused) = (1, false);
    let told = rig.tell(LibraryInput::Paused { number, paused });
    let attempt = 0;
    assert!(told.contains(&LibraryAction::Describe { number, attempt }));
    assert_eq!(rig.node.had(MANIFEST).map(Bitfield::count), Some(1));
}

/// Two that send the parts of a wrong manifest: none is blamed, and one is asked alone.
///
/// Register: D11.
#[test]
fn of_several_senders_of_a_wrong_manifest_one_is_asked_alone_for_a_minute() {
    let mut rig = Rig::new();
    rig.meets(A);
    rig.meets(B);
    rig.get(HERE, 1);
    let (transfer, senders) = (MANIFEST, vec![A, B]);
    rig.tell(LibraryInput::Writing { transfer, senders });
    rig.tell(LibraryInput::Written {
        transfer,
        chunk: ChunkIndex(0),
        from: A,
        parts: Vec::new(),
        result: Ok(()),
    });
    let told = rig.describe(Err(ManifestFault::Wrong));
    assert!(
        told.contains(&LibraryAction::Notify(LibraryEvent::WrongManifest(
            1, false
        )))
    );
    assert_eq!(rig.left, [MANIFEST]);
    let mut tick = |secs| {
        rig.now = at(secs);
        let standings = vec![(A, Standing::Connected)];
        rig.tell(LibraryInput::Tick { standings })
    };
    assert_eq!(tick(59), []);
    let bytes = 100;
    let again = LibraryAction::ForgetManifest { number: 1, bytes };
    assert!(tick(60).contains(&again));
    assert_eq!(tick(61), [], "everybody is asked");
}
