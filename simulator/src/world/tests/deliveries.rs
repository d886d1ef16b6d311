//! Deliveries: libraries under disks that fill, quotas, liars and kills.

use fairhaul_core::library::WaitOutcome;
use fairhaul_core::message::OfferVerdict;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::{go, peer, setup};
use crate::record::Record;
use crate::setup::{DeliveryKind, DeliverySetup, DiskSetup, FaultKind, FaultSetup, Setup};

/// 2 MB at 1 MB/s in chunks of 256 KiB, from all peers but the last to the last.
fn delivery(peers: u32, kind: DeliveryKind) -> Setup {
    let rows = (0..peers).map(|row| peer(&format!("peer.{row}"), 1_000_000));
    let mut setup = setup(rows.collect());
    setup.library.deliveries = vec![DeliverySetup {
        name: "content".into(),
        sources: (0..peers - 1).collect(),
        liars: Vec::new(),
        destination: peers - 1,
        bytes: ByteCount::new(2_000_000),
        chunk: ByteCount::kib(256),
        said_bytes: None,
        manifest_bytes: ByteCount::new(1_000),
        at: seconds(1),
        kind,
    }];
    setup.horizon = seconds(600);
    setup
}

fn seconds(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn disk(peer: u32, at: u64, free: u64) -> DiskSetup {
    DiskSetup {
        peer,
        at: seconds(at),
        free: ByteCount::new(free),
    }
}

fn push(quota: Option<u64>) -> DeliveryKind {
    DeliveryKind::Push {
        quota: quota.map(ByteCount::new),
    }
}

/// Whether it is over, and not because the run ended.
fn is_over(record: &Record) -> bool {
    !record.stopped_at_horizon && record.deliveries[0].end.is_some()
}

/// 2 MB at 1 MB/s take 2 s, and whoever asked is told when it has its names.
#[test]
fn a_content_that_is_asked_for_is_whole_when_who_asked_is_told() {
    let record = go(&delivery(2, DeliveryKind::Get));
    assert!(is_over(&record));
    let row = &record.deliveries[0];
    assert_eq!(row.outcome, Some(WaitOutcome::Done));
    let took = row.completed.unwrap().since(seconds(1)).as_secs_f64();
    assert!((2.0..2.5).contains(&took), "{took}");
    assert_eq!((row.pauses, row.blamed.len()), (0, 0));
}

/// Two sources with 1 MB/s each: half the time.
#[test]
fn a_content_of_two_sources_comes_from_both() {
    let record = go(&delivery(3, DeliveryKind::Get));
    let took = record.deliveries[0].completed.unwrap().since(seconds(1));
    assert!(took.as_secs_f64() < 1.8, "{took}");
    assert_eq!(record.pairs.len(), 2);
}

/// The disk of the receiver has room when it is asked, takes 600 kB in all then, and is freed at 60
/// s. The transfer waits, is tried again every ten seconds, and ends well.
///
/// Register: P5.
#[test]
fn a_receivers_disk_fills_and_is_freed() {
    for kind in [DeliveryKind::Get, push(None)] {
        let mut setup = delivery(2, kind);
        setup.library.disks = vec![
            disk(1, 0, 3_000_000),
            disk(1, 2, 600_000),
            disk(1, 60, 3_000_000),
        ];
        let record = go(&setup);
        assert!(is_over(&record), "{kind:?}");
        let row = &record.deliveries[0];
        let completed = row.completed.unwrap();
        assert!(row.pauses > 0 && completed > seconds(60), "{completed}");
        assert!(completed < seconds(60 + 10 + 4), "{completed}");
    }
}

/// The disk has no room from the start: a person is told at once, and a pusher is told to come
/// again, which it does until there is room.
#[test]
fn a_disk_without_room_from_the_start_fails_a_get_and_delays_a_push() {
    let mut get = delivery(2, DeliveryKind::Get);
    get.library.disks = vec![disk(1, 0, 600_000)];
    let record = go(&get);
    assert!(matches!(
        record.deliveries[0].outcome,
        Some(WaitOutcome::Disk(_))
    ));
    let mut pushed = delivery(2, push(None));
    pushed.library.disks = vec![disk(1, 0, 600_000), disk(1, 30, 3_000_000)];
    let record = go(&pushed);
    let row = &record.deliveries[0];
    assert_eq!(row.verdict, Some(OfferVerdict::Done));
    assert!(row.completed.unwrap() > seconds(30));
}

/// A quota is kept whatever an offer says: what is too long is refused, and what says that it is
/// short is ended by its manifest, before a byte of it came.
#[test]
fn a_push_over_quota_is_refused_whatever_its_offer_says() {
    let bytes_of = |record: &Record| -> u64 {
        let pairs = record.pairs.iter();
        pairs.map(|pair| pair.bytes.get()).sum()
    };
    for (quota, said, verdict) in [
        (2_010_000, None, OfferVerdict::Done),
        (1_999_000, None, OfferVerdict::Quota),
        (1_999_000, Some(1_000), OfferVerdict::Quota),
    ] {
        let mut setup = delivery(2, push(Some(quota)));
        setup.library.deliveries[0].said_bytes = said.map(ByteCount::new);
        let record = go(&setup);
        assert!(is_over(&record));
        assert_eq!(
            record.deliveries[0].verdict,
            Some(verdict),
            "{quota} {said:?}"
        );
        assert_eq!(bytes_of(&record) > 0, verdict == OfferVerdict::Done);
    }
}

/// Two sources, of which one sends another manifest: it is blamed, the other is not, and the
/// content comes from the other.
///
/// Register: D11, M16.
#[test]
fn a_manifest_from_a_liar_costs_nobody_else_anything() {
    for liar in [0, 1] {
        let mut setup = delivery(3, DeliveryKind::Get);
        setup.library.deliveries[0].liars = vec![liar];
        let record = go(&setup);
        assert!(is_over(&record), "liar {liar}");
        let row = &record.deliveries[0];
        assert_eq!(row.outcome, Some(WaitOutcome::Done));
        assert!(
            row.blamed.iter().all(|blamed| *blamed == liar),
            "{:?}",
            row.blamed
        );
    }
}

/// The receiver is killed at every millisecond of the end of a transfer and comes back: whatever
/// step of the finish it was in, the content is whole in the end, and nobody is told so before.
///
/// Register: P1, P12.
#[test]
fn a_kill_between_any_two_steps_of_a_finish_loses_nothing() {
    for kind in [DeliveryKind::Get, push(None)] {
        let whole = go(&delivery(2, kind)).deliveries[0].completed.unwrap();
        for before in 0..12 {
            let at =
                Time::from_nanos(whole.as_nanos() - Span::from_micros(before * 500).as_nanos());
            let mut setup = delivery(2, kind);
            setup.faults = vec![
                FaultSetup {
                    at,
                    kind: FaultKind::Crash { peer: 1 },
                },
                FaultSetup {
                    at: at + Span::from_secs(5),
                    kind: FaultKind::Restart { peer: 1 },
                },
            ];
            let record = go(&setup);
            let row = &record.deliveries[0];
            assert!(
                is_over(&record),
                "{before} half milliseconds before, {kind:?}: {row:?}"
            );
            assert!(row.completed.is_some());
            if let DeliveryKind::Push { .. } = kind {
                assert_eq!(row.verdict, Some(OfferVerdict::Done));
            }
        }
    }
}

/// Every source is gone in mid transfer: whoever asked is told after a minute, and the content
/// goes on when one comes back.
#[test]
fn a_content_that_nobody_has_any_more_goes_on_when_somebody_has() {
    let mut setup = delivery(2, DeliveryKind::Get);
    let crash = |at, kind| FaultSetup {
        at: seconds(at),
        kind,
    };
    setup.faults = vec![
        crash(2, FaultKind::Crash { peer: 0 }),
        crash(120, FaultKind::Restart { peer: 0 }),
    ];
    // Another delivery keeps the run going after the first is over.
    let mut second = setup.library.deliveries[0].clone();
    (second.name, second.at) = ("second".into(), seconds(130));
    setup.library.deliveries.push(second);
    let record = go(&setup);
    let row = &record.deliveries[0];
    assert_eq!(row.outcome, Some(WaitOutcome::Unreachable));
    assert!(row.end.unwrap() < seconds(120));
    let completed = row.completed.expect("it goes on");
    assert!(
        (seconds(120)..seconds(125)).contains(&completed),
        "{completed}"
    );
}

/// The same setup gives the same run, to the last event.
#[test]
fn the_same_deliveries_give_the_same_run() {
    let mut setup = delivery(3, DeliveryKind::Get);
    setup.library.disks = vec![
        disk(2, 0, 3_000_000),
        disk(2, 2, 600_000),
        disk(2, 30, 3_000_000),
    ];
    let [one, other] = [go(&setup), go(&setup)];
    assert_eq!(one.digest, other.digest);
    assert_eq!(one.events, other.events);
}
