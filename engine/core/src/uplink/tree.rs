//! Classes and the disciplines between them.
//!
//! Decides which leaf is served, by walking down from the root: each class with children has
//! a discipline of its own over them. Refuses to know limits: a class is held and released by
//! who keeps the buckets.
//!
//! A class that is backlogged and not held has one or two tickets in its parent's discipline,
//! and none otherwise. Two, so that a discipline which asks whether a flow has drained sees
//! that only when it has; no more, so that a purge is cheap. What a class with children will
//! serve is known only once its own discipline has chosen, so its ticket is a guess, the last
//! block served, and the difference is charged to its next ticket: a class is never more than
//! three blocks away from what it has been charged.

use std::collections::VecDeque;

use crate::id::{ChunkIndex, FlowId};
use crate::sched::{Discipline, Params, Row, Ticket};
use crate::time::Time;
use crate::units::{ByteCount, Rate, Weight};

/// The class of the whole uplink.
pub(super) const ROOT: u32 = 0;
/// No class, no entity.
pub(super) const NONE: u32 = u32::MAX;
/// Tickets of a class in its parent's discipline.
const POSTED_MAX: u8 = 2;
/// Group, upper and lower class.
const DEPTH: usize = 3;

/// What a class brings to its parent's discipline besides its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) weight: Weight,
    pub(super) band: u8,
    pub(super) floor: Rate,
    pub(super) cap: Rate,
    /// It weighs as much as its backlogged children do.
    pub(super) sums: bool,
}

/// A request that waits, or the rest of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) chunk: ChunkIndex,
    pub(super) len: u64,
    pub(super) offset: u64,
    pub(super) arrival: u64,
}

/// The queue of one peer for one transfer.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) peer: u32,
    pub(super) transfer: u32,
    /// Bytes in its blocks.
    pub(super) block: u64,
    /// Bytes of the transfer still to be served to the peer.
    pub(super) remaining: u64,
    pub(super) queue: VecDeque<Pending>,
}

/// What was served, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) leaf: u32,
    pub(super) chunk: ChunkIndex,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) last: bool,
    pub(super) charge: u64,
    arrival: u64,
    remaining: u64,
}

#[derive(Debug)]
struct Inner {
    discipline: Box<dyn Discipline>,
    /// Class by flow number, [`NONE`] where the number is vacant.
    children: Vec<u32>,
    vacant: Vec<u32>,
    /// Tickets in the discipline.
    waiting: u32,
    /// Weights of the children that have some, in hundredths.
    weight: u64,
    /// What the next ticket of this class says: the block served last, or the one that ended
    /// its idleness.
    guess: (u64, u64, u64),
}

#[derive(Debug)]
enum Body {
    Vacant,
    Leaf(Leaf),
    Inner(Box<Inner>),
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) parent: u32,
    flow: u32,
    /// Whom this class stands for among its siblings.
    pub(super) entity: u32,
    /// Why it is not in its parent's discipline, a bit for each reason.
    pub(super) held: u8,
    posted: u8,
    standing: Standing,
    /// Bytes served less bytes charged, corrections of the posted tickets already counted.
    owed: i64,
    /// By how much each posted ticket differs from its guess, head first.
    fixes: [i64; POSTED_MAX as usize],
    body: Body,
}

/// The classes of an uplink.
#[derive(Debug)]
pub(super) struct Tree {
    classes: Vec<Class>,
    vacant: Vec<u32>,
    inner: &'static Row,
    params: Params,
    /// Least cost of a request, whatever its length.
    least: u64,
}

impl Class {
    pub(super) const fn leaf(&self) -> Option<&Leaf> {
        match &self.body {
            Body::Leaf(leaf) => Some(leaf),
            Body::Inner(_) | Body::Vacant => None,
        }
    }

    pub(super) const fn leaf_mut(&mut self) -> Option<&mut Leaf> {
        match &mut self.body {
            Body::Leaf(leaf) => Some(leaf),
            Body::Inner(_) | Body::Vacant => None,
        }
    }

    /// Whether its parent's discipline has it.
    pub(super) const fn is_posted(&self) -> bool {
        self.posted > 0
    }

