//! Rules of the house that a lint does not know, over the whole workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns of a line, but for a table or a link that cannot be broken.
const COLUMNS: usize = 100;

/// Lines of a file of decisions. It grows by splitting.
const LINES: usize = 520;

/// Lines of `node/mod.rs`: it dispatches and decides nothing.
const NODE_LINES: usize = 300;

/// Tests that may read a clock or sleep, and why nothing hangs on how fast the machine is.
const CLOCKS: [&str; 4] = [
    // Gives up waiting for what never comes; bounds from above, which time only widens.
    "engine/tests/hostile/rig.rs",
    "experiments/emulate/tests/stage/main.rs",
    // The time of a paused runtime, which stands still while anything is done.
    "engine/tests/transport_handshake.rs",
    // No test: a program that tests start, which comes, goes and waits as a scenario says.
    "experiments/emulate/tests/adversary/relay.rs",
];

/// Names that modules had, by crate, and the field's words for them (docs/decisions/0038).
const RENAMED: [(&str, &[(&str, &str)]); 5] = [
    (
        "engine/core",
        &[
            ("auto", "autorate"),
            ("book", "deficits"),
            ("claim", "bounds"),
            ("conduct", "reputation"),
            ("door", "connections"),
            ("drain", "delivery_rate"),
            ("errands", "control_frames"),
            ("first_use", "tofu"),
            ("greeting", "handshake"),
            ("meter", "limits"),
            ("node/answers", "responses"),
            ("node/members", "swarm"),
            ("node/memory", "receive_budget"),
            ("node/talk", "control_rate"),
            ("node/watch", "timeouts"),
            ("pulse", "liveness"),
            ("reach", "wait_timeout"),
            ("recent", "lru"),
            ("remotes", "remote_contents"),
            ("source", "source_prefix"),
            ("standstill", "disk_fault"),
            ("tag", "virtual_time"),
            ("tellers", "manifest_senders"),
            ("turns", "dequeue"),
            ("uplink/place", "classes"),
            ("verbs", "io"),
        ],
    ),
    (
        "engine",
        &[
            ("beneath", "dir"),
            ("changing", "limit_commands"),
            ("cli/show", "render"),
            ("doors", "access"),
            ("ending", "transfers"),
            ("getting", "transfers"),
            ("guard", "auth"),
            ("hearing", "session_events"),
            ("intake", "reader"),
            ("keeper", "state_writer"),
            ("ledger", "validate"),
            ("life", "startup"),
            ("listen", "unix_socket"),
            ("moving", "transfers"),
            ("node/arrivals", "connections"),
            ("node/watch", "stats"),
            ("outlet", "writer"),
            ("probe", "tcp_info"),
            ("pushing", "push_in"),
            ("seconds", "housekeeping"),
            ("sending", "push_out"),
            ("shelf", "chunk_store"),
            ("store/book", "chunk_index"),
        ],
    ),
    (
        "simulator",
        &[
            ("agenda", "indexed_heap"),
            ("dist", "distribution"),
            ("ideal", "fluid_reference"),
            ("station", "link_queue"),
            ("tally", "counters"),
            ("yardstick", "baseline"),
        ],
    ),
    (
        "experiments",
        &[
            ("census", "size_estimate"),
            ("drawn", "random"),
            ("headline", "summary_metrics"),
            ("inputs", "datasets"),
            ("who", "selector"),
            ("worlds", "validation"),
        ],
    ),
    (
        "experiments/emulate",
        &[
            ("account", "assemble"),
            ("assign", "placement"),
            ("calls", "control_client"),
            ("carry", "copy"),
            ("director", "player"),
            ("journal", "observations"),
            ("leftovers", "cleanup"),
            ("machines/station", "host"),
            ("members", "topology"),
            ("needs", "preflight"),
            ("nursery", "child_processes"),
            ("place", "environment"),
            ("relay/hold", "delay_queue"),
            ("room", "disk_space"),
            ("stage", "netns"),
            ("units", "item"),
            ("wires", "veth"),
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for crate_dir in [
        "engine/core",
        "engine/config",
        "engine/client",
        "engine/results",
        "engine",
        "simulator",
        "experiments",
        "experiments/emulate",
    ] {
        for folder in ["src", "tests", "benches", "examples"] {
            collect(&root().join(crate_dir).join(folder), &mut found);
        }
    }
    assert!(
        found.len() > 60,
        "only {} sources: is the root right?",
        found.len()
    );
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source is readable text");
            found.push((path.display().to_string(), text));
        }
    }
}

