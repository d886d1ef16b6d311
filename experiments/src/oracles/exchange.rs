//! What peers give each other under rules that go by what came back, in models with known results.
//!
//! Sources: F. Wu and L. Zhang, "Proportional Response Dynamics Leads to Market Equilibrium", STOC
//! 2007 (the fluid of PropShare); A. Sherman, J. Nieh and C. Stein, FairTorrent, 2012 (the error of
//! service among equals); A.-T. Gai et al., "Stratification in P2P Networks", ICDCS 2007 (stable
//! matchings of tit-for-tat).

use std::collections::BTreeSet;

use fairhaul_core::choke::{CHOKERS, Candidate, ChokerParams, Round};
use fairhaul_core::id::{FlowId, PeerId};
use fairhaul_core::rng::Rng;
use fairhaul_core::sched::{Discipline, Params, Ticket};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::random::Streams;

use super::schedule::row;

const BLOCK: ByteCount = ByteCount::kib(16);

/// Peers in classes that answer what they got in proportion, on a complete graph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Response {
    /// Number and uplink of the peers of each class.
    pub(super) classes: Vec<(u32, Rate)>,
    /// Rounds after the first, in which all give to all equally.
    pub(super) rounds: u32,
}

impl Response {
    /// Download over upload of each class.
    pub(super) fn run(&self) -> Vec<f64> {
        let ups: Vec<f64> = self
            .classes
            .iter()
            .flat_map(|(count, up)| std::iter::repeat_n(up.get() as f64, *count as usize))
            .collect();
        let count = ups.len();
        let even = |from: usize, to: usize| {
            let others = (count - 1).max(1) as f64;
            if from == to { 0.0 } else { ups[from] / others }
        };
        let mut gives: Vec<Vec<f64>> = (0..count)
            .map(|from| (0..count).map(|to| even(from, to)).collect())
            .collect();
        let got = |gives: &[Vec<f64>], to: usize| gives.iter().map(|row| row[to]).sum::<f64>();
        for _ in 0..self.rounds {
            let before = gives.clone();
            for (from, row) in gives.iter_mut().enumerate() {
                let sum = got(&before, from);
                for (to, part) in row.iter_mut().enumerate() {
                    *part = ups[from] * before[to][from] / sum;
                }
            }
        }
        let mut first = 0;
        let ratio = |(members, _): &(u32, Rate)| {
            let peer = first;
            first += *members as usize;
            got(&gives, peer) / ups[peer]
        };
        self.classes.iter().map(ratio).collect()
    }
}

/// Equal peers that always have data for each other; each sends a block a round to whom a
/// discipline says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Balance {
    /// The discipline.
    pub(super) discipline: String,
    /// How many there are.
    pub(super) peers: u32,
    /// With how many each trades, drawn at random; all if that is as many as there are others.
    pub(super) neighbours: u32,
    /// Rounds.
    pub(super) rounds: u32,
    /// Seed of the draws.
    pub(super) seed: u64,
}

/// One of them.
struct Trader {
    discipline: Box<dyn Discipline>,
    /// By the number of the flow.
    neighbours: Vec<usize>,
}

impl Balance {
    /// The most blocks that a peer has sent beyond what it got, at the end of any round.
    pub(super) fn run(&self, replication: u32) -> Vec<f64> {
        let mut rng = Streams::new(self.seed, replication).stream("exchange", "balance");
        let mut traders: Vec<Trader> = self
            .graph(&mut rng)
            .into_iter()
            .map(|neighbours| self.trader(neighbours, &mut rng))
            .collect();
        let mut error = vec![0_i64; traders.len()];
        let mut most = 0;
        for _ in 0..self.rounds {
            let mut sent = Vec::with_capacity(traders.len());
            for (from, trader) in traders.iter_mut().enumerate() {
                let Some(ticket) = trader.discipline.dequeue(Time::ZERO) else {
                    continue;
                };
                trader.discipline.enqueue(ticket, Time::ZERO);
                trader.discipline.sent(ticket.flow);
                sent.push((from, trader.neighbours[ticket.flow.index()]));
            }
            for (from, to) in sent {
                error[from] += 1;
                error[to] -= 1;
                let mut known = traders[to].neighbours.iter();
                let flow = known.position(|peer| *peer == from).and_then(flow);
                if let Some(flow) = flow {
                    traders[to].discipline.received(flow, BLOCK);
                }
            }
            most = error.iter().copied().fold(most, i64::max);
        }
        vec![most as f64]
    }

