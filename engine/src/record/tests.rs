use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{DisciplineName, Policy, SeedRule};
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Message;
use fairhaul_core::node::{Guard, Node};
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Limit, PathSample, Target};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const CHUNK: u64 = 64 * 1024;
const CHUNKS: u32 = 40;

fn setup(seed: u8) -> NodeSetup {
    NodeSetup {
        policy: Policy {
            seed_rule: SeedRule::of("even"),
            slots: Bounded::new(4),
            block: Some(SizeLimit::At(ByteCount::kib(16))),
            ..Policy::default()
        },
        window_node: ByteCount::kib(64),
        window_peer: ByteCount::MAX,
        adapt: false,
        download: None,
        asking: fairhaul_core::node::Asking::default(),
        guard: Some(Guard::default()),
        seed: [seed; 32],
    }
}

/// A core, its log, and what it wants done.
struct Side {
    node: Node,
    log: Recorder,
    todo: Vec<Action>,
    actions: u64,
}

impl Side {
    fn new(path: &Path, seed: u8) -> Self {
        let setup = setup(seed);
        Self {
            node: Node::new(setup.config().unwrap(), Time::ZERO),
            log: Recorder::create(path, &setup, Time::ZERO).unwrap(),
            todo: Vec::new(),
            actions: 0,
        }
    }

    fn tell(&mut self, input: Input, now: Time) {
        self.log.input(&input, now).unwrap();
        self.node.handle(input, now);
        while let Some(action) = self.node.poll() {
            self.log.action(&action);
            self.actions += 1;
            self.todo.push(action);
        }
    }
}

/// A seed and a leecher that are connected at once and lose nothing: each action of one is an
/// input of the other a millisecond later, until the leecher has all. Gives the digest and the
/// number of actions of the leecher.
fn run(dir: &Path) -> (PathBuf, String, u64) {
    let logs = [dir.join("seed.log"), dir.join("leecher.log")];
    let mut sides = [Side::new(&logs[0], 1), Side::new(&logs[1], 2)];
    let manifest = manifest();
    let mut now = Time::ZERO;
    let (none, all) = (Bitfield::empty(CHUNKS), Bitfield::full(CHUNKS));
    for (side, have) in sides.iter_mut().zip([all, none]) {
        side.tell(add(have), now);
        let (peer, outbound) = (PeerId(3), true);
        side.tell(Input::Connected { peer, outbound }, now);
    }
    let (target, cap) = (Target::Node, Some(Rate::new(4_000_000)));
    let limit = Limit {
        cap,
        ..Limit::default()
    };
    sides[0].tell(Input::Limit { target, limit }, now);
    sides[0].tell(Input::FindCap { on: true }, now);
    while !sides[1].node.is_seed() {
        now = now + Span::from_millis(1);
        assert!(now < Time::ZERO + Span::from_secs(60), "it must end");
        look(&mut sides[0], now);
        for at in 0..2 {
            for action in std::mem::take(&mut sides[at].todo) {
                carry(&mut sides, at, action, manifest, now);
            }
            if sides[at].node.deadline(now).is_some_and(|due| due <= now) {
                sides[at].tell(Input::Tick, now);
            }
        }
    }
    let [seed, leecher] = sides;
    let found = seed.node.uplink().found_cap();
    assert!(
        found.is_some_and(|cap| cap < Rate::new(4_000_000)),
        "{found:?}"
    );
    seed.log.finish().unwrap();
    let [_, path] = logs;
    (path, leecher.log.finish().unwrap(), leecher.actions)
}

/// Every 50 ms: 3 MB/s are acknowledged, and a queue of 10 ms stands before them.
fn look(side: &mut Side, now: Time) {
    let since = now.since(Time::ZERO);
    if since
        .as_nanos()
        .is_multiple_of(Span::from_millis(50).as_nanos())
    {
        let sample = PathSample {
            peer: PeerId(3),
            rtt: Span::from_millis(20),
            least: Span::from_millis(10),
            acked: Rate::new(3_000_000).bytes_in(since),
        };
        let paths = [sample].into();
        side.tell(Input::Paths { paths }, now);
    }
}

fn carry(sides: &mut [Side; 2], at: usize, action: Action, manifest: Manifest, now: Time) {
    let peer = PeerId(3);
    match action {
        Action::Send { message, .. } => {
            sides[1 - at].tell(Input::Message { peer, message }, now);
        }
        Action::Upload(block) => {
            sides[at].tell(
                Input::Sent {
                    peer,
                    len: block.len,
                },
                now,
            );
            let message = Message::Block {
                transfer: block.transfer,
                chunk: block.chunk.get(),
                offset: block.offset,
                len: block.len,
            };
            sides[1 - at].tell(Input::Message { peer, message }, now);
        }
        Action::Store {
            transfer,
            chunk,
            from,
            ..
        } => {
            assert!(manifest.index(chunk.get()).is_some());
            sides[at].tell(
                Input::Stored {
                    transfer,
                    chunk,
                    from,
                },
                now,
            );
        }
        Action::Close { why, .. } => panic!("closed: {why}"),
        Action::Resume { .. }
        | Action::Discard { .. }
        | Action::Name { .. }
        | Action::Notify(_) => {}
    }
}

