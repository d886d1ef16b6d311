//! `send PATH` here and `get LINE` there, with the program as a person types it: nothing is
//! prepared on either side. Each machine is a folder with a home of its own; they meet on loopback.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use fairhaul::content::line::{Line, Secret, receiver_name};
use fairhaul::control::api::{Got, Status};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A machine on which nothing is prepared.
struct Machine(TempDir);

/// A `send` that has printed its line.
struct Sending {
    child: Child,
    line: String,
    talk: BufReader<ChildStderr>,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "tmp", "in"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fairhaul"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_DATA_HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env_remove("FAIRHAUL_SOCKET")
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output and standard error.
    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Begins to send, to receivers on this machine.
    fn send(&self, arguments: &[&str]) -> Sending {
        let all = [&["send", "--address", "127.0.0.1"], arguments].concat();
        Sending::of(self.command(&all))
    }

    /// The socket of the node that runs on this machine.
    fn socket(&self) -> String {
        let folders = fs::read_dir(self.path("tmp")).unwrap();
        let sockets = folders.map(|folder| folder.unwrap().path().join("control"));
        let socket = sockets.filter(|path| path.exists()).last();
        socket.unwrap().display().to_string()
    }

    /// Slows the node of this machine down, so that it can be stopped in the middle.
    fn limit(&self, rate: &str) {
        let (code, said, talk) = self.said(&["limit", "node", rate, "--socket", &self.socket()]);
        assert_eq!((code, talk.as_str()), (0, ""));
        assert_eq!(said, format!("node: upload {rate}, download unlimited\n"));
    }
}

impl Sending {
    fn of(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let Some(line) = said.trim_end().strip_prefix("fairhaul get ") else {
            let mut why = String::new();
            talk.read_to_string(&mut why).unwrap();
            panic!("printed {said:?} and said {why:?}");
        };
        let line = line.to_owned();
        Self { child, line, talk }
    }

    /// Waits until it says `what`.
    fn says(&mut self, what: &str) {
        let mut said = String::new();
        while !said.contains(what) {
            said.clear();
            let read = self.talk.read_line(&mut said).unwrap();
            assert!(read > 0, "it ended without saying {what:?}");
        }
    }

