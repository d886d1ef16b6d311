use std::sync::Arc;

use fairhaul_core::library::disk_fault::Cause;
use rustix::io::Errno;

use super::super::disk::Disk;
use super::super::state::StateFile;
use super::sim::{SimDisk, World};
use super::*;

fn origin() -> Origin {
    Origin::new(&[("t/a", 700), ("t/b", 5_000), ("t/c", 900)], 1_024)
}

fn start(origin: &Origin, into: &SimDisk, state: &SimDisk) -> Result<Store, StoreError> {
    let tree = Arc::clone(&origin.tree);
    let state = StateFile::new(Arc::new(state.clone()), "s", tree.id(), tree.geometry());
    let into = Arc::new(into.clone());
    let options = Receive::default();
    let progress: &dyn Fn(u64) = &|_| {};
    let with = (&files(), progress);
    Ok(Store::receive_on(tree, into, Path::new(""), state, options, with)?.0)
}

/// What is not kept, not open or not there is for a thread that may wait.
#[test]
fn only_kept_chunks_of_open_files_are_at_hand() {
    let (into, state) = SimDisk::new(World::new());
    let origin = origin();
    let store = start(&origin, &into, &state).unwrap();
    let chunks = origin.chunks();
    let at_hand = |chunk: ChunkIndex| {
        let mut bytes = vec![0; origin.chunk(chunk).len()];
        let filled = store.read_at_hand(chunk, ByteCount::ZERO, &mut bytes);
        filled.then_some(bytes)
    };
    assert_eq!(at_hand(chunks[2]), None, "it has not come");
    store.write(chunks[2], origin.chunk(chunks[2])).unwrap();
    assert_eq!(at_hand(chunks[2]).unwrap(), origin.chunk(chunks[2]));
    assert!(!store.read_at_hand(chunks[2], ByteCount::new(1), &mut [0; 1_024]));
    store.write(chunks[0], origin.chunk(chunks[0])).unwrap();
    assert_eq!(
        at_hand(chunks[0]),
        None,
        "a small file is closed when it is written"
    );
    read(&store, chunks[0]).unwrap();
    assert_eq!(at_hand(chunks[0]).unwrap(), origin.chunk(chunks[0]));
}

/// Register: P4. At each sync of a transfer in turn: what was not durable counts as missing,
/// is named, and comes back only by being written again.
#[test]
fn a_failed_sync_takes_back_what_was_not_durable() {
    let mut failures = 0;
    for fails_at in 0..30 {
        let (into, state) = SimDisk::new(World::new());
        let origin = origin();
        let store = start(&origin, &into, &state).unwrap();
        into.world().sync_fails_in = Some(fails_at);
        let mut lost = 0;
        for chunk in origin.chunks() {
            store.write(chunk, origin.chunk(chunk)).unwrap();
            let durable = store.have();
            match store.sync() {
                Ok(_) => {}
                Err(StoreError::SyncFailed { chunks, .. }) => {
                    lost += chunks.len();
                    for chunk in chunks {
                        assert!(durable.has(chunk) && !store.have().has(chunk));
                        assert!(read(&store, chunk).is_err());
                        store.write(chunk, origin.chunk(chunk)).unwrap();
                    }
                }
                // The sync of the state file: the data is durable, and the next sync says so.
                Err(StoreError::Io { .. }) => assert_eq!(store.have(), durable),
                Err(other) => panic!("{other}"),
            }
        }
        let finished = store.finish();
        if let Err(StoreError::SyncFailed { chunks, .. }) = &finished {
            lost += chunks.len();
            assert!(matches!(store.finish(), Err(StoreError::Unfinished { .. })));
        }
        failures += usize::from(lost > 0);
        origin.fill(&store);
        store.finish().unwrap();
        for (at, entry) in origin.tree.entries().iter().enumerate() {
            assert_eq!(into.bytes(&entry.path).unwrap(), origin.file(at));
        }
    }
    assert!(failures > 5, "only {failures} syncs of data failed");
}

/// Register: P5. With any amount of space the transfer pauses where it runs out, keeps what it
/// has, and goes on when there is more.
#[test]
fn a_full_disk_pauses_and_what_was_written_stays() {
    for space in (0..9_000).step_by(97) {
        let (into, state) = SimDisk::new(World::new());
        let origin = origin();
        let store = match start(&origin, &into, &state) {
            Ok(store) => store,
            Err(error) => panic!("{error}"),
        };
        into.world().space = space;
        let mut full = false;
        for chunk in origin.chunks() {
            match store.write(chunk, origin.chunk(chunk)) {
                Ok(()) => assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk)),
                Err(error) => {
                    assert!(error.is_full(), "{error}");
                    assert!(!store.have().has(chunk));
                    full = true;
                }
            }
        }
        match store.sync() {
            Ok(_) => {}
            Err(error) => assert!(error.is_full(), "{error}"),
        }
        let kept = store.have();
        assert!(full || kept.is_full());
        into.world().space = u64::MAX;
        for chunk in kept.iter() {
            assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk));
        }
        origin.fill(&store);
        store.finish().unwrap();
        for (at, entry) in origin.tree.entries().iter().enumerate() {
            assert_eq!(into.bytes(&entry.path).unwrap(), origin.file(at));
        }
    }
}

