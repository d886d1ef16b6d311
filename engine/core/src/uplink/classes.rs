//! The classes of requests: which group each joins, which limits apply, and when one is removed.
//!
//! A level with one possible child is left out until a second child appears: a choice among one
//! costs time and changes nothing.

use crate::block_size;
use crate::id::{GroupId, PeerId, TransferId};
use crate::time::Time;
use crate::units::{ByteCount, Rate, Weight};

use super::autorate::PathSample;
use super::class::Standing;
use super::leaf::{Leaf, Pending};
use super::limits::{Limit, Meter};
use super::tree::{NONE, ROOT};
use super::{Path, Share, Target, Uplink, classify, reason};

impl Uplink {
    /// Sets the limit of `target`, from `now` on.
    ///
    /// Cost: linear in the number of leaves. Buckets keep level and debt.
    pub fn set_limit(&mut self, target: Target, limit: Limit, now: Time) {
        self.now = self.now.max(now);
        let now = self.now;
        let largest = self.settings.largest;
        if target == Target::Node {
            self.told = (limit != Limit::default()).then(|| Box::new(limit));
            let limit = self.node_limit();
            let block = block_size::for_rate(limit.cap).min(largest);
            self.node.set(limit, block, ByteCount::ZERO, now);
        } else {
            let slot = self.entities.find_or_add(target);
            self.let_go(slot);
            let entity = self.entities.at_mut(slot);
            let meter = entity
                .meter
                .get_or_insert_with(|| Box::new(Meter::new(largest)));
            let block = block_size::for_cap(limit.cap).min(largest);
            let turn = self.settings.quantum.unwrap_or(largest).max(largest);
            meter.set(limit, block, turn, now);
            self.expect_floor(slot);
            let meter = self.entities.at(slot).meter.as_ref();
            if meter.is_some_and(|meter| !meter.is_told()) {
                self.entities.at_mut(slot).meter = None;
            }
            self.review(slot, now);
            self.restand(slot);
            self.entities.forget(slot);
        }
        for id in self.leaves.values().copied().collect::<Vec<_>>() {
            let leaf = self.tree.leaf(id);
            let block = self.block(leaf.peer, leaf.transfer);
            self.tree.leaf_mut(id).block = block;
            self.tree.settle(id, now);
        }
    }

    /// Whether a floor is promised to `peer`, or to its group.
    pub(crate) fn has_floor(&self, peer: PeerId) -> bool {
        let promised = |slot: u32| {
            let meter = self.entities.at(slot).meter.as_ref();
            meter.is_some_and(|meter| meter.limit.floor > Some(Rate::new(0)))
        };
        let slot = self.entities.find(Target::Peer(peer));
        slot.is_some_and(|slot| {
            let group = self.entities.at(slot).group;
            promised(slot) || (group != NONE && promised(group))
        })
    }

    /// Whether a cap is to be found for the node, below the one that it has. What was found
    /// before is forgotten if it is not.
    pub fn find_cap(&mut self, on: bool, now: Time) {
        if on == self.auto.is_some() {
            return;
        }
        self.auto = on.then(Box::default);
        self.set_limit(Target::Node, self.told(), now);
    }

    /// What the connections have measured since the last time; without
    /// [`Self::find_cap`] it is left alone.
    pub fn paths(&mut self, paths: &[PathSample], now: Time) {
        let busy = self.is_busy();
        let Some(auto) = &mut self.auto else {
            return;
        };
        let before = auto.cap();
        auto.sample(paths, busy, now);
        if auto.cap() != before {
            self.set_limit(Target::Node, self.told(), now);
        }
    }

    /// The cap that was found; `None` if none was looked for, or no queue was ever seen.
    #[must_use]
    pub fn found_cap(&self) -> Option<Rate> {
        self.auto.as_ref().and_then(|auto| auto.cap())
    }

    /// What was told of the node.
    fn told(&self) -> Limit {
        self.told.as_deref().copied().unwrap_or_default()
    }

    /// The limit of the node with the lower of the configured cap and the one that was found.
    pub(super) fn node_limit(&self) -> Limit {
        let told = self.told();
        let caps = [told.cap, self.found_cap()];
        Limit {
            cap: caps.into_iter().flatten().min(),
            ..told
        }
    }

