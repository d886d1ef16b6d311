//! Times from request to last byte as high-dynamic-range histograms, per class.
//!
//! Decides the percentiles of `latency.csv` and the lines of `latency.hlog`, in nanoseconds
//! with three significant digits. Exact percentiles are in `runs.csv`; the histograms are
//! for tails over many runs, because histograms can be added up and percentiles cannot.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use csv::Writer;
use fairhaul_core::time::Span;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{RunRow, seconds, tables, text};

/// What the log of histograms starts with; readers of the format skip both lines.
pub(super) const HLOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
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

/// Kind and class, ordered.
type Key<'a> = (&'static str, &'a str);

/// Histograms of a run: one for each class of transfers and of peers that finished anything.
pub(super) fn histograms<'a>(row: &RunRow<'a>) -> BTreeMap<Key<'a>, Histogram<u64>> {
    let mut found = BTreeMap::new();
    for (transfer, record) in row.setup.transfers.iter().zip(&row.record.transfers) {
        if let (Some(start), Some(end)) = (record.start, record.end) {
            add(&mut found, ("transfer", &transfer.class), end.since(start));
        }
    }
    for (peer, record) in row.setup.peers.iter().zip(&row.record.peers) {
        if let (true, Some(joined), Some(done)) = (record.wanted, record.joined, record.completed) {
            add(&mut found, ("peer", &peer.class), done.since(joined));
        }
    }
    found
}

fn add<'a>(found: &mut BTreeMap<Key<'a>, Histogram<u64>>, key: Key<'a>, span: Span) {
    let histogram = found.entry(key).or_insert_with(|| {
        Histogram::new(3).expect("three significant digits are between 0 and 5")
    });
    // Not `saturating_record`: that cuts at the present size instead of growing.
    histogram
        .record(span.as_nanos())
        .expect("a histogram that may grow has room for every u64");
}

pub(super) fn write_csv<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    let columns = ["kind", "class", "percentile", "latency_s", "count"];
    out.write_record(tables::header(row, &columns))?;
    let keys = tables::keys(row);
    for ((kind, class), histogram) in histograms(row) {
        for (name, quantile) in PERCENTILES {
            let nanos = histogram.value_at_quantile(quantile);
            let own = [
                kind.to_owned(),
                text(class),
                name.to_owned(),
                seconds(Some(Span::from_nanos(nanos))),
                histogram.len().to_string(),
            ];
            tables::put(out, &keys, own)?;
        }
    }
    Ok(())
}

/// Lines of the log, without [`HLOG_HEADER`]. Each is tagged `run:kind:class`.
pub(super) fn write_hlog<W: Write>(row: &RunRow<'_>, out: &mut W) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(out, &mut serializer)?;
    let length = Duration::from_nanos(row.record.end.as_nanos());
    for ((kind, class), histogram) in histograms(row) {
        let tag = format!("{}:{kind}:{class}", row.run).replace([',', ' ', '\r', '\n'], "_");
        log.write_histogram(&histogram, Duration::ZERO, length, Tag::new(&tag))
            .map_err(io::Error::other)?;
    }
    Ok(())
}
