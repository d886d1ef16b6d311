//! The requests and answers of a running node as types, and the client of its socket.
//!
//! A [`api::ControlRequest`] goes to the node's local socket as JSON over HTTP/1.1; any number of
//! [`api::CommandProgress`] come back, then the answer that the request names, or an
//! [`api::Failure`]. The command line, the lab's real nodes and the node itself share these types.

pub use socket::{ask, follow};

pub mod api;
mod socket;
