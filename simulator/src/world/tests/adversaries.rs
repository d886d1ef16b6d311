//! Adversaries: each setting does what it says, and the defences of the others hold.

use fairhaul_core::id::TransferId;
use fairhaul_core::node::Guard;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use super::super::World;
use super::{go, policy, secs, swarm};
use crate::behaviour::{
    Announces, BUNDLES, Behaviour, Bundle, Identities, Serves, SwarmView, Withholds,
};
use crate::setup::{Latency, NetworkModel, Setup};

const CHUNK: u64 = 256 * 1_024;
const CONTENT: TransferId = TransferId(0);

/// A run until its end or `until`, whichever is first, to be looked into.
fn play(setup: &Setup) -> World<'_> {
    let mut world = World::new(setup).unwrap();
    world.go(&mut |_| ()).unwrap();
    world
}

fn until(mut setup: Setup, millis: u64) -> Setup {
    setup.horizon = Time::ZERO + Span::from_millis(millis);
    setup
}

/// A seed, an adversary, and other leechers, of a content of so many chunks.
fn beside(behaviour: Behaviour, others: u32, chunks: u64) -> Setup {
    let mut setup = swarm(1 + others, chunks * CHUNK);
    setup.peers[1].behaviour = behaviour;
    setup
}

fn bundle(name: &str) -> Behaviour {
    Bundle::find(name).unwrap().behaviour()
}

/// Bytes that `host` thinks `other` has.
fn believed(world: &World<'_>, host: usize, other: u32) -> u64 {
    let host = &world.hosts[host];
    let peer = host.id_of(other).unwrap();
    let node = host.node.as_ref().unwrap();
    node.has_of(peer, CONTENT).map_or(0, ByteCount::get)
}

fn chunks_of(world: &World<'_>, host: usize) -> u32 {
    let node = world.hosts[host].node.as_ref().unwrap();
    node.had(CONTENT).unwrap().count()
}

fn sent(world: &World<'_>, from: u32, to: u32) -> u64 {
    let pairs = world.counters.pairs();
    let pair = pairs
        .iter()
        .find(|pair| (pair.sender, pair.receiver) == (from, to));
    pair.map_or(0, |pair| pair.bytes.get())
}

/// Of twenty peers with three neighbours each, who has the large view knows all others.
#[test]
fn a_large_view_knows_everybody_and_others_their_neighbours() {
    let known = |view| {
        let mut setup = beside(
            Behaviour {
                view,
                ..Behaviour::default()
            },
            19,
            8,
        );
        for peer in &mut setup.peers {
            peer.neighbours = 3;
        }
        // The last one joins later, and is called too.
        setup.peers[20].join = Time::ZERO + Span::from_secs(1);
        play(&until(setup, 2_000)).hosts[1].degree
    };
    assert_eq!(known(SwarmView::All), 20);
    assert!(known(SwarmView::Neighbours) <= 6);
}

#[test]
fn who_serves_nothing_sends_nothing() {
    let setup = beside(bundle("free-rider"), 3, 8);
    let record = go(&setup);
    assert_eq!(
        record.peers[1].up_as_leecher + record.peers[1].up_as_seed,
        ByteCount::ZERO
    );
    assert!(record.peers[1].completed.is_some());
}

/// The only seed serves with a quarter of its 1 MB/s: 4 MiB take 16.8 s instead of 4.2 s, but for
/// what its bucket has saved up.
#[test]
fn who_serves_a_part_serves_with_that_part_of_its_uplink() {
    let took = |serves| {
        let mut setup = swarm(1, 16 * CHUNK);
        setup.peers[0].behaviour.serves = serves;
        secs(go(&setup).peers[1].completed)
    };
    let (all, part) = (took(Serves::Policy), took(Serves::Percent(25)));
    assert!((3.8..4.05).contains(&(part / all)), "{part} s and {all} s");
}

/// Without chokers a peer is known to begin its rounds as it connects, at 0 s. The adversary sends
/// nothing until the last second of the first ten.
#[test]
fn an_oscillator_serves_only_in_the_last_second_before_a_round() {
    let given = |behaviour: &Behaviour, millis| {
        let setup = until(beside(behaviour.clone(), 1, 160), millis);
        let world = play(&setup);
        (sent(&world, 1, 2), world.counters.peers[1].completed)
    };
    let honest = Behaviour::default();
    let oscillator = bundle("oscillator");
    assert!(given(&honest, 8_900).0 > 0);
    assert_eq!(given(&oscillator, 8_900), (0, None));
    let first = given(&oscillator, 11_500).0;
    assert!((CHUNK..=1_300_000).contains(&first), "{first}");
    let second = given(&oscillator, 18_900).0;
    assert!(second <= first + CHUNK, "{first}, then {second}");
    assert!(given(&oscillator, 21_500).0 > second);
}

