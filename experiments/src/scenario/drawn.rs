//! Values that are drawn: distributions, mixes of links, arrivals.
//!
//! Decides what each table of a distribution means; refuses parameters without a meaning.

use std::sync::Arc;

use fairhaul_config::BadFile;
use fairhaul_simulator::dist::{Distribution, Shape};

use super::quantity::{self, Quantity};
use super::reader::At;
use super::tree::Value;
use crate::inputs::access::Link;
use crate::inputs::points::{Kind as PointsKind, Points};

/// Depth of a bucket, as it may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burst {
    /// Bytes.
    Size(u64),
    /// Nanoseconds at the rate of the bucket.
    Span(u64),
}

/// Reads a depth: a size, or a time.
pub(crate) fn burst(at: &At<'_>) -> Result<Burst, BadFile> {
    const ALLOWED: &str = "a size such as \"64 KiB\" or a time such as \"250 ms\"";
    let text = at.text(ALLOWED)?;
    let size = Quantity::Size.parse(text).map(Burst::Size);
    let span = || Quantity::Time.parse(text).map(Burst::Span);
    match size.or_else(|_| span()) {
        Ok(Burst::Span(0)) => Err(at.bad("is out of range", ALLOWED)),
        Ok(burst) => Ok(burst),
        Err(error) => {
            let what = quantity::fault(text, &error).what;
            Err(at.bad(what.replace("time", "size or time"), ALLOWED))
        }
    }
}

const TAGS: &[&str] = &[
    "uniform",
    "exponential",
    "weibull",
    "log-normal",
    "bounded-pareto",
    "quantiles",
    "one-of",
    "table",
    "fit",
];

/// Reads a distribution of `quantity`: an amount, or a table with the name of a family.
pub(crate) fn drawn(at: &At<'_>, quantity: Quantity) -> Result<Distribution, BadFile> {
    if !matches!(at.value, Value::Table(_)) {
        return build(at, Shape::Fixed(float(at.amount(quantity)?)), 1.0);
    }
    let (tag, value) = at.tagged(TAGS)?;
    match tag {
        "uniform" => {
            let [low, high] = value.pair("the two ends")?;
            let (low, high) = (amount(&low, quantity)?, amount(&high, quantity)?);
            build(&value, Shape::Uniform { low, high }, 1.0)
        }
        "exponential" => {
            let mean = amount(&value, quantity)?;
            build(&value, Shape::Exponential { mean }, 1.0)
        }
        "weibull" => {
            let row = value.row("k and lambda")?;
            row.only(&["k", "lambda"])?;
            let k = row.need("k")?.real(0.05, 100.0)?;
            let lambda = amount(&row.need("lambda")?, quantity)?;
            build(&value, Shape::Weibull { k, lambda }, 1.0)
        }
        "log-normal" => {
            let row = value.row("mu, sigma and unit")?;
            row.only(&["mu", "sigma", "unit"])?;
            let mu = row.need("mu")?.real(-100.0, 100.0)?;
            let sigma = row.need("sigma")?.real(0.0, 10.0)?;
            let unit = amount(&row.need("unit")?, quantity)?;
            build(&value, Shape::LogNormal { mu, sigma }, unit)
        }
        "bounded-pareto" => {
            let row = value.row("alpha, low and high")?;
            row.only(&["alpha", "low", "high"])?;
            let alpha = row.need("alpha")?.real(0.05, 100.0)?;
            let low = amount(&row.need("low")?, quantity)?;
            let high = amount(&row.need("high")?, quantity)?;
            build(&value, Shape::BoundedPareto { alpha, low, high }, 1.0)
        }
        "quantiles" => quantiles(&value, quantity),
        "one-of" => {
            let list = value.list("a list of amounts")?;
            let values: Result<Vec<f64>, _> = list.iter().map(|at| amount(at, quantity)).collect();
            build(&value, Shape::Empirical(values?), 1.0)
        }
        "table" => table(&value, quantity),
        _ => fit(&value, quantity),
    }
}

fn quantiles(at: &At<'_>, quantity: Quantity) -> Result<Distribution, BadFile> {
    const ALLOWED: &str = "a list of [probability, amount]";
    let points: Result<Vec<(f64, f64)>, BadFile> = at
        .list(ALLOWED)?
        .iter()
        .map(|point| {
            let [p, value] = point.pair(ALLOWED)?;
            Ok((p.real(0.0, 1.0)?, amount(&value, quantity)?))
        })
        .collect();
    build(at, Shape::Quantiles(points?), 1.0)
}

fn table(at: &At<'_>, quantity: Quantity) -> Result<Distribution, BadFile> {
    let kind = match quantity {
        Quantity::Size => PointsKind::Sizes,
        Quantity::Rate => PointsKind::Rates,
        Quantity::Time => PointsKind::Spans,
    };
    let path = at.text("the path of a CSV file")?;
    match &*at.opened(at.cx.inputs.points(path, kind))? {
        Points::Quantiles(distribution) => Ok(distribution.clone()),
        _ => unreachable!("the kind says what was read"),
    }
}

