//! Two nodes that hear each other a second later, without a network between them.

use std::collections::VecDeque;

use super::*;

/// Nodes, each with a clock of its own that is so far ahead.
struct Pair {
    nodes: [Node; 2],
    ahead: [Span; 2],
    /// For which of them, and what.
    inputs: VecDeque<(usize, Input)>,
    /// Blocks that each has sent, of which transfer.
    sent: Vec<(usize, TransferId)>,
}

impl Pair {
    fn new(ahead: [Span; 2]) -> Self {
        let born = |at: usize| Time::ZERO + ahead[at];
        let seeds: [u8; 2] = [1, 2];
        let guarded = |at: usize| Config {
            guard: Some(Guard::default()),
            ..config(seeds[at], "even")
        };
        let node = |at: usize| Node::new(guarded(at), born(at));
        let mut pair = Self {
            nodes: [node(0), node(1)],
            ahead,
            inputs: VecDeque::new(),
            sent: Vec::new(),
        };
        for at in [0, 1] {
            let outbound = at == 0;
            pair.inputs
                .push_back((at, Input::Connected { peer: A, outbound }));
        }
        pair
    }

    /// Hears `since` both began what was said before: a message is on its way for a second.
    fn run(&mut self, since: Span) {
        for (at, input) in std::mem::take(&mut self.inputs) {
            let now = Time::ZERO + self.ahead[at] + since;
            for action in tell(&mut self.nodes[at], input, now) {
                self.carry(at, action);
            }
        }
    }

    fn carry(&mut self, at: usize, action: Action) {
        let other = 1 - at;
        match action {
            Action::Send { message, .. } => {
                let input = Input::Message { peer: A, message };
                self.inputs.push_back((other, input));
            }
            Action::Upload(block) => {
                self.sent.push((at, block.transfer));
                let message = Message::Block {
                    transfer: block.transfer,
                    chunk: block.chunk.get(),
                    offset: block.offset,
                    len: block.len,
                };
                self.inputs
                    .push_back((other, Input::Message { peer: A, message }));
                let sent = Input::Sent {
                    peer: A,
                    len: block.len,
                };
                self.inputs.push_back((at, sent));
            }
            Action::Store {
                transfer,
                chunk,
                from,
                ..
            } => {
                let stored = Input::Stored {
                    transfer,
                    chunk,
                    from,
                };
                self.inputs.push_back((at, stored));
            }
            Action::Close { why, .. } => panic!("{at} closes: {why}"),
            _ => {}
        }
    }
}

/// Register: T4. One clock is fifty years ahead of the other: no message tells what time it is.
#[test]
fn two_whose_clocks_differ_by_years_fetch_from_each_other() {
    let years = Span::from_secs(50 * 365 * 86_400);
    let mut pair = Pair::new([Span::ZERO, years]);
    let (full, empty) = (Bitfield::full(20), Bitfield::empty(20));
    for (at, has) in [(0, [full.clone(), empty.clone()]), (1, [empty, full])] {
        for (content, have) in [8, 9].into_iter().zip(has) {
            pair.inputs
                .push_back((at, add(u32::from(content), content, have, None)));
        }
    }
    for second in 0..60 {
        for at in [0, 1] {
            pair.inputs.push_back((at, Input::Tick));
        }
        pair.run(Span::from_secs(second));
    }
    for node in &pair.nodes {
        assert!(node.is_seed());
    }
    assert_eq!(pair.sent.len(), 2 * 20 * 2, "halves of chunks, each once");
}

/// Register: F11. A gives all that we fetch, and B gives nothing: what we send them is the same,
/// for shares know weights and no rates.
#[test]
fn who_gives_more_gets_no_larger_share() {
    let mut node = node(1, "even");
    tell(&mut node, add(1, 8, Bitfield::empty(20), None), at(0));
    tell(&mut node, add(2, 9, Bitfield::full(20), None), at(0));
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::empty(20)), at(0));
        hear(&mut node, peer, Message::Interested, at(0));
    }
    let giver = Message::Join(Box::new(Join {
        content: ContentId([8; 32]),
        transfer: TransferId(6),
        have: Bitfield::full(20),
        reply: false,
    }));
    hear(&mut node, A, giver, at(0));
    let mut wants: VecDeque<(PeerId, u32)> =
        asked(&hear(&mut node, A, Message::Unchoke, at(0))).into();
    let mut sends = VecDeque::new();
    for chunk in 0..20 {
        for peer in [A, B] {
            sends.extend(hear(&mut node, peer, request(chunk), at(0)));
        }
    }
    let mut got = [0, 0];
    for second in 1..=20 {
        for _ in 0..2 {
            if let Some((_, chunk)) = wants.pop_front() {
                let block = Message::Block {
                    transfer: TransferId(6),
                    chunk,
                    offset: ByteCount::ZERO,
                    len: ByteCount::new(CHUNK),
                };
                let said = hear(&mut node, A, block, at(second));
                let (transfer, chunk) = (TransferId(1), ChunkIndex(chunk));
                let stored = Input::Stored {
                    transfer,
                    chunk,
                    from: A,
                };
                let more = tell(&mut node, stored, at(second));
                wants.extend(asked(&said));
                wants.extend(asked(&more));
                sends.extend(said.into_iter().chain(more));
            }
            let upload = std::iter::from_fn(|| sends.pop_front());
            let block = upload.into_iter().find_map(|action| match action {
                Action::Upload(block) => Some(block),
                _ => None,
            });
            let block = block.expect("both ask for more all the time");
            got[block.peer.index()] += block.len.get();
            let sent = Input::Sent {
                peer: block.peer,
                len: block.len,
            };
            sends.extend(tell(&mut node, sent, at(second)));
        }
    }
    assert_eq!(got.iter().sum::<u64>(), 20 * CHUNK);
    assert!(
        got[0].abs_diff(got[1]) <= CHUNK,
        "{got:?}: more than a turn apart"
    );
}
