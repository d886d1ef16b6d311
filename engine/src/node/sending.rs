//! Contents that are sent to peers: who was offered one, and what became of it there.
//!
//! Decides which code a `send` ends with; how long a peer is waited for is the core's. Refuses to
//! offer what is not whole here.

use fairhaul_core::door::reach::{Outlook, Standing, outlook};
use fairhaul_core::id::PeerId;
use fairhaul_core::message::{Message, Offer, Verdict};
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::content::{Content, Stage};
use super::host::Host;
use crate::control::api::{Call, Failure, Phase, Progress, Sent};

/// A peer that had no room for an offer is asked again after this.
const BUSY: Span = Span::from_secs(10);

/// A content that is pushed.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) call: Call,
    pub(super) number: u32,
    pub(super) since: Time,
    /// When those that were busy are asked again.
    pub(super) again: Option<Time>,
    /// Each peer, whether it was offered, and its last word.
    pub(super) peers: Vec<(PeerId, bool, Option<Verdict>)>,
}

impl Host {
    /// Offers what is pushed to those that are connected and have not heard of it.
    pub(super) fn push(&mut self) {
        let mut offers = Vec::new();
        for push in &mut self.waiting.pushes {
            let Some(content) = self.contents.at(push.number) else {
                continue;
            };
            if content.stage != Stage::Whole {
                continue;
            }
            for (peer, offered, _) in &mut push.peers {
                if *offered || self.peers.link(*peer).is_none() {
                    continue;
                }
                *offered = true;
                let offer = Offer {
                    content: content.id,
                    manifest_bytes: content.manifest.geometry().bytes().get(),
                    bytes: content.bytes(),
                    name: content.kept.name.as_str().into(),
                };
                offers.push((*peer, Message::Offer(Box::new(offer))));
            }
        }
        for (peer, message) in offers {
            self.tell(Input::Say { peer, message });
        }
    }

    /// A peer says what becomes of what we offered.
    pub(super) fn verdict(
        &mut self,
        peer: PeerId,
        content: fairhaul_core::manifest::ContentId,
        verdict: Verdict,
    ) {
        let now = self.clock.now();
        let number = self.contents.find(&content).map(|content| content.number);
        for push in &mut self.waiting.pushes {
            if Some(push.number) != number {
                continue;
            }
            for (_, _, last) in push.peers.iter_mut().filter(|(of, _, _)| *of == peer) {
                *last = Some(verdict);
            }
            if verdict == Verdict::Busy {
                push.again.get_or_insert_with(|| now.saturating_add(BUSY));
            }
        }
    }

    /// A session ended: what was offered over it is offered again over the next.
    pub(super) fn unoffer(&mut self, peer: PeerId) {
        for push in &mut self.waiting.pushes {
            for (of, offered, last) in &mut push.peers {
                if *of == peer && !is_over(*last) {
                    *offered = false;
                }
            }
        }
    }

    /// Ends the pushes that are over, and says how far the others are.
    pub(super) fn review_pushes(&mut self, now: Time) {
        for mut push in std::mem::take(&mut self.waiting.pushes) {
            if push.again.is_some_and(|again| again <= now) {
                push.again = None;
                let busy = push.peers.iter_mut();
                let busy = busy.filter(|(_, _, last)| *last == Some(Verdict::Busy));
                busy.for_each(|(_, offered, last)| (*offered, *last) = (false, None));
            }
            for (peer, offered, last) in &mut push.peers {
                let standing = self.peers.at(*peer).standing();
                let ends = outlook([standing], push.since, now) != Outlook::Wait;
                if ends && !*offered && last.is_none() {
                    *last = Some(Verdict::Failed);
                }
            }
            if push.peers.iter().all(|(_, _, last)| is_over(*last)) {
                self.pushed(push);
            } else {
                self.report_push(&push);
                self.waiting.pushes.push(push);
            }
        }
    }

    /// Bytes of a content that a peer says it has.
    pub(super) fn has_bytes(&self, peer: PeerId, content: &Content) -> u64 {
        let has = self.core.has_of(peer, content.data());
        has.map_or(0, ByteCount::get)
    }

    fn report_push(&self, push: &Push) {
        let Some(content) = self.contents.at(push.number) else {
            return;
        };
        // What the receivers say that they have, not what has left here.
        let has = |(peer, _, last): &(PeerId, bool, Option<Verdict>)| match last {
            Some(Verdict::Done) => content.bytes(),
            _ => self.has_bytes(*peer, content),
        };
        let done: u64 = push.peers.iter().map(has).sum();
        let waits = push.peers.iter().filter(|(_, _, last)| !is_over(*last));
        let names: Vec<&str> = waits
            .map(|(peer, ..)| self.peers.at(*peer).name.as_str())
            .collect();
        let total = content.bytes() * push.peers.len() as u64;
        push.call.progress(Progress {
            phase: Phase::Moving,
            transfer: Some(push.number),
            done_bytes: done,
            total_bytes: Some(total),
            rate_bytes_s: content.up_rate,
            eta_s: total.saturating_sub(done).checked_div(content.up_rate),
            waiting_for: Some(names.join(", ")),
        });
    }

    fn pushed(&self, push: Push) {
        let of = |wanted: bool| {
            let rows = push.peers.iter();
            rows.filter(move |(_, _, last)| (*last == Some(Verdict::Done)) == wanted)
        };
        let name = |peer: &PeerId| self.peers.at(*peer).name.clone();
        let failed: Vec<String> = of(false)
            .map(|(peer, offered, last)| {
                let why = match last {
                    Some(Verdict::NotAccepted) => "does not accept pushes from this node",
                    Some(Verdict::Quota) => "has no quota left for what this node pushes",
                    Some(Verdict::Exists) => {
                        "does not take it: something else has its name there already"
                    }
                    Some(Verdict::Storage) => "does not take it: its disk has no room or fails",
                    Some(Verdict::Failed) if !offered => "cannot be reached",
                    _ => "could not fetch or store it",
                };
                let trouble = self.peers.at(*peer).trouble.as_ref();
                let trouble = trouble.filter(|_| !offered);
                let more = trouble.map_or(String::new(), |trouble| format!(": {}", trouble.text));
                format!("{} {why}{more}", name(peer))
            })
            .collect();
        let Some(content) = self.contents.at(push.number) else {
            return push.call.fail(Failure::error("the transfer was cancelled"));
        };
        if failed.is_empty() {
            let seconds = self.clock.now().since(push.since).as_secs_f64();
            return push.call.done(&Sent {
                content: data_encoding::HEXLOWER.encode(&content.id.0),
                bytes: content.bytes(),
                peers: push.peers.iter().map(|(peer, ..)| name(peer)).collect(),
                seconds,
            });
        }
        let reached = push.peers.iter().any(|(_, offered, _)| *offered);
        let refused = of(false).any(|(peer, ..)| {
            let standing = self.peers.at(*peer).standing();
            matches!(standing, Standing::Refused | Standing::Claimed)
        });
        let code = match (of(true).count(), reached) {
            (0, false) if refused => Failure::IDENTITY,
            (0, false) => Failure::UNREACHABLE,
            _ => Failure::PART,
        };
        push.call.fail(Failure::new(code, failed.join("; ")));
    }
}

/// Whether a peer has said its last word on what it was offered.
const fn is_over(last: Option<Verdict>) -> bool {
    matches!(last, Some(verdict) if verdict.is_final())
}
