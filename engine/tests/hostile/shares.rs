//! What is never shared: the files that a node keeps for itself, by whatever name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use fairhaul::control::api::{ControlRequest, Failure, Send, Sent, ShareRequest, Shared};

use crate::disk::may_mount;
use crate::rig::Rig;

/// That `path` is not shared or sent, which is said in one line.
async fn is_refused(rig: &Rig, path: PathBuf) {
    let share = ShareRequest {
        path: path.clone(),
        ignore: Vec::new(),
        chunk_bytes: None,
    };
    let send = Send {
        path: path.clone(),
        peers: vec!["peer".to_owned()],
        ignore: Vec::new(),
    };
    let shared = rig.try_ask::<Shared>(ControlRequest::Share(share)).await;
    let sent = rig.try_ask::<Sent>(ControlRequest::Send(send)).await;
    for refused in [shared.err(), sent.err()] {
        let refused = refused.unwrap_or_else(|| panic!("{} is shared", path.display()));
        assert_eq!(refused.code, Failure::STORAGE, "{refused}");
        assert_eq!(refused.message.lines().count(), 1, "{refused}");
        let own = refused.message.contains("its own state");
        let kept = refused.message.contains("keeps for itself");
        assert!(own || kept, "{}: {refused}", path.display());
    }
}

/// The state, what it lies in, and the key; through links of both kinds, and in a folder that a
/// person would share.
///
/// Register: H14, M4.
#[tokio::test]
async fn nothing_that_a_node_keeps_for_itself_is_shared() {
    let other = Rig::new();
    let rig = Rig::new().knows("peer", other.key, "");
    let user = rig.path("user");
    fs::create_dir_all(user.join("deep/er")).unwrap();
    fs::create_dir_all(rig.inbox()).unwrap();
    for file in [user.join("f"), rig.inbox().join("g")] {
        fs::write(&file, file.display().to_string()).unwrap();
    }
    let mut rig = rig.start().await;
    symlink(rig.data(), rig.path("link")).unwrap();
    symlink(rig.path("key"), rig.path("linked-key")).unwrap();
    let data = rig.data();
    for path in [
        data.join("contents"),
        data.clone(),
        rig.path(""),
        PathBuf::from("/"),
        rig.path("link"),
        rig.path("link/contents"),
        rig.path("key"),
        rig.path("linked-key"),
    ] {
        is_refused(&rig, path).await;
    }
    // What lies in an inbox is the user's.
    for path in [&user, &rig.inbox()] {
        rig.share(path).await;
    }
    fs::hard_link(rig.path("key"), user.join("deep/er/innocent")).unwrap();
    is_refused(&rig, user.join("deep/er/innocent")).await;
    is_refused(&rig, user.clone()).await;
    assert_eq!(rig.status().await.transfers.len(), 2);
    let states = async || {
        let all = fs::read_dir(data.join("contents")).unwrap().flatten();
        let kept = |path: PathBuf| path.extension().is_some_and(|kind| kind == "json");
        (all.filter(|entry| kept(entry.path())).count() == 2).then_some(())
    };
    rig.until("both are kept for the next run", states).await;
    // A key that has come into a folder since is not served in the next run either.
    fs::remove_file(rig.inbox().join("g")).unwrap();
    fs::hard_link(rig.path("key"), rig.inbox().join("g")).unwrap();
    rig.kill();
    rig.start_again().await;
    rig.says("keeps for itself").await;
}

/// The folder of the node's data is mounted elsewhere, too.
///
/// Register: H14, M4.
#[tokio::test]
async fn a_mount_of_the_state_is_not_shared_either() {
    if !may_mount() {
        eprintln!("skipped: this process may not mount");
        return;
    }
    let other = Rig::new();
    let mut rig = Rig::new().knows("peer", other.key, "");
    fs::create_dir_all(rig.data()).unwrap();
    rig.mounted = Some(format!("--bind {:?}", rig.data()));
    let rig = rig.start().await;
    // Files of it are known in whatever folder they are found.
    fs::write(rig.data().join("lost"), b"a file of state").unwrap();
    let got = rig.target();
    for path in [got.clone(), got.join("contents"), got.join("lost")] {
        is_refused(&rig, path).await;
    }
}
