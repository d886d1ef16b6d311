//! Limits that the system sets: descriptors that are gone, memory that may not be taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{Join, Message};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::task::JoinSet;

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Answer, Evil, Wire};
use crate::rig::{Rig, Since};

/// Sets how many descriptors a running node may have; what it could have before.
fn set_descriptors(rig: &Rig, most: u64) -> u64 {
    let pid = Pid::from_raw(i32::try_from(rig.pid()).unwrap());
    let limit = Rlimit {
        current: Some(most),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(pid, Resource::Nofile, limit)
        .unwrap()
        .current
        .unwrap()
}

/// The lowest number that no descriptor of a node has: the next one that it opens.
fn next_descriptor(rig: &Rig) -> u64 {
    let open = fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap();
    let open = open.map(|entry| entry.unwrap().file_name());
    let open: Vec<u64> = open
        .map(|name| name.to_str().unwrap().parse().unwrap())
        .collect();
    (0..).find(|number| !open.contains(number)).unwrap()
}

/// Allows a node as many descriptors as it takes to keep those of the files in `folder`. Returns
/// how many numbers below that are free: what was open for a moment may have left some.
fn no_more_than_files(rig: &Rig, folder: &Path) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap();
    // What is closed meanwhile leads nowhere.
    let open: BTreeMap<u64, PathBuf> = open
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, fs::read_link(path).ok()?))
        })
        .collect();
    let folder = folder.canonicalize().unwrap();
    let mut open_now = open.iter();
    let last = open_now.rfind(|(_, path)| path.starts_with(&folder));
    let last = *last.expect("files are open").0;
    set_descriptors(rig, last + 1);
    (0..last)
        .filter(|number| !open.contains_key(number))
        .count()
}

/// The system has no descriptor left for whoever calls, while files of contents are open: some are
/// closed for it, and it comes in.
///
/// Register: C3. Limit: L3.
#[tokio::test]
async fn files_are_closed_for_a_caller_for_whom_no_descriptor_is_left() {
    let evil = Evil::new();
    let late: Vec<Evil> = (0..16).map(|_| Evil::new()).collect();
    let mut rig = Rig::new().knows("evil", evil.key, "");
    for (number, one) in late.iter().enumerate() {
        rig = rig.knows(&format!("late-{number}"), one.key, "");
    }
    let rig = rig.start().await;
    let folder = rig.path("tree");
    fs::create_dir(&folder).unwrap();
    let (files, len) = (40_u64, 1_000_usize);
    for file in 0..files {
        fs::write(folder.join(format!("{file:04}")), noise(len, 1)).unwrap();
    }
    let content = rig.share(&folder).await.content();
    let bytes = files * len as u64;
    let chunks = shared_chunks(bytes);
    let mut wire = evil.enter(&rig).await;
    wire.want(content, chunks).await;
    wire.leech(0..chunks, 1, bytes / u64::from(chunks), bytes)
        .await;
    // Those who come first take the numbers that are free; for the last one there is none.
    let free = no_more_than_files(&rig, &folder);
    assert!(free + 1 < late.len(), "{free} descriptors are free");
    let mut inside = Vec::new();
    for one in &late[..=free] {
        let mut came = one.enter(&rig).await;
        assert!(came.is_alive().await);
        inside.push(came);
    }
    assert!(wire.is_alive().await);
}

/// There is no descriptor left at all, and nothing to close. Sessions go on, whoever calls waits,
/// and comes in when there is one; people are answered then too.
///
/// Register: C3. Limit: L3.
#[tokio::test]
async fn accepting_waits_for_a_descriptor_and_goes_on() {
    let (evil, late) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("evil", evil.key, "")
        .knows("late", late.key, "")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let before = set_descriptors(&rig, next_descriptor(&rig));
    let calling = late.enter(&rig);
    let going_on = async {
        for _ in 0..100 {
            assert!(wire.is_alive().await);
        }
        set_descriptors(&rig, before);
    };
    let (mut came, ()) = tokio::join!(calling, going_on);
    assert!(came.is_alive().await && wire.is_alive().await);
    rig.has_peers(2).await;
}

/// A control group with a limit of memory, gone when it is dropped.
struct Group {
    path: PathBuf,
    files: [&'static str; 3],
}

impl Group {
    /// None where this process may not make one.
    fn of(mib: u64) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("fairhaul-test-{}-{number}", std::process::id());
        let versions = [
            (
                "/sys/fs/cgroup/memory",
                [
                    "memory.limit_in_bytes",
                    "memory.max_usage_in_bytes",
                    "memory.oom_control",
                ],
            ),
            (
                "/sys/fs/cgroup",
                ["memory.max", "memory.peak", "memory.events"],
            ),
        ];
        let of_version = |(root, files): (&str, [&'static str; 3])| {
            let path = Path::new(root).join(&name);
            fs::create_dir(&path).ok()?;
            let group = Self { path, files };
            let limit = group.path.join(group.files[0]);
            let set = limit.exists() && fs::write(limit, (mib << 20).to_string()).is_ok();
            set.then_some(group)
        };
        versions.into_iter().find_map(of_version)
    }