/// Register: whoever sends a whole chunk of wrong bytes is banned, and nothing of it is counted.
#[test]
fn garbage_is_caught_banned_and_not_counted() {
    let behaviour = Behaviour {
        serves: Serves::Garbage,
        ..Behaviour::default()
    };
    let setup = beside(behaviour, 4, 16);
    let world = play(&setup);
    for victim in 2..6 {
        assert!(
            world.bans.contains(&(victim, 1, 0)),
            "{victim}: {:?}",
            world.bans
        );
        assert!(!world.hosts[victim as usize].is_connected(1));
    }
    assert_eq!(world.counters.peers[1].up_as_leecher, ByteCount::ZERO);
    let record = world.finish().unwrap();
    for (peer, found) in record.peers.iter().enumerate().skip(2) {
        assert!(found.completed.is_some(), "{peer}");
        assert!(found.wasted >= ByteCount::new(CHUNK), "{peer}");
    }
}

/// Who never ends a chunk is never caught alone: its bytes are wasted, and everybody ends all the
/// same.
#[test]
fn garbage_that_cannot_be_checked_alone_ends_nobodys_transfer() {
    let setup = beside(bundle("garbage"), 4, 16);
    let record = go(&setup);
    assert_eq!(record.peers[1].up_as_leecher, ByteCount::ZERO);
    assert!(
        record.peers[2..]
            .iter()
            .all(|peer| peer.completed.is_some())
    );
    assert!(
        record.peers[2..]
            .iter()
            .any(|peer| peer.wasted > ByteCount::ZERO)
    );
}

/// After 3 s of a content that takes 17 s: what others believe that an adversary has, beside what
/// it has.
#[test]
fn what_an_adversary_announces_is_what_others_believe() {
    let all = 64 * CHUNK;
    let look = |announces| {
        let setup = beside(
            Behaviour {
                announces,
                ..Behaviour::default()
            },
            2,
            64,
        );
        let setup = until(setup, 3_000);
        let world = play(&setup);
        let has = u64::from(chunks_of(&world, 1)) * CHUNK;
        assert!(has > 0 && has < all);
        (has, believed(&world, 2, 1), believed(&world, 3, 1))
    };
    let (has, second, third) = look(Announces::Truth);
    // Who has a chunk itself is not told of it.
    assert!(second > 0 && second <= has && third > 0 && third <= has);
    let (_, second, third) = look(Announces::Nothing);
    assert_eq!((second, third), (0, 0));
    // Nobody asks whoever chokes everybody, so nobody is refused what it was told of.
    let half = |announces| {
        let setup = beside(
            Behaviour {
                announces,
                ..bundle("free-rider")
            },
            2,
            64,
        );
        let early = until(setup.clone(), 1);
        let early = play(&early);
        (believed(&early, 2, 1), believed(&early, 3, 1))
    };
    assert_eq!(half(Announces::All), (all, all));
    let (second, third) = half(Announces::Random);
    assert_eq!(second, third);
    assert!((all / 4..all * 3 / 4).contains(&second), "{second}");
}

/// Whatever a peer has itself, it knows of one chunk at most that only the adversary has for it.
#[test]
fn an_under_reporter_shows_one_chunk_at_a_time() {
    let setup = until(beside(bundle("under-reporter"), 2, 64), 6_000);
    let world = play(&setup);
    let told = &world.masks[1].as_ref().unwrap().announcer.told;
    for victim in [2_u32, 3] {
        let peer = world.hosts[1].id_of(victim).unwrap();
        let shown = &told[&(peer, CONTENT)].shown;
        let node = world.hosts[victim as usize].node.as_ref().unwrap();
        let had = node.had(CONTENT).unwrap();
        assert_eq!(
            believed(&world, victim as usize, 1),
            u64::from(shown.count()) * CHUNK
        );
        assert!(
            shown.count() > 1 && shown.count_beyond(had) <= 1,
            "{victim}"
        );
        let has = chunks_of(&world, 1);
        assert!(shown.count() < has, "{victim} was told of {has}");
        assert!(sent(&world, 1, victim) > 0);
    }
    let setup = beside(bundle("under-reporter"), 2, 16);
    assert!(
        go(&setup).peers[1..]
            .iter()
            .all(|peer| peer.completed.is_some())
    );
}