    /// Who trades with whom.
    fn graph(&self, rng: &mut Rng) -> Vec<Vec<usize>> {
        let count = self.peers as usize;
        let degree = (self.neighbours as usize).min(count.saturating_sub(1));
        let mut known = vec![BTreeSet::new(); count];
        for peer in 0..count {
            // As in a swarm: who has too few asks others that it does not know yet.
            let mut tries = 0;
            while known[peer].len() < degree && tries < 100 * count {
                tries += 1;
                let other = rng.below(count);
                let has_room = degree + 1 == count || known[other].len() < degree;
                if other != peer && has_room {
                    known[peer].insert(other);
                    known[other].insert(peer);
                }
            }
        }
        known
            .into_iter()
            .map(|of| of.into_iter().collect())
            .collect()
    }

    /// A peer that has two blocks for each of its neighbours, in a random order.
    fn trader(&self, neighbours: Vec<usize>, rng: &mut Rng) -> Trader {
        let mut discipline = (row(&self.discipline).make)(&Params::new(BLOCK));
        let mut order: Vec<usize> = (0..neighbours.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, rng.below(last + 1));
        }
        for flow in order.into_iter().filter_map(flow) {
            for _ in 0..2 {
                discipline.enqueue(Ticket::new(flow, Weight::ONE, BLOCK), Time::ZERO);
            }
        }
        Trader {
            discipline,
            neighbours,
        }
    }
}

fn flow(place: usize) -> Option<FlowId> {
    u32::try_from(place).ok().map(FlowId)
}

/// Peers of one ranking that take the initiative in turn: each hears from all that would rather
/// trade with it than with one of their partners, and its choker chooses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matching {
    /// The choker.
    pub(super) choker: String,
    /// How many there are.
    pub(super) peers: u32,
    /// Slots of each.
    pub(super) slots: u32,
    /// Seed of the draws.
    pub(super) seed: u64,
}

impl Matching {
    /// How many have other partners in the end than the rest of their cluster of consecutive ranks.
    pub(super) fn run(&self, replication: u32) -> Result<Vec<f64>, String> {
        let mut rng = Streams::new(self.seed, replication).stream("exchange", "matching");
        let row = CHOKERS.find(&self.choker).ok_or("is no choker")?;
        let slots = self.slots as usize;
        let mut chokers: Vec<_> = (0..self.peers)
            .map(|_| (row.make)(&ChokerParams::default()))
            .collect();
        let mut partners = vec![BTreeSet::<u32>::new(); self.peers as usize];
        for _ in 0..self.peers * self.peers * 8 {
            let one = u32::try_from(rng.below(self.peers as usize)).map_err(|e| e.to_string())?;
            let trades = |other: u32| {
                let of = &partners[other as usize];
                of.contains(&one) || of.len() < slots || of.iter().any(|worse| *worse > one)
            };
            let others = (0..self.peers).filter(|other| *other != one);
            let peers: Vec<Candidate> = others
                .map(|other| Candidate {
                    rate_from: Rate::new(if trades(other) { self.rate(other) } else { 0 }),
                    ..Candidate::new(PeerId(other))
                })
                .collect();
            let round = Round {
                peers: &peers,
                slots,
                period: Span::from_secs(10),
                is_due: true,
                seeding: false,
                capacity: None,
                now: Time::ZERO,
            };
            let grants = chokers[one as usize].round(&round, &mut rng);
            let chosen = grants.iter().map(|grant| grant.peer.0);
            let chosen: BTreeSet<u32> = chosen.filter(|other| trades(*other)).collect();
            for left in partners[one as usize].clone().difference(&chosen) {
                partners[*left as usize].remove(&one);
            }
            for other in &chosen {
                partners[*other as usize].insert(one);
                if partners[*other as usize].len() > slots
                    && let Some(worst) = partners[*other as usize].pop_last()
                {
                    partners[worst as usize].remove(other);
                }
            }
            partners[one as usize] = chosen;
        }
        let strays = (0..self.peers).filter(|one| partners[*one as usize] != self.cluster(*one));
        Ok(vec![strays.count() as f64])
    }

    /// The better the rank the more a peer gives.
    fn rate(&self, rank: u32) -> u64 {
        1_000_000 + 1_000 * u64::from(self.peers - rank)
    }

    fn cluster(&self, one: u32) -> BTreeSet<u32> {
        let size = self.slots + 1;
        let first = one / size * size;
        let members = first..(first + size).min(self.peers);
        members.filter(|other| *other != one).collect()
    }
}
