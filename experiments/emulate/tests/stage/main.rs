//! The network under real nodes, on this machine. Needs root, `ip`, `tc`, python3 for traffic;
//! where one is missing, a printed line says what was skipped.
//!
//! Rates and delays are held to bounds that no busy machine can break: a shaper lets no more
//! through, and a relay delays no less. How close to them they come is printed, and measured by
//! `scripts/worlds.sh`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where something fails, and says what it skips"
)]

mod crash;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_emulate::environment::Environment as _;
use fairhaul_emulate::netns::{Namespaces, StageOptions};
use fairhaul_simulator::setup::{
    ContentSetup, Latency, LibrarySetup, NetworkModel, PeerSetup, Setup,
};

/// After so long a test gives up waiting for what has to come. No claim hangs on it.
const PATIENCE: Duration = Duration::from_secs(300);

/// A process has one stage at a time, and the tests of this file are one process.
static STAGE: Mutex<()> = Mutex::new(());

/// Takes turns; none, and a line, if this machine cannot carry a stage.
fn turn() -> Option<MutexGuard<'static, ()>> {
    let guard = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = if !Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n")
    {
        "root"
    } else if !has("ip") || !has("tc") {
        "ip and tc"
    } else if !has("python3") {
        "python3"
    } else if !may_make_namespaces() {
        "the right to make namespaces and shapers"
    } else {
        return Some(guard);
    };
    println!("skipped: this machine has no {missing}");
    None
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("-V").output();
    found.is_ok_and(|output| output.status.success())
}

fn may_make_namespaces() -> bool {
    let name = format!("stagetest-{}", std::process::id());
    let script = format!(
        "ip netns add {name} && ip -n {name} link set lo up && \
         tc -n {name} qdisc add dev lo root tbf rate 1mbit burst 10kb limit 10kb"
    );
    let made = Command::new("sh").args(["-c", &script]).output();
    let _ = Command::new("ip").args(["netns", "del", &name]).output();
    made.is_ok_and(|output| output.status.success())
}

/// A program with a node, built beside the lab, or where FAIRHAUL says.
fn fairhaul() -> Option<PathBuf> {
    let chosen = std::env::var_os("FAIRHAUL").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_BIN_EXE_fairlab-emulate")).with_file_name("fairhaul");
    let found = chosen.unwrap_or(beside);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: no program {}", found.display());
    None
}

fn options(work: &Path, fairhaul: &str) -> StageOptions {
    StageOptions {
        work: Some(work.to_owned()),
        fairhaul: Some(PathBuf::from(fairhaul)),
        lab: Some(PathBuf::from(env!("CARGO_BIN_EXE_fairlab-emulate"))),
        ..StageOptions::default()
    }
}

fn mbit(rate: u64) -> Option<Rate> {
    Some(Rate::new(rate * 125_000))
}

/// Peers with these links, each in a region of its own; one-way delays in milliseconds.
fn setup(links: &[(Option<Rate>, Option<Rate>)], delay_ms: u64) -> Setup {
    let peer = |(row, (up, down)): (u32, &(Option<Rate>, Option<Rate>))| PeerSetup {
        name: format!("peer.{row}"),
        class: "peer".to_owned(),
        region: row,
        up: *up,
        down: *down,
        ..PeerSetup::default()
    };
    let count = links.len();
    let delay = |at: usize| {
        let apart = at / count != at % count;
        Span::from_millis(if apart { delay_ms } else { 0 })
    };
    Setup {
        rng_seed: 7,
        replication: 0,
        network: NetworkModel::Fluid,
        policies: Vec::new(),
        latency: Latency {
            regions: (0..count).map(|row| format!("region-{row}")).collect(),
            one_way: (0..count * count).map(delay).collect(),
        },
        links: Vec::new(),
        groups: Vec::new(),
        peers: (0..).zip(links).map(peer).collect(),
        contents: Vec::new(),
        transfers: Vec::new(),
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: None,
        horizon: Time::from_nanos(1_000_000_000),
        windows: Vec::new(),
        event_budget: 1,
    }
}

