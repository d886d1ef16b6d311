//! One node, and peers that say what the test says.

use super::*;

#[test]
fn interest_follows_what_the_peer_has_and_we_lack() {
    let mut node = node(1, "even");
    tell(&mut node, add(1, 9, Bitfield::empty(2), None), Time::ZERO);
    meet(&mut node, A);
    let now = Time::ZERO;
    assert_eq!(hear(&mut node, A, join(9, Bitfield::empty(2)), now), []);
    let (transfer, chunk) = (TransferId(7), 1);
    let said = hear(&mut node, A, Message::Have { transfer, chunk }, now);
    assert_eq!(said, [send(A, Message::Interested)]);
    // News that is no news changes nothing.
    assert_eq!(
        hear(&mut node, A, Message::Have { transfer, chunk }, now),
        []
    );
    let said = hear(&mut node, A, Message::Lost { transfer, chunk }, now);
    assert_eq!(said, [send(A, Message::NotInterested)]);
    hear(&mut node, A, Message::Have { transfer, chunk }, now);
    let said = hear(&mut node, A, Message::Leave { transfer }, now);
    assert_eq!(said, [send(A, Message::NotInterested)]);
}

/// A seed with one slot: the first to be interested gets it, and the round gives it to the
/// other. What was waiting is rejected by name; a chunk that has been started is finished.
#[test]
fn one_slot_goes_round_and_whoever_loses_it_is_told_what_is_dropped() {
    let mut node = node(1, "round-robin");
    tell(&mut node, add(1, 9, Bitfield::full(9), None), Time::ZERO);
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::empty(9)), Time::ZERO);
    }
    let now = Time::ZERO;
    let said = hear(&mut node, A, Message::Interested, now);
    assert_eq!(said, [send(A, Message::Unchoke)]);
    assert_eq!(hear(&mut node, B, Message::Interested, now), []);
    let reject = |chunk| Message::Reject {
        transfer: TransferId(1),
        chunk,
    };
    assert_eq!(hear(&mut node, B, request(0), now), [send(B, reject(0))]);
    // A window of one chunk: two blocks of the first request go out, the second waits.
    let said = hear(&mut node, A, request(3), now);
    assert_eq!(said.len(), 2);
    assert_eq!(hear(&mut node, A, request(4), now), []);
    assert_eq!(hear(&mut node, A, request(4), now), [], "asked twice");
    let round = node.deadline(now).unwrap();
    let said = tell(&mut node, Input::Tick, round);
    let expected = [
        send(A, Message::Choke),
        send(A, reject(4)),
        send(B, Message::Unchoke),
    ];
    assert_eq!(said, expected);
    // A slot that becomes free does not wait for the round.
    let said = hear(&mut node, B, Message::NotInterested, round);
    assert_eq!(said, [send(B, Message::Choke), send(A, Message::Unchoke)]);
    hear(&mut node, B, Message::Interested, round);
    let said = tell(&mut node, Input::Disconnected { peer: A }, round);
    assert_eq!(said, [send(B, Message::Unchoke)]);
}

/// Register: C8, W3.
#[test]
fn what_a_lost_peer_owed_is_asked_of_another() {
    let mut node = leecher(2, &[A, B]);
    let said = hear(&mut node, A, Message::Unchoke, Time::ZERO);
    assert_eq!(asked(&said), [(A, 0), (A, 1)]);
    assert_eq!(asked(&hear(&mut node, B, Message::Unchoke, Time::ZERO)), []);
    let said = tell(&mut node, Input::Disconnected { peer: A }, Time::ZERO);
    assert_eq!(asked(&said), [(B, 0), (B, 1)]);
    // What comes from nobody is nothing.
    assert_eq!(hear(&mut node, A, half(0, 0), Time::ZERO), []);
}

