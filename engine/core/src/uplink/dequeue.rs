//! Dequeue: the walk from the root of the tree to a leaf, and the tickets that make it possible.
//!
//! A class that is backlogged and not held has one or two tickets in its parent's discipline, and
//! none otherwise. Two, so that a discipline which asks whether a flow has drained sees that only
//! when it has; no more, so that a purge is cheap.
//!
//! Which block a class with children will send is known only once its own discipline has chosen, so
//! the length on its ticket is a guess, that of the last block, and the difference is charged to
//! its next ticket: a class is never more than three blocks away from what it has been charged.
//! What it was charged for service out of turn is returned in the same way.

use crate::id::FlowId;
use crate::sched::{Discipline, Ticket};
use crate::time::Time;
use crate::units::{ByteCount, Rate};

use super::class::{Body, Facts};
use super::leaf::Served;
use super::tree::{POSTED_MAX, ROOT, Tree};

/// Group, upper and lower class.
const DEPTH: usize = 3;

impl Tree {
    /// Brings the tickets of `id` and of the classes above it up to date with its queue.
    pub(super) fn settle(&mut self, id: u32, now: Time) {
        if self.class(id).available() == 0 {
            self.withdraw(id);
            if self.class(id).held != 0 {
                self.give_up(id);
            }
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
        let taken = self.ancestors(first, &mut steps);
        let mut out_of_turn = taken;
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
                    .expect("a class that was chosen has something to serve")
            };
            at = self.class_mut(at).inner_mut().children[ticket.flow.index()];
            path[depth] = (at, self.consume(at, ticket.len.get()));
            depth += 1;
        }
        let least = self.least;
        let depth_of_leaf = u8::try_from(depth).expect("at most three");
        let served = self.leaf_mut(at).serve(at, depth_of_leaf, least);
        for (level, &(id, guess)) in path[..depth].iter().enumerate().rev() {
            let class = self.class_mut(id);
            // What the discipline has charged for service out of turn it gets back.
            let cost = if level < taken { 0 } else { served.facts.cost };
            class.owed += difference(cost, guess);
            if let Body::Inner(inner) = &mut class.body {
                inner.guess = served.facts;
            }
            self.settle(id, now);
        }
        Some(served)
    }

    /// A block of the leaf `id` has left the link: tells the disciplines that chose it. A leaf that
    /// was split since has one more above it, the lowest, which never saw the block.
    pub(super) fn sent(&mut self, id: u32, depth: u8) {
        let mut steps = [ROOT; DEPTH];
        let levels = self.ancestors(id, &mut steps);
        let unaware = levels.saturating_sub(usize::from(depth));
        for &step in &steps[unaware..levels] {
            let (parent, flow) = (self.class(step).parent, self.class(step).flow);
            let above = self.class_mut(parent).inner_mut();
            above.discipline.sent(FlowId(flow));
        }
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
        let parent = class.parent;
        self.class_mut(parent).inner_mut().waiting -= 1;
        guess
    }

    /// Gives `id` the tickets that it may have, and then the classes above it.
    pub(super) fn post(&mut self, mut id: u32, now: Time) {
        let first = id;
        while id != ROOT {
            let class = self.class(id);
            let (from, to, is_held) = (class.posted, class.available(), class.held != 0);
            let parent = class.parent;
            if is_held && id != first {
                self.woken.get_or_insert_default().insert(id);
            }
            if is_held || from >= to {
                return;
            }
            for place in from..to {
                let ticket = self.ticket(id, place);
                let above = self.class_mut(parent).inner_mut();
                if above.waiting == 0 {
                    above.guess = Facts {
                        cost: ticket.len.get(),
                        arrival: ticket.arrival,
                        remaining: ticket.remaining.get(),
                        waiting: ticket.waiting,
                    };
                }
                above.discipline.enqueue(ticket, now);
                above.waiting += 1;
            }
            self.class_mut(id).posted = to;
            id = parent;
        }
    }

    /// Takes all tickets of `id` back, which has nothing to serve, and those of the classes above
    /// it that have no other.
    pub(super) fn withdraw(&mut self, id: u32) {
        self.take_back(id, |discipline, flow| discipline.purge(flow));
    }

    /// `id` was held back and has nothing to serve any more: it loses its place in its parent, and
    /// so do the classes above it that have no tickets either.
    pub(super) fn give_up(&mut self, mut id: u32) {
        while id != ROOT && !self.class(id).is_posted() {
            let (parent, flow) = (self.class(id).parent, self.class(id).flow);
            let above = self.class_mut(parent).inner_mut();
            above.discipline.purge(FlowId(flow));
            id = parent;
        }
    }

    /// Takes all tickets of `id` back, and those of the classes above it that have no other; `tell`
    /// gives each discipline the reason.
    pub(super) fn take_back(&mut self, mut id: u32, tell: fn(&mut dyn Discipline, FlowId)) {
        while id != ROOT && self.class(id).is_posted() {
            let class = self.class_mut(id);
            let (parent, flow, posted) = (class.parent, class.flow, class.posted);
            class.owed += class.fixes[0] + class.fixes[1];
            class.fixes = [0; POSTED_MAX as usize];
            class.posted = 0;
            let above = self.class_mut(parent).inner_mut();
            tell(above.discipline.as_mut(), FlowId(flow));
            above.waiting -= u32::from(posted);
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
        let facts = match &class.body {
            Body::Leaf(leaf) => leaf.block(place, least).expect("it is available").1,
            Body::Inner(inner) => inner.guess,
            Body::Vacant => unreachable!("a vacant class is never posted"),
        };
        let len = facts
            .cost
            .saturating_add_signed(class.owed)
            .clamp(1, largest);
        let fix = difference(len, facts.cost);
        class.owed -= fix;
        class.fixes[usize::from(place)] = fix;
        let standing = class.standing;
        // Only the root's discipline gets floors: below the root a target may have several classes,
        // none entitled to all its floor. No discipline gets caps: they count true bytes, and a
        // ticket has what the block costs.
        let floor = if class.parent == ROOT {
            standing.floor
        } else {
            Rate::new(0)
        };
        Ticket {
            flow: FlowId(class.flow),
            weight: standing.weight,
            len: ByteCount::new(len),
            arrival: facts.arrival,
            remaining: ByteCount::new(facts.remaining),
            band: standing.band,
            floor,
            cap: Rate::new(0),
            waiting: facts.waiting,
        }
    }
}

/// `left - right`; both are a few blocks at most.
fn difference(left: u64, right: u64) -> i64 {
    i64::try_from(i128::from(left) - i128::from(right)).expect("blocks are small")
}
