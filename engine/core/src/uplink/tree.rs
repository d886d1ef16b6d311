//! The tree of classes: parents, children, and the discipline of each class with children.
//!
//! `dequeue` decides which leaf is served. Limits are outside: `caps` and `floors` hold classes and
//! release them.

use std::collections::BTreeSet;

use crate::id::FlowId;
use crate::sched::{DisciplineRow, Params};
use crate::time::Time;
use crate::units::ByteCount;

use super::class::{Body, Class, Facts, Inner, Standing};
use super::leaf::Leaf;

/// The class of the whole uplink.
pub(super) const ROOT: u32 = 0;
/// No class, no entity.
pub(super) const NONE: u32 = u32::MAX;
/// Tickets of a class in its parent's discipline.
pub(super) const POSTED_MAX: u8 = 2;

/// The classes of an uplink.
#[derive(Debug)]
pub(super) struct Tree {
    classes: Vec<Class>,
    vacant: Vec<u32>,
    inner: &'static DisciplineRow,
    pub(super) params: Params,
    /// Least cost of a request, whatever its length.
    pub(super) least: u64,
    /// Classes that got something to serve from below while they were held: the limits that hold
    /// them may have had nothing to release before.
    #[expect(
        clippy::box_collection,
        reason = "mostly there is none, and a simulated crowd has an uplink for each of its peers"
    )]
    pub(super) woken: Option<Box<BTreeSet<u32>>>,
    /// Whether the node wants nothing itself.
    pub(super) seeding: bool,
}

impl Tree {
    pub(super) fn new(
        outer: &'static DisciplineRow,
        inner: &'static DisciplineRow,
        params: Params,
        least: u64,
    ) -> Self {
        let mut tree = Self {
            classes: Vec::new(),
            vacant: Vec::new(),
            inner,
            params,
            least,
            woken: None,
            seeding: false,
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

    pub(super) fn class_mut(&mut self, id: u32) -> &mut Class {
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
            None => Body::Inner(self.children()),
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
        let guess = self.leaf(id).block(0, self.least);
        let leaf = self.class_mut(id);
        let mut above = Class::new(leaf.entity, leaf.standing, Body::Vacant);
        (above.parent, above.flow) = (leaf.parent, leaf.flow);
        (above.owed, above.fixes) = (leaf.owed, leaf.fixes);
        (above.posted, above.held) = (leaf.posted, leaf.held & !keeps);
        (leaf.owed, leaf.fixes) = (0, [0; POSTED_MAX as usize]);
        (leaf.posted, leaf.held) = (0, leaf.held & keeps);
        (leaf.entity, leaf.standing) = (entity, standing);
        let (parent, flow) = (above.parent, above.flow);
        let mut inner = self.children();
        inner.guess = guess.map_or_else(Facts::default, |(_, facts)| facts);
        above.body = Body::Inner(inner);
        let above = self.allocate(above);
        self.class_mut(parent).inner_mut().children[flow as usize] = above;
        self.attach(id, above);
        self.settle(id, now);
        self.settle(above, now);
        above
    }

    /// A place for children, with a discipline that knows whether the node is a seed.
    fn children(&self) -> Box<Inner> {
        let mut inner = Inner::new(self.inner, &self.params);
        if self.seeding {
            inner.discipline.seeds(true);
        }
        inner
    }

    /// Tells every discipline whether the node wants nothing itself.
    pub(super) fn set_seeding(&mut self, seeding: bool) {
        self.seeding = seeding;
        for class in &mut self.classes {
            if let Body::Inner(inner) = &mut class.body {
                inner.discipline.seeds(seeding);
            }
        }
    }

    /// Bytes came from the entity that the class `id` stands for, if it is `entity`.
    pub(super) fn received(&mut self, id: u32, entity: u32, len: ByteCount) {
        let (parent, flow) = (self.class(id).parent, self.class(id).flow);
        if self.class(id).entity == entity && id != ROOT {
            let above = self.class_mut(parent).inner_mut();
            above.discipline.received(FlowId(flow), len);
        }
    }

    /// The class `id` is new, and whom it stands for gave so many bytes more than it was sent.
    pub(super) fn meets(&mut self, id: u32, balance: i64) {
        if balance != 0 {
            let (parent, flow) = (self.class(id).parent, self.class(id).flow);
            let above = self.class_mut(parent).inner_mut();
            above.discipline.meets(FlowId(flow), balance);
        }
    }

    /// Removes the leaf `id`, and the classes above it that have no other child, up to one for whom
    /// `stays` says that it does. The classes removed are returned with whom they stood for.
    pub(super) fn remove(&mut self, mut id: u32, stays: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let mut removed = Vec::new();
        while id != ROOT {
            self.withdraw(id);
            let (parent, flow) = (self.class(id).parent, self.class(id).flow);
            removed.push((id, self.class(id).entity));
            self.class_mut(id).body = Body::Vacant;
            self.vacant.push(id);
            let above = self.class_mut(parent).inner_mut();
            above.discipline.retire(FlowId(flow));
            above.children[flow as usize] = NONE;
            above.vacant.push(flow);
            let has_others = above.vacant.len() < above.children.len();
            if has_others || (parent != ROOT && stays(self.class(parent).entity)) {
                self.give_up(parent);
                break;
            }
            id = parent;
        }
        removed
    }

    /// Whether the discipline of the root keeps accounts of idle flows.
    pub(super) fn has_accounts(&self) -> bool {
        matches!(&self.class(ROOT).body, Body::Inner(inner) if inner.discipline.has_accounts())
    }

    /// Changes weight, band and floor of a class, from its next ticket on.
    pub(super) fn set_standing(&mut self, id: u32, standing: Standing) {
        self.class_mut(id).standing = standing;
    }

    /// Classes in use that stand for `entity`.
    pub(super) fn classes_of(&self, entity: u32) -> Vec<u32> {
        let used = self.classes.iter().zip(0_u32..);
        used.filter(|(class, _)| class.entity == entity && !matches!(class.body, Body::Vacant))
            .map(|(_, id)| id)
            .collect()
    }

    /// Takes a class out of its parent's discipline until `reason` is over. It keeps its place
    /// there, since it is a limit that holds it back and not that it has nothing to send.
    pub(super) fn hold(&mut self, id: u32, reason: u8) {
        self.class_mut(id).held |= reason;
        self.take_back(id, |discipline, flow| discipline.hold(flow));
    }

    /// `reason` is over; a class with no other reason takes its place again.
    pub(super) fn release(&mut self, id: u32, reason: u8, now: Time) {
        self.class_mut(id).held &= !reason;
        self.post(id, now);
    }

    /// The reasons for which classes above `id` are held.
    pub(super) fn held_above(&self, id: u32) -> u8 {
        let mut held = 0;
        let mut at = self.class(id).parent;
        while at != ROOT {
            held |= self.class(at).held;
            at = self.class(at).parent;
        }
        held
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

    /// Whom the classes that were woken stand for.
    pub(super) fn take_woken(&mut self) -> Vec<u32> {
        let Some(woken) = self.woken.take() else {
            return Vec::new();
        };
        let used = woken.iter().map(|id| self.class(*id));
        let used = used.filter(|class| !matches!(class.body, Body::Vacant));
        used.map(|class| class.entity).collect()
    }

    /// Whether the discipline of the root has a block to give.
    pub(super) fn is_ready(&self) -> bool {
        matches!(&self.class(ROOT).body, Body::Inner(inner) if inner.waiting > 0)
    }

    /// Classes in use besides the root.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.classes.len() - self.vacant.len() - 1
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
