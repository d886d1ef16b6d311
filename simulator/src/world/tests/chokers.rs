//! Every choker in whole runs: a swarm that ends, and what is promised about exchange.

use fairhaul_config::policy::{ChokerName, SeedRule};
use fairhaul_core::choke;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use super::{go, secs, swarm};
use crate::record::Record;
use crate::setup::{NetworkModel, Setup};

/// A seed and twelve equal peers with chunks of 64 KiB.
fn small(network: NetworkModel, unchoke: &str, seed_rule: &str) -> Setup {
    let mut setup = swarm(12, 8 << 20);
    setup.network = network;
    setup.contents[0].chunk = ByteCount::kib(64);
    setup.policies[0].unchoke = ChokerName::of(unchoke);
    setup.policies[0].seed_rule = SeedRule::of(seed_rule);
    setup.horizon = Time::ZERO + Span::from_secs(2_000);
    setup
}

const BLOCK: NetworkModel = NetworkModel::Block {
    window: ByteCount::mib(4),
};

fn makespan(record: &Record) -> f64 {
    let content = &record.contents[0];
    assert_eq!(content.completed, 12);
    let took = content.makespan.unwrap();
    assert!(took >= content.kumar_ross.unwrap());
    took.as_secs_f64()
}

/// Alone the seed would take 100 s to give 12 x 8 MiB.
#[test]
fn under_every_choker_a_swarm_has_all_of_a_content() {
    for row in choke::ALL.iter().filter(|row| row.name != "refuse") {
        for network in [BLOCK, NetworkModel::Fluid] {
            if row.uplink.is_some() && network != BLOCK {
                continue;
            }
            let took = makespan(&go(&small(network, row.name, "even")));
            assert!(took < 150.0, "{} in {network:?}: {took}", row.name);
        }
    }
}

#[test]
fn under_every_seed_rule_a_swarm_has_all_of_a_content() {
    for (rule, _) in choke::SEED_RULES {
        let took = makespan(&go(&small(BLOCK, "none", rule)));
        assert!(took < 150.0, "{rule}: {took}");
    }
}

/// Bytes that went from the leechers to the last of them.
fn fed(record: &Record) -> u64 {
    let of_rider = record.pairs.iter().filter(|pair| pair.receiver == 12);
    let from_leechers = of_rider.filter(|pair| pair.sender > 0);
    from_leechers.map(|pair| pair.bytes.get()).sum()
}

/// The last of twelve peers serves nobody; the seed is slow, so that the others could carry it. For
/// as long as they want something themselves, each lets it have what its rule says and no more.
#[test]
fn a_free_rider_has_no_more_than_each_rule_lets_leak() {
    let leaked = |unchoke: &str| {
        let mut setup = small(BLOCK, unchoke, "even");
        let mut rider = setup.policies[0];
        rider.unchoke = ChokerName::of("none");
        setup.policies.push(rider);
        setup.peers[12].behaviour = crate::behaviour::Behaviour {
            serves: crate::behaviour::Serves::Nothing,
            ..crate::behaviour::Behaviour::default()
        };
        setup.peers[0].up = Some(Rate::new(2_000_000));
        for peer in &mut setup.peers[1..12] {
            // Whoever has all of it stays no longer: seeds give to everybody.
            peer.linger = Some(Span::ZERO);
        }
        fed(&go(&setup))
    };
    let chunk = 64 * 1024;
    let neighbours = 11;
    let bounded = leaked("bounded-deficit");
    assert!(bounded <= neighbours * 2 * chunk, "{bounded}");
    // Its first credit at each neighbour, and its part of a tenth of all that each sent.
    let swift = leaked("swift");
    assert!(swift <= neighbours * (chunk + (8 << 20) / 10), "{swift}");
    let open = leaked("none");
    assert!(
        open > 2 * bounded,
        "{open} without a rule, {bounded} with one"
    );
}

/// Four of twelve peers forward nothing and do not lie about it. Where everybody, the seed as well,
/// goes by what peers forward, they have the optimistic slots alone; without a rule they, who send
/// nothing, are done first.
#[test]
fn under_give_to_get_whoever_forwards_nothing_is_done_later() {
    let took = |unchoke: &str, seed_rule: &str| {
        let mut setup = small(BLOCK, unchoke, seed_rule);
        setup.contents[0].bytes = ByteCount::mib(32);
        setup.peers[0].up = Some(Rate::new(4_000_000));
        for peer in &mut setup.peers[9..] {
            peer.behaviour.serves = crate::behaviour::Serves::Nothing;
        }
        for peer in &mut setup.peers[1..] {
            peer.linger = Some(Span::ZERO);
        }
        let record = go(&setup);
        (mean(&record.peers[1..9]), mean(&record.peers[9..]))
    };
    let (givers, riders) = took("give-to-get", "give-to-get");
    let (open, beside) = took("none", "even");
    assert!(riders > 1.1 * givers, "riders {riders}, givers {givers}");
    assert!(beside < open, "riders {beside}, givers {open}");
}

/// Mean time to completion, in seconds.
fn mean(peers: &[crate::record::PeerRecord]) -> f64 {
    let times = peers.iter().map(|peer| secs(peer.completed));
    times.sum::<f64>() / peers.len() as f64
}

/// Two halves of a swarm, of which one has three times the uplink, and a slow seed. Who gives more
/// is done sooner under rules that pay for what was given. BitTyrant is not among them: it offers
/// a peer the least that keeps it unchoked, so a larger uplink stays unused among its like.
#[test]
fn whoever_gives_more_is_done_sooner_under_rules_that_pay() {
    for unchoke in ["propshare", "fairtorrent", "tit-for-tat"] {
        let mut setup = small(BLOCK, unchoke, "even");
        setup.contents[0].bytes = ByteCount::mib(64);
        for peer in &mut setup.peers[1..=6] {
            peer.up = Some(Rate::new(300_000));
        }
        let record = go(&setup);
        let (slow, fast) = (mean(&record.peers[1..=6]), mean(&record.peers[7..]));
        assert!(fast < slow, "{unchoke}: fast {fast}, slow {slow}");
    }
}
