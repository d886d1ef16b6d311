//! What makes a directory of tables a result that the lab reads: the row of the run, and the
//! manifest.
//!
//! Decides the numbers that a real run is summed up in: those of the lab that need no ideal.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::thread;

use csv::Writer;
use fairhaul_core::time::{Span, Time};
use serde_json::json;

use super::value::{number, text};
use super::{RunKeys, header, new_file, put};

/// What marks a manifest as one of the lab's, with the version of the schema of the tables.
const FORMAT: &str = "fairlab result 1";

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
        path: &Path,
        run: &RunKeys,
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
        let mut columns = vec!["trace_digest"];
        columns.extend(scalars.iter().map(|(name, _)| name.as_str()));
        let mut out = Writer::from_writer(BufWriter::new(new_file(path)?));
        out.write_record(header(run, &columns))?;
        let values = scalars.iter().map(|(_, value)| number(*value));
        let digest = digest.unwrap_or_default().to_owned();
        put(&mut out, run, [digest].into_iter().chain(values))?;
        out.flush()
    }
}

impl Class {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a report shows fewer digits than an f64 holds"
    )]
    fn scalars(&self, suffix: &str) -> Vec<(String, Option<f64>)> {
        let mut took = self.took.clone();
        took.sort_unstable();
        let mean = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        let sum: f64 = took.iter().map(|span| span.as_secs_f64()).sum();
        let missing = self.started.saturating_sub(took.len() as u64);
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
            (format!("completion_mean_s{suffix}"), mean(sum, took.len())),
        ];
        for (name, per_mille) in PERCENTILES {
            // The value at its rank, as the lab has it.
            let rank = (took.len() * per_mille).div_ceil(1_000).max(1) - 1;
            let value = took.get(rank).map(|span| span.as_secs_f64());
            found.push((format!("completion_{name}_s{suffix}"), value));
        }
        found
    }
}

/// Writes the manifest of the tables in `dir`, which makes them a finished result.
pub(super) fn write_manifest(dir: &Path, run: &RunKeys) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for name in FILES {
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut File::open(dir.join(name))?, &mut hasher)?;
        files.insert(name, hasher.finalize().to_hex().to_string());
    }
    let manifest = json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "commit": run.commit,
        "command": run.command,
        "seed": run.seed,
        "runs": 1,
        "scenario_blake3": blake3::hash(run.parameters.as_bytes()).to_hex().to_string(),
        "scenario": run.parameters,
        "machine": {
            "cpu": cpu(),
            "cores": thread::available_parallelism().map_or(1, usize::from),
            "os": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        },
        "files": files,
    });
    let path = dir.join("manifest.json");
    let part = dir.join("manifest.json.part");
    let mut out = BufWriter::new(new_file(&part)?);
    serde_json::to_writer_pretty(&mut out, &manifest)?;
    out.write_all(b"\n")?;
    out.flush()?;
    fs::rename(part, path)
}

/// Model of the processor; empty if the system does not say.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':'));
    model.map_or_else(String::new, |(_, model)| model.trim().to_owned())
}
