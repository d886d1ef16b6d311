//! Disks that stand still while the node decides: it goes on, and says nothing that is not so yet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fairhaul_core::message::{CloseCode, OfferVerdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::disk::may_mount;
use crate::evil::{Answer, Evil, Outcome, Wire};
use crate::rig::Rig;

/// Long enough for what is said to come if it was said.
const MOMENT: Duration = Duration::from_millis(10);

/// A file of state that cannot be written before it is let go on: a pipe lies where it is to be
/// written first.
struct Stalled(PathBuf);

impl Stalled {
    fn at(rig: &Rig, name: &str) -> Self {
        fs::create_dir_all(rig.data()).unwrap();
        let path = rig.data().join(name).with_extension("part");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Self(path)
    }

    /// It goes on, and fails: a pipe is not durable.
    async fn go_on(self) {
        let path = self.0;
        let read = spawn_blocking(move || {
            fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
        });
        read.await.unwrap();
    }
}

/// The node answers people and serves peers.
async fn is_well(rig: &Rig, other: &mut Wire, len: u64) {
    rig.status().await;
    assert!(other.is_alive().await);
    let chunks = shared_chunks(len);
    other
        .leech(0..chunks, 2, len / u64::from(chunks), len)
        .await;
}

/// A rig that shares a file with a peer that takes part in it.
async fn with_leecher(rig: Rig) -> (Rig, Wire, u64) {
    let leecher = Evil::new();
    let rig = rig.knows("leecher", leecher.key, "").start().await;
    let len = 1024 * 1024;
    fs::write(rig.path("f"), noise(len as usize, 1)).unwrap();
    let content = rig.share(&rig.path("f")).await.content();
    let mut wire = leecher.enter(&rig).await;
    wire.want(content, shared_chunks(len)).await;
    (rig, wire, len)
}

/// The disk stands still on which trust on first use is written down. Whoever waits for that waits
/// alone, and does not come in before it is durable.
///
/// Register: H12, P11.
#[tokio::test]
async fn who_is_trusted_on_first_use_waits_for_the_disk_alone() {
    let (first, second) = (Evil::new(), Evil::new());
    let mut rig = Rig::new();
    rig.arguments = &["--trust-first-use"];
    let stalled = Stalled::at(&rig, "trusted");
    let (mut rig, mut other, len) = with_leecher(rig).await;
    let mut wire = first.enter(&rig).await;
    is_well(&rig, &mut other, len).await;
    rig.has_peers(1).await;
    // Its name is taken meanwhile.
    let mut impostor = second.enter(&rig).await;
    assert_eq!(impostor.end().await, Some(CloseCode::Revoked));
    rig.refuses("key changed", 1).await;
    is_well(&rig, &mut other, len).await;
    stalled.go_on().await;
    assert_eq!(wire.end().await, Some(CloseCode::Revoked));
    assert!(!rig.log().contains("trusted on first use"), "{}", rig.log());
    // The disk is well again: it comes in, and is known in the next run.
    assert!(first.enter(&rig).await.is_alive().await);
    rig.kill();
    rig.start_again().await;
    assert!(first.enter(&rig).await.is_alive().await);
    let why = second.refused(&rig).await;
    assert!(why.contains(&first.key.to_string()), "{why}");
}

/// What earlier runs trusted cannot be read: any key could take any name.
///
/// Register: H12, P8.
#[tokio::test]
async fn a_file_of_trusted_keys_that_cannot_be_read_ends_the_start() {
    let mut rig = Rig::new();
    rig.arguments = &["--trust-first-use"];
    fs::create_dir_all(rig.data()).unwrap();
    fs::write(rig.data().join("trusted.json"), b"{\"a\"").unwrap();
    rig.write();
    let ended = rig.command().status().unwrap();
    assert_eq!(ended.code(), Some(3));
    let log = rig.log();
    let said = log.lines().last().unwrap();
    let why = "trusted.json:1: is no file of trusted keys";
    assert!(said.contains(why), "{log}");
}

/// Whoever hears that it is closed for a lie is banned in the next run too, however soon after that
/// the node is killed.
///
/// Register: J14, P1.
#[tokio::test]
async fn who_was_told_of_its_ban_is_banned_after_a_crash() {
    let evils = [(); 6].map(|()| Evil::new());
    let mut rig = Rig::new();
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    rig.start_again().await;
    for evil in &evils {
        let mut wire = evil.enter(&rig).await;
        wire.raw(&[0, 0, 0, 0]).await.unwrap();
        assert_eq!(wire.offence().await, Some(Misbehaviour::EmptyFrame));
        rig.kill();
        rig.start_again().await;
        let why = evil.refused(&rig).await;
        assert!(why.contains("banned"), "{why}");
    }
}