    /// Puts a peer or a transfer into a group, or takes it out of all. What it has waiting
    /// moves with it. For other targets this does nothing.
    pub fn join(&mut self, target: Target, group: Option<GroupId>, now: Time) {
        self.now = self.now.max(now);
        if !matches!(target, Target::Peer(_) | Target::Transfer(_)) {
            return;
        }
        let slot = self.entities.find_or_add(target);
        let group = group.map_or(NONE, |group| {
            self.entities.find_or_add(Target::Group(group))
        });
        if self.entities.at(slot).group == group {
            return self.entities.forget(slot);
        }
        let concerns = |&(peer, transfer): &(PeerId, TransferId)| {
            target == Target::Peer(peer) || target == Target::Transfer(transfer)
        };
        let keys: Vec<_> = self.leaves.keys().copied().filter(concerns).collect();
        // Counted as a leaf of its own, so that it is not forgotten between two groups.
        self.entities.at_mut(slot).leaves += 1;
        let moving: Vec<_> = keys
            .into_iter()
            .map(|key| (key, self.detach(key)))
            .collect();
        self.entities.at_mut(slot).leaves -= 1;
        self.entities.at_mut(slot).group = group;
        for ((peer, transfer), (queue, remaining)) in moving {
            let id = self.leaf(peer, transfer);
            let leaf = self.tree.leaf_mut(id);
            let (peer, transfer) = (leaf.peer, leaf.transfer);
            leaf.remaining = remaining;
            for pending in queue {
                self.tree.leaf_mut(id).queue.push_back(pending);
                self.count(peer, transfer, pending.len - pending.offset);
            }
            self.level(id);
            self.has_more(id);
        }
        self.entities.forget(slot);
    }

    /// Forgets all that `peer` has asked for and has in flight; its limits and its buckets
    /// stay. Blocks in flight give their place in the window back.
    pub(crate) fn purge_peer(&mut self, peer: PeerId) {
        let all = (peer, TransferId(0))..=(peer, TransferId(u32::MAX));
        for key in self
            .leaves
            .range(all)
            .map(|(&key, _)| key)
            .collect::<Vec<_>>()
        {
            self.detach(key);
        }
        self.forget_balance(peer);
        if let Some(slot) = self.entities.find(Target::Peer(peer)) {
            let entity = self.entities.at_mut(slot);
            if let Some(blocks) = &mut entity.on_link {
                blocks.clear();
            }
            if !std::mem::take(&mut entity.is_stalled) {
                self.in_flight -= entity.in_flight;
            }
            entity.in_flight = 0;
            entity.is_full = false;
            self.entities.forget(slot);
        }
    }

    /// Drops all requests for `transfer`.
    pub(crate) fn purge_transfer(&mut self, transfer: TransferId) {
        let keys = self.leaves.keys().copied();
        for key in keys.filter(|key| key.1 == transfer).collect::<Vec<_>>() {
            self.detach(key);
        }
    }

    /// The leaf of a peer and a transfer, made if there is none.
    pub(super) fn leaf(&mut self, peer: PeerId, transfer: TransferId) -> u32 {
        if let Some(&id) = self.leaves.get(&(peer, transfer)) {
            return id;
        }
        let peer_slot = self.entities.find_or_add(Target::Peer(peer));
        let transfer_slot = self.entities.find_or_add(Target::Transfer(transfer));
        let path = classify(
            self.settings.share,
            (peer, self.group_of(peer_slot)),
            (transfer, self.group_of(transfer_slot)),
        );
        let id = self.insert(&path, peer_slot, transfer_slot);
        let top = self.top(id);
        let side = self.side_group(self.tree.class(top).entity);
        for slot in self.entities.concerned(peer_slot, transfer_slot).slots() {
            self.entities.at_mut(slot).leaves += 1;
            let target = self.entities.at(slot).target;
            let has_own_class =
                target == path.upper || path.group.map(Target::Group) == Some(target);
            // A group's class is a member already; so is an upper class, or this leaf in its
            // place.
            if has_own_class {
                continue;
            }
            let (member, reason) = match target {
                Target::Group(_) if slot == side => (top, reason::GROUP),
                Target::Group(_) => (id, reason::ACROSS),
                Target::Transfer(_) => (id, reason::TRANSFER),
                Target::Peer(_) | Target::Node => (id, reason::PEER),
            };
            if self.entities.at(slot).member(member).is_none() {
                self.enrol(slot, member, reason);
            }
        }
        self.leaves.insert((peer, transfer), id);
        id
    }

    fn insert(&mut self, path: &Path, peer: u32, transfer: u32) -> u32 {
        let top = path.group.map_or(ROOT, |group| {
            let slot = self.entities.find_or_add(Target::Group(group));
            self.child(ROOT, slot).unwrap_or_else(|| {
                let id = self.tree.insert(ROOT, slot, self.standing(slot), None);
                self.enrol(slot, id, reason::GROUP);
                id
            })
        });
        let (upper, lower, reason) = match path.upper {
            Target::Transfer(_) => (transfer, peer, reason::TRANSFER),
            _ => (peer, transfer, reason::PEER),
        };
        let leaf = Leaf::new(peer, transfer, self.block(peer, transfer));
        match self.child(top, upper) {
            None => {
                let standing = self.standing(upper);
                let id = self.tree.insert(top, upper, standing, Some(leaf));
                self.enrol(upper, id, reason);
                self.tree.meets(id, self.balance_of(upper));
                id
            }
            Some(above) => {
                let above = self.with_children(above);
                let standing = self.standing(lower);
                self.tree.insert(above, lower, standing, Some(leaf))
            }
        }
    }

