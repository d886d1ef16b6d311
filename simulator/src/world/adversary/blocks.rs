//! What an adversary sends: blocks that are held back, that never end a chunk, or that are garbage.

use fairhaul_core::id::PeerId;
use fairhaul_core::message::Message;
use fairhaul_core::node::Input;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;

use super::super::{Event, World};
use crate::behaviour::Serves;

impl World<'_> {
    /// Whether an adversary holds blocks back.
    pub(in crate::world) fn holds_back(&self, host: u32) -> bool {
        let mask = self.masks[host as usize].as_ref();
        mask.is_some_and(|mask| !mask.held.is_empty())
    }

    /// The core of an adversary has let a block go. True if it does not leave now.
    pub(in crate::world) fn keeps_back(
        &mut self,
        host: u32,
        block: Block,
        inputs: &mut Vec<(u32, Input)>,
    ) -> bool {
        let Block {
            peer,
            transfer,
            chunk,
            len,
            last,
            ..
        } = block;
        let behaviour = self.behaviour(host);
        let (serves, withholds) = (behaviour.serves, behaviour.withholds);
        if withholds.keeps_block(last) {
            let chunk = chunk.get();
            self.say(host, peer, Message::Reject { transfer, chunk });
            inputs.push((host, Input::Sent { peer, len }));
            return true;
        }
        if serves != Serves::BeforeRechoke {
            return false;
        }
        let (opens, is_open) = self.round_window(host, peer);
        if is_open {
            return false;
        }
        self.mask(host).held.push(block);
        inputs.push((host, Input::Stalled { peer }));
        self.queue.push(opens, Event::Release { host, peer });
        true
    }

    /// When the window before the next round of a peer begins, and whether it is open.
    pub(super) fn round_window(&mut self, host: u32, peer: PeerId) -> (Time, bool) {
        let to = self.hosts[host as usize].links[peer.index()].host;
        let policy = self.setup.peers[to as usize].policy;
        let period = self.setup.policies[policy as usize].rechoke.get();
        let (delay, now) = (self.delay(host, to), self.now);
        self.mask(host).rounds.window(peer, (period, delay), now)
    }

    /// The window before a round of a peer may be open: what was held back for it leaves.
    pub(in crate::world) fn release_held(&mut self, host: u32, peer: PeerId) {
        if !self.holds_back(host) {
            return;
        }
        let (opens, is_open) = self.round_window(host, peer);
        let waits = |block: &mut Block| block.peer == peer;
        if !is_open {
            if self.mask(host).held.iter_mut().any(waits) {
                self.queue.push(opens, Event::Release { host, peer });
            }
            return;
        }
        let held: Vec<Block> = self.mask(host).held.extract_if(.., waits).collect();
        for block in held {
            if !self.upload(host, block) {
                self.tell(host, Input::Stalled { peer });
            }
        }
    }

    /// A block of an adversary has been given to the network.
    pub(in crate::world) fn gave(&mut self, host: u32, block: &Block) {
        if !block.last || !self.is_adversary(host) {
            return;
        }
        let (announcer, node) = self.announcer(host);
        let had = node.and_then(|node| node.had(block.transfer));
        let to = (block.peer, block.transfer);
        if let Some(next) = announcer.has_got(to, block.chunk, had) {
            self.say(host, block.peer, next);
        }
    }

    /// Whether a chunk that a host has put together has wrong bytes in it.
    pub(in crate::world) fn is_garbage(&self, host: u32, parts: &[(PeerId, ByteCount)]) -> bool {
        let links = &self.hosts[host as usize].links;
        parts.iter().any(|(from, _)| {
            let sender = links[from.index()].host;
            self.behaviour(sender).serves == Serves::Garbage
        })
    }
}
