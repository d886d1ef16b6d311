//! Manifests that want to write where they should not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fairhaul_core::message::OfferVerdict;

use crate::content::{CHUNK, Content};
use crate::evil::{Answer, Evil, Outcome};
use crate::rig::Rig;

async fn taking() -> (Rig, Evil) {
    let evil = Evil::new();
    let rig = Rig::new().knows("evil", evil.key, "accept = \"in\"");
    (rig.start().await, evil)
}

/// A manifest of empty files with these names, in this order, checked by nobody.
fn manifest(names: &[&[u8]]) -> Vec<u8> {
    let count = u32::try_from(names.len()).unwrap();
    let mut bytes = b"FHAUL MF".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((CHUNK as u64).to_le_bytes());
    for name in names {
        bytes.push(1);
        bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend(*name);
        bytes.extend(0_u64.to_le_bytes());
    }
    bytes
}

/// Everything beneath a folder but the log, which grows.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
        found.push(entry.path());
    }
    found.sort();
    found
}

/// Pushes what it is told and is told what became of it.
async fn push(rig: &Rig, evil: &Evil, contents: &[Content]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut wire = evil.enter(rig).await;
    for content in contents {
        wire.offer(content).await;
        outcomes.push(wire.serve(content, |ask| Answer::Bytes(ask.bytes)).await);
    }
    outcomes
}

/// Each name alone makes the whole manifest refused, before any file is made. Beside the name
/// stands a good one, of which nothing is made either.
///
/// Register: M1, M2, M5, M6, M7, M8.
#[tokio::test]
async fn a_manifest_with_a_hostile_name_makes_nothing() {
    let (rig, evil) = taking().await;
    let (long, path) = ("a".repeat(256), format!("{}x", "abc/".repeat(256)));
    let deep = format!("{}x", "a/".repeat(64));
    let hostile: [&[u8]; 26] = [
        b"../escape",
        b"zz/../../escape",
        b"./zz",
        b"zz//zz",
        b"zz/",
        b"/etc/escape",
        b"C:/escape",
        b"C:escape",
        b"\\\\host\\share",
        b"\\\\?\\C:\\escape",
        b"zz\\..\\escape",
        b"zz\0zz",
        b"zz\nforged line",
        b"zz\x1b[2J",
        "zz\u{202e}gpj".as_bytes(),
        b"CON",
        b"com1.txt",
        "lpt\u{b9}".as_bytes(),
        b"zz.",
        b"zz ",
        b"zz:stream",
        b"\xff\xfe",
        b"\xc0\xae\xc0\xae/escape",
        long.as_bytes(),
        path.as_bytes(),
        deep.as_bytes(),
    ];
    let before = everything(&rig.path(""));
    let contents = hostile.map(|name| Content::of_manifest(manifest(&[b"good", name])));
    let outcomes = push(&rig, &evil, &contents).await;
    for (outcome, name) in outcomes.into_iter().zip(hostile) {
        let shown = String::from_utf8_lossy(name);
        assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Failed), "{shown:?}");
    }
    let made = |path: &PathBuf| !before.contains(path) && !path.starts_with(rig.data());
    let made: Vec<PathBuf> = everything(&rig.path("")).into_iter().filter(made).collect();
    assert!(made.is_empty(), "{made:?}");
    assert_eq!(everything(&rig.inbox()), Vec::<PathBuf>::new());
    let failed = "fairhaul_transfers_ended_total{how=\"failed\"}";
    assert_eq!(rig.metric(failed).await, 26);
    assert!(!rig.log().contains('\u{1b}') && !rig.log().contains("\nforged"));
}

/// Two names that are one on some disks, a file that is a directory too, a kind of entry that
/// is none, and a directory that is a link.
///
/// Register: M3, M7.
#[tokio::test]
async fn a_manifest_whose_entries_contradict_each_other_makes_nothing() {
    let (rig, evil) = taking().await;
    let mut link = manifest(&[b"good"]);
    link[24] = 3;
    let twins = ["caf\u{e9}".as_bytes(), "cafe\u{301}".as_bytes()];
    let contents = [
        manifest(&[b"A", b"a"]),
        manifest(&[b"a", b"a/b"]),
        manifest(&[b"a", b"a"]),
        manifest(&twins),
        manifest(&[b"b", b"a"]),
        manifest(&[]),
        link,
    ];
    let count = contents.len();
    let contents = contents.map(Content::of_manifest);
    let outcomes = push(&rig, &evil, &contents).await;
    assert!(
        outcomes
            .iter()
            .all(|one| *one == Outcome::Verdict(OfferVerdict::Failed)),
        "{outcomes:?}"
    );
    assert_eq!(everything(&rig.inbox()), Vec::<PathBuf>::new());
    let failed = "fairhaul_transfers_ended_total{how=\"failed\"}";
    assert_eq!(rig.metric(failed).await, count as u64);
}

/// In the inbox lies a link to a folder elsewhere, with the name of a folder of the content.
///
/// Register: M4.
#[tokio::test]
async fn nothing_is_written_through_a_link_in_the_target() {
    let (rig, evil) = taking().await;
    let outside = rig.path("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(rig.inbox()).unwrap();
    symlink(&outside, rig.inbox().join("dir")).unwrap();
    symlink(outside.join("file"), rig.inbox().join("direct")).unwrap();
    let contents = [
        Content::file("dir/f", 2 * CHUNK, 1),
        Content::file("direct", 2 * CHUNK, 2),
    ];
    let outcomes = push(&rig, &evil, &contents).await;
    assert_eq!(outcomes, [Outcome::Verdict(OfferVerdict::Exists); 2]);
    assert_eq!(everything(&outside), Vec::<PathBuf>::new());
    assert!(rig.inbox().join("dir").is_symlink());
}

/// Register: M13.
#[tokio::test]
async fn a_file_that_is_there_already_is_neither_replaced_nor_cut() {
    let (rig, evil) = taking().await;
    fs::create_dir_all(rig.inbox()).unwrap();
    let mine = rig.inbox().join("f");
    fs::write(&mine, b"mine").unwrap();
    let content = Content::file("f", 4 * CHUNK, 3);
    let outcomes = push(&rig, &evil, &[content]).await;
    assert_eq!(outcomes, [Outcome::Verdict(OfferVerdict::Exists)]);
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    assert!(rig.log().contains("cannot go on"), "{}", rig.log());
}

/// The manifest is not the one whose identity was offered: one peer sent all of it.
///
/// Register: M16, D11.
#[tokio::test]
async fn a_manifest_that_is_not_the_one_that_was_named_bans_who_sent_it() {
    let (rig, evil) = taking().await;
    let content = Content::file("f", 4 * CHUNK, 4);
    let mut wire = evil.enter(&rig).await;
    wire.offer(&content).await;
    let other = Content::file("f", 4 * CHUNK, 5);
    let outcome = wire.serve(&content, move |mut ask| {
        if ask.is_manifest {
            ask.bytes = other.chunk(true, 0);
        }
        Answer::Bytes(ask.bytes)
    });
    assert!(matches!(outcome.await, Outcome::Closed(_)));
    assert_eq!(rig.refused("chunk with the wrong hash").await, 1);
    assert!(evil.refused(&rig).await.contains("ban"));
    assert_eq!(everything(&rig.inbox()), Vec::<PathBuf>::new());
}
