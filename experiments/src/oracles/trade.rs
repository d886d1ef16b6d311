//! Tit for tat among peers that always have data for each other, as a fluid in rounds and as nodes.
//!
//! Source:    the mean field of equal-split tit for tat: in each round a peer serves those who gave
//!            it most in the rounds before, and one drawn at random for three rounds.
//! Departs:   the fluid can be made to look at the last two rounds, and to let each peer hold its
//!            rounds at a time of its own, as nodes do: what either does is measured apart.

use fairhaul_config::policy::Policy;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::{ContentSetup, PeerSetup, Setup};
use fairhaul_simulator::world;
use schemars::JsonSchema;
use serde::Deserialize;

use super::setups;

/// Seconds of a round.
const ROUND: u32 = 10;

/// Rounds for which a peer that was drawn keeps its slot.
const DRAWN_FOR: u32 = 3;

/// What is read off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Read {
    /// Mean download of each class, in kB/s.
    Rates,
    /// For each class, the part of its upload that goes to its own.
    OwnClass,
}

/// Peers in classes, nobody a seed, and what is measured over the second half of the rounds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trade {
    /// Number and uplink of the peers of each class.
    pub(super) classes: Vec<(u32, Rate)>,
    /// Rounds of ten seconds.
    pub(super) rounds: u32,
    /// Who trades.
    pub(super) traders: Traders,
    /// What is read off.
    pub(super) read: Read,
    /// Seed of all draws.
    pub(super) seed: u64,
}

/// Who trades.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Traders {
    /// A fluid.
    Fluid(Fluid),
    /// Nodes, which begin with random halves of a content that is too long to finish.
    Nodes {
        /// Their policies.
        policy: Policy,
        /// Length of a chunk.
        chunk: ByteCount,
    },
}

/// A fluid that is split evenly.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fluid {
    /// Slots for those who give most.
    pub(super) regular: u32,
    /// Slots for those who are drawn.
    pub(super) drawn: u32,
    /// Rounds that count as what a peer gave.
    pub(super) memory: u32,
    /// Whether all peers hold their rounds at the same time.
    pub(super) together: bool,
}

/// Bytes from each peer to each, in the part of a run that is measured.
type Flows = Vec<Vec<f64>>;

impl Trade {
    pub(super) fn run(&self, replication: u32) -> Result<Vec<f64>, String> {
        let flows = match &self.traders {
            Traders::Fluid(fluid) => self.flow(fluid, replication),
            Traders::Nodes { policy, chunk } => self.nodes(*policy, *chunk, replication)?,
        };
        let classes = self.members();
        let measured = f64::from((self.rounds - self.rounds / 2) * ROUND);
        let class = |of: &dyn Fn(&std::ops::Range<usize>) -> f64| classes.iter().map(of).collect();
        Ok(match self.read {
            Read::Rates => class(&|members| {
                let got = |to: usize| flows.iter().map(|sent| sent[to]).sum::<f64>();
                let all: f64 = members.clone().map(got).sum();
                all / members.len() as f64 / measured / 1e3
            }),
            Read::OwnClass => class(&|members| {
                let sent = || members.clone().map(|from| &flows[from]);
                let own: f64 = sent().flat_map(|to| &to[members.clone()]).sum();
                own / sent().flatten().sum::<f64>()
            }),
        })
    }

    /// The peers of each class.
    fn members(&self) -> Vec<std::ops::Range<usize>> {
        let mut end = 0;
        let counts = self.classes.iter().map(|(count, _)| *count as usize);
        let members = counts.map(|count| {
            end += count;
            end - count..end
        });
        members.collect()
    }

    fn ups(&self) -> Vec<Rate> {
        let classes = self.classes.iter();
        let ups = classes.flat_map(|(count, up)| std::iter::repeat_n(*up, *count as usize));
        ups.collect()
    }

    /// The fluid, in steps of a second if peers hold their rounds at times of their own.
    fn flow(&self, fluid: &Fluid, replication: u32) -> Flows {
        let ups = self.ups();
        let count = ups.len();
        let mut rng = Streams::new(self.seed, replication).stream("fluid", "trade");
        let steps = if fluid.together { 1 } else { ROUND };
        let mut peers: Vec<Trader> = (0..count)
            .map(|me| Trader {
                me,
                round_at: if fluid.together {
                    0
                } else {
                    below(&mut rng, ROUND)
                },
                rounds: 0,
                served: Vec::new(),
                drawn: Vec::new(),
                got: vec![vec![0.0; count]; fluid.memory as usize],
            })
            .collect();
        let mut flows = vec![vec![0.0; count]; count];
        for step in 0..self.rounds * steps {
            for peer in &mut peers {
                if step % steps == peer.round_at || peer.served.is_empty() {
                    peer.round(fluid, &mut rng);
                }
            }
            for from in 0..count {
                let served = std::mem::take(&mut peers[from].served);
                let share = ups[from].get() as f64 * f64::from(ROUND / steps) / served.len() as f64;
                for &to in &served {
                    peers[to].got[0][from] += share;
                    if step >= self.rounds / 2 * steps {
                        flows[from][to] += share;
                    }
                }
                peers[from].served = served;
            }
        }
        flows
    }

