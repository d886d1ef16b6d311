use std::fs;

use fairhaul_core::time::Span;

use super::*;
use crate::output::fixture::{self, MadeUp};

/// Puts the same made-up runs into two results, the second one changed by `change`.
fn results(runs: &[MadeUp], change: impl Fn(&mut MadeUp)) -> [tempfile::TempDir; 2] {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    fixture::write_result(dirs[0].path(), runs);
    let mut runs = runs.to_vec();
    runs.iter_mut().for_each(change);
    fixture::write_result(dirs[1].path(), &runs);
    let [from, to] = ["simulated", "emulated"].map(|name| format!("\"world\": \"{name}"));
    edit(dirs[1].path(), "manifest.json", &from, &to);
    dirs
}

fn compared(dirs: &[tempfile::TempDir; 2]) -> Worlds {
    compare_worlds(dirs[0].path(), dirs[1].path()).unwrap()
}

/// One discipline, bulk and small transfers, in two replications.
fn transfer_runs() -> Vec<MadeUp> {
    fixture::transfer_runs(2).into_iter().take(2).collect()
}

fn swarm_runs() -> Vec<MadeUp> {
    fixture::swarm_runs(2).into_iter().take(2).collect()
}

fn row<'a>(worlds: &'a Worlds, quantity: &str, class: &str) -> &'a Found {
    let mut rows = worlds.rows.iter().map(|row| &row.found);
    let found = rows.find(|found| found.quantity == quantity && found.class == class);
    found.unwrap_or_else(|| panic!("no {quantity} of {class:?}: {worlds:#?}"))
}

/// `percent` of a span of time.
fn part(span: Span, percent: u64) -> Span {
    Span::from_nanos(span.as_nanos() * percent / 100)
}

/// Lets the transfer at `at` take `percent` of the time that it took.
fn stretch((_, (_, record)): &mut MadeUp, at: usize, percent: u64) {
    let transfer = &mut record.transfers[at];
    let (start, end) = (transfer.start.unwrap(), transfer.end.unwrap());
    transfer.end = Some(start + part(end.since(start), percent));
}

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() < 1e-3
}

#[test]
fn a_result_is_the_same_as_itself() {
    for runs in [transfer_runs(), swarm_runs()] {
        let worlds = compared(&results(&runs, |_| ()));
        assert!(worlds.rows.len() > 5, "{worlds:?}");
        assert!(worlds.warnings.is_empty(), "{worlds:?}");
        for row in &worlds.rows {
            assert!(
                row.found.error.abs() < 1e-9 && row.found.within(),
                "{row:?}"
            );
        }
    }
}

// Of four bulk transfers one takes 20 % longer and one 4 % less: the mean error is 4 %, the
// mean size 6 %, and the worst the first. Small ones are not among them.
#[test]
fn transfers_that_are_not_small_are_compared_by_name() {
    let dirs = results(&transfer_runs(), |run| {
        stretch(run, 1, 120);
        stretch(run, 2, 96);
    });
    let worlds = compared(&dirs);
    let mean = row(&worlds, "completion", "bulk");
    assert!(close(mean.error, 4.0) && mean.within(), "{mean:?}");
    assert_eq!((mean.n, mean.unit, mean.error_unit), (2, "s", "%"));
    // Both replications err by the same, which says nothing about a third.
    assert_eq!(mean.interval, None);
    let size = row(&worlds, "completion_abs", "bulk");
    assert!(close(size.error, 6.0) && !size.within(), "{size:?}");
    let worst = row(&worlds, "completion_worst", "bulk");
    assert!(close(worst.error, 20.0) && worst.item == "t1", "{worst:?}");
    let small = |row: &Row| row.found.class == "small" && row.found.quantity == "completion";
    assert!(!worlds.rows.iter().any(small));
}

// All forty small transfers take half as long again.
#[test]
fn small_transfers_are_compared_by_percentiles() {
    let dirs = results(&transfer_runs(), |run| {
        (4..44).for_each(|at| stretch(run, at, 150));
    });
    let worlds = compared(&dirs);
    let median = row(&worlds, "small_p50", "small");
    assert!(close(median.error, 50.0) && !median.within(), "{median:?}");
    assert_eq!((median.aim, median.n), (15.0, 2));
    let tail = row(&worlds, "small_p99", "small");
    assert_eq!((tail.aim, tail.n), (30.0, 2));
    assert!(row(&worlds, "completion", "bulk").within());
}