fn manifest() -> Manifest {
    let bytes = ByteCount::new(u64::from(CHUNKS) * CHUNK - 5);
    Manifest::new(bytes, ByteCount::new(CHUNK)).unwrap()
}

fn add(have: Bitfield) -> Input {
    Input::Add {
        transfer: TransferId(7),
        content: ContentId([9; 32]),
        manifest: manifest(),
        have,
        audience: None,
    }
}

/// A log of these lines after the start.
fn log(lines: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let recorder = Recorder::create(&path, &setup(1), Time::ZERO).unwrap();
    recorder.finish().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let start = text.lines().next().unwrap();
    fs::write(&path, [&[start], lines].concat().join("\n") + "\n").unwrap();
    (dir, path)
}

/// Register: R19, G2.
#[test]
fn a_recorded_transfer_replays_to_the_same_digest() {
    let dir = tempfile::tempdir().unwrap();
    let (path, digest, actions) = run(dir.path());
    let again = replay(&path).unwrap();
    assert_eq!(again.digest, digest);
    assert_eq!(again.is_same(), Some(true));
    assert_eq!(again.actions, actions);
    assert!(again.inputs > u64::from(CHUNKS), "{again:?}");
    // The seed has found a cap from what it was told of its connection, and finds it again.
    let seed = replay(&dir.path().join("seed.log")).unwrap();
    assert_eq!(seed.is_same(), Some(true));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // And a second run is byte for byte the first.
    let other = tempfile::tempdir().unwrap();
    let (second, ..) = run(other.path());
    assert_eq!(fs::read(&path).unwrap(), fs::read(second).unwrap());
}

/// Register: R19. What one input says is changed, an input is left out, and the seed is another.
#[test]
fn another_input_gives_another_digest() {
    let dir = tempfile::tempdir().unwrap();
    let (path, digest, _) = run(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    let unchoke = text.lines().find(|line| line.contains("Unchoke")).unwrap();
    let changes = [
        text.replacen(unchoke, &unchoke.replace("Unchoke", "Choke"), 1),
        text.replacen(&format!("{unchoke}\n"), "", 1),
        text.replacen("\"seed\":[2,2,", "\"seed\":[2,3,", 1),
    ];
    for changed in changes {
        assert_ne!(changed, text);
        let other = dir.path().join("other");
        fs::write(&other, changed).unwrap();
        let again = replay(&other).unwrap();
        assert_eq!(again.recorded.as_deref(), Some(&*digest));
        assert_eq!(again.is_same(), Some(false));
    }
}

#[test]
fn a_log_that_was_cut_in_its_last_line_replays_up_to_there() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ..) = run(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    let whole = replay(&path).unwrap();
    let end = text.trim_end().rfind('\n').unwrap();
    for (cut, inputs) in [(end + 5, whole.inputs), (end - 3, whole.inputs - 1)] {
        fs::write(&path, &text[..cut]).unwrap();
        let again = replay(&path).unwrap();
        assert_eq!((again.inputs, again.recorded.clone()), (inputs, None));
        assert_eq!(again.is_same(), None);
    }
}

#[test]
fn every_input_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ..) = run(dir.path());
    let text = fs::read_to_string(path).unwrap();
    for line in text.lines() {
        let parsed: Line<'_> = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), line);
    }
}

