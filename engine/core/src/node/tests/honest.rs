//! The law that no schedule makes an honest node's offence.
//!
//! Two to four honest nodes distribute contents among themselves over links that delay, stall,
//! break and recover; their disks are slow, stall and lose chunks; memory is short; nodes restart;
//! contents are paused and resumed; limits change. Under every schedule no peer is closed but for
//! silence, and once the disturbances stop every node completes every content.
//!
//! A seed decides the schedule. The gate plays 1,000 of them. More, or one alone:
//! `FAIRHAUL_SEEDS=0..100000 cargo test --release -p fairhaul-core --lib honest`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::ops::Range;

use super::*;
use crate::units::Rate;
use crate::uplink::{Block, Limit, Target};

/// The seeds of an ordinary run, and others that once found something.
const SEEDS: Range<u64> = 0..1_000;
const FOUND: [u64; 2] = [20_167, 34_842];
/// How long things go wrong, and how long it may take until all is well again.
const FAULTS: Span = Span::from_secs(400);
const HEALING: Span = Span::from_secs(4 * 3_600);

fn seeds() -> Vec<u64> {
    let Some(text) = std::env::var_os("FAIRHAUL_SEEDS") else {
        return SEEDS.chain(FOUND).collect();
    };
    let text = text.into_string().unwrap();
    let (first, end) = text.split_once("..").expect("FAIRHAUL_SEEDS=FIRST..END");
    (first.parse().unwrap()..end.parse().unwrap()).collect()
}

#[derive(Debug)]
enum Item {
    Said(Message),
    Block(Block),
}

/// One direction of a connection: a stream, so what goes in first comes out first.
#[derive(Debug, Default)]
struct Pipe {
    queue: VecDeque<Item>,
    busy: bool,
    stalled: Time,
    arrives: Time,
}

#[derive(Debug)]
enum Happens {
    /// The first item of the pipe has left.
    Leaves(usize, usize, u32),
    Arrives(usize, usize, u32, Item),
    /// A chunk is written, or its bytes are missing.
    Written(usize, u32, TransferId, ChunkIndex, PeerId),
    Connects(usize, usize),
    TakenUp(usize, u8),
    Tick(usize),
    Fault,
}

struct Host {
    node: Node,
    /// Counts restarts: what an earlier run was about to write is not heard of.
    run: u32,
    /// What is on disk, by content.
    disk: Vec<Bitfield>,
    taken_up: Vec<bool>,
    writing: Vec<u32>,
    disk_stalled: Time,
    woken: Option<Time>,
}

