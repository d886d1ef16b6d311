//! Keys that are wrong, unknown, claimed, doubled or taken back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use fairhaul::control::api::{ControlRequest, Failure, Ping, Pong, Send, Sent};
use fairhaul::identity::Identity;
use fairhaul_core::message::CloseCode;

use crate::evil::{Evil, connect};
use crate::rig::{PATIENCE, Rig};

/// A stranger that asks for a content that is here, and one that is banned here, hear nothing
/// but a refusal.
///
/// Register: H2.
#[tokio::test]
async fn a_stranger_learns_nothing_but_that_it_is_not_welcome() {
    let rig = Rig::new().start().await;
    let stranger = Evil::new();
    let before = stranger.refused(&rig).await;
    let file = rig.path("shared");
    fs::write(&file, b"secret").unwrap();
    rig.share(&file).await;
    assert_eq!(stranger.refused(&rig).await, before);
    assert!(
        before.contains("not welcome") || before.contains("no right"),
        "{before}"
    );
    assert!(!before.contains("shared"), "{before}");
    rig.refuses("not welcome", 2).await;
    assert_eq!(rig.connected().await, 0);
}

/// Register: H7.
/// Limit: L9.
#[tokio::test]
async fn a_greeting_with_the_key_of_another_bans_the_one_that_was_proved() {
    let (evil, victim) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("evil", evil.key, "")
        .knows("victim", victim.key, "");
    let mut rig = rig.start().await;
    let stream = connect(&rig, 1).await.unwrap();
    let mut hello = evil.endpoint.hello("victim", None);
    hello.key = *victim.key.as_bytes();
    let called = evil.endpoint.call(stream, rig.key, &hello, PATIENCE).await;
    assert!(called.is_err());
    rig.refuses("false key", 1).await;
    assert!(evil.refused(&rig).await.contains("ban"));
    assert!(victim.enter(&rig).await.is_alive().await);
    // Also by the next run.
    rig.bans().await;
    rig.kill();
    rig.start_again().await;
    assert!(evil.refused(&rig).await.contains("ban"));
}

/// Register: H8.
#[tokio::test]
async fn a_node_does_not_let_itself_in() {
    let rig = Rig::new();
    let own = Identity::load(&rig.path("key")).unwrap();
    let rig = rig.start().await;
    let why = Evil::of(&own).refused(&rig).await;
    assert!(why.contains("itself"), "{why}");
    rig.refuses("not welcome", 1).await;
}

/// The second connection of a key takes the place of the first; a third within a minute does
/// not, and people are warned.
///
/// Register: H8, C4.
#[tokio::test]
async fn of_two_nodes_with_one_key_the_newest_wins_once_a_minute() {
    let evil = Evil::new();
    let rig = Rig::new().knows("evil", evil.key, "").start().await;
    let mut first = evil.enter(&rig).await;
    assert!(first.is_alive().await);
    let mut second = evil.enter(&rig).await;
    assert_eq!(first.end().await, Some(CloseCode::Replaced));
    assert!(second.is_alive().await);
    let mut third = evil.enter(&rig).await;
    assert_eq!(third.end().await, Some(CloseCode::Overload));
    assert!(second.is_alive().await);
    assert_eq!(rig.refused("one session each").await, 1);
    assert_eq!(rig.connected().await, 1);
    assert!(rig.log().contains("same key"), "{}", rig.log());
}

/// Two nodes that list each other start at once, and both dial.
///
/// Register: H9.
#[tokio::test]
async fn two_nodes_that_call_each_other_have_one_session() {
    let (left, right) = (Rig::new(), Rig::new());
    let (to_left, to_right) = (left.address(), right.address());
    let (left_key, right_key) = (left.key, right.key);
    let left = left.knows("right", right_key, &to_right);
    let right = right.knows("left", left_key, &to_left);
    let (left, right) = tokio::join!(left.start(), right.start());
    left.has_peers(1).await;
    right.has_peers(1).await;
    let file = left.path("f");
    fs::write(&file, b"over the one that stays").unwrap();
    let ticket = left.share(&file).await;
    right.get(&ticket, &right.target()).await.unwrap();
    assert_eq!((left.connected().await, right.connected().await), (1, 1));
}

