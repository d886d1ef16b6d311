//! Caps and windows, and what the status reports of them.

use super::*;

/// Fails unless over every interval of `blocks` what passed is within burst and rate.
#[track_caller]
pub(super) fn assert_capped(blocks: &[(Time, u64)], rate: u64, burst: u64) {
    for (first, &(start, _)) in blocks.iter().enumerate() {
        let mut sent = 0_u128;
        for &(end, len) in &blocks[first..] {
            sent += u128::from(len);
            let gained = u128::from(rate) * u128::from((end - start).as_nanos());
            let allowed = u128::from(burst) * 1_000_000_000 + gained;
            assert!(
                sent * 1_000_000_000 <= allowed,
                "{sent} B from {start} to {end}"
            );
        }
    }
}

fn burst(rate: u64, burst: u64) -> Limit {
    Limit {
        burst: Some(ByteCount::new(burst)),
        ..cap(rate)
    }
}

// Caps of 4 MB/s for the node, 2 for group 1, 1.5 for peer 1 and 0.7 for transfer 1, all at
// once, bursts of 64 KiB: each holds in every interval, and what is left goes to peer 3.
#[test]
fn caps_hold_in_every_interval_at_four_levels_at_once() {
    for share in [Share::Peer, Share::Group, Share::Transfer] {
        let mut rig = Rig::new(share, 100 * MB);
        let caps = [
            (Target::Node, 4 * MB),
            (group(1), 2 * MB),
            (peer(1), 3 * MB / 2),
            (transfer(1), 7 * MB / 10),
        ];
        for (target, rate) in caps {
            rig.limit(target, burst(rate, 64 * KIB));
        }
        rig.join(peer(1), Some(1));
        rig.join(peer(2), Some(1));
        for (id, of) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3)] {
            rig.hungry(id, of, 100 * KIB);
        }
        rig.run(Span::from_secs(5));
        let passed = |by: &dyn Fn(u32, u32) -> bool| -> Vec<(Time, u64)> {
            let blocks = rig.sent.iter().filter(|block| by(block.1, block.2));
            blocks.map(|&(time, _, _, len)| (time, len)).collect()
        };
        let total = |blocks: &[(Time, u64)]| blocks.iter().map(|block| block.1).sum::<u64>();
        let (node, lab) = (passed(&|_, _| true), passed(&|peer, _| peer <= 2));
        let (one, first) = (
            passed(&|peer, _| peer == 1),
            passed(&|_, transfer| transfer == 1),
        );
        assert_capped(&node, 4 * MB, 64 * KIB);
        assert_capped(&lab, 2 * MB, 64 * KIB);
        assert_capped(&one, 3 * MB / 2, 64 * KIB);
        assert_capped(&first, 7 * MB / 10, 64 * KIB);
        // And none is wasted: the node is full, and so is every cap that binds.
        assert_near(total(&node), 20 * MB, 128 * KIB);
        assert_near(total(&lab), 10 * MB, 128 * KIB);
        assert!(total(&first) <= 35 * MB / 10 + 64 * KIB);
    }
}

// A group capped at 2 MB/s on an 8 MB/s link; its members have weights 1 and 3, two others 1:
// 0.5 and 1.5 MB/s, and 3 MB/s each.
#[test]
fn a_capped_group_is_shared_by_weight_and_the_rest_goes_to_the_others() {
    for discipline in FAIR {
        for share in [Share::Peer, Share::Group] {
            let mut rig = Rig::of(discipline, share, 8 * MB);
            rig.limit(group(1), cap(2 * MB));
            rig.limit(peer(2), weigh(3));
            rig.join(peer(1), Some(1));
            rig.join(peer(2), Some(1));
            for id in 1..=4 {
                rig.hungry(id, 0, 64 * KIB);
            }
            rig.run(Span::from_secs(11));
            let got = rig.by_peer(secs(1));
            for (id, expected) in [(1, 5 * MB), (2, 15 * MB), (3, 30 * MB), (4, 30 * MB)] {
                assert_near(got[&id], expected, 256 * KIB);
            }
        }
    }
}