    /// Tickets it could have there, as far as that matters.
    fn available(&self) -> u8 {
        let count = match &self.body {
            Body::Leaf(leaf) => leaf.blocks_ahead(),
            Body::Inner(inner) => inner.waiting.min(u32::from(POSTED_MAX)),
            Body::Vacant => 0,
        };
        u8::try_from(count).expect("at most two")
    }

    fn inner_mut(&mut self) -> &mut Inner {
        match &mut self.body {
            Body::Inner(inner) => inner,
            Body::Leaf(_) | Body::Vacant => unreachable!("a parent has children"),
        }
    }
}

impl Leaf {
    pub(super) const fn new(peer: u32, transfer: u32, block: u64) -> Self {
        Self {
            peer,
            transfer,
            block,
            remaining: 0,
            queue: VecDeque::new(),
        }
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> ByteCount {
        let rests = self
            .queue
            .iter()
            .map(|pending| pending.len - pending.offset);
        ByteCount::new(rests.sum())
    }

    /// Blocks that it could serve, counted up to two.
    fn blocks_ahead(&self) -> u32 {
        match self.queue.front() {
            None => 0,
            Some(head) if self.queue.len() == 1 && head.len - head.offset <= self.block => 1,
            Some(_) => 2,
        }
    }

    /// The block after `skip` others, 0 or 1: its length, its cost, its arrival.
    fn block(&self, skip: u8, least: u64) -> Option<(u64, u64, u64)> {
        let mut at = *self.queue.front()?;
        if skip > 0 {
            if at.len - at.offset > self.block {
                at.offset += self.block;
            } else {
                at = *self.queue.get(1)?;
            }
        }
        let rest = at.len - at.offset;
        let len = rest.min(self.block);
        // A request costs at least `least`; its last block pays what the others did not.
        let unpaid = if len == rest {
            least.saturating_sub(at.len)
        } else {
            0
        };
        Some((len, len + unpaid, at.arrival))
    }

    fn serve(&mut self, id: u32, least: u64) -> Served {
        let (len, charge, arrival) = self.block(0, least).expect("a posted leaf has a block");
        let head = self.queue.front_mut().expect("it has a block");
        let (chunk, offset) = (head.chunk, head.offset);
        head.offset += len;
        let last = head.offset == head.len;
        if last {
            self.queue.pop_front();
        }
        self.remaining = self.remaining.saturating_sub(len);
        let remaining = self.remaining;
        Served {
            leaf: id,
            chunk,
            offset,
            len,
            last,
            charge,
            arrival,
            remaining,
        }
    }
}

impl Tree {
    pub(super) fn new(
        outer: &'static Row,
        inner: &'static Row,
        params: Params,
        least: u64,
    ) -> Self {
        let mut tree = Self {
            classes: Vec::new(),
            vacant: Vec::new(),
            inner,
            params,
            least,
        };
        let root = Class::new(
            NONE,
            Standing::root(),
            Body::Inner(Inner::new(outer, &params)),
        );
        tree.classes.push(root);
        tree
    }

    pub(super) fn class(&self, id: u32) -> &Class {
        &self.classes[id as usize]
    }

    fn class_mut(&mut self, id: u32) -> &mut Class {
        &mut self.classes[id as usize]
    }

    /// The queue of the leaf `id`.
    pub(super) fn leaf_mut(&mut self, id: u32) -> &mut Leaf {
        self.class_mut(id)
            .leaf_mut()
            .expect("the index of leaves holds leaves")
    }

    /// The queue of the leaf `id`.
    pub(super) fn leaf(&self, id: u32) -> &Leaf {
        self.class(id)
            .leaf()
            .expect("the index of leaves holds leaves")
    }

    /// Adds an empty class for `entity` below `parent`: a leaf, or one with children to come.
    pub(super) fn insert(
        &mut self,
        parent: u32,
        entity: u32,
        standing: Standing,
        leaf: Option<Leaf>,
    ) -> u32 {
        let body = match leaf {
            Some(leaf) => Body::Leaf(leaf),
            None => Body::Inner(Inner::new(self.inner, &self.params)),
        };
        let id = self.allocate(Class::new(entity, standing, body));
        self.attach(id, parent);
        id
    }

