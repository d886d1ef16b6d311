use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::manifest::ContentId;

use super::super::state::{SavedState, StateFile};
use super::sim::{SimDisk, World};
use super::*;

fn origin() -> Origin {
    Origin::new(&[("f", 70 * 64)], 64)
}

fn file_of(disk: &SimDisk, origin: &Origin, id: ContentId) -> StateFile {
    StateFile::new(Arc::new(disk.clone()), "s", id, origin.tree.geometry())
}

fn saved(origin: &Origin, generation: u64, chunks: usize) -> SavedState {
    let mut kept = Bitfield::empty(origin.tree.geometry().chunks());
    for chunk in &origin.chunks()[..chunks] {
        kept.insert(*chunk);
    }
    SavedState {
        generation,
        finishing: false,
        chunks: kept,
    }
}

/// Gives `name` these bytes and no others.
fn put(disk: &SimDisk, name: &str, bytes: &[u8]) {
    use super::super::disk::{Disk, Open};
    let file = disk.open(name, Open::Write(0o600)).unwrap();
    file.set_len(0).unwrap();
    if !bytes.is_empty() {
        file.write_at(bytes, 0).unwrap();
    }
}

/// Register: P8. Every cut and every flipped bit of the newest generation: the older one counts.
#[test]
fn a_state_that_is_cut_or_flipped_anywhere_gives_way_to_the_older_one() {
    let (_, disk) = SimDisk::new(World::new());
    let origin = origin();
    let state = file_of(&disk, &origin, origin.tree.id());
    let (older, newer) = (saved(&origin, 6, 3), saved(&origin, 7, 9));
    state.save(&older).unwrap();
    state.save(&newer).unwrap();
    assert_eq!(state.load(), Some(newer));
    let good = disk.bytes("s.alt").unwrap();
    for len in 0..good.len() {
        put(&disk, "s.alt", &good[..len]);
        assert_eq!(state.load().as_ref(), Some(&older), "cut at {len}");
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[len] ^= 1 << bit;
            put(&disk, "s.alt", &bytes);
            assert_eq!(state.load().as_ref(), Some(&older), "flipped {len}.{bit}");
        }
    }
    put(&disk, "s", &[]);
    assert_eq!(state.load(), None);
}

/// Register: P1. Whether files may have begun to get their names decides what is found later.
#[test]
fn a_state_says_whether_files_have_got_their_names() {
    let (_, disk) = SimDisk::new(World::new());
    let origin = origin();
    let state = file_of(&disk, &origin, origin.tree.id());
    for (generation, finishing) in [(1, true), (2, false), (3, true)] {
        let saved = SavedState {
            finishing,
            ..saved(&origin, generation, 70)
        };
        state.save(&saved).unwrap();
        assert_eq!(state.load(), Some(saved));
    }
}

/// Register: P8, P12.
#[test]
fn a_state_from_the_future_or_of_another_content_is_none() {
    let (_, disk) = SimDisk::new(World::new());
    let origin = origin();
    let state = file_of(&disk, &origin, origin.tree.id());
    state.save(&saved(&origin, 2, 5)).unwrap();
    assert_eq!(file_of(&disk, &origin, ContentId([7; 32])).load(), None);
    let other = Origin::new(&[("f", 70 * 64 - 1)], 64);
    assert_eq!(file_of(&disk, &other, origin.tree.id()).load(), None);
    // The right checksum over another first word, version, flag, or bit beyond the last chunk.
    let good = disk.bytes("s").unwrap();
    for at in [0, 16, 20, good.len() - 33] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        let end = bytes.len() - 32;
        let sum = blake3::derive_key("fairhaul 2026 store state v1", &bytes[..end]);
        bytes[end..].copy_from_slice(&sum);
        put(&disk, "s", &bytes);
        assert_eq!(state.load(), None, "byte {at}");
    }
    put(&disk, "s", &good);
    assert_eq!(state.load(), Some(saved(&origin, 2, 5)));
}

/// Register: P8.
#[test]
fn a_state_of_a_gigabyte_or_that_is_no_file_is_not_read() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let state = dir.path().join(".state");
    std::fs::File::create(&state)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    std::fs::create_dir(dir.path().join(".state.alt")).unwrap();
    let refused = origin.receive(dir.path()).unwrap_err();
    // A directory under the state's name cannot be replaced; nothing is fetched.
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
    std::fs::remove_dir(dir.path().join(".state.alt")).unwrap();
    let store = origin.receive(dir.path()).unwrap();
    origin.fill(&store);
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()) && !state.exists());
}

/// Register: P8. What a state claims is hashed; without one, everything that is there is.
#[test]
fn a_lying_or_missing_state_costs_a_hash_and_nothing_else() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let store = origin.receive(dir.path()).unwrap();
    for chunk in &origin.chunks()[10..20] {
        store.write(*chunk, origin.chunk(*chunk)).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    for name in [".state", ".state.alt"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let kept = |store: &Store| store.have().iter().map(|at| at.get()).collect::<Vec<u32>>();
    let store = origin.receive(dir.path()).unwrap();
    assert_eq!(kept(&store), (10..20).collect::<Vec<u32>>());
    drop(store);
    // A state that claims all chunks, with the right checksum.
    let disk = super::super::dir::Beneath::hold(dir.path(), &files()).unwrap();
    let (id, geometry) = (origin.tree.id(), origin.tree.geometry());
    let state = StateFile::new(Arc::new(disk), ".state", id, geometry);
    state.save(&saved(&origin, 1_000, 70)).unwrap();
    let store = origin.receive(dir.path()).unwrap();
    assert_eq!(kept(&store), (10..20).collect::<Vec<u32>>());
}

/// Register: P8. The largest generation there can be is still followed by a valid state.
#[test]
fn the_last_generation_does_not_wrap() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let disk = super::super::dir::Beneath::hold(dir.path(), &files()).unwrap();
    let (id, geometry) = (origin.tree.id(), origin.tree.geometry());
    let state = StateFile::new(Arc::new(disk), ".state", id, geometry);
    state.save(&saved(&origin, u64::MAX, 1)).unwrap();
    let store = origin.receive(dir.path()).unwrap();
    origin.fill(&store);
    store.sync().unwrap();
    assert!(state.load().unwrap().chunks.is_full());
}
