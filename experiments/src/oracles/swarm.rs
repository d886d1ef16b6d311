//! Swarms against the least times and the stability that are proved for them.
//!
//! Peers of a theorem become nodes: equal or in classes, all there from the start, or arriving at
//! random and leaving with their last chunk.

use fairhaul_config::policy::Policy;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::bounds::{self, Access};
use fairhaul_simulator::distribution::{Distribution, Shape};
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::record::PeerRecord;
use fairhaul_simulator::setup::{PeerSetup, Setup};
use schemars::JsonSchema;
use serde::Deserialize;

use super::setups;

/// Which peers a swarm has, and what they want.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crowd {
    /// Uplink of the seed.
    pub(super) seed_up: Rate,
    /// Number and uplink of the peers of each class; downlinks are unlimited.
    pub(super) classes: Vec<(u32, Rate)>,
    /// Length of the content.
    pub(super) bytes: ByteCount,
    /// Length of a chunk.
    pub(super) chunk: ByteCount,
}

/// A theorem on the least time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Least {
    /// As a fluid, peers may differ.
    KumarRoss,
    /// In whole chunks, peers are equal.
    Mundinger,
}

/// A flash crowd: everybody is there from the start to the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FlashCrowd {
    /// Who.
    pub(super) crowd: Crowd,
    /// How.
    pub(super) policy: Policy,
    /// What it is held against.
    pub(super) least: Least,
    /// Seed of all draws.
    pub(super) seed: u64,
}

/// Peers that arrive at random with nothing and leave with their last chunk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arrivals {
    /// Arrivals per chunk that the seed could send.
    pub(super) load: f64,
    /// Chunks of the content.
    pub(super) chunks: u32,
    /// Uplink of a peer over that of the seed.
    pub(super) peer_up: f64,
    /// How long, in chunks that the seed could send.
    pub(super) length: u32,
    /// How.
    pub(super) policy: Policy,
    /// Seed of all draws.
    pub(super) seed: u64,
}

impl Crowd {
    fn count(&self) -> u32 {
        self.classes.iter().map(|(count, _)| count).sum()
    }

    fn ups(&self) -> impl Iterator<Item = Rate> {
        let classes = self.classes.iter();
        classes.flat_map(|(count, up)| std::iter::repeat_n(*up, *count as usize))
    }

    /// Least time until the last peer has all, as a fluid.
    fn kumar_ross(&self) -> Option<Span> {
        let access = |up| Access {
            up: Some(up),
            down: None,
        };
        let peers: Vec<Access> = self.ups().map(access).collect();
        bounds::kumar_ross(self.bytes, Some(self.seed_up), &peers)
    }

    /// The same in whole chunks; none if peers or chunks are unequal.
    fn mundinger(&self) -> Option<Span> {
        let is_equal = self.ups().all(|up| up == self.seed_up);
        let chunks = self.bytes.get() / self.chunk.get();
        let chunks = u32::try_from(chunks).ok().filter(|_| is_equal);
        let chunks = chunks.filter(|_| self.bytes.get().is_multiple_of(self.chunk.get()));
        bounds::mundinger(self.bytes, chunks?, self.count(), self.seed_up)
    }

    /// Least seconds until the last peer has all, by a theorem.
    pub(super) fn least(&self, least: Least) -> Result<f64, String> {
        let found = match least {
            Least::KumarRoss => self.kumar_ross(),
            Least::Mundinger => self.mundinger(),
        };
        let found = found.ok_or("the theorem does not apply to this swarm")?;
        Ok(found.as_secs_f64())
    }

    fn setup(&self, policy: Policy, seed: u64, replication: u32) -> Setup {
        let ups = [self.seed_up].into_iter().chain(self.ups());
        let count = self.count();
        let peers = (0_u32..).zip(ups).map(|(row, up)| PeerSetup {
            neighbours: count,
            ..setups::peer(format!("peer.{row}"), Some(up))
        });
        let mut setup = setups::setup(seed, replication, policy, peers.collect());
        setup.contents = vec![setups::content(self.bytes, self.chunk, count)];
        setup
    }
}

