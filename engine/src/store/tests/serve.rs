use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::super::ChunkReadError;
use super::*;

fn origin() -> Origin {
    Origin::new(&[("t/a", 1_500), ("t/b", 3_000), ("t/c", 2_000)], 1_000)
}

/// Which chunks can still be served; each answer is right or none.
fn served(store: &Store, origin: &Origin) -> Vec<u32> {
    let right = |chunk: &ChunkIndex| {
        // Whoever does not wait must be no easier to deceive than whoever does.
        let mut bytes = vec![0; origin.chunk(*chunk).len()];
        if store.read_at_hand(*chunk, ByteCount::ZERO, &mut bytes) {
            assert_eq!(bytes, origin.chunk(*chunk));
        }
        match read(store, *chunk) {
            Ok(bytes) => {
                assert_eq!(bytes, origin.chunk(*chunk));
                true
            }
            Err(_) => false,
        }
    };
    origin
        .chunks()
        .into_iter()
        .filter(right)
        .map(ChunkIndex::get)
        .collect()
}

fn poke(path: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Register: D4. Changed in place, truncated, replaced, removed, turned into a directory or a
/// link: the chunks that still fit are served, the others are withdrawn.
#[test]
fn a_file_that_changes_while_it_is_served_costs_its_wrong_chunks_only() {
    type Change = fn(&Path);
    let changes: [(Change, &[u32]); 7] = [
        (|file| poke(file, 600), &[0, 1, 3, 4, 5, 6]),
        (
            |file| {
                OpenOptions::new()
                    .write(true)
                    .open(file)
                    .unwrap()
                    .set_len(1_000)
                    .unwrap()
            },
            &[0, 1, 5, 6],
        ),
        (
            |file| {
                std::fs::write(file.with_extension("new"), [7; 3_000]).unwrap();
                std::fs::rename(file.with_extension("new"), file).unwrap();
            },
            &[0, 5, 6],
        ),
        (|file| std::fs::remove_file(file).unwrap(), &[0, 5, 6]),
        (
            |file| {
                std::fs::remove_file(file).unwrap();
                std::fs::create_dir(file).unwrap();
            },
            &[0, 5, 6],
        ),
        (
            |file| {
                std::fs::rename(file, file.with_extension("old")).unwrap();
                std::os::unix::fs::symlink(file.with_extension("old"), file).unwrap();
            },
            &[0, 5, 6],
        ),
        (
            |file| {
                std::fs::remove_file(file).unwrap();
                rustix::fs::mkfifoat(rustix::fs::CWD, file, 0o644.into()).unwrap();
            },
            &[0, 5, 6],
        ),
    ];
    for (number, (change, left)) in changes.into_iter().enumerate() {
        let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
        let store = origin.share(dir.path());
        assert_eq!(served(&store, &origin), [0, 1, 2, 3, 4, 5, 6]);
        change(&dir.path().join("t/b"));
        assert_eq!(served(&store, &origin), left, "change {number}");
        assert_eq!(u32::try_from(left.len()).unwrap(), store.have().count());
    }
}

/// Register: D4. The error says which chunk and which file.
#[test]
fn a_withdrawn_chunk_is_named_with_its_file_and_stays_withdrawn() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let store = origin.share(dir.path());
    poke(&dir.path().join("t/b"), 600);
    let chunk = origin.chunks()[2];
    let Err(ChunkReadError::Changed { chunk: 2, path }) = read(&store, chunk) else {
        panic!("chunk 2 was served");
    };
    assert_eq!(path, "t/b");
    assert!(matches!(
        read(&store, chunk),
        Err(ChunkReadError::Absent(2))
    ));
}

/// Register: D3, P9. A block in the middle of a chunk whose other end rotted is not served, and
/// neither is one whose rot left the file's time as it was, if it is met before the first look.
#[test]
fn a_rotten_chunk_is_not_served_in_parts_either() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    drop(origin.share(dir.path()));
    let rotten = dir.path().join("t/b");
    let store = origin.receive(dir.path()).unwrap();
    poke(&rotten, 600);
    let mut part = [0; 10];
    let chunk = origin.chunks()[2];
    let refused = store.read(chunk, ByteCount::new(900), &mut part);
    assert!(matches!(refused, Err(ChunkReadError::Changed { .. })));
    assert_eq!(part, [0; 10]);
}

/// Register: D4. A file touched and not changed is hashed once more, and served.
#[test]
fn a_touched_file_is_hashed_again_and_served() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let store = origin.share(dir.path());
    let path = dir.path().join("t/b");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(served(&store, &origin), [0, 1, 2, 3, 4, 5, 6]);
    // The same bytes in another file of the same size and time.
    std::fs::write(path.with_extension("new"), origin.file(1)).unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    assert_eq!(served(&store, &origin), [0, 1, 2, 3, 4, 5, 6]);
}

/// Register: D4. Served and changed at once, from several threads: never a wrong byte.
#[test]
fn no_reader_sees_a_wrong_byte_while_a_file_is_being_changed() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::new(&[("f", 400_000)], 4_000);
    let store = origin.share(dir.path());
    let path = dir.path().join("f");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    served(&store, &origin);
                }
            });
        }
        scope.spawn(|| {
            for at in (0..400_000).step_by(9_000) {
                poke(&path, at);
            }
        });
    });
    let left = store.have().count();
    assert_eq!(served(&store, &origin).len(), left as usize);
    assert!(left < 100);
}

/// Register: P9, D3. While a content is received, a chunk that rots before it is passed on is
/// withdrawn, and can be fetched and written again.
#[test]
fn a_chunk_that_rots_while_the_rest_arrives_is_fetched_again() {
    let (dir, origin) = (tempfile::tempdir().unwrap(), origin());
    let store = origin.receive(dir.path()).unwrap();
    for chunk in &origin.chunks()[..5] {
        store.write(*chunk, origin.chunk(*chunk)).unwrap();
    }
    let temp = super::super::receive::temp_name(&origin.tree);
    poke(&dir.path().join(temp).join("t/b"), 600);
    assert_eq!(served(&store, &origin), [0, 1, 3, 4]);
    origin.fill(&store);
    store.finish().unwrap();
    assert!(origin.is_at(dir.path()));
    assert_eq!(served(&store, &origin), [0, 1, 2, 3, 4, 5, 6]);
}

/// More files than are kept open at once.
#[test]
fn many_files_are_served_through_few_open_ones() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..700).map(|at| format!("t/{at:04}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 100)).collect();
    let origin = Origin::new(&files, 1_000);
    let store = origin.share(dir.path());
    for _ in 0..2 {
        assert_eq!(served(&store, &origin).len(), 70);
    }
}