    /// Its exit code, once it has one.
    fn ends(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    fn interrupt(&self) {
        signal(&self.child, Signal::INT);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// Bytes that no two chunks have in common.
fn noise(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Register: H13, H14.
#[test]
fn a_file_goes_from_one_machine_to_another_by_two_commands() {
    let (here, there) = (Machine::new(), Machine::new());
    let bytes = noise(3_000_001);
    fs::write(here.path("file.bin"), &bytes).unwrap();
    let mut sending = here.send(&["file.bin"]);
    let (code, said, _) = there.said(&["get", &sending.line, "in"]);
    assert_eq!(code, 0);
    let path = there.path("in").join("file.bin");
    assert_eq!(said, format!("{}\n", path.display()));
    assert_eq!(fs::read(path).unwrap(), bytes);
    sending.says("has all of it (1 of 1)");
    assert_eq!(sending.ends(), Some(0));
    for machine in [&here, &there] {
        let key = machine.path("home/fairhaul/identity.key");
        assert_eq!(
            fs::metadata(key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(is_empty(&machine.path("tmp")), "nothing else is left");
    }
    assert!(is_empty(&there.path("home/fairhaul/get")));
}

#[test]
fn a_tree_goes_as_it_is() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::create_dir_all(here.path("tree/a/b")).unwrap();
    fs::write(here.path("tree/a/b/deep"), noise(70_000)).unwrap();
    fs::write(here.path("tree/empty"), b"").unwrap();
    std::os::unix::fs::symlink("b/deep", here.path("tree/a/link")).unwrap();
    let mut sending = here.send(&["tree"]);
    sending.says("/tree/a/link: a symbolic link");
    let (code, _, talk) = there.said(&["get", &sending.line, "-"]);
    assert_eq!(code, 2, "standard output takes no folder: {talk}");
    // As one pastes it, with the command in quotation marks.
    let pasted = format!("fairhaul get {}", sending.line);
    let (code, _, talk) = there.said(&["get", &pasted, "in"]);
    assert_eq!(code, 0, "{talk}");
    let got = there.path("in/tree");
    assert_eq!(fs::read(got.join("a/b/deep")).unwrap(), noise(70_000));
    assert_eq!(fs::read(got.join("empty")).unwrap(), b"");
    assert_eq!(sending.ends(), Some(0));
}

/// What a person has at home is fetched into and sent from; the identity there is not sent.
///
/// Register: H14.
#[test]
fn a_home_may_be_filled_and_its_identity_is_never_sent() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), b"text").unwrap();
    let sending = here.send(&["file"]);
    let home = there.path("home");
    let (code, _, talk) = there.said(&["get", &sending.line, home.to_str().unwrap()]);
    assert_eq!(code, 0, "{talk}");
    assert_eq!(fs::read(home.join("file")).unwrap(), b"text");
    assert_eq!(sending.ends(), Some(0));
    for path in ["home", "home/fairhaul/identity.key"] {
        let (code, said, talk) = there.said(&["send", path, "--address", "127.0.0.1"]);
        assert_eq!((code, said.as_str()), (3, ""), "{path}: {talk}");
        assert!(
            talk.contains("identity.key is what this node keeps"),
            "{talk}"
        );
    }
}

/// The line in a file, where no other user of the machine can read it.
#[test]
fn a_line_may_come_from_standard_input() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), b"text").unwrap();
    let sending = here.send(&["file"]);
    fs::write(
        there.path("line"),
        format!("fairhaul get {}\n", sending.line),
    )
    .unwrap();
    let mut command = there.command(&["get", "-", "in"]);
    command.stdin(fs::File::open(there.path("line")).unwrap());
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(fs::read(there.path("in/file")).unwrap(), b"text");
    assert_eq!(sending.ends(), Some(0));
}

#[test]
fn standard_input_here_is_standard_output_there() {
    let (here, there) = (Machine::new(), Machine::new());
    let bytes = noise(1_234_567);
    fs::write(here.path("file"), &bytes).unwrap();
    let mut command = here.command(&["send", "--address", "127.0.0.1", "-"]);
    command.stdin(fs::File::open(here.path("file")).unwrap());
    let sending = Sending::of(command);
    let got = there
        .command(&["get", &sending.line, "-"])
        .output()
        .unwrap();
    assert_eq!(got.status.code(), Some(0));
    assert!(got.stdout == bytes, "{} bytes came", got.stdout.len());
    assert_eq!(sending.ends(), Some(0));
    assert!(is_empty(&there.path("home/fairhaul/get")));
}

/// The fourth is refused, whatever the first three do; those who have come may come again.
///
/// Register: H2.
#[test]
fn a_line_for_three_serves_three_and_no_fourth() {
    let here = Machine::new();
    let bytes = noise(5_000_000);
    fs::write(here.path("file"), &bytes).unwrap();
    let mut sending = here.send(&["file", "--for", "3", "--keep", "10 h"]);
    let three = [(); 3].map(|()| Machine::new());
    let gets: Vec<Child> = three
        .iter()
        .map(|one| one.command(&["get", &sending.line, "in"]).spawn().unwrap())
        .collect();
    for (get, machine) in gets.into_iter().zip(&three) {
        assert_eq!(get.wait_with_output().unwrap().status.code(), Some(0));
        assert!(fs::read(machine.path("in/file")).unwrap() == bytes);
    }
    sending.says("has all of it (3 of 3)");
    let (code, said, talk) = Machine::new().said(&["get", &sending.line, "in"]);
    assert_eq!((code, said.as_str()), (5, ""));
    assert!(
        talk.contains("this line is spent: its 3 receivers have come"),
        "{talk}"
    );
    assert_eq!(talk.lines().count(), 1);
    assert_eq!(three[0].said(&["get", &sending.line, "again"]).0, 0);
    sending.interrupt();
    sending.says("3 of 3 have all of it");
    assert_eq!(sending.ends(), Some(130));
}

