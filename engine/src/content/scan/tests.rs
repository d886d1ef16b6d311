use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::content::tree::hash_chunk;

/// A directory `photos` with these files; a path that ends in `/` is a directory.
fn photos(files: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("photos");
    fs::create_dir(&root).unwrap();
    for (path, bytes) in files {
        let at = root.join(path);
        if path.ends_with('/') {
            fs::create_dir_all(&at).unwrap();
        } else {
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, bytes).unwrap();
        }
    }
    (dir, root)
}

fn paths(scanned: &Scanned) -> Vec<&str> {
    let entries = scanned.tree.entries().iter();
    entries.map(|entry| &*entry.path).collect()
}

#[test]
fn a_file_is_called_by_its_own_name() {
    let (_dir, root) = photos(&[("big.iso", b"0123456789")]);
    let scanned = scan(&root.join("big.iso"), &Options::default()).unwrap();
    assert_eq!(paths(&scanned), ["big.iso"]);
    assert_eq!(scanned.tree.hashes(), [hash_chunk(b"0123456789")]);
    assert_eq!(scanned.base, root);
    let metadata = fs::metadata(root.join("big.iso")).unwrap();
    assert_eq!(scanned.stamps, [Stamp::of(&metadata)]);
    assert_eq!(scanned.stamps[0].bytes, 10);
}

/// Register: M10.
#[test]
fn a_directory_brings_its_files_its_modes_and_what_is_empty() {
    let (_dir, root) = photos(&[
        ("b/x", b"1"),
        ("a.txt", b""),
        ("b/empty/", b""),
        (".hidden", b"2"),
        ("run", b"3"),
        (".gitignore", b"a.txt"),
    ]);
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    let scanned = scan(&root, &Options::default()).unwrap();
    assert_eq!(
        paths(&scanned),
        [
            "photos/.gitignore",
            "photos/.hidden",
            "photos/a.txt",
            "photos/b/empty",
            "photos/b/x",
            "photos/run",
        ]
    );
    let kinds: Vec<EntryKind> = scanned
        .tree
        .entries()
        .iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(kinds[3], EntryKind::EmptyDirectory);
    assert_eq!(
        kinds[5],
        EntryKind::File {
            bytes: 1,
            executable: true
        }
    );
    assert_eq!(
        kinds[4],
        EntryKind::File {
            bytes: 1,
            executable: false
        }
    );
    assert_eq!(scanned.stamps.len(), 6);
    assert_eq!(scanned.tree.name(), Some("photos"));

    let (_dir, root) = photos(&[]);
    let scanned = scan(&root, &Options::default()).unwrap();
    assert_eq!(paths(&scanned), ["photos"]);
    assert_eq!(scanned.tree.files(), 0);
}

/// Files of many sizes in chunks of 100 bytes, hashed by one thread and by four: the same
/// hashes as of the concatenation, and every byte is told of once.
#[test]
fn chunks_span_files_and_hash_the_same_on_any_number_of_threads() {
    let bytes: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
    let sizes = [0, 1, 99, 100, 101, 0, 7, 5_000, 13, 3_000];
    let mut at = 0;
    let files: Vec<(String, &[u8])> = sizes
        .iter()
        .enumerate()
        .map(|(name, size)| {
            at += size;
            (format!("{name:02}"), &bytes[at - size..at])
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, part)| (&**name, *part)).collect();
    let (_dir, root) = photos(&files);
    let expected: Vec<_> = bytes[..at].chunks(100).map(hash_chunk).collect();
    for threads in [1, 4] {
        let told = AtomicU64::new(0);
        let progress = |bytes| {
            told.fetch_add(bytes, Ordering::Relaxed);
        };
        let options = Options {
            chunk: Some(ByteCount::new(100)),
            threads: NonZeroUsize::new(threads),
            progress: &progress,
            ..Options::default()
        };
        let scanned = scan(&root, &options).unwrap();
        assert_eq!(scanned.tree.hashes(), expected);
        assert_eq!(told.load(Ordering::Relaxed), at as u64);
    }
}

/// A chunk longer than what is read at once, from a file of three units and a bit.
#[test]
fn a_chunk_longer_than_a_unit_is_one_hash() {
    let bytes: Vec<u8> = (0..3 * 1024 * 1024 + 5_u32)
        .map(|at| at.to_le_bytes()[1])
        .collect();
    let (_dir, root) = photos(&[("a", &bytes)]);
    let chunk = Some(ByteCount::mib(2));
    let scanned = scan(
        &root,
        &Options {
            chunk,
            ..Options::default()
        },
    )
    .unwrap();
    let expected: Vec<_> = bytes.chunks(2 * 1024 * 1024).map(hash_chunk).collect();
    assert_eq!(scanned.tree.hashes(), expected);
}