    /// Puts a class with children in the place of the leaf `id`, which becomes its first
    /// child and stands for `entity` there. `keeps` are the reasons to be held that stay with
    /// the leaf. The parent's discipline notices nothing.
    pub(super) fn split(
        &mut self,
        id: u32,
        entity: u32,
        standing: Standing,
        keeps: u8,
        now: Time,
    ) -> u32 {
        let guess = self.leaf_guess(id);
        let leaf = self.class_mut(id);
        let mut above = Class::new(leaf.entity, leaf.standing, Body::Vacant);
        (above.parent, above.flow) = (leaf.parent, leaf.flow);
        (above.owed, above.fixes) = (leaf.owed, leaf.fixes);
        (above.posted, above.held) = (leaf.posted, leaf.held & !keeps);
        (leaf.owed, leaf.fixes) = (0, [0; POSTED_MAX as usize]);
        (leaf.posted, leaf.held) = (0, leaf.held & keeps);
        (leaf.entity, leaf.standing) = (entity, standing);
        let (parent, flow) = (above.parent, above.flow);
        let mut inner = Inner::new(self.inner, &self.params);
        inner.guess = guess;
        above.body = Body::Inner(inner);
        let above = self.allocate(above);
        self.class_mut(parent).inner_mut().children[flow as usize] = above;
        self.attach(id, above);
        self.settle(id, now);
        self.settle(above, now);
        above
    }

    /// Removes the leaf `id`, and the classes above it that have no other child. The classes
    /// removed are returned with whom they stood for.
    pub(super) fn remove(&mut self, mut id: u32) -> Vec<(u32, u32)> {
        let mut removed = Vec::new();
        while id != ROOT {
            self.withdraw(id);
            let (parent, flow) = (self.class(id).parent, self.class(id).flow);
            removed.push((id, self.class(id).entity));
            self.class_mut(id).body = Body::Vacant;
            self.vacant.push(id);
            let above = self.class_mut(parent).inner_mut();
            above.discipline.forget(FlowId(flow));
            above.children[flow as usize] = NONE;
            above.vacant.push(flow);
            if above.vacant.len() < above.children.len() {
                break;
            }
            id = parent;
        }
        removed
    }

    /// Changes weight, band and rates of a class, from its next ticket on.
    pub(super) fn set_standing(&mut self, id: u32, standing: Standing) {
        let class = self.class_mut(id);
        let before = class.standing;
        class.standing = standing;
        let parent = class.parent;
        if class.is_posted() {
            let above = self.class_mut(parent).inner_mut();
            above.weight -= u64::from(before.weight.hundredths());
            above.weight += u64::from(standing.weight.hundredths());
        }
    }

    /// Classes in use that stand for `entity`.
    pub(super) fn classes_of(&self, entity: u32) -> Vec<(u32, bool)> {
        let used = self.classes.iter().zip(0_u32..);
        used.filter(|(class, _)| class.entity == entity && !matches!(class.body, Body::Vacant))
            .map(|(class, id)| (id, class.standing.sums))
            .collect()
    }

    /// Takes a class out of its parent's discipline until `reason` is over.
    pub(super) fn hold(&mut self, id: u32, reason: u8) {
        self.class_mut(id).held |= reason;
        self.withdraw(id);
    }

    /// `reason` is over; a class with no other reason takes its place again.
    pub(super) fn release(&mut self, id: u32, reason: u8, now: Time) {
        self.class_mut(id).held &= !reason;
        self.post(id, now);
    }

    /// Whether a walk from the root can reach `id`.
    pub(super) fn is_reachable(&self, mut id: u32) -> bool {
        while id != ROOT {
            if !self.class(id).is_posted() {
                return false;
            }
            id = self.class(id).parent;
        }
        true
    }

    /// When the discipline of the root gives a block.
    pub(super) fn ready_at(&self, now: Time) -> Option<Time> {
        match &self.class(ROOT).body {
            Body::Inner(inner) if inner.waiting > 0 => inner.discipline.ready_at(now),
            _ => None,
        }
    }

