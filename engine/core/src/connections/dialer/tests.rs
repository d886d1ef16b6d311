use super::*;

const KEY: Key = [7; 32];

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn dialer() -> Dialer {
    Dialer::new(&Rng::from_seed([1; 32]))
}

fn key(number: u32) -> Key {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

/// Every dial until `end`, each of which fails at once.
fn dials(dialer: &mut Dialer, end: Time) -> Vec<(Time, Dial)> {
    let mut made = Vec::new();
    while let Some(now) = dialer.ready_at().filter(|now| *now <= end) {
        if let Some(dial) = dialer.next(now) {
            dialer.failed(&dial.key, now);
            made.push((now, dial));
        }
    }
    made
}

#[test]
fn a_configured_peer_is_dialled_for_ever_and_ever_more_rarely() {
    let mut dialer = dialer();
    dialer.configure(KEY, "a.example:1", at(0));
    let made = dials(&mut dialer, at(3_600));
    let waits: Vec<f64> = made
        .windows(2)
        .map(|two| (two[1].0 - two[0].0).as_secs_f64())
        .collect();
    let mut longest: f64 = 1.0;
    for wait in &waits {
        assert!((longest / 2.0..=longest).contains(wait), "{waits:?}");
        longest = (longest * 2.0).min(60.0);
    }
    assert!((60..130).contains(&waits.len()), "{}", waits.len());
    assert!(
        waits[7..].iter().any(|wait| (wait - waits[8]).abs() > 1.0),
        "jitter"
    );
    assert!(made.iter().all(|(_, dial)| !dial.told));
}

/// One whose peer did not answer for ten minutes.
fn dialer_that_failed() -> Dialer {
    let mut dialer = dialer();
    dialer.configure(KEY, "a.example:1", at(0));
    dials(&mut dialer, at(600));
    dialer
}

#[test]
fn a_session_starts_the_waits_anew() {
    let mut dialer = dialer_that_failed();
    dialer.connected(&KEY, at(700));
    assert_eq!(dialer.ready_at(), None);
    assert_eq!(dialer.next(at(1_000)), None, "it is connected");
    dialer.disconnected(&KEY, at(1_000));
    let next = dialer.ready_at().unwrap();
    assert!(next > at(1_000) && next <= at(1_001), "{next}");
    // Ten seconds are a session, and no failure.
    let mut brief = dialer_that_failed();
    brief.connected(&KEY, at(700));
    brief.disconnected(&KEY, at(710));
    assert!(brief.ready_at() <= Some(at(711)));
    // One that comes in while ours is on its way is as good.
    assert!(dialer.next(next).is_some());
    dialer.connected(&KEY, next);
    assert!(!dialer.failed(&KEY, next), "the session stays");
    assert_eq!(dialer.ready_at(), None);
}

/// A peer that dialled us is told of: there is no second connection to it.
#[test]
fn who_is_connected_is_not_dialled_on_somebodys_word() {
    let mut dialer = dialer();
    dialer.connected(&KEY, at(0));
    assert!(dialer.told(KEY, "45.0.0.1:2000".parse().unwrap(), at(1)));
    assert_eq!((dialer.ready_at(), dialer.next(at(9))), (None, None));
    dialer.disconnected(&KEY, at(20));
    let next = dialer.ready_at().unwrap();
    assert!(dialer.next(next).is_some());
}

/// Register: C5.
#[test]
fn whoever_lets_us_in_and_throws_us_out_is_dialled_ever_more_rarely() {
    let mut dialer = dialer();
    dialer.configure(KEY, "a.example:1", at(0));
    let mut made = 0;
    while let Some(now) = dialer.ready_at().filter(|now| *now <= at(3_600)) {
        assert!(dialer.next(now).is_some());
        dialer.connected(&KEY, now);
        dialer.disconnected(&KEY, now);
        made += 1;
    }
    assert!((60..130).contains(&made), "{made}");
}

/// A hundred identities, all told to be at different ports of one host.
///
/// Register: X3.
#[test]
fn a_host_that_many_told_of_is_dialled_once_a_minute_whatever_its_names() {
    let mut dialer = dialer();
    for number in 0..100 {
        let address = format!("45.0.0.1:{}", 2_000 + number).parse().unwrap();
        assert!(dialer.told(key(number), address, at(0)));
    }
    assert_eq!(dialer.count(), 100);
    let made = dials(&mut dialer, at(600));
    assert!(made.len() <= 11, "{}", made.len());
    for two in made.windows(2) {
        assert!(two[1].0 - two[0].0 >= HOST_EVERY);
    }
    assert!(made.iter().all(|(_, dial)| dial.told));
}

/// Two identities are told to be at one host, and one of them at another host too: that is dialled
/// there while the first is not to be.
///
/// Register: X3.
#[test]
fn while_a_host_has_to_wait_another_place_of_the_identity_is_dialled() {
    let mut dialer = dialer();
    let place = |text: &str| text.parse().unwrap();
    dialer.told(key(1), place("45.0.0.1:2000"), at(0));
    assert!(dialer.next(at(0)).is_some());
    dialer.told(KEY, place("45.0.0.1:2001"), at(1));
    dialer.told(KEY, place("45.0.0.2:2001"), at(2));
    let dial = dialer.next(at(2)).unwrap();
    assert_eq!(&*dial.address, "45.0.0.2:2001");
    assert_eq!(dialer.next(at(2)), None, "it is being dialled");
    // Neither host may be dialled again within a minute, and no address is lost for that.
    dialer.failed(&KEY, at(2));
    assert_eq!(dialer.next(at(30)), None);
    let dial = dialer.next(at(60)).unwrap();
    assert_eq!(&*dial.address, "45.0.0.1:2001");
}

/// Two failures, a session, and two failures again: what worked meanwhile is not forgotten.
///
/// Register: X1.
#[test]
fn a_session_clears_the_failures_of_where_it_was_dialled() {
    let mut dialer = dialer();
    dialer.told(KEY, "45.0.0.1:2000".parse().unwrap(), at(0));
    let mut now = at(0);
    let mut dial = |dialer: &mut Dialer| {
        now = now + Span::from_secs(120);
        assert!(dialer.next(now).is_some());
        now
    };
    for _ in 0..3 {
        for _ in 0..2 {
            let now = dial(&mut dialer);
            assert!(!dialer.failed(&KEY, now));
        }
        let now = dial(&mut dialer);
        dialer.connected(&KEY, now);
        dialer.disconnected(&KEY, now + Span::from_secs(10));
    }
    assert_eq!(dialer.count(), 1);
}

/// Register: X3, X1.
#[test]
fn what_others_told_is_forgotten_after_three_failures() {
    let mut dialer = dialer();
    dialer.told(KEY, "45.0.0.1:2000".parse().unwrap(), at(0));
    let made = dials(&mut dialer, at(100_000));
    assert_eq!(made.len(), 3);
    assert!(made[1].0 - made[0].0 >= HOST_EVERY);
    assert_eq!(dialer.count(), 0);
}

/// A thousand configured identities at once.
///
/// Register: X3.
#[test]
fn there_are_ten_dials_a_second_in_all() {
    let mut dialer = dialer();
    for number in 0..1_000 {
        dialer.configure(key(number), "a.example:1", at(0));
    }
    let made = dials(&mut dialer, at(60));
    let within = |from: usize, span: Span| {
        let end = made[from].0 + span;
        made[from..].iter().take_while(|(at, _)| *at < end).count()
    };
    assert!(made.len() >= 600, "{}", made.len());
    assert!((0..made.len()).all(|from| within(from, Span::SECOND) <= 20));
    assert!(made.len() <= 10 + 600);
}

#[test]
fn an_identity_with_several_addresses_is_tried_at_each_in_turn() {
    let mut dialer = dialer();
    dialer.configure(KEY, "a.example:1", at(0));
    for number in 1..=9 {
        let address = format!("45.0.{number}.1:2000").parse().unwrap();
        assert_eq!(dialer.told(KEY, address, at(0)), number < 4);
    }
    let made = dials(&mut dialer, at(20));
    let addresses: Vec<&str> = made.iter().map(|(_, dial)| &*dial.address).collect();
    let expected = [
        "a.example:1",
        "45.0.1.1:2000",
        "45.0.2.1:2000",
        "45.0.3.1:2000",
    ];
    assert_eq!(addresses[..4], expected);
    dialer.remove(&KEY);
    assert_eq!((dialer.count(), dialer.ready_at()), (0, None));
    assert!(!dialer.failed(&KEY, at(20)));
}

#[test]
fn a_second_address_is_no_second_dial() {
    let mut dialer = dialer();
    dialer.configure(KEY, "a.example:1", at(0));
    dialer.configure(KEY, "b.example:1", at(1));
    assert!(dialer.next(at(1)).is_some());
    assert_eq!((dialer.next(at(1)), dialer.ready_at()), (None, None));
}

#[test]
fn equal_seeds_dial_at_equal_times() {
    let run = || {
        let mut dialer = dialer();
        dialer.configure(KEY, "a.example:1", at(0));
        dials(&mut dialer, at(600))
    };
    assert_eq!(run(), run());
}