/// Register: M3.
#[test]
fn links_and_special_files_are_left_out_and_named() {
    let (dir, root) = photos(&[("a", b"1")]);
    fs::write(dir.path().join("secret"), "s").unwrap();
    symlink(dir.path().join("secret"), root.join("link")).unwrap();
    symlink(dir.path(), root.join("loop")).unwrap();
    let fifo = std::process::Command::new("mkfifo")
        .arg(root.join("pipe"))
        .status()
        .unwrap();
    assert!(fifo.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let scanned = scan(&root, &Options::default()).unwrap();
    assert_eq!(paths(&scanned), ["photos/a"]);
    let mut skipped: Vec<(String, Why)> = scanned
        .skipped
        .iter()
        .map(|out| {
            (
                out.path.file_name().unwrap().to_str().unwrap().to_owned(),
                out.why.clone(),
            )
        })
        .collect();
    skipped.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("link", Why::Symlink),
        ("loop", Why::Symlink),
        ("pipe", Why::Special),
        ("socket", Why::Special),
    ];
    assert_eq!(skipped, expected.map(|(name, why)| (name.to_owned(), why)));
    assert!(matches!(
        scan(&root.join("pipe"), &Options::default()),
        Err(ScanError::NotContent(_))
    ));
}

#[test]
fn a_link_as_the_root_is_followed_and_called_what_it_leads_to() {
    let (dir, root) = photos(&[("a", b"1")]);
    let link = dir.path().join("link");
    symlink(&root, &link).unwrap();
    let scanned = scan(&link, &Options::default()).unwrap();
    assert_eq!(paths(&scanned), ["photos/a"]);
    assert!(scanned.base.join("photos/a").is_file());
}

#[test]
fn patterns_leave_out_what_they_name_and_take_back_what_they_deny() {
    let files: Vec<(&str, &[u8])> = ["a.log", "b.log", "c/d.tmp", "c/e", "target/x", "keep.log"]
        .into_iter()
        .map(|path| (path, b"1".as_slice()))
        .collect();
    let (_dir, root) = photos(&files);
    let ignore = ["*.log", "!keep.log", "/target/"]
        .map(str::to_owned)
        .to_vec();
    let options = Options {
        ignore,
        ..Options::default()
    };
    let scanned = scan(&root, &options).unwrap();
    assert_eq!(
        paths(&scanned),
        ["photos/c/d.tmp", "photos/c/e", "photos/keep.log"]
    );

    fs::write(root.join("c/.fairhaulignore"), "*.tmp\n").unwrap();
    let scanned = scan(&root, &options).unwrap();
    assert_eq!(
        paths(&scanned),
        ["photos/c/.fairhaulignore", "photos/c/e", "photos/keep.log"]
    );
    assert!(scanned.skipped.is_empty());
}

#[test]
fn a_pattern_that_means_nothing_is_refused() {
    let (_dir, root) = photos(&[("a", b"1")]);
    let ignore = vec!["[z-a]".to_owned()];
    let why = scan(
        &root,
        &Options {
            ignore,
            ..Options::default()
        },
    )
    .unwrap_err();
    assert!(matches!(why, ScanError::Pattern(_)), "{why}");
    fs::write(root.join(IGNORE_FILE), "ok\n[z-a]\n").unwrap();
    let why = scan(&root, &Options::default()).unwrap_err();
    assert!(why.to_string().contains(IGNORE_FILE), "{why}");
}

/// Register: M6, M7.
#[test]
fn a_name_that_is_not_portable_is_refused_or_left_out_with_all_below_it() {
    let (_dir, root) = photos(&[("a", b"1"), ("what?/x", b"2"), ("nul.txt", b"3")]);
    let bad = root.join(std::ffi::OsStr::from_bytes(b"b\xff"));
    fs::write(&bad, "4").unwrap();
    let why = scan(&root, &Options::default()).unwrap_err();
    assert!(matches!(why, ScanError::Name { .. }), "{why}");
    assert!(!why.to_string().contains('\n'));

    let options = Options {
        skip_unportable: true,
        ..Options::default()
    };
    let scanned = scan(&root, &options).unwrap();
    assert_eq!(paths(&scanned), ["photos/a"]);
    assert_eq!(scanned.skipped.len(), 3);
    assert!(
        scanned
            .skipped
            .iter()
            .all(|out| matches!(out.why, Why::Name(_)))
    );
    let why = scan(&bad, &options).unwrap_err();
    assert!(why.to_string().contains("b\\xff"), "{why}");
}