/// Least file-times until `peers` equal peers have a content of `chunks` chunks.
pub(super) fn mundinger(peers: u32, chunks: u32) -> Result<Vec<f64>, String> {
    let rate = Rate::new(1_000_000_000);
    let least = bounds::mundinger(ByteCount::new(rate.get()), chunks, peers, rate);
    Ok(vec![least.ok_or("nobody can finish")?.as_secs_f64()])
}

impl FlashCrowd {
    /// The time until the last peer of `setup` has all, over the least possible for the crowd.
    pub(super) fn measure(&self, setup: &Setup) -> Result<Vec<f64>, String> {
        let record = setups::run(setup)?;
        let makespan = record.contents[0].makespan;
        let makespan = makespan.ok_or("a peer did not finish")?.as_secs_f64();
        Ok(vec![makespan / self.crowd.least(self.least)?])
    }

    pub(super) fn setup(&self, replication: u32) -> Setup {
        self.crowd.setup(self.policy, self.seed, replication)
    }
}

impl Arrivals {
    /// Peers gained per chunk-time of the seed over the second half: the slope of the least
    /// squares line through their number. And a control: by how much the same slope of those
    /// that have arrived differs from the mean that it is drawn with.
    pub(super) fn measure(&self, setup: &Setup) -> Result<Vec<f64>, String> {
        let record = setups::run(setup)?;
        let times = self.length / 2..self.length;
        let slope = |number: &dyn Fn(Time) -> usize| {
            let middle = f64::from(times.start + times.end - 1) / 2.0;
            let (mut cross, mut square) = (0.0, 0.0);
            for at in times.clone() {
                let away = f64::from(at) - middle;
                cross += away * number(chunk_time(at)) as f64;
                square += away * away;
            }
            cross / square
        };
        // The seed, which arrived too, never leaves: it has no part in a slope.
        let count =
            |of: &dyn Fn(&PeerRecord) -> bool| record.peers.iter().filter(|peer| of(peer)).count();
        let arrived = |peer: &PeerRecord, at| peer.joined.is_some_and(|then| then <= at);
        let left = |peer: &PeerRecord, at| peer.left.is_some_and(|then| then <= at);
        let gained = slope(&|at| count(&|peer| arrived(peer, at) && !left(peer, at)));
        let drawn = slope(&|at| count(&|peer| arrived(peer, at)));
        Ok(vec![gained, drawn - self.load])
    }

    pub(super) fn setup(&self, replication: u32) -> Setup {
        let streams = Streams::new(self.seed, replication);
        let mut draws = streams.stream("peers", "gap");
        let mean = CHUNK_TIME.as_nanos() as f64 / self.load;
        let gap = Distribution::new(Shape::Exponential { mean }, 1.0)
            .expect("a load above zero has a mean gap");
        let up = fairhaul_simulator::distribution::to_integer(SEED_UP.get() as f64 * self.peer_up);
        let mut peers = vec![PeerSetup {
            neighbours: u32::MAX,
            ..setups::peer("seed".to_owned(), Some(SEED_UP))
        }];
        let end = chunk_time(self.length);
        let mut at = Time::ZERO + Span::from_nanos(gap.sample(&mut draws));
        while at < end {
            peers.push(PeerSetup {
                neighbours: u32::MAX,
                join: at,
                linger: Some(Span::ZERO),
                ..setups::peer(format!("peer.{}", peers.len()), Some(Rate::new(up)))
            });
            at = at + Span::from_nanos(gap.sample(&mut draws));
        }
        let leechers = u32::try_from(peers.len() - 1).expect("loads and lengths are bounded");
        let mut setup = setups::setup(self.seed, replication, self.policy, peers);
        let bytes = ByteCount::new(CHUNK.get() * u64::from(self.chunks));
        setup.contents = vec![setups::content(bytes, CHUNK, leechers)];
        setup.horizon = end;
        setup
    }
}

/// A chunk of a swarm with arrivals.
const CHUNK: ByteCount = ByteCount::kib(256);

/// Uplink of its seed: ten chunks a second.
const SEED_UP: Rate = Rate::new(10 * CHUNK.get());

/// The time in which the seed sends a chunk.
const CHUNK_TIME: Span = Span::from_millis(100);

fn chunk_time(count: u32) -> Time {
    Time::from_nanos(CHUNK_TIME.as_nanos() * u64::from(count))
}
