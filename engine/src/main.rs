//! `fairhaul`: the node and its control.
fn main() {}