/// The disk stands still on which bans are written down. A liar is out at once, and is told when
/// its ban is durable, or cannot be; nobody else waits.
///
/// Register: J14, P11.
#[tokio::test]
async fn a_ban_is_in_force_before_its_disk_says_so_and_told_after() {
    let liar = Evil::new();
    let rig = Rig::new().knows("liar", liar.key, "");
    let stalled = Stalled::at(&rig, "bans");
    let (rig, mut other, len) = with_leecher(rig).await;
    let mut wire = liar.enter(&rig).await;
    rig.has_peers(2).await;
    wire.raw(&[0, 0, 0, 0]).await.unwrap();
    rig.has_peers(1).await;
    let why = liar.refused(&rig).await;
    assert!(why.contains("banned"), "{why}");
    is_well(&rig, &mut other, len).await;
    // It cannot come before the disk goes on, however long this waits.
    let early = timeout(MOMENT, wire.offence()).await;
    assert!(early.is_err(), "{early:?}");
    stalled.go_on().await;
    assert_eq!(wire.offence().await, Some(Misbehaviour::EmptyFrame));
}

/// A disk of the process that lets nobody change anything until this is dropped.
struct Frozen(u32, PathBuf);

impl Frozen {
    fn new(rig: &Rig, folder: &Path) -> Self {
        let frozen = Self(rig.pid(), folder.to_owned());
        assert!(frozen.tell("-f"));
        frozen
    }

    fn tell(&self, how: &str) -> bool {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.to_string(), "-m", "fsfreeze", how]);
        let status = command.arg(&self.1).stdin(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.tell("-u");
    }
}

/// An image of a disk that can be frozen, if this machine can make and mount one.
fn image(rig: &Rig) -> Option<PathBuf> {
    let path = rig.path("image");
    fs::File::create(&path).ok()?.set_len(32 << 20).ok()?;
    let mut made = Command::new("mkfs.ext4");
    made.args(["-q", "-F"]).arg(&path).stdin(Stdio::null());
    let made = made.status().is_ok_and(|status| status.success());
    let mut tried = Command::new("unshare");
    tried.args(["-m", "mount", "-o", "loop"]).arg(&path);
    let tried = tried.arg("/mnt").stderr(Stdio::null()).status();
    (made && tried.is_ok_and(|status| status.success())).then_some(path)
}

/// The disk of an inbox stands still, a real one. Offers for it wait; people, peers, other inboxes
/// and what goes to them do not. When it goes on so do they.
///
/// Register: P11.
#[tokio::test]
async fn an_inbox_on_a_disk_that_stands_still_holds_up_its_own_offers_alone() {
    let (slow, fast) = (Evil::new(), Evil::new());
    let mut rig = Rig::new()
        .knows("slow", slow.key, "accept = \"slow/deep\"")
        .knows("fast", fast.key, "accept = \"in\"");
    let image = if may_mount() { image(&rig) } else { None };
    let Some(image) = image else {
        eprintln!("skipped: this process may not mount a disk of its own");
        return;
    };
    rig.mounted = Some(format!("-o loop {image:?}"));
    fs::create_dir_all(rig.data()).unwrap();
    symlink(rig.target(), rig.data().join("slow")).unwrap();
    let (rig, mut other, len) = with_leecher(rig).await;
    let (mut slow, mut fast) = (slow.enter(&rig).await, fast.enter(&rig).await);
    let contents = [1, 2, 3].map(|seed| Content::file(&format!("f{seed}"), CHUNK, seed));
    let frozen = Frozen::new(&rig, &rig.target());
    for content in &contents[..2] {
        slow.offer(content).await;
    }
    is_well(&rig, &mut other, len).await;
    fast.offer(&contents[2]).await;
    let serving = fast.serve(&contents[2], |ask| Answer::Bytes(ask.bytes));
    assert_eq!(serving.await, Outcome::Verdict(OfferVerdict::Done));
    let early = timeout(MOMENT, slow.verdict()).await;
    assert!(early.is_err(), "{early:?}");
    drop(frozen);
    for _ in 0..2 {
        assert_eq!(slow.verdict().await, OfferVerdict::Accepted);
    }
    let serving = slow.serve(&contents[0], |ask| Answer::Bytes(ask.bytes));
    assert_eq!(serving.await, Outcome::Verdict(OfferVerdict::Done));
}