struct World {
    rng: Rng,
    now: Time,
    hosts: Vec<Host>,
    pipes: BTreeMap<(usize, usize), Pipe>,
    /// Counts connections of a pair, by the smaller of the two; none is up if it is not in `up`.
    made: BTreeMap<(usize, usize), u32>,
    up: BTreeSet<(usize, usize)>,
    events: BinaryHeap<Reverse<(Time, u64, usize)>>,
    bodies: Vec<Option<Happens>>,
    chunks: Vec<u32>,
    rate: u64,
    delay: u64,
    guard: Guard,
    rule: &'static str,
    healing: bool,
    /// Whether contents that are put down are given on. Seeds that once found something keep their
    /// schedule.
    gives_on: bool,
    /// Ends of connections that nodes have still to hear of.
    later: VecDeque<(usize, Input)>,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// What `host` calls a content: each calls it something else.
fn id(host: usize, content: usize) -> TransferId {
    TransferId(u32::try_from(host * 100 + content).unwrap())
}

fn peer(host: usize) -> PeerId {
    PeerId(u32::try_from(host).unwrap())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::from_seed(bytes);
        let hosts = 2 + rng.below(3);
        let contents = 1 + rng.below(4);
        let chunks = (0..contents).map(|_| 1 + small(&mut rng, 40)).collect();
        let guard = Guard {
            // Memory is short in half of the runs.
            held: ByteCount::new([CHUNK, 3 * CHUNK, 64 << 20, 64 << 20][rng.below(4)]),
            replies: ByteCount::new([4 * CHUNK, 16 << 20][rng.below(2)]),
            ..Guard::default()
        };
        let rate = [2_000, 20_000, 200_000, 5_000_000][rng.below(4)];
        let delay = [1, 50, 500, 5_000][rng.below(4)];
        let rule = ["even", "round-robin", "forwarders-first"][rng.below(3)];
        let mut world = Self {
            rng,
            now: Time::ZERO,
            hosts: Vec::new(),
            pipes: BTreeMap::new(),
            made: BTreeMap::new(),
            up: BTreeSet::new(),
            events: BinaryHeap::new(),
            bodies: Vec::new(),
            chunks,
            rate,
            delay,
            guard,
            rule,
            healing: false,
            gives_on: !FOUND.contains(&seed),
            later: VecDeque::new(),
        };
        for host in 0..hosts {
            let disk = world.chunks.iter().enumerate();
            let disk = disk.map(|(content, chunks)| match content % hosts == host {
                true => Bitfield::full(*chunks),
                false => Bitfield::empty(*chunks),
            });
            let disk = disk.collect();
            let node = world.node(host);
            world.hosts.push(Host {
                node,
                run: 0,
                disk,
                taken_up: vec![false; contents],
                writing: vec![0; contents],
                disk_stalled: Time::ZERO,
                woken: None,
            });
            for content in 0..contents {
                world.take_up(host, content);
            }
        }
        for a in 0..hosts {
            for b in 0..a {
                world.plan(Span::from_millis(100), Happens::Connects(a, b));
            }
        }
        world.plan(Span::SECOND, Happens::Fault);
        world
    }

    fn node(&mut self, host: usize) -> Node {
        let seed = u8::try_from(host).unwrap() + 1;
        let config = Config {
            guard: Some(self.guard),
            slots: 2,
            pipeline: [None, Some(2), Some(16)][self.rng.below(3)],
            picker: pick::PICKERS.find("random").unwrap(),
            ..config(seed, self.rule)
        };
        Node::new(config, self.now)
    }

    fn plan(&mut self, after: Span, event: Happens) {
        self.bodies.push(Some(event));
        let number = self.bodies.len() - 1;
        let at = self.now.saturating_add(after);
        self.events
            .push(Reverse((at, u64::try_from(number).unwrap(), number)));
    }

    fn millis(&mut self, most: u64) -> Span {
        Span::from_millis(u64::from(small(
            &mut self.rng,
            u32::try_from(most).unwrap() + 1,
        )))
    }

