//! A class of a source's tree: how it divides what it gets among its children.
//!
//! The root of a source stands for its uplink; below it are groups, peers and transfers as the
//! core's uplink has them. Of a class in which an order decides, only the children that are
//! first rise; the next ones begin when those have stopped.

use fairhaul_core::units::Weight;

/// Attained service is counted in 2^-40 bytes × 10^-9; flows that are this close to each other
/// are level. One that reaches another is found to the nanosecond, in which 256 GB/s serve 256
/// bytes.
pub(crate) const LEVEL: u128 = (256 * 1_000_000_000) << 40;

/// How a class divides what it gets, as the discipline of that name does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By weight, all at once.
    Weights,
    /// Equally, all at once.
    Turns,
    /// The lowest band first, by weight within it.
    Bands,
    /// The one with the fewest bytes left first.
    Remaining,
    /// The one that was served least first; equally among those that are level.
    Attained,
    /// The one with the oldest request first.
    Age,
}

/// What an order may look at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rank {
    /// Strict priority band, 0 first.
    pub(crate) band: u8,
    /// Bytes of the transfer still to be served.
    pub(crate) remaining: u64,
    /// Number of the request in service.
    pub(crate) arrival: u64,
    /// Service since it was first seen.
    pub(crate) attained: u128,
}

/// A node of a source's tree with children.
#[derive(Debug)]
pub(crate) struct Class {
    /// The class above; none for the root of a source.
    pub(super) parent: Option<u32>,
    /// The class whose flows are all found together: below the root if the root divides by
    /// weight, else the root.
    pub(super) kin: u32,
    pub(super) weight: f64,
    pub(super) order: Order,
    pub(super) rank: Rank,
    /// Flows and classes below it that are known; what it was served is forgotten with the last.
    pub(super) members: u32,
    /// Active flows, of a class that is its own kin.
    pub(super) flows: Vec<u32>,
    pub(super) state: ClassState,
}

/// What a class is while rates are found.
#[derive(Debug, Default)]
pub(super) struct ClassState {
    /// Children that rise.
    pub(super) rising: u32,
    /// Children that rise, by their turn; all in the first where no order decides.
    turns: Vec<Turn>,
    /// Whose turn it is.
    first: u32,
    /// Children that rise and whose turn is not known yet.
    pub(super) waiting: Vec<Child>,
    /// Its own turn in the class above.
    pub(super) turn: u32,
    /// Bytes per second that its members were given for their floors.
    pub(super) given: f64,
    pub(super) is_late: bool,
    /// The least of its flows that rise.
    pub(super) remaining: Key,
    pub(super) arrival: Key,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    rising: u32,
    weight: f64,
}

/// The least key is first.
pub(super) type Key = (u128, u64);

/// A child of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Child {
    Flow(u32),
    Class(u32),
}

impl Order {
    /// Whether somebody waits for somebody else.
    pub(crate) const fn has_turns(self) -> bool {
        !matches!(self, Self::Weights | Self::Turns)
    }

    /// What a weight counts for.
    pub(super) const fn weight(self, weight: f64) -> f64 {
        match self {
            Self::Weights | Self::Bands => weight,
            Self::Turns | Self::Remaining | Self::Attained | Self::Age => ONE,
        }
    }

    /// The turns of children in the order of their keys; those that are level share one, and so do
    /// those that are level with one of these.
    pub(super) fn turns(self, sorted: &[(Key, Child)]) -> Vec<(u32, Child)> {
        let near = if self == Self::Attained { LEVEL } else { 0 };
        let (mut turn, mut last) = (0, sorted.first().map_or((0, 0), |(key, _)| *key));
        let mut turns = Vec::with_capacity(sorted.len());
        for &(key, child) in sorted {
            if key.1 != last.1 || key.0 - last.0 > near {
                turn += 1;
            }
            last = key;
            turns.push((turn, child));
        }
        turns
    }
}

/// [`Weight::ONE`] as a number.
const ONE: f64 = 100.0;

/// A weight as a number.
pub(super) fn number(weight: Weight) -> f64 {
    f64::from(weight.hundredths())
}

impl Rank {
    /// What it is ordered by under `order`.
    pub(super) fn key(&self, order: Order) -> Key {
        match order {
            Order::Weights | Order::Turns => (0, 0),
            Order::Bands => (u128::from(self.band), 0),
            Order::Remaining => (u128::from(self.remaining), self.arrival),
            Order::Attained => (self.attained, 0),
            Order::Age => (u128::from(self.arrival), 0),
        }
    }
}

impl Class {
    /// A class without children; a root if `parent` is none.
    pub(super) fn new(parent: Option<u32>, kin: u32, weight: Weight, order: Order) -> Self {
        Self {
            parent,
            kin,
            weight: number(weight),
            order,
            rank: Rank::default(),
            members: 0,
            flows: Vec::new(),
            state: ClassState::default(),
        }
    }

    /// What a flow of this class is ordered by in the class above.
    pub(super) fn key(&self, order: Order) -> Key {
        match order {
            Order::Remaining => self.state.remaining,
            Order::Age => self.state.arrival,
            _ => self.rank.key(order),
        }
    }

    /// The part of what this class gets that goes to a child of `weight` whose turn is `turn`.
    /// A root gives to each child by its weight alone, so that what a child gets does not depend
    /// on its siblings before the uplink is full.
    pub(super) fn part(&self, turn: u32, weight: f64) -> f64 {
        if turn != self.state.first {
            return 0.0;
        }
        let weight = self.order.weight(weight);
        match self.parent {
            None => weight,
            Some(_) => weight / self.state.turns[turn as usize].weight,
        }
    }
}

impl ClassState {
    /// Nothing rises.
    pub(super) fn clear(&mut self) {
        self.rising = 0;
        self.turns.clear();
        self.first = 0;
        self.waiting.clear();
        self.turn = 0;
        self.given = 0.0;
        self.is_late = false;
        (self.remaining, self.arrival) = ((u128::MAX, 0), (u128::MAX, 0));
    }

    /// One of its flows rises.
    pub(super) fn note(&mut self, rank: &Rank) {
        self.remaining = self.remaining.min(rank.key(Order::Remaining));
        self.arrival = self.arrival.min(rank.key(Order::Age));
    }

    /// A child rises, or waits for a turn to be known.
    pub(super) fn join(&mut self, child: Child, weight: f64, order: Order) {
        self.rising += 1;
        if order.has_turns() {
            self.waiting.push(child);
        } else {
            self.raise(0, weight, order);
        }
    }

    /// The turn of a child that rises is `turn`.
    pub(super) fn raise(&mut self, turn: u32, weight: f64, order: Order) {
        let turn = turn as usize;
        if self.turns.len() <= turn {
            self.turns.resize(turn + 1, Turn::default());
        }
        self.turns[turn].rising += 1;
        self.turns[turn].weight += order.weight(weight);
    }

    /// A child stops.
    pub(super) fn lower(&mut self, turn: u32, weight: f64, order: Order) {
        self.rising -= 1;
        let entry = &mut self.turns[turn as usize];
        entry.rising -= 1;
        entry.weight -= order.weight(weight);
        let next = |turn: &Turn| turn.rising > 0;
        let rest = self.turns.iter().skip(self.first as usize);
        let passed = rest.take_while(|turn| !next(turn)).count();
        self.first += u32::try_from(passed).expect("fewer turns than children");
    }
}
