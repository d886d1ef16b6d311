//! Peers that stop, drip, hoard, waste or lie, under the guard's defaults.

use std::collections::VecDeque;

use super::*;
use crate::node::control_rate::KEEPALIVE;
use crate::transfer::Missing;

/// Lets the clock run until `end`, and says what was done when, in whole seconds.
fn run(node: &mut Node, from: Time, end: Time) -> Vec<(u64, Action)> {
    run_with(node, from, end, |_, _| Vec::new())
}

/// The same, with what happens each time that the node is woken.
fn run_with(
    node: &mut Node,
    from: Time,
    end: Time,
    mut happens: impl FnMut(&mut Node, Time) -> Vec<Action>,
) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    let mut now = from;
    while let Some(at) = node.deadline(now).filter(|at| *at <= end) {
        now = at.max(now);
        let mut said = tell(node, Input::Tick, now);
        said.extend(happens(node, now));
        let secs = now.as_nanos() / 1_000_000_000;
        done.extend(said.into_iter().map(|action| (secs, action)));
    }
    done
}

/// When something was done first.
fn first(done: &[(u64, Action)], what: impl Fn(&Action) -> bool) -> Option<u64> {
    let mut found = done.iter().filter(|(_, action)| what(action));
    found.next().map(|(secs, _)| *secs)
}

fn asks(who: PeerId, which: u32) -> impl Fn(&Action) -> bool {
    move |action| {
        matches!(action, Action::Send { peer, message: Message::Request { chunk, .. } }
            if *peer == who && *chunk == which)
    }
}

fn closes(who: PeerId) -> impl Fn(&Action) -> bool {
    move |action| matches!(action, Action::Close { peer, .. } if *peer == who)
}

/// All of a chunk from `peer`, right and stored.
fn give(node: &mut Node, peer: PeerId, chunk: u32, now: Time) -> Vec<Action> {
    give_from(node, peer, (chunk, 0), now)
}

/// What is behind `offset` in a chunk, right and stored.
fn give_from(node: &mut Node, peer: PeerId, (chunk, offset): (u32, u64), now: Time) -> Vec<Action> {
    let block = Message::Block {
        transfer: TransferId(7),
        chunk,
        offset: ByteCount::new(offset),
        len: ByteCount::new(CHUNK - offset),
    };
    let mut said = hear(node, peer, block, now);
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(chunk),
        from: peer,
    };
    said.extend(tell(node, stored, now));
    said
}

/// Serves a chunk each time that it is called, of those that it was asked for.
struct Server {
    peer: PeerId,
    owes: VecDeque<(u32, u64)>,
}

impl Server {
    /// A peer that unchokes now.
    fn new(node: &mut Node, peer: PeerId, now: Time) -> Self {
        let said = hear(node, peer, Message::Unchoke, now);
        let owes = wishes(&said, peer).collect();
        Self { peer, owes }
    }

    fn serve(&mut self, node: &mut Node, now: Time) -> Vec<Action> {
        let Some(chunk) = self.owes.pop_front() else {
            return Vec::new();
        };
        let said = give_from(node, self.peer, chunk, now);
        self.owes.extend(wishes(&said, self.peer));
        said
    }
}