// Shared by transfer, the cap of a peer cuts across: peer 1 is capped at 1 MB/s in all, and
// takes part in both transfers. The transfers still get half of 8 MB/s each.
#[test]
fn a_peers_cap_holds_across_the_transfers_that_are_shared_by() {
    let mut rig = Rig::new(Share::Transfer, 8 * MB);
    rig.limit(peer(1), cap(MB));
    for (id, of) in [(1, 1), (1, 2), (2, 1), (3, 2)] {
        rig.hungry(id, of, 64 * KIB);
    }
    rig.run(Span::from_secs(11));
    let got = rig.by_both(secs(1));
    assert_near(got[&(1, 1)] + got[&(1, 2)], 10 * MB, 256 * KIB);
    assert_near(got[&(1, 1)] + got[&(2, 1)], 40 * MB, 256 * KIB);
    assert_near(got[&(1, 2)] + got[&(3, 2)], 40 * MB, 256 * KIB);
}

// 8 MB/s with a debt-free bucket, then 1 MB/s: the burst of the new rate is not a present.
#[test]
fn a_live_change_of_rate_carries_the_level() {
    for target in [Target::Node, peer(1), transfer(1), group(1)] {
        let mut rig = Rig::new(Share::Peer, 100 * MB);
        rig.join(peer(1), Some(1));
        rig.limit(target, burst(8 * MB, 64 * KIB));
        rig.hungry(1, 1, 64 * KIB);
        rig.run(Span::from_secs(2));
        for _ in 0..50 {
            rig.limit(target, burst(MB, 128 * KIB));
            rig.run(Span::from_millis(20));
            rig.limit(target, burst(MB, 64 * KIB));
            rig.run(Span::from_millis(20));
        }
        let blocks: Vec<(Time, u64)> = rig
            .sent
            .iter()
            .map(|&(time, _, _, len)| (time, len))
            .collect();
        let change = blocks.partition_point(|&(time, _)| time < secs(2));
        assert_capped(&blocks[..change], 8 * MB, 64 * KIB);
        assert_capped(&blocks[change..], MB, 128 * KIB);
        let after: u64 = blocks[change..].iter().map(|block| block.1).sum();
        assert_near(after, 2 * MB, 64 * KIB);
    }
}

#[test]
fn a_cap_of_zero_stops_and_lifting_it_starts_again() {
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    rig.hungry(1, 0, 64 * KIB);
    rig.limit(peer(1), burst(0, 16 * KIB));
    rig.run(Span::from_secs(1));
    assert!(rig.by_peer(Time::ZERO)[&1] <= 16 * KIB);
    assert_eq!(rig.uplink.ready_at(rig.now), None);
    assert_eq!(rig.uplink.why(PeerId(1), TransferId(0)), Hold::PeerCap);
    rig.limit(peer(1), Limit::default());
    rig.run(Span::from_secs(1));
    assert!(rig.by_peer(secs(1))[&1] >= 10 * MB);
}

#[test]
fn a_cap_makes_blocks_small_enough_for_its_burst() {
    let mut rig = Rig::new(Share::Peer, 100 * MB);
    rig.limit(peer(1), cap(1_000));
    rig.hungry(1, 0, 256 * KIB);
    rig.run(Span::from_secs(100));
    let blocks: Vec<(Time, u64)> = rig
        .sent
        .iter()
        .map(|&(time, _, _, len)| (time, len))
        .collect();
    assert!(blocks.iter().all(|&(_, len)| len == KIB));
    assert_capped(&blocks, 1_000, KIB + 1);
    assert_near(blocks.iter().map(|block| block.1).sum(), 100_000, 2 * KIB);
}

