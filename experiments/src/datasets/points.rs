//! Distributions and times from tables.
//!
//! Each kind of table has its columns: quantiles `quantile,value` with the unit in the name of the
//! second column, fits `name,family,first,second,unit_s`, and arrival times `time_s`. A table of
//! another kind is refused.

use std::path::Path;

use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_simulator::distribution::{Distribution, Shape, to_integer};

use super::table::Table;
use crate::scenario::BadFile;

/// Hundred years, in seconds.
const SECONDS_MAX: f64 = 3_153_600_000.0;

/// What a table is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `quantile,size_bytes`.
    Sizes,
    /// `quantile,rate_bytes_per_s`.
    Rates,
    /// `quantile,time_s`.
    Spans,
    /// Fits of session lengths.
    Fits,
    /// Instants of arrivals.
    Arrivals,
}

/// What a table holds.
#[derive(Debug)]
pub(crate) enum Points {
    /// Points of an inverse distribution function, with the base units of a value.
    Quantiles(Distribution),
    /// Named distributions.
    Fits(Vec<(String, Distribution)>),
    /// Nanoseconds, in rising order.
    Arrivals(Vec<u64>),
}

/// Reads the table at `path`.
pub(crate) fn read(folder: &Path, path: &str, kind: Kind) -> Result<Points, BadFile> {
    match kind {
        Kind::Sizes => quantiles(folder, path, "size_bytes", 1.0, 1e15),
        Kind::Rates => quantiles(folder, path, "rate_bytes_per_s", 1.0, 1.25e11),
        Kind::Spans => quantiles(folder, path, "time_s", 1e9, SECONDS_MAX),
        Kind::Fits => fits(folder, path),
        Kind::Arrivals => arrivals(folder, path),
    }
}

fn quantiles(
    folder: &Path,
    path: &str,
    unit: &str,
    scale: f64,
    greatest: f64,
) -> Result<Points, BadFile> {
    let mut table = Table::open(folder, path, &["quantile", unit], &[])?;
    let [p, value] = ["quantile", unit].map(|name| table.column(name).expect("needed"));
    let mut points = Vec::new();
    while table.next()? {
        points.push((table.real(p, 0.0, 1.0)?, table.real(value, 0.0, greatest)?));
    }
    Distribution::new(Shape::Quantiles(points), scale)
        .map(Points::Quantiles)
        .map_err(|why| table.bad_at("quantile", "is not a quantile table", "these rows", why))
}

fn fits(folder: &Path, path: &str) -> Result<Points, BadFile> {
    let needed = ["name", "family", "first", "second", "unit_s"];
    let mut table = Table::open(folder, path, &needed, &[])?;
    let [name, family, first, second, unit] =
        needed.map(|name| table.column(name).expect("needed"));
    let mut fits: Vec<(String, Distribution)> = Vec::new();
    while table.next()? {
        let called = table.cell(name).to_owned();
        if !is_name(&called) {
            return Err(table.bad(name, "is not a name", NAME_ALLOWED));
        }
        if fits.iter().any(|(other, _)| *other == called) {
            return Err(table.bad(name, "is there twice", "each name once"));
        }
        let numbers = (table.real(first, 0.0, 1e9)?, table.real(second, 0.0, 1e9)?);
        let shape = match table.cell(family) {
            "weibull" => Shape::Weibull {
                k: numbers.0,
                lambda: numbers.1,
            },
            "log-normal" => Shape::LogNormal {
                mu: numbers.0,
                sigma: numbers.1,
            },
            _ => return Err(table.bad(family, "is an unknown family", "weibull, log-normal")),
        };
        let scale = table.real(unit, 1e-9, SECONDS_MAX)? * 1e9;
        let fit =
            Distribution::new(shape, scale).map_err(|why| table.bad(first, "is no fit", why))?;
        fits.push((called, fit));
    }
    Ok(Points::Fits(fits))
}

fn arrivals(folder: &Path, path: &str) -> Result<Points, BadFile> {
    let mut table = Table::open(folder, path, &["time_s"], &[])?;
    let mut times = Vec::new();
    while table.next()? {
        let time = to_integer(table.real(0, 0.0, SECONDS_MAX)? * 1e9);
        if times.last().is_some_and(|last| *last > time) {
            return Err(table.bad(0, "is earlier than the row before", "times that never fall"));
        }
        times.push(time);
    }
    Ok(Points::Arrivals(times))
}