/// A is asked for two chunks and sends nothing; B serves one each second, of many.
///
/// Register: C7, D9. Limit: L7.
#[test]
fn what_a_silent_peer_owes_is_asked_of_another_after_twenty_seconds() {
    let mut node = guarded(100, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    let mut b = Server::new(&mut node, B, at(0));
    let done = run_with(&mut node, at(0), at(70), |node, now| b.serve(node, now));
    assert_eq!(first(&done, asks(B, 0)), Some(20), "{done:?}");
    assert_eq!(first(&done, asks(B, 1)), Some(21));
    let transfer = TransferId(1);
    for chunk in [0, 1] {
        let cancel = send(A, Message::Cancel { transfer, chunk });
        assert_eq!(first(&done, |action| *action == cancel), Some(20));
    }
    assert_eq!(first(&done, closes(A)), None, "it owes nothing any more");
    assert_eq!(first(&done, closes(B)), None);
}

/// The only source is not given up for its silence, until it is closed.
///
/// Register: C7. Limit: L7.
#[test]
fn the_only_source_is_waited_for_and_closed_after_a_minute() {
    let mut node = guarded(2, &[A]);
    hear(&mut node, A, Message::Unchoke, at(0));
    let done = run(&mut node, at(0), at(59));
    let cancels = |action: &Action| {
        matches!(
            action,
            Action::Send {
                message: Message::Cancel { .. },
                ..
            }
        )
    };
    assert_eq!(first(&done, cancels), None);
    assert_eq!(first(&done, closes(A)), None);
    let done = run(&mut node, at(59), at(70));
    assert_eq!(first(&done, closes(A)), Some(60));
    let whys: Vec<Action> = done.into_iter().map(|(_, action)| action).collect();
    assert_eq!(closed(&whys), [Misbehaviour::Stalled], "once, and no lie");
    assert!(!Misbehaviour::Stalled.is_lie());
}

/// A source whose policy serves others first says so by answering our pings: it is neither closed
/// nor given up, however long that takes.
///
/// Register: C7. Limit: L7.
#[test]
fn a_source_that_answers_pings_is_waited_for_as_long_as_it_serves_others() {
    let mut node = guarded(2, &[A]);
    let mut a = Server::new(&mut node, A, at(0));
    let done = run_with(&mut node, at(0), at(900), |node, now| {
        let pinged = now.since(at(0)).as_nanos() % 30_000_000_000 < 1_000_000_000;
        if pinged {
            hear(node, A, Message::Pong(KEEPALIVE), now)
        } else {
            Vec::new()
        }
    });
    assert_eq!(first(&done, closes(A)), None);
    let cancels = |action: &Action| {
        let cancel = |message: &Message| matches!(message, Message::Cancel { .. });
        matches!(action, Action::Send { message, .. } if cancel(message))
    };
    assert_eq!(first(&done, cancels), None);
    let done = run_with(&mut node, at(900), at(910), |node, now| a.serve(node, now));
    assert_eq!(first(&done, closes(A)), None);
    assert_eq!(node.missing(TransferId(1)), Missing::default());
}

/// Four bytes a second are a sign of life and no service. With nobody else to ask they are
/// better than nothing; from 40 s on B serves.
///
/// Register: D9. Limit: L7.
#[test]
fn what_a_dripping_peer_owes_is_asked_of_another_after_half_a_minute() {
    let mut node = guarded(200, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    let mut sent = 0;
    let mut drip = |node: &mut Node, now: Time| {
        let block = Message::Block {
            transfer: TransferId(7),
            chunk: 0,
            offset: ByteCount::new(sent),
            len: ByteCount::new(4),
        };
        sent += 4;
        hear(node, A, block, now)
    };
    let done = run_with(&mut node, at(0), at(40), &mut drip);
    assert_eq!(first(&done, closes(A)), None);
    assert_eq!(
        first(&done, |action| matches!(action, Action::Notify(_))),
        None
    );
    let mut b = Server::new(&mut node, B, at(40));
    let done = run_with(&mut node, at(40), at(110), |node, now| {
        let mut said = drip(node, now);
        said.extend(b.serve(node, now));
        said
    });
    let asked = first(&done, asks(B, 0)).expect("B has it too");
    assert!((41..=71).contains(&asked), "{asked}");
    // It is last in order then.
    let asks_a = |action: &Action| {
        let request = |message: &Message| matches!(message, Message::Request { .. });
        matches!(action, Action::Send { peer: A, message } if request(message))
    };
    assert_eq!(first(&done, asks_a), None);
    assert_eq!(first(&done, closes(A)), None);
}

/// A asks for two chunks and takes none of the blocks; B goes on meanwhile.
///
/// Register: C6, F9. Limit: L7.
#[test]
fn a_peer_that_takes_nothing_of_what_it_asked_for_is_closed_and_holds_up_nobody() {
    let config = Config {
        guard: Some(Guard::default()),
        ..config(1, "round-robin")
    };
    let mut node = Node::new(config, at(0));
    tell(&mut node, add(1, 9, Bitfield::full(4), None), at(0));
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::empty(4)), at(0));
    }
    let said = hear(&mut node, A, Message::Interested, at(0));
    assert_eq!(said, [send(A, Message::Unchoke)]);
    assert_eq!(hear(&mut node, A, request(0), at(0)).len(), 2, "two blocks");
    tell(&mut node, Input::Stalled { peer: A }, at(0));
    let done = run_with(&mut node, at(0), at(100), |node, now| {
        // It talks all the time.
        hear(node, A, Message::Pong(KEEPALIVE), now)
    });
    assert_eq!(first(&done, closes(A)), Some(60));
    tell(&mut node, Input::Disconnected { peer: A }, at(100));
    let said = hear(&mut node, B, Message::Interested, at(100));
    assert_eq!(said, [send(B, Message::Unchoke)], "the slot is free again");
    assert_eq!(hear(&mut node, B, request(0), at(100)).len(), 2);
}