    /// The class `id`, or, if it is a leaf, the one that takes its place above it.
    fn with_children(&mut self, id: u32) -> u32 {
        let Some(leaf) = self.tree.class(id).leaf() else {
            return id;
        };
        let upper = self.tree.class(id).entity;
        let (lower, moves) = if upper == leaf.peer {
            (leaf.transfer, reason::PEER | reason::WINDOW | reason::STALL)
        } else {
            (leaf.peer, reason::TRANSFER)
        };
        let (moves, side) = (moves | reason::GROUP, self.side_group(upper));
        let standing = self.standing(lower);
        let above = self.tree.split(id, lower, standing, !moves, self.now);
        for slot in [upper, side] {
            if slot != NONE {
                self.entities.at_mut(slot).replace_member(id, above);
            }
        }
        above
    }

    /// The class right below the root that `id` is, or is below.
    fn top(&self, mut id: u32) -> u32 {
        while self.tree.class(id).parent != ROOT {
            id = self.tree.class(id).parent;
        }
        id
    }

    /// The group of which the class of `upper` is a member, if there is one: where groups are what
    /// is shared by they have classes of their own.
    pub(super) fn side_group(&self, upper: u32) -> u32 {
        let entity = self.entities.at(upper);
        match (self.settings.share, entity.target) {
            (Share::Peer, Target::Peer(_)) | (Share::Transfer, Target::Transfer(_)) => entity.group,
            _ => NONE,
        }
    }

    /// The class below `parent` that stands for the entity `slot`.
    fn child(&self, parent: u32, slot: u32) -> Option<u32> {
        let members = self.entities.at(slot).members.iter();
        let mut classes = members.map(|member| member.class);
        classes.find(|&id| {
            let class = self.tree.class(id);
            class.parent == parent && class.entity == slot
        })
    }

    /// Makes the class `id` one of those that are held when `slot` may not be served, for `reason`
    /// by its cap.
    fn enrol(&mut self, slot: u32, id: u32, reason: u8) {
        let entity = self.entities.at_mut(slot);
        entity.add_member(id, reason);
        if entity.meter.as_ref().is_some_and(|meter| meter.is_holding) {
            self.tree.hold(id, reason);
        }
        let (is_full, is_stalled) = (entity.is_full, entity.is_stalled);
        if is_full {
            self.tree.hold(id, reason::WINDOW);
        }
        if is_stalled {
            self.tree.hold(id, reason::STALL);
        }
    }

    /// Removes a leaf. Returns what it had waiting.
    fn detach(&mut self, key: (PeerId, TransferId)) -> (Vec<Pending>, u64) {
        let id = self
            .leaves
            .remove(&key)
            .expect("the key comes from the map");
        let leaf = self.tree.leaf_mut(id);
        let (peer, transfer, remaining) = (leaf.peer, leaf.transfer, leaf.remaining);
        let queue: Vec<_> = std::mem::take(&mut leaf.queue).into();
        for pending in &queue {
            self.discount(peer, transfer, pending.len - pending.offset, 1);
        }
        self.vacate_link(peer, Some(id));
        let concerned = self.entities.concerned(peer, transfer);
        for slot in concerned.slots() {
            let entity = self.entities.at_mut(slot);
            entity.leaves -= 1;
            entity.remove_member(id);
        }
        for (class, entity) in self.tree.remove(id) {
            for slot in [entity, self.side_group(entity)] {
                if slot != NONE {
                    self.entities.at_mut(slot).remove_member(class);
                }
            }
        }
        for slot in concerned.slots() {
            self.forget_window(slot);
        }
        self.look_again(concerned);
        for slot in concerned.slots() {
            self.entities.forget(slot);
        }
        (queue, remaining)
    }

    fn group_of(&self, slot: u32) -> Option<GroupId> {
        let group = self.entities.at(slot).group;
        (group != NONE).then(|| match self.entities.at(group).target {
            Target::Group(group) => group,
            other => unreachable!("a group is a group, not {other:?}"),
        })
    }

    pub(super) fn standing(&self, slot: u32) -> Standing {
        let meter = self.entities.at(slot).meter.as_ref();
        let limit = meter.map_or_else(Limit::default, |meter| meter.limit);
        let weight = meter.map_or(Weight::ONE, |meter| meter.weight());
        // Where a group is no class its members wait in its band, or in a later one of their own.
        let group = Some(self.side_group(slot)).filter(|group| *group != NONE);
        let group = group.and_then(|group| self.entities.at(group).meter.as_ref());
        Standing {
            weight,
            band: group.map_or(limit.band, |group| group.limit.band.max(limit.band)),
            floor: limit.floor.unwrap_or(Rate::new(0)),
        }
    }

    /// The largest block that every limit on the way lets pass.
    pub(super) fn block(&self, peer: u32, transfer: u32) -> u64 {
        let concerned = self.entities.concerned(peer, transfer).slots();
        let meters = concerned.filter_map(|slot| self.entities.at(slot).meter.as_ref());
        let block = meters.map(|meter| meter.block()).min();
        let block: ByteCount = block.map_or(self.node.block, |block| block.min(self.node.block));
        let narrow = self
            .entities
            .at(peer)
            .drain
            .as_ref()
            .map(|drain| drain.block());
        let block = narrow.map_or_else(|| block.get(), |narrow| narrow.min(block.get()));
        block.max(1)
    }
}
