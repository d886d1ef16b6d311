//! What the parameter files of peers say.

use std::path::Path;

use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Weight};
use fairhaul_simulator::behaviour::{BUNDLES, Bundle};
use fairhaul_simulator::setup::{GroupSetup, SharedLinkSetup};

use super::*;
use crate::loopback::Loopback;
use crate::tests::{peer, setup, transfer};

fn params(setup: &Setup, row: u32, links: Links) -> ParameterFile {
    let peers = setup.peers.len();
    let place = Loopback::new(peers, Path::new("/bin/true"), None, false).unwrap();
    let files = Files::new(setup).unwrap();
    let text = files.parameters(setup, row, &place, links).unwrap();
    ParameterFile::parse("n.toml", &text).unwrap()
}

fn star() -> Setup {
    let mut setup = setup(vec![
        peer("source", 1_000_000),
        peer("a b", 1_000),
        peer("c", 1_000),
    ]);
    setup.transfers = vec![transfer("x", 1, 1), transfer("y", 2, 1)];
    setup
}

#[test]
fn a_node_may_send_a_little_less_than_its_link_carries() {
    let mut setup = star();
    setup.peers[0].down = Some(Rate::new(500));
    let limits = params(&setup, 0, Links::Shaped).limits;
    assert_eq!(limits.upload.rate(), Some(Rate::new(980_000)));
    assert_eq!(limits.download.get(), None);
    assert_eq!(limits.burst, None);
    let limits = params(&setup, 0, Links::Caps).limits;
    assert_eq!(limits.download.get(), Some(Rate::new(500)));
    setup.peers[0].upload_cap = Some(Rate::new(100_000));
    setup.peers[0].burst = Some(ByteCount::new(10_000));
    let limits = params(&setup, 0, Links::Shaped).limits;
    assert_eq!(limits.upload.rate(), Some(Rate::new(100_000)));
    assert_eq!(
        limits.burst.map(TimeBetween::get),
        Some(Span::from_millis(100))
    );
}

#[test]
fn a_node_knows_the_policies_of_the_scenario_and_whom_it_serves() {
    let mut setup = star();
    setup.policies[0].pipeline = Some(Bounded::new(3));
    setup.policies[0].quantum = Some(SizeLimit::At(ByteCount::kib(2)));
    setup.peers[1].weight = Weight::from_hundredths(250).unwrap();
    setup.peers[2].cap = Some(Rate::new(700));
    setup.peers[2].floor = Some(Rate::new(900));
    let params = params(&setup, 0, Links::Shaped);
    let policy = &params.policy;
    assert_eq!(
        (policy.slots.get(), policy.pipeline.map(Bounded::get)),
        (4, Some(3))
    );
    assert_eq!(policy.rechoke.get(), Span::from_secs(2));
    assert_eq!(
        policy.quantum.and_then(SizeLimit::get),
        Some(ByteCount::kib(2))
    );
    let peers = &params.peers;
    assert_eq!(&*peers[0].name, "peer:1");
    assert_eq!(peers[0].weight.get().hundredths(), 250);
    assert_eq!(peers[1].upload.get(), Some(Rate::new(700)));
    // A promise above the cap is the cap.
    assert_eq!(peers[1].floor.0, Rate::new(700));
    assert!(!params.node.exchange);
}

/// Floors of 600 and 900 kB/s do not fit under 980 kB/s: they are kept in proportion.
#[test]
fn floors_that_do_not_fit_together_are_kept_in_proportion() {
    let mut setup = star();
    setup.peers[1].floor = Some(Rate::new(600_000));
    setup.peers[2].floor = Some(Rate::new(900_000));
    let peers = params(&setup, 0, Links::Shaped).peers;
    assert_eq!(peers[0].floor.0, Rate::new(392_000));
    assert_eq!(peers[1].floor.0, Rate::new(588_000));
}

/// A node has no switch for misbehaving: its file is that of any other, but for a choker that
/// anybody may choose.
#[test]
fn the_file_of_an_adversary_is_that_of_an_honest_node() {
    let honest = params(&star(), 0, Links::Shaped);
    for (bundle, choker) in [("garbage", "none"), ("bittyrant", "bittyrant")] {
        let mut setup = star();
        setup.policies[0].unchoke = ChokerName::of("none");
        setup.peers[0].behaviour = Bundle::find(bundle).unwrap().behaviour();
        let params = params(&setup, 0, Links::Shaped);
        assert_eq!(params.policy.unchoke.row().name, choker);
        assert_eq!(params.limits.upload.rate(), honest.limits.upload.rate());
    }
}

#[test]
fn adversaries_that_no_program_plays_are_refused_by_their_name() {
    let refused = |has_masks| {
        let refused = BUNDLES.iter().filter(|bundle| {
            let mut setup = star();
            setup.peers[1].behaviour = bundle.behaviour();
            let said = check(&setup, has_masks).err().map(|why| why.to_string());
            said.is_some_and(|said| {
                let got = format!("got {}; allowed", bundle.name);
                assert!(
                    said.starts_with("peer.a b.behaviour: ") && said.contains(&got),
                    "{said}"
                );
                true
            })
        });
        let names = refused.map(|bundle| bundle.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(refused(true), [""; 0]);
    let played = ["slow-reader", "bittyrant"];
    let bare = refused(false);
    assert!(played.iter().all(|name| !bare.contains(name)), "{bare:?}");
    assert_eq!(bare.len() + played.len(), BUNDLES.len());
}

/// Others list a sybil under each of its keys, and wait for it to call.
#[test]
fn a_node_with_several_identities_is_listed_under_each() {
    let mut setup = star();
    setup.peers[1].behaviour = Bundle::find("sybil").unwrap().behaviour();
    let listed = params(&setup, 0, Links::Shaped).peers;
    let names: Vec<&str> = listed.iter().map(|peer| &*peer.name).collect();
    assert_eq!(names, ["peer:1", "peer:1:1", "peer:1:2", "peer:1:3", "c"]);
    let keys: BTreeSet<String> = listed.iter().map(|peer| peer.key.to_string()).collect();
    assert_eq!(keys.len(), 5);
    let called = listed.iter().filter(|peer| peer.address.is_some());
    assert_eq!(called.count(), 1);
}

#[test]
fn the_group_of_a_transfer_is_that_of_its_peer_or_is_refused() {
    let mut setup = star();
    setup.groups = vec![GroupSetup::default()];
    setup.groups[0].name = "gold".into();
    setup.transfers[0].group = Some(0);
    check(&setup, true).unwrap();
    let peers = params(&setup, 0, Links::Shaped).peers;
    assert_eq!(peers[0].group.as_deref(), Some("g0"));
    assert_eq!(peers[1].group, None);
    setup.transfers.push(transfer("z", 1, 1));
    assert_eq!(
        check(&setup, true).unwrap_err().to_string(),
        "transfer.x.group: differs from the group of its peer, and a node has groups of peers \
         only; got gold; allowed the same group for all that one peer sends to another"
    );
}

#[test]
fn what_there_is_not_between_real_nodes_is_refused_by_its_key() {
    let mut shared = star();
    shared.links = vec![SharedLinkSetup {
        name: "sea".into(),
        capacity: Rate::new(5),
        both: false,
        from: Vec::new(),
        to: Vec::new(),
    }];
    assert_eq!(check(&shared, true).unwrap_err().key, "link.sea");
    let mut mute = star();
    mute.peers[1].up = Some(Rate::new(0));
    assert_eq!(check(&mute, true).unwrap_err().key, "peer.a b.up");
    check(&star(), true).unwrap();
}
