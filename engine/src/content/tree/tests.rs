use proptest::prelude::*;

use super::*;

pub(in crate::content) fn file(path: &str, bytes: u64) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: EntryKind::File {
            bytes,
            executable: false,
        },
    }
}

pub(in crate::content) fn folder(path: &str) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: EntryKind::EmptyDirectory,
    }
}

/// A tree whose hashes are all zero, in chunks of `chunk` bytes.
fn tree(entries: Vec<TreeEntry>, chunk: u64) -> Result<Tree, BadManifest> {
    let (_, bytes) = lay_out(&entries)?;
    let chunk = ByteCount::new(chunk);
    let hashes = vec![[0; 32]; cut(bytes, chunk)?.chunks() as usize];
    Tree::new(entries, chunk, hashes)
}

/// Files of 3, 0, 5 and 2 bytes in chunks of 4: the chunks are the bytes 0..4, 4..8, 8..10.
#[test]
fn a_chunk_lies_in_the_files_it_spans() {
    let entries = vec![
        file("a", 3),
        file("b", 0),
        folder("c"),
        file("d", 5),
        file("e", 2),
        file("f", 0),
    ];
    let tree = tree(entries, 4).unwrap();
    let pieces = |chunk, offset, len| -> Vec<(usize, u64, u64)> {
        let chunk = tree.geometry().index(chunk).unwrap();
        tree.pieces(chunk, ByteCount::new(offset), ByteCount::new(len))
            .map(|piece| (piece.entry, piece.offset, piece.len))
            .collect()
    };
    assert_eq!(pieces(0, 0, 4), [(0, 0, 3), (3, 0, 1)]);
    assert_eq!(pieces(1, 0, 4), [(3, 1, 4)]);
    assert_eq!(pieces(1, 3, 1), [(3, 4, 1)]);
    assert_eq!(pieces(2, 0, 2), [(4, 0, 2)]);
    assert_eq!(pieces(2, 1, 9), [(4, 1, 1)]);
    assert_eq!(pieces(0, 3, 0), []);
    assert_eq!(tree.bytes(), 10);
    assert_eq!(tree.files(), 5);
    assert_eq!(tree.name(), None);
}

#[test]
fn a_tree_is_called_by_what_its_paths_share() {
    let name = |entries| tree(entries, 4).unwrap().name().map(str::to_owned);
    assert_eq!(name(vec![file("big.iso", 1)]).as_deref(), Some("big.iso"));
    let photos = vec![file("photos/a", 1), folder("photos/b")];
    assert_eq!(name(photos).as_deref(), Some("photos"));
    assert_eq!(name(vec![file("a/b", 1), file("ab/c", 1)]), None);
    assert_eq!(name(vec![folder("é/x")]).as_deref(), Some("é"));
}

/// Register: M10.
#[test]
fn empty_files_and_directories_make_a_tree_of_no_chunks_and_nothing_makes_none() {
    let tree = tree(vec![file("a", 0), folder("b")], 4).unwrap();
    assert_eq!((tree.geometry().chunks(), tree.bytes()), (0, 0));
    let nothing = Tree::new(Vec::new(), ByteCount::new(4), Vec::new());
    assert_eq!(nothing, Err(BadManifest::Empty));
}

/// Register: M1, M2, M5, M6, M7, M8, M10.
#[test]
fn one_bad_name_refuses_the_whole_tree() {
    for name in ["../x", "/x", "C:\\x", "a\nb", "CON", "a/", "x\u{202e}"] {
        let got = tree(vec![file("!honest", 1), file(name, 1)], 4);
        assert!(
            matches!(got, Err(BadManifest::Path(_))),
            "{name:?}: {got:?}"
        );
    }
    for twins in [["A", "a"], ["a", "a/b"], ["a", "a"], ["b", "a"]] {
        let got = tree(twins.map(|name| file(name, 1)).to_vec(), 4);
        assert!(
            matches!(got, Err(BadManifest::Path(_))),
            "{twins:?}: {got:?}"
        );
    }
    let below = tree(vec![folder("a"), file("a/b", 1)], 4);
    assert!(matches!(below, Err(BadManifest::Path(BadPath::Below(..)))));
}

/// Register: M9.
#[test]
fn a_million_entries_are_taken_and_one_more_is_not() {
    let mut entries: Vec<TreeEntry> = (0..ENTRIES_MAX)
        .map(|at| file(&format!("{at:07}"), 1))
        .collect();
    assert_eq!(tree(entries.clone(), 64).unwrap().files(), ENTRIES_MAX);
    entries.push(file("z", 1));
    assert_eq!(tree(entries, 64), Err(BadManifest::Entries(1_000_001)));
}

/// Register: M9.
#[test]
fn files_of_2_to_the_63_bytes_are_refused_and_no_sum_wraps() {
    let half = 1 << 62;
    for sizes in [
        vec![1 << 63],
        vec![half, half],
        vec![u64::MAX, 1],
        vec![u64::MAX; 3],
    ] {
        let files = sizes.iter().zip("abc".chars());
        let entries: Vec<TreeEntry> = files
            .map(|(bytes, name)| file(&name.to_string(), *bytes))
            .collect();
        assert_eq!(tree(entries, 1 << 40), Err(BadManifest::Bytes));
    }
    let most = (1 << 63) - 1;
    assert_eq!(lay_out(&[file("a", most)]), Ok((vec![0], most)));
}

