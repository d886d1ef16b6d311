//! What makes a directory of tables a result that the lab reads: the row of the run, and the
//! manifest.
//!
//! A real run is summed up in those numbers of a simulated one that need no ideal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use fairhaul_core::time::{Span, Time};
use fairhaul_results::{
    AFTER_PARAMS, FORMAT, Keys, Machine, ResultManifest, Sample, Table, digest, number, text,
};

use super::RunKeys;

/// What the manifest calls the world of a run: neither simulated nor played from a scenario.
const WORLD: &str = "measured";

/// Files of a result beside its manifest.
const FILES: [&str; 6] = [
    "runs.csv",
    "peers.csv",
    "transfers.csv",
    "windows.csv",
    "latency.csv",
    "latency.hlog",
];

/// Percentiles of completion times, in thousandths.
const PERCENTILES: [(&str, usize); 3] = [("p50", 500), ("p95", 950), ("p99", 990)];

/// The transfers of one class.
#[derive(Debug, Default)]
struct Class {
    started: u64,
    bytes: u128,
    took: Vec<Span>,
}

/// What the row of the run is made from.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<String, Class>);

impl Totals {
    pub(super) fn add(&mut self, class: &str, bytes: u64, took: Option<Span>) {
        if !self.0.contains_key(class) {
            self.0.insert(class.to_owned(), Class::default());
        }
        if let Some(found) = self.0.get_mut(class) {
            found.started += 1;
            found.bytes += u128::from(bytes);
            found.took.extend(took);
        }
    }

    /// Writes the row of the run.
    pub(super) fn write(
        &self,
        out: File,
        keys: &Keys<'_>,
        end: Time,
        digest: Option<&str>,
    ) -> io::Result<()> {
        let mut all = Class::default();
        for class in self.0.values() {
            all.started += class.started;
            all.bytes += class.bytes;
            all.took.extend(&class.took);
        }
        let mut scalars = all.scalars("");
        for (name, class) in &self.0 {
            scalars.extend(class.scalars(&format!(".{}", text(name))));
        }
        scalars.push(("end_s".to_owned(), Some(end.as_secs_f64())));
        let mut columns = vec![AFTER_PARAMS];
        columns.extend(scalars.iter().map(|(name, _)| name.as_str()));
        let mut values = vec![digest.unwrap_or_default().to_owned()];
        values.extend(scalars.iter().map(|(_, value)| number(*value)));
        let mut table = Table::with_columns(out, keys, columns)?;
        table.put(&values)?;
        table.flush()
    }
}

impl Class {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a report shows fewer digits than an f64 holds"
    )]
    fn scalars(&self, suffix: &str) -> Vec<(String, Option<f64>)> {
        let took = Sample::new(self.took.iter().map(|span| span.as_secs_f64()));
        let finished = took.sorted().len() as u64;
        let missing = self.started.saturating_sub(finished);
        let size = (self.started > 0).then(|| self.bytes as f64 / self.started as f64);
        let mut found = vec![
            (
                format!("transfers_started{suffix}"),
                Some(self.started as f64),
            ),
            (
                format!("transfers_not_finished{suffix}"),
                Some(missing as f64),
            ),
            (format!("size_mean_bytes{suffix}"), size),
            (format!("completion_mean_s{suffix}"), took.mean()),
        ];
        for (name, per_mille) in PERCENTILES {
            let value = took.at_per_mille(per_mille);
            found.push((format!("completion_{name}_s{suffix}"), value));
        }
        found
    }
}

/// Writes the manifest of the tables in `dir`, which makes them a finished result.
pub(super) fn write_manifest(dir: &Path, run: &RunKeys) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for name in FILES {
        files.insert(name.to_owned(), digest(&dir.join(name))?);
    }
    let manifest = ResultManifest {
        format: FORMAT.to_owned(),
        name: run.run.clone(),
        world: WORLD.to_owned(),
        emulated: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: run.commit.clone(),
        command: run.command.clone(),
        seed: Some(run.seed),
        runs: Some(1),
        plan_blake3: String::new(),
        scenario_blake3: blake3::hash(run.parameters.as_bytes()).to_hex().to_string(),
        scenario: run.parameters.clone(),
        machine: Machine::here(),
        files,
        made: BTreeMap::new(),
    };
    manifest.save(dir)
}
