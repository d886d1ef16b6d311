//! Two nodes and a network of zero delay: one has a content, the other fetches it.
//!
//! This is the whole contract of a node: tell it what happened and what time it is, then do what
//! it answers, until it has nothing more. `cargo run -p fairhaul-core --example two_nodes`

use std::collections::VecDeque;

use fairhaul_core::{
    Action, Asking, Bitfield, ByteCount, CHOKERS, ChokerParams, Config, ContentId, DISCIPLINES,
    Event, Input, Manifest, Message, Node, PICKERS, PeerId, Rng, Share, Span, Time, TransferId,
    UplinkSettings,
};

/// What each node calls the other, and the content: the names of a connection's two ends are
/// their own affair.
const OTHER: PeerId = PeerId(0);
const CONTENT: TransferId = TransferId(1);

fn node(seed: u8) -> Option<Node> {
    let drr = DISCIPLINES.find("drr")?;
    let config = Config {
        uplink: UplinkSettings {
            outer: drr,
            inner: drr,
            share: Share::Peer,
            largest: ByteCount::kib(16),
            window_node: ByteCount::kib(64),
            window_peer: ByteCount::kib(64),
            adapt: false,
            quantum: None,
        },
        unchoke: CHOKERS.find("tit-for-tat")?,
        seed_rule: CHOKERS.find("none")?,
        picker: PICKERS.find("rarest-first")?,
        choke: ChokerParams::default(),
        capacity: None,
        slots: 4,
        rechoke: Span::from_secs(10),
        pipeline: None,
        asking: Asking::default(),
        download: None,
        guard: None,
        rng: Rng::from_seed([seed; 32]),
    };
    Some(Node::new(config, Time::ZERO))
}

/// Moves `bytes` from one node to the other; gives what the sender was told of and the receiver
/// fetched, in chunks.
fn transfer(bytes: ByteCount) -> Option<(Time, u32)> {
    let manifest = Manifest::new(bytes, ByteCount::kib(256)).ok()?;
    let mut nodes = [node(1)?, node(2)?];
    let mut todo: VecDeque<(usize, Input)> = VecDeque::new();
    for (at, have) in [
        Bitfield::full(manifest.chunks()),
        Bitfield::empty(manifest.chunks()),
    ]
    .into_iter()
    .enumerate()
    {
        let add = Input::Add {
            transfer: CONTENT,
            content: ContentId([7; 32]),
            manifest,
            have,
            audience: None,
        };
        let connected = Input::Connected {
            peer: OTHER,
            outbound: at == 0,
        };
        todo.extend([(at, add), (at, connected)]);
    }
    let (mut now, mut stored) = (Time::ZERO, 0);
    loop {
        // Wait: for what has happened, else for the earliest deadline.
        let Some((at, input)) = todo.pop_front() else {
            let due = nodes.iter().filter_map(|node| node.deadline(now)).min()?;
            now = now.max(due);
            todo.extend([(0, Input::Tick), (1, Input::Tick)]);
            continue;
        };
        // Handle: exactly one thing.
        nodes[at].handle(input, now);
        // Drain: everything that the node wants done.
        while let Some(action) = nodes[at].poll() {
            let from = OTHER;
            match action {
                Action::Send { message, .. } => todo.push_back((1 - at, arrives(message))),
                Action::Upload(block) => {
                    let (peer, len) = (block.peer, block.len);
                    todo.push_back((at, Input::Sent { peer, len }));
                    let message = Message::Block {
                        transfer: block.transfer,
                        chunk: block.chunk.get(),
                        offset: block.offset,
                        len,
                    };
                    todo.push_back((1 - at, arrives(message)));
                }
                Action::Store {
                    transfer, chunk, ..
                } => {
                    stored += 1;
                    let input = Input::Stored {
                        transfer,
                        chunk,
                        from,
                    };
                    todo.push_back((at, input));
                }
                Action::Notify(Event::Complete(_)) if at == 1 => return Some((now, stored)),
                _ => {}
            }
        }
    }
}

/// A message that has come over the connection.
fn arrives(message: Message) -> Input {
    let peer = OTHER;
    Input::Message { peer, message }
}

fn main() {
    match transfer(ByteCount::mib(3)) {
        Some((at, chunks)) => eprintln!("{chunks} chunks after {} s", at.as_secs_f64()),
        None => eprintln!("nothing more happens: this would be a fault of the core"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receiver_has_every_chunk_in_the_end() {
        let found = transfer(ByteCount::new(3 * 1_048_576 + 1));
        assert_eq!(found.map(|(_, chunks)| chunks), Some(13));
    }
}
