//! Times from request to last byte as high-dynamic-range histograms, per kind and class.
//!
//! In nanoseconds with three significant digits. Exact percentiles are in `runs.csv`; the
//! histograms are for tails over many runs, because histograms can be added up and percentiles
//! cannot.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use fairhaul_core::time::{Span, Time};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::cell::text;
use crate::rows::{FlowKind, LatencyRow};
use crate::table::{Keys, Table};

/// What the log of histograms starts with; readers of the format skip these lines.
pub const HLOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
    #[Request to last byte, in nanoseconds, one line a run and class]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Percentiles that are reported, with the quantile each stands for.
const PERCENTILES: [(&str, f64); 9] = [
    ("0", 0.0),
    ("25", 0.25),
    ("50", 0.5),
    ("75", 0.75),
    ("90", 0.9),
    ("95", 0.95),
    ("99", 0.99),
    ("99.9", 0.999),
    ("100", 1.0),
];

/// The histograms of a run: one for each kind and class in which anything finished.
#[derive(Debug, Default)]
pub struct Latencies(BTreeMap<(FlowKind, String), Histogram<u64>>);

impl Latencies {
    /// Notes how long something of `class` took.
    ///
    /// # Panics
    ///
    /// Never: three significant digits are allowed, and a histogram that may grow takes any time.
    pub fn add(&mut self, kind: FlowKind, class: &str, took: Span) {
        let key = (kind, class.to_owned());
        let histogram = self.0.entry(key).or_insert_with(|| {
            Histogram::new(3).expect("three significant digits are between 0 and 5")
        });
        // Not `saturating_record`: that cuts at the present size instead of growing.
        histogram
            .record(took.as_nanos())
            .expect("a histogram that may grow has room for every u64");
    }

    /// Writes `latency.csv`.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write_csv<W: Write>(&self, out: W, keys: &Keys<'_>) -> csv::Result<()> {
        let mut table = Table::begin::<LatencyRow<'_>>(out, keys)?;
        for ((kind, class), histogram) in &self.0 {
            for (percentile, quantile) in PERCENTILES {
                let nanos = histogram.value_at_quantile(quantile);
                table.put(&LatencyRow {
                    kind: *kind,
                    class,
                    percentile,
                    latency_s: Span::from_nanos(nanos),
                    count: histogram.len(),
                })?;
            }
        }
        Ok(table.flush()?)
    }

    /// Writes the lines of `latency.hlog` of a run that lasted until `end`, without
    /// [`HLOG_HEADER`]. Each is tagged `run:kind:class`.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write_hlog<W: Write>(&self, out: &mut W, run: &str, end: Time) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new().begin_log_with(out, &mut serializer)?;
        let length = Duration::from_nanos(end.as_nanos());
        for ((kind, class), histogram) in &self.0 {
            let tag = format!("{run}:{}:{}", kind.word(), text(class));
            let tag = tag.replace([',', ' ', '\r', '\n'], "_");
            log.write_histogram(histogram, Duration::ZERO, length, Tag::new(&tag))
                .map_err(io::Error::other)?;
        }
        Ok(())
    }
}
