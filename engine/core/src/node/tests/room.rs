//! Two or three nodes that hear each other: whole transfers.

use std::collections::VecDeque;

use super::*;

/// Nodes in one place: what one says, the other hears at once; what is stored is right.
struct Room {
    nodes: Vec<Node>,
    inputs: VecDeque<(usize, Input)>,
    news: Vec<(usize, Event)>,
    uploads: usize,
}

impl Room {
    fn new(nodes: Vec<Node>) -> Self {
        Self {
            nodes,
            inputs: VecDeque::new(),
            news: Vec::new(),
            uploads: 0,
        }
    }

    /// A node is known to the others by its number.
    fn connect(&mut self, from: usize, to: usize) {
        let ends = [(to, from, false), (from, to, true)];
        let connected = ends.map(|(host, other, outbound)| {
            let peer = PeerId(u32::try_from(other).unwrap());
            (host, Input::Connected { peer, outbound })
        });
        // Both know of it before either says anything.
        self.inputs.extend(connected);
        self.run();
    }

    /// Says one thing to one node, and goes on until nobody has anything to do.
    fn tell(&mut self, host: usize, input: Input) {
        self.inputs.push_back((host, input));
        self.run();
    }

    fn run(&mut self) {
        while let Some((host, input)) = self.inputs.pop_front() {
            for action in tell(&mut self.nodes[host], input, Time::ZERO) {
                self.act(host, action);
            }
        }
    }

    fn act(&mut self, host: usize, action: Action) {
        let me = PeerId(u32::try_from(host).unwrap());
        match action {
            Action::Send { peer, message } => {
                let input = Input::Message { peer: me, message };
                self.inputs.push_back((peer.index(), input));
            }
            Action::Upload(block) => {
                self.uploads += 1;
                let message = Message::Block {
                    transfer: block.transfer,
                    chunk: block.chunk.get(),
                    offset: block.offset,
                    len: block.len,
                };
                let input = Input::Message { peer: me, message };
                self.inputs.push_back((block.peer.index(), input));
                let (peer, len) = (block.peer, block.len);
                self.inputs.push_back((host, Input::Sent { peer, len }));
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
                self.inputs.push_back((host, stored));
            }
            Action::Close { why, .. } => panic!("node {host} accuses somebody of: {why}"),
            Action::Resume { .. } | Action::Discard { .. } | Action::Name { .. } => {}
            Action::Notify(news) => self.news.push((host, news)),
        }
    }
}

/// Five chunks of two blocks each: ten uploads, and both say so at the right moment.
#[test]
fn a_transfer_completes_with_each_block_sent_once() {
    let mut room = Room::new(vec![node(1, "even"), node(2, "even")]);
    room.connect(0, 1);
    room.tell(0, add(1, 9, Bitfield::full(5), None));
    room.tell(1, add(4, 9, Bitfield::empty(5), None));
    assert_eq!(room.news, [(1, Event::Complete(TransferId(4)))]);
    assert_eq!(room.uploads, 10);
    assert!(room.nodes[1].is_seed());
    assert_eq!(room.nodes[1].waiting().count(), 0);
    assert_eq!(room.nodes[1].deadline(Time::ZERO), None);
}

/// Each is the seed of one content and lacks the other; a third content starts half on
/// either side.
#[test]
fn several_contents_move_in_both_directions_at_once() {
    let mut room = Room::new(vec![node(1, "even"), node(2, "even")]);
    let halves = |odd: u32| {
        let mut half = Bitfield::empty(6);
        for chunk in (0..6).filter(|chunk| chunk % 2 == odd) {
            half.insert(ChunkIndex(chunk));
        }
        half
    };
    room.tell(0, add(1, 1, Bitfield::full(3), None));
    room.tell(0, add(2, 2, Bitfield::empty(4), None));
    room.connect(0, 1);
    // In another order and under other ids than at the other end.
    room.tell(1, add(1, 3, halves(1), None));
    room.tell(1, add(2, 2, Bitfield::full(4), None));
    room.tell(0, add(3, 3, halves(0), None));
    room.tell(1, add(3, 1, Bitfield::empty(3), None));
    assert!(room.nodes.iter().all(Node::is_seed));
    assert_eq!(room.uploads, 2 * (3 + 4 + 6));
}

/// Three in a line, and the seed at one end: what the other end gets went through the middle,
/// which had it all before the other end took part.
#[test]
fn a_leecher_passes_on_what_it_has() {
    let mut room = Room::new((0..3).map(|seed| node(seed, "even")).collect());
    room.connect(0, 1);
    room.connect(1, 2);
    room.tell(0, add(1, 9, Bitfield::full(3), None));
    room.tell(1, add(1, 9, Bitfield::empty(3), None));
    room.tell(2, add(1, 9, Bitfield::empty(3), None));
    assert!(room.nodes.iter().all(Node::is_seed));
    assert_eq!(room.uploads, 12);
}

#[test]
fn a_chunk_that_is_lost_is_taken_back_and_fetched_again() {
    let mut room = Room::new(vec![node(1, "even"), node(2, "even")]);
    room.connect(0, 1);
    for host in [0, 1] {
        room.tell(host, add(1, 9, Bitfield::full(2), None));
    }
    let (transfer, chunk) = (TransferId(1), ChunkIndex(1));
    room.tell(0, Input::Lost { transfer, chunk });
    assert_eq!(room.uploads, 2);
    assert_eq!(room.news, [(0, Event::Complete(transfer))]);
}

#[test]
fn text_and_pings_go_there_and_back() {
    let mut room = Room::new(vec![node(1, "even"), node(2, "even")]);
    room.connect(0, 1);
    let text: Box<str> = "hello".into();
    room.tell(
        0,
        Input::Text {
            peer: B,
            text: text.clone(),
        },
    );
    room.tell(
        1,
        Input::Ping {
            peer: A,
            number: 42,
        },
    );
    let expected = [(1, Event::Text(A, text)), (1, Event::Pong(A, 42))];
    assert_eq!(room.news, expected);
}