/// In 6 s to each of two others and the seed: five looks or more, a message each.
#[test]
fn a_bitrebel_repeats_its_news_once_a_second_to_each() {
    let events = |behaviour| {
        let setup = until(beside(behaviour, 2, 64), 6_000);
        play(&setup).events
    };
    let (honest, rebel) = (events(Behaviour::default()), events(bundle("bitrebel")));
    assert!(
        (15..=24).contains(&(rebel - honest)),
        "{honest} and {rebel}"
    );
}

/// The only seed keeps something back, so nobody can ever have it.
#[test]
fn what_is_withheld_is_never_sent() {
    let had = |withholds| {
        let mut setup = swarm(1, 8 * CHUNK);
        setup.peers[0].behaviour.withholds = withholds;
        let setup = until(setup, 60_000);
        let world = play(&setup);
        let node = world.hosts[1].node.as_ref().unwrap();
        let had = node.had(CONTENT).unwrap().iter();
        had.map(|chunk| chunk.get()).collect::<Vec<_>>()
    };
    assert_eq!(had(Withholds::Nothing), (0..8).collect::<Vec<_>>());
    assert_eq!(had(Withholds::LastChunk), (0..7).collect::<Vec<_>>());
    assert_eq!(had(Withholds::LastBlock), Vec::<u32>::new());
}

/// One seed shares its uplink between two peers that serve nothing. With four identities one of
/// them has four of five shares.
#[test]
fn identities_at_once_have_a_share_each() {
    let shares = |identities| {
        let rider = bundle("free-rider");
        let sybil = Behaviour {
            identities,
            ..rider.clone()
        };
        let mut setup = beside(sybil, 1, 64);
        setup.peers[2].behaviour = rider;
        let setup = until(setup, 8_000);
        let world = play(&setup);
        let met = world.hosts[0].links.iter();
        let met = met.filter(|connection| connection.host == 1).count();
        (met, sent(&world, 0, 1), sent(&world, 0, 2))
    };
    let (met, one, other) = shares(Identities::Many(1));
    assert!(
        met == 1 && one.abs_diff(other) <= 2 * CHUNK,
        "{one} and {other}"
    );
    let (met, one, other) = shares(Identities::Many(4));
    assert_eq!(met, 4);
    assert!(one > 3 * other, "{one} and {other}");
    assert!(other > 0);
    // What four fetched is one content.
    let mut setup = beside(bundle("sybil"), 1, 16);
    setup.peers[2].behaviour = bundle("free-rider");
    let record = go(&setup);
    assert!(
        record.peers[1..]
            .iter()
            .all(|peer| peer.completed.is_some())
    );
    assert_eq!(record.peers[1].down_from_seeds, ByteCount::new(16 * CHUNK));
}

/// Under wary tit-for-tat a rider is soon choked. It comes back as somebody new after ten seconds.
#[test]
fn a_whitewasher_is_somebody_new_wherever_it_starves() {
    let known = |behaviour| {
        let mut setup = beside(behaviour, 6, 400);
        setup.policies = vec![policy("drr", "wary-tit-for-tat")];
        let setup = until(setup, 60_000);
        let world = play(&setup);
        let known = (2..8).map(|victim: usize| {
            let links = world.hosts[victim].links.iter();
            links.filter(|connection| connection.host == 1).count()
        });
        let up = (2..8_u32).filter(|victim| world.hosts[1].is_connected(*victim));
        (known.max().unwrap(), up.count())
    };
    assert_eq!(known(bundle("free-rider")), (1, 6));
    let (identities, up) = known(bundle("whitewasher"));
    assert!((2..=7).contains(&identities), "{identities}");
    assert!(up >= 3, "{up} connections are up");
}

/// A ban holds for one identity: who is caught once and has no other is caught no second time.
#[test]
fn a_banned_identity_is_gone_and_a_new_one_is_not() {
    let behaviour = |identities| Behaviour {
        serves: Serves::Garbage,
        identities,
        ..Behaviour::default()
    };
    let bans = |identities| {
        let setup = until(beside(behaviour(identities), 1, 200), 50_000);
        let world = play(&setup);
        let own = world.bans.iter();
        let count = own.filter(|(victim, ..)| *victim == 2).count();
        (count, world.hosts[1].is_connected(2))
    };
    assert_eq!(bans(Identities::Many(1)), (1, false));
    assert!(bans(Identities::Renewed).0 > 1);
}

#[test]
fn who_rejoins_leaves_again_and_again_and_keeps_what_it_has() {
    let behaviour = Behaviour {
        rejoins: Some(Span::from_secs(5)),
        ..Behaviour::default()
    };
    let setup = until(beside(behaviour.clone(), 2, 200), 23_000);
    let world = play(&setup);
    // At 5, 11, 17 and 23 s, and back a second later.
    let present = world.counters.peers[1].present;
    assert!(present == Span::from_secs(20), "{present:?}");
    let record = go(&beside(behaviour, 2, 100));
    assert!(record.peers[1].completed.is_some());
    let first = record.peers[1].down_from_seeds + record.peers[1].down_from_leechers;
    assert_eq!(first, ByteCount::new(100 * CHUNK));
}

