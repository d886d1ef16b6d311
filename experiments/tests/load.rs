//! Scenario files that are read, swept and resolved.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::path::PathBuf;

use fairhaul_core::node::Guard;
use fairhaul_core::time::Span;
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::Share;
use fairhaul_lab::oracles;
use fairhaul_lab::scenario::{BadFile, Scenario, notes};
use fairhaul_simulator::setup::FaultKind;
use tempfile::TempDir;

/// A folder with a scenario and its data files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Scenario, BadFile> {
        Scenario::load(&self.path("s.toml"))
    }
}

fn load(text: &str) -> Scenario {
    Folder::new(&[("s.toml", text)])
        .load()
        .map_err(|bad| bad.to_string())
        .unwrap()
}

/// Something to move between two of a class `c`: a scenario without any is refused.
const DEMAND: &str = "[[transfer]]\nname = \"t\"\nsource = \"c.1\"\ndestination = \"c.2\"\n\
                      bytes = \"1 MB\"\n";

const SMALL: &str = r#"
[scenario]
name = "small"

[[peer]]
name = "server"
up = "100 Mbit/s"

[[class]]
name = "small"
count = 3
up = { uniform = ["1 Mbit/s", "2 Mbit/s"] }

[[transfer]]
name = "bulk"
source = "server"
destination = "small"
bytes = "10 MB"
"#;

// One transfer from the server to each of three peers: four peers, three transfers.
#[test]
fn a_small_scenario_becomes_a_setup() {
    let scenario = load(SMALL);
    let cells = scenario.cells();
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].label(), "all");
    let setup = cells[0].resolve(0).unwrap();
    let names: Vec<&str> = setup.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["server", "small.1", "small.2", "small.3"]);
    assert_eq!(setup.transfers.len(), 3);
    assert_eq!(setup.transfers[2].destination, 3);
    assert_eq!(setup.transfers[2].bytes.get(), 10_000_000);
}

#[test]
fn every_cell_of_every_shipped_scenario_resolves() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .filter(|name| !oracles::is_oracle_file(&folder.join(name)))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let scenario = Scenario::load(&folder.join(&name))
            .map_err(|bad| bad.to_string())
            .unwrap();
        for cell in scenario.cells() {
            let setup = cell.resolve(1).unwrap();
            assert!(!setup.peers.is_empty(), "{name} {}", cell.label());
            assert!(!setup.transfers.is_empty() || !setup.contents.is_empty());
        }
    }
}

// Defaults are written out, so the resolved file says the same when it is read again.
#[test]
fn a_resolved_file_is_a_scenario_with_the_same_plan() {
    let first = load(SMALL);
    assert!(
        first
            .resolved_toml()
            .contains("connection-window = \"1 MiB\"")
    );
    let second = load(&first.resolved_toml());
    assert_eq!(first.plan_text(), second.plan_text());
    let other = load(&SMALL.replace("10 MB", "11 MB"));
    assert_ne!(first.plan_text(), other.plan_text());
}

#[test]
fn the_plan_changes_with_a_data_file() {
    let text =
        "[scenario]\nname = \"x\"\nlatency = \"m.csv\"\n[[class]]\nname = \"c\"\ncount = 2\n";
    let text = text.to_owned() + DEMAND;
    let with = |delay: &str| {
        let table = format!("from,to,round_trip_ms\nn,n,{delay}\n");
        let folder = Folder::new(&[("s.toml", &text), ("m.csv", &table)]);
        folder.load().unwrap().plan_text()
    };
    assert_eq!(with("1"), with("1"));
    assert_ne!(with("1"), with("2"));
}

// Two axes of two values: four cells, the last axis fastest.
#[test]
fn a_sweep_is_the_product_of_its_lists() {
    let text = format!(
        "{SMALL}[sweep]\n\"class.small.count\" = [1, 2]\n\"policy.uplink\" = [\"fifo\", \"drr\"]\n\
         [replication]\nseed = 9\ncount = 3\nbaseline = \"fifo\"\n"
    );
    let scenario = load(&text);
    let labels: Vec<String> = scenario.cells().iter().map(|cell| cell.label()).collect();
    assert_eq!(
        labels,
        [
            "class.small.count=1 policy.uplink=fifo",
            "class.small.count=1 policy.uplink=drr",
            "class.small.count=2 policy.uplink=fifo",
            "class.small.count=2 policy.uplink=drr",
        ]
    );
    let setup = scenario.cells()[3].resolve(2).unwrap();
    assert_eq!(setup.peers.len(), 3);
    assert_eq!(setup.policies[0].uplink.to_string(), "drr");
    assert_eq!((setup.rng_seed, setup.replication), (9, 2));
    let baseline = Some(("policy.uplink".to_owned(), "fifo".to_owned()));
    assert_eq!(scenario.plan().baseline, baseline);
    assert_eq!(scenario.plan().replications, 3);
}

