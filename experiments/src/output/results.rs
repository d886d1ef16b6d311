//! The table of runs, read back: cells of a sweep, each with its replications.
//!
//! Decides which parameters tell cells apart: those that vary and are not decided by another
//! that varies. Everything that compares or shows results starts here, and so works for any
//! sweep.

use std::path::Path;

use csv::{Reader, StringRecord};

use super::OutputError;
use super::tables::RUNS;
use fairhaul_results::{AFTER_PARAMS, KEYS};

/// The smallest difference that matters of results whose scenario does not say.
const SMALLEST_DIFFERENCE: f64 = 0.01;

/// The runs of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Every parameter, in the order of the columns.
    pub axes: Vec<Axis>,
    /// Every metric, in the order of the columns.
    pub metrics: Vec<String>,
    /// Cells in the order in which they first appear.
    pub cells: Vec<CellRuns>,
    /// Differences below this part of the baseline do not matter.
    pub smallest_difference: f64,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Its values in the order in which they first appear.
    pub values: Vec<String>,
    /// Whether it tells cells apart.
    pub varies: bool,
}

/// Runs with the same parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct CellRuns {
    /// What the cell is called.
    pub cell: String,
    /// The value of each axis.
    pub params: Vec<String>,
    /// Its replications.
    pub runs: Vec<RunValues>,
    /// Whether it is no cell of the sweep but what transfers and peers take alone.
    pub is_alone: bool,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunValues {
    /// Its name.
    pub run: String,
    /// Which replication.
    pub replication: u32,
    /// The value of each metric; none where it is missing.
    pub values: Vec<Option<f64>>,
}

impl Axis {
    /// The values as numbers, in their order, if all of them are numbers: plain, or with one
    /// and the same unit behind each.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let split: Option<Vec<(f64, &str)>> = self.values.iter().map(|v| split_unit(v)).collect();
        let split = split?;
        let unit = split.first()?.1;
        split
            .iter()
            .all(|(_, own)| *own == unit)
            .then(|| split.iter().map(|(n, _)| *n).collect())
    }

    /// The unit behind the values, empty if there is none.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.values
            .first()
            .and_then(|value| split_unit(value))
            .map_or("", |(_, unit)| unit)
    }
}

fn split_unit(value: &str) -> Option<(f64, &str)> {
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '_')))
        .unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    Some((digits.replace('_', "").parse().ok()?, unit.trim()))
}

impl Results {
    /// Reads `runs.csv` of the result in `dir`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Unfinished`] if there is none, [`OutputError::BadTable`] if it is not
    /// one.
    pub fn read(dir: &Path) -> Result<Self, OutputError> {
        let path = dir.join(RUNS);
        let bytes = std::fs::read(&path).map_err(|_| OutputError::Unfinished {
            path: dir.to_owned(),
            file: RUNS,
        })?;
        Self::parse(&path, &bytes)
    }

    /// The same results, judged by what `scenario` says is the smallest difference that matters;
    /// `scenario` is the text of a manifest.
    #[must_use]
    pub fn judged_by(mut self, scenario: &str) -> Self {
        let said = || {
            let scenario: toml::Table = scenario.parse().ok()?;
            let said = scenario.get("replication")?.get("smallest-difference")?;
            // Whole numbers are 0 and 1.
            let whole = || said.as_integer().map(|whole| whole as f64);
            said.as_float().or_else(whole)
        };
        self.smallest_difference = said().unwrap_or(SMALLEST_DIFFERENCE);
        self
    }

    /// Reads the result in `dir` as it is shown: with its row `alone`, and judged as the text
    /// `scenario` of its manifest says.
    ///
    /// # Errors
    ///
    /// As [`Results::read`].
    pub fn read_judged(dir: &Path, scenario: &str) -> Result<Self, OutputError> {
        Ok(Self::read(dir)?.judged_by(scenario).with_alone())
    }