/// It leaves for good in the second in which it is away to come back.
#[test]
fn who_has_left_for_good_does_not_rejoin() {
    let behaviour = Behaviour {
        rejoins: Some(Span::from_secs(5)),
        ..Behaviour::default()
    };
    let mut setup = beside(behaviour, 2, 100);
    setup.peers[1].leave = Some(Time::ZERO + Span::from_millis(5_500));
    let record = go(&setup);
    assert_eq!(record.peers[1].present, Span::from_secs(5));
    assert_eq!(record.peers[1].completed, None);
    assert!(
        record.peers[2..]
            .iter()
            .all(|peer| peer.completed.is_some())
    );
}

/// 8 chunks at 100 kB/s take 21 s, whatever the seed could send.
#[test]
fn a_slow_reader_takes_no_more_than_it_drains() {
    let mut setup = beside(bundle("slow-reader"), 1, 8);
    setup.peers[1].behaviour.drains = Some(Rate::new(100_000));
    let took = secs(go(&setup).peers[1].completed);
    assert!((20.9..21.5).contains(&took), "{took}");
}

/// The partner has nothing and says that it has what the adversary was sent.
#[test]
fn colluders_say_that_they_have_what_a_partner_was_sent() {
    let told = |partners: &str| {
        let mut behaviour = bundle("colluders");
        behaviour.colludes = Some(partners.to_owned());
        let mut setup = beside(behaviour.clone(), 1, 64);
        for row in [1, 2] {
            setup.peers[row].class = "gang".into();
        }
        setup.peers[2].behaviour = behaviour;
        // The partner can receive nothing.
        setup.peers[2].down = Some(Rate::new(1));
        let setup = until(setup, 3_000);
        let world = play(&setup);
        assert_eq!(chunks_of(&world, 2), 0);
        (
            believed(&world, 0, 2),
            u64::from(chunks_of(&world, 1)) * CHUNK,
        )
    };
    let (said, had) = told("gang");
    assert!(had > 0 && said + CHUNK >= had, "{said} of {had}");
    assert_eq!(told("nobody").0, 0);
}

/// Every bundle beside honest peers under several rules and in both networks: the run breaks no
/// law, all honest peers end, twice the same way.
#[test]
fn beside_every_bundle_honest_peers_end_and_runs_repeat() {
    for found in BUNDLES {
        for unchoke in [
            "none",
            "wary-tit-for-tat",
            "tit-for-tat",
            "forwarders-first",
            "give-to-get",
        ] {
            let mut behaviour = found.behaviour();
            behaviour.drains = behaviour.drains.map(|_| Rate::new(50_000));
            let partners = behaviour.colludes.is_some().then(|| "gang".to_owned());
            behaviour.colludes = partners;
            let mut setup = beside(behaviour.clone(), 6, 24);
            setup.peers[2].behaviour = behaviour;
            setup.policies = vec![policy("drr", unchoke)];
            for row in [1, 2] {
                setup.peers[row].class = "gang".into();
            }
            for network in [setup.network, NetworkModel::Fluid] {
                setup.network = network;
                let record = go(&setup);
                let honest = &record.peers[3..];
                let what = format!("{}, {unchoke}, {network:?}", found.name);
                assert!(honest.iter().all(|peer| peer.completed.is_some()), "{what}");
                assert_eq!(record.digest, go(&setup).digest, "{what}");
            }
        }
    }
}

/// The same with delays, timeouts and small windows, as real nodes have them.
#[test]
fn beside_every_bundle_nodes_with_timeouts_end() {
    for found in BUNDLES {
        let mut behaviour = found.behaviour();
        behaviour.drains = behaviour.drains.map(|_| Rate::new(50_000));
        behaviour.colludes = behaviour.colludes.map(|_| "peer".to_owned());
        let mut setup = beside(behaviour, 6, 24);
        setup.policies = vec![policy("sparse-drr", "wary-tit-for-tat")];
        setup.policies[0].guard = Some(Guard::default());
        setup.latency = Latency {
            regions: vec!["here".into()],
            one_way: vec![Span::from_millis(40)],
        };
        let record = go(&setup);
        let honest = &record.peers[2..];
        assert!(
            honest.iter().all(|peer| peer.completed.is_some()),
            "{}",
            found.name
        );
    }
}
