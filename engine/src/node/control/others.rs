//! The owners that commands act on.

use fairhaul_core::node::Node;
use fairhaul_core::time::Time;

use crate::node::connections::Connections;
use crate::node::contents::Contents;
use crate::node::inputs::PendingInputs;
use crate::node::stats::Stats;

/// The other owners of the node, while a command is carried out.
pub(crate) struct Others<'a> {
    pub(crate) core: &'a Node,
    pub(crate) connections: &'a mut Connections,
    pub(crate) contents: &'a mut Contents,
    pub(crate) stats: &'a mut Stats,
    pub(crate) inputs: &'a mut PendingInputs,
    pub(crate) now: Time,
}
