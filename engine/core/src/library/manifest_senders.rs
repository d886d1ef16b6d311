//! The senders of a manifest: who is blamed for a wrong one, and who is asked next.
//!
//! A manifest is judged when it is whole. If one peer sent every chunk, that peer is blamed. If
//! several did, the manifest is fetched again from one of them only, for as long as that one sends.

use super::content::{Content, Stage};
use super::stages::Turn;
use crate::id::PeerId;
use crate::time::{Span, Time};

/// A peer that is the only one asked and sends nothing for this long is the only one no longer: as
/// long as a peer with open requests may be silent (limit L7).
const ALONE_MAX: Span = Span::from_secs(60);

/// The senders of one manifest's chunks, and the peers that were asked for all of it.
#[derive(Debug, Default)]
pub(super) struct ManifestSenders {
    sent: Vec<PeerId>,
    /// The only peer that is asked, and when it last sent something of the manifest.
    alone: Option<(PeerId, Time)>,
    /// The peers that were the only one asked before.
    tried: Vec<PeerId>,
}

/// What follows from a manifest that is not the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The peer that sent all of it.
    pub(super) blame: Option<PeerId>,
    /// The only peer that is asked now; `None` asks every peer.
    pub(super) ask: Option<PeerId>,
}

impl ManifestSenders {
    /// `peer` sent a chunk of the manifest.
    pub(super) fn sends(&mut self, peer: PeerId, now: Time) {
        if !self.sent.contains(&peer) {
            self.sent.push(peer);
        }
        if let Some((alone, last)) = &mut self.alone
            && *alone == peer
        {
            *last = now;
        }
    }

    /// The manifest is whole, and wrong.
    pub(super) fn wrong(&mut self, now: Time) -> Wrong {
        let sent = std::mem::take(&mut self.sent);
        self.alone = None;
        if let [sender] = sent.as_slice() {
            let (blame, ask) = (Some(*sender), None);
            return Wrong { blame, ask };
        }
        let untried = sent.iter().find(|peer| !self.tried.contains(peer));
        let ask = untried.or_else(|| sent.first()).copied();
        if untried.is_none() {
            self.tried.clear();
        }
        self.tried.extend(ask);
        self.alone = ask.map(|peer| (peer, now));
        Wrong { blame: None, ask }
    }

    /// Whether everybody is to be asked again, because the one that is asked alone is not
    /// `here` or was silent for [`ALONE_MAX`]. True once.
    pub(super) fn gives_up(&mut self, here: impl Fn(PeerId) -> bool, now: Time) -> bool {
        let over = |&(peer, last): &(PeerId, Time)| !here(peer) || now.since(last) >= ALONE_MAX;
        let over = self.alone.as_ref().is_some_and(over);
        if over {
            self.alone = None;
            self.sent.clear();
        }
        over
    }
}

/// Whether every peer is asked for the manifest of a content again: because the only one that was
/// asked sent nothing, or because no connected peer has the length that is fetched and another
/// length is known.
pub(super) fn gives_up(content: &mut Content, turn: &Turn<'_>) -> bool {
    if content.stage != Stage::Describing {
        return false;
    }
    let missing = turn.node.missing(content.manifest_transfer());
    let is_held = missing.coming + missing.held > 0;
    let is_elsewhere = !is_held && !content.manifest.lengths.is_empty() && content.writing == 0;
    let is_here = |peer| turn.node.is_connected(peer);
    content.manifest.senders.gives_up(is_here, turn.now) || is_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);
    const C: PeerId = PeerId(3);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    fn asks(ask: Option<PeerId>) -> Wrong {
        Wrong { blame: None, ask }
    }

    #[test]
    fn who_sent_all_of_it_is_to_blame_and_of_several_one_is_asked_alone() {
        let mut senders = ManifestSenders::default();
        for peer in [A, B, A] {
            senders.sends(peer, at(0));
        }
        assert_eq!(senders.wrong(at(1)), asks(Some(A)));
        senders.sends(A, at(2));
        let (blame, ask) = (Some(A), None);
        assert_eq!(senders.wrong(at(3)), Wrong { blame, ask });
        assert!(!senders.gives_up(|_| false, at(900)), "nobody is alone");
    }

    /// Two that lie together, one of whom is silent when it is asked alone, or leaves, cost a
    /// minute each: then it is another's turn, and at last theirs again.
    #[test]
    fn who_is_asked_alone_and_says_nothing_is_not_waited_for() {
        let mut senders = ManifestSenders::default();
        let mut turns = Vec::new();
        for round in 0..4 {
            for peer in [A, B, C] {
                senders.sends(peer, at(round * 100));
            }
            let wrong = senders.wrong(at(round * 100));
            assert_eq!(wrong.blame, None);
            turns.extend(wrong.ask);
            // A chunk of it comes, and then nothing more.
            senders.sends(wrong.ask.unwrap(), at(round * 100 + 10));
            assert!(!senders.gives_up(|_| true, at(round * 100 + 69)));
            assert!(senders.gives_up(|_| true, at(round * 100 + 70)));
            assert!(!senders.gives_up(|_| true, at(round * 100 + 70)), "once");
        }
        assert_eq!(turns, [A, B, C, A]);
        for peer in [A, B] {
            senders.sends(peer, at(500));
        }
        let ask = senders.wrong(at(500)).ask;
        assert!(senders.gives_up(|peer| Some(peer) != ask, at(500)), "gone");
    }

    /// No peer sent any of the wrong manifest: it was wrong on disk.
    #[test]
    fn where_nobody_sent_anything_everybody_is_asked() {
        assert_eq!(ManifestSenders::default().wrong(at(0)), asks(None));
    }
}
