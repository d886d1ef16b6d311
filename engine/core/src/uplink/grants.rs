//! Grants of the choker: a weight beside the one of the file, and a budget of bytes.
//!
//! Decides nothing about who is granted what. The weight is part of the standing of the peer's
//! class; the budget is held by the peer's meter, like a cap that is never refilled. What was sent
//! and came back is kept for disciplines that order by it.

use std::collections::BTreeMap;

use crate::id::PeerId;
use crate::sched::Claim;
use crate::units::{ByteCount, Rate, Weight};

use super::limits::Meter;
use super::{Target, Uplink};

/// Bytes that came from each peer and were verified, less those issued for it.
#[derive(Debug, Default)]
pub(super) struct Balances(BTreeMap<PeerId, i64>);

impl Uplink {
    /// From now on `peer` has this weight beside the one of its limit, and is sent `budget` bytes
    /// at most; none does not count them. [`Weight::ONE`] and none take a grant back.
    ///
    /// Cost: linear in the classes where a weight changes, else in the transfers of the peer.
    pub fn grant(&mut self, peer: PeerId, weight: Weight, budget: Option<ByteCount>) {
        let is_plain = weight == Weight::ONE && budget.is_none();
        let known = self.entities.find(Target::Peer(peer));
        let meter = known.and_then(|slot| self.entities.at(slot).meter.as_ref());
        if is_plain && meter.is_none_or(|meter| !meter.is_granted()) {
            return;
        }
        let slot = self.entities.find_or_add(Target::Peer(peer));
        let largest = self.settings.largest;
        let entity = self.entities.at_mut(slot);
        let meter = entity
            .meter
            .get_or_insert_with(|| Box::new(Meter::new(largest)));
        let before = meter.weight();
        meter.granted = weight;
        meter.budget = budget.map(ByteCount::get);
        let is_told = meter.is_told();
        if meter.weight() != before {
            self.restand(slot);
        }
        if is_plain && !is_told {
            self.let_go(slot);
            self.entities.at_mut(slot).meter = None;
        } else {
            self.review(slot, self.now);
        }
        self.recut(peer);
        self.entities.forget(slot);
    }

    /// The weight that the choker granted to `peer`.
    #[must_use]
    pub fn granted(&self, peer: PeerId) -> Weight {
        let slot = self.entities.find(Target::Peer(peer));
        let meter = slot.and_then(|slot| self.entities.at(slot).meter.as_ref());
        meter.map_or(Weight::ONE, |meter| meter.granted)
    }

    /// The cap of the node, told or found.
    pub(crate) fn cap(&self) -> Option<Rate> {
        self.node_limit().cap
    }

    /// Whether any of its disciplines goes by what comes back.
    const fn counts_exchange(&self) -> bool {
        matches!(self.settings.outer.claim, Claim::Exchange)
            || matches!(self.settings.inner.claim, Claim::Exchange)
    }

    /// `len` bytes that came from `peer` were verified.
    pub fn received(&mut self, peer: PeerId, len: ByteCount) {
        if !self.counts_exchange() {
            return;
        }
        self.count_balance(peer, i64::try_from(len.get()).unwrap_or(i64::MAX));
        let Some(slot) = self.entities.find(Target::Peer(peer)) else {
            return;
        };
        for member in &self.entities.at(slot).members {
            self.tree.received(member.class, slot, len);
        }
    }

    /// `peer` is connected, which gave so many bytes more than it was sent before.
    pub(crate) fn meet(&mut self, peer: PeerId, balance: i64) {
        if balance != 0 && self.counts_exchange() {
            self.count_balance(peer, balance);
        }
    }

    fn count_balance(&mut self, peer: PeerId, more: i64) {
        let balances = self.balances.get_or_insert_default();
        let balance = balances.0.entry(peer).or_insert(0);
        *balance = balance.saturating_add(more);
    }

    /// The balance of the peer at `slot`; zero for others.
    pub(super) fn balance_of(&self, slot: u32) -> i64 {
        let Target::Peer(peer) = self.entities.at(slot).target else {
            return 0;
        };
        let balances = self.balances.as_ref();
        let balance = balances.and_then(|all| all.0.get(&peer).copied());
        balance.unwrap_or(0)
    }

    /// The peer is gone: what it is owed hangs on its identity, not on this connection.
    pub(super) fn forget_balance(&mut self, peer: PeerId) {
        if let Some(balances) = &mut self.balances {
            balances.0.remove(&peer);
        }
    }

    /// Whether the node wants nothing itself.
    pub fn set_seeding(&mut self, seeding: bool) {
        if self.tree.seeding != seeding {
            self.tree.set_seeding(seeding);
        }
    }

    /// A block of `len` bytes was issued for the peer at `slot`: what is left of its budget may be
    /// less than a block.
    pub(super) fn count_exchange(&mut self, slot: u32, len: u64) {
        let Target::Peer(peer) = self.entities.at(slot).target else {
            return;
        };
        if self.counts_exchange() {
            self.count_balance(peer, -i64::try_from(len).unwrap_or(i64::MAX));
        }
        let Some(meter) = self.entities.at(slot).meter.as_ref() else {
            return;
        };
        if meter.budget.is_some_and(|left| left < meter.block.get()) {
            self.recut(peer);
        }
    }

    /// Brings the weights of the classes of `slot` in line with its limit and its grant.
    pub(super) fn restand(&mut self, slot: u32) {
        let mut classes = self.tree.classes_of(slot);
        let members = self.entities.at(slot).members.iter();
        classes.extend(members.map(|member| member.class));
        for class in classes {
            let standing = self.standing(self.tree.class(class).entity);
            self.tree.set_standing(class, standing);
        }
    }

    /// Cuts what `peer` waits for into blocks that its limits let pass now.
    fn recut(&mut self, peer: PeerId) {
        for id in self.leaves_of(peer) {
            let leaf = self.tree.leaf(id);
            let block = self.block(leaf.peer, leaf.transfer);
            if leaf.block != block {
                self.tree.leaf_mut(id).block = block;
                self.tree.settle(id, self.now);
            }
        }
    }
}
