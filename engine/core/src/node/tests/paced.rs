//! Whose request goes next while requests wait for a node's own cap on what it fetches.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::units::Rate;

/// The size of the contents, in eighths.
const EIGHTH: u64 = 1024 * 1024;

/// A node with a cap of one chunk a second that fetches contents from peers who have all of them.
struct Fetch {
    node: Node,
    actions: VecDeque<Action>,
    /// Requests of each content and peer.
    asked: BTreeMap<(u32, PeerId), u64>,
    manifests: Vec<Manifest>,
    /// Who never answers.
    silent: Option<PeerId>,
}

impl Fetch {
    /// Contents 1, 2 and so on have chunks of these lengths, and these peers have them.
    fn new(contents: &[(u64, &[PeerId])], silent: Option<PeerId>) -> Self {
        Self::with(Some(Rate::new(CHUNK)), contents, silent)
    }

    fn with(cap: Option<Rate>, contents: &[(u64, &[PeerId])], silent: Option<PeerId>) -> Self {
        let mut config = config(1, "even");
        config.download = cap;
        config.pipeline = Some(2);
        let mut fetch = Self {
            node: Node::new(config, at(0)),
            actions: VecDeque::new(),
            asked: BTreeMap::new(),
            manifests: Vec::new(),
            silent,
        };
        for peer in [A, B, C] {
            fetch.hear(
                Input::Connected {
                    peer,
                    outbound: true,
                },
                0,
            );
            let message = Message::Unchoke;
            fetch.hear(Input::Message { peer, message }, 0);
        }
        for (content, (chunk, peers)) in (1..).zip(contents) {
            fetch.add(content, *chunk, peers, 0);
        }
        fetch
    }

    /// A content that these peers have becomes known.
    fn add(&mut self, number: u32, chunk: u64, peers: &[PeerId], now: u64) {
        let content = ContentId([u8::try_from(number).unwrap(); 32]);
        let manifest = Manifest::new(ByteCount::new(8 * EIGHTH), ByteCount::new(chunk)).unwrap();
        let chunks = manifest.chunks();
        self.manifests.push(manifest);
        let add = Input::Add {
            transfer: TransferId(number),
            content,
            manifest,
            have: Bitfield::empty(chunks),
            audience: None,
        };
        self.hear(add, now);
        for &peer in peers {
            let join = Join {
                content,
                transfer: TransferId(10 + number),
                have: Bitfield::full(chunks),
                reply: false,
            };
            let message = Message::Join(Box::new(join));
            self.hear(Input::Message { peer, message }, now);
        }
    }

    fn hear(&mut self, input: Input, now: u64) {
        self.actions.extend(tell(&mut self.node, input, at(now)));
    }

    /// Answers each request in the instant in which it is made.
    fn run(&mut self, from: u64, to: u64) {
        for now in from..=to {
            self.hear(Input::Tick, now);
            while let Some(action) = self.actions.pop_front() {
                self.answer(action, now);
            }
        }
    }

    fn answer(&mut self, action: Action, now: u64) {
        match action {
            Action::Send {
                peer,
                message:
                    Message::Request {
                        transfer, chunk, ..
                    },
            } => {
                let manifest = self.manifests[transfer.index() - 1];
                let len = manifest.len_of(manifest.index(chunk).unwrap());
                *self.asked.entry((transfer.0, peer)).or_default() += len.get();
                if Some(peer) == self.silent {
                    return;
                }
                let message = Message::Block {
                    transfer: TransferId(10 + transfer.0),
                    chunk,
                    offset: ByteCount::ZERO,
                    len,
                };
                self.hear(Input::Message { peer, message }, now);
            }
            Action::Store {
                transfer,
                chunk,
                from,
                ..
            } => {
                self.hear(
                    Input::Stored {
                        transfer,
                        chunk,
                        from,
                    },
                    now,
                );
            }
            _ => {}
        }
    }

    /// Bytes asked of each content and peer in the seconds from the first to the second.
    fn between(&mut self, from: u64, to: u64) -> BTreeMap<(u32, PeerId), u64> {
        self.run(0, from);
        let before = self.asked.clone();
        self.run(from + 1, to);
        let mut asked = self.asked.clone();
        for (who, bytes) in before {
            *asked.get_mut(&who).unwrap() -= bytes;
        }
        asked
    }
}

/// Each peer answers before the cap lets the next request go, so
/// all of them have room all the time.
#[test]
fn peers_who_have_the_same_are_asked_for_the_same() {
    let mut fetch = Fetch::new(&[(CHUNK, &[A, B, C])], None);
    let asked = fetch.between(10, 910);
    assert_eq!(asked.values().sum::<u64>(), 900 * CHUNK);
    assert!(
        asked.values().all(|bytes| *bytes == 300 * CHUNK),
        "{asked:?}"
    );
}

/// Contents get the same bytes, whatever their chunks and however many peers have them.
#[test]
fn contents_get_the_same_of_a_download_cap() {
    let large = 16 * CHUNK;
    let mut fetch = Fetch::new(
        &[(CHUNK, &[A]), (large, &[B, C]), (CHUNK, &[A, B, C])],
        None,
    );
    let asked = fetch.between(10, 970);
    for content in 1..=3 {
        let of = asked.iter().filter(|((of, _), _)| *of == content);
        let bytes: u64 = of.map(|(_, bytes)| *bytes).sum();
        assert!(bytes.abs_diff(320 * CHUNK) <= large, "{content}: {asked:?}");
    }
}

/// Who does not answer takes its pipeline, and no more.
#[test]
fn a_silent_peer_leaves_its_turns_to_the_others() {
    let mut fetch = Fetch::new(&[(CHUNK, &[A, B, C])], Some(B));
    let asked = fetch.between(10, 50);
    assert_eq!(asked[&(1, B)], 0);
    assert_eq!(asked[&(1, A)], 20 * CHUNK);
    assert_eq!(asked[&(1, C)], 20 * CHUNK);
}

/// A cap that is set later has saved nothing up, and neither has one that is lifted and set
/// again.
#[test]
fn a_new_download_cap_starts_empty() {
    let rate = Some(Rate::new(CHUNK));
    let mut fetch = Fetch::with(None, &[], None);
    for second in [0, 10] {
        fetch.hear(Input::Download { rate: None }, second);
        fetch.hear(Input::Download { rate }, second);
    }
    fetch.add(1, CHUNK, &[A], 10);
    fetch.run(10, 30);
    assert_eq!(fetch.asked[&(1, A)], 20 * CHUNK);
}
