//! What is counted, and what of it people see.

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::time::Span;
use tokio::sync::broadcast;

use super::*;
use crate::control::api::{EventKind, EventRecord, Reached};
use crate::control::metrics::Metrics;
use crate::node::tests::rig::Place;

const ANN: PeerId = PeerId(0);
const BOB: PeerId = PeerId(1);
/// The bytes of content 3, and its manifest.
const DATA: TransferId = TransferId(6);
const MANIFEST: TransferId = TransferId(7);

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

fn stats() -> (Stats, broadcast::Receiver<EventRecord>) {
    let (events, followers) = broadcast::channel(16);
    let notifier = Notifier::new(std::sync::Arc::new(Metrics::default()), events);
    (Stats::new(notifier, None, PathBuf::from("/")), followers)
}

fn block(peer: PeerId, transfer: TransferId, len: u64) -> Block {
    let geometry = fairhaul_core::library::geometry_of_manifest(1_000);
    let chunk: ChunkIndex = geometry.index(0).unwrap();
    Block {
        peer,
        transfer,
        chunk,
        offset: ByteCount::ZERO,
        len: ByteCount::new(len),
        last: true,
    }
}

/// Ann is sent 30 bytes of the content and 5 of its manifest, of which 20 leave with 4 beside; 8
/// come from her, which Bob's 2 make a chunk.
#[test]
fn what_moves_is_counted_by_peer_by_content_and_by_both() {
    let (mut stats, _) = stats();
    stats.uploading(&block(ANN, DATA, 30));
    stats.uploading(&block(ANN, MANIFEST, 5));
    stats.sent(ANN, ByteCount::new(20), 4);
    stats.received(ANN, Some(DATA), 8, at(5));
    stats.received(BOB, Some(DATA), 2, at(9));
    stats.received(BOB, None, 70, at(9));
    let parts = [(ANN, ByteCount::new(8)), (BOB, ByteCount::new(2))];
    stats.stored(DATA, &parts);
    stats.stored(MANIFEST, &parts);
    stats.wasted(ByteCount::new(70));
    let of = |peer| (stats.traffic(peer).up, stats.traffic(peer).down);
    assert_eq!((of(ANN), of(BOB)), ((20, 8), (0, 72)));
    assert_eq!((stats.total().up, stats.total().down), (20, 80));
    let counts = stats.counts(3);
    assert_eq!(
        (counts.sent, counts.came, counts.first_byte),
        (30, 10, Some(at(5)))
    );
    let flows: Vec<_> = stats.flows().collect();
    let rows = flows
        .iter()
        .map(|(peer, of, flow)| (*peer, *of, flow.up, flow.down, flow.stored));
    assert!(
        rows.eq([(ANN, 3, 35, 8, 8), (BOB, 3, 0, 2, 2)]),
        "{flows:?}"
    );
    assert_eq!(stats.wasted_bytes(), 70);
}

#[tokio::test]
async fn a_rate_is_what_moved_in_the_last_second() {
    let (mut stats, _) = stats();
    stats.uploading(&block(ANN, DATA, 30));
    stats.sent(ANN, ByteCount::new(30), 0);
    stats.received(ANN, Some(DATA), 8, at(5));
    stats.second(77, at(1_000));
    assert_eq!(
        (stats.traffic(ANN).rate, stats.rates(ANN, 3)),
        ((30, 8), (30, 8))
    );
    assert_eq!((stats.total().rate, stats.counts(3).up_rate), ((30, 8), 30));
    assert!(
        stats
            .notifier()
            .metrics()
            .text()
            .contains("fairhaul_held_bytes 77")
    );
    stats.second(0, at(2_000));
    assert_eq!(
        (stats.traffic(ANN).rate, stats.rates(ANN, 3)),
        ((0, 0), (0, 0))
    );
    assert_eq!((stats.traffic(ANN).up, stats.rates(BOB, 3)), (30, (0, 0)));
}

#[test]
fn a_content_that_is_fetched_again_or_gone_is_counted_anew() {
    let (mut stats, _) = stats();
    stats.received(ANN, Some(DATA), 8, at(5));
    stats.stored(DATA, &[(ANN, ByteCount::new(8))]);
    stats.restart(3);
    assert_eq!(
        (stats.counts(3).came, stats.counts(3).first_byte),
        (0, None)
    );
    stats.trouble(3, "it changed".to_owned());
    stats.forget(3);
    assert_eq!((stats.flows().count(), stats.trouble_of(3)), (0, None));
    assert_eq!(stats.traffic(ANN).down, 8, "what the peer sent was sent");
}

#[test]
fn trouble_is_shown_until_the_content_is_whole() {
    let (mut stats, mut followers) = stats();
    stats.trouble(3, "it changed".to_owned());
    assert_eq!(stats.trouble_of(3).as_deref(), Some("it changed"));
    stats.complete(3, "name".to_owned(), 9);
    assert_eq!(stats.trouble_of(3), None);
    let told = followers.try_recv().unwrap().what;
    assert!(
        matches!(
            told,
            EventKind::Complete {
                transfer: 3,
                bytes: 9,
                ..
            }
        ),
        "{told:?}"
    );
}