/// Register: H2.
#[test]
fn a_wrong_line_is_refused_with_the_reason() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), b"text").unwrap();
    let sending = here.send(&["file"]);
    let mut line: Line = sending.line.parse().unwrap();
    line.secret = Secret::generate().unwrap();
    let (code, said, talk) = there.said(&["get", &line.to_string(), "in"]);
    assert_eq!((code, said.as_str(), talk.lines().count()), (5, "", 1));
    assert!(
        talk.contains("this line is not one of this sender"),
        "{talk}"
    );
    let mut mistyped = sending.line.clone();
    mistyped.pop();
    for wrong in [&mistyped, &sending.line[5..], "hello"] {
        let (code, _, talk) = there.said(&["get", wrong, "in"]);
        assert_eq!((code, talk.lines().count()), (2, 1), "{talk}");
        assert!(!talk.contains("is `fairhaul run` running"), "{talk}");
    }
    assert!(is_empty(&there.path("in")));
    // A folder that was made for it goes with it.
    assert_eq!(there.said(&["get", &line.to_string(), "new"]).0, 5);
    assert!(!there.path("new").exists());
    // None of these has taken the place of the one that the line is for.
    assert_eq!(there.said(&["get", &sending.line, "in"]).0, 0);
    assert_eq!(sending.ends(), Some(0));
}

#[test]
fn a_line_whose_sender_has_ended_is_told_from_one_that_is_wrong() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), b"text").unwrap();
    let mut sending = here.send(&["file"]);
    sending.interrupt();
    sending.says("the line is revoked; 0 of 1 have all of it");
    let line = sending.line.clone();
    assert_eq!(sending.ends(), Some(130));
    let (code, said, talk) = there.said(&["get", &line, "in"]);
    assert_eq!((code, said.as_str(), talk.lines().count()), (4, "", 1));
    assert!(
        talk.contains("the sender does not answer at 127.0.0.1:"),
        "{talk}"
    );
    assert!(
        talk.contains("it has ended, or cannot be reached from here"),
        "{talk}"
    );
}

/// Who fetches while the sender ends, or finds that the file is another one by now, hears at once
/// why, and does not wait for it.
#[test]
fn a_receiver_is_told_why_the_line_is_over() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), noise(40_000_000)).unwrap();
    let fetching = |limit| {
        let mut sending = here.send(&["file"]);
        here.limit(limit);
        let arguments = ["get", &sending.line, "in"];
        let mut command = there.command(&arguments);
        let get = command.stderr(Stdio::piped()).spawn().unwrap();
        sending.says("has come");
        some_has_come(&there);
        (sending, get)
    };
    let told = |get: Child| {
        let output = get.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        String::from_utf8(output.stderr).unwrap()
    };
    let (sending, get) = fetching("1 MB/s");
    sending.interrupt();
    let talk = told(get);
    assert!(
        talk.contains("the sender has ended: the line is revoked"),
        "{talk}"
    );
    drop(sending);
    let (mut sending, get) = fetching("1 MB/s");
    fs::write(here.path("file"), noise(30_000_000)).unwrap();
    sending.says("file was changed; the line is revoked; 0 of 1 have all of it");
    assert_eq!(sending.ends(), Some(6));
    let talk = told(get);
    assert!(talk.contains("the sender has ended: chunk "), "{talk}");
    assert!(talk.contains("file was changed"), "{talk}");
}

