//! One server and one queue: transfers that arrive at random at one uplink.
//!
//! The queue of the textbook is a node and its uplink: a job is a transfer in one chunk, the server
//! is the uplink, the discipline shares by transfer. Each run also reports what is known of its
//! draws alone, the wait that the same jobs have at a server in order of arrival, so that the luck
//! of the draws can be told from the discipline.

use fairhaul_config::amount::TimeBetween;
use fairhaul_config::number::Bounded;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::distribution::{Distribution, Shape, to_integer};
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::setup::Setup;

use super::setups;

/// A block of the server: far above the least cost of a request, so that no job pays more
/// than its bytes.
const BLOCK: ByteCount = ByteCount::kib(256);

/// The time in which the server serves a job of size 1. Short, so that nobody runs into a
/// timeout of the protocol, and long against a nanosecond.
const UNIT: Span = Span::from_millis(1);

/// Peers that the jobs go to in turn. Several, so that no peer has many at a time.
const DESTINATIONS: u32 = 32;

/// The smallest job, as a part of a unit of work. What a job of size x waits for a block that
/// is on the link already adds a multiple of 1/x to its slowdown, and the mean of 1/x does not
/// exist for exponential sizes: without a least size a few jobs decide the mean of a run. It
/// touches one job in a hundred and moves no expected slowdown by more than a thousandth.
pub(super) const SMALLEST: u64 = 100;

/// Known facts of the draws that a run reports besides response and slowdown.
pub(super) const CONTROLS: usize = 3;

/// How large jobs are, in units of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sizes {
    /// Exponential with this mean.
    Exponential(f64),
    /// Bounded Pareto: tail index, least, greatest.
    BoundedPareto(f64, f64, f64),
}

/// A queue to simulate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    /// Name of the uplink's discipline.
    pub(super) discipline: String,
    /// Offered load, above 0 and below 1.
    pub(super) load: f64,
    /// Sizes of the jobs.
    pub(super) sizes: Sizes,
    /// Jobs of a run.
    pub(super) jobs: u32,
    /// Jobs at either end of a run that are not counted: the first find an emptier server
    /// than those after them, and the last are overtaken by nobody.
    pub(super) margin: u32,
    /// Blocks in a unit of work.
    pub(super) blocks: u32,
    /// Seed of all draws.
    pub(super) seed: u64,
}

/// A job: when it arrives and how large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) at: Time,
    pub(super) bytes: ByteCount,
}

impl Sizes {
    fn shape(self) -> Shape {
        match self {
            Self::Exponential(mean) => Shape::Exponential { mean },
            Self::BoundedPareto(alpha, low, high) => Shape::BoundedPareto { alpha, low, high },
        }
    }

    /// Whether there is such a distribution.
    pub(super) fn check(self) -> Result<(), &'static str> {
        Distribution::new(self.shape(), 1.0).map(drop)
    }

    /// The mean of the sizes to the `power`, which is 1 or 2.
    pub(super) fn moment(self, power: f64) -> f64 {
        match self {
            Self::Exponential(mean) => libm::tgamma(power + 1.0) * libm::pow(mean, power),
            Self::BoundedPareto(alpha, low, high) => {
                let tail = 1.0 - libm::pow(low / high, alpha);
                let density = alpha * libm::pow(low, alpha) / tail;
                let over = power - alpha;
                if over.abs() < 1e-9 {
                    density * libm::log(high / low)
                } else {
                    density * (libm::pow(high, over) - libm::pow(low, over)) / over
                }
            }
        }
    }
}

impl Server {
    /// Mean response, mean slowdown, and the controls: by how much the mean wait in order of
    /// arrival, the share of jobs that wait there, and the mean size differ from what they
    /// are known to be. In units of work.
    pub(super) fn measure(&self, jobs: &[Job], setup: &Setup) -> Result<Vec<f64>, String> {
        let record = setups::run(setup)?;
        let counted = self.margin as usize..jobs.len() - self.margin as usize;
        let mut sums = [0.0; 2];
        for (job, found) in jobs.iter().zip(&record.transfers).take(counted.end) {
            if job.at < jobs[counted.start].at {
                continue;
            }
            let end = found.end.ok_or("a job did not end")?;
            let response = in_units(end - job.at);
            sums[0] += response;
            sums[1] += response / self.work(job.bytes);
        }
        let count = counted.len() as f64;
        let mut observation = sums.map(|sum| sum / count).to_vec();
        observation.extend(self.controls(jobs, counted));
        Ok(observation)
    }

