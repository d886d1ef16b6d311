//! Disks that are taken away, or closed, in the middle of a transfer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fairhaul::content::ticket::ContentTicket;
use fairhaul::content::tree::chunk_size;
use fairhaul::control::api::{
    ControlRequest, Failure, Got, InForce, LimitRequest, LimitTarget, TransferDirection,
    TransferState, TransferStatus,
};

use crate::content::{noise, shared_chunks};
use crate::evil::Evil;
use crate::rig::Rig;

const FILE: usize = 64 * 1024;
const FILES: u8 = 240;

/// A disk of its own, as `mount` takes it.
const IN_MEMORY: &str = "-t tmpfs none";

/// One that shares a folder of small files and a file, so slowly that neither is whole before its
/// limit is lifted, and one that may fetch them, but does not run yet.
async fn seed() -> (Rig, Rig, [ContentTicket; 2]) {
    let seed = Rig::new();
    let taker = Rig::new().knows("seed", seed.key, &seed.address());
    let cap = "[limits]\nupload = \"500 kB/s\"\n";
    let seed = seed.knows("taker", taker.key, "").with(cap).start().await;
    let folder = seed.path("folder");
    fs::create_dir(&folder).unwrap();
    for number in 0..FILES {
        fs::write(folder.join(format!("{number:03}")), noise(FILE, number)).unwrap();
    }
    let file = seed.path("file");
    fs::write(&file, noise(FILE * usize::from(FILES), 1)).unwrap();
    let tickets = [seed.share(&folder).await, seed.share(&file).await];
    (seed, taker, tickets)
}

/// The one transfer of the taker that is fetched into the folder that goes away.
async fn transfer(taker: &Rig, ticket: &ContentTicket) -> Option<TransferStatus> {
    let id = data_encoding::HEXLOWER.encode(&ticket.content().0);
    let mut all = taker.status().await.transfers.into_iter();
    all.find(|transfer| transfer.content == id)
}

async fn wait_for(
    taker: &Rig,
    ticket: &ContentTicket,
    what: &str,
    is: impl Fn(&TransferStatus) -> bool,
) {
    let looks = async || transfer(taker, ticket).await.filter(&is).map(drop);
    taker.until(what, looks).await;
}

/// Waits until some of it is there.
async fn has_begun(taker: &Rig, ticket: &ContentTicket) {
    wait_for(taker, ticket, "some is there", |one| one.done_bytes > 0).await;
}

/// Waits until all of it is there: one that stood still is tried again every ten seconds.
async fn goes_on(taker: &Rig, ticket: &ContentTicket) {
    let is_whole = |one: &TransferStatus| one.state == TransferState::Serving;
    wait_for(taker, ticket, "it goes on", is_whole).await;
}

/// What a person is told whose transfer the disk ended, while the other one went on.
fn check(stopped: Result<Got, Failure>, other: Result<Got, Failure>, into: &Path) -> String {
    let failure = stopped.unwrap_err();
    assert_eq!(failure.code, Failure::STORAGE, "{failure}");
    assert_eq!(failure.message.lines().count(), 1, "{failure}");
    let got = other.unwrap();
    assert!(got.path.starts_with(into), "{got:?}");
    let file = fs::read(into.join("file")).unwrap();
    assert!(file == noise(FILE * usize::from(FILES), 1));
    failure.message
}

fn folder_is_whole(folder: &Path) -> bool {
    (0..FILES).all(|number| {
        fs::read(folder.join(format!("{number:03}"))).is_ok_and(|got| got == noise(FILE, number))
    })
}

/// Whether this process may mount at all.
pub(crate) fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Mounts the disk of the taker anew, read-only or not. A file that is being written keeps it
/// from that for a moment.
async fn remount(taker: &Rig, how: &str) {
    let (pid, folder) = (taker.pid().to_string(), taker.target());
    let mounts = async || {
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-m", "mount", "-o", &format!("remount,{how}")]);
        command.arg(&folder).stderr(Stdio::null());
        command.status().unwrap().success().then_some(())
    };
    taker.until(&format!("the disk is {how}"), mounts).await;
}