    /// Reads a table of runs from memory; `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`OutputError::BadTable`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, OutputError> {
        let bad = |line: u64, what: String| OutputError::BadTable {
            path: path.to_owned(),
            line,
            what,
        };
        let mut reader = Reader::from_reader(bytes);
        let header = reader.headers().cloned().map_err(OutputError::csv(path))?;
        if !header.iter().take(KEYS.len()).eq(KEYS) {
            return Err(bad(
                1,
                format!("the first columns must be {}", KEYS.join(", ")),
            ));
        }
        let after = header
            .iter()
            .position(|column| column == AFTER_PARAMS)
            .ok_or_else(|| bad(1, format!("no column {AFTER_PARAMS}")))?;
        let mut this = Self {
            axes: header
                .iter()
                .take(after)
                .skip(KEYS.len())
                .map(Axis::named)
                .collect(),
            metrics: header.iter().skip(after + 1).map(str::to_owned).collect(),
            cells: Vec::new(),
            smallest_difference: SMALLEST_DIFFERENCE,
        };
        for row in reader.records() {
            let row = row.map_err(OutputError::csv(path))?;
            let line = row.position().map_or(0, csv::Position::line);
            this.add(&row, after).map_err(|what| bad(line, what))?;
        }
        this.mark_axes();
        Ok(this)
    }

    fn add(&mut self, row: &StringRecord, after: usize) -> Result<(), String> {
        let field = |at: usize| row.get(at).unwrap_or_default();
        let replication = field(2)
            .parse()
            .map_err(|_| format!("replication {:?} is not a number", field(2)))?;
        let values: Result<Vec<Option<f64>>, String> = (after + 1..row.len())
            .map(|at| match field(at) {
                "" => Ok(None),
                text => text
                    .parse()
                    .map(Some)
                    .map_err(|_| format!("{text:?} is not a number")),
            })
            .collect();
        let run = RunValues {
            run: field(0).to_owned(),
            replication,
            values: values?,
        };
        let params: Vec<String> = (KEYS.len()..after).map(|at| field(at).to_owned()).collect();
        for (axis, value) in self.axes.iter_mut().zip(&params) {
            if !axis.values.contains(value) {
                axis.values.push(value.clone());
            }
        }
        let cell = field(3);
        let same = |known: &&mut CellRuns| known.params == params && known.cell == cell;
        if let Some(known) = self.cells.iter_mut().find(same) {
            known.runs.push(run);
        } else {
            self.cells.push(CellRuns {
                cell: cell.to_owned(),
                params,
                runs: vec![run],
                is_alone: false,
            });
        }
        Ok(())
    }

    /// An axis tells cells apart if it has several values and no earlier one that does
    /// decides it.
    fn mark_axes(&mut self) {
        for at in 0..self.axes.len() {
            let several = self.axes[at].values.len() > 1;
            let decided =
                (0..at).any(|earlier| self.axes[earlier].varies && self.decides(earlier, at));
            self.axes[at].varies = several && !decided;
        }
    }

    fn decides(&self, axis: usize, other: usize) -> bool {
        self.axes[axis].values.iter().all(|value| {
            let mut seen = self
                .cells
                .iter()
                .filter(|cell| cell.params[axis] == *value)
                .map(|cell| &cell.params[other]);
            let first = seen.next();
            seen.all(|found| Some(found) == first)
        })
    }

    /// Indices of the axes that tell cells apart.
    #[must_use]
    pub fn varying(&self) -> Vec<usize> {
        (0..self.axes.len())
            .filter(|at| self.axes[*at].varies)
            .collect()
    }

    /// What tells `cell` from the others: its values of the varying axes, or its name if
    /// nothing varies.
    #[must_use]
    pub fn label(&self, cell: &CellRuns) -> String {
        let values: Vec<&str> = self
            .varying()
            .iter()
            .map(|at| cell.params[*at].as_str())
            .collect();
        if values.is_empty() {
            cell.cell.clone()
        } else {
            values.join(" ")
        }
    }

    /// Index of the metric `name`.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<usize> {
        self.metrics.iter().position(|metric| metric == name)
    }

    /// Whether any run has a value of the metric `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.metric(name).is_some_and(|at| {
            let mut runs = self.cells.iter().flat_map(|cell| &cell.runs);
            runs.any(|run| run.values.get(at).copied().flatten().is_some())
        })
    }
}

impl Axis {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            values: Vec::new(),
            varies: false,
        }
    }
}

impl CellRuns {
    /// Values of the metric at index `metric`, of the runs that have one.
    #[must_use]
    pub fn values(&self, metric: usize) -> Vec<f64> {
        self.runs
            .iter()
            .filter_map(|run| run.values.get(metric).copied().flatten())
            .collect()
    }
}