// Two peers of a class change places: in a swarm nobody has a name. Then everybody takes a
// tenth longer, and with them the last.
#[test]
fn peers_of_a_swarm_are_compared_by_rank() {
    let swapped = results(&swarm_runs(), |(_, (_, record))| record.peers.swap(1, 2));
    let worlds = compared(&swapped);
    assert!(row(&worlds, "completion_worst", "fibre").error.abs() < 1e-9);
    let slower = results(&swarm_runs(), |(_, (_, record))| {
        for peer in &mut record.peers {
            let took = peer.completed.map(|at| at.since(peer.joined.unwrap()));
            peer.completed = took.map(|took| peer.joined.unwrap() + part(took, 110));
        }
    });
    let worlds = compared(&slower);
    for (quantity, class) in [
        ("completion", "dsl"),
        ("completion_worst", "fibre"),
        ("makespan", ""),
    ] {
        let found = row(&worlds, quantity, class);
        assert!(close(found.error, 10.0) && !found.within(), "{found:?}");
    }
    assert!(
        row(&worlds, "completion_worst", "dsl")
            .item
            .starts_with("rank ")
    );
}

#[test]
fn who_ends_in_one_world_only_is_an_error_of_its_own() {
    let dirs = results(&swarm_runs(), |(_, (setup, record))| {
        if setup.replication == 1 {
            record.peers[3].completed = None;
        }
    });
    let worlds = compared(&dirs);
    let found = row(&worlds, "finished", "");
    assert_eq!(
        (found.unit, found.error, found.within()),
        ("peers", -1.0, false)
    );
    assert!(row(&worlds, "completion", "fibre").error.is_finite());
}

// Four flows in windows of four lengths. In the emulated runs the first one moves nothing in
// the windows of 10 s, and its class has that much less.
#[test]
fn shares_are_compared_window_by_window() {
    let dirs = results(&transfer_runs(), |(_, (_, record))| {
        let first = fairhaul_simulator::record::FlowName::Transfer(0);
        let long = Span::from_secs(10);
        let mut windows = record.windows.iter_mut();
        while let Some(row) = windows.find(|row| row.flow == first && row.window == long) {
            row.bytes = fairhaul_core::units::ByteCount::ZERO;
        }
    });
    let worlds = compared(&dirs);
    assert!(row(&worlds, "share_abs_1s", "").error.abs() < 1e-9);
    let size = row(&worlds, "share_abs_10s", "");
    assert!(size.error > 5.0 && !size.within(), "{size:?}");
    assert_eq!((size.error_unit, size.aim, size.n), ("points", 2.0, 2));
    let worst = row(&worlds, "share_worst_10s", "bulk");
    assert!(
        worst.error < -15.0 && worst.item.starts_with("t0 at "),
        "{worst:?}"
    );
}

// A window in which a flow has demand in one world only is no window to compare; if there is
// none left, that is said.
#[test]
fn only_windows_with_the_same_flows_count() {
    let dirs = results(&transfer_runs(), |(_, (_, record))| {
        let last = fairhaul_simulator::record::FlowName::Transfer(3);
        let mut windows = record.windows.iter_mut();
        while let Some(row) = windows.find(|row| row.flow == last) {
            row.backlogged = part(row.window, 50);
        }
    });
    let worlds = compared(&dirs);
    assert!(
        !worlds
            .rows
            .iter()
            .any(|row| row.found.quantity.starts_with("share"))
    );
    assert_eq!(worlds.warnings.len(), 1);
    assert!(worlds.warnings[0].contains("no window"), "{worlds:?}");
}

#[test]
fn one_replication_has_an_error_and_no_interval() {
    let runs: Vec<MadeUp> = transfer_runs().into_iter().take(1).collect();
    let worlds = compared(&results(&runs, |run| stretch(run, 0, 110)));
    assert!(worlds.rows.iter().all(|row| row.found.interval.is_none()));
    assert_eq!(row(&worlds, "small_p50", "small").n, 1);
}

/// Replaces text in a file of a result.
fn edit(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn results_of_different_scenarios_are_refused() {
    let dirs = results(&swarm_runs(), |_| ());
    let [sim, emu] = [dirs[0].path(), dirs[1].path()];
    let refused = |what: &str| {
        let error = compare_worlds(sim, emu).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.ends_with(what) && text.lines().count() == 1, "{text}");
    };
    edit(emu, "manifest.json", "<made up>", "other");
    refused("of different scenarios: \"<made up>\" and \"other\"");
    edit(emu, "manifest.json", "other", "<made up>");
    edit(
        emu,
        "manifest.json",
        "[scenario]\\n",
        "[policy]\\nuplink = 1\\n[scenario]\\n",
    );
    refused("\"<made up>\" with another policy");
    edit(
        emu,
        "manifest.json",
        "[policy]\\nuplink = 1\\n",
        "[output]\\nfiles = []\\n",
    );
    compare_worlds(sim, emu).unwrap();
    edit(emu, "manifest.json", "\"seed\": 7", "\"seed\": 8");
    refused("with seed 7 and with seed 8");
}