/// Waits until what the node of a machine says of itself once a second has been `so` that many
/// times. Returns its last word; fails if the node ends before.
fn waits(machine: &Machine, times: u32, so: impl Fn(&Status) -> bool) -> Status {
    let arguments = ["status", "--watch", "--json", "--socket", &machine.socket()];
    let mut command = machine.command(&arguments);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut last = None;
    for line in lines {
        let status: Status = serde_json::from_str(&line.unwrap()).unwrap();
        seen += u32::from(so(&status));
        last = Some(status);
        if seen == times {
            break;
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(seen, times, "the node ended before: {last:?}");
    last.unwrap()
}

/// Waits until a machine has something of its transfer, and a while longer: what has come is
/// durable after some seconds.
fn some_has_come(machine: &Machine) {
    waits(machine, 8, |status| {
        status.transfers.iter().any(|one| one.done_bytes > 0)
    });
}

/// Who fetches serves what it has to the others, once the sender has told them of each other.
#[test]
fn three_receivers_of_one_line_give_to_each_other() {
    let here = Machine::new();
    let bytes = noise(5_000_000);
    fs::write(here.path("file"), &bytes).unwrap();
    let sending = here.send(&["file", "--for", "3", "--keep", "10 h"]);
    // So slow that nobody has got far before each is connected with another receiver. All have the
    // address of one host, of which each dials one port a minute (register X3).
    here.limit("1 kB/s");
    let three = [(); 3].map(|()| Machine::new());
    let gets: Vec<Child> = three
        .iter()
        .map(|one| one.command(&["get", &sending.line, "in"]).spawn().unwrap())
        .collect();
    waits(&here, 1, |status| status.node.connected == 3);
    for machine in &three {
        waits(machine, 1, |status| status.node.connected >= 2);
    }
    here.limit("2 MB/s");
    for (get, machine) in gets.into_iter().zip(&three) {
        assert_eq!(get.wait_with_output().unwrap().status.code(), Some(0));
        assert!(fs::read(machine.path("in/file")).unwrap() == bytes);
    }
    let sent = waits(&here, 1, |_| true).transfers[0].sent_bytes;
    // Three times all of it, had they got nothing from each other.
    assert!(sent < 2 * bytes.len() as u64, "{sent} B of {}", bytes.len());
}

/// It is the same receiver, for which the line is.
#[test]
fn a_get_that_was_killed_goes_on_where_it_was() {
    let (here, there) = (Machine::new(), Machine::new());
    let bytes = noise(40_000_000);
    fs::write(here.path("file"), &bytes).unwrap();
    let mut sending = here.send(&["file"]);
    here.limit("1 MB/s");
    let line = sending.line.clone();
    let arguments = ["get", &line, "in", "--json"];
    let mut get = there.command(&arguments).spawn().unwrap();
    sending.says("has come");
    some_has_come(&there);
    get.kill().unwrap();
    get.wait().unwrap();
    fs::remove_dir_all(there.path("tmp")).unwrap();
    fs::create_dir(there.path("tmp")).unwrap();
    here.limit("1 GB/s");
    let (code, said, talk) = there.said(&arguments);
    assert_eq!(code, 0, "{talk}");
    let got: Got = serde_json::from_str(&said).unwrap();
    assert!(got.resumed_bytes > 0, "{said}");
    assert!(fs::read(there.path("in/file")).unwrap() == bytes);
    assert_eq!(sending.ends(), Some(0));
}

#[test]
fn a_get_whose_sender_is_killed_says_so() {
    let (here, there) = (Machine::new(), Machine::new());
    fs::write(here.path("file"), noise(40_000_000)).unwrap();
    let mut sending = here.send(&["file"]);
    here.limit("100 kB/s");
    let mut command = there.command(&["get", &sending.line, "in"]);
    let get = command.stderr(Stdio::piped()).spawn().unwrap();
    sending.says("has come");
    sending.child.kill().unwrap();
    let Output { status, stderr, .. } = get.wait_with_output().unwrap();
    let talk = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(4), "{talk}");
    assert!(
        talk.contains("the sender does not answer at 127.0.0.1:"),
        "{talk}"
    );
    assert!(
        talk.contains("the same command goes on with what has come"),
        "{talk}"
    );
}

/// A node of somebody who knows the line and writes a parameter file for its key.
struct Insider {
    machine: Machine,
    node: Child,
}

impl Insider {
    fn new(line: &Line) -> Self {
        let machine = Machine::new();
        let (number, key) = (77, machine.path("key"));
        let pem = line.secret.receiver(number).to_pem();
        let mut file = fs::File::create(&key).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        // Nothing calls it; the port is only free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let text = format!(
            "[node]\nname = \"{}\"\nlisten = \"{}\"\ndata = \"data\"\nkey = \"key\"\n\
             patience = \"1 s\"\n[control]\nsocket = \"s\"\n\
             [[peer]]\nname = \"sender\"\nkey = \"{}\"\naddress = \"{}\"\n",
            receiver_name("insider", number),
            free.unwrap(),
            data_encoding::HEXLOWER.encode(&line.sender),
            line.addresses[0],
        );
        fs::write(machine.path("n.toml"), text).unwrap();
        let mut command = machine.command(&["run", "-c", "n.toml"]);
        let node = command.stderr(Stdio::null()).spawn().unwrap();
        Self { machine, node }
    }

    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let all = [arguments, &["-c", "n.toml"]].concat();
        self.machine.said(&all)
    }
}

