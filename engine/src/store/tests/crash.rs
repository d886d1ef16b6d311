//! Every crash that a transfer can suffer, as far as they can be counted: after each operation,
//! with each subset of the operations that were not synced, and writes torn at sectors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fairhaul_core::bitfield::Bitfield;

use super::super::disk::{Disk, Open};
use super::super::state::StateFile;
use super::sim::{Kept, Node, Op, SimDisk, World};
use super::*;

/// Unsynced operations of which every subset is tried.
const EXHAUSTIVE: usize = 10;

/// Subsets tried where there are more.
const SAMPLED: usize = 450;

/// One state in so many crashes again while it is recovered.
const AGAIN: usize = 16;

/// A transfer, and what was in the target directory before.
struct Case {
    origin: Origin,
    before: Vec<(&'static str, &'static [u8])>,
    overwrite: bool,
    /// Chunks between two syncs.
    synced_every: usize,
}

/// What had been synced when the log was this long.
type Marks = Vec<(usize, Bitfield)>;

fn cases() -> Vec<Case> {
    let tree = [
        ("t/a", 700),
        ("t/b/c", 3_000),
        ("t/b/d", 0),
        ("t/n/", 0),
        ("t/z", 1_500),
    ];
    let mut cases = Vec::new();
    for synced_every in [1, 3, usize::MAX] {
        let case = |files, before, overwrite| Case {
            origin: Origin::new(files, 1_024),
            before,
            overwrite,
            synced_every,
        };
        cases.push(case(&[("one", 7_000)], vec![], false));
        cases.push(case(&tree, vec![], false));
        let before: Vec<(&str, &[u8])> =
            vec![("t/mine", b"mine"), ("t/a", b"old"), ("t/b/c", b"older")];
        cases.push(case(&tree, before, true));
    }
    cases
}

/// A small generator, so that a failure can be repeated.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

impl Case {
    fn world(&self) -> World {
        let (into, _) = SimDisk::new(World::new());
        for (path, bytes) in &self.before {
            let above = path.rsplit_once('/').unwrap().0;
            super::super::disk::make_dirs(&into, above, 0o755).unwrap();
            let file = into.open(path, Open::Write(0o644)).unwrap();
            file.write_at(bytes, 0).unwrap();
        }
        let nodes = into.world().nodes.clone();
        World::from_image(nodes)
    }

    fn start(&self, into: &SimDisk, state: &SimDisk) -> Store {
        let tree = Arc::clone(&self.origin.tree);
        let state = StateFile::new(Arc::new(state.clone()), "s", tree.id(), tree.geometry());
        let options = Receive {
            overwrite: self.overwrite,
            ..Receive::default()
        };
        let into = Arc::new(into.clone());
        Store::receive_on(
            tree,
            into,
            Path::new(""),
            state,
            options,
            (&files(), &|_| {}),
        )
        .unwrap()
        .0
    }

    /// Receives the content to its end; returns what was kept at the start.
    fn run(&self, into: &SimDisk, state: &SimDisk, marks: &mut Marks) -> Bitfield {
        let store = self.start(into, state);
        let kept = store.have();
        let mut mark = |store: &Store| {
            let log = into.world().log.len();
            marks.push((log, store.have()));
        };
        mark(&store);
        let mut chunks = self.origin.chunks();
        chunks.reverse();
        chunks.swap(0, 1);
        for (count, chunk) in chunks.into_iter().enumerate() {
            if !store.have().has(chunk) {
                store.write(chunk, self.origin.chunk(chunk)).unwrap();
            } else {
                // What counts is right, and is read as it will be served.
                assert_eq!(read(&store, chunk).unwrap(), self.origin.chunk(chunk));
            }
            if (count + 1) % self.synced_every == 0 {
                store.sync().unwrap();
                mark(&store);
            }
        }
        store.finish().unwrap();
        mark(&store);
        kept
    }

    /// No final name has wrong bytes; with `done`, each has the right ones.
    fn check_names(&self, into: &SimDisk, done: bool) {
        for (at, entry) in self.origin.tree.entries().iter().enumerate() {
            let found = into.bytes(&entry.path);
            let old = self.before.iter().find(|(path, _)| **path == *entry.path);
            if entry.kind == EntryKind::EmptyDirectory {
                assert!(!done || into.status(&entry.path).unwrap().is_some());
            } else if let Some(found) = found {
                let right = found == self.origin.file(at);
                let kept = !done && old.is_some_and(|(_, old)| found == *old);
                assert!(right || kept, "{} has wrong bytes", entry.path);
            } else {
                assert!(!done && old.is_none(), "{} is missing", entry.path);
            }
        }
        for (path, bytes) in &self.before {
            let part = self
                .origin
                .tree
                .entries()
                .iter()
                .any(|entry| *entry.path == **path);
            assert!(
                part || into.bytes(path).as_deref() == Some(bytes),
                "{path} was changed"
            );
        }
    }

    /// Recovers from `image` and goes on to the end; returns the world after that.
    fn recover(&self, image: Vec<Node>, synced: &Bitfield) -> (World, Marks) {
        self.go_on(World::from_image(image), synced)
    }

