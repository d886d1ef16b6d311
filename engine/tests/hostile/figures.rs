//! What attacks cost a node, for `scripts/engine/attacks.sh`: one line of figures for each.

use std::fs;
use std::future::pending;

use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Message;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::budgets::{MIB, most_memory};
use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Evil, WANTED, connect};
use crate::rig::{Rig, Since};

/// How long each attack lasts, at least.
const LASTS_MS: u128 = 6_000;
/// What an honest peer takes meanwhile.
const TAKES: u64 = 4 * MIB as u64;

#[derive(Clone, Copy, Debug)]
enum Attack {
    /// None: what the figures are to be compared with.
    Nothing,
    /// A listed peer asks for one chunk as fast as it can.
    Requests,
    /// A listed peer makes one offer as fast as it can.
    Offers,
    /// A listed peer announces manifests of 64 MiB, and sends a chunk of each that is taken.
    Manifests,
    /// 256 strangers of 64 addresses connect and say nothing, again and again.
    Dawdlers,
    /// 200 callers of the page show no token.
    Callers,
}

const ATTACKS: [(&str, Attack); 6] = [
    ("none", Attack::Nothing),
    ("duplicate requests", Attack::Requests),
    ("duplicate offers", Attack::Offers),
    ("announced manifests", Attack::Manifests),
    ("silent handshakes", Attack::Dawdlers),
    ("callers without a token", Attack::Callers),
];

impl Attack {
    /// Attacks until it is dropped.
    async fn lasts(self, rig: &Rig, evil: &Evil, content: ContentId, page: &str) {
        match self {
            Self::Nothing => {}
            Self::Requests => {
                let (transfer, chunk, offset) = (WANTED, 0, ByteCount::ZERO);
                let request = Message::Request {
                    transfer,
                    chunk,
                    offset,
                };
                flood(rig, evil, content, &request).await;
            }
            Self::Offers => {
                let offer = Content::file("x", CHUNK, 1).offer();
                flood(rig, evil, content, &Message::Offer(Box::new(offer))).await;
            }
            Self::Manifests => announce(rig, evil).await,
            Self::Dawdlers => {
                let dawdle = |from| {
                    let connecting = connect(rig, from);
                    async move {
                        if let Ok(mut stream) = connecting.await {
                            let _ = stream.read(&mut [0; 16]).await;
                        }
                        from
                    }
                };
                let mut held = JoinSet::new();
                for from in (2..66).cycle().take(256) {
                    held.spawn(dawdle(from));
                }
                while let Some(Ok(from)) = held.join_next().await {
                    held.spawn(dawdle(from));
                }
            }
            Self::Callers => {
                let mut held = Vec::new();
                while held.len() < 200 {
                    held.push(TcpStream::connect(page).await);
                }
                pending().await
            }
        }
        pending().await
    }
}

/// Says the same for as long as the session lasts.
async fn flood(rig: &Rig, evil: &Evil, content: ContentId, message: &Message) {
    let mut frames = Vec::new();
    (0..1_000).for_each(|_| wire::encode(message, &mut frames));
    let mut wire = evil.enter(rig).await;
    wire.want(content, shared_chunks(TAKES)).await;
    while wire.raw(&frames).await.is_ok() {}
}

async fn announce(rig: &Rig, evil: &Evil) {
    let mut wire = evil.enter(rig).await;
    for number in 0..64 {
        let mut content = Content::of_manifest(vec![number]);
        content.manifest = vec![7; 64 * MIB];
        wire.offer(&content).await;
        wire.claim(&content, true).await;
    }
    while wire.hear().await.is_some() {}
}

/// For each attack: how long a person waits at most for an answer, how long a peer that has just
/// come takes for four mebibytes, and how many descriptors and how much memory the node has at
/// most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures and asserts that there are answers at all"]
async fn figures_of_attacks() {
    for (name, attack) in ATTACKS {
        let (evil, honest) = (Evil::new(), Evil::new());
        let rig = Rig::new();
        let page = format!("{}:7441", rig.listens().ip());
        let more = "upload = \"1 B/s\"\naccept = \"in\"\nquota = \"1 TiB\"";
        let rig = rig
            .with(&format!("http = \"{page}\"\n"))
            .knows("evil", evil.key, more)
            .knows("honest", honest.key, "")
            .start()
            .await;
        fs::write(rig.path("f"), noise(TAKES as usize, 1)).unwrap();
        let content = rig.share(&rig.path("f")).await.content();
        let began = Since::now();
        let (mut slowest, mut descriptors) = (0, 0);
        let asking = async {
            while began.millis() < LASTS_MS {
                let asked = Since::now();
                rig.status().await;
                slowest = slowest.max(asked.millis());
                let open = fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap();
                descriptors = descriptors.max(open.count());
            }
        };
        let fetching = async {
            let fetched = Since::now();
            let calls = async || honest.call_from(&rig, 200).await.ok();
            let mut wire = rig.until("a listed peer is in", calls).await;
            let chunks = shared_chunks(TAKES);
            wire.want(content, chunks).await;
            wire.leech(0..chunks, 4, TAKES / u64::from(chunks), TAKES)
                .await;
            fetched.millis()
        };
        let measuring = async { tokio::join!(asking, fetching).1 };
        let took = tokio::select! {
            () = attack.lasts(&rig, &evil, content, &page) => unreachable!("it lasts"),
            took = measuring => took,
        };
        let memory = most_memory(&rig) / MIB;
        eprintln!("figure: {name},{slowest},{took},{descriptors},{memory}");
    }
}
