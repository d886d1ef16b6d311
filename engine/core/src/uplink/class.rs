//! A class: a node of the scheduling tree, with a queue of its own or with children.

use crate::sched::{Discipline, DisciplineRow, Params};
use crate::units::{Rate, Weight};

use super::leaf::Leaf;
use super::tree::{NONE, POSTED_MAX};

/// What a class brings to its parent's discipline besides its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) weight: Weight,
    pub(super) band: u8,
    pub(super) floor: Rate,
}

/// The facts on a ticket about its block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// What the block costs.
    pub(super) cost: u64,
    pub(super) arrival: u64,
    pub(super) remaining: u64,
    pub(super) waiting: u32,
}

/// What a class with children has.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) discipline: Box<dyn Discipline>,
    /// Class by flow number, [`NONE`] where the number is vacant.
    pub(super) children: Vec<u32>,
    pub(super) vacant: Vec<u32>,
    /// Tickets in the discipline.
    pub(super) waiting: u32,
    /// The facts on the next ticket of this class: the block served last, or the one that ended its
    /// idleness.
    pub(super) guess: Facts,
}

/// What a class is.
#[derive(Debug)]
pub(super) enum Body {
    Vacant,
    Leaf(Leaf),
    Inner(Box<Inner>),
}

/// A place in the tree.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) parent: u32,
    pub(super) flow: u32,
    /// Whom this class stands for among its siblings.
    pub(super) entity: u32,
    /// Why it is not in its parent's discipline, a bit for each reason.
    pub(super) held: u8,
    pub(super) posted: u8,
    pub(super) standing: Standing,
    /// Bytes served less bytes charged, corrections of the posted tickets already counted.
    pub(super) owed: i64,
    /// By how much each posted ticket differs from its guess, head first.
    pub(super) fixes: [i64; POSTED_MAX as usize],
    pub(super) body: Body,
}

impl Class {
    /// A class that waits for nothing yet and has no parent yet.
    pub(super) const fn new(entity: u32, standing: Standing, body: Body) -> Self {
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

    /// Its queue, if it is a leaf.
    pub(super) const fn leaf(&self) -> Option<&Leaf> {
        match &self.body {
            Body::Leaf(leaf) => Some(leaf),
            Body::Inner(_) | Body::Vacant => None,
        }
    }

    /// Its queue, if it is a leaf.
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

    /// Whether it has anything to serve, held or not.
    pub(super) fn is_backlogged(&self) -> bool {
        self.available() > 0
    }

    /// Tickets it could have there, as far as that matters.
    pub(super) fn available(&self) -> u8 {
        let count = match &self.body {
            Body::Leaf(leaf) => leaf.blocks_ahead(),
            Body::Inner(inner) => inner.waiting.min(u32::from(POSTED_MAX)),
            Body::Vacant => 0,
        };
        u8::try_from(count).expect("at most two")
    }

    /// Its children and their discipline; panics unless the class has children.
    pub(super) fn inner_mut(&mut self) -> &mut Inner {
        match &mut self.body {
            Body::Inner(inner) => inner,
            Body::Leaf(_) | Body::Vacant => unreachable!("a parent has children"),
        }
    }
}

impl Standing {
    pub(super) const fn root() -> Self {
        Self {
            weight: Weight::ONE,
            band: 0,
            floor: Rate::new(0),
        }
    }
}

impl Inner {
    pub(super) fn new(row: &DisciplineRow, params: &Params) -> Box<Self> {
        Box::new(Self {
            discipline: (row.make)(params),
            children: Vec::new(),
            vacant: Vec::new(),
            waiting: 0,
            guess: Facts::default(),
        })
    }
}