    fn tell(&mut self, host: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in tell(&mut self.hosts[host].node, input, self.now) {
                self.act(host, action, &mut inputs);
            }
        }
        let deadline = self.hosts[host].node.deadline(self.now);
        let sooner = |at: &Time| self.hosts[host].woken.is_none_or(|woken| *at < woken);
        if let Some(at) = deadline.filter(sooner) {
            self.hosts[host].woken = Some(at);
            self.plan(at.since(self.now), Happens::Tick(host));
        }
    }

    fn act(&mut self, host: usize, action: Action, inputs: &mut VecDeque<Input>) {
        match action {
            Action::Send { peer, message } => self.put(host, peer, Item::Said(message)),
            Action::Upload(block) if self.up.contains(&pair(host, block.peer.index())) => {
                self.put(host, block.peer, Item::Block(block));
            }
            Action::Upload(Block { peer, len, .. }) => {
                inputs.push_back(Input::Sent { peer, len });
            }
            Action::Store {
                transfer,
                chunk,
                from,
                ..
            } => {
                let content = transfer.index() % 100;
                self.hosts[host].writing[content] += 1;
                let stalled = self.hosts[host].disk_stalled.since(self.now);
                let span = self.millis(200);
                let run = self.hosts[host].run;
                let event = Happens::Written(host, run, transfer, chunk, from);
                self.plan(stalled.max(span), event);
            }
            Action::Close { peer, why } => {
                assert!(
                    why.is_timeout(),
                    "{host} closes {peer:?} at {}: {why}",
                    self.now
                );
                self.cut(host, peer.index());
            }
            Action::Resume { .. }
            | Action::Discard { .. }
            | Action::Name { .. }
            | Action::Notify(_) => {}
        }
    }

    // ---- connections

    fn put(&mut self, from: usize, to: PeerId, item: Item) {
        let to = to.index();
        if !self.up.contains(&pair(from, to)) {
            return;
        }
        let pipe = self.pipes.entry((from, to)).or_default();
        pipe.queue.push_back(item);
        self.next(from, to);
    }

    /// The next item of a pipe begins to leave.
    fn next(&mut self, from: usize, to: usize) {
        let made = self.made[&pair(from, to)];
        let pipe = self.pipes.get_mut(&(from, to)).unwrap();
        let Some(item) = pipe.queue.front().filter(|_| !pipe.busy) else {
            return;
        };
        let len = match item {
            Item::Said(_) => 20,
            Item::Block(block) => block.len.get(),
        };
        pipe.busy = true;
        let wait = pipe.stalled.since(self.now);
        let takes = Rate::new(self.rate).time_for(ByteCount::new(len));
        let after = Span::from_nanos(wait.as_nanos() + takes.as_nanos());
        self.plan(after, Happens::Leaves(from, to, made));
    }

    fn leaves(&mut self, from: usize, to: usize, made: u32) {
        if self.made.get(&pair(from, to)) != Some(&made) || !self.up.contains(&pair(from, to)) {
            return;
        }
        let delay = self.millis(self.delay);
        let pipe = self.pipes.get_mut(&(from, to)).unwrap();
        if pipe.stalled > self.now {
            let wait = pipe.stalled.since(self.now);
            return self.plan(wait, Happens::Leaves(from, to, made));
        }
        pipe.busy = false;
        let mut item = pipe.queue.pop_front().unwrap();
        pipe.arrives = pipe.arrives.max(self.now.saturating_add(delay));
        let arrives = pipe.arrives.since(self.now);
        if let Item::Block(block) = &item {
            let (peer, len) = (block.peer, block.len);
            let (transfer, chunk) = (block.transfer, block.chunk);
            // It is read when it leaves. What is no longer there is refused in its place.
            if !self.hosts[from].disk[transfer.index() % 100].has(chunk) {
                let chunk = chunk.get();
                item = Item::Said(Message::Reject { transfer, chunk });
            }
            self.tell(from, Input::Sent { peer, len });
        }
        if self.made[&pair(from, to)] == made {
            self.plan(arrives, Happens::Arrives(from, to, made, item));
            self.next(from, to);
        }
    }

    fn arrives(&mut self, from: usize, to: usize, made: u32, item: Item) {
        if self.made[&pair(from, to)] != made || !self.up.contains(&pair(from, to)) {
            return;
        }
        let message = match item {
            Item::Said(message) => message,
            Item::Block(block) => Message::Block {
                transfer: block.transfer,
                chunk: block.chunk.get(),
                offset: block.offset,
                len: block.len,
            },
        };
        let peer = peer(from);
        self.tell(to, Input::Message { peer, message });
    }

    fn connects(&mut self, a: usize, b: usize) {
        if !self.up.insert(pair(a, b)) {
            return;
        }
        *self.made.entry(pair(a, b)).or_default() += 1;
        for (from, to) in [(a, b), (b, a)] {
            let pipe = Pipe {
                arrives: self.now,
                ..Pipe::default()
            };
            self.pipes.insert((from, to), pipe);
        }
        for (host, other) in [(b, a), (a, b)] {
            let (peer, outbound) = (peer(other), host == a);
            self.tell(host, Input::Connected { peer, outbound });
        }
    }

    /// A connection ends, and is made again some time later.
    fn cut(&mut self, a: usize, b: usize) {
        if !self.up.remove(&pair(a, b)) {
            return;
        }
        *self.made.get_mut(&pair(a, b)).unwrap() += 1;
        let again = self.millis(20_000);
        self.plan(again, Happens::Connects(a, b));
        for (host, other) in [(a, b), (b, a)] {
            let peer = peer(other);
            // Heard of after what is being carried out now.
            self.later.push_back((host, Input::Disconnected { peer }));
        }
    }

    // ---- disks and contents

    fn written(&mut self, host: usize, transfer: TransferId, chunk: ChunkIndex, from: PeerId) {
        let content = transfer.index() % 100;
        self.hosts[host].writing[content] -= 1;
        // The shell had dropped its bytes.
        if !self.healing && self.rng.below(50) == 0 {
            return self.tell(host, Input::Lost { transfer, chunk });
        }
        self.hosts[host].disk[content].insert(chunk);
        let stored = Input::Stored {
            transfer,
            chunk,
            from,
        };
        self.tell(host, stored);
    }

    fn take_up(&mut self, host: usize, content: usize) {
        let transfer = id(host, content);
        if self.hosts[host].node.had(transfer).is_some() && !self.hosts[host].taken_up[content] {
            self.tell(host, Input::Remove { transfer });
        }
        let state = &mut self.hosts[host];
        if state.writing[content] > 0 {
            let content = u8::try_from(content).unwrap();
            return self.plan(Span::SECOND, Happens::TakenUp(host, content));
        }
        if std::mem::replace(&mut state.taken_up[content], true) {
            return;
        }
        let input = Input::Add {
            transfer,
            content: ContentId([u8::try_from(content).unwrap(); 32]),
            manifest: manifest(self.chunks[content]),
            have: state.disk[content].clone(),
            audience: None,
        };
        self.tell(host, input);
    }

    /// A person pauses a content, or its disk is full, so that only what there is of it is given.
    fn put_down(&mut self, host: usize, content: usize) {
        if std::mem::take(&mut self.hosts[host].taken_up[content]) {
            let transfer = id(host, content);
            let input = match self.gives_on && (host + content).is_multiple_of(2) {
                true => Input::Settle { transfer },
                false => Input::Remove { transfer },
            };
            self.tell(host, input);
        }
        let after = self.millis(30_000);
        let content = u8::try_from(content).unwrap();
        self.plan(after, Happens::TakenUp(host, content));
    }

    /// A chunk is gone from a disk that is not the first home of its content.
    fn lose(&mut self, host: usize, content: usize) {
        let hosts = self.hosts.len();
        let held: Vec<ChunkIndex> = self.hosts[host].disk[content].iter().collect();
        if content % hosts == host || held.is_empty() {
            return;
        }
        let chunk = held[self.rng.below(held.len())];
        self.hosts[host].disk[content].remove(chunk);
        let transfer = id(host, content);
        self.tell(host, Input::Lost { transfer, chunk });
    }

    fn restart(&mut self, host: usize) {
        for other in 0..self.hosts.len() {
            self.cut(host, other);
        }
        self.settle();
        let node = self.node(host);
        let state = &mut self.hosts[host];
        state.node = node;
        state.run += 1;
        state.woken = None;
        state.writing.fill(0);
        for content in 0..self.chunks.len() {
            self.hosts[host].taken_up[content] = false;
            self.take_up(host, content);
        }
    }

    // ---- what goes wrong

    fn fault(&mut self) {
        let hosts = self.hosts.len();
        let (a, b) = (self.rng.below(hosts), self.rng.below(hosts));
        let content = self.rng.below(self.chunks.len());
        let long = self.millis(100_000);
        match self.rng.below(10) {
            0 | 1 if a != b => {
                // The path of one direction stands still; what is in it comes late.
                let until = self.now.saturating_add(long);
                let pipe = self.pipes.entry((a, b)).or_default();
                pipe.stalled = pipe.stalled.max(until);
            }
            2 if a != b => {
                let until = self.now.saturating_add(long);
                let pipe = self.pipes.entry((a, b)).or_default();
                pipe.arrives = pipe.arrives.max(until);
            }
            3 if a != b => self.cut(a, b),
            4 => self.restart(a),
            5 => self.put_down(a, content),
            6 => self.lose(a, content),
            7 => self.hosts[a].disk_stalled = self.now.saturating_add(long),
            8 => self.limit(a, b),
            _ => {
                let rate = [None, Some(Rate::new(3_000))][self.rng.below(2)];
                self.tell(a, Input::Download { rate });
            }
        }
        let after = self.millis(8_000);
        if self.now.since(Time::ZERO) < FAULTS {
            self.plan(after, Happens::Fault);
        } else {
            self.heal();
        }
    }

    /// As a reload of the parameters does.
    fn limit(&mut self, host: usize, other: usize) {
        let cap = [None, Some(Rate::new(2_000))][self.rng.below(2)];
        let target = [Target::Node, Target::Peer(peer(other))][self.rng.below(2)];
        let limit = Limit {
            cap,
            ..Limit::default()
        };
        self.tell(host, Input::Limit { target, limit });
    }

    fn heal(&mut self) {
        self.healing = true;
        for pipe in self.pipes.values_mut() {
            pipe.stalled = self.now;
        }
        for host in 0..self.hosts.len() {
            self.hosts[host].disk_stalled = self.now;
            let limit = Limit::default();
            self.tell(host, Input::Download { rate: None });
            for other in 0..self.hosts.len() {
                let target = Target::Peer(peer(other));
                self.tell(host, Input::Limit { target, limit });
            }
            let target = Target::Node;
            self.tell(host, Input::Limit { target, limit });
            for content in 0..self.chunks.len() {
                self.take_up(host, content);
            }
        }
    }

    // ---- the run

    fn settle(&mut self) {
        while let Some((host, input)) = self.later.pop_front() {
            self.tell(host, input);
        }
    }

    fn happens(&mut self, event: Happens) {
        match event {
            Happens::Leaves(from, to, made) => self.leaves(from, to, made),
            Happens::Arrives(from, to, made, item) => self.arrives(from, to, made, item),
            Happens::Written(host, run, transfer, chunk, from) => {
                if self.hosts[host].run == run {
                    self.written(host, transfer, chunk, from);
                }
            }
            Happens::Connects(a, b) => self.connects(a, b),
            Happens::TakenUp(host, content) => self.take_up(host, content.into()),
            Happens::Tick(host) => {
                if self.hosts[host].woken.is_some_and(|at| at <= self.now) {
                    self.hosts[host].woken = None;
                    self.tell(host, Input::Tick);
                }
            }
            Happens::Fault => self.fault(),
        }
        self.settle();
    }

    fn is_well(&self) -> bool {
        self.healing && self.hosts.iter().all(|host| host.node.is_seed())
    }

    fn who_waits(&self) -> String {
        let mut text = String::new();
        for (at, host) in self.hosts.iter().enumerate() {
            for content in 0..self.chunks.len() {
                let transfer = id(at, content);
                let missing = host.node.missing(transfer);
                if missing != crate::node::Missing::default() {
                    let writing = host.writing[content];
                    text += &format!("{at} wants of {content}: {missing:?}, {writing} written; ");
                }
                for other in 0..self.hosts.len() {
                    let (asked, chokes) = host.node.asked_of(peer(other), transfer);
                    let has = host.node.has_of(peer(other), transfer);
                    if asked > ByteCount::ZERO || missing.held > 0 {
                        text += &format!("of {other} {asked} chokes {chokes} has {has:?}; ");
                    }
                }
            }
            text += &format!("{at}: {:?}\n", host.node.waiting().collect::<Vec<_>>());
        }
        text
    }

    fn run(mut self, seed: u64) {
        let end = Time::ZERO + FAULTS + HEALING;
        while let Some(Reverse((at, _, number))) = self.events.pop() {
            self.now = self.now.max(at);
            let event = self.bodies[number].take().unwrap();
            self.happens(event);
            if self.is_well() {
                return;
            }
            assert!(
                self.now < end,
                "seed {seed}: for ever: {}",
                self.who_waits()
            );
        }
        panic!("seed {seed}: nothing more happens");
    }
}