impl Drop for Insider {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// Whoever is let in by a line gets what the line is for: it may push nothing, and what else it
/// asks for is not there. Two lines of one machine have nothing in common.
///
/// Register: H2.
#[test]
fn a_line_gives_a_right_to_its_own_content_alone() {
    let here = Machine::new();
    fs::write(here.path("one"), b"the first").unwrap();
    fs::write(here.path("two"), b"the second").unwrap();
    let mut one = here.send(&["one"]);
    let two = here.send(&["two"]);
    let (line, other): (Line, Line) = (one.line.parse().unwrap(), two.line.parse().unwrap());
    let insider = Insider::new(&line);
    one.says("insider has come");
    fs::write(insider.machine.path("evil"), b"unasked").unwrap();
    let (code, _, talk) = insider.said(&["send", "evil", "sender"]);
    assert_eq!(code, 7, "{talk}");
    assert!(talk.contains("does not accept pushes"), "{talk}");
    let ticket = other.ticket().unwrap().to_string();
    let (code, said, talk) = insider.said(&["get", &ticket, "in"]);
    assert_eq!((code, said.as_str()), (4, ""), "{talk}");
    let (code, peers, _) = insider.said(&["peers", "--json"]);
    assert_eq!((code, peers.matches("\"key\"").count()), (0, 1), "{peers}");
    // The line is its own, and it is for one.
    let (code, _, talk) = Machine::new().said(&["get", &one.line, "in"]);
    assert_eq!(code, 5, "{talk}");
    let ticket = line.ticket().unwrap().to_string();
    assert_eq!(insider.said(&["get", &ticket, "in"]).0, 0);
    assert!(!here.path("evil").exists());
}

#[test]
fn a_node_that_is_named_is_not_passed_over() {
    let here = Machine::new();
    fs::write(here.path("file"), b"text").unwrap();
    for arguments in [
        &["send", "file", "--socket", "s"][..],
        &["send", "file", "peer", "--for", "2"],
        &["send", "file", "--for", "0"],
        &["send", "file", "--keep", "5"],
        &["get", "fhs1-abc", "--socket", "s"],
        &["get", "fh1-abc", "--port", "7440"],
    ] {
        let (code, said, talk) = here.said(arguments);
        assert_eq!((code, said.as_str()), (2, ""), "{arguments:?}: {talk}");
    }
    assert!(!here.path("home/fairhaul").exists(), "nothing was made");
}