    fn read(&self, file: usize) -> String {
        fs::read_to_string(self.path.join(self.files[file])).unwrap_or_default()
    }

    fn peak_mib(&self) -> u64 {
        self.read(1).trim().parse::<u64>().unwrap_or(0) >> 20
    }

    /// How often the system killed a process for its memory.
    fn kills(&self) -> u64 {
        let text = self.read(2);
        let mut counts = text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        counts
            .next()
            .map_or(0, |count| count.trim().parse().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Emptied when the node in it has ended, which was started after this was made.
        let _ = fs::remove_dir(&self.path);
    }
}

/// What each of two hundred listed peers does to take memory.
async fn takes(mut wire: Wire, number: u8, shared: ContentId, chunks: u32) -> Wire {
    match number % 5 {
        // Manifests that are announced, and the first MiB of one.
        0 => {
            let mut content = Content::of_manifest(vec![number]);
            content.manifest = vec![number; 4 * 1024 * 1024];
            wire.offer(&content).await;
            wire.claim(&content, true).await;
            let bytes = vec![number; 256 * 1024];
            for part in 0..4 {
                wire.block(TransferId(0), 0, part * 256 * 1024, &bytes)
                    .await;
            }
        }
        // Everything is asked for, and nothing is read.
        1 => {
            wire.want(shared, chunks).await;
            for chunk in (0..chunks).cycle().take(256) {
                wire.request(chunk).await;
            }
        }
        // Bitfields of contents that nobody knows.
        2 => {
            for content in 0..64 {
                let mut id = [number; 32];
                id[0] = content;
                let join = Join {
                    content: ContentId(id),
                    transfer: TransferId(content.into()),
                    have: Bitfield::full(1 << 19),
                    reply: true,
                };
                wire.say(&Message::Join(Box::new(join))).await;
            }
        }
        // Answers that are never read.
        3 => {
            for ping in 0..400 {
                wire.say(&Message::Ping(ping)).await;
            }
        }
        // A push, as it should be.
        _ => {
            let content = Content::file(&format!("f{number}"), 8 * CHUNK, number);
            wire.offer(&content).await;
            wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
        }
    }
    wire
}

/// The system lets the node take 128 MiB, and two hundred listed peers make it hold what they can,
/// each kind of thing at the same time. It is not killed; people have their answers, and a peer
/// what it asks for.
///
/// Register: C10, J10. Limit: L4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_peers_at_a_limit_of_memory_do_not_kill_the_node() {
    let Some(group) = Group::of(128) else {
        eprintln!("skipped: this process may not make a control group with a limit of memory");
        return;
    };
    let evils: Vec<Evil> = (0..200).map(|_| Evil::new()).collect();
    let honest = Evil::new();
    let mut rig = Rig::new().knows("honest", honest.key, "");
    for (at, evil) in evils.iter().enumerate() {
        let more = "accept = \"in\"\nquota = \"1 GB\"";
        rig.list(&format!("e{at}"), evil.key, more);
    }
    rig.group = Some(group.path.clone());
    let rig = rig.start().await;
    let len = 16 * 1024 * 1024;
    fs::write(rig.path("f"), noise(len as usize, 1)).unwrap();
    let content = rig.share(&rig.path("f")).await.content();
    let chunks = shared_chunks(len);
    let mut attacks = JoinSet::new();
    for (number, evil) in (0..).zip(&evils) {
        let wire = evil.enter(&rig).await;
        attacks.spawn(takes(wire, number, content, chunks));
    }
    // Some are closed already, for what they sent unasked.
    let all = async || (rig.metric("fairhaul_connections_total").await >= 200).then_some(());
    rig.until("all have come", all).await;
    let begun = Since::now();
    let mut wire = honest.enter(&rig).await;
    wire.want(content, chunks).await;
    wire.leech(0..chunks, 4, len / u64::from(chunks), len).await;
    rig.status().await;
    let took = begun.millis();
    let mut held = Vec::new();
    while let Some(ended) = attacks.join_next().await {
        held.push(ended.unwrap());
    }
    assert!(wire.is_alive().await);
    rig.status().await;
    let (peak, kills) = (group.peak_mib(), group.kills());
    // For `scripts/engine/memory.sh`.
    eprintln!("figure: 200 peers,128,{peak},{kills},{took}");
    assert_eq!(kills, 0);
    drop((held, rig));
}