    /// The jobs of a run.
    pub(super) fn draw(&self, replication: u32) -> Vec<Job> {
        let streams = Streams::new(self.seed, replication);
        let mut gaps = streams.stream("jobs", "gap");
        let mut sizes = streams.stream("jobs", "size");
        let size = Distribution::new(self.sizes.shape(), self.unit().get() as f64)
            .expect("checked when it was read");
        let mean_gap = size.mean() / self.unit().get() as f64 / self.load;
        let gap = Distribution::new(
            Shape::Exponential { mean: mean_gap },
            UNIT.as_nanos() as f64,
        )
        .expect("a load above zero has a mean gap");
        let smallest = self.unit().get() / SMALLEST;
        let mut at = Time::ZERO + Span::from_millis(1);
        (0..self.jobs)
            .map(|_| {
                at = at + Span::from_nanos(gap.sample(&mut gaps));
                let bytes = ByteCount::new(size.sample(&mut sizes).max(smallest));
                Job { at, bytes }
            })
            .collect()
    }

    pub(super) fn setup(&self, jobs: &[Job], replication: u32) -> Setup {
        let mut policy = setups::policy(&self.discipline, Share::Transfer, BLOCK);
        policy.pipeline = Some(Bounded::new(256));
        policy.rechoke = TimeBetween::nearest(Span::from_secs(1_000));
        let names = (1..=DESTINATIONS).map(|row| (format!("peer.{row}"), None));
        let rate = to_integer(self.unit().get() as f64 / UNIT.as_secs_f64());
        let server = ("server".to_owned(), Some(Rate::new(rate)));
        let peers = [server].into_iter().chain(names);
        let peers = peers.map(|(name, up)| setups::peer(name, up)).collect();
        let mut setup = setups::setup(self.seed, replication, policy, peers);
        setup.transfers = (0..)
            .zip(jobs)
            .map(|(row, job)| {
                let to = row % DESTINATIONS + 1;
                setups::transfer(format!("job.{row}"), to, job.bytes, job.at)
            })
            .collect();
        setup
    }

    /// Bytes of a unit of work.
    pub(super) fn unit(&self) -> ByteCount {
        ByteCount::new(BLOCK.get() * u64::from(self.blocks))
    }

    pub(super) fn work(&self, bytes: ByteCount) -> f64 {
        bytes.get() as f64 / self.unit().get() as f64
    }

    /// The unfinished work of a server that is never idle while there is some does not depend
    /// on its discipline. A Poisson arrival finds the mean of it (Pollaczek and Khinchine).
    ///
    /// Source: D. V. Lindley, "The theory of queues with a single server", 1952.
    fn controls(&self, jobs: &[Job], counted: std::ops::Range<usize>) -> [f64; CONTROLS] {
        let (mut wait, mut sums, mut before) = (0.0, [0.0; CONTROLS], None);
        for (at, job) in jobs.iter().enumerate() {
            if let Some(Job { at, bytes }) = before.replace(*job) {
                let left: f64 = wait + self.work(bytes) - in_units(job.at - at);
                wait = left.max(0.0);
            }
            if counted.contains(&at) {
                sums[0] += wait;
                sums[1] += if wait > 0.0 { 1.0 } else { 0.0 };
                sums[2] += self.work(job.bytes);
            }
        }
        let mean_size = self.sizes.moment(1.0);
        let busy = self.load / mean_size * self.sizes.moment(2.0);
        let known = [busy / (2.0 * (1.0 - self.load)), self.load, mean_size];
        let count = counted.len() as f64;
        std::array::from_fn(|control| sums[control] / count - known[control])
    }
}

/// In services of a job of size 1.
pub(super) fn in_units(span: Span) -> f64 {
    span.as_nanos() as f64 / UNIT.as_nanos() as f64
}
