//! Oracles: expected results as data, and the measurements that must give them.
//!
//! An oracle is a row of a file: a number that is published or can be proved, and the
//! measurement that must give it. [`load`] reads a file, [`Suite::run`] measures, [`table()`]
//! and [`write_csv`] show. A mean that is known too badly to tell fails.

use std::io::Write;
use std::sync::Mutex;

use rayon::prelude::*;

use crate::output as value;

mod control;
mod draws;
mod exchange;
mod file;
mod index;
mod reading;
mod schedule;
mod server;
mod setups;
mod swarm;
mod table;
mod trade;

pub use crate::scenario::BadFile;
pub use file::{is_oracle_file, load};
pub use reading::Relation;
pub use table::table;

use draws::Draws;
use exchange::{Balance, Matching, Response};
use reading::{QUICK, Reading};
use schedule::{Shares, row};
use server::Server;
use swarm::{Arrivals, Crowd, FlashCrowd, Least};
use trade::Trade;

/// A tolerance is at least as many standard errors of what was measured.
const ERRORS: f64 = 3.0;

/// At a tenth of the size a tolerance grows by as many standard errors.
const ERRORS_QUICK: f64 = 4.0;

/// How much is simulated for those measurements that are means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// As the file says.
    #[default]
    Full,
    /// A tenth of it, with tolerances that are wider by four standard errors.
    Quick,
}

/// What became of an oracle.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleVerdict {
    /// Its name in the file.
    pub id: String,
    /// What is measured, in words.
    pub what: String,
    /// The unit of the numbers.
    pub unit: String,
    /// What must come out.
    pub expected: Vec<f64>,
    /// How what came out must be to that.
    pub relation: Relation,
    /// What came out; nothing if the measurement failed.
    pub got: Vec<f64>,
    /// Standard error of a mean; none of what is exact.
    pub error: Option<f64>,
    /// How far the two may be apart.
    pub tolerance: f64,
    /// Whether they are no further.
    pub pass: bool,
    /// Why not, where the numbers do not tell.
    pub note: String,
}

/// How far a suite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteProgress {
    /// Measurements that are done.
    pub done: usize,
    /// Measurements in all.
    pub total: usize,
}

/// The oracles of a file.
#[derive(Clone, Debug)]
pub struct Suite {
    name: String,
    about: String,
    oracles: Vec<Oracle>,
}

#[derive(Clone, Debug)]
struct Oracle {
    id: String,
    what: String,
    about: String,
    unit: String,
    expected: Vec<f64>,
    relation: Relation,
    tolerance: f64,
    work: Work,
    reading: Reading,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
enum Work {
    Order(String),
    Spread(String, Option<u64>),
    SpreadOfBound(String, Option<u64>),
    Delay(String, u32),
    Clamp,
    Shares(Shares),
    Server(Server),
    Draws(Draws),
    KumarRoss(Crowd),
    Mundinger(u32, u32),
    FlashCrowd(FlashCrowd),
    Growth(Arrivals),
    Trade(Trade),
    Response(Response),
    Balance(Balance),
    Matching(Matching),
    Index(String, Vec<f64>),
}

/// Runs that one or more oracles read.
struct Job {
    work: Work,
    runs: u32,
}

type Found = Result<Vec<f64>, String>;

impl Suite {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// For each oracle, its id and what its file says about its tolerance.
    pub fn remarks(&self) -> impl Iterator<Item = (&str, &str)> {
        let oracles = self.oracles.iter();
        oracles.map(|oracle| (oracle.id.as_str(), oracle.about.as_str()))
    }

    /// The suite with only those oracles whose ids `keep` says.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.oracles.retain(|oracle| keep(&oracle.id));
        self
    }

    /// Measures everything, on all cores, and gives a verdict for each oracle in the order of
    /// the file. The numbers do not depend on the number of cores. `progress` is called after
    /// each run, from any thread.
    pub fn run(
        &self,
        size: Size,
        progress: &mut (dyn FnMut(SuiteProgress) + Send),
    ) -> Vec<OracleVerdict> {
        self.judge(size, progress, &Work::run)
    }

