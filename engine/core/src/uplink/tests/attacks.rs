//! What a peer cannot gain, entries F1 to F12 of the register: in virtual time, where nothing but
//! the uplink takes part. `engine/tests/hostile/greed.rs` lets the program meet the same peers.

use super::*;

/// One identity against nine, with its 200 requests for 1, 10 or 200 transfers.
///
/// Register: F1.
#[test]
fn more_transfers_or_requests_do_not_buy_a_larger_share() {
    for discipline in FAIR {
        for transfers in [1, 10, 200] {
            let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
            for id in 1..=9 {
                rig.hungry(id, 0, 64 * KIB);
            }
            for id in 0..200 {
                rig.hungry.push((0, id % transfers, 64 * KIB));
                rig.ask(0, id % transfers, 64 * KIB);
            }
            rig.run(Span::from_secs(10));
            let got = rig.by_peer(Time::ZERO);
            assert_near(got[&0], 10 * MB, 100_000);
            assert_near(got[&1], 10 * MB, 100_000);
        }
    }
}

#[test]
fn a_peer_may_have_so_many_requests_waiting_and_no_more() {
    let mut rig = Rig::new(Share::Peer, MB);
    for id in 0..REQUESTS_MAX {
        rig.ask(1, id % 7, KIB);
    }
    let one_more = Request {
        peer: PeerId(1),
        transfer: TransferId(9),
        chunk: ChunkIndex(0),
        offset: ByteCount::ZERO,
        len: ByteCount::kib(1),
        remaining: ByteCount::kib(1),
    };
    assert_eq!(rig.uplink.request(one_more, rig.now), Err(Overload));
    assert_eq!(rig.uplink.queued(PeerId(1)), ByteCount::kib(256));
    rig.ask(2, 0, KIB);
    rig.run(Span::from_millis(10));
    assert_eq!(rig.uplink.request(one_more, rig.now), Ok(()));
}

/// A flood of requests of one byte against an honest peer. Each is charged 16 KiB, so the flood
/// gets one block's worth of turns, and the honest peer nearly all bytes.
///
/// Register: F3. Limit: L5.
#[test]
fn tiny_requests_are_charged_as_if_they_were_not() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
        for _ in 0..200 {
            rig.ask(1, 0, 1);
        }
        rig.hungry.push((1, 0, 1));
        rig.hungry(2, 0, 64 * KIB);
        rig.run(Span::from_secs(2));
        let got = rig.by_peer(Time::ZERO);
        let turns = got[&1];
        assert_near(turns, got[&2] / (16 * KIB), 8);
    }
}

/// The same with a floor: a floor of 1 MB/s is 61 turns of 16 KiB a second, not a million of a
/// byte. The share of one in two would be more, so the flood has weight 0.01.
#[test]
fn a_floor_does_not_make_tiny_requests_free() {
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    let limit = Limit {
        weight: Weight::BEST_EFFORT,
        ..floor(MB)
    };
    rig.limit(peer(1), limit);
    for _ in 0..200 {
        rig.ask(1, 0, 1);
    }
    rig.hungry.push((1, 0, 1));
    rig.hungry(2, 0, 64 * KIB);
    rig.run(Span::from_secs(10));
    let turns = rig.by_peer(Time::ZERO)[&1];
    assert_near(turns, 10 * MB / (16 * KIB), 70);
}

/// Requests of the largest chunk hold the others up by a block, not by a chunk: a request that
/// comes at any time waits for what is on the link then, and for two blocks at most.
///
/// Register: F4.
#[test]
fn a_huge_request_delays_others_by_blocks_only() {
    for discipline in FAIR {
        for millis in [1_000, 1_100, 1_200, 1_300] {
            let mut rig = Rig::of(discipline, Share::Peer, MB);
            rig.ask(1, 0, 64 * MB);
            rig.run(Span::from_millis(millis));
            rig.ask(2, 0, 16 * KIB);
            rig.run(Span::from_secs(1));
            let served = rig.sent.iter().find(|block| block.1 == 2).unwrap().0;
            let wait = served - (Time::ZERO + Span::from_millis(millis));
            assert!(wait <= Span::from_millis(3 * 17), "{discipline}: {wait}");
        }
    }
}

/// One asks for a chunk and takes back what is left of it after a millisecond, in which a block
/// and a half goes out, for as long as two seconds; the other always asks. The first gets no
/// more than the second, but for a block or two, and the link is never idle.
///
/// Register: F5.
#[test]
fn requests_that_are_taken_back_get_no_more_than_a_share() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 25 * MB);
        rig.hungry(2, 0, 64 * KIB);
        for _ in 0..2_000 {
            rig.ask(1, 0, 64 * KIB);
            rig.run(Span::from_millis(1));
            rig.uplink.cancel(PeerId(1), TransferId(0), ChunkIndex(0));
        }
        let got = rig.by_peer(Time::ZERO);
        let fickle = got.get(&1).copied().unwrap_or(0);
        assert!(
            fickle <= got[&2] + 4 * 16 * KIB,
            "{discipline}: {fickle} and {}",
            got[&2]
        );
        let carried = fickle + got[&2];
        assert!(carried >= 50 * MB, "{discipline}: {carried}");
    }
}

