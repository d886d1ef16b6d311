//! Times from request to last byte as high-dynamic-range histograms, per class.
//!
//! Decides the percentiles of `latency.csv` and the lines of `latency.hlog`, in nanoseconds
//! with three significant digits: histograms can be added up over runs, percentiles cannot.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use csv::Writer;
use fairhaul_core::time::{Span, Time};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::value::{seconds, text};
use super::{FlowKind, RunKeys, header, new_file, put};

/// What the log starts with; readers of the format skip these lines.
const LOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
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

/// A histogram for each kind and class.
#[derive(Debug, Default)]
pub(super) struct Latencies(BTreeMap<(FlowKind, String), Histogram<u64>>);

impl Latencies {
    pub(super) fn add(&mut self, kind: FlowKind, class: &str, took: Span) {
        let key = (kind, class.to_owned());
        let histogram = self.0.entry(key).or_insert_with(|| {
            Histogram::new(3).expect("three significant digits are between 0 and 5")
        });
        // Not `saturating_record`: that cuts at the present size instead of growing.
        histogram
            .record(took.as_nanos())
            .expect("a histogram that may grow has room for every u64");
    }

    pub(super) fn write_csv(&self, path: &Path, run: &RunKeys) -> io::Result<()> {
        let mut out = Writer::from_writer(BufWriter::new(new_file(path)?));
        let columns = ["kind", "class", "percentile", "latency_s", "count"];
        out.write_record(header(run, &columns))?;
        for ((kind, class), histogram) in &self.0 {
            for (name, quantile) in PERCENTILES {
                let nanos = histogram.value_at_quantile(quantile);
                let own = [
                    kind.word().to_owned(),
                    text(class),
                    name.to_owned(),
                    seconds(Some(Span::from_nanos(nanos))),
                    histogram.len().to_string(),
                ];
                put(&mut out, run, own)?;
            }
        }
        out.flush()
    }

    pub(super) fn write_log(&self, path: &Path, run: &RunKeys, end: Time) -> io::Result<()> {
        let mut out = BufWriter::new(new_file(path)?);
        out.write_all(LOG_HEADER.as_bytes())?;
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut out, &mut serializer)?;
        let length = Duration::from_nanos(end.as_nanos());
        for ((kind, class), histogram) in &self.0 {
            let tag = format!("{}:{}:{}", run.run, kind.word(), text(class));
            let tag = tag.replace([',', ' ', '\r', '\n'], "_");
            log.write_histogram(histogram, Duration::ZERO, length, Tag::new(&tag))
                .map_err(io::Error::other)?;
        }
        out.flush()
    }
}