/// Four others take turns of 16 KiB each at 4.5 MB/s, 15 ms in all: what a cap earns in 15 ms
/// at its rate is less than what it earns between two of its turns.
#[test]
fn a_slow_cap_is_reached_however_many_turns_of_others_lie_between() {
    let mut settings = settings("drr", Share::Transfer);
    settings.largest = ByteCount::kib(16);
    let mut rig = Rig::with(settings, 9 * MB / 2);
    for transfer in 0..5 {
        rig.hungry(1, transfer, 64 * KIB);
    }
    rig.limit(transfer(0), cap(MB / 4));
    rig.run(Span::from_secs(20));
    let blocks = rig.sent.iter().filter(|block| block.2 == 0);
    let blocks: Vec<(Time, u64)> = blocks.map(|&(time, _, _, len)| (time, len)).collect();
    assert_capped(&blocks, MB / 4, 16 * KIB + MB * 15 / 4_000);
    assert_near(blocks.iter().map(|block| block.1).sum(), 5 * MB, 50 * KIB);
}

#[test]
fn a_full_window_waits_for_sent_and_holds_nobody_else() {
    let mut settings = settings("drr", Share::Peer);
    settings.window_node = ByteCount::kib(64);
    settings.window_peer = ByteCount::kib(32);
    let mut rig = Rig::with(settings, MB);
    rig.ask(1, 0, 256 * KIB);
    let issued = |rig: &mut Rig| {
        let blocks = std::iter::from_fn(|| rig.uplink.next(rig.now));
        blocks.map(|block| block.peer.0).collect::<Vec<_>>()
    };
    assert_eq!(issued(&mut rig), [1, 1]);
    assert_eq!(rig.uplink.why(PeerId(1), TransferId(0)), Hold::Window);
    assert_eq!(rig.uplink.ready_at(rig.now), None);
    rig.ask(2, 0, 256 * KIB);
    rig.ask(3, 0, 256 * KIB);
    assert_eq!(rig.uplink.ready_at(rig.now), Some(rig.now));
    assert_eq!(
        issued(&mut rig).len(),
        2,
        "the node's window is four blocks"
    );
    assert_eq!(rig.uplink.ready_at(rig.now), None);
    rig.uplink.sent(PeerId(1), ByteCount::kib(16), rig.now);
    assert_eq!(issued(&mut rig).len(), 1);
    // A peer that goes gives its place back, once.
    rig.uplink.purge_peer(PeerId(1));
    rig.uplink.sent(PeerId(1), ByteCount::kib(32), rig.now);
    let rest = issued(&mut rig).len();
    assert!(
        (1..=2).contains(&rest),
        "{rest} after two blocks were given back"
    );
}

#[test]
fn the_status_names_the_limit_that_holds() {
    let why = |rig: &Rig, id: u32| rig.uplink.why(PeerId(id), TransferId(0));
    for (target, hold) in [
        (Target::Node, Hold::NodeCap),
        (group(1), Hold::GroupCap),
        (peer(1), Hold::PeerCap),
        (transfer(0), Hold::TransferCap),
    ] {
        let mut rig = Rig::new(Share::Peer, 100 * MB);
        rig.join(peer(1), Some(1));
        assert_eq!(why(&rig, 1), Hold::Idle);
        rig.limit(target, burst(MB, 16 * KIB));
        rig.ask(1, 0, 256 * KIB);
        assert_eq!(why(&rig, 1), Hold::Turn);
        rig.run(Span::from_millis(1));
        assert_eq!(why(&rig, 1), hold);
        let lines: Vec<Holder> = rig.uplink.holders().collect();
        assert_eq!((lines.len(), lines[0].hold), (1, hold));
        assert_eq!(lines[0].queued, rig.uplink.queued(PeerId(1)));
    }
    let mut rig = Rig::new(Share::Peer, MB);
    rig.ask(1, 0, 16 * KIB);
    rig.ask(2, 0, 16 * KIB);
    let block = rig.uplink.next(rig.now).unwrap();
    assert_eq!(why(&rig, block.peer.0), Hold::Serving);
    assert_eq!(why(&rig, 3 - block.peer.0), Hold::Turn);
}