/// Register: P5. A state file that finds no space is no reason to lose the last one.
#[test]
fn a_state_that_does_not_fit_leaves_the_old_one() {
    let (into, state) = SimDisk::new(World::new());
    let origin = origin();
    let store = start(&origin, &into, &state).unwrap();
    let chunks = origin.chunks();
    store.write(chunks[0], origin.chunk(chunks[0])).unwrap();
    store.sync().unwrap();
    store.write(chunks[1], origin.chunk(chunks[1])).unwrap();
    into.world().space = 10;
    assert!(store.sync().unwrap_err().is_full());
    assert_eq!(store.have().count(), 2);
    drop(store);
    into.world().space = u64::MAX;
    let store = start(&origin, &into, &state).unwrap();
    assert!(store.have().has(chunks[0]));
}

/// Register: M11, P5.
#[test]
fn a_content_that_cannot_fit_is_refused_before_it_starts() {
    let (into, state) = SimDisk::new(World::new());
    let origin = origin();
    into.world().space = 6_599;
    let refused = start(&origin, &into, &state).unwrap_err();
    let StoreError::Space {
        needed, available, ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!((needed, available), (6_600, 6_599));
    // What is there already is not needed again.
    into.world().space = 1 << 20;
    let store = start(&origin, &into, &state).unwrap();
    origin.fill(&store);
    store.sync().unwrap();
    drop(store);
    into.world().space = 600;
    assert!(start(&origin, &into, &state).unwrap().have().is_full());
}

/// Register: M11. More than any disk that this may run on.
#[test]
fn a_petabyte_is_refused_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = 1 << 50;
    let chunk = ByteCount::mib(1_024);
    let entry = TreeEntry {
        path: "huge".into(),
        kind: EntryKind::File {
            bytes,
            executable: false,
        },
    };
    let hashes = vec![[0; 32]; usize::try_from(bytes / chunk.get()).unwrap()];
    let tree = Arc::new(Tree::new(vec![entry], chunk, hashes).unwrap());
    let state = dir.path().join(".state");
    let refused = Store::receive(
        tree,
        dir.path(),
        &state,
        Receive::default(),
        &files(),
        &|_| {},
    );
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, StoreError::Space { .. }), "{refused}");
    assert!(
        refused.to_string().contains(&bytes.to_string()),
        "{refused}"
    );
}

/// A disk that may not be changed from the chunk `from` on: mounted read-only, closed to us, or
/// gone. Nothing that was written is lost, nothing counts that was not, and it goes on.
///
/// Register: P7.
#[test]
fn a_disk_that_forbids_changes_stops_a_transfer_and_loses_nothing() {
    for errno in [Errno::ROFS, Errno::ACCESS, Errno::PERM, Errno::NOENT] {
        for from in 0..5 {
            let (into, state) = SimDisk::new(World::new());
            let origin = origin();
            let store = start(&origin, &into, &state).unwrap();
            for (at, chunk) in origin.chunks().into_iter().enumerate() {
                into.world().refuses = Some(errno).filter(|_| at >= from);
                if let Err(error) = store.write(chunk, origin.chunk(chunk)) {
                    assert_eq!(error.cause(), Cause::Disk, "{error}");
                    assert_eq!(error.to_string().lines().count(), 1);
                    assert!(at >= from && !store.have().has(chunk));
                }
            }
            into.world().refuses = Some(errno);
            let refused = store.finish().unwrap_err();
            assert!(!refused.is_full(), "{refused}");
            let kept = store.have();
            into.world().refuses = None;
            for chunk in kept.iter() {
                assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk));
            }
            origin.fill(&store);
            store.finish().unwrap();
            for (at, entry) in origin.tree.entries().iter().enumerate() {
                assert_eq!(into.bytes(&entry.path).unwrap(), origin.file(at));
            }
        }
    }
}

/// Register: P7.
#[test]
fn a_target_that_cannot_be_used_is_refused_first() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for target in [dir.path().join("missing"), file, "/proc/self".into()] {
        let state = dir.path().join("state");
        let tree = Arc::clone(&origin.tree);
        let refused = Store::receive(tree, &target, &state, Receive::default(), &files(), &|_| {});
        let refused = refused.unwrap_err();
        assert!(matches!(&refused, StoreError::Target { .. }), "{refused}");
        assert!(
            refused.to_string().contains(&target.display().to_string()),
            "{refused}"
        );
        assert!(!state.exists());
    }
    let tree = Arc::clone(&origin.tree);
    let state = dir.path().join("none").join("state");
    let refused = Store::receive(
        tree,
        dir.path(),
        &state,
        Receive::default(),
        &files(),
        &|_| {},
    );
    assert!(matches!(refused, Err(StoreError::Target { .. })));
}

/// A temporary directory with something else under a name that an entry needs is not ours.
#[test]
fn a_strange_temporary_directory_is_refused() {
    let (into, state) = SimDisk::new(World::new());
    let origin = origin();
    let temp = super::super::receive::temp_name(&origin.tree);
    super::super::disk::make_dirs(&into, &format!("{temp}/t/a"), 0o755).unwrap();
    assert!(into.status(&format!("{temp}/t/a")).unwrap().is_some());
    let refused = start(&origin, &into, &state);
    assert!(matches!(refused, Err(StoreError::Planted { .. })));
}
