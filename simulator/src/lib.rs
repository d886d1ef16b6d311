//! Virtual-time shell around the core: many peers, links, traces, metrics, checkers.
//!
//! A [`setup::Setup`] goes in, a [`record::Record`] comes out. There are no clocks, no threads, and
//! no floats in the order of events.

pub mod alone;
pub mod announcer;
pub mod baseline;
pub mod behaviour;
pub mod bounds;
pub mod distribution;
pub mod event_queue;
pub mod fluid_reference;
mod host;
pub mod metrics;
pub mod network;
pub mod peer_rounds;
pub mod random;
pub mod record;
pub mod setup;
mod trace;
pub mod world;
