//! Virtual-time shell around the core: many peers, links, traces, metrics, checkers.

pub mod event_queue;
pub mod network;
