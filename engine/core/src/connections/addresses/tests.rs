use super::*;

const OWN: Key = [0xff; 32];

fn key(number: u32) -> Key {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

/// A table that knows the keys 0 to 9,999.
fn table(allowed: &[&str]) -> Addresses {
    let allowed = allowed.iter().map(|range| range.parse().unwrap());
    let mut table = Addresses::new(OWN, allowed.collect());
    table.set_keys((0..10_000).map(key));
    table.set_own(["45.9.9.9".parse().unwrap()]);
    table
}

fn known(number: u32, address: &str) -> Known {
    Known {
        key: key(number),
        address: address.into(),
    }
}

/// Whether one address is learned of a sender that never told before.
fn is_learned(table: &mut Addresses, address: &str) -> bool {
    let sender = key(9_000 + u32::try_from(table.senders.len()).unwrap());
    let list = [known(1, address)];
    let learned = table.learn(sender, &list, at(0)).unwrap();
    assert_eq!(learned.added.len() + learned.refused, 1);
    !learned.added.is_empty()
}

/// `count` addresses, each in a network of its own, from `first` on.
fn many(first: u32, count: u32) -> Vec<Known> {
    let address = |number: u32| format!("{}.{}.0.1:2000", 20 + number / 200, number % 200);
    (first..first + count)
        .map(|number| known(number, &address(number)))
        .collect()
}

/// Register: X2.
#[test]
fn what_nobody_outside_may_point_us_at_is_refused() {
    let refused = [
        "127.0.0.1:2000",
        "127.9.9.9:2000",
        "0.0.0.0:2000",
        "0.1.2.3:2000",
        "10.1.2.3:2000",
        "172.16.0.1:2000",
        "172.31.255.255:2000",
        "192.168.1.1:2000",
        "169.254.1.1:2000",
        "169.254.169.254:8080",
        "100.64.0.1:2000",
        "192.0.2.1:2000",
        "192.0.0.8:2000",
        "192.88.99.1:2000",
        "198.18.0.1:2000",
        "224.0.0.1:2000",
        "240.0.0.1:2000",
        "255.255.255.255:2000",
        "[::]:2000",
        "[::1]:2000",
        "[fe80::1]:2000",
        "[fc00::1]:2000",
        "[fd00:ec2::254]:2000",
        "[ff02::1]:2000",
        "[2001:db8::1]:2000",
        "[2001:0:1::1]:2000",
        "[2002:7f00:1::1]:2000",
        "[3fff:fff::1]:2000",
        "[64:ff9b::7f00:1]:2000",
        "[::ffff:127.0.0.1]:2000",
        "[::ffff:a9fe:a9fe]:2000",
        "45.9.9.9:2000",
        "45.0.0.1:0",
        "45.0.0.1:22",
        "45.0.0.1:1023",
        "localhost:2000",
        "example.org:2000",
        "45.0.0.1",
        "",
    ];
    let mut table = table(&[]);
    for address in refused {
        assert!(!is_learned(&mut table, address), "{address}");
    }
    // The neighbours of what is special are not.
    for address in [
        "45.0.0.1:1024",
        "45.88.99.1:2000",
        "172.32.0.1:2000",
        "192.1.99.1:2000",
        "192.88.98.1:2000",
        "198.20.0.1:2000",
        "[2001:200::1]:2000",
        "[2a00::1]:2000",
        "[3fff:1000::1]:2000",
    ] {
        assert!(is_learned(&mut table, address), "{address}");
    }
}

/// What is no place of anybody is in no range, however wide.
///
/// Register: X2.
#[test]
fn a_range_of_everything_has_no_place_that_nobody_is_at() {
    let mut table = table(&["0.0.0.0/0", "::/0"]);
    for address in [
        "0.0.0.0:2000",
        "[::]:2000",
        "224.0.0.1:2000",
        "[ff02::1]:2000",
        "10.0.0.1:0",
    ] {
        assert!(!is_learned(&mut table, address), "{address}");
    }
    assert!(is_learned(&mut table, "10.0.0.1:1"));
}

/// Register: X2.
#[test]
fn a_configured_range_is_believed_and_its_low_ports_too() {
    let mut table = table(&["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"]);
    for address in [
        "10.1.2.3:22",
        "[fd00::1]:2000",
        "[fdff:1::1]:2000",
        "127.0.0.1:2000",
    ] {
        assert!(is_learned(&mut table, address), "{address}");
    }
    for address in [
        "11.0.0.1:22",
        "127.0.0.2:2000",
        "10.1.2.3:0",
        "[fe80::1]:2000",
    ] {
        assert!(!is_learned(&mut table, address), "{address}");
    }
}

/// Register: X1. Limit: L10.
#[test]
fn a_peer_tells_fifty_addresses_a_minute_at_most() {
    let mut table = table(&[]);
    let learned = table.learn(key(9_000), &many(0, 60), at(0)).unwrap();
    assert_eq!(learned.added.len(), 50);
    assert_eq!(table.learn(key(9_000), &many(60, 1), at(59)), Err(TooSoon));
    assert!(table.learn(key(9_001), &many(60, 1), at(59)).is_ok());
    assert!(table.learn(key(9_000), &many(61, 1), at(60)).is_ok());
    assert_eq!(table.told(), 52);
}

/// Register: X1. Limit: L10.
#[test]
fn no_teller_owns_more_than_a_quarter_of_the_table() {
    let mut table = table(&[]);
    for minute in 0..20 {
        let list = many(minute * 50, 50);
        table
            .learn(key(9_000), &list, at(60 * u64::from(minute)))
            .unwrap();
    }
    assert_eq!(table.told(), 250);
}

/// Four senders fill the table; a fifth takes from whoever has most, never more than is fair.
///
/// Register: X1, X6.
#[test]
fn a_full_table_makes_room_for_whoever_told_least() {
    let mut table = table(&[]);
    let mut first = 0;
    for sender in 9_000..9_004 {
        for minute in 0..5 {
            table
                .learn(key(sender), &many(first, 50), at(60 * minute))
                .unwrap();
            first += 50;
        }
    }
    assert_eq!(table.told(), 1_000);
    for minute in 0..20 {
        table
            .learn(key(9_004), &many(first, 50), at(60 * minute))
            .unwrap();
        first += 50;
    }
    assert_eq!(table.told(), 1_000);
    // A sender that already has the largest share gets no more, not even for its own old entries.
    let more = table.learn(key(9_004), &many(first, 1), at(60 * 20));
    assert_eq!(more.unwrap().refused, 1);
    for sender in 9_000..=9_004 {
        let count = table.count(|entry, _| entry.sender == Some(key(sender)));
        assert!((199..=201).contains(&count), "{count}");
    }
}

/// Two hundred addresses of one network from four senders; what worked for us stays whatever
/// comes.
///
/// Register: X6.
#[test]
fn no_network_owns_more_than_a_tenth_and_configured_peers_stay() {
    let mut table = table(&[]);
    let own: SocketAddr = "45.7.0.1:2000".parse().unwrap();
    table.worked(key(1), own, at(0));
    for sender in 0..4 {
        let list: Vec<Known> = (0..50)
            .map(|number| known(number, &format!("45.8.{sender}.{number}:2000")))
            .collect();
        table.learn(key(9_000 + sender), &list, at(0)).unwrap();
    }
    assert_eq!(table.told(), 100);
    let mut first = 100;
    for sender in 9_010..9_030 {
        for minute in 0..5 {
            table
                .learn(key(sender), &many(first, 50), at(60 * minute))
                .unwrap();
            first += 50;
        }
    }
    assert_eq!(table.told(), 1_000);
    assert!(table.entries.contains_key(&(key(1), own)));
    table.failed(key(1), own, true, at(999));
    assert!(table.entries.contains_key(&(key(1), own)));
}

/// Register: X4.
#[test]
fn failures_count_against_the_teller_until_it_is_not_believed() {
    let mut table = table(&[]);
    let liar = key(9_000);
    let learned = table.learn(liar, &many(0, 20), at(0)).unwrap();
    for &(key, address) in &learned.added {
        table.failed(key, address, true, at(1));
    }
    assert_eq!(table.told(), 0);
    let learned = table.learn(liar, &many(50, 10), at(60)).unwrap();
    assert_eq!((learned.added.len(), learned.refused), (0, 10));
    // Of another sender most worked, and some are gone by now.
    let honest = key(9_001);
    let learned = table.learn(honest, &many(0, 50), at(60)).unwrap();
    for (number, &(key, address)) in learned.added.iter().enumerate() {
        if number < 27 {
            table.worked(key, address, at(61));
        } else {
            table.failed(key, address, true, at(61));
        }
    }
    let learned = table.learn(honest, &many(60, 10), at(120)).unwrap();
    assert_eq!(learned.added.len(), 10);
    // And of a third as many failed as worked, which is too many of twenty.
    let half = key(9_002);
    let learned = table.learn(half, &many(100, 40), at(120)).unwrap();
    for (number, &(key, address)) in learned.added.iter().enumerate() {
        if number < 20 {
            table.worked(key, address, at(121));
        } else {
            table.failed(key, address, true, at(121));
        }
    }
    let learned = table.learn(half, &many(200, 1), at(180)).unwrap();
    assert_eq!(learned.refused, 1);
}

/// Register: X1, H2.
#[test]
fn only_identities_on_the_allowlist_are_kept_and_never_our_own() {
    let mut table = table(&[]);
    let mut list = many(0, 1);
    list.push(Known {
        key: OWN,
        address: "45.0.0.1:2000".into(),
    });
    list.push(known(20_000, "45.0.0.2:2000"));
    let learned = table.learn(key(9_000), &list, at(0)).unwrap();
    assert_eq!((learned.added.len(), learned.refused), (1, 2));
    table.set_keys([key(5)]);
    assert_eq!(table.told(), 0);
    table.worked(key(6), "45.0.0.1:2000".parse().unwrap(), at(0));
    assert_eq!(table.entries.len(), 0);
}

/// Register: X1.
#[test]
fn what_worked_is_passed_on_in_order_and_once_a_minute() {
    let mut table = table(&[]);
    table.learn(key(9_000), &many(100, 10), at(0)).unwrap();
    for number in 0..60 {
        let address = format!("45.{number}.0.1:2000").parse().unwrap();
        table.worked(key(60 - number), address, at(u64::from(number)));
    }
    let asker = key(30);
    let told = table.share(asker, at(100)).unwrap();
    assert_eq!(told.len(), 50);
    assert!(told.is_sorted_by(|a, b| a < b));
    assert!(
        told.iter()
            .all(|known| known.key != asker && known.key <= key(60))
    );
    assert!(told.iter().any(|known| known.key == key(1)), "the latest");
    assert!(
        told.iter()
            .all(|known| crate::wire::is_address(&known.address))
    );
    assert_eq!(table.share(asker, at(159)), None);
    assert!(table.share(asker, at(160)).is_some());
}

/// One address in two spellings is one address: the second is no news, moves nothing that works or
/// is configured, and its failures are charged like those of the first.
///
/// Register: X1, X5, W11.
#[test]
fn a_second_spelling_adds_nothing() {
    let mut table = table(&[]);
    let list = [
        known(1, "45.0.0.1:2000"),
        known(1, "[::ffff:45.0.0.1]:2000"),
        known(2, "[2a00::1%3]:2000"),
    ];
    let learned = table.learn(key(9_000), &list, at(0)).unwrap();
    assert_eq!((learned.added.len(), learned.refused), (1, 1));
    assert_eq!(table.told(), 1);
    let own: SocketAddr = "45.7.0.1:2000".parse().unwrap();
    table.worked(key(1), own, at(0));
    let (liar, second) = (key(9_001), [known(1, "[::ffff:45.7.0.1]:2000")]);
    assert_eq!(table.learn(liar, &second, at(0)), Ok(Learned::default()));
    assert_eq!(table.told(), 1, "what is configured stays so");
    assert_eq!(table.share(key(9_002), at(1)).unwrap().len(), 1);
    let mut dialled = 0;
    for minute in 1..100 {
        let gone = [known(1, "[::ffff:45.6.0.1]:2000")];
        let learned = table.learn(liar, &gone, at(60 * minute)).unwrap();
        for (key, address) in learned.added {
            dialled += 1;
            table.failed(key, address, true, at(60 * minute));
        }
    }
    assert_eq!(dialled, 20, "until its sender is not believed");
}

/// There are no records to replay: what a peer says counts as long as it works, whoever said it
/// first. An old address that is told again and again moves nothing that works, is never passed
/// on, counts against its sender each time, and in the end is not dialled at all.
///
/// Register: X5.
#[test]
fn an_old_address_that_is_told_again_displaces_nothing_and_costs_its_teller() {
    let mut table = table(&[]);
    let (honest, replays, asker) = (key(9_000), key(9_001), key(9_002));
    let new: SocketAddr = "45.7.0.1:2000".parse().unwrap();
    let list = [known(1, "45.7.0.1:2000")];
    assert_eq!(table.learn(honest, &list, at(0)).unwrap().added.len(), 1);
    table.worked(key(1), new, at(1));
    let passed_on = [known(1, "45.7.0.1:2000")];
    let mut dialled = 0;
    for minute in 1..100 {
        let old = [known(1, "45.6.0.1:2000")];
        let learned = table.learn(replays, &old, at(60 * minute)).unwrap();
        for &(key, address) in &learned.added {
            dialled += 1;
            table.failed(key, address, true, at(60 * minute));
        }
        let told = table.share(asker, at(60 * minute)).unwrap();
        assert_eq!(*told, passed_on);
    }
    assert_eq!(dialled, 20, "until its sender is not believed");
}