#[test]
fn an_axis_of_cases_sets_several_keys_at_once() {
    let text = format!(
        "{SMALL}[sweep]\nsize = [\n{{ name = \"one\", \"class.small.count\" = 1 }},\n\
         {{ name = \"five\", \"class.small.count\" = 5, \"transfer.bulk.bytes\" = \"1 B\" }},\n]\n"
    );
    let cells = load(&text).cells();
    assert_eq!(
        cells[1].parameters(),
        [("size".to_owned(), "five".to_owned())]
    );
    let setup = cells[1].resolve(0).unwrap();
    assert_eq!((setup.peers.len(), setup.transfers[4].bytes.get()), (6, 1));
}

// The draws of a peer hang on its name: a peer more, another cell or another policy leave
// them alone; another replication or seed does not.
#[test]
fn adding_a_peer_never_changes_what_another_draws() {
    let ups = |text: &str, replication: u32| -> Vec<Option<u64>> {
        let setup = load(text).cells()[0].resolve(replication).unwrap();
        let peers = setup.peers.iter().skip(1);
        peers.map(|peer| peer.up.map(|rate| rate.get())).collect()
    };
    let three = ups(SMALL, 0);
    let four = ups(&SMALL.replace("count = 3", "count = 4"), 0);
    assert_eq!(three[..], four[..3]);
    assert_ne!(three[0], three[1]);
    assert_ne!(three, ups(SMALL, 1));
    assert_ne!(three, ups(&format!("{SMALL}[replication]\nseed = 2\n"), 0));
    assert_eq!(
        three,
        ups(&format!("{SMALL}[policy]\nuplink = \"sfq\"\n"), 0)
    );
}

// 10 MB/s at load 0.5 and sizes of 50 kB is 100 arrivals a second: 10,000 in 100 s, and the
// standard deviation of a Poisson count is 100.
#[test]
fn a_workload_offers_its_load() {
    let text = "[scenario]\nname = \"x\"\nhorizon = \"100 s\"\n\
                [[peer]]\nname = \"s\"\nup = \"10 MB/s\"\n[[class]]\nname = \"c\"\ncount = 2\n\
                [[workload]]\nname = \"w\"\nsource = \"s\"\ndestination = \"c\"\nload = 0.5\n\
                sizes = { uniform = [\"40 kB\", \"60 kB\"] }\n";
    let setup = load(text).cells()[0].resolve(0).unwrap();
    let count = setup.transfers.len();
    assert!((9_600..=10_400).contains(&count), "{count}");
    let bytes: u64 = setup
        .transfers
        .iter()
        .map(|transfer| transfer.bytes.get())
        .sum();
    assert!((475_000_000..=525_000_000).contains(&bytes), "{bytes}");
    let to_first = setup
        .transfers
        .iter()
        .filter(|t| t.destination == 1)
        .count();
    assert!((4_500..=5_500).contains(&to_first), "{to_first}");
    assert!(
        setup
            .transfers
            .iter()
            .all(|t| t.start < setup.horizon && t.class == "w")
    );
}

