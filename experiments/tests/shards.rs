//! Sweeps in parts: the same bytes as on one machine, and nothing else is put together.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::path::Path;

use lab::{Lab, SCENARIO, tables};

mod lab;

/// Four cells, one of which has a metric that the others lack, in its second place: what a part
/// knows of the columns is not what the whole knows.
fn uneven() -> String {
    let sweep = "[sweep]\n\"policy.uplink\" = [\"fifo\", \"drr\"]\n\
                 case = [{ name = \"three\", \"class.client.count\" = 3 }, \
                 { name = \"one\", \"class.client.count\" = 1 }]\n";
    SCENARIO.replace("[sweep]\n\"policy.uplink\" = [\"fifo\", \"drr\"]\n", sweep)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn parts(lab: &Lab, command: &str, of: u32) {
    for number in (1..=of).rev() {
        lab.ok(&format!("{command} --shard {number}/{of}"));
    }
}

/// Both pictures, tables, figures, the digest of all traces and what the manifest says of files.
#[test]
fn parts_made_anywhere_give_the_bytes_of_one_machine() {
    for (scenario, of) in [(SCENARIO.to_owned(), 3), (uneven(), 3), (uneven(), 8)] {
        let lab = Lab::new(&scenario);
        let whole = lab.run("sweep s.toml --out whole");
        parts(&lab, "sweep s.toml --out parts", of);
        assert!(tables(&lab.path("parts")).is_empty());
        let merged = lab.run("merge parts");
        assert_eq!(merged.status.code(), Some(0), "{merged:?}");
        assert_eq!(merged.stdout, whole.stdout);
        let digest = |talk: &[u8]| {
            let talk = String::from_utf8(talk.to_vec()).unwrap();
            let line = talk.lines().find(|line| line.starts_with("digest: "));
            line.unwrap().to_owned()
        };
        assert_eq!(digest(&merged.stderr), digest(&whole.stderr));
        assert_eq!(tables(&lab.path("parts")), tables(&lab.path("whole")));
        let figures = |out: &str| tables(&lab.path(out).join("figures"));
        assert!(!figures("whole").is_empty());
        assert_eq!(figures("parts"), figures("whole"));
        let [one, other] = ["parts", "whole"].map(|out| lab.manifest(out));
        for key in ["files", "plan_blake3", "scenario", "seed", "runs", "name"] {
            assert_eq!(one[key], other[key], "{key}");
        }
        assert_eq!(one["command"], "fairlab sweep s.toml --out parts");
        assert!(!lab.path("parts/shards").exists());
        // It is a result like any other: more can be added to it.
        lab.ok("sweep s.toml --out parts --replications 3 --resume");
        lab.ok("sweep s.toml --out fresh --replications 3");
        assert_eq!(tables(&lab.path("parts")), tables(&lab.path("fresh")));
    }
}

#[test]
fn parts_of_another_sweep_are_refused() {
    for (from, to, what) in [
        ("seed = 1", "seed = 7", "the seed"),
        ("8 Mbit/s", "9 Mbit/s", "the scenario"),
        (
            "name = \"pair\"",
            "name = \"others\"",
            "the name of the scenario",
        ),
    ] {
        let scenario = SCENARIO.replace("count = 2\n", "count = 2\nseed = 1\n");
        let lab = Lab::new(&scenario);
        lab.ok("sweep s.toml --out o --shard 1/2");
        fs::write(lab.path("s.toml"), scenario.replace(from, to)).unwrap();
        lab.ok("sweep s.toml --out o --shard 2/2");
        let line = format!(
            "o/shards/2-of-2: is no part of the same sweep as o/shards/1-of-2: {what} is another"
        );
        assert_eq!(lab.refused("merge o"), (line, 3));
        assert!(tables(&lab.path("o")).is_empty());
    }
}

#[test]
fn parts_of_other_sizes_are_refused() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml --out o --shard 1/2");
    lab.ok("sweep s.toml --out o --shard 2/3");
    let line = "o/shards/2-of-3: is no part of the same sweep as o/shards/1-of-2: the number of \
                parts is another";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml --out o --shard 1/2");
    lab.ok("sweep s.toml --out o --shard 2/2 --replications 3");
    let line = "o/shards/2-of-2: is no part of the same sweep as o/shards/1-of-2: the number of \
                replications is another";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
}