/// Namespaces of this process, and everything in the work folder.
fn remains(work: &Path) -> BTreeSet<String> {
    let mine = format!("fairlab-{}-", std::process::id());
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    names(Path::new("/run/netns"))
        .filter(|name| name.starts_with(&mine))
        .chain(names(work).collect::<Vec<_>>())
        .collect()
}

/// A program that is killed when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers pings and swallows the rest, on port 9000 of `peer`; returns once it listens.
fn listener(stage: &Namespaces, peer: u32) -> Running {
    let program = "
import socket, threading
s = socket.create_server(('', 9000)); print('ready', flush=True)
def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while (d := c.recv(1 << 16)):
        if len(d) == 1: c.sendall(d)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()";
    let mut child = stage
        .inside(peer, "python3")
        .args(["-c", program])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    Running(child)
}

fn python(stage: &Namespaces, peer: u32, program: &str, words: &[&str]) -> f64 {
    let output = stage
        .inside(peer, "python3")
        .args(["-c", program])
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} {}", String::from_utf8_lossy(&output.stderr)))
}

fn host(stage: &Namespaces, peer: u32) -> String {
    stage.listen(peer).ip().to_string()
}

/// The least of 21 round trips of a byte over TCP, in milliseconds.
fn round_trip(stage: &Namespaces, from: u32, to: u32) -> f64 {
    let program = "
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9000)); t = []
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(21):
    b = time.perf_counter(); s.sendall(b'x'); s.recv(1); t.append(time.perf_counter() - b)
print(min(t) * 1000)";
    python(stage, from, program, &[&host(stage, to)])
}

/// What a socket sends in `seconds` once it has begun, in Mbit/s and no more than it was: what has
/// arrived there, by the acknowledged bytes of TCP_INFO at two moments, over the time from before
/// the first to after the second.
fn throughput(stage: &Namespaces, from: u32, to: u32, seconds: &str) -> f64 {
    let program = "
import socket, struct, sys, threading, time
s = socket.create_connection((sys.argv[1], 9000)); block = b'x' * 65536
def pump():
    try:
        while True: s.sendall(block)
    except OSError: pass
threading.Thread(target=pump, daemon=True).start()
def acked(): return struct.unpack_from('Q', s.getsockopt(6, 11, 256), 120)[0]
while acked() < 200_000: time.sleep(0.01)
b = time.perf_counter(); a = acked()
time.sleep(float(sys.argv[2]))
a = acked() - a; b = time.perf_counter() - b
print(a * 8 / b / 1e6)";
    python(stage, from, program, &[&host(stage, to), seconds])
}

