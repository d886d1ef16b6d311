//! What a lab leaves behind when it is killed, and what the next one makes of it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fairhaul_emulate::environment::Environment as _;
use fairhaul_emulate::netns::{Namespaces, leftovers};

use super::{Running, options, remains, script, setup, turn, until};

/// A dead run: a process that has made a namespace and a folder and was killed. A foreign name
/// and a live run's things are there too.
#[test]
fn what_a_dead_run_left_is_removed_and_nothing_else() {
    let Some(_turn) = turn() else { return };
    let work = tempfile::tempdir().unwrap();
    let sh = |script: &str| {
        let done = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let dead = dead.id();
    let live = Running(Command::new("sleep").arg("infinity").spawn().unwrap());
    let pid = live.0.id();
    let foreign = format!("fairlab-foo{pid}");
    let folder = work.path().display().to_string();
    for name in [
        &format!("fairlab-{dead}-0"),
        &format!("fairlab-{dead}-hub"),
        &foreign,
    ] {
        sh(&format!("ip netns add {name}"));
    }
    sh(&format!("ip netns add fairlab-{pid}-0"));
    sh(&format!(
        "cd {folder} && mkdir -p fairlab-{dead}/0 fairlab-{pid} fairlab-foo fairlab-{dead}-x && \
         echo {dead} 1 > fairlab-{dead}/owner"
    ));
    // What still runs in there.
    let mut inside = Command::new("ip")
        .args([
            "netns",
            "exec",
            &format!("fairlab-{dead}-0"),
            "sleep",
            "infinity",
        ])
        .spawn()
        .unwrap();
    let pids = || {
        let words = ["netns", "pids", &format!("fairlab-{dead}-0")];
        let output = Command::new("ip").args(words).output().unwrap();
        !output.stdout.is_empty()
    };
    until("a process runs in there", pids);
    let removed = leftovers(work.path()).unwrap();
    let rest = remains_of(&[dead, pid]);
    sh(&format!(
        "ip netns del {foreign} && ip netns del fairlab-{pid}-0"
    ));
    assert!(!inside.wait().unwrap().success());
    assert!(removed.namespaces.contains(&format!("fairlab-{dead}-0")));
    assert!(removed.namespaces.contains(&format!("fairlab-{dead}-hub")));
    assert!(!removed.namespaces.contains(&foreign));
    assert_eq!(removed.processes, 1);
    assert_eq!(
        removed.folders,
        [work
            .path()
            .canonicalize()
            .unwrap()
            .join(format!("fairlab-{dead}"))]
    );
    assert_eq!(rest, BTreeSet::from([format!("fairlab-{pid}-0")]));
    let folders: BTreeSet<String> = remains(work.path());
    let expected = [
        format!("fairlab-{pid}"),
        format!("fairlab-{dead}-x"),
        "fairlab-foo".to_owned(),
    ];
    assert_eq!(folders, BTreeSet::from(expected));
}

/// This test is two processes: the second is the lab that is killed.
#[test]
fn a_killed_lab_takes_its_processes_along_and_the_next_run_removes_the_rest() {
    const CHILD: &str = "STAGE_TEST_WORK";
    let Some(_turn) = turn() else { return };
    if let Some(work) = std::env::var_os(CHILD) {
        let work = PathBuf::from(work);
        let program = script(
            &work,
            "#!/bin/sh\nexec python3 -c '
import signal, socket
s = socket.socket(socket.AF_UNIX); s.bind(\"control.sock\"); s.listen(); signal.pause()'\n",
        );
        let options = options(&work, program.to_str().unwrap());
        let setup = setup(&[(None, None), (None, None)], 5);
        let mut stage = Namespaces::build(&setup, &options).unwrap();
        stage.start(0).unwrap();
        println!("\nbuilt");
        loop {
            std::thread::park();
        }
    }
    let work = tempfile::tempdir().unwrap();
    let name = "crash::a_killed_lab_takes_its_processes_along_and_the_next_run_removes_the_rest";
    let lab = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, work.path())
        .stdout(Stdio::piped())
        .spawn();
    let mut lab = Running(lab.unwrap());
    let pid = lab.0.id();
    let lines = BufReader::new(lab.0.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "built"));
    drop(lab);
    let inside = |place: &str| {
        let words = ["netns", "pids", &format!("fairlab-{pid}-{place}")];
        let output = Command::new("ip").args(words).output().unwrap();
        assert!(output.status.success());
        !output.stdout.is_empty()
    };
    until("nothing runs in there", || !inside("0") && !inside("hub"));
    let removed = leftovers(work.path()).unwrap();
    let ours = |name: &&String| name.starts_with(&format!("fairlab-{pid}-"));
    assert_eq!(removed.namespaces.iter().filter(ours).count(), 3);
    assert_eq!(removed.folders.len(), 1);
    assert_eq!(remains_of(&[pid]), BTreeSet::new());
}

/// Namespaces of these runs.
fn remains_of(pids: &[u32]) -> BTreeSet<String> {
    std::fs::read_dir("/run/netns")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            pids.iter()
                .any(|pid| name.starts_with(&format!("fairlab-{pid}-")))
        })
        .collect()
}