/// A folder as a node sees it that has a disk of its own there.
fn seen_by(taker: &Rig, folder: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", taker.pid()));
    root.join(folder.strip_prefix("/").unwrap())
}

/// Register: P7.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only_from_now_on_stops_its_transfer_alone_until_it_is_not() {
    if !may_mount() {
        eprintln!("skipped: this process may not mount");
        return;
    }
    let (seed, mut taker, [folder, file]) = seed().await;
    taker.mounted = Some(IN_MEMORY.to_owned());
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let (into, beside) = (taker.target(), taker.path("beside"));
    let close = async {
        has_begun(&taker, &folder).await;
        remount(&taker, "ro").await;
        seed.uncap().await;
    };
    let gets = async { tokio::join!(taker.get(&folder, &into), taker.get(&file, &beside), close) };
    let (stopped, other, ()) = gets.await;
    let said = check(stopped, other, &beside);
    assert!(said.to_lowercase().contains("read-only"), "{said}");
    let status = transfer(&taker, &folder).await.unwrap();
    assert_eq!(status.state, TransferState::Stopped);
    assert!(
        status
            .trouble
            .is_some_and(|why| why.to_lowercase().contains("read-only"))
    );
    assert_eq!(taker.log().matches("paused").count(), 1, "{}", taker.log());
    let before = status.done_bytes;
    remount(&taker, "rw").await;
    goes_on(&taker, &folder).await;
    let seen = seen_by(&taker, &into).join("folder");
    assert!(folder_is_whole(&seen), "{before} bytes were there");
}

/// The disk fills up for another reason in the middle of a transfer, and has room again later.
///
/// Register: P5.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_pauses_its_transfer_alone_until_there_is_room() {
    if !may_mount() {
        eprintln!("skipped: this process may not mount");
        return;
    }
    let (seed, mut taker, [folder, file]) = seed().await;
    taker.mounted = Some(IN_MEMORY.to_owned());
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let (into, beside) = (taker.target(), taker.path("beside"));
    let seen = seen_by(&taker, &into);
    let fill = async {
        has_begun(&taker, &folder).await;
        remount(&taker, "size=4m").await;
        seed.uncap().await;
        let stopped = |one: &TransferStatus| one.state == TransferState::Stopped;
        wait_for(&taker, &folder, "it stands still", stopped).await;
        let why = transfer(&taker, &folder).await.unwrap().trouble.unwrap();
        assert!(why.contains("no space left"), "{why}");
        assert!(
            !seen.join("folder").exists(),
            "no final name before it is whole"
        );
        taker.get(&file, &beside).await.unwrap();
        remount(&taker, "size=64m").await;
    };
    let (got, ()) = tokio::join!(taker.get(&folder, &into), fill);
    // Who waited has what it waited for, and nobody started anything again.
    got.unwrap();
    assert!(folder_is_whole(&seen.join("folder")));
}