#[test]
fn a_rejected_request_is_made_again_elsewhere() {
    let mut node = leecher(1, &[A, B]);
    let said = hear(&mut node, A, Message::Unchoke, Time::ZERO);
    assert_eq!(asked(&said), [(A, 0)]);
    hear(&mut node, B, Message::Unchoke, Time::ZERO);
    hear(&mut node, A, Message::Choke, Time::ZERO);
    let (transfer, chunk) = (TransferId(7), 0);
    let said = hear(
        &mut node,
        A,
        Message::Reject { transfer, chunk },
        Time::ZERO,
    );
    assert_eq!(asked(&said), [(B, 0)]);
}

/// An offer may name a chunk that was lost since: the refusal says so, and nobody asks again.
///
/// Register: D5.
#[test]
fn a_peer_that_refuses_without_choking_is_not_asked_for_that_chunk_again() {
    let mut node = leecher(2, &[A]);
    hear(&mut node, A, Message::Unchoke, Time::ZERO);
    let (transfer, chunk) = (TransferId(7), 0);
    let reject = Message::Reject { transfer, chunk };
    assert_eq!(hear(&mut node, A, reject, Time::ZERO), []);
    let said = hear(&mut node, A, Message::Have { transfer, chunk }, Time::ZERO);
    assert_eq!(asked(&said), [(A, 0)]);
}

/// The only chunk is asked of a second peer once the first has had two seconds, and of no
/// third; the slower of the two is told that it is no longer wanted.
///
/// Register: D8, D9.
#[test]
fn the_endgame_asks_two_peers_and_cancels_the_slower() {
    let mut node = leecher(1, &[A, B, C]);
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 0)]);
    assert_eq!(asked(&hear(&mut node, B, Message::Unchoke, at(1))), []);
    let said = hear(&mut node, B, Message::Unchoke, at(2));
    assert_eq!(asked(&said), [(B, 0)]);
    assert_eq!(asked(&hear(&mut node, C, Message::Unchoke, at(9))), []);
    hear(&mut node, B, half(0, 0), at(9));
    let (transfer, chunk) = (TransferId(1), ChunkIndex(0));
    let said = hear(&mut node, B, half(0, CHUNK / 2), at(9));
    let from = B;
    let store = Action::Store {
        transfer,
        chunk,
        from,
        parts: vec![(B, ByteCount::new(CHUNK))],
    };
    assert_eq!(said, [store]);
    let stored = Input::Stored {
        transfer,
        chunk,
        from,
    };
    let said = tell(&mut node, stored, at(9));
    let cancel = Message::Cancel { transfer, chunk: 0 };
    assert!(said.contains(&send(A, cancel)));
    assert!(said.contains(&Action::Notify(Event::Complete(transfer))));
    // A had sent half of it before it heard.
    let said = hear(&mut node, A, half(0, 0), at(9));
    let wasted = Event::Wasted(A, ByteCount::new(CHUNK / 2));
    let discard = Action::Discard {
        transfer,
        chunk,
        from: A,
    };
    assert_eq!(said, [discard, Action::Notify(wasted)]);
}

/// Register: D9, C7.
#[test]
fn what_a_silent_peer_owes_is_asked_of_another_where_one_serves() {
    let mut node = leecher(2, &[A, B]);
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 0), (A, 1)]);
    let cancels = |node: &mut Node, end: Time| {
        let mut cancelled = Vec::new();
        while let Some(now) = node.deadline(at(0)).filter(|now| *now < end) {
            let said = tell(node, Input::Tick, now);
            let cancel = |message: &Message| matches!(message, Message::Cancel { .. });
            let is_cancel = |action: &&Action| match action {
                Action::Send { peer: A, message } => cancel(message),
                _ => false,
            };
            cancelled.extend(said.iter().filter(is_cancel).map(|_| now));
        }
        cancelled
    };
    // B chokes us: a silent source is better than none.
    assert_eq!(cancels(&mut node, at(100)), []);
    let said = hear(&mut node, B, Message::Unchoke, at(100));
    assert_eq!(asked(&said), [(B, 0), (B, 1)]);
    let cancelled = cancels(&mut node, at(115));
    assert_eq!(cancelled.len(), 2, "A is not waited for any more");
    // A is asked for nothing until a minute is over.
    assert_eq!(asked(&hear(&mut node, A, Message::Unchoke, at(115))), []);
}