/// Whoever comes first under a name keeps it, also for the next run.
///
/// Register: H12.
#[tokio::test]
async fn a_name_that_was_trusted_once_belongs_to_its_first_key() {
    let (first, second) = (Evil::new(), Evil::new());
    let mut rig = Rig::new();
    rig.arguments = &["--trust-first-use"];
    let mut rig = rig.start().await;
    assert!(first.enter(&rig).await.is_alive().await);
    for times in 1..3 {
        let why = second.refused(&rig).await;
        assert!(why.contains(&first.key.to_string()), "{times}: {why}");
        rig.refuses("key changed", 1).await;
        let log = rig.log();
        assert!(log.contains(&first.key.to_string()), "{times}: {log}");
        assert!(log.contains(&second.key.to_string()), "{times}: {log}");
        rig.kill();
        rig.start_again().await;
        assert!(first.enter(&rig).await.is_alive().await);
    }
}

/// A node trusts another on first use; then its key is made anew. Both say so, in a line with both
/// fingerprints; who waits there is told at once, with the code for identities.
///
/// Register: H12.
#[tokio::test]
async fn a_key_that_has_changed_is_said_on_both_sides_and_ends_what_waits_for_it() {
    let mut acceptor = Rig::new();
    acceptor.arguments = &["--trust-first-use"];
    let caller = Rig::new().knows("far", acceptor.key, &acceptor.address());
    let acceptor = acceptor.start().await;
    let file = acceptor.path("f");
    fs::write(&file, b"for who is trusted").unwrap();
    let ticket = acceptor.share(&file).await;
    let mut caller = caller.start().await;
    acceptor.has_peers(1).await;
    caller.kill();
    acceptor.has_peers(0).await;
    let known = caller.key.to_string();
    fs::remove_file(caller.path("key")).unwrap();
    let got = Identity::create(&caller.path("key")).unwrap().public();
    let got = got.to_string();
    caller.start_again().await;
    let failure = caller.get(&ticket, &caller.target()).await.unwrap_err();
    assert_eq!(failure.code, Failure::IDENTITY, "{failure}");
    acceptor.refuses("key changed", 1).await;
    let said = failure.message;
    let names_both = |line: &str| line.contains(&known) && line.contains(&got);
    assert!(names_both(&said), "{said}");
    for rig in [&caller, &acceptor] {
        assert!(rig.log().lines().any(names_both), "{}", rig.log());
    }
    let ping = ControlRequest::Ping(Ping { peer: "far".into() });
    let failure = caller.try_ask::<Pong>(ping).await.unwrap_err();
    assert_eq!(failure.code, Failure::IDENTITY, "{failure}");
    assert!(names_both(&failure.message), "{failure}");
    assert_eq!(acceptor.connected().await, 0);
}

/// Whoever answers at the address of a peer has another key than the file says.
///
/// Register: H1.
#[tokio::test]
async fn a_command_that_waits_for_a_peer_with_another_key_names_both() {
    let (impostor, expected) = (Rig::new(), Evil::new());
    let caller = Rig::new().knows("far", expected.key, &impostor.address());
    let impostor = impostor.start().await;
    let caller = caller.start().await;
    let file = caller.path("f");
    fs::write(&file, b"for the real one").unwrap();
    let send = ControlRequest::Send(Send {
        path: file,
        peers: vec!["far".into()],
        ignore: Vec::new(),
    });
    let failure = caller.try_ask::<Sent>(send).await.unwrap_err();
    assert_eq!(failure.code, Failure::IDENTITY, "{failure}");
    for key in [impostor.key, expected.key] {
        assert!(failure.message.contains(&key.to_string()), "{failure}");
    }
    assert_eq!(impostor.connected().await, 0);
}