/// The shapers in the namespace of a peer, as the system lists them.
fn shapers(stage: &Namespaces, peer: u32) -> String {
    let listed = stage.inside(peer, "tc").args(["qdisc", "show"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    listed.lines().filter(|line| line.contains("tbf")).collect()
}

#[test]
fn peers_reach_each_other_within_their_rates_and_nothing_is_left() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let links = [(mbit(20), None), (None, mbit(40)), (None, None)];
    let reno = StageOptions {
        congestion: "reno".to_owned(),
        ..options(work.path(), "/bin/true")
    };
    let mut stage = Namespaces::build(&setup(&links, 0), &reno).unwrap();
    assert_eq!(stage.relay_cost(), Ok(None));
    let _there: Vec<Running> = (0..3).map(|peer| listener(&stage, peer)).collect();
    let name = "
import socket, sys
s = socket.create_connection((sys.argv[1], 9000)); o = lambda s: s.getsockopt(6, 13, 16)
print(1 if o(s).startswith(b'reno') else o(s))";
    assert!((python(&stage, 0, name, &[&host(&stage, 1)]) - 1.0).abs() < f64::EPSILON);
    let within = |got: f64, rate: f64| (f64::EPSILON..=1.05 * rate).contains(&got);
    let up = throughput(&stage, 0, 2, "1");
    assert!(within(up, 20.0), "{up} of 20 up");
    let down = throughput(&stage, 2, 1, "1");
    assert!(within(down, 40.0), "{down} of 40 down");
    // Both change while they carry; a link without a rate has no shaper.
    let before = shapers(&stage, 0);
    assert_eq!(stage.set_rates(0, mbit(10), None), Ok(true));
    let changed = throughput(&stage, 0, 2, "1");
    assert!(within(changed, 10.0), "{changed} of 10 up");
    assert_ne!(shapers(&stage, 0), before);
    assert_eq!(stage.set_rates(0, None, None), Ok(true));
    assert_eq!(shapers(&stage, 0), "");
    assert!(throughput(&stage, 0, 2, "0.3") > 0.0);
    assert_eq!(stage.set_rates(0, None, mbit(30)), Ok(true));
    let back = throughput(&stage, 2, 0, "1");
    assert!(within(back, 30.0), "{back} of 30 down");
    println!("up {up:.2} of 20, down {down:.2} of 40, changed {changed:.2} of 10, {back:.2} of 30");
    stage.close().unwrap();
    assert_eq!(remains(work.path()), BTreeSet::new());
    assert_eq!(stage.close(), Ok(()));
}

#[test]
fn regions_are_no_nearer_than_said_and_the_relay_tells_its_cost() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let links = [(mbit(50), mbit(50)), (mbit(50), mbit(50)), (None, None)];
    let mut stage =
        Namespaces::build(&setup(&links, 20), &options(work.path(), "/bin/true")).unwrap();
    let _there: Vec<Running> = (0..3).map(|peer| listener(&stage, peer)).collect();
    let trip = round_trip(&stage, 0, 1);
    assert!(trip >= 40.0, "{trip} ms of 40");
    let carried = std::thread::scope(|scope| {
        let stage = &stage;
        let there = scope.spawn(move || throughput(stage, 0, 1, "1"));
        (throughput(stage, 1, 0, "1"), there.join().unwrap())
    });
    let cost = stage.relay_cost().unwrap().expect("there is delay");
    println!("round trip {trip:.3} ms of 40; both ways {carried:.1?} Mbit/s; {cost:?}");
    // Two connections of 200 kB at least, each with as many acknowledgements as it likes.
    assert!(
        cost.bytes > 400_000 && cost.packets > 400_000 / 1_500,
        "{cost:?}"
    );
    // No draw loses anything here, and every packet is one between two peers.
    assert_eq!((cost.lost, cost.refused), (0, 0), "{cost:?}");
    assert!(cost.cpu_s > 0.0 && cost.cpu_s <= cost.elapsed_s, "{cost:?}");
    drop(stage);
    assert_eq!(remains(work.path()), BTreeSet::new());
}

#[test]
fn a_failure_while_it_is_built_leaves_nothing() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let links = [(None, None)];
    let mut not_a_relay = options(work.path(), "/bin/true");
    not_a_relay.lab = Some(PathBuf::from("/bin/true"));
    let error = Namespaces::build(
        &setup(&links, 0),
        &StageOptions {
            loss: 0.5,
            ..not_a_relay
        },
    )
    .unwrap_err();
    assert!(error.0.contains("the relay has ended"), "{error}");
    assert_eq!(remains(work.path()), BTreeSet::new());
}

#[test]
fn a_scenario_that_does_not_fit_is_refused_before_anything_is_made() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let mut huge = setup(&[(None, None), (None, None)], 0);
    huge.contents.push(ContentSetup {
        name: "huge".to_owned(),
        bytes: ByteCount::mib(1 << 30),
        chunk: ByteCount::mib(1),
        seeds: vec![0],
        leechers: vec![1],
        start: Vec::new(),
    });
    let refused =
        |setup: &Setup, options: &StageOptions| Namespaces::build(setup, options).unwrap_err().0;
    let talk = refused(&huge, &options(work.path(), "/bin/true"));
    assert!(
        talk.starts_with("2 peers need about 2097153 GiB of "),
        "{talk}"
    );
    let small = setup(&[(None, None)], 0);
    let talk = refused(&small, &options(work.path(), "/no/such/program"));
    assert!(talk.starts_with("/no/such/program: "), "{talk}");
    let strange = StageOptions {
        congestion: "sesame".to_owned(),
        ..options(work.path(), "/bin/true")
    };
    let talk = refused(&small, &strange);
    assert!(
        talk.starts_with("congestion control \"sesame\" is not one of"),
        "{talk}"
    );
    assert_eq!(remains(work.path()), BTreeSet::new());
}