/// A stranger can make no series of its own.
#[test]
fn only_a_peer_that_the_file_lists_is_counted_for_monitoring() {
    let (mut stats, _) = stats();
    stats.list(ANN, "ann");
    for peer in [ANN, BOB] {
        stats.sent(peer, ByteCount::new(20), 4);
        stats.received(peer, Some(DATA), 8, at(5));
    }
    stats.rejected();
    stats.stored(MANIFEST, &[]);
    let text = stats.notifier().metrics().text();
    for line in [
        "fairhaul_sent_bytes_total{peer=\"ann\"} 24",
        "fairhaul_blocks_sent_total{peer=\"ann\"} 1",
        "fairhaul_received_bytes_total{peer=\"ann\"} 8",
        "fairhaul_chunks_stored_total 1",
        "fairhaul_chunks_rejected_total 1",
    ] {
        assert!(text.lines().any(|got| got == line), "no {line} in\n{text}");
    }
    assert_eq!(text.matches("{peer=").count(), 3, "{text}");
}

#[test]
fn who_follows_hears_of_everything_and_nobody_need_follow() {
    let (stats, mut followers) = stats();
    let notifier = stats.notifier().clone();
    notifier.connected("ann".to_owned(), Reached::Dialled);
    notifier.text("ann".to_owned(), "hello".to_owned());
    notifier.refused("1.2.3.4:5".to_owned(), "late", "it is late".to_owned());
    notifier.closed(Misbehaviour::WrongHash);
    notifier.started(3, "name".to_owned(), TransferDirection::Down);
    notifier.failed(3, "name".to_owned(), "full".to_owned());
    notifier.lost("ann".to_owned(), "gone".to_owned());
    let told: Vec<EventKind> =
        std::iter::from_fn(|| followers.try_recv().ok().map(|event| event.what)).collect();
    assert!(matches!(
        told.as_slice(),
        [
            EventKind::Connected { .. },
            EventKind::Text { .. },
            EventKind::Refused { .. },
            EventKind::Started { transfer: 3, .. },
            EventKind::Failed { transfer: 3, .. },
            EventKind::Lost { .. },
        ]
    ));
    drop(followers);
    notifier.connected("ann".to_owned(), Reached::Accepted);
    let text = notifier.metrics().text();
    for line in [
        "fairhaul_connections_total 2",
        "fairhaul_connected_peers 1",
        "fairhaul_transfers_ended_total{how=\"failed\"} 1",
    ] {
        assert!(text.lines().any(|got| got == line), "no {line} in\n{text}");
    }
}

// ---- tables

fn records() -> (Records, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let text = "[node]\nname = \"own\"\n";
    let params = crate::params::ParameterFile::parse("n.toml", text).unwrap();
    let file = folder.path().join("n.toml");
    let records = Records::create(&folder.path().join("t"), &params, &file).unwrap();
    (records, folder)
}

fn row(name: &str) -> crate::node::connections::peers::PeerRow {
    let mut peers = Peers::default();
    let peer = peers.meet(Place::new().key, name);
    let row = peers.at_mut(peer);
    row.joined = Some(at(1_000));
    row.present = 2_000_000_000;
    row.clone()
}

/// Of three flows one moved and one waits; the window is as long as it was since the last one.
#[test]
fn a_window_has_a_row_for_each_flow_that_moved_or_waits() {
    let (mut records, folder) = records();
    let (ann, bob, eve) = (row("ann"), row("bob"), row("eve"));
    let flows = [(&ann, 7, false), (&bob, 0, true), (&eve, 0, false)];
    records.windows(flows.into_iter(), at(1_000)).unwrap();
    records
        .windows([(&eve, 9, true)].into_iter(), at(3_000))
        .unwrap();
    let mut traffic = Traffic::default();
    traffic.up = 5;
    let here = [
        (&ann, Some(at(3_000)), traffic),
        (&bob, None, Traffic::default()),
    ];
    records.end(here.into_iter(), None, at(4_000)).unwrap();
    let read = |name: &str| {
        let path = folder.path().join("t").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let windows = read("windows.csv");
    assert_eq!(windows.len(), 3, "{windows:?}");
    let names = ["ann", "bob", "eve"].map(|name| format!(",{name},"));
    for (line, name) in windows.iter().zip(names) {
        assert!(line.contains(&name), "{line}");
    }
    // 9 B/s over two seconds.
    assert!(windows[2].contains(",18,"), "{}", windows[2]);
    assert_eq!(read("peers.csv").len(), 2);
}

#[test]
fn a_folder_with_something_in_it_takes_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), "").unwrap();
    let params = crate::params::ParameterFile::parse("n.toml", "[node]\nname = \"own\"\n").unwrap();
    let failure = Records::create(folder.path(), &params, folder.path()).unwrap_err();
    assert_eq!(failure.code, Failure::STORAGE);
}
