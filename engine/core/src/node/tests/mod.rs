use super::{Action, Config, Event, Guard, Input, Node};
use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::manifest::{ContentId, Manifest};
use crate::message::{Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::node::Asking;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::units::ByteCount;
use crate::uplink::{Settings, Share};
use crate::{choke, pick, sched};

mod alone;
mod answers;
mod chaos;
mod claims;
mod exchange;
mod forwarding;
mod guard;
mod honest;
mod liars;
mod memory;
mod order;
mod paced;
mod rest;
mod riders;
mod room;
mod talk;
mod two;

const CHUNK: u64 = 4_096;
const A: PeerId = PeerId(0);
const B: PeerId = PeerId(1);
const C: PeerId = PeerId(2);

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

/// A node with one slot and two chunks asked ahead, whose blocks are half a chunk long.
fn node(seed: u8, seed_rule: &str) -> Node {
    Node::new(config(seed, seed_rule), Time::ZERO)
}

fn config(seed: u8, seed_rule: &str) -> Config {
    let drr = sched::DISCIPLINES.find("drr").unwrap();
    Config {
        uplink: Settings {
            outer: drr,
            inner: drr,
            share: Share::Peer,
            largest: ByteCount::new(CHUNK / 2),
            window_node: ByteCount::new(CHUNK),
            window_peer: ByteCount::MAX,
            adapt: false,
            quantum: None,
        },
        unchoke: choke::CHOKERS.find("none").unwrap(),
        seed_rule: choke::find_seed_rule(seed_rule).unwrap(),
        picker: pick::PICKERS.find("sequential").unwrap(),
        choke: choke::ChokerParams::default(),
        capacity: None,
        slots: 1,
        rechoke: Span::from_secs(10),
        pipeline: Some(2),
        download: None,
        asking: Asking::default(),
        guard: None,
        rng: Rng::from_seed([seed; 32]),
    }
}

fn manifest(chunks: u32) -> Manifest {
    let bytes = ByteCount::new(u64::from(chunks) * CHUNK);
    Manifest::new(bytes, ByteCount::new(CHUNK)).unwrap()
}

fn add(id: u32, content: u8, have: Bitfield, audience: Option<PeerId>) -> Input {
    Input::Add {
        transfer: TransferId(id),
        content: ContentId([content; 32]),
        manifest: manifest(have.len()),
        have,
        audience,
    }
}

/// Says one thing to a node and returns what it wants done, but for what peers call transfers: a
/// shell is told that with every join.
fn tell(node: &mut Node, input: Input, now: Time) -> Vec<Action> {
    node.handle(input, now);
    let actions = std::iter::from_fn(|| node.poll());
    let is_done = |action: &Action| !matches!(action, Action::Name { .. });
    actions.filter(is_done).collect()
}

fn hear(node: &mut Node, peer: PeerId, message: Message, now: Time) -> Vec<Action> {
    tell(node, Input::Message { peer, message }, now)
}

fn meet(node: &mut Node, peer: PeerId) -> Vec<Action> {
    let outbound = true;
    tell(node, Input::Connected { peer, outbound }, Time::ZERO)
}

fn send(peer: PeerId, message: Message) -> Action {
    Action::Send { peer, message }
}

/// What a peer that calls the content 7 says of it.
fn join(content: u8, have: Bitfield) -> Message {
    Message::Join(Box::new(Join {
        content: ContentId([content; 32]),
        transfer: TransferId(7),
        have,
        reply: false,
    }))
}

fn request(chunk: u32) -> Message {
    rest(chunk, 0)
}

/// The wish for what is behind `offset` in a chunk.
fn rest(chunk: u32, offset: u64) -> Message {
    Message::Request {
        transfer: TransferId(7),
        chunk,
        offset: ByteCount::new(offset),
    }
}

/// A half of a chunk of the content that the sender calls 7.
fn half(chunk: u32, offset: u64) -> Message {
    Message::Block {
        transfer: TransferId(7),
        chunk,
        offset: ByteCount::new(offset),
        len: ByteCount::new(CHUNK / 2),
    }
}

/// What a node asked of whom, in order.
fn asked(actions: &[Action]) -> Vec<(PeerId, u32)> {
    let requests = actions.iter().filter_map(|action| match action {
        Action::Send {
            peer,
            message: Message::Request { chunk, .. },
        } => Some((*peer, *chunk)),
        _ => None,
    });
    requests.collect()
}

/// What a node asked of `who`: chunks, and where in them to begin.
fn wishes(actions: &[Action], who: PeerId) -> impl Iterator<Item = (u32, u64)> {
    actions.iter().filter_map(move |action| match action {
        Action::Send {
            peer,
            message: Message::Request { chunk, offset, .. },
        } if *peer == who => Some((*chunk, offset.get())),
        _ => None,
    })
}

fn closed(actions: &[Action]) -> Vec<Misbehaviour> {
    let closes = actions.iter().filter_map(|action| match action {
        Action::Close { why, .. } => Some(*why),
        _ => None,
    });
    closes.collect()
}

/// A leecher of `chunks` chunks that is connected to `peers`, who have them all.
fn leecher(chunks: u32, peers: &[PeerId]) -> Node {
    let mut node = node(1, "even");
    tell(
        &mut node,
        add(1, 9, Bitfield::empty(chunks), None),
        Time::ZERO,
    );
    for &peer in peers {
        meet(&mut node, peer);
        let said = hear(&mut node, peer, join(9, Bitfield::full(chunks)), Time::ZERO);
        assert_eq!(said, [send(peer, Message::Interested)]);
    }
    node
}

/// A leecher of `chunks` chunks of [`CHUNK`] bytes with a guard, connected to `peers`, who
/// have them all.
fn guarded(chunks: u32, peers: &[PeerId]) -> Node {
    let mut node = with_guard();
    tell(
        &mut node,
        add(1, 9, Bitfield::empty(chunks), None),
        Time::ZERO,
    );
    for &peer in peers {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::full(chunks)), Time::ZERO);
    }
    node
}

fn with_guard() -> Node {
    let config = Config {
        guard: Some(Guard::default()),
        ..config(1, "even")
    };
    Node::new(config, Time::ZERO)
}
