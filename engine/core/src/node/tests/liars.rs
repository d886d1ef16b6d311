//! Peers that collude about what they have, to steer a node that requests the rarest chunk first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;
use crate::units::{Rate, Weight};
use crate::uplink::{Limit, Target};

/// Every node uploads at this rate.
const RATE: Rate = Rate::new(16 * CHUNK);
const CHUNKS: u32 = 2_048;
/// Leechers; the one seed comes first.
const LEECHERS: usize = 12;
/// Between two lies of the same liar.
const FLAP: Span = Span::from_secs(5);

/// What half of the leechers do. Who does anything at all never sends a byte.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// They are honest.
    Nothing,
    /// They say what they have, and refuse what they are asked for.
    Truth,
    /// They claim all, and refuse what they are asked for.
    Refuse,
    /// They claim all, and are silent.
    Silent,
    /// They claim the two halves in turns, and refuse: what is rare changes all the time.
    Flap,
    /// They claim all but what the seed alone has, which looks rarer still, and are silent.
    Hide,
}

enum Happens {
    Hears(usize, usize, Message),
    Left(usize, PeerId, ByteCount),
    Tick(usize),
    Lies(usize, u32),
}

struct Swarm {
    nodes: Vec<Node>,
    lie: Lie,
    /// Whether liars ask for chunks too.
    takes: bool,
    now: Time,
    events: BinaryHeap<Reverse<(Time, usize)>>,
    bodies: Vec<Option<Happens>>,
    woken: Vec<Option<Time>>,
    /// When the uplink of each node is free.
    free: Vec<Time>,
    whole: Vec<Option<Time>>,
}

fn id(node: usize) -> PeerId {
    PeerId(u32::try_from(node).unwrap())
}

const OURS: TransferId = TransferId(1);

impl Swarm {
    fn new(lie: Lie, takes: bool) -> Self {
        let nodes = (0..=LEECHERS).map(|at| {
            let config = Config {
                guard: Some(Guard::default()),
                picker: pick::PICKERS.find("rarest-first").unwrap(),
                pipeline: None,
                ..config(u8::try_from(at).unwrap() + 1, "even")
            };
            Node::new(config, Time::ZERO)
        });
        let mut swarm = Self {
            nodes: nodes.collect(),
            lie,
            takes,
            now: Time::ZERO,
            events: BinaryHeap::new(),
            bodies: Vec::new(),
            woken: vec![None; LEECHERS + 1],
            free: vec![Time::ZERO; LEECHERS + 1],
            whole: vec![None; LEECHERS + 1],
        };
        for at in 0..=LEECHERS {
            let cap = Some(RATE);
            let limit = Limit {
                cap,
                weight: Weight::ONE,
                ..Limit::default()
            };
            let target = Target::Node;
            swarm.tell(at, Input::Limit { target, limit });
            let have = match at {
                0 => Bitfield::full(CHUNKS),
                _ => Bitfield::empty(CHUNKS),
            };
            swarm.tell(at, add(OURS.0, 9, have, None));
        }
        for a in 0..=LEECHERS {
            for b in 0..a {
                for (host, peer, outbound) in [(b, id(a), false), (a, id(b), true)] {
                    swarm.tell(host, Input::Connected { peer, outbound });
                }
            }
            if swarm.lies(a) {
                swarm.plan(FLAP, Happens::Lies(a, 0));
            }
        }
        swarm
    }

    /// Half of the leechers lie, if any does.
    fn lies(&self, node: usize) -> bool {
        self.lie != Lie::Nothing && node > LEECHERS / 2
    }

    /// Whether a liar says that it has a chunk.
    fn claims(&self, liar: usize, round: u32, chunk: u32) -> bool {
        match self.lie {
            Lie::Nothing | Lie::Truth | Lie::Refuse | Lie::Silent => true,
            Lie::Flap => {
                let half = (liar + round as usize) % 2;
                chunk as usize % 2 == half
            }
            Lie::Hide => !chunk.is_multiple_of(8),
        }
    }

    fn plan(&mut self, after: Span, event: Happens) {
        self.bodies.push(Some(event));
        let at = self.now.saturating_add(after);
        self.events.push(Reverse((at, self.bodies.len() - 1)));
    }