/// Register: C7, F9.
#[test]
fn a_reader_that_takes_a_little_at_a_time_is_borne_with() {
    let mut node = with_guard();
    tell(&mut node, add(1, 9, Bitfield::full(4), None), at(0));
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::empty(4)), at(0));
    hear(&mut node, A, Message::Interested, at(0));
    hear(&mut node, A, request(0), at(0));
    let done = run_with(&mut node, at(0), at(300), |node, now| {
        let (peer, len) = (A, ByteCount::new(1));
        tell(node, Input::Sent { peer, len }, now)
    });
    assert_eq!(first(&done, closes(A)), None);
}

#[test]
fn a_silent_connection_is_pinged_and_closed_after_two_minutes() {
    let mut node = guarded(1, &[A, B]);
    let done = run_with(&mut node, at(0), at(200), |node, now| {
        hear(node, B, Message::Pong(KEEPALIVE), now)
    });
    let ping = send(A, Message::Ping(KEEPALIVE));
    let pings: Vec<u64> = done
        .iter()
        .filter(|(_, action)| *action == ping)
        .map(|(secs, _)| *secs)
        .collect();
    assert_eq!(pings, [30, 60, 90]);
    assert_eq!(first(&done, closes(A)), Some(120));
    assert_eq!(first(&done, closes(B)), None);
    let news = |action: &Action| matches!(action, Action::Notify(_));
    assert_eq!(first(&done, news), None, "our pings are our own business");
}

/// A refuses three chunks that it claims to have; whatever B has is then asked of B alone, and
/// what only A has of A.
///
/// Register: D5.
#[test]
fn three_broken_promises_put_a_peer_last_and_the_transfer_goes_on() {
    let mut node = guarded(8, &[A]);
    meet(&mut node, B);
    let mut some = Bitfield::full(8);
    some.remove(ChunkIndex(7));
    hear(&mut node, B, join(9, some), at(0));
    let transfer = TransferId(7);
    hear(&mut node, A, Message::Unchoke, at(0));
    for chunk in 0..3 {
        hear(&mut node, A, Message::Reject { transfer, chunk }, at(1));
    }
    // What it was asked before it still owes.
    let owed: Vec<usize> = node.waiting().map(|(_, asked, _)| asked).collect();
    assert_eq!(owed, [2]);
    for chunk in [3, 4] {
        let said = give(&mut node, A, chunk, at(1));
        assert!(!asked(&said).is_empty(), "nobody else serves us yet");
    }
    let said = hear(&mut node, B, Message::Unchoke, at(2));
    assert_eq!(asked(&said), [(B, 0), (B, 1)]);
    for chunk in [5, 6] {
        let said = give(&mut node, A, chunk, at(2));
        assert_eq!(asked(&said), [], "B has more to give: {chunk}");
    }
    for chunk in [0, 1, 2] {
        give(&mut node, B, chunk, at(2));
    }
    let done = run(&mut node, at(2), at(4));
    assert!(first(&done, asks(A, 7)).is_some(), "{done:?}");
    give(&mut node, A, 7, at(4));
    assert!(node.is_seed());
}

