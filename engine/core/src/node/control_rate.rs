//! Control messages of a peer: how many are accepted, and which are passed to the shell (limit L6).
//!
//! Everything after a peer's last message is dropped.

use super::io::{Action, Event};
use super::swarm::Swarm;
use crate::id::PeerId;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Ending, Remote};
use crate::time::Time;

/// The number of keep-alive pings; their answers are not reported.
pub(super) const KEEPALIVE: u64 = u64::MAX;

impl Swarm {
    /// Sends a message that only shells send.
    pub(super) fn say(&mut self, peer: PeerId, message: Message) {
        match message {
            Message::Text(_)
            | Message::Ping(_)
            | Message::Close { .. }
            | Message::Offer(_)
            | Message::Verdict { .. }
            | Message::WantAddresses
            | Message::Addresses(_) => self.send(peer, message),
            _ => {}
        }
    }

    /// An optional frame of an unknown type came.
    pub(super) fn skipped(&mut self, peer: PeerId, now: Time) {
        let done = self
            .accepts_from(peer, now)
            .and_then(|accepts| match accepts {
                true => self.charge(peer, now),
                false => Ok(()),
            });
        self.judge(peer, done);
    }

    /// Closes the connection of a peer that did something wrong.
    pub(super) fn judge(&mut self, peer: PeerId, done: Result<(), Misbehaviour>) {
        if let Err(why) = done {
            self.end(peer, why);
        }
    }

    /// Whether messages of `peer` are still accepted.
    ///
    /// # Errors
    ///
    /// [`Misbehaviour::BadState`], once, if it had sent its last message.
    pub(super) fn accepts_from(&mut self, peer: PeerId, now: Time) -> Result<bool, Misbehaviour> {
        let Some(state) = self.peer_mut(peer) else {
            return Ok(false);
        };
        state.liveness.frame_came(now);
        match state.ending {
            Ending::Open => Ok(true),
            Ending::Over => Ok(false),
            Ending::Said => {
                state.ending = Ending::Over;
                Err(Misbehaviour::BadState)
            }
        }
    }

    /// Charges `peer` for something that does no work, if there is a guard.
    pub(super) fn charge(&mut self, peer: PeerId, now: Time) -> Result<(), Misbehaviour> {
        let guarded = self.guard.is_some();
        let state = self.peer_mut(peer).filter(|_| guarded);
        state.map_or(Ok(()), |state| state.reputation.talks(now))
    }

    /// Charges messages that do no work. Messages that the content bounds are free here: a first
    /// Have, a request that is accepted, a block, the answer to a request. `have` and `requested`
    /// charge the others. Texts and pings are charged with and without a guard.
    pub(super) fn charge_for(
        &mut self,
        peer: PeerId,
        message: &Message,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        match message {
            Message::Have { .. }
            | Message::Request { .. }
            | Message::Reject { .. }
            | Message::Block { .. }
            | Message::Close { .. } => Ok(()),
            Message::Interested | Message::NotInterested | Message::Choke | Message::Unchoke => {
                let guarded = self.guard.is_some();
                let state = self.peer_mut(peer).filter(|_| guarded);
                state.map_or(Ok(()), |state| state.reputation.changes_mind(now))
            }
            // Contents that we take part in are few; each may be joined once and left.
            Message::Join(join) => {
                let ours = self.contents.get(&join.content).copied();
                let state = self.peer(peer);
                let first = ours.is_some_and(|ours| {
                    state.is_some_and(|state| state.remotes.iter().all(|one| one.ours != ours))
                });
                if first {
                    Ok(())
                } else {
                    self.charge(peer, now)
                }
            }
            Message::Text(_) | Message::Ping(_) => {
                let state = self.peer_mut(peer);
                state.map_or(Ok(()), |state| state.reputation.talks(now))
            }
            // A changed file is taken back chunk by chunk, and a request moves once.
            Message::Lost { transfer, .. } | Message::Cancel { transfer, .. } => {
                let state = self.peer_mut(peer);
                let remote = state.and_then(|state| state.remotes.named_mut(*transfer));
                if remote.is_some_and(Remote::may_take_back) {
                    return Ok(());
                }
                self.charge(peer, now)
            }
            Message::Leave { .. }
            | Message::Pong(_)
            | Message::Offer(_)
            | Message::Verdict { .. }
            | Message::WantAddresses
            | Message::Addresses(_)
            | Message::Forwarded(_) => self.charge(peer, now),
        }
    }

    /// Passes on what is not for the node itself.
    pub(super) fn carry(&mut self, peer: PeerId, message: Message) {
        let event = match message {
            Message::Ping(number) => return self.send(peer, Message::Pong(number)),
            Message::Pong(KEEPALIVE) => return,
            Message::Forwarded(said) => return self.hears_of_forwarding(peer, said),
            Message::Pong(number) => Event::Pong(peer, number),
            Message::Text(text) => Event::Text(peer, text),
            Message::Offer(offer) => Event::Offer(peer, offer),
            Message::Verdict { content, verdict } => Event::Verdict(peer, content, verdict),
            Message::WantAddresses => Event::WantAddresses(peer),
            Message::Addresses(known) => Event::Addresses(peer, known),
            Message::Close { code, text } => {
                if let Some(state) = self.peer_mut(peer) {
                    state.ending = Ending::Said;
                }
                Event::Closed(peer, code, text)
            }
            _ => return,
        };
        self.actions.push_back(Action::Notify(event));
    }
}
