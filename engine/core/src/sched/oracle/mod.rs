//! Published and provable schedules, and how close a discipline comes to them.
//!
//! Each function runs one textbook scenario on a discipline of the table and returns numbers to
//! hold against expected ones: for the tests of the core, and for the lab, which prints them.
//! Everything is deterministic and in integers.

mod bytes;
mod delay;
mod golden;
mod reservation;
mod spread;

pub use bytes::{Fairness, byte_fairness};
pub use delay::{WorstDelay, max_delay};
pub use golden::{golden_expected, golden_order};
pub use reservation::{MCLOCK_SHARES, mclock_shares};
pub use spread::Spread;