    /// Verdicts on what `measure` gives for each work and run.
    fn judge(
        &self,
        size: Size,
        progress: &mut (dyn FnMut(SuiteProgress) + Send),
        measure: &(dyn Fn(&Work, u32) -> Found + Sync),
    ) -> Vec<OracleVerdict> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut places = Vec::new();
        for oracle in &self.oracles {
            let work = oracle.work.at(size);
            let runs = oracle.reading.runs(size);
            let known = jobs.iter().position(|job| job.work == work);
            let place = known.unwrap_or_else(|| {
                jobs.push(Job { work, runs });
                jobs.len() - 1
            });
            jobs[place].runs = jobs[place].runs.max(runs);
            places.push((place, runs as usize));
        }
        let runs: Vec<(usize, u32)> = (0..)
            .zip(&jobs)
            .flat_map(|(place, job)| (0..job.runs).map(move |run| (place, run)))
            .collect();
        let total = runs.len();
        let shown = Mutex::new((0, progress));
        let measure = |&(place, run): &(usize, u32)| {
            let found = measure(&jobs[place].work, run);
            if let Ok(mut shown) = shown.lock() {
                shown.0 += 1;
                let done = shown.0;
                (shown.1)(SuiteProgress { done, total });
            }
            found
        };
        let found: Vec<Found> = runs.par_iter().map(measure).collect();
        let of_job = |place: usize| {
            let all = runs.iter().zip(&found);
            all.filter(move |((job, _), _)| *job == place)
                .map(|(_, found)| found)
        };
        self.oracles
            .iter()
            .zip(places)
            .map(|(oracle, (place, runs))| oracle.verdict(of_job(place).take(runs), size))
            .collect()
    }
}

impl Oracle {
    fn verdict<'a>(&self, found: impl Iterator<Item = &'a Found>, size: Size) -> OracleVerdict {
        let mut verdict = OracleVerdict {
            id: self.id.clone(),
            what: self.what.clone(),
            unit: self.unit.clone(),
            expected: self.expected.clone(),
            relation: self.relation,
            got: Vec::new(),
            error: None,
            tolerance: self.tolerance,
            pass: false,
            note: String::new(),
        };
        let rows: Vec<Vec<f64>> = match found.cloned().collect() {
            Ok(rows) => rows,
            Err(why) => {
                verdict.note = why;
                return verdict;
            }
        };
        (verdict.got, verdict.error) = self.reading.read(rows);
        let error = verdict.error.unwrap_or(0.0);
        match size {
            Size::Quick => verdict.tolerance += ERRORS_QUICK * error,
            Size::Full if ERRORS * error > self.tolerance => {
                verdict.note =
                    format!("three standard errors of {error:.3} exceed the tolerance: add runs");
                return verdict;
            }
            Size::Full => {}
        }
        verdict.pass = self
            .relation
            .holds(&self.expected, &verdict.got, verdict.tolerance);
        verdict
    }
}

impl Work {
    /// The same, smaller where a smaller run measures the same.
    fn at(&self, size: Size) -> Self {
        let mut work = self.clone();
        if size == Size::Quick
            && let Self::Server(server) = &mut work
        {
            server.jobs /= QUICK;
            server.margin /= QUICK;
        }
        work
    }

    fn run(&self, run: u32) -> Found {
        match self {
            Self::Order(discipline) => Ok(schedule::order(row(discipline))),
            Self::Spread(discipline, quantum) => Ok(schedule::spread(row(discipline), *quantum)),
            Self::SpreadOfBound(discipline, quantum) => {
                Ok(schedule::spread_of_bound(row(discipline), *quantum))
            }
            Self::Delay(discipline, weight) => Ok(schedule::delay(row(discipline), *weight)),
            Self::Clamp => Ok(schedule::clamp(row("mclock"))),
            Self::Shares(shares) => schedule::shares(&shares.setup()),
            Self::Server(server) => {
                let jobs = server.draw(run);
                server.measure(&jobs, &server.setup(&jobs, run))
            }
            Self::Draws(draws) => Ok(draws.measure(&draws.jobs())),
            Self::KumarRoss(crowd) => Ok(vec![crowd.least(Least::KumarRoss)?]),
            Self::Mundinger(peers, chunks) => swarm::mundinger(*peers, *chunks),
            Self::FlashCrowd(crowd) => crowd.measure(&crowd.setup(run)),
            Self::Growth(arrivals) => arrivals.measure(&arrivals.setup(run)),
            Self::Trade(trade) => trade.run(run),
            Self::Response(response) => Ok(response.run()),
            Self::Balance(balance) => Ok(balance.run(run)),
            Self::Matching(matching) => matching.run(run),
            Self::Index(name, values) => index::of(name, values),
        }
    }
}

/// Writes the verdicts as CSV with a header; several numbers of one cell are separated by
/// spaces.
///
/// # Errors
///
/// Those of `out`.
pub fn write_csv(verdicts: &[OracleVerdict], out: impl Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "id",
        "what",
        "unit",
        "relation",
        "expected",
        "got",
        "standard_error",
        "tolerance",
        "pass",
        "note",
    ])?;
    let list = |values: &[f64]| {
        let values = values.iter().map(|value| value::number(Some(*value)));
        values.collect::<Vec<_>>().join(" ")
    };
    for verdict in verdicts {
        writer.write_record([
            value::text(&verdict.id),
            value::text(&verdict.what),
            value::text(&verdict.unit),
            verdict.relation.name().to_owned(),
            list(&verdict.expected),
            list(&verdict.got),
            value::number(verdict.error),
            value::number(Some(verdict.tolerance)),
            verdict.pass.to_string(),
            value::text(&verdict.note),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