    fn go_on(&self, world: World, synced: &Bitfield) -> (World, Marks) {
        let (into, state) = SimDisk::new(world);
        self.check_names(&into, false);
        let mut marks = Marks::new();
        let kept = self.run(&into, &state, &mut marks);
        assert_eq!(synced.count_beyond(&kept), 0, "synced chunks were lost");
        self.check_names(&into, true);
        let temp = super::super::receive::temp_name(&self.origin.tree);
        assert!(
            into.status(&temp).unwrap().is_none(),
            "the temporary directory is left"
        );
        assert!(state.status("s").unwrap().is_none() && state.status("s.alt").unwrap().is_none());
        let world = into.world().clone();
        (world, marks)
    }
}

fn synced(marks: &Marks, end: usize, none: &Bitfield) -> Bitfield {
    let last = marks.iter().rev().find(|(log, _)| *log <= end);
    last.map_or_else(|| none.clone(), |(_, have)| have.clone())
}

/// What is kept of `pending`, one choice after the other.
fn choices(world: &World, pending: &[usize], draws: &mut Draws) -> Vec<BTreeMap<usize, Kept>> {
    let keep = |mask: u64| {
        let lost = pending
            .iter()
            .enumerate()
            .filter(move |(bit, _)| mask >> (bit % 64) & 1 == 0);
        lost.map(|(_, at)| (*at, Kept::Nothing))
            .collect::<BTreeMap<_, _>>()
    };
    let mut all: Vec<BTreeMap<usize, Kept>> = if pending.len() <= EXHAUSTIVE {
        (0..1 << pending.len()).map(keep).collect()
    } else {
        (0..SAMPLED).map(|_| keep(draws.next())).collect()
    };
    for at in pending {
        if let Op::Write { bytes, .. } = &world.log[*at] {
            let torn = (1..bytes.len().div_ceil(512)).map(Kept::Torn);
            for part in torn.chain([Kept::Length]) {
                for mask in [u64::MAX, 0, draws.next(), draws.next()] {
                    let mut kept = keep(mask);
                    kept.insert(*at, part);
                    all.push(kept);
                }
            }
        }
    }
    all
}

/// Crashes `case` after `end` operations in every way, and again while it recovers.
fn crash_at(case: &Case, world: &World, marks: &Marks, end: usize) -> usize {
    let none = Bitfield::empty(case.origin.tree.geometry().chunks());
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15 ^ end as u64);
    let mut states = 0;
    for kept in choices(world, &world.pending(end), &mut draws) {
        let image = world.crash(end, &kept);
        let (again, again_marks) = case.recover(image, &synced(marks, end, &none));
        states += 1;
        if states % AGAIN != 0 {
            continue;
        }
        states += crash_again(case, &again, &again_marks, 0, &mut draws);
    }
    // Killed, started again, and only then the power fails.
    let (again, again_marks) = case.go_on(world.killed(end), &synced(marks, end, &none));
    states + 1 + crash_again(case, &again, &again_marks, end, &mut draws)
}

/// A crash after each operation of a recovery that began after `start` of them, each with one
/// subset drawn.
fn crash_again(
    case: &Case,
    world: &World,
    marks: &Marks,
    start: usize,
    draws: &mut Draws,
) -> usize {
    let none = Bitfield::empty(case.origin.tree.geometry().chunks());
    for end in start..=world.log.len() {
        let all = choices(world, &world.pending(end), draws);
        let image = world.crash(end, &all[draws.below(all.len())]);
        case.recover(image, &synced(marks, end, &none));
    }
    world.log.len() + 1 - start
}

/// Register: P1, P2, P3.
#[test]
fn no_crash_counts_a_wrong_chunk_names_a_wrong_file_or_loses_what_was_synced() {
    let states = AtomicUsize::new(0);
    for case in cases() {
        let (into, state) = SimDisk::new(case.world());
        let mut marks = Marks::new();
        case.run(&into, &state, &mut marks);
        case.check_names(&into, true);
        let world = into.world().clone();
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let end = next.fetch_add(1, Ordering::Relaxed);
                        if end > world.log.len() {
                            return;
                        }
                        let tried = crash_at(&case, &world, &marks, end);
                        states.fetch_add(tried, Ordering::Relaxed);
                    }
                });
            }
        });
    }
    let states = states.into_inner();
    eprintln!("{states} crash states");
    assert!(states >= 100_000, "only {states} crash states were tried");
}

/// The judge above is awake: on a disk that says it synced and did not, it finds what is wrong.
#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let case = cases().remove(1);
    let mut world = case.world();
    world.lies = true;
    let (into, state) = SimDisk::new(world);
    let mut marks = Marks::new();
    case.run(&into, &state, &mut marks);
    let world = into.world().clone();
    let (end, pending) = (world.log.len(), world.pending(world.log.len()));
    let names = |at: &&usize| matches!(world.log[**at], Op::Rename { .. } | Op::Link { .. });
    // Names without the bytes that they were given for.
    let lost = pending
        .iter()
        .filter(|at| !names(at))
        .map(|at| (*at, Kept::Nothing))
        .collect();
    let (into, _) = SimDisk::new(World::from_image(world.crash(end, &lost)));
    let judged = std::panic::catch_unwind(|| case.check_names(&into, false));
    assert!(judged.is_err());
}
