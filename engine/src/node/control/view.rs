//! The state of the node that commands read.

use fairhaul_core::node::Node;
use fairhaul_core::time::Time;
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::Target;

use super::limits::Limits;
use super::settings::Settings;
use super::waiting::Waiting;
use crate::node::connections::Connections;
use crate::node::contents::Contents;
use crate::node::stats::Stats;

/// All that a node knows, at one moment.
pub(super) struct View<'a> {
    pub(super) core: &'a Node,
    pub(super) connections: &'a Connections,
    pub(super) contents: &'a Contents,
    pub(super) stats: &'a Stats,
    pub(super) settings: &'a Settings,
    pub(super) limits: &'a Limits,
    pub(super) waiting: &'a Waiting,
    pub(super) now: Time,
}

impl View<'_> {
    /// The cap of the node in force: the lower of the configured one and the one that was found.
    pub(super) fn node_cap(&self) -> Option<Rate> {
        let told = self.limits.of(Target::Node).cap;
        let found = self.core.uplink().found_cap();
        told.into_iter().chain(found).min()
    }
}
