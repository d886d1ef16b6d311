//! One restart: a start, and steps to better neighbours until no step is surely better.

use std::cmp::Ordering;

use fairhaul_simulator::random::Streams;

use super::bench::{SearchBench, Stop};
use super::find::COST;
use super::gain::{differences, least, mean};
use super::space::SpacePoint;

/// Behaviours that race for the start of a restart.
const STARTS: usize = 27;

/// Pairs of runs in the rungs of a race.
pub(super) const RUNGS: [usize; 3] = [1, 3, 9];

/// Pairs of the last rung, by which behaviours are judged.
pub(super) const FULL: usize = RUNGS[RUNGS.len() - 1];

/// One in so many goes on to the next rung.
const ETA: usize = 3;

/// Draws for each start: some are refused, or are what was found already.
const DRAWS_MAX: usize = 100;

/// Runs that shrinking a find may need beside those that measure it again.
const SHRINKING: u32 = 60;

/// A climb of a search.
pub(super) struct Restart<'s, 'a> {
    bench: &'s mut SearchBench<'a>,
    /// What was found before: a behaviour that departs in all of its settings is passed over.
    taken: &'s [SpacePoint],
}

impl<'s, 'a> Restart<'s, 'a> {
    pub(super) const fn new(bench: &'s mut SearchBench<'a>, taken: &'s [SpacePoint]) -> Self {
        Self { bench, taken }
    }

    /// A behaviour of which no step is surely better; `None` if it does not surely gain. The first
    /// climb starts from the protocol, the others where a race of random points ends.
    ///
    /// # Errors
    ///
    /// [`Stop::Budget`] if the budget ends before there is anything to keep.
    pub(super) fn climb(&mut self, seed: u64, number: u32) -> Result<Option<SpacePoint>, Stop> {
        self.bench.reserve = COST + SHRINKING;
        let Some(mut best) = self.start(seed, number)? else {
            return Ok(None);
        };
        let ended = loop {
            let steps = self.bench.space.neighbours(&best);
            let steps = steps
                .into_iter()
                .filter(|step| self.is_open(step))
                .collect();
            match self.race(steps) {
                Ok(Some(step)) if self.is_better(&step, &best) => best = step,
                Ok(_) => break Ok(()),
                Err(stop) => break Err(stop),
            }
        };
        let gains = least(&self.bench.gains(&best, FULL)) > 1.0;
        match ended {
            // What was found until here is worth what is kept for it.
            Err(Stop::Budget) if gains => Ok(Some(best)),
            Err(stop) => Err(stop),
            Ok(()) => Ok(gains.then_some(best)),
        }
    }

    fn start(&mut self, seed: u64, number: u32) -> Result<Option<SpacePoint>, Stop> {
        let compliant = self.bench.space.compliant();
        if number == 0 {
            self.bench.measure(std::slice::from_ref(&compliant), FULL)?;
            return Ok(Some(compliant));
        }
        let mut rng = Streams::new(seed, number).stream("search", "starts");
        let mut starts: Vec<SpacePoint> = Vec::new();
        for _ in 0..STARTS * DRAWS_MAX {
            let point = self.bench.space.draw(&mut rng);
            let is_new = point != compliant && !starts.contains(&point);
            if is_new && self.is_open(&point) {
                starts.push(point);
            }
            if starts.len() == STARTS {
                break;
            }
        }
        self.race(starts)
    }

    /// Whether a scenario takes a behaviour, and it is none that was found already.
    fn is_open(&self, point: &SpacePoint) -> bool {
        let is_taken = self.taken.iter().any(|found| point.departs_like(found));
        !is_taken && self.bench.is_allowed(point)
    }

    /// The best of a field by successive halving, with as many pairs as the last rung has.
    fn race(&mut self, mut field: Vec<SpacePoint>) -> Result<Option<SpacePoint>, Stop> {
        for (rung, pairs) in RUNGS.into_iter().enumerate() {
            if rung > 0 {
                field.truncate(field.len().div_ceil(ETA));
            }
            self.bench.measure(&field, pairs)?;
            field.sort_by(|one, other| self.order((one, other), pairs));
        }
        Ok(field.into_iter().next())
    }

    /// The greater gain first; ties go to what departs less.
    fn order(&self, (one, other): (&SpacePoint, &SpacePoint), pairs: usize) -> Ordering {
        let gain = |point| mean(&self.bench.gains(point, pairs));
        let by_gain = gain(other).total_cmp(&gain(one));
        by_gain.then_with(|| one.cmp(other))
    }

    /// Whether one gains more than another, surely.
    fn is_better(&self, one: &SpacePoint, other: &SpacePoint) -> bool {
        let gains = |point| self.bench.gains(point, FULL);
        least(&differences(&gains(one), &gains(other))) > 0.0
    }
}
