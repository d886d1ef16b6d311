//! Who told a manifest that turned out wrong.
//!
//! Decides who is blamed for it, and who is asked next. A manifest is judged when it is whole:
//! who sent all of it is to blame, and of several one is asked alone. Refuses to wait for ever
//! for that one: it may leave, choke us, or say nothing.

use crate::id::PeerId;
use crate::time::{Span, Time};

/// Who is asked alone and sends nothing for this long is alone no longer: as long as a peer that
/// owes us something may be silent (limit L7).
pub const ALONE_MAX: Span = Span::from_secs(60);

/// Who sent chunks of one manifest, and who was asked for all of it.
#[derive(Debug, Default)]
pub struct Tellers {
    told: Vec<PeerId>,
    /// Who is asked alone, and when something of it came last.
    alone: Option<(PeerId, Time)>,
    /// Who was asked alone before.
    tried: Vec<PeerId>,
}

/// What follows from a manifest that is not the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Who sent all of it.
    pub blame: Option<PeerId>,
    /// Who is asked alone now; none for everybody.
    pub ask: Option<PeerId>,
}

impl Tellers {
    /// `peer` sent a chunk of the manifest.
    pub fn tells(&mut self, peer: PeerId, now: Time) {
        if !self.told.contains(&peer) {
            self.told.push(peer);
        }
        if let Some((alone, last)) = &mut self.alone
            && *alone == peer
        {
            *last = now;
        }
    }

    /// The manifest is whole, and wrong.
    pub fn wrong(&mut self, now: Time) -> Wrong {
        let told = std::mem::take(&mut self.told);
        self.alone = None;
        if let [teller] = told.as_slice() {
            let (blame, ask) = (Some(*teller), None);
            return Wrong { blame, ask };
        }
        let untried = told.iter().find(|peer| !self.tried.contains(peer));
        let ask = untried.or_else(|| told.first()).copied();
        if untried.is_none() {
            self.tried.clear();
        }
        self.tried.extend(ask);
        self.alone = ask.map(|peer| (peer, now));
        Wrong { blame: None, ask }
    }

    /// Whether everybody is to be asked again, because the one that is asked alone is not
    /// `here` or was silent for [`ALONE_MAX`]. True once.
    pub fn gives_up(&mut self, here: impl Fn(PeerId) -> bool, now: Time) -> bool {
        let over = |&(peer, last): &(PeerId, Time)| !here(peer) || now.since(last) >= ALONE_MAX;
        let over = self.alone.as_ref().is_some_and(over);
        if over {
            self.alone = None;
            self.told.clear();
        }
        over
    }
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
        let mut tellers = Tellers::default();
        for peer in [A, B, A] {
            tellers.tells(peer, at(0));
        }
        assert_eq!(tellers.wrong(at(1)), asks(Some(A)));
        tellers.tells(A, at(2));
        let (blame, ask) = (Some(A), None);
        assert_eq!(tellers.wrong(at(3)), Wrong { blame, ask });
        assert!(!tellers.gives_up(|_| false, at(900)), "nobody is alone");
    }

    /// Two that lie together, one of whom is silent when it is asked alone, or leaves, cost a
    /// minute each: then it is another's turn, and at last theirs again.
    #[test]
    fn who_is_asked_alone_and_says_nothing_is_not_waited_for() {
        let mut tellers = Tellers::default();
        let mut turns = Vec::new();
        for round in 0..4 {
            for peer in [A, B, C] {
                tellers.tells(peer, at(round * 100));
            }
            let wrong = tellers.wrong(at(round * 100));
            assert_eq!(wrong.blame, None);
            turns.extend(wrong.ask);
            // A chunk of it comes, and then nothing more.
            tellers.tells(wrong.ask.unwrap(), at(round * 100 + 10));
            assert!(!tellers.gives_up(|_| true, at(round * 100 + 69)));
            assert!(tellers.gives_up(|_| true, at(round * 100 + 70)));
            assert!(!tellers.gives_up(|_| true, at(round * 100 + 70)), "once");
        }
        assert_eq!(turns, [A, B, C, A]);
        for peer in [A, B] {
            tellers.tells(peer, at(500));
        }
        let ask = tellers.wrong(at(500)).ask;
        assert!(tellers.gives_up(|peer| Some(peer) != ask, at(500)), "gone");
    }

    /// Nobody sent anything of what is wrong: it was wrong on disk.
    #[test]
    fn where_nobody_told_everybody_is_asked() {
        assert_eq!(Tellers::default().wrong(at(0)), asks(None));
    }
}