fn fit(at: &At<'_>, quantity: Quantity) -> Result<Distribution, BadFile> {
    if quantity != Quantity::Time {
        return Err(at.bad("is a fit of times", "another distribution"));
    }
    let row = at.row("name and from")?;
    row.only(&["name", "from"])?;
    let name = row.need("name")?;
    let wanted = name.name()?;
    let from = row.need("from")?;
    let path = from.text("the path of a CSV file")?;
    match &*from.opened(at.cx.inputs.points(path, PointsKind::Fits))? {
        Points::Fits(fits) => fits
            .iter()
            .find(|(found, _)| found == wanted)
            .map(|(_, distribution)| distribution.clone())
            .ok_or_else(|| {
                let names = fits.iter().map(|(name, _)| name.as_str());
                super::check::unknown(&name, "fit", wanted, names)
            }),
        _ => unreachable!("the kind says what was read"),
    }
}

/// A distribution of rates, or none for `unlimited`.
pub(crate) fn drawn_limit(at: &At<'_>) -> Result<Option<Distribution>, BadFile> {
    if let Value::Text(_) = at.value {
        return match at.limit()? {
            None => Ok(None),
            Some(rate) => build(at, Shape::Fixed(float(rate)), 1.0).map(Some),
        };
    }
    drawn(at, Quantity::Rate).map(Some)
}

/// A mix of access links: a file, or a list of tables.
pub(crate) fn access(at: &At<'_>) -> Result<Arc<Vec<Link>>, BadFile> {
    const ALLOWED: &str = "the path of a CSV file, or a list of {share, up, down}";
    if let Value::Text(path) = at.value {
        return at.opened(at.cx.inputs.access(path));
    }
    let mut mix = Vec::new();
    for link in at.list(ALLOWED)? {
        let row = link.row(ALLOWED)?;
        row.only(&["share", "up", "down"])?;
        mix.push(Link {
            share: row.need("share")?.real(0.0, 1e9)?,
            up: row.need("up")?.limit()?,
            down: row.need("down")?.limit()?,
        });
    }
    if mix.iter().all(|link| link.share <= 0.0) {
        return Err(at.bad("has no share above zero", "at least one share above zero"));
    }
    Ok(Arc::new(mix))
}

/// Where the peers of a class are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Regions<'a> {
    /// Every region, dealt in turn.
    All,
    /// These, dealt in turn.
    Dealt(Vec<At<'a>>),
    /// Drawn from these shares.
    Drawn(Vec<(At<'a>, &'a str, f64)>),
}

impl PartialEq for At<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.line == other.line
    }
}

/// Reads where the peers of a class are.
pub(crate) fn regions<'a>(at: &At<'a>) -> Result<Regions<'a>, BadFile> {
    match at.value {
        Value::Text(text) if text == "all" => Ok(Regions::All),
        Value::Table(table) => {
            let row = at.row("a table of shares")?;
            let mut shares = Vec::new();
            for entry in &table.entries {
                let at = row.need(&entry.key)?;
                let share = at.real(0.0, 1e9)?;
                shares.push((at, entry.key.as_str(), share));
            }
            if shares.iter().all(|(_, _, share)| *share <= 0.0) {
                return Err(at.bad("has no share above zero", "at least one share above zero"));
            }
            Ok(Regions::Drawn(shares))
        }
        _ => {
            let list = at.one_or_more("\"all\", a list of regions, or a table of shares")?;
            list.iter().try_for_each(|at| at.name().map(drop))?;
            Ok(Regions::Dealt(list))
        }
    }
}

/// When the peers of a class join.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// All at the start.
    Together,
    /// One after another, memoryless; mean gap in nanoseconds.
    Poisson(f64),
    /// Each at a time drawn evenly from this many nanoseconds.
    Within(u64),
    /// At a rate that falls as `exp(-t / tau)`; mean gap at the start and tau, nanoseconds.
    Decay(f64, f64),
    /// At these times.
    Times(Arc<Points>),
}

/// Reads when the peers of a class join.
pub(crate) fn arrival(at: &At<'_>) -> Result<Arrival, BadFile> {
    if let Value::Text(_) = at.value {
        at.choice(&["together"])?;
        return Ok(Arrival::Together);
    }
    let (tag, value) = at.tagged(&["poisson", "within", "decay", "csv"])?;
    match tag {
        "poisson" => value.mean_gap().map(Arrival::Poisson),
        "within" => value.amount(Quantity::Time).map(Arrival::Within),
        "decay" => {
            let row = value.row("initial and tau")?;
            row.only(&["initial", "tau"])?;
            let gap = row.need("initial")?.mean_gap()?;
            let tau = row.need("tau")?;
            match tau.amount(Quantity::Time)? {
                0 => Err(tau.bad("is out of range", "a time above zero")),
                nanos => Ok(Arrival::Decay(gap, float(nanos))),
            }
        }
        _ => {
            let path = value.text("the path of a CSV file")?;
            let times = at.cx.inputs.points(path, PointsKind::Arrivals);
            value.opened(times).map(Arrival::Times)
        }
    }
}

/// Arrivals of a workload: the mean gap in nanoseconds.
pub(crate) fn poisson(at: &At<'_>) -> Result<f64, BadFile> {
    let (_, value) = at.tagged(&["poisson"])?;
    value.mean_gap()
}

fn amount(at: &At<'_>, quantity: Quantity) -> Result<f64, BadFile> {
    at.amount(quantity).map(float)
}

fn build(at: &At<'_>, shape: Shape, unit: f64) -> Result<Distribution, BadFile> {
    Distribution::new(shape, unit).map_err(|why| at.bad("is not a distribution", why))
}

/// An amount as a float, to draw around.
#[allow(
    clippy::cast_precision_loss,
    reason = "a draw is not more exact than an f64"
)]
pub(crate) fn float(amount: u64) -> f64 {
    amount as f64
}