/// A content lies whole in one folder and goes to another, whose disk fills up on the way. A peer
/// has its chunks from the first one meanwhile, and the second goes on when there is room.
///
/// Register: P5, P11.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_nobody_from_what_lies_on_another() {
    if !may_mount() {
        eprintln!("skipped: this process may not mount");
        return;
    }
    let leecher = Evil::new();
    let (seed, taker, [folder, _]) = seed().await;
    let mut taker = taker.knows("leecher", leecher.key, "");
    taker.mounted = Some(IN_MEMORY.to_owned());
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let (into, beside) = (taker.target(), taker.path("beside"));
    seed.uncap().await;
    taker.get(&folder, &beside).await.unwrap();
    // Half of the files are gone from there: they come from the seed again, slowly.
    for number in 0..FILES / 2 {
        fs::remove_file(beside.join(format!("folder/{number:03}"))).unwrap();
    }
    let limit = LimitRequest {
        target: LimitTarget::Node,
        direction: TransferDirection::Up,
        rate_bytes_s: Some(500_000),
    };
    seed.ask::<InForce>(ControlRequest::Limit(limit)).await;
    let id = folder.content();
    let fill = async {
        let comes = |one: &TransferStatus| {
            // While a folder is verified the count is still that of the folder before.
            one.state == TransferState::Fetching && one.done_bytes > FILE as u64 * 121
        };
        wait_for(&taker, &folder, "the rest comes", comes).await;
        remount(&taker, "size=9m").await;
        seed.uncap().await;
        let stopped = |one: &TransferStatus| one.state == TransferState::Stopped;
        wait_for(&taker, &folder, "it stands still", stopped).await;
        let mut wire = leecher.enter(&taker).await;
        let bytes = FILE as u64 * u64::from(FILES);
        let chunks = shared_chunks(bytes);
        wire.want(id, chunks).await;
        let one = bytes / u64::from(chunks);
        wire.leech(chunks / 2 + 1..chunks - 1, 2, one, bytes / 4)
            .await;
        wait_for(&taker, &folder, "it still stands still", stopped).await;
        remount(&taker, "size=64m").await;
    };
    let (got, ()) = tokio::join!(taker.get(&folder, &into), fill);
    got.unwrap();
    assert!(folder_is_whole(&seen_by(&taker, &into).join("folder")));
}

/// The disk fills up that has the only, unfinished copy of a content. A peer has what there is of
/// it meanwhile, and the rest comes when there is room.
///
/// Register: P5, P11.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_a_full_disk_is_given_to_whoever_asks() {
    if !may_mount() {
        eprintln!("skipped: this process may not mount");
        return;
    }
    let leecher = Evil::new();
    let (seed, taker, [_, file]) = seed().await;
    let mut taker = taker.knows("leecher", leecher.key, "");
    taker.mounted = Some(IN_MEMORY.to_owned());
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let into = taker.target();
    let all = noise(FILE * usize::from(FILES), 1);
    let fill = async {
        has_begun(&taker, &file).await;
        remount(&taker, "size=4m").await;
        seed.uncap().await;
        let stopped = |one: &TransferStatus| one.state == TransferState::Stopped;
        wait_for(&taker, &file, "it stands still", stopped).await;
        let mut wire = leecher.enter(&taker).await;
        let bytes = all.len() as u64;
        let (chunk, offset, got) = wire.take_any(file.content(), shared_chunks(bytes)).await;
        let at = u64::from(chunk) * chunk_size(bytes).get() + offset;
        let at = usize::try_from(at).unwrap();
        assert!(got == all[at..at + got.len()]);
        wait_for(&taker, &file, "it still stands still", stopped).await;
        remount(&taker, "size=64m").await;
    };
    let (got, ()) = tokio::join!(taker.get(&file, &into), fill);
    got.unwrap();
    assert!(fs::read(seen_by(&taker, &into).join("file")).unwrap() == all);
}

/// The folder that a transfer goes to is removed, and made again later.
///
/// Register: P7.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_stops_its_transfer_alone_until_it_is_there_again() {
    let (seed, taker, [folder, file]) = seed().await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let (into, beside) = (taker.target(), taker.path("beside"));
    let remove = async {
        has_begun(&taker, &folder).await;
        // What is written at the same moment may keep a folder from being empty.
        while into.exists() {
            let _ = fs::remove_dir_all(&into);
        }
        seed.uncap().await;
    };
    let gets = async { tokio::join!(taker.get(&folder, &into), taker.get(&file, &beside), remove) };
    let (stopped, other, ()) = gets.await;
    check(stopped, other, &beside);
    assert!(!taker.log().contains("panicked"), "{}", taker.log());
    fs::create_dir(&into).unwrap();
    goes_on(&taker, &folder).await;
    assert!(folder_is_whole(&into.join("folder")));
}
