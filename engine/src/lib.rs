//! The node and its control: the shell around `fairhaul-core` that does the input and output.

pub use fairhaul_config::{params, printable};

pub mod clock;
pub mod content;
pub mod control;
mod driver;
mod durable;
pub mod identity;
pub mod node;
pub mod oneshot;
pub mod record;
mod session;
pub mod store;
pub mod tables;
pub mod transport;
