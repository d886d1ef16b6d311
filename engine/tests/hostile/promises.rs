//! What a success means: the files that were named are there, whole, in the folder that was named;
//! and what becomes of honest peers, of bans, and of who keeps them.

use std::fs;
use std::path::{Path, PathBuf};

use fairhaul::control::api::{
    BanStatus, CommandProgress, ControlRequest, Failure, Get, Got, Lift, Lifted, Nothing,
    PeerStatus, Send, Sent, TransferState,
};
use fairhaul_client::ask;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::message::{Join, Message, OfferVerdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use rustix::process::Signal;

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Answer, Ask, Evil, Heard, Outcome, WANTED};
use crate::rig::Rig;

/// A file of a few chunks and one that shares a chunk with it.
const LARGE: usize = 3 * 1024 * 1024 + 5;
const SMALL: usize = 100;

/// One that shares a folder `t` of two files, and one that may fetch it and be pushed to.
async fn pair() -> (Rig, Rig) {
    let seed = Rig::new();
    let taker = Rig::new().knows("seed", seed.key, &seed.address());
    let seed = seed.knows("taker", taker.key, "").start().await;
    let folder = seed.path("t");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), noise(LARGE, 1)).unwrap();
    fs::write(folder.join("b"), noise(SMALL, 2)).unwrap();
    (seed, taker)
}

fn is_whole(folder: &Path) -> bool {
    let has =
        |name: &str, bytes: Vec<u8>| fs::read(folder.join("t").join(name)).ok() == Some(bytes);
    has("a", noise(LARGE, 1)) && has("b", noise(SMALL, 2))
}