/// Register: M9, M12.
#[test]
fn the_hashes_must_be_as_many_as_the_chunks() {
    let with = |hashes| {
        Tree::new(
            vec![file("a", 10)],
            ByteCount::new(4),
            vec![[0; 32]; hashes],
        )
        .map(|_| ())
    };
    assert_eq!(with(3), Ok(()));
    for got in [0, 2, 4, 20] {
        let refused = BadManifest::Hashes {
            got: got as u64,
            needed: 3,
        };
        assert_eq!(with(got), Err(refused));
    }
    let none = Tree::new(vec![file("a", 10)], ByteCount::ZERO, vec![]);
    assert!(matches!(none, Err(BadManifest::Chunk { got: 0, .. })));
    let many = tree(vec![file("a", (1 << 24) + 1)], 1);
    assert!(matches!(many, Err(BadManifest::Chunks { .. })), "{many:?}");
    assert!(cut(1 << 24, ByteCount::new(1)).is_ok());
}

/// Register: M12.
#[test]
fn no_chunk_is_longer_than_the_content_asks_for() {
    let long = ByteCount::new(CHUNK_MAX.get() + 1);
    assert!(cut(10, CHUNK_MAX).is_ok());
    assert!(matches!(cut(10, long), Err(BadManifest::Chunk { .. })));
    let huge = 1_u64 << 60;
    assert!(cut(huge, chunk_size(huge)).is_ok());
}

#[test]
fn chunks_grow_with_the_content_and_stay_few() {
    let kib = |bytes| chunk_size(bytes).get() / 1024;
    let (mib, gib, tib) = (1 << 20, 1 << 30, 1 << 40);
    assert_eq!(kib(0), 64);
    assert_eq!(kib(64 * mib), 64);
    assert_eq!(kib(64 * mib + 1), 128);
    assert_eq!(kib(gib - 1), 1024);
    assert_eq!(kib(gib), 1024);
    assert_eq!(kib(100 * gib), 1024);
    assert_eq!(kib(tib), 1024);
    assert_eq!(kib(tib + 1), 2048);
    assert_eq!(kib(BYTES_BOUND - 1), 1 << 33);
}

/// Register: D12.
#[test]
fn a_chunk_verifies_by_its_length_and_its_own_hash_only() {
    let bytes = b"0123456789";
    let hashes: Vec<ChunkHash> = bytes.chunks(4).map(hash_chunk).collect();
    let tree = Tree::new(vec![file("a", 10)], ByteCount::new(4), hashes).unwrap();
    let chunk = |at| tree.geometry().index(at).unwrap();
    assert!(tree.verify(chunk(0), b"0123"));
    assert!(tree.verify(chunk(2), b"89"));
    assert!(!tree.verify(chunk(1), b"0123"));
    assert!(!tree.verify(chunk(0), b"012"));
    assert!(!tree.verify(chunk(2), b"89\0\0"));
    assert!(!tree.verify(chunk(0), b""));
}

/// Register: D12.
#[test]
fn a_chunk_does_not_hash_to_what_the_same_bytes_hash_to_elsewhere() {
    let bytes = b"the same bytes";
    let plain = *blake3::hash(bytes).as_bytes();
    let content = super::super::manifest::content_id(bytes).0;
    let chunk = hash_chunk(bytes);
    assert!(chunk != plain && chunk != content && content != plain);
    assert_ne!(hash_chunk(&bytes[..13]), hash_chunk(b"the same byte\0"));
}

proptest! {
    /// Slow and obvious beside fast: the stream as a list of (file, offset), byte by byte.
    #[test]
    fn the_pieces_of_every_range_are_its_bytes_in_order(
        sizes in proptest::collection::vec(0_u64..9, 1..12),
        chunk in 1_u64..9, at in 0_u32..20, offset in 0_u64..9, len in 0_u64..9,
    ) {
        let entries: Vec<TreeEntry> = sizes.iter().enumerate()
            .map(|(at, bytes)| file(&format!("{at:02}"), *bytes)).collect();
        let tree = tree(entries, chunk).unwrap();
        let bytes: Vec<(usize, u64)> = sizes.iter().enumerate()
            .flat_map(|(at, bytes)| (0..*bytes).map(move |offset| (at, offset))).collect();
        if let Some(index) = tree.geometry().index(at) {
            let start = u64::from(at) * chunk + offset;
            let (skip, take) = (usize::try_from(start).unwrap(), usize::try_from(len).unwrap());
            let want: Vec<(usize, u64)> = bytes.iter().copied().skip(skip).take(take).collect();
            let pieces: Vec<Piece> =
                tree.pieces(index, ByteCount::new(offset), ByteCount::new(len)).collect();
            prop_assert!(pieces.iter().all(|piece| piece.len > 0));
            let got: Vec<(usize, u64)> = pieces.iter()
                .flat_map(|p| (p.offset..p.offset + p.len).map(|offset| (p.entry, offset)))
                .collect();
            prop_assert_eq!(got, want);
        }
    }
}