/// What hangs on the identity survives its connections.
///
/// Register: F8.
#[test]
fn a_bucket_survives_the_connections_of_its_peer() {
    let mut rig = Rig::new(Share::Peer, 100 * MB);
    rig.limit(peer(1), burst(MB, 64 * KIB));
    for id in 0..20 {
        rig.hungry(1, id, 64 * KIB);
        rig.run(Span::from_millis(50));
        rig.leave(1);
    }
    let blocks: Vec<(Time, u64)> = rig
        .sent
        .iter()
        .map(|&(time, _, _, len)| (time, len))
        .collect();
    assert_capped(&blocks, MB, 64 * KIB);
}

// Transfer 1 is capped at 2 MB/s, its bucket holds 16 blocks, and 40 peers of weights 1 and 3
// ask for it, shared by peer: each is served by its weight, and none starves. Alone on the
// link, and beside transfer 2 with as many other peers.
#[test]
fn a_cap_that_cuts_across_many_is_shared_by_weight_too() {
    for discipline in FAIR {
        for beside in [0, 40] {
            let mut rig = Rig::of(discipline, Share::Peer, 20 * MB);
            rig.limit(transfer(1), burst(2 * MB, 256 * KIB));
            for id in 0..40 {
                rig.limit(peer(id), weigh(1 + 2 * (id % 2)));
                rig.hungry(id, 1, 64 * KIB);
            }
            for id in 40..40 + beside {
                rig.hungry(id, 2, 64 * KIB);
            }
            rig.run(Span::from_secs(21));
            let got = rig.by_peer(secs(1));
            for id in 0..40 {
                let expected = u64::from(1 + 2 * (id % 2)) * MB / 2;
                assert_near(got[&id], expected, 64 * KIB);
            }
        }
    }
}

// Three transfers of one peer share its cap by weight, beside peers with blocks eight times as
// large, which the small ones wait for while the bucket earns a second block. However long they go
// on, what two of them had per unit weight drifts apart by three of their blocks at most: a block
// that the bucket holds besides belongs to whoever had least, not to whoever waits.
#[test]
fn what_shares_a_cap_does_not_drift_apart() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Transfer, 9 * MB);
        rig.limit(peer(1), cap(360_000));
        let weights = [1_u32, 2, 5];
        for (id, weight) in (1..).zip(weights) {
            rig.limit(transfer(id), weigh(weight));
            rig.hungry(1, id, 64 * KIB);
        }
        for id in 4..9 {
            rig.hungry(id, id, 256 * KIB);
        }
        rig.run(Span::from_secs(60));
        let capped = rig.sent.iter().filter(|block| block.1 == 1);
        let largest = capped.clone().map(|block| block.3).max().unwrap();
        // In tenths of a byte, so that all weights divide.
        let mut service = [0_i64; 3];
        let mut apart = [(0_i64, 0_i64); 3];
        for &(_, _, id, len) in capped {
            let place = id as usize - 1;
            service[place] += i64::try_from(10 * len).unwrap() / i64::from(weights[place]);
            for (pair, (least, most)) in apart.iter_mut().enumerate() {
                let difference = service[pair] - service[(pair + 1) % 3];
                (*least, *most) = (difference.min(*least), difference.max(*most));
            }
        }
        for (least, most) in apart {
            let range = u64::try_from(most - least).unwrap();
            assert!(range <= 30 * largest, "{discipline}: {least} to {most}");
        }
    }
}

// Under strict priorities a cap is the lower band's only while the higher one leaves it.
#[test]
fn a_cap_belongs_to_the_higher_band_while_that_asks() {
    let mut rig = Rig::of("strict", Share::Transfer, MB);
    rig.limit(peer(1), cap(360_000));
    for id in 1..=2 {
        let band = u8::try_from(id).unwrap();
        rig.limit(
            transfer(id),
            Limit {
                band,
                ..Limit::default()
            },
        );
        rig.hungry(1, id, 64 * KIB);
    }
    for id in 4..9 {
        let band = 3;
        rig.limit(
            transfer(id),
            Limit {
                band,
                ..Limit::default()
            },
        );
        rig.hungry(id, id, 256 * KIB);
    }
    rig.run(Span::from_secs(10));
    let got = rig.by_both(secs(1));
    assert_eq!(got.get(&(1, 2)), None, "{got:?}");
}