fn folder(rig: &Rig, name: &str) -> PathBuf {
    let folder = rig.path(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn get_over(rig: &Rig, ticket: &str, dir: &Path) -> Result<Got, Failure> {
    let get = Get {
        ticket: ticket.to_owned(),
        dir: dir.to_owned(),
        overwrite: true,
        force: false,
    };
    rig.try_ask(ControlRequest::Get(get)).await
}

/// The second folder is filled from the first, also when nobody else is there any more.
#[tokio::test]
async fn a_content_that_is_known_is_brought_to_every_folder_that_is_named() {
    let (mut seed, taker) = pair().await;
    let ticket = seed.share(&seed.path("t")).await;
    let mut taker = taker.start().await;
    taker.has_peers(1).await;
    let (one, two, three) = (
        folder(&taker, "1"),
        folder(&taker, "2"),
        folder(&taker, "3"),
    );
    taker.get(&ticket, &one).await.unwrap();
    seed.kill();
    taker.has_peers(0).await;
    let got = taker.get(&ticket, &two).await.unwrap();
    assert_eq!(got.path, two.join("t"));
    assert!(is_whole(&one) && is_whole(&two));
    // It is served from whatever folder is left, also by a later run.
    fs::remove_dir_all(two.join("t")).unwrap();
    taker.kill();
    taker.start_again().await;
    let settled = async || {
        let transfers = taker.status().await.transfers;
        let mut states = transfers.iter().map(|one| one.state);
        states
            .any(|state| state == TransferState::Serving)
            .then_some(())
    };
    taker.until("it serves", settled).await;
    taker.get(&ticket, &three).await.unwrap();
    assert!(is_whole(&one) && is_whole(&three));
}

/// A file of the only folder was removed. It is there again when `get` says so, and the one beside
/// it, which shares a chunk with it, was not touched.
#[tokio::test]
async fn what_was_removed_from_its_folder_is_there_again() {
    let (seed, taker) = pair().await;
    let ticket = seed.share(&seed.path("t")).await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let one = folder(&taker, "1");
    taker.get(&ticket, &one).await.unwrap();
    fs::remove_file(one.join("t/b")).unwrap();
    taker.get(&ticket, &one).await.unwrap();
    assert!(is_whole(&one));
    fs::remove_dir_all(one.join("t")).unwrap();
    taker.get(&ticket, &one).await.unwrap();
    assert!(is_whole(&one));
    // Nothing was changed: nothing is fetched.
    let before = taker.metric("fairhaul_chunks_stored_total").await;
    taker.get(&ticket, &one).await.unwrap();
    let after = taker.metric("fairhaul_chunks_stored_total").await;
    assert_eq!(before, after);
}

/// A person's own files have names of the content, in both folders.
///
/// Register: M13.
#[tokio::test]
async fn overwriting_concerns_the_folder_that_was_named_and_no_other() {
    let (seed, taker) = pair().await;
    let ticket = seed.share(&seed.path("t")).await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let (one, two) = (folder(&taker, "1"), folder(&taker, "2"));
    taker.get(&ticket, &one).await.unwrap();
    fs::create_dir(two.join("t")).unwrap();
    for path in [one.join("t/a"), two.join("t/a")] {
        fs::write(path, b"mine").unwrap();
    }
    let refused = taker.get(&ticket, &two).await.unwrap_err();
    assert_eq!(refused.code, Failure::STORAGE, "{refused}");
    assert!(refused.message.contains("exists already"), "{refused}");
    let refused = taker.get(&ticket, &one).await.unwrap_err();
    assert_eq!(refused.code, Failure::STORAGE, "{refused}");
    get_over(&taker, &ticket.to_string(), &two).await.unwrap();
    assert!(is_whole(&two));
    assert_eq!(fs::read(one.join("t/a")).unwrap(), b"mine");
}

/// Several folders are named at the same time, some of them twice.
#[tokio::test]
async fn wishes_for_several_folders_are_granted_one_after_another() {
    let (seed, taker) = pair().await;
    let ticket = seed.share(&seed.path("t")).await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let folders = [
        folder(&taker, "1"),
        folder(&taker, "2"),
        folder(&taker, "3"),
    ];
    let (a, b, c, d, e) = tokio::join!(
        taker.get(&ticket, &folders[0]),
        taker.get(&ticket, &folders[1]),
        taker.get(&ticket, &folders[2]),
        taker.get(&ticket, &folders[0]),
        taker.get(&ticket, &folders[1]),
    );
    for (got, at) in [(a, 0), (b, 1), (c, 2), (d, 0), (e, 1)] {
        assert_eq!(got.unwrap().path, folders[at].join("t"));
    }
    assert!(folders.iter().all(|folder| is_whole(folder)));
}

async fn send(
    rig: &Rig,
    path: &Path,
    progress: impl FnMut(CommandProgress),
) -> Result<Sent, Failure> {
    let send = Send {
        path: path.to_owned(),
        peers: vec!["taker".to_owned()],
        ignore: Vec::new(),
    };
    ask(&rig.socket(), &ControlRequest::Send(send), progress).await
}

/// The receiver has the content in a folder of its own. A push of it is in the inbox all the same;
/// and where something else has its name there, the sender hears so.
#[tokio::test]
async fn a_push_of_what_is_known_is_in_the_inbox_or_the_sender_hears_why_not() {
    let (seed, taker) = pair().await;
    let mut taker = taker;
    taker.forget_peers();
    let more = format!("{}\naccept = \"in\"", seed.address());
    let taker = taker.knows("seed", seed.key, &more).start().await;
    taker.has_peers(1).await;
    let ticket = seed.share(&seed.path("t")).await;
    let one = folder(&taker, "1");
    taker.get(&ticket, &one).await.unwrap();
    send(&seed, &seed.path("t"), |_| {}).await.unwrap();
    assert!(is_whole(&taker.inbox()) && is_whole(&one));
    // It is there already, and stays whole; what is removed is there again.
    fs::remove_file(taker.inbox().join("t/a")).unwrap();
    send(&seed, &seed.path("t"), |_| {}).await.unwrap();
    assert!(is_whole(&taker.inbox()));
    fs::write(taker.inbox().join("t/a"), b"mine").unwrap();
    let refused = send(&seed, &seed.path("t"), |_| {}).await.unwrap_err();
    assert_eq!(refused.code, Failure::PART, "{refused}");
    assert!(refused.message.contains("already"), "{refused}");
    assert_eq!(fs::read(taker.inbox().join("t/a")).unwrap(), b"mine");
    assert!(is_whole(&one));
}

/// The receiver takes two chunks and then nothing: the sender sees two, of however many it shares.
#[tokio::test]
async fn a_sender_sees_what_the_receiver_has() {
    let evil = Evil::new();
    let rig = Rig::new().knows("taker", evil.key, "").start().await;
    fs::write(rig.path("f"), noise(8 * 1024 * 1024, 1)).unwrap();
    let mut wire = evil.enter(&rig).await;
    let path = rig.path("f");
    let sending = send(&rig, &path, |_| {});
    let looking = async {
        let offer = wire
            .hear_that(|heard| match heard {
                Heard::Said(Message::Offer(offer)) => Some(offer.clone()),
                _ => None,
            })
            .await;
        let chunks = shared_chunks(offer.bytes);
        let mut words = vec![0; chunks.div_ceil(u64::BITS) as usize];
        words[0] = 0b11;
        let have = Bitfield::from_words(words, chunks).unwrap();
        let join = Join {
            content: offer.content,
            transfer: WANTED,
            have,
            reply: true,
        };
        wire.say(&Message::Join(Box::new(join))).await;
        let has = async || {
            let status = rig.status().await;
            let flow = status.transfers.first()?.peers.first()?;
            (flow.has_bytes == 2 * offer.bytes / u64::from(chunks)).then_some(())
        };
        rig.until("two chunks are there", has).await;
    };
    tokio::select! {
        sent = sending => panic!("nothing was sent: {sent:?}"),
        () = looking => {}
    }
}

/// A file of two changes at its source, and nobody else has it. Who waits for it is told what is
/// missing, and the log of the source has one line of it, however many chunks it has.
///
/// Register: D4.
#[tokio::test]
async fn a_get_ends_with_what_nobody_has() {
    let (seed, mut taker) = pair().await;
    taker.patience = "1 s";
    let ticket = seed.share(&seed.path("t")).await;
    let mut bytes = noise(LARGE, 1);
    for byte in bytes.iter_mut().step_by(1_000) {
        *byte ^= 1;
    }
    fs::write(seed.path("t/a"), &bytes).unwrap();
    let taker = taker.start().await;
    taker.has_peers(1).await;
    let one = folder(&taker, "1");
    let failure = taker.get(&ticket, &one).await.unwrap_err();
    assert!(failure.message.contains("t/a"), "{failure}");
    assert!(
        failure.message.contains("no connected peer has"),
        "{failure}"
    );
    let codes = [Failure::PART, Failure::UNREACHABLE];
    assert!(codes.contains(&failure.code), "{failure}");
    let told = seed.log().matches("withdrawn").count();
    assert_eq!(told, 1, "{}", seed.log());
    // The source is honest: it is neither closed nor banned.
    assert_eq!(taker.connected().await, 1);
    assert!(
        taker
            .ask::<Vec<BanStatus>>(ControlRequest::Bans(Nothing {}))
            .await
            .is_empty()
    );
}

/// A liar is banned, shown with what it did, and let in again when a person says so.
///
/// Register: D1.
#[tokio::test]
async fn a_ban_is_shown_with_its_reason_and_can_be_lifted() {
    let evil = Evil::new();
    let rig = Rig::new().knows("evil", evil.key, "accept = \"in\"");
    let mut rig = rig.start().await;
    let lie = async |rig: &Rig| {
        let mut wire = evil.enter(rig).await;
        let content = Content::file("f", 4 * CHUNK, 1);
        wire.offer(&content).await;
        let twist = |mut ask: Ask| {
            ask.bytes[0] ^= u8::from(!ask.is_manifest);
            Answer::Bytes(ask.bytes)
        };
        let outcome = wire.serve(&content, twist).await;
        assert!(matches!(outcome, Outcome::Closed(_)), "{outcome:?}");
        assert!(evil.refused(rig).await.contains("ban"));
    };
    lie(&rig).await;
    rig.signal(Signal::TERM);
    rig.ended().await;
    rig.start_again().await;
    let bans: Vec<BanStatus> = rig.ask(ControlRequest::Bans(Nothing {})).await;
    let [ban] = bans.as_slice() else {
        panic!("{bans:?}");
    };
    assert_eq!(
        (&*ban.key, ban.peer.as_deref()),
        (&*evil.key.to_string(), Some("evil"))
    );
    assert_eq!(ban.reason, Misbehaviour::WrongHash.name());
    assert!(ban.left_s > 86_000 && ban.left_s <= 86_400, "{ban:?}");
    let peers: Vec<PeerStatus> = rig.ask(ControlRequest::Peers(Nothing {})).await;
    assert_eq!(
        peers[0].ban.as_ref().map(|ban| &ban.reason),
        Some(&ban.reason)
    );
    let lift = |whose: &str| {
        let whose = whose.to_owned();
        ControlRequest::Lift(Lift { whose })
    };
    let unknown = rig.try_ask::<Lifted>(lift("nobody")).await.unwrap_err();
    assert_eq!(unknown.code, Failure::USAGE);
    let lifted: Lifted = rig.ask(lift("evil")).await;
    assert_eq!(lifted.keys, [&*ban.key]);
    assert!(evil.enter(&rig).await.is_alive().await);
    lie(&rig).await;
    let lifted: Lifted = rig.ask(lift("all")).await;
    assert_eq!(lifted.keys, [&*ban.key]);
    // A later run knows of no ban either.
    rig.signal(Signal::TERM);
    rig.ended().await;
    rig.start_again().await;
    assert!(evil.enter(&rig).await.is_alive().await);
}

/// Whatever is in the file of bans that no node wrote, the node does not start as if there were
/// none.
///
/// Register: P8, J14.
#[tokio::test]
async fn a_file_of_bans_that_cannot_be_read_is_an_error_and_not_no_bans() {
    let rig = Rig::new();
    rig.write();
    fs::create_dir_all(rig.data()).unwrap();
    let file = rig.data().join("bans.json");
    let bad: [&[u8]; 5] = [b"", b"{", b"[]", b"{\"identities\":7}", b"\xff\xfe"];
    for (at, text) in bad.iter().enumerate() {
        fs::write(&file, text).unwrap();
        let output = rig.command().output().unwrap();
        let log = rig.log();
        let code = output.status.code();
        assert_eq!(code, Some(i32::from(Failure::STORAGE)), "{at}: {log}");
        assert!(
            log.contains("bans.json:1: is no file of bans"),
            "{at}: {log}"
        );
        fs::remove_file(rig.path("log")).unwrap();
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let output = rig.command().output().unwrap();
    let code = output.status.code();
    assert_eq!(code, Some(i32::from(Failure::STORAGE)), "{}", rig.log());
    assert!(
        rig.log().contains("bans.json: cannot be read"),
        "{}",
        rig.log()
    );
}

/// A push that is more than the sender's quota, one that may not be made at all, and one that is
/// taken: each sender hears which it was.
#[tokio::test]
async fn who_pushes_hears_what_became_of_it() {
    let seed = Rig::new();
    let taker = Rig::new();
    let address = seed.address();
    let accept = format!("{address}\naccept = \"in\"\nquota = \"1 MB\"");
    let mut taker = taker.knows("seed", seed.key, &accept);
    let seed = seed.knows("taker", taker.key, "").start().await;
    taker.start_again().await;
    taker.has_peers(1).await;
    fs::write(seed.path("large"), noise(2_000_000, 1)).unwrap();
    fs::write(seed.path("small"), noise(1_000, 1)).unwrap();
    let refused = send(&seed, &seed.path("large"), |_| {}).await.unwrap_err();
    assert_eq!(refused.code, Failure::PART, "{refused}");
    assert!(refused.message.contains("quota"), "{refused}");
    send(&seed, &seed.path("small"), |_| {}).await.unwrap();
    assert_eq!(
        fs::read(taker.inbox().join("small")).unwrap(),
        noise(1_000, 1)
    );
    taker.forget_peers();
    taker.list("seed", seed.key, &address);
    taker.write();
    taker.reload().await.unwrap();
    let refused = send(&seed, &seed.path("small"), |_| {}).await.unwrap_err();
    assert_eq!(refused.code, Failure::PART, "{refused}");
    assert!(refused.message.contains("does not accept"), "{refused}");
    assert!(
        OfferVerdict::ALL
            .iter()
            .filter(|verdict| !verdict.is_final())
            .count()
            == 2
    );
}

/// A liar offers a content with a manifest of the wrong length. The honest one that offers it next
/// is no liar by that, and the content comes from it.
///
/// Register: J14.
#[tokio::test]
async fn a_length_that_one_peer_lies_about_makes_no_liar_of_another() {
    let (honest, liar) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("honest", honest.key, "accept = \"in\"")
        .knows("liar", liar.key, "accept = \"in\"");
    let rig = rig.start().await;
    let content = Content::file("f", 4 * CHUNK, 1);
    let mut lying = liar.enter(&rig).await;
    let mut offer = content.offer();
    offer.manifest_bytes += 3 * 1024 * 1024;
    let offer = Message::Offer(Box::new(offer));
    lying.say(&offer).await;
    assert_eq!(lying.verdict().await, OfferVerdict::Accepted);
    let mut wire = honest.enter(&rig).await;
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("f")).unwrap(), content.bytes);
    assert!(honest.enter(&rig).await.is_alive().await);
}