/// What the core would take on trust is refused by line, and nothing panics.
#[test]
fn what_cannot_have_happened_is_refused_by_file_and_line() {
    let tick = r#"{"input":{"at":5,"what":"Tick"}}"#;
    let connect = r#"{"input":{"at":5,"what":{"Connected":{"peer":1,"outbound":true}}}}"#;
    let add = serde_json::to_string(&Line::Input {
        at: Time::from_nanos(5),
        what: Cow::Owned(add(Bitfield::empty(CHUNKS))),
    })
    .unwrap();
    let chunk = r#"{"input":{"at":5,"what":{"Stored":{"transfer":7,"chunk":40,"from":1}}}}"#;
    let back = r#"{"input":{"at":4,"what":"Tick"}}"#;
    let late = r#"{"input":{"at":18446744073709551615,"what":"Tick"}}"#;
    let peer = connect.replace("\"peer\":1", "\"peer\":4294967295");
    let bits = add.replace("\"len\":40", "\"len\":41");
    let spare = add.replace("\"words\":[0]", "\"words\":[18446744073709551615]");
    let chunks = add.replace("\"chunk\":65536", "\"chunk\":0");
    let sent = r#"{"input":{"at":5,"what":{"Sent":{"peer":1,"len":18446744073709551615}}}}"#;
    let weight = r#"{"input":{"at":5,"what":{"Limit":{"target":"Node","limit":{"cap":null,"burst":null,"floor":null,"weight":0,"band":0}}}}}"#;
    let cases: [(&[&str], &str); 14] = [
        (&[tick, back], ":3: time goes back"),
        (&[late], ":2: time goes back"),
        (&[&peer], ":2: a peer's id is 4294967295"),
        (&[connect, connect], ":3: peer 1 is connected"),
        (
            &[&add, &add],
            ":3: transfer 7 or its content is added twice",
        ),
        (&[&bits], ":2: transfer 7 has 41 bits for 40 chunks"),
        (&[&add, chunk], ":3: transfer 7 has no chunk 40"),
        (&[&spare], ":2: a bitfield with bits beyond its length"),
        (&[&chunks], ":2: a chunk has no bytes"),
        (&[sent], ":2: 18446744073709551615 B were sent at once"),
        (&[weight], ":2: a weight outside"),
        (
            &[r#"{"end":{"digest":"x"}}"#, tick],
            ":3: nothing may follow",
        ),
        (&["{\"\u{1b}\":1}"], ":2: "),
        (
            &[r#"{"input":{"at":5,"what":"Tock"}}"#],
            ":2: unknown variant",
        ),
    ];
    for (lines, expected) in cases {
        let (_dir, path) = log(lines);
        let why = replay(&path).unwrap_err().to_string();
        assert!(why.contains(&format!("log{expected}")), "{why}");
        assert!(!why.contains(char::is_control), "{why:?}");
    }
}

#[test]
fn a_setup_is_read_as_it_was_written() {
    let mut setup = setup(5);
    setup.policy.uplink = DisciplineName::of("strict/drr");
    setup.policy.quantum = Some(SizeLimit::At(ByteCount::new(12_345)));
    setup.policy.pipeline = Some(Bounded::new(3));
    setup.policy.rechoke = TimeBetween::new(1_234_567_891);
    let text = serde_json::to_string(&setup).unwrap();
    assert_eq!(
        serde_json::from_str::<NodeSetup>(&text).unwrap(),
        setup,
        "{text}"
    );
}

#[test]
fn a_setup_that_no_node_has_is_refused() {
    let refused = |change: fn(&mut NodeSetup)| {
        let mut setup = setup(1);
        change(&mut setup);
        setup.config().unwrap_err().to_string()
    };
    let large = refused(|setup| setup.policy.block = Some(SizeLimit::At(ByteCount::mib(1))));
    assert_eq!(large, "block is 1048576; allowed are 1 to 262144");
    assert!(refused(|setup| setup.policy.block = None).starts_with("block is 0"));
    let idle = refused(|setup| {
        setup.guard = Some(Guard {
            idle: Span::ZERO,
            ..Guard::default()
        });
    });
    assert!(idle.starts_with("idle is 0"), "{idle}");
}

/// What its policy allows is what a parameter file allows.
#[test]
fn a_log_with_a_policy_that_no_file_may_have_is_refused_by_line() {
    let (_dir, path) = log(&[]);
    let text = fs::read_to_string(&path).unwrap();
    for (known, changed, why) in [
        ("\"drr\"", "\"dr\"", "is an unknown policy, did you mean"),
        ("\"slots\":4", "\"slots\":0", "is out of range"),
        ("\"10 s\"", "\"10 sec\"", "has an unknown unit"),
    ] {
        let other = text.replacen(known, changed, 1);
        assert_ne!(other, text);
        fs::write(&path, other).unwrap();
        let said = replay(&path).unwrap_err().to_string();
        assert!(said.contains("log:1: ") && said.contains(why), "{said}");
    }
}

#[test]
fn what_is_no_log_is_refused_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    assert!(matches!(replay(&path), Err(BadLog::Io { .. })));
    for text in [
        "",
        "{}\n",
        "hello\n",
        "{\"input\":{\"at\":1,\"what\":\"Tick\"}}\n",
    ] {
        fs::write(&path, text).unwrap();
        let why = replay(&path).unwrap_err().to_string();
        assert!(why.contains("log:1: "), "{why}");
    }
    let again = Recorder::create(&path, &setup(1), Time::ZERO);
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Lines left out, said twice or swapped, and digits changed: an error or another digest.
    #[test]
    fn no_changed_log_makes_the_core_panic(
        changes in proptest::collection::vec((0..4_u8, any::<u32>(), any::<u32>()), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (path, ..) = run(dir.path());
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
        for (kind, line, place) in changes {
            let at = 1 + line as usize % (lines.len() - 1);
            match kind {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => {
                    let other = 1 + place as usize % (lines.len() - 1);
                    lines.swap(at, other);
                }
                _ => {
                    let len = lines[at].len();
                    let byte = &mut lines[at][place as usize % len];
                    if byte.is_ascii_digit() {
                        *byte = b'0' + place.to_le_bytes()[3] % 10;
                    }
                }
            }
        }
        fs::write(&path, lines.join(&b'\n')).unwrap();
        let _ = replay(&path);
    }
}
