//! The commands that ask a running node, against a node that answers by rote.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use fairhaul::control::api::{
    BanStatus, Call, CommandProgress, ControlRequest, DiskStatus, EventKind, EventRecord, Failure,
    FlowStatus, Got, History, HoldReason, InForce, Lifted, LimitStatus, LimitTarget, NodeStatus,
    Nothing, PeerStatus, Phase, Pong, RateSeries, Reached, Reloaded, Sent, Shared, Status,
    TransferDirection, TransferState, TransferStatus,
};
use fairhaul::control::metrics::Metrics;
use fairhaul::control::serve::{Control, Endpoints, Handles, Places};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc};

/// A name that would clear the screen and forge a line.
const HOSTILE: &str = "a\u{1b}[2J\nfairhaul: done \u{202e}gpj";
/// The same as it is shown.
const ESCAPED: &str = "a\\u{1b}[2J\\u{a}fairhaul: done \\u{202e}gpj";

/// A node that answers by rote, and what it was asked.
struct Rote {
    folder: TempDir,
    asked: Arc<Mutex<Vec<ControlRequest>>>,
    events: broadcast::Sender<EventRecord>,
    /// Calls that it leaves open.
    open: Receiver<Call>,
    _runtime: Runtime,
}

impl Rote {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = Runtime::new().unwrap();
        let (calls, mut incoming) = mpsc::channel::<Call>(4);
        let (events, _) = broadcast::channel(8);
        let handles = Handles {
            calls,
            events: events.clone(),
            metrics: Arc::new(Metrics::default()),
        };
        let params = Endpoints {
            socket: folder.path().join("s"),
            http: None,
            token: folder.path().join("token"),
        };
        let control = runtime
            .block_on(Control::open(&params, handles, Places::default()))
            .unwrap();
        runtime.spawn(control.run(std::future::pending()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let (keep, open) = channel();
        runtime.spawn(async move {
            while let Some(call) = incoming.recv().await {
                seen.lock().unwrap().push(call.request.clone());
                if let Some(call) = answer(call) {
                    let _ = keep.send(call);
                }
            }
        });
        Self {
            folder,
            asked,
            events,
            open,
            _runtime: runtime,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fairhaul"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("FAIRHAUL_SOCKET", self.socket());
        command
    }

    /// Exit code, standard output and standard error.
    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        said(self.command(arguments).output().unwrap())
    }

    /// What it was asked last, as JSON.
    fn last(&self) -> serde_json::Value {
        let asked = self.asked.lock().unwrap();
        serde_json::to_value(asked.last().unwrap()).unwrap()
    }
}

fn said(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// What the node says to each command; a call that it leaves open comes back.
fn answer(call: Call) -> Option<Call> {
    match &call.request.clone() {
        ControlRequest::Share(_) => call.done(&Shared {
            transfer: 0,
            ticket: "ticket".to_owned(),
            content: "00".repeat(32),
            name: "f".to_owned(),
            bytes: 5,
            files: 1,
            left_out_entries: 0,
            left_out: Vec::new(),
        }),
        ControlRequest::Get(get) if get.ticket == "slow" => {
            call.progress(CommandProgress {
                phase: Phase::Moving,
                transfer: Some(3),
                ..CommandProgress::default()
            });
            return Some(call);
        }
        ControlRequest::Get(get) => match get.ticket.strip_prefix("code") {
            Some(code) => call.fail(Failure::new(code.parse().unwrap(), HOSTILE)),
            None => call.done(&got()),
        },
        ControlRequest::Send(send) => call.done(&Sent {
            content: "00".repeat(32),
            bytes: 5,
            peers: send.peers.clone(),
            seconds: 0.5,
        }),
        ControlRequest::Ping(_) => call.done(&Pong {
            rtt_us: vec![1_234, 56],
        }),
        ControlRequest::Peers(_) => call.done(&[peer()]),
        ControlRequest::Bans(_) => call.done(&[ban()]),
        ControlRequest::Lift(lift) => call.done(&Lifted {
            keys: vec![lift.whose.clone()],
        }),
        ControlRequest::Status(_) => call.done(&status()),
        ControlRequest::History(_) => call.done(&history()),
        ControlRequest::Reload(_) => call.done(&Reloaded {
            changed: vec!["limits.upload".to_owned()],
            at_next_start: vec!["node.listen".to_owned()],
        }),
        ControlRequest::InForce(asked) => call.done(&in_force(&asked.target)),
        ControlRequest::Limit(limit) => {
            let rate = |direction| limit.rate_bytes_s.filter(|_| limit.direction == direction);
            call.done(&InForce {
                limit_bytes_s: rate(TransferDirection::Up),
                download_bytes_s: rate(TransferDirection::Down),
                ..in_force(&limit.target)
            });
        }
        ControlRequest::Weight(weight) => call.done(&InForce {
            weight_hundredths: weight.weight_hundredths,
            ..in_force(&weight.target)
        }),
        ControlRequest::Floor(floor) => call.done(&InForce {
            floor_bytes_s: floor.rate_bytes_s,
            ..in_force(&floor.target)
        }),
        _ => call.done(&Nothing {}),
    }
    None
}

/// A minute and a half of 1 kB/s.
fn history() -> History {
    let node = RateSeries {
        up_bytes_s: vec![1_000; 90],
        down_bytes_s: vec![0; 90],
    };
    History {
        node,
        ..History::default()
    }
}

fn got() -> Got {
    Got {
        first_byte_seconds: None,
        path: "/d/f".into(),
        content: "00".repeat(32),
        bytes: 5,
        files: 1,
        resumed_bytes: 2,
        seconds: 0.5,
    }
}

fn in_force(target: &LimitTarget) -> InForce {
    InForce {
        target: target.clone(),
        limit_bytes_s: None,
        download_bytes_s: None,
        floor_bytes_s: 0,
        weight_hundredths: 100,
    }
}

fn peer() -> PeerStatus {
    PeerStatus {
        name: "vm-2".to_owned(),
        key: "ab".repeat(32),
        address: Some("10.0.0.2:7440".to_owned()),
        connected: false,
        since_unix_ms: None,
        how: Reached::Listed,
        rtt_us: Some(1_500),
        up_bytes_s: 1_000,
        down_bytes_s: 0,
        up_bytes: 7,
        down_bytes: 8,
        weight_hundredths: 250,
        limit_bytes_s: None,
        floor_bytes_s: 0,
        group: None,
        trouble: Some(HOSTILE.to_owned()),
        ban: None,
    }
}

fn ban() -> BanStatus {
    BanStatus {
        key: "ab".repeat(32),
        peer: Some("vm-2".to_owned()),
        reason: HOSTILE.to_owned(),
        since_unix_ms: 0,
        until_unix_ms: 86_400_000,
        left_s: 80_000,
    }
}

fn status() -> Status {
    Status {
        node: NodeStatus {
            name: "vm-1".to_owned(),
            key: "cd".repeat(32),
            version: "0.1.0".to_owned(),
            uptime_s: 7_300,
            listen: "0.0.0.0:7440".to_owned(),
            uplink: "drr/drr".to_owned(),
            share: "peer".to_owned(),
            connected: 1,
            up_bytes_s: 12_500_000,
            down_bytes_s: 0,
            up_bytes: 1,
            down_bytes: 2,
            disk: Some(DiskStatus {
                folder: "/data".into(),
                free_bytes: 1_500_000_000,
                total_bytes: 2_000_000_000,
            }),
        },
        transfers: vec![TransferStatus {
            id: 3,
            name: HOSTILE.to_owned(),
            content: "00".repeat(32),
            direction: TransferDirection::Up,
            state: TransferState::Serving,
            paused: false,
            bytes: 200,
            done_bytes: 100,
            sent_bytes: 50,
            rate_bytes_s: 12_500_000,
            eta_s: Some(90),
            weight_hundredths: 100,
            limit_bytes_s: None,
            floor_bytes_s: 0,
            trouble: None,
            peers: vec![FlowStatus {
                peer: "vm-2".to_owned(),
                up_bytes_s: 12_500_000,
                down_bytes_s: 0,
                queued_bytes: 9,
                asked_bytes: 0,
                has_bytes: 40,
                hold: HoldReason::PeerCap,
                waiting_for: None,
                held_by: "the limit of the peer".to_owned(),
            }],
        }],
        limits: LimitStatus {
            up_bytes_s: Some(12_500_000),
            down_bytes_s: None,
            scheduled: true,
        },
        groups: Vec::new(),
    }
}

type Case = (&'static str, serde_json::Value, &'static str);

/// Types the line of each case; it asks this and prints that.
fn typed(node: &Rote, cases: impl IntoIterator<Item = Case>) {
    for (line, request, data) in cases {
        let arguments: Vec<&str> = line.split(' ').collect();
        let (code, got, talk) = node.said(&arguments);
        assert_eq!((code, got.as_str(), talk.as_str()), (0, data, ""), "{line}");
        let mut last = node.last();
        if let Some(dir) = last.get_mut("dir").filter(|_| line == "get ticket") {
            // The folder of the process, with or without the end of its path.
            *dir = format!("{}/", dir.as_str().unwrap().trim_end_matches('/')).into();
        }
        assert_eq!(last, request, "{line}");
    }
}

#[test]
fn each_command_that_moves_contents_asks_what_was_typed_and_prints_what_is_data() {
    let node = Rote::new();
    let at = |name: &str| node.folder.path().join(name).display().to_string();
    let cases = [
        (
            "share f --ignore *.o",
            json!({ "command": "share", "path": at("f"), "ignore": ["*.o"] }),
            "ticket\n",
        ),
        (
            "get ticket",
            json!({ "command": "get", "ticket": "ticket", "dir": at(""), "overwrite": false,
                    "force": false }),
            "/d/f\n",
        ),
        (
            "get ticket d --overwrite --force",
            json!({ "command": "get", "ticket": "ticket", "dir": at("d"), "overwrite": true,
                    "force": true }),
            "/d/f\n",
        ),
        (
            "send f vm-2 vm-3",
            json!({ "command": "send", "path": at("f"), "peers": ["vm-2", "vm-3"],
                    "ignore": [] }),
            "vm-2\nvm-3\n",
        ),
        (
            "message vm-2 hello",
            json!({ "command": "message", "peer": "vm-2", "text": "hello" }),
            "",
        ),
        (
            "ping vm-2",
            json!({ "command": "ping", "peer": "vm-2" }),
            "1.234 ms\n0.056 ms\n",
        ),
        (
            "bans lift vm-2",
            json!({ "command": "lift", "whose": "vm-2" }),
            "vm-2\n",
        ),
    ];
    typed(&node, cases);
}

#[test]
fn each_command_that_changes_something_asks_what_was_typed() {
    let cases = [
        (
            "limit node 20Mbit/s",
            json!({ "command": "limit", "target": "node", "direction": "up",
                    "rate_bytes_s": 2_500_000 }),
            "node: upload 20 Mbit/s, download unlimited\n",
        ),
        (
            "limit node unlimited --download",
            json!({ "command": "limit", "target": "node", "direction": "down",
                    "rate_bytes_s": null }),
            "node: upload unlimited, download unlimited\n",
        ),
        (
            "weight vm-2 2.5",
            json!({ "command": "weight", "target": "vm-2", "weight_hundredths": 250 }),
            "vm-2: weight 2.5, upload unlimited, floor none\n",
        ),
        (
            "floor group:lab 5MB/s",
            json!({ "command": "floor", "target": "group:lab", "rate_bytes_s": 5_000_000 }),
            "group:lab: weight 1, upload unlimited, floor 5 MB/s\n",
        ),
        (
            "limit vm-2",
            json!({ "command": "in-force", "target": "vm-2" }),
            "vm-2: weight 1, upload unlimited, floor none\n",
        ),
        (
            "weight group:lab",
            json!({ "command": "in-force", "target": "group:lab" }),
            "group:lab: weight 1, upload unlimited, floor none\n",
        ),
        (
            "floor transfer:3",
            json!({ "command": "in-force", "target": "transfer:3" }),
            "transfer:3: weight 1, upload unlimited, floor none\n",
        ),
        ("pause 3", json!({ "command": "pause", "id": 3 }), ""),
        ("resume 3", json!({ "command": "resume", "id": 3 }), ""),
        ("cancel 3", json!({ "command": "cancel", "id": 3 }), ""),
        (
            "reload",
            json!({ "command": "reload" }),
            "limits.upload\nnode.listen (at the next start)\n",
        ),
        ("stop", json!({ "command": "stop" }), ""),
    ];
    typed(&Rote::new(), cases);
}

#[test]
fn the_node_is_found_by_its_socket_its_file_or_the_environment() {
    let node = Rote::new();
    let socket = node.socket();
    let socket = socket.to_str().unwrap();
    let file = format!("[node]\nname = \"a\"\n[control]\nsocket = \"{socket}\"\n");
    fs::write(node.folder.path().join("n.toml"), file).unwrap();
    let nowhere = node.folder.path().join("nowhere");
    for (arguments, environment, code) in [
        (&["stop"][..], node.socket(), 0),
        (&["stop"], nowhere.clone(), 4),
        (&["stop", "--socket", socket], nowhere.clone(), 0),
        (&["stop", "--socket", "other"], node.socket(), 4),
        (&["stop", "-c", "n.toml"], nowhere.clone(), 0),
        (&["stop", "-c", "missing.toml"], node.socket(), 3),
        (&["stop", "-c", "n.toml", "--socket", socket], nowhere, 2),
    ] {
        let mut command = node.command(arguments);
        let output = command
            .env("FAIRHAUL_SOCKET", environment)
            .output()
            .unwrap();
        let (got, data, talk) = said(output);
        assert_eq!((got, data.as_str()), (code, ""), "{arguments:?}: {talk}");
    }
}

/// Register: O2.
#[test]
fn the_exit_code_is_the_one_that_the_node_gives_and_its_words_are_escaped() {
    let node = Rote::new();
    for code in [1, 2, 3, 4, 5, 6, 7, 9] {
        let expected = (code, String::new(), format!("fairhaul: {ESCAPED}\n"));
        assert_eq!(node.said(&["get", &format!("code{code}")]), expected);
    }
}

#[test]
fn without_a_node_a_command_ends_with_code_4_and_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairhaul"));
    command.env("FAIRHAUL_SOCKET", folder.path().join("s"));
    let (code, data, talk) = said(command.arg("status").output().unwrap());
    assert_eq!((code, data.as_str()), (4, ""));
    assert!(talk.contains("is `fairhaul run` running"), "{talk}");
    assert_eq!(talk.lines().count(), 1);
}

/// Register: O2.
#[test]
fn a_status_says_who_waits_for_what_and_escapes_names() {
    let node = Rote::new();
    let (code, data, talk) = node.said(&["status"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let width = ESCAPED.len();
    let expected = format!(
        "vm-1: up 2 h, 1 connected, fair to each peer by drr/drr\n\
         sends 12.5 MB/s (at most 100 Mbit/s), receives 0 B/s, by the timetable\n\
         sent 1 B, received 2 B since it started; 1.5 GB of 2.0 GB free on its disk\n\n\
         ID  {:width$}  STATE    DONE       RATE  LEFT  PEER  HELD BY\n \
         3  {ESCAPED}  serving  50 %  12.5 MB/s  90 s\n    \
         {:width$}           20 %  12.5 MB/s        vm-2  the limit of the peer\n",
        "NAME", "",
    );
    assert_eq!(data, expected);
}

/// Register: O2.
#[test]
fn bans_are_listed_with_whom_and_what_for_and_how_long() {
    let node = Rote::new();
    let (code, table, _) = node.said(&["bans"]);
    assert_eq!(code, 0);
    let row = table.lines().nth(1).unwrap();
    for part in [
        &*"ab".repeat(32),
        "vm-2",
        "1970-01-01T00:00:00Z",
        "22 h",
        ESCAPED,
    ] {
        assert!(row.contains(part), "{part}: {row}");
    }
    let (_, json, _) = node.said(&["bans", "--json"]);
    assert!(json.contains("\"left_s\": 80000"), "{json}");
}

#[test]
fn peers_are_listed_with_how_and_where_and_their_keys() {
    let node = Rote::new();
    let (code, data, talk) = node.said(&["peers"]);
    assert_eq!((code, talk.as_str()), (0, ""));
    let row = data.lines().nth(1).unwrap();
    for cell in [
        "vm-2",
        "10.0.0.2:7440",
        "1.0 kB/s",
        "1.500 ms",
        "2.50",
        &"ab".repeat(32),
    ] {
        assert!(row.contains(cell), "no {cell} in {row}");
    }
    assert!(row.contains(&format!("listed: {ESCAPED}")), "{row}");
    assert_eq!(data.lines().count(), 2);
}

/// Register: O2.
#[test]
fn json_is_the_answer_of_the_node_without_letters_that_deceive() {
    let node = Rote::new();
    let read = |arguments: &[&str]| -> serde_json::Value {
        let (code, data, talk) = node.said(arguments);
        assert_eq!((code, talk.as_str()), (0, ""), "{arguments:?}");
        assert!(
            data.chars()
                .all(|c| c == '\n' || c.is_ascii_graphic() || c == ' ')
        );
        serde_json::from_str(&data).unwrap()
    };
    assert_eq!(
        read(&["status", "--json"]),
        serde_json::to_value(status()).unwrap()
    );
    assert_eq!(read(&["peers", "--json"]), json!([peer()]));
    assert_eq!(read(&["ping", "b", "--json"])["rtt_us"], json!([1_234, 56]));
    assert_eq!(read(&["share", "f", "--json"])["ticket"], "ticket");
    assert_eq!(read(&["get", "t", "--json"])["resumed_bytes"], 2);
    assert_eq!(read(&["send", "f", "b", "--json"])["peers"], json!(["b"]));
    assert_eq!(
        read(&["reload", "--json"])["changed"],
        json!(["limits.upload"])
    );
}

fn interrupt(child: &Child) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
}

/// Register: O4.
#[test]
fn an_interrupt_ends_the_waiting_and_says_how_to_end_the_transfer() {
    let node = Rote::new();
    let mut command = node.command(&["get", "slow"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let call = node.open.recv().unwrap();
    // An interrupt is heard once the answer is waited for: the first progress has come then.
    while call.reply.capacity() < call.reply.max_capacity() {
        std::thread::yield_now();
    }
    interrupt(&child);
    let (code, data, talk) = said(child.wait_with_output().unwrap());
    assert_eq!((code, data.as_str()), (130, ""));
    assert!(talk.starts_with("fairhaul: interrupted; "), "{talk}");
    assert_eq!(
        node.asked.lock().unwrap().len(),
        1,
        "nothing is cancelled in passing"
    );
}

#[test]
fn a_watched_status_comes_again_until_it_is_interrupted() {
    let node = Rote::new();
    let mut command = node.command(&["status", "--watch", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        let read: Status = serde_json::from_str(&line).unwrap();
        assert_eq!(read, status());
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Without a terminal one snapshot follows another, with the peers and what holds each.
///
/// Register: O2.
#[test]
fn a_watched_status_without_a_terminal_is_one_snapshot_after_another() {
    let node = Rote::new();
    let about = status().node;
    let mut command = node.command(&["status", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let snapshot: Vec<String> = lines.by_ref().take(13).map(Result::unwrap).collect();
        let expected = [
            "vm-1: up 2 h, 1 connected, fair to each peer by drr/drr",
            "sends 12.5 MB/s (at most 100 Mbit/s), receives 0 B/s, by the timetable",
            "sent 1 B, received 2 B since it started; 1.5 GB of 2.0 GB free on its disk",
            &format!(
                "fairhaul {}, listens at {}, key {}",
                about.version, about.listen, about.key
            ),
            &format!("sent {:>64} last hour, at most 1.0 kB/s in a minute", "██"),
            "",
            "PEER  STATE     SENDS  RECEIVES  WEIGHT  LIMIT  FLOOR  HELD BY",
            "vm-2  away   1.0 kB/s     0 B/s    2.50                the limit of the peer",
            "",
        ];
        assert_eq!(snapshot[..9], expected);
        assert!(snapshot[10].contains(ESCAPED), "{snapshot:?}");
        assert!(snapshot[11].ends_with("vm-2  the limit of the peer"));
        assert_eq!(snapshot[12], "");
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// On a terminal it is drawn on a screen of its own, until `q` or an interrupt, and the terminal
/// is then as it was.
#[test]
fn a_terminal_is_given_back_as_it_was_after_q_and_after_an_interrupt() {
    let node = Rote::new();
    for end in ["q", "interrupt"] {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = || {
            let path = name.to_str().unwrap();
            fs::OpenOptions::new().read(true).write(true).open(path)
        };
        let kept = terminal().unwrap();
        let before = format!("{:?}", tcgetattr(&kept).unwrap());
        let mut command = node.command(&["status", "--watch"]);
        let command = command
            .stdin(terminal().unwrap())
            .stdout(terminal().unwrap());
        let mut child = command.spawn().unwrap();
        let mut person = fs::File::from(person);
        let mut seen = String::new();
        let mut until = |person: &mut fs::File, word: &str| {
            while !seen.contains(word) {
                let mut some = [0; 4_096];
                let count = person.read(&mut some).unwrap();
                seen.push_str(&String::from_utf8_lossy(&some[..count]));
            }
        };
        until(&mut person, "[q]uit");
        let during = format!("{:?}", tcgetattr(&kept).unwrap());
        assert_ne!(during, before, "keys come as they are pressed");
        person.write_all(b"p3").unwrap();
        until(&mut person, "pause 3_");
        person.write_all(b"\n").unwrap();
        until(&mut person, "done   ([g]et");
        let code = match end {
            "q" => {
                person.write_all(b"q").unwrap();
                0
            }
            _ => {
                interrupt(&child);
                130
            }
        };
        assert_eq!(child.wait().unwrap().code(), Some(code), "{end}");
        until(&mut person, "\u{1b}[?25h\u{1b}[?1049l");
        assert!(seen.starts_with("\u{1b}[?1049h"), "{seen:?}");
        assert!(seen.contains(ESCAPED) && seen.contains("HELD BY"), "{seen}");
        assert_eq!(format!("{:?}", tcgetattr(&kept).unwrap()), before, "{end}");
    }
}

/// Register: O2.
#[test]
fn an_event_is_one_line_whatever_a_peer_says() {
    let node = Rote::new();
    let mut command = node.command(&["events"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    while node.events.receiver_count() == 0 {
        std::thread::yield_now();
    }
    let whats = [
        EventKind::Text {
            peer: "vm-2".to_owned(),
            text: HOSTILE.to_owned(),
        },
        EventKind::Complete {
            transfer: 3,
            name: HOSTILE.to_owned(),
            direction: TransferDirection::Down,
            bytes: 1_500,
        },
    ];
    for what in whats {
        let unix_ms = 1_000;
        node.events.send(EventRecord { unix_ms, what }).unwrap();
    }
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let when = "1970-01-01T00:00:01.000Z";
    assert_eq!(next(), format!("{when} vm-2: {ESCAPED}"));
    let second = format!("{when} transfer 3 complete, 1.5 kB from peers: {ESCAPED}");
    assert_eq!(next(), second);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let node = Rote::new();
    let mut command = node.command(&["get", "slow"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let call = node.open.recv().unwrap();
    for done_bytes in 0..100 {
        call.progress(CommandProgress {
            done_bytes,
            total_bytes: Some(100),
            ..CommandProgress::default()
        });
    }
    call.fail(Failure::error("over"));
    let mut talk = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut talk)
        .unwrap();
    assert_eq!(talk, "fairhaul: over\n");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