// A peer that comes when the cap of its transfer has long been in use has no claim to what the
// others had before.
#[test]
fn a_newcomer_under_a_cap_that_cuts_across_is_level_with_the_others() {
    for warm in [2 * MB, 200 * MB] {
        let mut rig = Rig::new(Share::Peer, 20 * MB);
        rig.limit(transfer(1), burst(warm, 64 * KIB));
        for id in 0..5 {
            rig.hungry(id, 1, 64 * KIB);
        }
        rig.run(Span::from_secs(5));
        rig.limit(transfer(1), burst(2 * MB, 64 * KIB));
        rig.hungry(9, 1, 64 * KIB);
        rig.run(Span::from_secs(3));
        for (_, got) in rig.by_peer(secs(5)) {
            assert_near(got, MB, 64 * KIB);
        }
    }
}

// T2, T3: a gap of eight hours earns one burst and wakes once; a clock that steps back or stands
// still stops nothing and earns nothing.
#[test]
fn gaps_and_steps_of_the_clock_earn_nothing() {
    let mut rig = Rig::new(Share::Peer, 1_000 * MB);
    rig.limit(peer(1), burst(MB, 64 * KIB));
    rig.hungry(1, 0, 64 * KIB);
    rig.run(Span::from_millis(500));
    rig.now = rig.now + Span::from_secs(8 * 3_600);
    let woke = rig.now;
    rig.run(Span::from_millis(1));
    assert_near(rig.by_peer(woke)[&1], 64 * KIB, KIB);
    let now = rig.now;
    rig.now = Time::ZERO;
    assert_eq!(rig.uplink.next(rig.now), None);
    assert!(rig.uplink.ready_at(rig.now).is_some_and(|at| at > now));
    rig.now = now;
    rig.run(Span::from_secs(1));
    assert_near(rig.by_peer(now)[&1], MB, 32 * KIB);
}

/// A peer is capped to 1 MB/s; a tenth of what leaves for it is heads and messages. What leaves
/// in all keeps to the cap.
#[test]
fn bytes_beside_blocks_count_towards_the_caps() {
    let mut rig = Rig::new(Share::Peer, 100 * MB);
    rig.limit(Target::Peer(PeerId(1)), cap(MB));
    rig.hungry(1, 1, 64 * 1024);
    let mut blocks = 0;
    let mut beside = 0;
    for _ in 0..1_000 {
        let before = rig.sent.len();
        rig.run(Span::from_millis(10));
        let new: u64 = rig.sent[before..].iter().map(|sent| sent.3).sum();
        blocks += new;
        beside += new / 9;
        let now = rig.now;
        rig.uplink
            .overhead(PeerId(1), None, ByteCount::new(new / 9), now);
    }
    let all = (blocks + beside) as f64 / (10.0 * MB as f64);
    assert!((0.99..1.04).contains(&all), "{all}");
}

