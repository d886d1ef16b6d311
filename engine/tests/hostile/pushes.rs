//! Pushes that their sender leaves: set aside, resumed, and charged all the while.

use std::fs;

use fairhaul::control::api::TransferState;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{CloseCode, Join, Message, OfferVerdict};

use crate::budgets::{MIB, tree_of};
use crate::content::{CHUNK, Content};
use crate::evil::{Answer, Evil, Outcome};
use crate::rig::Rig;

const HELD: &str = "fairhaul_held_bytes";

/// Half of a push comes, and its sender goes away for good. A minute later it is set aside: it
/// takes of the quota, and no memory. When it is offered again the rest is fetched, and nothing
/// twice.
///
/// Register: D10. Limit: L4, L7.
#[tokio::test]
#[ignore = "takes a minute; the gate runs it"]
async fn a_push_that_nobody_feeds_is_set_aside_and_goes_on_when_it_is_offered_again() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"\nquota = \"1 MB\"")
        .start()
        .await;
    let chunks = 12;
    let content = Content::file("f", chunks * CHUNK, 1);
    let mut wire = evil.enter(&rig).await;
    wire.offer(&content).await;
    let mut sent = 0;
    let serving = wire.serve(&content, |ask| {
        sent += usize::from(!ask.is_manifest);
        match sent {
            0..=5 => Answer::Bytes(ask.bytes),
            _ => Answer::Last(ask.bytes),
        }
    });
    assert_eq!(serving.await, Outcome::Over);
    drop(wire);
    rig.has_peers(0).await;
    let aside = async || {
        let one = rig.status().await.transfers.into_iter().next()?;
        let said = one.trouble.as_deref() == Some("nobody sends the rest");
        (said && one.state == TransferState::Stopped).then_some(())
    };
    rig.until("it is set aside", aside).await;
    let freed = async || (rig.metric(HELD).await == 0).then_some(());
    rig.until("its manifest is charged no longer", freed).await;
    assert!(
        !rig.inbox().join("f").exists(),
        "no name before it is whole"
    );
    let mut wire = evil.enter(&rig).await;
    let another = Content::file("another", 8 * CHUNK, 2);
    wire.offer(&another).await;
    assert_eq!(
        wire.verdict().await,
        OfferVerdict::Quota,
        "what waits counts"
    );
    wire.offer(&content).await;
    let mut again = 0;
    let serving = wire.serve(&content, |ask| {
        again += usize::from(!ask.is_manifest);
        Answer::Bytes(ask.bytes)
    });
    assert_eq!(serving.await, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("f")).unwrap(), content.bytes);
    // The last one that was sent may not have come before the end.
    assert!(
        (chunks - 6..=chunks - 5).contains(&again),
        "{again} of {chunks}"
    );
}

/// The manifest of a push stays in memory as long as the content is known. It is charged, also in
/// the next run of the node, and before it is whole.
///
/// Limit: L4.
#[tokio::test]
async fn manifests_of_pushes_are_charged_in_the_next_run_too() {
    let evil = Evil::new();
    let mut rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"\nquota = \"1 GB\"")
        .start()
        .await;
    let content = tree_of((0..2_000).map(|at| at % 7));
    let len = content.manifest.len() as u64;
    let charged = async |rig: &Rig| {
        let held = async || (rig.metric(HELD).await >= 5 * len).then_some(());
        rig.until("its manifest is charged", held).await;
    };
    let mut wire = evil.enter(&rig).await;
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| match ask.is_manifest {
        true => Answer::Bytes(ask.bytes),
        false => Answer::Last(Vec::new()),
    });
    assert_eq!(outcome.await, Outcome::Over);
    charged(&rig).await;
    rig.kill();
    rig.start_again().await;
    charged(&rig).await;
    let mut wire = evil.enter(&rig).await;
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    rig.kill();
    rig.start_again().await;
    charged(&rig).await;
}

/// Bitfields of contents that a peer names are charged to it, and given back when it goes.
///
/// Register: J10. Limit: L4.
#[tokio::test]
async fn bitfields_are_charged_until_their_peer_is_gone() {
    let evil = Evil::new();
    let rig = Rig::new().knows("evil", evil.key, "").start().await;
    let mut wire = evil.enter(&rig).await;
    for content in 0..20 {
        let join = Join {
            content: ContentId([content; 32]),
            transfer: TransferId(content.into()),
            // Half a mebibyte.
            have: Bitfield::full(1 << 22),
            reply: false,
        };
        wire.say(&Message::Join(Box::new(join))).await;
    }
    assert!(wire.is_alive().await);
    let held = async || rig.metric(HELD).await as usize;
    let charged = async || Some(held().await).filter(|held| *held >= 2 * MIB);
    let most = rig.until("they are charged", charged).await;
    assert!(
        most <= 3 * MIB,
        "{most}: of 10 MiB one of the longest is kept"
    );
    let text = "".into();
    let code = CloseCode::Shutdown;
    wire.say(&Message::Close { code, text }).await;
    drop(wire);
    let freed = async || Some(held().await).filter(|held| *held == 0);
    rig.until("they are given back", freed).await;
}