/// Register: D8.
#[test]
fn bytes_that_nobody_asked_for_close_a_peer_when_they_are_too_many() {
    let mut node = guarded(2, &[A, B]);
    let blocks = 2 * 1024 * 1024 / CHUNK;
    let mut bytes = 0;
    for _ in 0..blocks {
        let said = hear(&mut node, A, half(0, 0), at(0));
        assert_eq!(closed(&said), []);
        bytes += CHUNK / 2;
    }
    assert_eq!(bytes, 1024 * 1024);
    let said = hear(&mut node, A, half(0, 0), at(0));
    assert_eq!(closed(&said), [Misbehaviour::Unrequested]);
    assert!(!Misbehaviour::Unrequested.is_lie());
    assert!(said.contains(&Action::Notify(Event::Wasted(A, ByteCount::new(CHUNK / 2)))));
}

/// A begins a chunk and stops. Its half is not lost: B is asked for the other.
///
/// Register: D10.
#[test]
fn a_chunk_that_is_begun_and_not_finished_costs_nobody_a_byte() {
    let mut node = guarded(100, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    hear(&mut node, A, half(0, 0), at(0));
    let mut b = Server::new(&mut node, B, at(0));
    let done = run_with(&mut node, at(0), at(25), |node, now| b.serve(node, now));
    let said: Vec<Action> = done.into_iter().map(|(_, action)| action).collect();
    let news = |action: &Action| matches!(action, Action::Notify(_) | Action::Discard { .. });
    assert!(!said.iter().any(news), "{said:?}");
    let of_it = wishes(&said, B).find(|(chunk, _)| *chunk == 0);
    assert_eq!(of_it, Some((0, CHUNK / 2)));
}

/// B serves a wrong chunk. It is asked for nothing again, on no connection; C has it all.
///
/// Register: D1, D2, J14.
#[test]
fn whoever_sent_a_wrong_chunk_is_never_asked_again() {
    let mut node = guarded(2, &[B]);
    hear(&mut node, B, Message::Unchoke, at(0));
    hear(&mut node, B, half(0, 0), at(0));
    hear(&mut node, B, half(0, CHUNK / 2), at(0));
    let rejected = Input::Rejected {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: B,
    };
    let said = tell(&mut node, rejected, at(0));
    assert_eq!(closed(&said), [Misbehaviour::WrongHash]);
    assert!(Misbehaviour::WrongHash.is_lie());
    assert_eq!(asked(&said), []);
    // A block that was on its way changes nothing, nor does a new connection.
    assert_eq!(asked(&hear(&mut node, B, half(1, 0), at(0))), []);
    tell(&mut node, Input::Disconnected { peer: B }, at(1));
    meet(&mut node, B);
    hear(&mut node, B, join(9, Bitfield::full(2)), at(1));
    assert_eq!(asked(&hear(&mut node, B, Message::Unchoke, at(1))), []);
    meet(&mut node, C);
    hear(&mut node, C, join(9, Bitfield::full(2)), at(1));
    let said = hear(&mut node, C, Message::Unchoke, at(1));
    assert_eq!(asked(&said), [(C, 0), (C, 1)]);
}

/// A rotten disk is no lie: the chunk is taken back, and the peer that hears it asks elsewhere.
///
/// Register: D3, D4.
#[test]
fn a_chunk_that_we_lost_is_revoked_and_its_requests_are_refused() {
    let mut node = with_guard();
    tell(&mut node, add(1, 9, Bitfield::full(2), None), at(0));
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::empty(2)), at(0));
    hear(&mut node, A, Message::Interested, at(0));
    let (transfer, chunk) = (TransferId(1), ChunkIndex(1));
    let said = tell(&mut node, Input::Lost { transfer, chunk }, at(0));
    let chunk = 1;
    assert!(said.contains(&send(A, Message::Lost { transfer, chunk })));
    let said = hear(&mut node, A, request(1), at(0));
    assert_eq!(said, [send(A, Message::Reject { transfer, chunk })]);
}