/// Trust on first use is no way back in for a key that was taken from the file.
///
/// Register: H2, H16.
#[tokio::test]
async fn a_key_that_was_taken_back_is_not_trusted_on_first_use() {
    let evil = Evil::new();
    let mut rig = Rig::new().knows("evil", evil.key, "");
    rig.arguments = &["--trust-first-use"];
    let mut rig = rig.start().await;
    let mut wire = evil.enter(&rig).await;
    rig.forget_peers();
    rig.write();
    rig.reload().await.unwrap();
    assert_eq!(wire.end().await, Some(CloseCode::Revoked));
    let why = evil.refused(&rig).await;
    assert!(why.contains("not welcome"), "{why}");
}

/// Register: H16.
#[tokio::test]
async fn a_peer_that_is_no_longer_listed_is_out_when_the_file_is_read_again() {
    let (evil, other) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("evil", evil.key, "")
        .knows("other", other.key, "");
    let mut rig = rig.start().await;
    let (mut wire, mut stays) = (evil.enter(&rig).await, other.enter(&rig).await);
    rig.forget_peers();
    rig.list("other", other.key, "");
    rig.write();
    rig.reload().await.unwrap();
    assert_eq!(wire.end().await, Some(CloseCode::Revoked));
    rig.has_peers(1).await;
    assert!(stays.is_alive().await);
    evil.refused(&rig).await;
    rig.refuses("not welcome", 1).await;
}

/// Register: H13.
#[tokio::test]
async fn a_node_does_not_start_with_a_key_that_others_could_read_or_that_is_none() {
    let rig = Rig::new();
    rig.write();
    let key = rig.path("key");
    let whole = fs::read(&key).unwrap();
    let set = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let spoilt: [(&str, &dyn Fn()); 6] = [
        ("open to others", &|| set(0o644)),
        ("empty", &|| fs::write(&key, b"").unwrap()),
        ("cut", &|| {
            fs::write(&key, &whole[..whole.len() / 2]).unwrap()
        }),
        ("another type", &|| {
            fs::write(&key, b"ssh-ed25519 AAAA\n").unwrap()
        }),
        ("a link", &|| {
            fs::rename(&key, rig.path("real")).unwrap();
            symlink(rig.path("real"), &key).unwrap();
        }),
        ("a folder", &|| {
            fs::remove_file(&key).unwrap();
            fs::create_dir(&key).unwrap();
        }),
    ];
    for (what, spoil) in spoilt {
        let _ = fs::remove_file(&key);
        fs::write(&key, &whole).unwrap();
        set(0o600);
        spoil();
        let output = rig.command().output().unwrap();
        let code = output.status.code();
        assert_eq!(
            code,
            Some(i32::from(Failure::IDENTITY)),
            "{what}: {}",
            rig.log()
        );
    }
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
}

/// Whatever the umask of whoever starts it.
///
/// Register: H13.
#[tokio::test]
async fn a_key_that_is_made_at_the_start_is_for_its_owner_alone() {
    let rig = Rig::new();
    fs::remove_file(rig.path("key")).unwrap();
    let program = format!(
        "umask 000; exec {:?} run -c {:?} 2>/dev/null",
        env!("CARGO_BIN_EXE_fairhaul"),
        rig.path("file.toml")
    );
    rig.write();
    let child = std::process::Command::new("sh")
        .args(["-c", &program])
        .spawn();
    let mut child = child.unwrap();
    let made = async || rig.socket().exists().then_some(());
    rig.until("it has a socket", made).await;
    let _ = child.kill();
    let _ = child.wait();
    let mode = fs::metadata(rig.path("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = fs::metadata(rig.socket()).unwrap().permissions().mode();
    assert_eq!(socket & 0o777, 0o600);
}