/// A number below `bound`.
fn small(rng: &mut Rng, bound: u32) -> u32 {
    u32::try_from(rng.below(bound as usize)).unwrap()
}

/// Register: C7, C8, D3, D8, J14.
#[test]
fn no_schedule_makes_an_honest_nodes_offence() {
    for seed in seeds() {
        let run = std::panic::AssertUnwindSafe(|| World::new(seed).run(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Two nodes whose messages arrive at once, in order.
struct Pair {
    nodes: [Node; 2],
    said: VecDeque<(usize, Message)>,
}

impl Pair {
    /// All of this happens, and then all that follows.
    fn give(&mut self, inputs: impl IntoIterator<Item = (usize, Input)>) {
        let mut inputs: VecDeque<(usize, Input)> = inputs.into_iter().collect();
        while let Some((at, input)) = inputs.pop_front() {
            for action in tell(&mut self.nodes[at], input, Time::ZERO) {
                inputs.extend(self.act(at, action).map(|input| (at, input)));
            }
            if inputs.is_empty()
                && let Some((to, message)) = self.said.pop_front()
            {
                let peer = peer(1 - to);
                inputs.push_back((to, Input::Message { peer, message }));
            }
        }
    }

    fn act(&mut self, at: usize, action: Action) -> Option<Input> {
        match action {
            Action::Send { message, .. } => self.said.push_back((1 - at, message)),
            Action::Upload(block) => {
                let message = Message::Block {
                    transfer: block.transfer,
                    chunk: block.chunk.get(),
                    offset: block.offset,
                    len: block.len,
                };
                self.said.push_back((1 - at, message));
                let Block { peer, len, .. } = block;
                return Some(Input::Sent { peer, len });
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
            Action::Close { why, .. } => panic!("{at}: {why}"),
            _ => {}
        }
        None
    }
}

/// Two nodes have more contents in common than one may name to the other. The newest wait and have
/// their turn when others are gone; nobody is closed.
#[test]
fn more_contents_than_a_peer_may_name_wait_for_room() {
    const MANY: u32 = 4_100;
    let mut pair = Pair {
        nodes: [with_guard(), with_guard()],
        said: VecDeque::new(),
    };
    pair.give([0, 1].map(|at| {
        let (peer, outbound) = (peer(1 - at), at == 0);
        (at, Input::Connected { peer, outbound })
    }));
    for number in 0..MANY {
        let mut content = [0; 32];
        content[..4].copy_from_slice(&number.to_le_bytes());
        pair.give([0, 1].map(|at| {
            let add = Input::Add {
                transfer: TransferId(number),
                content: ContentId(content),
                manifest: manifest(1),
                have: [Bitfield::full(1), Bitfield::empty(1)][at].clone(),
                audience: None,
            };
            (at, add)
        }));
    }
    let held = pair.nodes[1].holdings();
    let whole = held.iter().filter(|(_, have)| have.is_full());
    assert_eq!(whole.count(), 4_096);
    for number in 0..4 {
        let transfer = TransferId(number);
        pair.give([0, 1].map(|at| (at, Input::Remove { transfer })));
    }
    assert!(pair.nodes[1].is_seed());
}
