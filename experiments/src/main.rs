//! `fairlab`: run, sweep, compare and plot scenarios.
fn main() {}
