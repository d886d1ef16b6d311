//! Peers that send arbitrary messages at arbitrary times.
//!
//! Whatever they do, the node's counters stay right, no chunk is in two states, nothing is stored
//! that no peer sent, and a complete peer that connects afterwards can still deliver everything.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::message::{CloseCode, OfferVerdict};
use crate::uplink::Block;

const CHUNKS: u32 = 6;
/// Who comes last, and is honest.
const GIVER: PeerId = PeerId(3);

/// One thing that happens to the node.
#[derive(Clone, Debug)]
enum Step {
    Meet(u32),
    Part(u32),
    Hear(u32, Message),
    Skip(u32),
    /// The oldest whole chunk is right or wrong.
    Judge(bool),
    /// The oldest whole chunk came without its bytes.
    Miss,
    /// The oldest block has left, or its connection takes no more.
    Sent(bool),
    Lose(u32),
    Remove,
    Add(u32),
    Wait(u64),
}

fn messages() -> impl Strategy<Value = Message> {
    // Our own ids are theirs too, and some that nobody has.
    let about = || (0_u32..3, 0..CHUNKS + 1).prop_map(|(id, chunk)| (TransferId(id), chunk));
    let fields = prop::collection::vec(any::<bool>(), CHUNKS as usize).prop_map(|bits| {
        let word = bits
            .iter()
            .rev()
            .fold(0, |word, bit| word << 1 | u64::from(*bit));
        Bitfield::from_words(vec![word], CHUNKS).unwrap()
    });
    let halves = (about(), 0_u64..3, 0_u64..3);
    prop_oneof![
        4 => (0_u8..2, fields, any::<bool>()).prop_map(|(content, have, reply)| {
            Message::Join(Box::new(Join {
                content: ContentId([content; 32]),
                transfer: TransferId(u32::from(content)),
                have,
                reply,
            }))
        }),
        1 => about().prop_map(|(transfer, _)| Message::Leave { transfer }),
        4 => about().prop_map(|(transfer, chunk)| Message::Have { transfer, chunk }),
        1 => about().prop_map(|(transfer, chunk)| Message::Lost { transfer, chunk }),
        2 => Just(Message::Interested),
        1 => Just(Message::NotInterested),
        1 => Just(Message::Choke),
        4 => Just(Message::Unchoke),
        4 => (about(), 0..=CHUNK).prop_map(|((transfer, chunk), offset)| Message::Request {
            transfer,
            chunk,
            offset: ByteCount::new(offset),
        }),
        1 => about().prop_map(|(transfer, chunk)| Message::Cancel { transfer, chunk }),
        2 => about().prop_map(|(transfer, chunk)| Message::Reject { transfer, chunk }),
        12 => halves.prop_map(|((transfer, chunk), offset, len)| Message::Block {
            transfer,
            chunk,
            offset: ByteCount::new(offset * CHUNK / 2),
            len: ByteCount::new(len * CHUNK / 2),
        }),
        1 => Just(Message::Ping(1)),
        1 => Just(Message::Verdict {
            content: ContentId([1; 32]),
            verdict: OfferVerdict::Busy,
        }),
        1 => Just(Message::Close {
            code: CloseCode::Idle,
            text: "".into(),
        }),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..3).prop_map(Step::Meet),
        1 => (0_u32..3).prop_map(Step::Part),
        40 => (0_u32..3, messages()).prop_map(|(peer, message)| Step::Hear(peer, message)),
        1 => (0_u32..3).prop_map(Step::Skip),
        4 => any::<bool>().prop_map(Step::Judge),
        1 => Just(Step::Miss),
        4 => any::<bool>().prop_map(Step::Sent),
        1 => (0..CHUNKS).prop_map(Step::Lose),
        1 => Just(Step::Remove),
        2 => (0..1_u32 << CHUNKS).prop_map(Step::Add),
        4 => (0_u64..90_000).prop_map(Step::Wait),
    ]
}

/// The node and what its shell has in hand.
struct Shell {
    node: Node,
    now: Time,
    connected: [bool; 4],
    /// Who is to be closed.
    closed: VecDeque<PeerId>,
    /// What the last one to come was told.
    asks: VecDeque<Message>,
    stores: VecDeque<(TransferId, ChunkIndex, PeerId)>,
    blocks: VecDeque<Block>,
    takes_part: bool,
}

