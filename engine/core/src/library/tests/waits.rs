use super::*;

/// No source can be reached, or a source has another key than it should: the waiting `get` is told
/// so, and the content goes on.
///
/// Register: H1, H12.
#[test]
fn a_wait_for_peers_ends_with_why() {
    for (standing, secs, outcome) in [
        (Standing::Unreachable, 30, WaitOutcome::Unreachable),
        (Standing::Away, 30, WaitOutcome::Unreachable),
        (Standing::Claimed, 30, WaitOutcome::Identity),
        (Standing::Refused, 0, WaitOutcome::Identity),
    ] {
        let mut rig = Rig::new();
        rig.get(HERE, 1);
        let mut tick = |secs| {
            rig.now = at(secs);
            let standings = vec![(A, standing)];
            rig.tell(LibraryInput::Tick { standings })
        };
        if let Some(before) = u64::checked_sub(secs, 1) {
            assert_eq!(tick(before), [], "{standing:?}");
        }
        assert_eq!(outcomes(&tick(secs)), [(1, outcome)]);
        assert_eq!(rig.stage(), &Stage::Describing);
    }
}

/// That a source refuses us ends no `get` while another source is connected.
#[test]
fn whoever_is_here_may_have_it() {
    let mut rig = Rig::new();
    rig.get(HERE, 1);
    rig.now = at(30);
    let standings = vec![(A, Standing::Refused), (B, Standing::Connected)];
    assert_eq!(rig.tell(LibraryInput::Tick { standings }), []);
}

/// While missing chunks are offered by a connected peer, are on the wire or wait for a disk, no
/// `get` is told that no source has them, however long it takes.
#[test]
fn a_drought_is_none_while_anything_comes_or_could_come() {
    for case in ["held", "coming", "written"] {
        let mut rig = Rig::new();
        rig.meets(A);
        rig.get(HERE, 1);
        rig.describe(Ok(description(1)));
        rig.prepare(2);
        match case {
            "held" => rig.has(A, DATA, some(3)),
            "coming" => {
                // Two are requested ahead, and no peer has more.
                rig.has(A, DATA, Bitfield::full(4));
                rig.hears(A, Message::Unchoke);
                let missing = rig.node.missing(DATA);
                assert_eq!((missing.coming, missing.held), (2, 0));
            }
            _ => {
                let senders = vec![A];
                let transfer = DATA;
                rig.tell(LibraryInput::Writing { transfer, senders });
            }
        }
        for secs in [0, 60, 120] {
            rig.now = at(secs);
            let standings = vec![(A, Standing::Connected)];
            assert_eq!(rig.tell(LibraryInput::Tick { standings }), [], "{case}");
        }
    }
}