fn is_test(name: &str) -> bool {
    name.contains("/tests") || name.ends_with("tests.rs") || name.ends_with("laws.rs")
}

#[test]
fn every_source_opens_with_what_it_decides() {
    for (name, text) in sources() {
        let is_sibling = is_test(&name) || name.ends_with("main.rs");
        assert!(
            is_sibling || text.starts_with("//!"),
            "{name} has no header"
        );
    }
}

#[test]
fn no_line_is_longer_than_the_page() {
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let literal = line.contains('"') || line.contains("://") || line.ends_with('\\');
            let literal = literal || line.starts_with("//! |");
            let long = line.chars().count() > COLUMNS && !literal;
            assert!(
                !long,
                "{name}:{}: {} columns",
                number + 1,
                line.chars().count()
            );
        }
    }
}

#[test]
fn no_file_of_decisions_outgrows_its_reader() {
    for (name, text) in sources().iter().filter(|(name, _)| !is_test(name)) {
        let most = if name.ends_with("core/src/node/mod.rs") {
            NODE_LINES
        } else {
            LINES
        };
        let lines = text.lines().count();
        assert!(
            lines <= most,
            "{name} has {lines} lines, {most} are allowed"
        );
    }
}

#[test]
fn modules_have_the_words_of_the_field() {
    for (name, _) in sources().iter().filter(|(name, _)| !is_test(name)) {
        for (folder, renamed) in RENAMED {
            let folder = root().join(folder).join("src");
            let Ok(module) = Path::new(name).strip_prefix(folder) else {
                continue;
            };
            let module = format!("/{}/", module.with_extension("").display());
            for (old, new) in renamed {
                let has_old = module.contains(&format!("/{old}/"));
                assert!(!has_old, "{name}: {old} is called {new}");
            }
        }
    }
}

/// One type name has one meaning in the whole workspace.
#[test]
fn no_public_type_has_the_name_of_another() {
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for (name, text) in sources() {
        if is_test(&name) || !name.contains("/src/") {
            continue;
        }
        for line in text.lines() {
            let Some(item) = line.strip_prefix("pub ") else {
                continue;
            };
            let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
            let Some(rest) = kinds.iter().find_map(|kind| item.strip_prefix(kind)) else {
                continue;
            };
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let of_type = rest[..end.unwrap_or(rest.len())].to_owned();
            if let Some(other) = places.insert(of_type.clone(), name.clone()) {
                panic!("{of_type} is defined in {other} and in {name}");
            }
        }
    }
    assert!(places.len() > 300, "only {} types", places.len());
}

/// What a test says of rates, counts and durations it says in virtual or paused time, or as a
/// bound that a slow machine cannot break; what has to be measured is a benchmark.
#[test]
fn no_test_reads_a_clock_or_sleeps() {
    for (name, text) in sources() {
        let within = text.find("\nmod tests {").map(|at| &text[at..]);
        let Some(test) = is_test(&name).then_some(&text[..]).or(within) else {
            continue;
        };
        let may = name.ends_with("tidy.rs") || CLOCKS.iter().any(|path| name.ends_with(path));
        for word in ["Instant::now", "SystemTime::now", ".elapsed()", "sleep("] {
            assert!(may || !test.contains(word), "{name}: a test says {word}");
        }
    }
}

#[test]
fn every_policy_file_says_where_it_comes_from() {
    for folder in ["sched", "pick", "choke"] {
        let names: Vec<String> = match folder {
            "sched" => fairhaul_core::sched::ALL
                .iter()
                .map(|row| row.name)
                .collect::<Vec<_>>(),
            "pick" => fairhaul_core::pick::ALL
                .iter()
                .map(|row| row.name)
                .collect(),
            _ => fairhaul_core::choke::ALL
                .iter()
                .map(|row| row.name)
                .collect(),
        }
        .into_iter()
        .map(|name| name.replace("q+", "q-plus").replace('-', "_"))
        .collect();
        for name in names {
            let path = root().join(format!("engine/core/src/{folder}/{name}.rs"));
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|_| panic!("no file {} for its row", path.display()));
            for word in ["Source:", "Contract:", "Cost:", "Drawbacks:"] {
                assert!(text.contains(word), "{} has no {word}", path.display());
            }
        }
    }
}

#[test]
fn the_core_depends_on_what_the_design_allows_and_no_more() {
    let text = fs::read_to_string(root().join("engine/core/Cargo.toml")).unwrap();
    let section = text.split("[dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let names: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names, ["governor", "priority-queue", "rand", "serde"]);
}