/// Register: M7.
#[test]
fn case_twins_on_disk_are_refused_with_both_names() {
    let (_dir, root) = photos(&[("A", b"1"), ("a", b"2")]);
    let why = scan(&root, &Options::default()).unwrap_err().to_string();
    assert!(
        why.contains("photos/A") && why.contains("photos/a"),
        "{why}"
    );
}

/// The file is changed from within the progress callback: after it was opened, before it is
/// closed.
#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |path| fs::write(path, b"other").unwrap(),
        |path| {
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_len(1).unwrap();
        },
        |path| {
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        },
    ];
    for change in changes {
        let (_dir, root) = photos(&[("a", &[7; 300]), ("b", &[8; 300])]);
        let path = root.join("b");
        let once = Mutex::new(Some(change));
        let progress = |_| {
            if let Some(change) = once.lock().unwrap().take() {
                change(&path);
            }
        };
        let options = Options {
            chunk: Some(ByteCount::new(100)),
            threads: NonZeroUsize::new(1),
            progress: &progress,
            ..Options::default()
        };
        let why = scan(&root, &options).unwrap_err();
        assert!(
            matches!(&why, ScanError::Changed(at) if *at == path),
            "{why}"
        );
    }
}

#[test]
fn a_file_that_becomes_a_link_or_vanishes_is_named() {
    for link in [true, false] {
        let (dir, root) = photos(&[("a", &[7; 300]), ("b", &[8; 300])]);
        let path = root.join("b");
        let progress = |_| {
            let _ = fs::remove_file(&path);
            if link {
                let _ = symlink(dir.path(), &path);
            }
        };
        let options = Options {
            chunk: Some(ByteCount::new(100)),
            threads: NonZeroUsize::new(1),
            progress: &progress,
            ..Options::default()
        };
        let why = scan(&root, &options).unwrap_err();
        assert!(
            matches!(&why, ScanError::Changed(at) if *at == path),
            "{why}"
        );
    }
}

#[test]
fn a_cancelled_scan_ends() {
    let (_dir, root) = photos(&[("a", b"1")]);
    let cancel = AtomicBool::new(true);
    let options = Options {
        cancel: &cancel,
        ..Options::default()
    };
    assert!(matches!(scan(&root, &options), Err(ScanError::Cancelled)));
    // And one that is cancelled while it hashes.
    cancel.store(false, Ordering::Relaxed);
    let progress = |_| cancel.store(true, Ordering::Relaxed);
    let (_dir, root) = photos(&[("a", &[7; 300])]);
    let options = Options {
        chunk: Some(ByteCount::new(100)),
        progress: &progress,
        cancel: &cancel,
        ..Options::default()
    };
    assert!(matches!(scan(&root, &options), Err(ScanError::Cancelled)));
}

#[test]
fn what_is_not_there_and_what_has_no_name_are_refused() {
    let (_dir, root) = photos(&[]);
    let why = scan(&root.join("none"), &Options::default()).unwrap_err();
    assert!(matches!(why, ScanError::Io { what: "open", .. }), "{why}");
    let why = scan(Path::new("/"), &Options::default()).unwrap_err();
    assert!(matches!(why, ScanError::NotContent(_)), "{why}");
}

/// Everything below a directory that is itself left out by name is left out, but not its
/// neighbours with the same beginning.
#[test]
fn only_what_is_below_a_left_out_directory_goes_with_it() {
    let (_dir, root) = photos(&[("a:/x", b"1"), ("a:/y/z", b"1"), ("b", b"2"), ("a", b"3")]);
    let options = Options {
        skip_unportable: true,
        ..Options::default()
    };
    let scanned = scan(&root, &options).unwrap();
    assert_eq!(paths(&scanned), ["photos/a", "photos/b"]);
    assert_eq!(scanned.skipped.len(), 1);
    assert!(
        scanned.skipped[0].to_string().contains("U+003A"),
        "{}",
        scanned.skipped[0]
    );
}