#[test]
fn missing_and_double_parts_are_refused_by_their_numbers() {
    let lab = Lab::new(SCENARIO);
    let line = "o: holds no parts of a sweep; `fairlab sweep --shard` makes them";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    lab.ok("sweep s.toml --out o --shard 2/4");
    let line = "o: of 4 parts these are missing: 1, 3, 4";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    parts(&lab, "sweep s.toml --out o --resume", 4);
    let shards = lab.path("o/shards");
    copy(&shards.join("3-of-4"), &shards.join("from-elsewhere"));
    let line = "o/shards/from-elsewhere: is part 3 of 4, and so is o/shards/3-of-4";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    fs::remove_dir_all(shards.join("3-of-4")).unwrap();
    // The name of a folder says nothing.
    lab.ok("merge o");
}

#[test]
fn a_part_that_did_not_end_or_was_changed_is_refused() {
    let lab = Lab::new(SCENARIO);
    parts(&lab, "sweep s.toml --out o", 2);
    let second = lab.path("o/shards/2-of-2/.runs");
    let run = second.join("c0000.r0001");
    let table = run.join("peers.csv");
    let whole = fs::read(&table).unwrap();
    fs::write(&table, "cut").unwrap();
    let line = "o/shards/2-of-2/.runs/c0000.r0001: is not what the manifest has the digest of";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    fs::remove_file(&table).unwrap();
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    fs::write(&table, whole).unwrap();
    let mark = fs::read_to_string(second.join("shard.json")).unwrap();
    let foreign = mark.replace("c0000.r0001", "c0000.r0000");
    fs::write(second.join("shard.json"), foreign).unwrap();
    let line = "o/shards/2-of-2: has the run of another part, c0000.r0000";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    let lacking = mark.replacen(
        "\"c0000.r0001\": ",
        "\"c0001.r0001\": \"\", \"c0001.r0001\": ",
        1,
    );
    fs::write(second.join("shard.json"), lacking).unwrap();
    let line = "o/shards/2-of-2: lacks the run c0000.r0001";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    let unknown = mark.replace("c0000.r0001", "c0000.r0009");
    fs::write(second.join("shard.json"), unknown).unwrap();
    let line = "o/shards/2-of-2: has a run that is not planned, c0000.r0009";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    fs::remove_file(second.join("shard.json")).unwrap();
    let line = "o/shards/2-of-2: a part with 2 finished runs that did not end; its command goes on \
                with --resume";
    assert_eq!(lab.refused("merge o"), (line.to_owned(), 3));
    // What is there of it is kept: a mark stands in the place of a run.
    fs::write(run.join("mark"), "").unwrap();
    lab.ok("sweep s.toml --out o --shard 2/2 --resume");
    assert!(run.join("mark").exists());
    lab.ok("merge o");
}

