//! The ordered list of connections by which the reference client of BitTorrent finds whom to
//! unchoke optimistically.
//!
//! Source: the choker of the reference client by B. Cohen. A new connection is inserted at a place
//! drawn from -2 to the length of the list, where less than 0 counts as 0: at the head with
//! probability 3/(n+3), at each other place with 1/(n+3). Ties between peers go by this list.

use super::{Candidate, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::{Span, Time};

/// Time from one rotation of the list to the next.
const ROTATE: Span = Span::from_secs(30);

/// Places before the head that a draw may give.
const BEFORE_HEAD: usize = 2;

/// The connections in their order.
#[derive(Debug, Default)]
pub(super) struct ConnectionList {
    order: Vec<PeerId>,
    rotated: Option<Time>,
}

impl ConnectionList {
    /// Takes out who has left, puts in who is new, and rotates the list if that is due.
    pub(super) fn update(&mut self, round: &Round<'_>, rng: &mut Rng) {
        self.order.retain(|id| find(round.peers, *id).is_some());
        let mut known = self.order.clone();
        known.sort_unstable();
        for peer in round.peers {
            if known.binary_search(&peer.peer).is_err() {
                let place = rng.below(self.order.len() + 1 + BEFORE_HEAD);
                self.order
                    .insert(place.saturating_sub(BEFORE_HEAD), peer.peer);
            }
        }
        let since = *self.rotated.get_or_insert(round.now);
        if round.is_due && round.now.since(since) >= ROTATE {
            self.rotated = Some(round.now);
            self.rotate(round.peers);
        }
    }

    /// The first connection after the head that is choked and interested becomes the head.
    fn rotate(&mut self, peers: &[Candidate]) {
        let waits = |id: &PeerId| {
            let peer = find(peers, *id);
            peer.is_some_and(|peer| !peer.unchoked && peer.interested)
        };
        let after = self.order.iter().skip(1).position(waits);
        if let Some(place) = after {
            self.order.rotate_left(place + 1);
        }
    }

    /// The peers that `which` says with what it says of them, in the order of the list.
    fn filter<T>(
        &self,
        peers: &[Candidate],
        which: impl Fn(&Candidate) -> Option<T>,
    ) -> Vec<(T, PeerId)> {
        let listed = self.order.iter().filter_map(|id| find(peers, *id));
        listed
            .filter_map(|peer| which(peer).map(|what| (what, peer.peer)))
            .collect()
    }

    /// Brings the list up to date and grants all `slots` but the `optimistic` ones to the peers of
    /// which `score` says most, and the others by the walk.
    pub(super) fn choose<T: Ord>(
        &mut self,
        round: &Round<'_>,
        (slots, optimistic): (usize, usize),
        rng: &mut Rng,
        score: impl Fn(&Candidate) -> Option<T>,
    ) -> Vec<Grant> {
        self.update(round, rng);
        let mut best = self.filter(round.peers, score);
        // A stable sort: ties keep the order of the list.
        best.sort_by(|(one, _), (other, _)| other.cmp(one));
        best.truncate(slots.saturating_sub(optimistic));
        let chosen: Vec<PeerId> = best.into_iter().map(|(_, peer)| peer).collect();
        self.walk(round.peers, &chosen, (slots, optimistic))
    }

    /// Walks the list in order. The `chosen` are unchoked, and others while fewer than `slots` are
    /// or fewer than `optimistic` of them were found; one that is not interested does not count.
    fn walk(
        &self,
        peers: &[Candidate],
        chosen: &[PeerId],
        (slots, optimistic): (usize, usize),
    ) -> Vec<Grant> {
        let mut count = chosen.len();
        let mut found = 0;
        let mut grants = Vec::new();
        for peer in self.order.iter().filter_map(|id| find(peers, *id)) {
            let is_chosen = chosen.contains(&peer.peer);
            if !is_chosen && count >= slots && found >= optimistic {
                continue;
            }
            if !is_chosen && peer.interested {
                count += 1;
                found += 1;
            }
            grants.push(Grant::slot(peer.peer));
        }
        grants
    }
}

/// The candidate of that id; they are in order of their ids.
pub(super) fn find(peers: &[Candidate], id: PeerId) -> Option<&Candidate> {
    let place = peers.binary_search_by_key(&id, |peer| peer.peer);
    place.ok().map(|place| &peers[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, round};

    impl ConnectionList {
        pub(crate) fn of(order: &[u32], rotated: Time) -> Self {
            Self {
                order: order.iter().copied().map(PeerId).collect(),
                rotated: Some(rotated),
            }
        }

        pub(crate) fn order(&self) -> Vec<u32> {
            self.order.iter().map(|peer| peer.0).collect()
        }
    }

    /// Five connections, and a sixth that comes: at the head with 3/8, elsewhere with 1/8 each.
    #[test]
    fn a_new_connection_is_at_the_head_three_times_as_often_as_elsewhere() {
        let peers: Vec<_> = (0..6).map(|peer| candidate(peer, 0)).collect();
        let mut rng = Rng::from_seed([3; 32]);
        let mut places = [0_u32; 6];
        for _ in 0..8_000 {
            let mut list = ConnectionList::of(&[0, 1, 2, 3, 4], Time::ZERO);
            list.update(&round(&peers, 4), &mut rng);
            let order = list.order();
            places[order.iter().position(|peer| *peer == 5).unwrap()] += 1;
        }
        assert!(places[0].abs_diff(3_000) < 150, "{places:?}");
        assert!(
            places[1..].iter().all(|count| count.abs_diff(1_000) < 120),
            "{places:?}"
        );
    }

    /// Golden vector: the head is unchoked, 1 is not interested, 2 is unchoked: 3 becomes the head
    /// after 30 s, and not before.
    #[test]
    fn every_thirty_seconds_the_first_that_waits_becomes_the_head() {
        let mut peers: Vec<_> = (0..5).map(|peer| candidate(peer, 0)).collect();
        peers[0].unchoked = true;
        peers[1].interested = false;
        peers[2].unchoked = true;
        let mut rng = Rng::from_seed([3; 32]);
        let mut list = ConnectionList::of(&[0, 1, 2, 3, 4], Time::ZERO);
        let at = |secs| Round {
            now: Time::ZERO + Span::from_secs(secs),
            ..round(&peers, 4)
        };
        for secs in [10, 20] {
            list.update(&at(secs), &mut rng);
            assert_eq!(list.order(), [0, 1, 2, 3, 4]);
        }
        list.update(&at(30), &mut rng);
        assert_eq!(list.order(), [3, 4, 0, 1, 2]);
        list.update(&at(40), &mut rng);
        assert_eq!(list.order(), [3, 4, 0, 1, 2]);
    }
}