    /// Brings the tickets of `id` and of the classes above it up to date with its queue.
    pub(super) fn settle(&mut self, id: u32, now: Time) {
        if self.class(id).available() == 0 {
            self.withdraw(id);
        } else {
            self.post(id, now);
        }
    }

    /// Serves the block whose turn it is; or, out of turn, the one of `first` whose turn it is
    /// there, which must be reachable.
    pub(super) fn serve(&mut self, first: u32, now: Time) -> Option<Served> {
        let mut path = [(ROOT, 0_u64); DEPTH];
        let mut depth = 0;
        let mut steps = [ROOT; DEPTH];
        let mut out_of_turn = self.ancestors(first, &mut steps);
        let mut at = ROOT;
        while let Body::Inner(inner) = &mut self.class_mut(at).body {
            let ticket = if out_of_turn > 0 {
                out_of_turn -= 1;
                let flow = FlowId(self.class(steps[out_of_turn]).flow);
                let inner = self.class_mut(at).inner_mut();
                inner
                    .discipline
                    .take(flow, now)
                    .expect("a reachable class has a ticket")
            } else if at == ROOT {
                inner.discipline.dequeue(now)?
            } else {
                inner
                    .discipline
                    .dequeue(now)
                    .expect("only the root's children carry caps")
            };
            at = self.class_mut(at).inner_mut().children[ticket.flow.index()];
            path[depth] = (at, self.consume(at, ticket.len.get()));
            depth += 1;
        }
        let least = self.least;
        let served = self.leaf_mut(at).serve(at, least);
        for &(id, guess) in path[..depth].iter().rev() {
            let class = self.class_mut(id);
            class.owed += difference(served.charge, guess);
            if let Body::Inner(inner) = &mut class.body {
                inner.guess = (served.charge, served.arrival, served.remaining);
            }
            self.settle(id, now);
        }
        Some(served)
    }

    /// The classes from `id` up to below the root, and how many they are.
    fn ancestors(&self, mut id: u32, steps: &mut [u32; DEPTH]) -> usize {
        let mut count = 0;
        while id != ROOT {
            steps[count] = id;
            count += 1;
            id = self.class(id).parent;
        }
        count
    }

    /// One ticket of `id` has left its parent's discipline. Returns what it was a guess of.
    fn consume(&mut self, id: u32, len: u64) -> u64 {
        let class = self.class_mut(id);
        let guess = len.saturating_add_signed(class.fixes[0].saturating_neg());
        class.fixes = [class.fixes[1], 0];
        class.posted -= 1;
        let (parent, drained) = (class.parent, class.posted == 0);
        let weight = u64::from(class.standing.weight.hundredths());
        let above = self.class_mut(parent).inner_mut();
        above.waiting -= 1;
        if drained {
            above.weight -= weight;
        }
        guess
    }

    /// Gives `id` the tickets that it may have, and then the classes above it.
    fn post(&mut self, mut id: u32, now: Time) {
        while id != ROOT {
            let class = self.class(id);
            let (from, to) = (class.posted, class.available());
            if class.held != 0 || from >= to {
                return;
            }
            let parent = class.parent;
            let weight = u64::from(class.standing.weight.hundredths());
            for place in from..to {
                let ticket = self.ticket(id, place);
                let above = self.class_mut(parent).inner_mut();
                if above.waiting == 0 {
                    above.guess = (ticket.len.get(), ticket.arrival, ticket.remaining.get());
                }
                above.discipline.enqueue(ticket, now);
                above.waiting += 1;
            }
            if from == 0 {
                self.class_mut(parent).inner_mut().weight += weight;
            }
            self.class_mut(id).posted = to;
            id = parent;
        }
    }

    /// Takes all tickets of `id` back, and those of the classes above it that have no other.
    fn withdraw(&mut self, mut id: u32) {
        while id != ROOT && self.class(id).is_posted() {
            let class = self.class_mut(id);
            let (parent, flow, posted) = (class.parent, class.flow, class.posted);
            let weight = u64::from(class.standing.weight.hundredths());
            class.owed += class.fixes[0] + class.fixes[1];
            class.fixes = [0; POSTED_MAX as usize];
            class.posted = 0;
            let above = self.class_mut(parent).inner_mut();
            above.discipline.purge(FlowId(flow));
            above.waiting -= u32::from(posted);
            above.weight -= weight;
            if above.waiting > 0 {
                return;
            }
            id = parent;
        }
    }

