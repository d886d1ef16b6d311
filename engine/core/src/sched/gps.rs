//! Generalised processor sharing: the fluid server that the fair disciplines approximate.
//!
//! A. K. Parekh and R. G. Gallager, "A Generalized Processor Sharing Approach to Flow Control
//! in Integrated Services Networks", IEEE/ACM Transactions on Networking 1993. Slow and
//! obvious: a reference for the tests and nothing else.

use crate::units::{ByteCount, Weight};

/// Parts of a byte that service is kept in.
const PARTS: u128 = 1 << 32;

/// A fluid server and what it has given each flow.
#[derive(Debug)]
pub(super) struct Gps(Vec<Fluid>);

#[derive(Debug)]
struct Fluid {
    weight: u128,
    backlog: u128,
    served: u128,
}

impl Gps {
    pub(super) fn new(weights: &[Weight]) -> Self {
        let fluid = |weight: &Weight| Fluid {
            weight: u128::from(weight.hundredths()),
            backlog: 0,
            served: 0,
        };
        Self(weights.iter().map(fluid).collect())
    }

    pub(super) fn arrive(&mut self, flow: usize, len: ByteCount) {
        self.0[flow].backlog += u128::from(len.get()) * PARTS;
    }

    /// Bytes that `flow` has had, to the nearest one.
    pub(super) fn served(&self, flow: usize) -> u64 {
        u64::try_from((self.0[flow].served + PARTS / 2) / PARTS).expect("a test serves few bytes")
    }

    /// Serves `len` bytes, to all who wait in proportion to their weights.
    pub(super) fn serve(&mut self, len: ByteCount) {
        let mut left = u128::from(len.get()) * PARTS;
        // Each pass but the last empties a flow.
        for _ in 0..=self.0.len() {
            let waiting = || self.0.iter().filter(|fluid| fluid.backlog > 0);
            let weights: u128 = waiting().map(|fluid| fluid.weight).sum();
            // Parts per hundredth of weight until the first flow is empty, or all is spent.
            let empty = waiting()
                .map(|fluid| fluid.backlog.div_ceil(fluid.weight))
                .min();
            let Some(empty) = empty else { return };
            let level = empty.min(left / weights);
            for fluid in &mut self.0 {
                let given = fluid.backlog.min(level * fluid.weight);
                fluid.backlog -= given;
                fluid.served += given;
                left -= given;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Weights 1 and 3 with 100 bytes each: of 120 bytes, 30 and 90; of the next 60 the second
    // needs 10 and the first gets 50.
    #[test]
    fn what_an_emptied_flow_leaves_goes_to_the_others() {
        let mut gps = Gps::new(&[Weight::ONE, Weight::whole(3)]);
        gps.arrive(0, ByteCount::new(100));
        gps.arrive(1, ByteCount::new(100));
        gps.serve(ByteCount::new(120));
        assert_eq!((gps.served(0), gps.served(1)), (30, 90));
        gps.serve(ByteCount::new(60));
        assert_eq!((gps.served(0), gps.served(1)), (80, 100));
    }
}
