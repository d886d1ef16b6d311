//! Stand-in for the table of disciplines until it is there.

use crate::sched::Discipline;
use crate::units::ByteCount;

/// What a discipline is made with.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// The largest ticket.
    pub largest: ByteCount,
    /// Bytes per round and unit weight.
    pub quantum: Option<ByteCount>,
}

/// One discipline.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Makes one.
    pub make: fn(&Params) -> Box<dyn Discipline>,
}