    /// The ticket of `id` at `place` in its queue, with what it owes.
    fn ticket(&mut self, id: u32, place: u8) -> Ticket {
        let (least, largest) = (self.least, self.params.largest.get());
        let class = self.class_mut(id);
        let (guess, arrival, remaining) = match &class.body {
            Body::Leaf(leaf) => {
                let (_, charge, arrival) = leaf.block(place, least).expect("it is available");
                (charge, arrival, leaf.remaining)
            }
            Body::Inner(inner) => inner.guess,
            Body::Vacant => unreachable!("a vacant class is never posted"),
        };
        let len = guess.saturating_add_signed(class.owed).clamp(1, largest);
        let fix = difference(len, guess);
        class.owed -= fix;
        class.fixes[usize::from(place)] = fix;
        let standing = class.standing;
        let weight = match &class.body {
            Body::Inner(inner) if standing.sums => inner.total_weight(),
            _ => standing.weight,
        };
        // Only the root's discipline may wait for caps of its own: a walk that has begun must
        // end at a leaf.
        let cap = if class.parent == ROOT {
            standing.cap
        } else {
            Rate::new(0)
        };
        Ticket {
            flow: FlowId(class.flow),
            weight,
            len: ByteCount::new(len),
            arrival,
            remaining: ByteCount::new(remaining),
            band: standing.band,
            floor: standing.floor,
            cap,
        }
    }

    /// Classes in use besides the root.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.classes.len() - self.vacant.len() - 1
    }

    fn leaf_guess(&self, id: u32) -> (u64, u64, u64) {
        let leaf = self.leaf(id);
        leaf.block(0, self.least)
            .map_or((1, 0, 0), |(_, charge, arrival)| {
                (charge, arrival, leaf.remaining)
            })
    }

    fn allocate(&mut self, class: Class) -> u32 {
        if let Some(id) = self.vacant.pop() {
            self.classes[id as usize] = class;
            return id;
        }
        self.classes.push(class);
        u32::try_from(self.classes.len() - 1).expect("fewer classes than requests fit in memory")
    }

    /// Makes `id` a child of `parent`, under the number that was vacant for the shortest time.
    fn attach(&mut self, id: u32, parent: u32) {
        let above = self.class_mut(parent).inner_mut();
        let flow = above.vacant.pop().unwrap_or_else(|| {
            above.children.push(NONE);
            u32::try_from(above.children.len() - 1).expect("fewer children than classes")
        });
        above.children[flow as usize] = id;
        let class = self.class_mut(id);
        (class.parent, class.flow) = (parent, flow);
    }
}

impl Class {
    const fn new(entity: u32, standing: Standing, body: Body) -> Self {
        Self {
            parent: NONE,
            flow: 0,
            entity,
            held: 0,
            posted: 0,
            standing,
            owed: 0,
            fixes: [0; POSTED_MAX as usize],
            body,
        }
    }
}

impl Standing {
    const fn root() -> Self {
        Self {
            weight: Weight::ONE,
            band: 0,
            floor: Rate::new(0),
            cap: Rate::new(0),
            sums: false,
        }
    }
}

impl Inner {
    fn new(row: &Row, params: &Params) -> Box<Self> {
        Box::new(Self {
            discipline: (row.make)(params),
            children: Vec::new(),
            vacant: Vec::new(),
            waiting: 0,
            weight: 0,
            guess: (1, 0, 0),
        })
    }

    /// The weight of the children that wait, within what a weight can be.
    fn total_weight(&self) -> Weight {
        let hundredths = u32::try_from(self.weight).unwrap_or(u32::MAX);
        Weight::from_hundredths(hundredths.clamp(1, Weight::MAX.hundredths()))
            .expect("clamped to the range")
    }
}

/// `left - right`; both are a few blocks at most.
fn difference(left: u64, right: u64) -> i64 {
    i64::try_from(i128::from(left) - i128::from(right)).expect("blocks are small")
}
