use proptest::prelude::*;

use super::*;
use crate::content::tree::hash_chunk;
use crate::content::tree::tests::{file, folder};

/// A tree of two files and a directory, ten bytes in chunks of four.
fn example() -> Tree {
    let mut entries = vec![file("a/b", 7), folder("a/c"), file("run", 3)];
    entries[2].kind = EntryKind::File {
        bytes: 3,
        executable: true,
    };
    let hashes = [b"0123".as_slice(), b"4567", b"89"].map(hash_chunk);
    Tree::new(entries, ByteCount::new(4), hashes.to_vec()).unwrap()
}

/// Changes one byte of the example's encoding.
fn with(at: usize, byte: u8) -> Result<Tree, BadManifest> {
    let mut bytes = example().encode();
    assert_ne!(bytes[at], byte, "nothing would change");
    bytes[at] = byte;
    Tree::decode(&bytes)
}

#[test]
fn a_tree_comes_back_from_its_encoding() {
    let tree = example();
    let bytes = tree.encode();
    assert_eq!(Tree::decode(&bytes), Ok(tree.clone()));
    assert_eq!(tree.encoded_len(), bytes.len() as u64);
    assert_eq!(tree.id(), content_id(&bytes));
}

/// The layout is public: other versions and other programs read it.
#[test]
fn the_layout_is_the_one_written_down() {
    let bytes = example().encode();
    assert_eq!(&bytes[..8], b"FHAUL MF");
    assert_eq!(&bytes[8..12], [1, 0, 0, 0]);
    assert_eq!(&bytes[12..16], [3, 0, 0, 0]);
    assert_eq!(&bytes[16..24], [4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[24..38], b"\x01\x03\0a/b\x07\0\0\0\0\0\0\0");
    assert_eq!(&bytes[38..44], b"\0\x03\0a/c");
    assert_eq!(&bytes[44..58], b"\x02\x03\0run\x03\0\0\0\0\0\0\0");
    assert_eq!(bytes.len(), 58 + 3 * 32);
    let hex = data_encoding::HEXLOWER.encode(&example().id().0);
    assert_eq!(hex, GOLDEN_ID);
}

/// The example's identity. It may never change within version 1: people keep it.
const GOLDEN_ID: &str = "b7e8f68472038000b858caf40c279d12f051ce17954fb113f23b7bdd554cef78";

#[test]
fn every_part_of_a_tree_is_in_its_identity() {
    let id = example().id();
    let hashes = example().hashes().to_vec();
    let entries = example().entries().to_vec();
    let other = |entries: Vec<TreeEntry>, hashes: Vec<ChunkHash>| {
        Tree::new(entries, ByteCount::new(4), hashes).unwrap().id()
    };
    assert_eq!(other(entries.clone(), hashes.clone()), id);
    let mut changed = entries.clone();
    changed[0].path = "a/a".into();
    assert_ne!(other(changed, hashes.clone()), id);
    let mut changed = entries.clone();
    changed[2].kind = EntryKind::File {
        bytes: 3,
        executable: false,
    };
    assert_ne!(other(changed, hashes.clone()), id);
    let mut changed = hashes.clone();
    changed[1][31] ^= 1;
    assert_ne!(other(entries, changed), id);
    assert_ne!(manifest_id(id, 9), id);
    assert_ne!(manifest_id(id, 9), manifest_id(id, 10));
}

/// Register: M3.
#[test]
fn there_is_no_word_for_links_and_devices() {
    for kind in 3..=255 {
        assert_eq!(with(24, kind), Err(BadManifest::Kind { kind, at: 24 }));
    }
}

/// Register: M7, M12.
#[test]
fn each_place_of_the_format_refuses_what_it_cannot_mean() {
    assert_eq!(with(0, b'G'), Err(BadManifest::Magic));
    assert_eq!(with(8, 2), Err(BadManifest::Magic));
    assert!(matches!(with(12, 2), Err(BadManifest::Hashes { .. })));
    assert!(with(12, 4).is_err());
    assert!(matches!(
        with(16, 0),
        Err(BadManifest::Chunk { got: 0, .. })
    ));
    assert!(matches!(
        with(16, 5),
        Err(BadManifest::Hashes { got: 3, needed: 2 })
    ));
    assert!(matches!(with(19, 5), Err(BadManifest::Chunk { .. })));
    assert!(matches!(
        with(27, 0xff),
        Err(BadManifest::Path(BadPath::NotUtf8(_)))
    ));
    assert!(matches!(
        with(27, b'/'),
        Err(BadManifest::Path(BadPath::Empty(_)))
    ));
    assert!(matches!(
        with(28, b'b'),
        Err(BadManifest::Path(BadPath::Order(..)))
    ));
    assert!(matches!(
        with(43, b'b'),
        Err(BadManifest::Path(BadPath::Twice(_)))
    ));
    assert!(matches!(
        with(43, b'B'),
        Err(BadManifest::Path(BadPath::Order(..)))
    ));
    assert!(matches!(with(37, 0x80), Err(BadManifest::Bytes)));
    assert!(matches!(with(30, 20), Err(BadManifest::Hashes { .. })));
}

/// Register: M12.
#[test]
fn every_cut_and_every_extra_byte_is_refused() {
    let bytes = example().encode();
    for len in 0..bytes.len() {
        assert!(Tree::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    let mut long = bytes.clone();
    long.push(0);
    assert_eq!(
        Tree::decode(&long),
        Err(BadManifest::Hashes { got: 4, needed: 3 })
    );
    long.extend([0; 31]);
    assert_eq!(
        Tree::decode(&long),
        Err(BadManifest::Hashes { got: 4, needed: 3 })
    );
}

/// Register: M9. A header that promises a thousand million entries, in 24 bytes.
#[test]
fn a_promise_of_entries_costs_nothing() {
    let mut bytes = example().encode();
    for (count, expected) in [
        (1_000_000_000_u32, BadManifest::Entries(1_000_000_000)),
        (1_000_001, BadManifest::Entries(1_000_001)),
        (1_000_000, BadManifest::Cut(154)),
        (0, BadManifest::Hashes { got: 5, needed: 0 }),
    ] {
        bytes[12..16].copy_from_slice(&count.to_le_bytes());
        assert_eq!(Tree::decode(&bytes), Err(expected), "{count}");
    }
}

/// Register: M9. Limit: L8.
#[test]
fn a_million_files_come_back_and_64_mib_are_the_end() {
    let entries: Vec<TreeEntry> = (0..ENTRIES_MAX)
        .map(|at| file(&format!("{at:07}"), 0))
        .collect();
    let tree = Tree::new(entries, ByteCount::kib(64), Vec::new()).unwrap();
    let bytes = tree.encode();
    assert_eq!(Tree::decode(&bytes).unwrap().files(), ENTRIES_MAX);

    let most = usize::try_from(MANIFEST_MAX).unwrap();
    let long = vec![0; most + 1];
    assert_eq!(
        Tree::decode(&long),
        Err(BadManifest::Long(MANIFEST_MAX + 1))
    );
    assert_eq!(Tree::decode(&long[..most]), Err(BadManifest::Magic));
}

prop_compose! {
    /// A tree of a few files with names in order, in small chunks.
    fn trees()(
        sizes in proptest::collection::btree_map("[a-c]{1,3}", 0_u64..40, 1..8),
        chunk in 1_u64..20, flag: bool, seed: u8,
    ) -> Tree {
        let entries: Vec<TreeEntry> = sizes.into_iter().map(|(name, bytes)| TreeEntry {
            path: name.into(),
            kind: match bytes {
                0 if flag => EntryKind::EmptyDirectory,
                bytes => EntryKind::File { bytes, executable: flag && bytes % 2 == 0 },
            },
        }).collect();
        let (_, bytes) = lay_out(&entries).unwrap();
        let chunks = 0..bytes.div_ceil(chunk);
        let hashes = chunks.map(|at| hash_chunk(&(at ^ u64::from(seed)).to_le_bytes())).collect();
        Tree::new(entries, ByteCount::new(chunk), hashes).unwrap()
    }
}

proptest! {
    #[test]
    fn any_tree_comes_back(tree in trees()) {
        let bytes = tree.encode();
        prop_assert_eq!(Tree::decode(&bytes), Ok(tree));
    }

    /// Register: W11, M9, M12. Any damage is refused, or is the only encoding of another tree.
    #[test]
    fn whatever_is_decoded_has_that_one_encoding(
        tree in trees(), at in any::<proptest::sample::Index>(), byte: u8,
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = tree.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if byte % 4 == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(other) = Tree::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    /// Register: M9, M12.
    #[test]
    fn any_bytes_are_decoded_or_refused(
        tail in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u32..4,
    ) {
        let _ = Tree::decode(&tail);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(tail);
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }
}