/// Looks again and again until it is so; never gives up within what a working machine takes.
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// A node that listens on its control socket until it is told to end, as a script.
fn script(work: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = work.join("node-script");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_node_that_fails_is_told_with_its_last_line() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let program = script(
        other.path(),
        "#!/bin/sh\necho first\n[ -e good ] || { echo 'no such good' >&2; exit 3; }\nexec python3 -c '
import signal, socket
s = socket.socket(socket.AF_UNIX); s.bind(\"control.sock\"); s.listen(); signal.pause()'\n",
    );
    let options = options(work.path(), program.to_str().unwrap());
    let mut stage = Namespaces::build(&setup(&[(None, None)], 0), &options).unwrap();
    assert!(stage.alive(0).unwrap_err().0.ends_with("was never started"));
    let talk = stage.start(0).unwrap_err().0;
    assert!(
        talk.ends_with("ended, exit status: 3: no such good"),
        "{talk}"
    );
    stage.put(0, "good", &mut &b"x"[..]).unwrap();
    stage.put(0, "files/a/b", &mut &b"x"[..]).unwrap();
    assert!(stage.put(0, "../b", &mut &b"x"[..]).is_err());
    assert!(stage.put(0, "/tmp/b", &mut &b"x"[..]).is_err());
    stage.start(0).unwrap();
    assert_eq!(stage.alive(0), Ok(()));
    assert!(stage.start(0).unwrap_err().0.ends_with("runs already"));
    stage.stop(0).unwrap();
    assert!(stage.alive(0).unwrap_err().0.ends_with("was stopped"));
    drop(stage);
    assert_eq!(remains(work.path()), BTreeSet::new());
}

#[test]
fn two_real_nodes_start_stop_and_die_in_their_namespaces() {
    let Some(_turn) = turn() else { return };
    let Some(program) = fairhaul() else { return };
    let work = tempfile::tempdir().unwrap();
    let options = options(work.path(), program.to_str().unwrap());
    let mut stage = Namespaces::build(&setup(&[(None, None), (None, None)], 0), &options).unwrap();
    for peer in 0..2 {
        let home = stage.home(peer).to_owned();
        let made = Command::new(&program)
            .args(["identity", "new", "--file"])
            .arg(home.join("identity.key"))
            .output()
            .unwrap();
        assert!(made.status.success());
        let file = format!(
            "[node]\nname = \"p{peer}\"\nlisten = \"{}\"\ndata = \"{}\"\n[control]\nsocket = \"{}\"\n",
            stage.listen(peer),
            home.join("data").display(),
            stage.socket(peer).display()
        );
        stage.put(peer, "node.toml", &mut file.as_bytes()).unwrap();
        stage.start(peer).unwrap();
    }
    assert_eq!((stage.alive(0), stage.alive(1)), (Ok(()), Ok(())));
    // The listener of one answers in the namespace of the other, and only there.
    let dial = "import socket, sys; socket.create_connection((sys.argv[1], 7440), 60); print(1)";
    assert!((python(&stage, 0, dial, &[&host(&stage, 1)]) - 1.0).abs() < f64::EPSILON);
    stage.kill(1).unwrap();
    assert!(stage.alive(1).is_err());
    // What a killed node leaves, its socket too, does not stop it from coming back.
    stage.start(1).unwrap();
    stage.stop(1).unwrap();
    stage.start(1).unwrap();
    stage.close().unwrap();
    assert_eq!(remains(work.path()), BTreeSet::new());
}