/// Six requests of 4 MiB: four are 16 MiB, one is being served.
#[test]
fn more_than_sixteen_mebibytes_of_replies_are_refused_and_not_asked_for() {
    let geometry = |have| Input::Add {
        transfer: TransferId(1),
        content: ContentId([9; 32]),
        manifest: Manifest::new(ByteCount::mib(40), ByteCount::mib(4)).unwrap(),
        have,
        audience: None,
    };
    let mut node = with_guard();
    tell(&mut node, geometry(Bitfield::full(10)), at(0));
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::empty(10)), at(0));
    hear(&mut node, A, Message::Interested, at(0));
    let refused: Vec<u32> = (0..8)
        .filter(|chunk| {
            let said = hear(&mut node, A, request(*chunk), at(0));
            let (transfer, chunk) = (TransferId(1), *chunk);
            said.contains(&send(A, Message::Reject { transfer, chunk }))
        })
        .collect();
    // Less than a block of the first has its turn, so the fifth would be just too much.
    assert_eq!(refused, [4, 5, 6, 7]);
    assert!(node.uplink().queued(A) <= ByteCount::mib(16));

    let config = Config {
        guard: Some(Guard::default()),
        pipeline: Some(64),
        ..config(1, "even")
    };
    let mut node = Node::new(config, at(0));
    tell(&mut node, geometry(Bitfield::empty(10)), at(0));
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::full(10)), at(0));
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said).len(), 4);
}

/// Register: T2.
#[test]
fn a_node_that_slept_blames_nobody() {
    let mut node = guarded(2, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    let woken = at(8 * 3_600);
    let said = tell(&mut node, Input::Tick, woken);
    assert_eq!(closed(&said), []);
    let done = run(&mut node, woken, woken + Span::from_secs(59));
    assert_eq!(first(&done, closes(A)), None);
}

/// Register: P11.
/// A whole chunk waits for our disk for two minutes: its sender is not to blame.
#[test]
fn a_slow_disk_of_ours_is_nobodys_stall() {
    let mut node = guarded(2, &[A]);
    hear(&mut node, A, Message::Unchoke, at(0));
    hear(&mut node, A, half(0, 0), at(0));
    hear(&mut node, A, half(0, CHUNK / 2), at(0));
    let done = run_with(&mut node, at(0), at(119), |node, now| {
        hear(node, A, Message::Pong(KEEPALIVE), now)
    });
    assert_eq!(first(&done, closes(A)), None);
}

/// A was silent and lost its requests to B; then B goes, and A has lived all the time.
///
/// Register: D9.
#[test]
fn a_peer_that_was_silent_and_lives_is_asked_again() {
    let mut node = guarded(100, &[A, B]);
    hear(&mut node, A, Message::Unchoke, at(0));
    let mut b = Server::new(&mut node, B, at(0));
    let mut live = |node: &mut Node, now: Time| {
        let mut said = hear(node, A, Message::Pong(KEEPALIVE), now);
        said.extend(b.serve(node, now));
        said
    };
    let done = run_with(&mut node, at(0), at(25), &mut live);
    assert_eq!(first(&done, asks(B, 0)), Some(20));
    tell(&mut node, Input::Disconnected { peer: B }, at(25));
    let done = run_with(&mut node, at(25), at(60), |node, now| {
        hear(node, A, Message::Pong(KEEPALIVE), now)
    });
    let again = |action: &Action| {
        matches!(
            action,
            Action::Send {
                peer: A,
                message: Message::Request { .. }
            }
        )
    };
    assert_eq!(first(&done, again), Some(40), "{done:?}");
}
