//! What the links of a peer can do now: their capacities, and the caps that its node keeps.
//!
//! The block network has the links and the core keeps the caps. A fluid has no queue for a cap to
//! hold back, so there the caps are part of the links.

use std::collections::BTreeMap;

use fairhaul_core::units::Rate;

use super::{World, build};
use crate::setup::{FaultKind, NetworkModel, PeerSetup};

/// The links of one peer, and its caps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) up: Option<Rate>,
    pub(super) down: Option<Rate>,
    pub(super) upload_cap: Option<Rate>,
    pub(super) download_cap: Option<Rate>,
}

impl Access {
    /// As a peer has them when it joins.
    pub(super) fn of(peer: &PeerSetup) -> Self {
        Self {
            up: peer.up,
            down: peer.drained_down(),
            upload_cap: peer.served_cap(),
            download_cap: peer.download_cap,
        }
    }

    /// Capacities of the uplink and the downlink in a network of `model`.
    pub(super) fn capacities(&self, model: NetworkModel) -> [Option<Rate>; 2] {
        match model {
            NetworkModel::Block { .. } => [self.up, self.down],
            NetworkModel::Fluid => [
                [self.up, self.upload_cap].into_iter().flatten().min(),
                [self.down, self.download_cap].into_iter().flatten().min(),
            ],
        }
    }
}

impl World<'_> {
    /// Whether the scenario itself has stopped a link, or lets somebody keep things back: work that
    /// is left is no fault then.
    pub(super) fn stands_still(&self) -> bool {
        if self.may_be_kept_back() {
            return true;
        }
        let zero = Some(Rate::new(0));
        let model = self.setup.network;
        let past = self
            .setup
            .faults
            .iter()
            .filter(|fault| fault.at <= self.now);
        let shared: BTreeMap<u32, Option<Rate>> = past
            .filter_map(|fault| match fault.kind {
                FaultKind::SharedCapacity { link, capacity } => Some((link, capacity)),
                _ => None,
            })
            .collect();
        let is_zero = |access: &Access| access.capacities(model).contains(&zero);
        let mut stopped = self.access.iter().zip(&self.setup.peers);
        shared.values().any(|capacity| *capacity == zero)
            || stopped.any(|(access, peer)| is_zero(access) && !is_zero(&Access::of(peer)))
    }

    /// The links of a peer change, or the caps that it keeps.
    pub(super) fn set_access(&mut self, peer: u32, access: Access) {
        let before = std::mem::replace(&mut self.access[peer as usize], access);
        let (model, now) = (self.setup.network, self.now);
        let [up, down] = access.capacities(model);
        if before.capacities(model) != [up, down] {
            let node = build::place(peer);
            self.network.set_capacity(node, up, down, now);
        }
        self.ideal
            .set_links(peer, access.up.into(), access.down.into(), now);
        self.ideal.set_upload_cap(peer, access.upload_cap, now);
    }
}