/// Shortest remaining first within a peer, fair between peers, 10 MB/s for 2 s. Peer 1 says of
/// 200 requests that 64 KiB are all that it lacks: it gets half like peer 2, and these requests go
/// before its others.
///
/// Register: F6.
#[test]
fn what_a_peer_marks_as_short_is_in_front_of_its_own_queue_alone() {
    for discipline in FAIR {
        let settings = Settings {
            inner: sched::DISCIPLINES.find("srpt").unwrap(),
            ..settings(discipline, Share::Peer)
        };
        let mut rig = Rig::with(settings, 10 * MB);
        rig.hungry(2, 0, 64 * KIB);
        rig.ask_for(1, 1, 64 * KIB, 64 * MB);
        for _ in 0..200 {
            rig.ask_for(1, 0, 64 * KIB, 64 * KIB);
        }
        rig.run(Span::from_secs(2));
        let got = rig.by_peer(Time::ZERO);
        assert_near(got[&1], 10 * MB, 100_000);
        assert_near(got[&2], 10 * MB, 100_000);
        assert_eq!(rig.by_both(Time::ZERO).get(&(1, 1)), None, "{discipline}");
    }
}

/// A peer that is silent for a second and then asks for much, against one that always asks: while
/// both are backlogged it is ahead by a quantum and two blocks at most. With a floor too.
///
/// Register: F7.
#[test]
fn silence_earns_nothing() {
    for discipline in FAIR {
        for limit in [Limit::default(), floor(4 * MB)] {
            let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
            rig.limit(peer(1), limit);
            rig.hungry(2, 0, 64 * KIB);
            for round in 1..=5 {
                rig.run(Span::from_millis(1_000));
                let asked = rig.now;
                for _ in 0..8 {
                    rig.ask(1, 0, 64 * KIB);
                }
                rig.run(Span::from_millis(100));
                let got = rig.by_peer(asked);
                let ahead = got[&1].saturating_sub(got[&2]);
                assert!(
                    ahead <= 4 * 16 * KIB,
                    "{discipline}, round {round}: {ahead} ahead"
                );
            }
        }
    }
}

/// Weight 0 is best effort: 1 to 100 against weight 1, and not nothing.
///
/// Register: F12.
#[test]
fn weight_zero_is_served_and_starves_nobody() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
        rig.limit(peer(1), weigh(0));
        rig.limit(peer(2), weigh(1));
        rig.hungry(1, 0, 64 * KIB);
        rig.hungry(2, 0, 64 * KIB);
        rig.run(Span::from_secs(101));
        let got = rig.by_peer(Time::ZERO);
        assert_near(got[&1], 10 * MB, 200_000);
    }
}

#[test]
fn cancel_takes_what_is_left_and_nothing_else() {
    let mut rig = Rig::new(Share::Peer, MB);
    rig.ask(1, 0, 64 * KIB);
    rig.ask(1, 0, 32 * KIB);
    let first = rig.uplink.next(rig.now).unwrap();
    assert_eq!(
        (first.offset, first.len),
        (ByteCount::ZERO, ByteCount::kib(16))
    );
    let cancel = |rig: &mut Rig, id| rig.uplink.cancel(PeerId(id), TransferId(0), ChunkIndex(0));
    assert!(cancel(&mut rig, 1));
    assert_eq!(rig.uplink.queued(PeerId(1)), ByteCount::kib(32));
    assert!(cancel(&mut rig, 1));
    assert!(!cancel(&mut rig, 1));
    assert!(!cancel(&mut rig, 7));
    rig.uplink.sent(PeerId(1), first.len, rig.now);
    assert_eq!(rig.uplink.next(rig.now), None);
    assert_eq!(rig.uplink.ready_at(rig.now), None);
}

#[test]
fn a_purge_leaves_nothing_behind() {
    for share in [Share::Peer, Share::Group, Share::Transfer] {
        let mut rig = Rig::new(share, MB);
        for round in 0..3 {
            for id in 0..30 {
                rig.ask(id, id % 4, 64 * KIB);
                rig.ask(id, 9, 64 * KIB);
            }
            for id in 0..30 {
                rig.uplink.join(peer(id), Some(GroupId(id % 3)), rig.now);
            }
            rig.run(Span::from_millis(100));
            for id in 0..30 {
                rig.uplink.join(peer(id), None, rig.now);
            }
            rig.uplink.purge_transfer(TransferId(9));
            for id in 0..30 {
                rig.uplink.purge_peer(PeerId(id));
            }
            assert_eq!(rig.uplink.footprint(), (0, 0, 0), "round {round}");
            assert_eq!(rig.uplink.next(rig.now), None);
            assert_eq!(rig.uplink.ready_at(rig.now), None);
        }
    }
}
