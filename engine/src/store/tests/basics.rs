use std::os::unix::fs::PermissionsExt;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::*;

fn some_tree() -> Origin {
    let files = [
        ("t/a", 10),
        ("t/b/c*", 5_000),
        ("t/b/empty", 0),
        ("t/b/none/", 0),
        ("t/d", 2_500),
    ];
    Origin::new(&files, 1_024)
}

/// Register: M10.
#[test]
fn a_tree_arrives_whole_with_its_empty_files_and_directories() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    let store = origin.receive(dir.path()).unwrap();
    assert_eq!(store.have().count(), 0);
    assert!(matches!(
        store.finish(),
        Err(StoreError::Unfinished { missing: 8 })
    ));
    origin.fill(&store);
    assert_eq!(store.sync().unwrap(), 8);
    assert_eq!(store.finish().unwrap(), [dir.path().join("t")]);
    assert!(origin.is_at(dir.path()));
    assert_eq!(store.finish().unwrap(), [dir.path().join("t")]);
    let left: Vec<_> = dir.path().read_dir().unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// Register: M10.
#[test]
fn a_content_of_empty_files_alone_needs_no_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::new(&[("t/e", 0), ("t/n/", 0)], 16);
    let store = origin.receive(dir.path()).unwrap();
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()));
}

/// Register: M15.
#[test]
fn modes_are_plain_and_masked() {
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    for (mask, executable) in [(0o7777, 0o755), (0o700, 0o700)] {
        let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
        let options = Receive {
            mode_mask: mask,
            ..Receive::default()
        };
        let store = origin.receive_with(dir.path(), options).unwrap();
        origin.fill(&store);
        store.finish().unwrap();
        // The user's own mask may take bits away and never adds any.
        let got = mode(&dir.path().join("t/b/c"));
        assert!(got & !executable == 0 && got & 0o100 != 0, "{got:o}");
        let got = mode(&dir.path().join("t/d"));
        assert!(got & !(0o644 & mask) == 0 && got & 0o111 == 0, "{got:o}");
        let got = mode(&dir.path().join("t/b"));
        assert!(got & !executable == 0, "{got:o}");
    }
}

#[test]
fn a_chunk_is_served_before_and_after_the_files_get_their_names() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    let store = origin.receive(dir.path()).unwrap();
    for chunk in origin.chunks() {
        assert!(matches!(
            read(&store, chunk),
            Err(super::super::ChunkReadError::Absent(_))
        ));
        store.write(chunk, origin.chunk(chunk)).unwrap();
        assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk));
    }
    store.finish().unwrap();
    for chunk in origin.chunks() {
        assert_eq!(read(&store, chunk).unwrap(), origin.chunk(chunk));
        let mut part = [0; 100];
        store.read(chunk, ByteCount::new(50), &mut part).unwrap();
        assert_eq!(part, origin.chunk(chunk)[50..150]);
    }
}

#[test]
fn bytes_outside_a_chunk_are_refused() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    let store = origin.share(dir.path());
    let last = *origin.chunks().last().unwrap();
    let mut buf = [0; 343];
    for offset in [0, 1, u64::MAX] {
        let refused = store.read(last, ByteCount::new(offset), &mut buf);
        assert!(matches!(
            refused,
            Err(super::super::ChunkReadError::Range { .. })
        ));
    }
    assert!(matches!(store.write(last, &buf), Err(StoreError::ReadOnly)));
}

#[test]
fn a_chunk_of_the_wrong_length_is_refused() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    let store = origin.receive(dir.path()).unwrap();
    let refused = store.write(origin.chunks()[0], &[0; 1_023]);
    assert!(matches!(
        refused,
        Err(StoreError::Length { got: 1_023, .. })
    ));
}

/// Register: P1.
#[test]
fn a_sync_is_due_after_five_seconds_or_64_mib() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::new(&[("f", 70 << 20)], 1 << 20);
    let store = origin.receive(dir.path()).unwrap();
    let (start, chunks) = (
        Time::ZERO.saturating_add(Span::from_secs(9)),
        origin.chunks(),
    );
    assert!(!store.due(start));
    store.write(chunks[0], origin.chunk(chunks[0])).unwrap();
    assert!(!store.due(start));
    assert!(!store.due(start.saturating_add(Span::from_millis(4_999))));
    assert!(store.due(start.saturating_add(Span::from_secs(5))));
    store.sync().unwrap();
    assert!(!store.due(start.saturating_add(Span::from_secs(100))));
    for chunk in &chunks[1..64] {
        store.write(*chunk, origin.chunk(*chunk)).unwrap();
        assert!(!store.due(start.saturating_add(Span::from_secs(100))));
    }
    store.write(chunks[64], origin.chunk(chunks[64])).unwrap();
    assert!(store.due(start.saturating_add(Span::from_secs(100))));
}

/// Register: P1, P9.
#[test]
fn a_second_run_goes_on_with_what_was_synced_and_is_still_right() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    let chunks = origin.chunks();
    let store = origin.receive(dir.path()).unwrap();
    for chunk in &chunks[..6] {
        store.write(*chunk, origin.chunk(*chunk)).unwrap();
    }
    store.sync().unwrap();
    drop(store);
    // A bit of the third chunk rots between the runs.
    let temp = super::super::receive::temp_name(&origin.tree);
    let path = dir.path().join(temp).join("t/b/c");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2_100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = origin.receive(dir.path()).unwrap();
    let kept: Vec<u32> = store.have().iter().map(|chunk| chunk.get()).collect();
    assert_eq!(kept, [0, 1, 3, 4, 5]);
    origin.fill(&store);
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()));
}

#[test]
fn a_content_that_is_there_already_is_found_complete() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), some_tree());
    drop(origin.share(dir.path()));
    let store = origin.receive(dir.path()).unwrap();
    assert!(store.have().is_full());
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()));
}

#[test]
fn many_threads_write_and_read_one_content() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..600).map(|at| format!("t/{at:04}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 3_000)).collect();
    let origin = Origin::new(&files, 16 << 10);
    let store = origin.receive(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (store, origin) = (&store, &origin);
            scope.spawn(move || {
                for chunk in origin.chunks().into_iter().skip(start).step_by(3) {
                    store.write(chunk, origin.chunk(chunk)).unwrap();
                    assert_eq!(read(store, chunk).unwrap(), origin.chunk(chunk));
                    if chunk.get() % 40 == 0 {
                        store.sync().unwrap();
                    }
                }
            });
        }
    });
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()));
}

/// What an earlier run left is hashed, a little of it by one thread and much of it by several, and
/// how far that has come is told with each chunk.
#[test]
fn how_much_was_looked_at_is_told_as_it_goes() {
    for chunk in [64, 512 << 10] {
        let (dir, origin) = (
            tempfile::tempdir().unwrap(),
            Origin::new(&[("f", chunk * 10)], chunk),
        );
        let store = origin.receive(dir.path()).unwrap();
        origin.fill(&store);
        store.sync().unwrap();
        drop(store);
        let told = std::cell::RefCell::new(Vec::new());
        let tree = Arc::clone(&origin.tree);
        let state = dir.path().join(".state");
        let progress = |bytes| told.borrow_mut().push(bytes);
        let options = Receive::default();
        let started = Store::receive(tree, dir.path(), &state, options, &files(), &progress);
        assert!(started.unwrap().1.is_full());
        let steps: Vec<u64> = (1..=10).map(|step| step * chunk as u64).collect();
        assert_eq!(told.into_inner(), steps);
    }
}
