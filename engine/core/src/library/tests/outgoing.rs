use super::*;

/// A content that is whole is pushed to `A` and `B`, and `A` has heard of it.
fn pushed() -> Rig {
    let mut rig = Rig::whole();
    rig.meets(A);
    let told = rig.tell(LibraryInput::Push {
        number: 1,
        peers: vec![A, B],
        waiter: Waiter(4),
    });
    assert_eq!(told, [offer(A)]);
    rig
}

fn offer(peer: PeerId) -> LibraryAction {
    LibraryAction::Offer { peer, number: 1 }
}

fn says(rig: &mut Rig, verdict: OfferVerdict) {
    let told = rig.tell(LibraryInput::Verdict {
        peer: A,
        content: ID,
        verdict,
    });
    assert_eq!(told, []);
}

fn again(rig: &mut Rig, peer: PeerId) -> Vec<LibraryAction> {
    rig.node.handle(node::Input::Disconnected { peer }, rig.now);
    assert_eq!(rig.tell(LibraryInput::Disconnected { peer }), []);
    rig.meets(peer)
}

/// A session ends between an offer and its answer: the offer is made again over the next session.
/// A peer that has given its final verdict gets no second offer.
#[test]
fn an_offer_is_made_again_over_the_next_session_until_it_is_answered() {
    let mut rig = pushed();
    assert_eq!(again(&mut rig, A), [offer(A)]);
    says(&mut rig, OfferVerdict::Accepted);
    assert_eq!(again(&mut rig, A), [offer(A)], "it may have died");
    says(&mut rig, OfferVerdict::Done);
    assert_eq!(again(&mut rig, A), []);
    assert_eq!(rig.meets(B), [offer(B)], "it has not heard of it");
}

/// A recipient is given up because of its own standing alone, never because of another's.
#[test]
fn a_recipient_is_given_up_for_how_it_stands() {
    let mut rig = pushed();
    let tick = |rig: &mut Rig, secs, b| {
        rig.now = at(secs);
        let standings = vec![(A, Standing::Connected), (B, b)];
        rig.tell(LibraryInput::Tick { standings })
    };
    assert_eq!(tick(&mut rig, 29, Standing::Unreachable), []);
    assert_eq!(rig.library.pushes().count(), 1);
    assert_eq!(tick(&mut rig, 29, Standing::Refused), []);
    let verdicts: Vec<_> = rig.library.pushes().next().unwrap().recipients.clone();
    assert_eq!(verdicts[0].verdict, None, "it has not answered yet");
    assert_eq!(verdicts[1].verdict, Some(OfferVerdict::Failed));
    says(&mut rig, OfferVerdict::NotAccepted);
    let told = tick(&mut rig, 30, Standing::Refused);
    let [(4, WaitOutcome::Pushed { since, recipients })] = &outcomes(&told)[..] else {
        panic!("{told:?}");
    };
    let last: Vec<_> = recipients.iter().map(|one| one.verdict).collect();
    assert_eq!(
        last,
        [Some(OfferVerdict::NotAccepted), Some(OfferVerdict::Failed)]
    );
    assert_eq!((*since, rig.library.pushes().count()), (at(0), 0));
    assert_eq!(tick(&mut rig, 31, Standing::Refused), [], "told once");
}

/// A disconnected recipient that has accepted the offer is waited for: it may be fetching from
/// other peers.
#[test]
fn a_recipient_that_has_heard_of_it_is_not_given_up() {
    let mut rig = pushed();
    rig.meets(B);
    let told = rig.after(Span::from_secs(3_600));
    assert_eq!(told, []);
    let push = rig.library.pushes().next().unwrap();
    assert!(
        push.recipients
            .iter()
            .all(|one| one.offered && !one.is_over())
    );
}

/// Of two contents that are pushed to one peer each has its own answers.
#[test]
fn an_answer_is_for_the_content_that_it_names() {
    let mut rig = pushed();
    rig.tell(LibraryInput::Push {
        number: 2,
        peers: vec![A],
        waiter: Waiter(5),
    });
    let other = ContentId([8; 32]);
    rig.tell(LibraryInput::Found {
        content: other,
        manifest_bytes: 100,
        description: description(1),
        folder: HERE,
    });
    says(&mut rig, OfferVerdict::Busy);
    let told = rig.tell(LibraryInput::Verdict {
        peer: A,
        content: ContentId([1; 32]),
        verdict: OfferVerdict::Done,
    });
    assert_eq!(told, [], "nobody pushes that");
    let said: Vec<_> = rig
        .library
        .pushes()
        .map(|push| push.recipients[0].verdict)
        .collect();
    assert_eq!(said, [Some(OfferVerdict::Busy), None]);
}