    fn tell(&mut self, host: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in tell(&mut self.nodes[host], input, self.now) {
                inputs.extend(self.act(host, action));
            }
        }
        let deadline = self.nodes[host].deadline(self.now);
        let sooner = |at: &Time| self.woken[host].is_none_or(|woken| *at < woken);
        if let Some(at) = deadline.filter(sooner) {
            self.woken[host] = Some(at);
            self.plan(at.since(self.now), Happens::Tick(host));
        }
    }

    fn act(&mut self, host: usize, action: Action) -> Option<Input> {
        match action {
            Action::Send { peer, message } => {
                let message = self.bend(host, message)?;
                let heard = Happens::Hears(peer.index(), host, message);
                self.plan(Span::from_millis(1), heard);
            }
            Action::Upload(block) => {
                let (peer, len) = (block.peer, block.len);
                if self.lies(host) {
                    return Some(Input::Sent { peer, len });
                }
                let begins = self.free[host].max(self.now);
                self.free[host] = begins.saturating_add(RATE.time_for(len));
                let after = self.free[host].since(self.now);
                let (transfer, chunk) = (block.transfer, block.chunk.get());
                let offset = block.offset;
                let message = Message::Block {
                    transfer,
                    chunk,
                    offset,
                    len,
                };
                self.plan(after, Happens::Left(host, peer, len));
                self.plan(after, Happens::Hears(peer.index(), host, message));
            }
            Action::Store {
                transfer,
                chunk,
                from,
                ..
            } => {
                return Some(Input::Stored {
                    transfer,
                    chunk,
                    from,
                });
            }
            Action::Notify(Event::Complete(_)) => self.whole[host] = Some(self.now),
            Action::Close { peer, why } => panic!("{host} closes {peer:?}: {why}"),
            _ => {}
        }
        None
    }

    /// What a node says, or a liar in its place.
    fn bend(&self, host: usize, message: Message) -> Option<Message> {
        if !self.lies(host) {
            return Some(message);
        }
        match message {
            Message::Interested | Message::Request { .. } if !self.takes => None,
            other if self.lie == Lie::Truth => Some(other),
            Message::Join(mut join) => {
                let mut have = Bitfield::empty(CHUNKS);
                let claimed = (0..CHUNKS).filter(|chunk| self.claims(host, 0, *chunk));
                claimed.for_each(|chunk| {
                    have.insert(ChunkIndex(chunk));
                });
                join.have = have;
                Some(Message::Join(join))
            }
            // All is open to everybody, so that everybody asks.
            Message::Have { .. } | Message::Lost { .. } | Message::Choke => None,
            other => Some(other),
        }
    }

    /// A liar takes back what it has claimed, and claims the rest.
    fn lie(&mut self, host: usize, round: u32) {
        let changes = (0..CHUNKS).filter_map(|chunk| {
            let (before, after) = (
                self.claims(host, round, chunk),
                self.claims(host, round + 1, chunk),
            );
            let transfer = OURS;
            match (before, after) {
                (false, true) => Some(Message::Have { transfer, chunk }),
                (true, false) => Some(Message::Lost { transfer, chunk }),
                _ => None,
            }
        });
        // No more at once than is borne with (limit L6).
        let said: Vec<Message> = changes.take(200).collect();
        for to in (0..=LEECHERS).filter(|to| *to != host) {
            for message in said.clone() {
                self.plan(Span::from_millis(1), Happens::Hears(to, host, message));
            }
        }
        self.plan(FLAP, Happens::Lies(host, round + 1));
    }

    fn happens(&mut self, event: Happens) {
        match event {
            Happens::Hears(host, from, message) => {
                if let Message::Request {
                    transfer, chunk, ..
                } = message
                    && self.lies(host)
                {
                    if matches!(self.lie, Lie::Truth | Lie::Refuse | Lie::Flap) {
                        let refusal = Message::Reject { transfer, chunk };
                        self.plan(Span::from_millis(1), Happens::Hears(from, host, refusal));
                    }
                    return;
                }
                let peer = id(from);
                self.tell(host, Input::Message { peer, message });
            }
            Happens::Left(host, peer, len) => self.tell(host, Input::Sent { peer, len }),
            Happens::Tick(host) => {
                if self.woken[host].is_some_and(|at| at <= self.now) {
                    self.woken[host] = None;
                    self.tell(host, Input::Tick);
                }
            }
            Happens::Lies(host, round) => self.lie(host, round),
        }
    }

    /// When the last honest leecher has everything.
    fn run(mut self) -> Span {
        let end = at(24 * 3_600);
        while let Some(Reverse((at, number))) = self.events.pop() {
            self.now = self.now.max(at);
            assert!(self.now < end, "{:?}: {:?}", self.lie, self.whole);
            let event = self.bodies[number].take().unwrap();
            self.happens(event);
            let honest = &self.whole[1..=LEECHERS / 2];
            if honest.iter().all(Option::is_some) {
                return self.now.since(Time::ZERO);
            }
        }
        panic!("nothing more happens");
    }
}

const LIES: [Lie; 4] = [Lie::Refuse, Lie::Silent, Lie::Flap, Lie::Hide];

/// Half of the leechers lie about what they have, each kind of lie in a swarm of its own. The
/// others are done within twice the time that they need where everybody is honest: 128 s, for each
/// chunk has to leave the seed once.
///
/// Register: F10, D5.
#[test]
fn half_of_a_swarm_that_lies_together_costs_the_others_at_most_twice_the_time() {
    let honest = Swarm::new(Lie::Nothing, true).run();
    for lie in LIES {
        let took = Swarm::new(lie, false).run();
        assert!(
            took.as_nanos() <= 2 * honest.as_nanos(),
            "{lie:?}: {took:?}, honest: {honest:?}"
        );
    }
}

/// The same liars take their share of everything, too. That costs the others what it costs them if
/// the same peers say the truth and give nothing, and a tenth more at most.
///
/// Register: F10, D6.
#[test]
fn liars_that_take_cost_no_more_than_peers_that_give_nothing() {
    let truth = Swarm::new(Lie::Truth, true).run();
    for lie in LIES {
        let took = Swarm::new(lie, true).run();
        assert!(
            10 * took.as_nanos() <= 11 * truth.as_nanos(),
            "{lie:?}: {took:?}, truth: {truth:?}"
        );
    }
}