#[test]
fn a_trace_is_replayed_row_by_row() {
    let text = "[scenario]\nname = \"x\"\n[[peer]]\nname = \"a\"\n[[peer]]\nname = \"b\"\n\
                [[workload]]\nname = \"w\"\nsource = \"a\"\ndestination = \"b\"\n\
                trace = \"t.csv\"\nstart = \"1 s\"\n";
    let table = "time_s,bytes,source,destination,class,weight\n\
                 0.5,100,,,web,2\n0.75,200,b,a,,\n";
    let folder = Folder::new(&[("s.toml", text), ("t.csv", table)]);
    let setup = folder.load().unwrap().cells()[0].resolve(0).unwrap();
    let rows: Vec<_> = setup
        .transfers
        .iter()
        .map(|t| {
            (
                t.start.as_nanos(),
                t.bytes.get(),
                t.source,
                t.class.as_str(),
                t.weight,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (1_500_000_000, 100, 0, "web", Weight::whole(2)),
            (1_750_000_000, 200, 1, "w", Weight::ONE),
        ]
    );
}

// A round trip of 10 ms is 5 ms each way, whichever direction the file gives.
#[test]
fn a_matrix_of_round_trips_is_halved_and_holds_both_ways() {
    let text = "[scenario]\nname = \"x\"\nlatency = \"m.csv\"\n\
                [[class]]\nname = \"c\"\ncount = 4\nregions = [\"s\", \"n\"]\n";
    let table = "from,to,round_trip_ms\nn,n,1\nn,s,10\ns,s,0.09\n";
    let text = text.to_owned() + DEMAND;
    let folder = Folder::new(&[("s.toml", &text), ("m.csv", table)]);
    let setup = folder.load().unwrap().cells()[0].resolve(0).unwrap();
    assert_eq!(setup.latency.between(1, 0), Span::from_millis(5));
    assert_eq!(setup.latency.between(0, 1), Span::from_millis(5));
    assert_eq!(setup.latency.between(1, 1), Span::from_micros(45));
    let regions: Vec<u32> = setup.peers.iter().map(|peer| peer.region).collect();
    assert_eq!(regions, [1, 0, 1, 0]);
}

/// A bundle has the timeouts of `[policy]` unless it says otherwise; without any there are none.
#[test]
fn nodes_have_the_timeouts_of_their_bundle() {
    let text = "[scenario]\nname = \"x\"\n[policy]\ntimeouts = \"default\"\n\
                [policy.same]\nslots = 7\n[policy.patient]\ntimeouts = \"none\"\n\
                [[peer]]\nname = \"a\"\n[[class]]\nname = \"c\"\ncount = 2\n";
    let guards = |text: String| {
        let setup = load(&(text + DEMAND)).cells()[0].resolve(0).unwrap();
        let guards = setup.policies.iter().map(|policy| policy.guard);
        guards.collect::<Vec<_>>()
    };
    let some = Some(Guard::default());
    assert_eq!(guards(text.to_owned()), [some, some, None]);
    let without = text.replace("timeouts = \"default\"\n", "");
    assert_eq!(guards(without), [None; 3]);
}

#[test]
fn bundles_of_policies_inherit_and_peers_follow_theirs() {
    let text = "[scenario]\nname = \"x\"\n[policy]\nuplink = \"sfq\"\nslots = 7\n\
                [policy.selfish]\nunchoke = \"tit-for-tat\"\n\
                [group.g]\nweight = 0\nupload = \"1 MB/s\"\n\
                [[peer]]\nname = \"a\"\npolicy = \"selfish\"\ngroup = \"g\"\n\
                upload = \"1 MB/s\"\nburst = \"250 ms\"\nbehaviour = \"free-rider\"\n\
                [[class]]\nname = \"c\"\ncount = 2\n";
    let setup = load(&(text.to_owned() + DEMAND)).cells()[0]
        .resolve(0)
        .unwrap();
    let peer = &setup.peers[0];
    let policy = &setup.policies[peer.policy as usize];
    assert_eq!((policy.uplink.outer().name, policy.slots.get()), ("sfq", 7));
    assert_eq!(policy.unchoke.name(), "tit-for-tat");
    assert_eq!(setup.policies[0].unchoke.name(), "none");
    assert_eq!(setup.groups[0].weight, Weight::BEST_EFFORT);
    assert_eq!(peer.burst.map(|burst| burst.get()), Some(250_000));
    assert_eq!((peer.group, peer.behaviour.name), (Some(0), "free-rider"));
}

// Poisson at 2 /s for 1,000 s: 2,000 peers, standard deviation 45. A rate that falls from
// 10 /s with tau 100 s: 1,000 peers in the end, two thirds of them (632) in the first tau.
#[test]
fn peers_arrive_as_their_process_says() {
    let joins = |arrival: &str| -> Vec<u64> {
        let text = format!(
            "[scenario]\nname = \"x\"\nhorizon = \"1000 s\"\n[[class]]\nname = \"c\"\n{arrival}\n{DEMAND}"
        );
        let setup = load(&text).cells()[0].resolve(0).unwrap();
        setup
            .peers
            .iter()
            .map(|peer| peer.join.as_nanos())
            .collect()
    };
    let poisson = joins("arrival = { poisson = \"2 /s\" }");
    assert!(
        (1_820..=2_180).contains(&poisson.len()),
        "{}",
        poisson.len()
    );
    assert!(poisson.is_sorted());
    let decay = joins("arrival = { decay = { initial = \"10 /s\", tau = \"100 s\" } }");
    assert!((870..=1_130).contains(&decay.len()), "{}", decay.len());
    let early = decay.iter().filter(|join| **join < 100_000_000_000).count();
    assert!((530..=730).contains(&early), "{early}");
    let within = joins("count = 100\narrival = { within = \"10 s\" }\nstart = \"5 s\"");
    let window = 5_000_000_000..15_000_000_000;
    assert!(within.len() == 100 && within.iter().all(|join| window.contains(join)));
    assert_eq!(joins("count = 2"), [0, 0]);
}

// Shares 3 : 1 among 4,000 peers: 3,000 and 1,000, standard deviation 27.
#[test]
fn a_mix_of_links_is_drawn_by_its_shares() {
    let text = "[scenario]\nname = \"x\"\n[[class]]\nname = \"c\"\ncount = 4000\n\
                access = [{ share = 3, up = \"1 MB/s\", down = \"unlimited\" }, \
                { share = 1, up = \"2 MB/s\", down = \"8 MB/s\" }]\n";
    let setup = load(&(text.to_owned() + DEMAND)).cells()[0]
        .resolve(0)
        .unwrap();
    let slow = setup
        .peers
        .iter()
        .filter(|peer| peer.up == Some(Rate::new(1_000_000)));
    let slow: Vec<_> = slow.collect();
    assert!((2_890..=3_110).contains(&slow.len()), "{}", slow.len());
    assert!(slow.iter().all(|peer| peer.down.is_none()));
}

#[test]
fn faults_are_ordered_by_time() {
    let text = format!(
        "{SMALL}[[fault]]\nat = \"2 s\"\nkind = \"restart\"\npeer = \"small.2\"\n\
         [[fault]]\nat = \"1 s\"\nkind = \"crash\"\npeer = \"small\"\n"
    );
    let faults = load(&text).cells()[0].resolve(0).unwrap().faults;
    assert_eq!(faults.len(), 4);
    assert_eq!(faults[0].kind, FaultKind::Crash { peer: 1 });
    assert_eq!(faults[3].kind, FaultKind::Restart { peer: 2 });
}

#[test]
fn content_names_its_seeds_and_leechers() {
    let text = format!(
        "{SMALL}[[content]]\nname = \"film\"\nbytes = \"1 MiB\"\nseeds = [\"server\", \"small.3\"]\n\
         leechers = [\"small.1\", \"small.2\"]\n"
    );
    let content = &load(&text).cells()[0].resolve(0).unwrap().contents[0];
    assert_eq!(
        (&content.seeds[..], &content.leechers[..]),
        (&[0, 3][..], &[1, 2][..])
    );
}

// A run of one cell can be repeated from its own file.
#[test]
fn a_cell_has_a_file_that_draws_the_same() {
    let text = format!(
        "{SMALL}[sweep]\n\"class.small.count\" = [1, 2]\n[replication]\nbaseline = \"1\"\n"
    );
    let cell = load(&text).cells()[1].clone();
    let again = load(&cell.resolved_toml().unwrap());
    assert_eq!(again.cells().len(), 1);
    let (first, second) = (
        cell.resolve(4).unwrap(),
        again.cells()[0].resolve(4).unwrap(),
    );
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
}

// Two rows of transfers without a class are two classes: what is compared is what they are called.
#[test]
fn a_transfer_is_reported_under_its_name_unless_it_says_another() {
    let more = r#"
[[transfer]]
name = "paid"
source = "server"
destination = "small"
bytes = "10 MB"

[[transfer]]
name = "other"
class = "bulk"
source = "server"
destination = "small"
bytes = "10 MB"
"#;
    let setup = load(&format!("{SMALL}{more}")).cells()[0]
        .resolve(0)
        .unwrap();
    let classes: Vec<&str> = setup.transfers.iter().map(|t| t.class.as_str()).collect();
    let want = ["bulk", "paid", "bulk"];
    assert_eq!(classes, want.map(|class| [class; 3]).concat());
}

#[test]
fn entitlements_are_fair_to_whom_the_scenario_says() {
    let of = |text: &str| load(text).cells()[0].resolve(0).unwrap().ideal_share;
    assert_eq!(of(SMALL), None);
    let said = SMALL.replace(
        "name = \"small\"\n\n[[peer]]",
        "name = \"small\"\nideal-share = \"group\"\n\n[[peer]]",
    );
    assert_eq!(of(&said), Some(Share::Group));
}

// Nothing is drawn where all capacities, sizes and times are written; a swarm's nodes draw whom
// they meet; a distribution draws.
#[test]
fn a_scenario_whose_replications_cannot_differ_is_known() {
    let note = |text: &str| notes::of(&load(text)).unwrap().pop();
    assert_eq!(note(SMALL), None);
    let written = SMALL.replace("{ uniform = [\"1 Mbit/s\", \"2 Mbit/s\"] }", "\"1 Mbit/s\"");
    // Which chunk is next is drawn but for the picker that has an order of its own.
    let found = note(&written).unwrap();
    assert!(
        found.starts_with("replications of every cell differ at most in what nodes draw"),
        "{found}"
    );
    let written = format!("{written}\n[policy]\npicker = \"sequential\"\n");
    let found = note(&written).unwrap();
    assert!(
        found.starts_with("replications of every cell cannot differ"),
        "{found}"
    );
    let swept = format!(
        "{written}\n[sweep]\n\"class.small.up\" = [\"1 Mbit/s\", {{ uniform = [\"1 Mbit/s\", \"2 Mbit/s\"] }}]\n"
    );
    let found = note(&swept).unwrap();
    assert!(
        found.starts_with("replications of 1 of 2 cells cannot differ"),
        "{found}"
    );
    let swarm = r#"
scenario.name = "swarm"
[[peer]]
name = "seed"
up = "1 Mbit/s"
[[class]]
name = "peer"
count = 3
up = "1 Mbit/s"
[[content]]
name = "film"
bytes = "1 MB"
seeds = "seed"
leechers = "peer"
"#;
    let found = note(swarm).unwrap();
    assert!(
        found.contains("differ at most in what nodes draw"),
        "{found}"
    );
}

#[test]
fn the_replications_of_shipped_scenarios_differ() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for name in ["default", "disciplines", "load", "swarm", "churn"] {
        let scenario = Scenario::load(&folder.join(format!("{name}.toml")));
        let scenario = scenario.map_err(|bad| bad.to_string()).unwrap();
        let found = notes::of(&scenario).unwrap();
        let mut on_replications = found.iter().filter(|note| note.starts_with("replications"));
        assert_eq!(on_replications.next(), None, "{name}");
    }
}