    /// Nodes. What is measured is the difference of two runs, of which one ends half way: up to
    /// there they are the same.
    fn nodes(&self, policy: Policy, chunk: ByteCount, replication: u32) -> Result<Flows, String> {
        let count = self.ups().len();
        let mut flows = vec![vec![0.0; count]; count];
        for (rounds, sign) in [(self.rounds, 1.0), (self.rounds / 2, -1.0)] {
            let setup = self.setup((policy, chunk), replication, rounds)?;
            let record = world::run(&setup, &mut |_| ()).map_err(|error| error.to_string())?;
            if record.peers.iter().any(|peer| peer.completed.is_some()) {
                return Err("a peer has everything: the content is too short".to_owned());
            }
            add(&mut flows, &record, sign);
        }
        Ok(flows)
    }

    fn setup(
        &self,
        (policy, chunk): (Policy, ByteCount),
        replication: u32,
        rounds: u32,
    ) -> Result<Setup, String> {
        let ups = self.ups();
        let count = u32::try_from(ups.len()).map_err(|error| error.to_string())?;
        let peers = ups.iter().enumerate().map(|(row, up)| PeerSetup {
            neighbours: count,
            ..setups::peer(format!("peer.{row}"), Some(*up))
        });
        let peers: Vec<PeerSetup> = peers.collect();
        // Twice of what all uplinks together can bring to one peer is more than it ever gets.
        let fastest = ups.iter().map(|up| up.get()).max().unwrap_or_default();
        let seconds = u64::from(self.rounds * ROUND);
        let bytes = ByteCount::new(4 * fastest * seconds / chunk.get() * chunk.get());
        let manifest = Manifest::new(bytes, chunk).map_err(|error| error.to_string())?;
        let streams = Streams::new(self.seed, replication);
        let start = peers.iter().map(|peer| {
            let mut draws = streams.stream(&peer.name, "start");
            let mut half = Bitfield::empty(manifest.chunks());
            let mut all = Bitfield::full(manifest.chunks()).iter().collect::<Vec<_>>();
            all.retain(|_| draws.below(2) == 0);
            for drawn in all {
                half.insert(drawn);
            }
            half
        });
        let start = start.collect();
        let mut setup = setups::setup(self.seed, replication, policy, peers);
        setup.contents = vec![ContentSetup {
            seeds: Vec::new(),
            leechers: (0..count).collect(),
            start,
            ..setups::content(bytes, chunk, 0)
        }];
        setup.horizon = Time::ZERO + Span::from_secs(u64::from(rounds * ROUND));
        Ok(setup)
    }
}

/// A peer of the fluid.
struct Trader {
    me: usize,
    round_at: u32,
    rounds: u32,
    served: Vec<usize>,
    drawn: Vec<usize>,
    /// What came from each peer, in the rounds that count, latest first.
    got: Vec<Vec<f64>>,
}

impl Trader {
    /// The best givers, and those who are drawn; places that are left go to anybody.
    fn round(&mut self, fluid: &Fluid, rng: &mut Rng) {
        let count = self.got[0].len();
        let gave = |peer: usize| self.got.iter().map(|round| round[peer]).sum::<f64>();
        let mut givers: Vec<(f64, usize, usize)> = (0..count)
            .map(|peer| (gave(peer), rng.below(1 << 30), peer))
            .filter(|(bytes, _, peer)| *bytes > 0.0 && *peer != self.me)
            .collect();
        givers.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let best = givers.iter().take(fluid.regular as usize);
        let mut served: Vec<usize> = best.map(|(_, _, peer)| *peer).collect();
        if self.rounds.is_multiple_of(DRAWN_FOR) {
            self.drawn.clear();
        }
        self.drawn.retain(|peer| !served.contains(peer));
        served.extend(&self.drawn);
        while served.len() < ((fluid.regular + fluid.drawn) as usize).min(count - 1) {
            let peer = rng.below(count);
            if peer == self.me || served.contains(&peer) {
                continue;
            }
            served.push(peer);
            if self.drawn.len() < fluid.drawn as usize {
                self.drawn.push(peer);
            }
        }
        self.rounds += 1;
        self.served = served;
        self.got.rotate_right(1);
        self.got[0].fill(0.0);
    }
}

fn below(rng: &mut Rng, end: u32) -> u32 {
    u32::try_from(rng.below(end as usize)).expect("below a u32")
}

/// Adds what went from each peer to each.
fn add(flows: &mut Flows, record: &Record, sign: f64) {
    for pair in &record.pairs {
        flows[pair.sender as usize][pair.receiver as usize] += sign * pair.bytes.get() as f64;
    }
}
