//! The control of a running node: commands over a local socket and HTTP, with the right to each.

/// What a node can be asked: the types of `fairhaul-client`, and the call that carries one.
pub mod api {
    pub use fairhaul_client::api::*;

    pub use super::call::{Call, REPLIES_MAX};
}
mod auth;
mod call;
mod lobby;
pub mod metrics;
mod page;
pub mod serve;
#[cfg(test)]
mod tests;
mod token;
mod unix_socket;