#[test]
fn a_result_that_is_there_is_safe_from_parts() {
    let lab = Lab::new(SCENARIO);
    parts(&lab, "sweep s.toml --out o", 2);
    let begun = "o/shards/1-of-2: holds a finished result; --resume keeps its runs and makes those \
                 that are missing, --force replaces it, and another --out leaves it alone";
    assert_eq!(
        lab.refused("sweep s.toml --out o --shard 1/2"),
        (begun.to_owned(), 2)
    );
    let kept = lab.path("kept");
    copy(&lab.path("o"), &kept);
    lab.ok("merge o");
    let before = tables(&lab.path("o"));
    let finished = begun.replace("o/shards/1-of-2", "o");
    assert_eq!(
        lab.refused("sweep s.toml --out o --shard 1/2"),
        (finished.clone(), 2)
    );
    copy(&kept, &lab.path("o"));
    assert_eq!(lab.refused("merge o"), (finished, 2));
    assert_eq!(tables(&lab.path("o")), before);
    lab.ok("merge o --force");
    assert_eq!(tables(&lab.path("o")), before);
    // A task that is submitted once more when all is done does nothing.
    let again = lab.run("sweep s.toml --out o --shard 1/2 --resume");
    let talk = String::from_utf8(again.stderr).unwrap();
    assert!(again.status.success(), "{talk}");
    assert!(
        talk.starts_with("nothing to do: all 2 runs are there\n"),
        "{talk}"
    );
    assert!(!lab.path("o/shards").exists());
}

#[test]
fn a_part_that_there_cannot_be_is_refused_in_one_line() {
    let lab = Lab::new(SCENARIO);
    for got in ["0/3", "4/3", "3", "1/", "1/1001", "a/b", "1/2/3"] {
        let line =
            format!("--shard: got {got:?}; allowed I/N with I from 1 to N, and N from 1 to 1000");
        assert_eq!(
            lab.refused(&format!("sweep s.toml --shard {got}")),
            (line, 2)
        );
    }
    let most = "allowed 1 to 4, as many as there are runs";
    let line = format!("--shard: got 5 parts; {most}");
    assert_eq!(lab.refused("sweep s.toml --shard 1/5"), (line, 2));
    for got in [0, 5] {
        let line = format!("--slurm: got {got} parts; {most}");
        assert_eq!(
            lab.refused(&format!("sweep s.toml --slurm {got}")),
            (line, 2)
        );
    }
    assert!(!lab.path("out").exists());
}

/// A stand-in for sbatch runs each task of a script at once: the jobs of the script are enough to
/// make the result.
#[test]
fn the_script_for_slurm_makes_the_result_of_one_machine() {
    let lab = Lab::new(SCENARIO);
    let script = lab.ok("sweep s.toml --replications 3 --out parts --slurm 4");
    assert!(!lab.path("parts").exists());
    fs::create_dir(lab.path("bin")).unwrap();
    let sbatch = lab.path("bin/sbatch");
    let stand_in = "#!/bin/sh\nscript=$(cat)\necho \"$*\" >>calls\ncase \"$*\" in\n\
        *--array=1-4*) for SLURM_ARRAY_TASK_ID in 1 2 3 4; do export SLURM_ARRAY_TASK_ID\n\
        sh -c \"$script\" >&2; done; echo 17 ;;\n*) sh -c \"$script\" >&2; echo 18 ;;\nesac\n";
    fs::write(&sbatch, stand_in).unwrap();
    let ended = std::process::Command::new("sh")
        .args([
            "-c",
            "chmod +x bin/sbatch; PATH=$PWD/bin:$PATH; export PATH; sh -s",
        ])
        .current_dir(lab.0.path())
        .stdin(fs::File::open(write(&lab, &script)).unwrap())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap(),
        "parts: 17, merge: 18\n"
    );
    let calls = fs::read_to_string(lab.path("calls")).unwrap();
    assert!(calls.contains("--dependency=afterok:17"), "{calls}");
    lab.ok("sweep s.toml --replications 3 --out whole");
    assert_eq!(tables(&lab.path("parts")), tables(&lab.path("whole")));
}

fn write(lab: &Lab, script: &str) -> std::path::PathBuf {
    let path = lab.path("jobs.sh");
    fs::write(&path, script).unwrap();
    path
}

/// The page shows the files that it names.
#[test]
fn the_page_about_several_machines_shows_its_files() {
    let page = include_str!("../../docs/several-machines.md");
    for file in [
        include_str!("../../docs/several-machines/Snakefile"),
        include_str!("../../docs/several-machines/parallel.sh"),
    ] {
        assert!(page.contains(file), "{file}");
    }
}