/// Register: W8.
#[test]
fn each_offence_closes_the_connection_under_its_name() {
    let far = TransferId(7);
    let cases = [
        (request(5), Misbehaviour::ChunkOutOfRange),
        (
            Message::Have {
                transfer: far,
                chunk: 5,
            },
            Misbehaviour::ChunkOutOfRange,
        ),
        (rest(0, CHUNK), Misbehaviour::BlockLength),
        (join(9, Bitfield::full(6)), Misbehaviour::BitfieldLength),
        (half(0, CHUNK / 2), Misbehaviour::BlockOutOfOrder),
        (half(0, CHUNK), Misbehaviour::BlockLength),
    ];
    for (message, why) in cases {
        let mut node = leecher(5, &[A]);
        hear(&mut node, A, Message::Unchoke, Time::ZERO);
        let said = hear(&mut node, A, message.clone(), Time::ZERO);
        assert_eq!(closed(&said), [why], "{message:?}");
    }
}

/// Register: D1.
#[test]
fn a_chunk_with_the_wrong_hash_closes_and_is_asked_of_another() {
    let mut node = leecher(1, &[A, B]);
    hear(&mut node, A, Message::Unchoke, Time::ZERO);
    hear(&mut node, B, Message::Unchoke, Time::ZERO);
    hear(&mut node, A, half(0, 0), Time::ZERO);
    hear(&mut node, A, half(0, CHUNK / 2), Time::ZERO);
    let rejected = Input::Rejected {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: A,
    };
    let said = tell(&mut node, rejected, Time::ZERO);
    assert_eq!(asked(&said), [(B, 0)]);
    assert_eq!(closed(&said), [Misbehaviour::WrongHash]);
}

/// Register: H2.
#[test]
fn a_content_with_an_audience_is_named_to_nobody_else() {
    let mut node = node(1, "even");
    meet(&mut node, A);
    meet(&mut node, B);
    let said = tell(&mut node, add(1, 9, Bitfield::full(2), Some(B)), Time::ZERO);
    let told = |said: &[Action]| {
        let mut told = Vec::new();
        for action in said {
            if let Action::Send {
                peer,
                message: Message::Join(_),
            } = action
            {
                told.push(*peer);
            }
        }
        told
    };
    assert_eq!(told(&said), [B]);
    assert_eq!(told(&meet(&mut node, C)), []);
    // Who guesses its name learns nothing, and its requests are about nothing.
    assert_eq!(
        hear(&mut node, A, join(9, Bitfield::empty(2)), Time::ZERO),
        []
    );
    assert_eq!(hear(&mut node, A, request(0), Time::ZERO), []);
}

#[test]
fn what_is_removed_is_left_and_no_longer_asked_for() {
    let mut node = leecher(2, &[A]);
    hear(&mut node, A, Message::Unchoke, Time::ZERO);
    let transfer = TransferId(1);
    let said = tell(&mut node, Input::Remove { transfer }, Time::ZERO);
    let expected = [
        send(A, Message::Leave { transfer }),
        send(A, Message::NotInterested),
    ];
    assert_eq!(said, expected);
    assert_eq!(node.waiting().count(), 0);
    let said = hear(&mut node, A, half(0, 0), Time::ZERO);
    let wasted = Event::Wasted(A, ByteCount::new(CHUNK / 2));
    assert_eq!(said, [Action::Notify(wasted)]);
    // It may come back, under the same id.
    let said = tell(&mut node, add(1, 9, Bitfield::empty(2), None), Time::ZERO);
    assert_eq!(said.len(), 1, "{said:?}");
}