/// Two peers ask without end; the connection of the second takes 1 MB/s and no more. Its window
/// narrows to what it takes in 10 ms, and its blocks to half of that; the first keeps its own.
#[test]
fn the_window_of_a_slow_connection_narrows_to_ten_milliseconds() {
    let mut settings = settings("drr", Share::Peer);
    settings.adapt = true;
    settings.window_peer = ByteCount::mib(1);
    settings.largest = ByteCount::kib(256);
    let mut uplink = Uplink::new(settings);
    let ask = |uplink: &mut Uplink, peer, now| {
        let request = Request {
            peer: PeerId(peer),
            transfer: TransferId(0),
            chunk: ChunkIndex(0),
            offset: ByteCount::ZERO,
            len: ByteCount::mib(1),
            remaining: ByteCount::mib(64),
        };
        uplink.request(request, now).unwrap();
    };
    let mut now = Time::ZERO;
    let mut largest = 0;
    for _ in 0..200 {
        ask(&mut uplink, 2, now);
        let mut len = 0;
        while let Some(block) = uplink.next(now) {
            len += block.len.get();
            largest = block.len.get();
        }
        now = now + Span::from_micros(len);
        uplink.sent(PeerId(2), ByteCount::new(len), now);
    }
    assert_eq!(largest, 16 * 1024);
    // The turn that peer 2 is in is worth 256 KiB: sixteen of its blocks at most.
    ask(&mut uplink, 1, now);
    let mut first = None;
    for _ in 0..=16 {
        let block = uplink.next(now).expect("both wait");
        uplink.sent(block.peer, block.len, now);
        if block.peer == PeerId(1) {
            first.get_or_insert(block.len);
        }
    }
    assert_eq!(first, Some(ByteCount::kib(256)));
}

// Transfer 9 is capped with its group, 1, and peer 5 by itself; both caps have other members that
// could use all of them. Group 1 has 1.2 MB/s for weights 1, 1 and 1 (transfers 1, 2 and 9), peer 5
// 0.3 MB/s for two transfers, 8 and 9: 0.15 MB/s each, less what 9 loses because it keeps no
// arrears at one limit while the other holds it.
#[test]
fn who_waits_for_two_caps_at_once_is_not_starved() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Transfer, 8 * MB);
        rig.limit(group(1), cap(12 * MB / 10));
        rig.limit(peer(5), cap(3 * MB / 10));
        for id in [1, 2, 9] {
            rig.join(transfer(id), Some(1));
        }
        for (id, of) in [(1, 1), (2, 2), (3, 3), (5, 8), (5, 9)] {
            rig.hungry(id, of, 64 * KIB);
        }
        rig.run(Span::from_secs(21));
        let got = rig.by_both(secs(1));
        assert_near(got[&(5, 8)] + got[&(5, 9)], 6 * MB, 100 * KIB);
        assert!(got[&(5, 9)] > 2 * MB, "{discipline}: {got:?}");
        let in_group = got[&(1, 1)] + got[&(2, 2)] + got[&(5, 9)];
        assert_near(in_group, 24 * MB, 200 * KIB);
    }
}

// Transfer 4 is in group 1, capped at 1.13 MB/s, and one of three of peer 4, capped at 0.36 MB/s;
// peer 3 is in the group too and can use all of it. The link is never full. Peer 4 gives transfer 4
// weight 4 of 10, and peer 3 has the rest of the group.
#[test]
fn who_is_below_one_cap_and_beside_another_gets_its_share_of_both() {
    for discipline in FAIR {
        let mut rig = Rig::with(
            Settings {
                largest: ByteCount::kib(4),
                ..settings(discipline, Share::Peer)
            },
            4 * MB,
        );
        let weight = |weight: u32, limit: Limit| Limit {
            weight: Weight::whole(weight),
            ..limit
        };
        rig.limit(group(1), cap(1_132_599));
        rig.limit(peer(4), weight(4, cap(364_528)));
        rig.limit(peer(3), weigh(2));
        rig.limit(peer(5), weight(4, cap(533_713)));
        for (id, of) in [(4, 4), (5, 3), (6, 3)] {
            rig.limit(transfer(id), weigh(of));
        }
        rig.join(peer(3), Some(1));
        rig.join(transfer(4), Some(1));
        for (id, of) in [(3, 2), (3, 3), (4, 4), (4, 5), (4, 6), (5, 7), (5, 8)] {
            rig.hungry(id, of, 64 * KIB);
        }
        rig.run(Span::from_secs(11));
        let got = rig.by_both(secs(1));
        assert_near(got[&(4, 4)], 1_458_112, 30_000);
        assert_near(got[&(4, 5)] + got[&(4, 6)], 2_187_168, 30_000);
        assert_near(got[&(3, 2)] + got[&(3, 3)], 9_867_878, 60_000);
    }
}
