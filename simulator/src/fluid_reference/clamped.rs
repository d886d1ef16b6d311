//! Rates on one uplink with floors and caps, slow and obvious: tests hold `floors` to this clamp.

use fairhaul_core::units::Rate;

use super::oracle::{Step, way};
use crate::setup::Setup;

/// A class of one source's tree, as [`clamped`] sees it.
struct Node {
    name: (char, u32),
    weight: f64,
    floor: f64,
    cap: f64,
    children: Vec<Self>,
    /// The transfer, at the end of a way.
    row: Option<usize>,
}

/// The rate of each transfer of `source` when all of them have demand and nothing but that uplink
/// is shared: each class of the tree, and each transfer, gets `clamp(x w, floor, cap)` with an x
/// that gives away all that the class above it has.
///
/// Source:   the clamp of A. Gulati, A. Merchant and P. J. Varman, "mClock", OSDI 2010, at each
///           level of the tree. A class needs what its members are guaranteed together, and uses
///           no more than they can.
/// Contract: caps and floors are those of transfers, peers and groups that are classes of the tree,
///           a peer's downlink counts as its cap, and all floors fit.
#[must_use]
pub(crate) fn clamped(setup: &Setup, source: u32) -> Vec<f64> {
    let mut root = Node::new(('u', source), 1.0, None, [None; 3]);
    for (row, transfer) in (0_u32..).zip(&setup.transfers) {
        if transfer.source == source {
            root.insert(setup, row, &way(setup, row));
        }
    }
    let up = &setup.peers[source as usize];
    let capacity = [up.up, up.upload_cap].into_iter().flatten().min();
    let mut rates = vec![0.0; setup.transfers.len()];
    root.divide(capacity.map_or(f64::INFINITY, number), &mut rates);
    rates
}

fn number(rate: Rate) -> f64 {
    rate.get() as f64
}

impl Node {
    fn new(name: (char, u32), weight: f64, floor: Option<Rate>, caps: [Option<Rate>; 3]) -> Self {
        Self {
            name,
            weight,
            floor: floor.map_or(0.0, number),
            cap: caps
                .into_iter()
                .flatten()
                .min()
                .map_or(f64::INFINITY, number),
            children: Vec::new(),
            row: None,
        }
    }

    fn insert(&mut self, setup: &Setup, row: u32, way: &[Step]) {
        let Some((step, rest)) = way.split_first() else {
            self.row = Some(row as usize);
            return;
        };
        let place = self
            .children
            .iter()
            .position(|child| child.name == step.name);
        let place = place.unwrap_or_else(|| {
            let index = step.name.1 as usize;
            let (floor, caps) = match step.name.0 {
                'g' => (
                    setup.groups[index].floor,
                    [setup.groups[index].cap, None, None],
                ),
                'p' => {
                    let peer = &setup.peers[index];
                    (peer.floor, [peer.cap, peer.down, peer.download_cap])
                }
                _ => {
                    let transfer = &setup.transfers[index];
                    (transfer.floor, [transfer.cap, None, None])
                }
            };
            self.children
                .push(Self::new(step.name, step.weight, floor, caps));
            self.children.len() - 1
        });
        self.children[place].insert(setup, row, rest);
    }

    /// What it and its members are guaranteed, as far as they can use it.
    fn least(&self) -> f64 {
        let members = self.children.iter().map(Self::least).sum();
        self.floor.max(members).min(self.most())
    }

    /// What it and its members can use.
    fn most(&self) -> f64 {
        let members = self.children.iter().map(Self::most);
        match self.row {
            Some(_) => self.cap,
            None => self.cap.min(members.sum()),
        }
    }

    fn divide(&self, bytes: f64, rates: &mut [f64]) {
        if let Some(row) = self.row {
            rates[row] = bytes;
            return;
        }
        let part = |child: &Self, x: f64| (x * child.weight).max(child.least()).min(child.most());
        let parts = |x: f64| {
            self.children
                .iter()
                .map(|child| part(child, x))
                .sum::<f64>()
        };
        // The sum grows with x; halving the interval two hundred times is exact in a float.
        let (mut low, mut high) = (0.0, bytes);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if parts(middle) < bytes {
                low = middle;
            } else {
                high = middle;
            }
        }
        for child in &self.children {
            child.divide(part(child, high), rates);
        }
    }
}