impl Shell {
    fn input(&mut self, step: Step) -> Option<Input> {
        let transfer = TransferId(1);
        Some(match step {
            Step::Meet(peer) => {
                let known = std::mem::replace(&mut self.connected[peer as usize], true);
                (!known).then_some(Input::Connected {
                    peer: PeerId(peer),
                    outbound: peer == 0,
                })?
            }
            Step::Part(peer) => {
                self.connected[peer as usize] = false;
                self.blocks.retain(|block| block.peer != PeerId(peer));
                Input::Disconnected { peer: PeerId(peer) }
            }
            Step::Hear(peer, message) => Input::Message {
                peer: PeerId(peer),
                message,
            },
            Step::Skip(peer) => Input::Skipped { peer: PeerId(peer) },
            Step::Judge(right) => {
                let (transfer, chunk, from) = self.stores.pop_front()?;
                if right {
                    Input::Stored {
                        transfer,
                        chunk,
                        from,
                    }
                } else {
                    Input::Rejected {
                        transfer,
                        chunk,
                        from,
                    }
                }
            }
            Step::Miss => {
                let (transfer, chunk, _) = self.stores.pop_front()?;
                Input::Lost { transfer, chunk }
            }
            Step::Sent(true) => {
                let Block { peer, len, .. } = self.blocks.pop_front()?;
                Input::Sent { peer, len }
            }
            Step::Sent(false) => {
                let peer = self.blocks.front()?.peer;
                Input::Stalled { peer }
            }
            Step::Lose(chunk) => Input::Lost {
                transfer,
                chunk: ChunkIndex(chunk),
            },
            Step::Remove => {
                self.takes_part = false;
                self.stores.clear();
                Input::Remove { transfer }
            }
            Step::Add(word) => {
                let again = std::mem::replace(&mut self.takes_part, true);
                let have = Bitfield::from_words(vec![u64::from(word)], CHUNKS).unwrap();
                (!again).then_some(add(1, 1, have, None))?
            }
            Step::Wait(millis) => {
                self.now = self.now + Span::from_millis(millis);
                Input::Tick
            }
        })
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Store {
                transfer,
                chunk,
                from,
                ..
            } => self.stores.push_back((transfer, chunk, from)),
            Action::Upload(block) => {
                assert!(self.connected[block.peer.index()], "to nobody");
                self.blocks.push_back(block);
            }
            Action::Send { peer, message } => {
                let asks = matches!(message, Message::Request { .. });
                assert!(!asks || self.connected[peer.index()], "asks nobody");
                if peer == GIVER {
                    self.asks.push_back(message);
                }
            }
            Action::Close { peer, .. } => self.closed.push_back(peer),
            Action::Resume { .. }
            | Action::Discard { .. }
            | Action::Name { .. }
            | Action::Notify(_) => {}
        }
    }

    fn check(&self) {
        let node = &self.node;
        for (_, transfer) in node.transfers.iter() {
            transfer.check();
        }
        let peers = || node.peers.iter().flatten();
        let asked: usize = peers().map(|peer| peer.asked.len()).sum();
        assert_eq!(node.asked, asked);
        assert_eq!(
            node.interested,
            peers().filter(|peer| peer.interested).count()
        );
        assert_eq!(
            node.granted,
            peers().filter(|peer| peer.is_granted()).count()
        );
        assert!(peers().all(|peer| peer.owed() <= ByteCount::mib(16)));
    }

    /// The others say nothing more, and one comes who has everything and answers every request.
    /// Whether the node has everything within five minutes.
    fn ends(&mut self) -> bool {
        if let Some(input) = self.input(Step::Add(0)) {
            self.tell(input);
        }
        self.asks.clear();
        let peer = GIVER;
        let outbound = false;
        self.connected[peer.index()] = true;
        self.tell(Input::Connected { peer, outbound });
        self.hear(join(1, Bitfield::full(CHUNKS)));
        self.hear(Message::Unchoke);
        for _ in 0..300 {
            while let Some(message) = self.asks.pop_front() {
                match message {
                    Message::Request { chunk, offset, .. } => self.hear(Message::Block {
                        transfer: TransferId(7),
                        chunk,
                        offset,
                        len: ByteCount::new(CHUNK) - offset,
                    }),
                    Message::Ping(number) => self.hear(Message::Pong(number)),
                    _ => {}
                }
                while let Some(input) = self.input(Step::Judge(true)) {
                    self.tell(input);
                }
            }
            while let Some(input) = self.input(Step::Judge(true)) {
                self.tell(input);
            }
            self.now = self.now + Span::SECOND;
            self.tell(Input::Tick);
            while let Some(peer) = self.closed.pop_front() {
                assert_ne!(peer, GIVER, "it did nothing wrong");
                let input = self.input(Step::Part(peer.0)).expect("always one");
                self.tell(input);
            }
        }
        self.node.is_seed()
    }

    fn tell(&mut self, input: Input) {
        for action in tell(&mut self.node, input, self.now) {
            self.act(action);
        }
        self.check();
    }

    fn hear(&mut self, message: Message) {
        let peer = GIVER;
        self.tell(Input::Message { peer, message });
    }
}

proptest! {
    /// Register: W7, W8, D1, D5, D8, C8.
    #[test]
    fn whatever_peers_say_the_node_keeps_count(
        steps in prop::collection::vec(steps(), 0..300),
        guard in any::<bool>(),
        rule in prop::sample::select(vec!["even", "round-robin"]),
    ) {
        let guard = guard.then(Guard::default);
        let config = Config { guard, ..config(1, rule) };
        let mut shell = Shell {
            node: Node::new(config, Time::ZERO),
            now: Time::ZERO,
            connected: [false; 4],
            closed: VecDeque::new(),
            asks: VecDeque::new(),
            stores: VecDeque::new(),
            blocks: VecDeque::new(),
            takes_part: false,
        };
        for step in steps {
            let Some(input) = shell.input(step) else {
                continue;
            };
            shell.tell(input);
            // It does not ask to be woken in the past for ever.
            if let Some(at) = shell.node.deadline(shell.now).filter(|at| *at <= shell.now) {
                tell(&mut shell.node, Input::Tick, at.max(shell.now));
            }
        }
        prop_assert!(shell.ends(), "it waits for ever");
    }
}