/// A has all, B the last two chunks. What stands in A's queue moves to B once it has waited, since
/// B has answered before and stands idle: A is told, and nothing is asked twice.
///
/// Register: D3.
#[test]
fn an_idle_peer_takes_over_what_stands_in_the_queue_of_a_slower_one() {
    let mut node = leecher(3, &[A]);
    meet(&mut node, B);
    let mut last = Bitfield::empty(3);
    last.insert(ChunkIndex(1));
    last.insert(ChunkIndex(2));
    hear(&mut node, B, join(9, last), at(0));
    assert_eq!(asked(&hear(&mut node, A, Message::Unchoke, at(0))).len(), 2);
    assert_eq!(
        asked(&hear(&mut node, B, Message::Unchoke, at(0))),
        [(B, 2)]
    );
    for offset in [0, CHUNK / 2] {
        hear(&mut node, B, half(2, offset), at(0));
    }
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(2),
        from: B,
    };
    // What has waited for a moment only may still come from A.
    assert_eq!(asked(&tell(&mut node, stored, at(0))), []);
    let said = hear(&mut node, B, Message::Unchoke, at(1));
    let transfer = TransferId(1);
    let cancel = Message::Cancel { transfer, chunk: 1 };
    assert_eq!(
        said,
        [
            send(A, cancel),
            send(
                B,
                Message::Request {
                    transfer,
                    chunk: 1,
                    offset: ByteCount::ZERO
                }
            )
        ]
    );
}

/// Half of a content is there, the rest is asked of A and begun. Settled, it is given to B as far
/// as it goes, and nothing of it is asked of anybody, whatever comes or is offered; added anew, the
/// rest is asked for again.
///
/// Register: P5.
#[test]
fn a_settled_content_is_given_and_not_fetched() {
    let mut node = node(1, "even");
    let mut half_of_it = Bitfield::empty(4);
    for chunk in [0, 1] {
        half_of_it.insert(ChunkIndex(chunk));
    }
    tell(&mut node, add(1, 9, half_of_it.clone(), None), at(0));
    for peer in [A, B] {
        meet(&mut node, peer);
    }
    hear(&mut node, A, join(9, Bitfield::full(4)), at(0));
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 2), (A, 3)]);
    hear(&mut node, A, half(2, 0), at(0));
    let transfer = TransferId(1);
    let said = tell(&mut node, Input::Settle { transfer }, at(1));
    assert_eq!(asked(&said), []);
    assert!(said.contains(&Action::Discard {
        transfer,
        chunk: ChunkIndex(2),
        from: A,
    }));
    assert!(said.contains(&send(A, Message::NotInterested)));
    // What was on its way is no offence, and no reason to ask.
    for message in [
        half(2, CHUNK / 2),
        join(9, Bitfield::full(4)),
        Message::Unchoke,
    ] {
        let said = hear(&mut node, A, message, at(1));
        assert_eq!((asked(&said), closed(&said)), (vec![], vec![]));
    }
    assert_eq!(node.had(transfer), Some(&half_of_it));
    assert!(node.is_seed());
    // A chunk was on its way to the disk: it is given, too.
    let (chunk, from) = (ChunkIndex(3), A);
    let stored = Input::Stored {
        transfer,
        chunk,
        from,
    };
    tell(&mut node, stored, at(1));
    half_of_it.insert(chunk);
    assert_eq!(node.had(transfer), Some(&half_of_it));
    assert!(node.is_seed());
    hear(&mut node, B, join(9, Bitfield::empty(4)), at(1));
    hear(&mut node, B, Message::Interested, at(1));
    let said = hear(&mut node, B, request(1), at(1));
    let gives = |action: &Action| matches!(action, Action::Upload(block) if block.peer == B);
    assert!(said.iter().any(gives), "{said:?}");
    tell(&mut node, Input::Remove { transfer }, at(2));
    tell(&mut node, add(1, 9, half_of_it, None), at(2));
    let said = hear(&mut node, A, join(9, Bitfield::full(4)), at(2));
    assert_eq!(asked(&said), [(A, 2)]);
}