#[test]
fn results_that_share_no_run_are_refused() {
    let dirs = results(&swarm_runs(), |_| ());
    let [sim, emu] = [dirs[0].path(), dirs[1].path()];
    edit(emu, "runs.csv", ",cell,none,", ",another,none,");
    let error = compare_worlds(sim, emu).unwrap_err();
    assert!(
        matches!(error, WorldsError::NothingShared { .. }),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
    let nowhere = tempfile::tempdir().unwrap();
    let error = compare_worlds(sim, nowhere.path()).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[test]
fn worlds_the_wrong_way_round_are_refused() {
    let dirs = results(&swarm_runs(), |_| ());
    let [sim, emu] = [dirs[0].path(), dirs[1].path()];
    let simulated = "of the simulated world; allowed here is one of the emulated world";
    let emulated = "of the emulated world; allowed here is one of the simulated world";
    for (one, two, ends) in [(emu, sim, emulated), (sim, sim, simulated)] {
        let error = compare_worlds(one, two).unwrap_err();
        assert!(error.to_string().ends_with(ends), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn what_the_manifest_says_against_a_result_is_a_warning() {
    let good = EmulatedFacts {
        links: "shaped".to_owned(),
        speed: Speed::ONE,
        trustworthy: true,
        ..EmulatedFacts::default()
    };
    assert!(doubts(&good).is_empty());
    let bad = EmulatedFacts {
        links: "none".to_owned(),
        speed: "10".parse().unwrap(),
        machine_cpu_pct: "97.0".to_owned(),
        trustworthy: false,
        ..good
    };
    let doubts = doubts(&bad);
    assert_eq!(doubts.len(), 3);
    assert!(doubts[2].contains("97.0 %"), "{doubts:?}");
}

#[test]
fn a_busy_machine_is_a_warning_and_a_column() {
    let dirs = results(&swarm_runs(), |_| ());
    let path = dirs[1].path().join("runs.csv");
    let text = fs::read_to_string(&path).unwrap();
    let column = ["machine_cpu_pct", "71.5", "93"];
    let lines: Vec<String> = text
        .lines()
        .zip(column)
        .map(|(line, field)| format!("{line},{field}\n"))
        .collect();
    fs::write(path, lines.concat()).unwrap();
    let worlds = compared(&dirs);
    assert_eq!(worlds.warnings.len(), 1);
    assert!(worlds.warnings[0].contains("used to 93 %"), "{worlds:?}");
    assert!(worlds.rows.iter().all(|row| row.cpu_pct == Some(93.0)));
}

#[test]
fn a_table_that_is_none_is_refused_with_its_line() {
    let dirs = results(&swarm_runs(), |_| ());
    let [sim, emu] = [dirs[0].path(), dirs[1].path()];
    let path = emu.join("windows.csv");
    let good = fs::read(&path).unwrap();
    for (text, what) in [
        ("", "windows.csv:1: no column run"),
        ("run,window_s\n", "windows.csv:1: no column start_s"),
        (
            "run,window_s,start_s,flow_kind,flow,class,bytes,backlogged_s\nr000,1,0,peer,p,c,many,1\n",
            "windows.csv:2: \"many\" is not a number",
        ),
        (
            "run,window_s,start_s,flow_kind,flow,class,bytes,backlogged_s\nr9,1,0,peer,p,c,1,1\n",
            "windows.csv:2: run \"r9\" is not in runs.csv",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let error = compare_worlds(sim, emu).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().ends_with(what), "{error}");
    }
    fs::write(&path, good).unwrap();
    compare_worlds(sim, emu).unwrap();
}

#[test]
fn the_table_is_in_the_emulated_result_and_its_manifest() {
    let dirs = results(&transfer_runs(), |run| stretch(run, 0, 150));
    let worlds = compared(&dirs);
    let elsewhere = dirs[0].path().join("elsewhere.csv");
    let path = write_table(&worlds, dirs[1].path(), Some(&elsewhere)).unwrap();
    assert_eq!(path, elsewhere);
    assert!(!dirs[1].path().join(TABLE).exists());
    let path = write_table(&worlds, dirs[1].path(), None).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, fs::read(elsewhere).unwrap());
    let manifest = crate::output::read_manifest(dirs[1].path()).unwrap();
    assert_eq!(
        manifest.files[TABLE],
        blake3::hash(&bytes).to_hex().to_string()
    );
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("scenario,cell,quantity,class,unit,simulated,emulated,error,"));
    assert_eq!(text.lines().count(), worlds.rows.len() + 1);
    assert!(text.contains(",completion_worst,bulk,s,"), "{text}");
    assert!(text.contains(",5,outside,2,t0,\n"), "{text}");
}

#[test]
fn a_person_sees_what_misses_its_aim() {
    let dirs = results(&transfer_runs(), |run| stretch(run, 0, 150));
    let shown = crate::terminal::worlds(&compared(&dirs), crate::terminal::Style::plain());
    let worst = shown
        .lines()
        .find(|line| line.contains("completion_worst"))
        .unwrap();
    assert!(
        worst.contains("+50.0 %") && worst.contains(" !  t0"),
        "{shown}"
    );
    assert!(shown.contains("outside their aim"), "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 100),
        "{shown}"
    );
}