// A scenario gets a note for each difference between the network models that it would meet, and no
// other.
#[test]
fn what_the_network_models_do_differently_is_said() {
    let base = r#"
[scenario]
name = "x"
[group.g]
[[peer]]
name = "server"
up = "20 Mbit/s"
[[class]]
name = "client"
count = 2
[[transfer]]
name = "t"
source = "server"
destination = "client"
bytes = "1 MB"
count = 2
"#;
    let link = "[[link]]\nname = \"sea\"\ncapacity = \"18 Mbit/s\"\n";
    let weight = base.replace("bytes = ", "weight = 3\nbytes = ");
    let floor = base.replace("bytes = ", "floor = \"1 Mbit/s\"\nbytes = ");
    let by_group = format!("{floor}[policy]\nshare = \"group\"\n");
    let capped = base.replace("[group.g]", "[group.g]\nupload = \"3 Mbit/s\"");
    let capped = capped.replace("bytes = ", "group = \"g\"\nbytes = ");
    let cases = [
        (base.to_owned(), None),
        (format!("{base}{link}"), None),
        (weight.clone(), None),
        (format!("{weight}{link}"), Some("a link that several share")),
        (floor, None),
        (by_group, Some("the floor of transfer t.1:")),
        (
            capped.clone(),
            Some("the upload of the group of transfer t.1:"),
        ),
        (capped.replace("MB\"\ncount = 2\n", "MB\"\n"), None),
        (
            base.replace("bytes = ", "chunk = \"4 KiB\"\nbytes = "),
            Some("transfer t.1 has chunks of 4 KiB:"),
        ),
    ];
    for (text, expected) in cases {
        let found = notes::of(&load(&text)).unwrap();
        let found: Vec<&String> = found
            .iter()
            .filter(|note| !note.starts_with("rep"))
            .collect();
        let is_said = |want: &str| found.len() == 1 && found[0].starts_with(want);
        assert!(
            expected.map_or(found.is_empty(), is_said),
            "{expected:?}: {found:?}"
        );
    }
}
