//! Pushes of ours: who was offered a content, what they said, and when a push is over.

use std::collections::BTreeMap;

use super::content::{Content, Stage};
use super::io::{LibraryAction, WaitOutcome, Waiter};
use super::stages::Turn;
use super::wait_timeout::{Outlook, Standing, outlook};
use crate::id::PeerId;
use crate::message::OfferVerdict;
use crate::time::{Span, Time};

/// A peer that had no room for an offer is asked again after this.
const BUSY: Span = Span::from_secs(10);

/// A content that is pushed to peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Who is told of the outcome.
    pub waiter: Waiter,
    /// Which content.
    pub number: u32,
    /// Since when.
    pub since: Time,
    /// To whom.
    pub recipients: Vec<Recipient>,
    /// When those that were busy are asked again.
    again: Option<Time>,
}

/// A peer that a content is pushed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub peer: PeerId,
    /// Whether it was offered.
    pub offered: bool,
    /// What it said last of it.
    pub verdict: Option<OfferVerdict>,
}

impl Recipient {
    /// Whether it has said its last word.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.verdict, Some(verdict) if verdict.is_final())
    }
}

/// All of them that are not over.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    rows: Vec<Push>,
}

impl Pushes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Push> {
        self.rows.iter()
    }

    pub(super) fn begin(&mut self, waiter: Waiter, number: u32, peers: Vec<PeerId>, now: Time) {
        let recipient = |peer| Recipient {
            peer,
            offered: false,
            verdict: None,
        };
        self.rows.push(Push {
            waiter,
            number,
            since: now,
            recipients: peers.into_iter().map(recipient).collect(),
            again: None,
        });
    }

    /// Offers pushed contents to connected peers that have no offer of them yet.
    pub(super) fn offer(&mut self, contents: &BTreeMap<u32, Content>, turn: &mut Turn<'_>) {
        for push in &mut self.rows {
            let number = push.number;
            let content = contents.get(&number);
            if content.is_none_or(|content| content.stage != Stage::Whole) {
                continue;
            }
            for recipient in &mut push.recipients {
                let peer = recipient.peer;
                if !recipient.offered && turn.node.is_connected(peer) {
                    recipient.offered = true;
                    turn.act(LibraryAction::Offer { peer, number });
                }
            }
        }
    }

    /// A peer answers an offer.
    pub(super) fn verdict(&mut self, peer: PeerId, number: u32, verdict: OfferVerdict, now: Time) {
        for push in self.rows.iter_mut().filter(|push| push.number == number) {
            let recipients = push.recipients.iter_mut();
            for recipient in recipients.filter(|one| one.peer == peer) {
                recipient.verdict = Some(verdict);
            }
            if verdict == OfferVerdict::Busy {
                push.again.get_or_insert_with(|| now.saturating_add(BUSY));
            }
        }
    }

    /// A session ended: what was offered over it is offered again over the next.
    pub(super) fn disconnected(&mut self, peer: PeerId) {
        let all = self
            .rows
            .iter_mut()
            .flat_map(|push| push.recipients.iter_mut());
        for recipient in all.filter(|one| one.peer == peer && !one.is_over()) {
            recipient.offered = false;
        }
    }

    /// Gives up those that cannot be reached, and ends the pushes that are over.
    pub(super) fn review(&mut self, standing: impl Fn(PeerId) -> Standing, turn: &mut Turn<'_>) {
        let now = turn.now;
        for push in &mut self.rows {
            if push.again.is_some_and(|again| again <= now) {
                push.again = None;
                let busy = push.recipients.iter_mut();
                let busy = busy.filter(|one| one.verdict == Some(OfferVerdict::Busy));
                busy.for_each(|one| (one.offered, one.verdict) = (false, None));
            }
            for recipient in &mut push.recipients {
                let stands = standing(recipient.peer);
                let ends = outlook([stands], push.since, now) != Outlook::Wait;
                if ends && !recipient.offered && recipient.verdict.is_none() {
                    recipient.verdict = Some(OfferVerdict::Failed);
                }
            }
        }
        let is_over = |push: &mut Push| push.recipients.iter().all(Recipient::is_over);
        for push in self.rows.extract_if(.., is_over) {
            turn.act(LibraryAction::Tell {
                waiter: push.waiter,
                number: push.number,
                outcome: WaitOutcome::Pushed {
                    since: push.since,
                    recipients: push.recipients,
                },
            });
        }
    }
}
