//! Amounts that are drawn: one that is written, or a table with the name of a distribution.

use std::fmt;
use std::marker::PhantomData;

use fairhaul_config::BadFile;
use fairhaul_config::amount::{Amount, Exact, RateLimit};
use fairhaul_config::document::Place;
use fairhaul_config::fault::BadValue;
use fairhaul_config::text::{CsvPath, Name};
use fairhaul_config::value::{Given, Value, some, tagged};
use fairhaul_config::{real, value};
use fairhaul_core::quantity::Quantity;
use fairhaul_core::time::Span;
use fairhaul_core::units::Rate;
use fairhaul_simulator::distribution::{Distribution, Shape};
use serde::de::{DeserializeSeed, Error, MapAccess};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::names::unknown;
use crate::datasets::Inputs;
use crate::datasets::points::{Kind as PointsKind, Points};

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

real! {
    /// Shape of a Weibull distribution, or tail index of a Pareto.
    Exponent, 0.05, 100.0
}

real! {
    /// Mean of a logarithm.
    Mu, -100.0, 100.0
}

real! {
    /// Standard deviation of a logarithm.
    Sigma, 0.0, 10.0
}

real! {
    /// A probability.
    Probability, 0.0, 1.0
}

/// An amount, or what it is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Drawn<T> {
    /// Always this.
    Fixed(T),
    /// From a distribution that the file describes.
    From(Distribution),
    /// From the quantiles in a data file.
    Table(CsvPath),
    /// From the fit of this name in a data file.
    Fit(Fit),
}

/// A fit in a data file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fit {
    name: Name,
    from: CsvPath,
}

/// The most of a rate, written or drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum DrawnLimit {
    /// No limit.
    #[default]
    Unlimited,
    /// At most what is drawn.
    Drawn(Drawn<Rate>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weibull<T> {
    k: Exponent,
    lambda: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogNormal<T> {
    mu: Mu,
    sigma: Sigma,
    unit: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundedPareto<T> {
    alpha: Exponent,
    low: T,
    high: T,
}

impl Default for Drawn<Span> {
    fn default() -> Self {
        Self::Fixed(Span::ZERO)
    }
}

impl<T: Amount> Drawn<T> {
    /// The distribution, whose place is `at`; a data file is opened.
    pub(crate) fn distribution(
        &self,
        at: &Place<'_>,
        inputs: &Inputs,
    ) -> Result<Distribution, BadFile> {
        match self {
            Self::Fixed(amount) => {
                let fixed = Shape::Fixed(float(amount.count()));
                Ok(Distribution::new(fixed, 1.0).expect("an amount is finite"))
            }
            Self::From(distribution) => Ok(distribution.clone()),
            Self::Table(path) => {
                let kind = match T::QUANTITY {
                    Quantity::Size => PointsKind::Sizes,
                    Quantity::Rate => PointsKind::Rates,
                    Quantity::Time => PointsKind::Spans,
                };
                match &*at.key("table").opened(inputs.points(path, kind))? {
                    Points::Quantiles(distribution) => Ok(distribution.clone()),
                    _ => unreachable!("the kind says what was read"),
                }
            }
            Self::Fit(fit) => fit.find(&at.key("fit"), inputs),
        }
    }
}

impl DrawnLimit {
    /// The distribution; `None` is unlimited.
    pub(crate) fn distribution(
        &self,
        at: &Place<'_>,
        inputs: &Inputs,
    ) -> Result<Option<Distribution>, BadFile> {
        match self {
            Self::Unlimited => Ok(None),
            Self::Drawn(drawn) => drawn.distribution(at, inputs).map(Some),
        }
    }
}

impl Fit {
    fn find(&self, at: &Place<'_>, inputs: &Inputs) -> Result<Distribution, BadFile> {
        let points = inputs.points(&self.from, PointsKind::Fits);
        let Points::Fits(fits) = &*at.key("from").opened(points)? else {
            unreachable!("the kind says what was read");
        };
        let mut found = fits.iter().filter(|(name, _)| *name == *self.name);
        let found = found.next().map(|(_, distribution)| distribution.clone());
        found.ok_or_else(|| {
            let names = fits.iter().map(|(name, _)| name.as_str());
            at.key("name").refuse(unknown("fit", &self.name, names))
        })
    }
}

impl<T: Amount> Value for Drawn<T> {
    fn allowed() -> String {
        or_drawn(T::QUANTITY.allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        Exact::read(given)
            .map(|Exact(amount)| Self::Fixed(amount))
            .map_err(|fault| {
                let allowed = fault.allowed.clone().unwrap_or_else(Exact::<T>::allowed);
                fault.allowing(allowed)
            })
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        tagged(table, TAGS, |family| Family(family, PhantomData))
    }

    fn schema() -> serde_json::Value {
        let amount = T::QUANTITY.allowed();
        json!({
            "type": ["string", "object"],
            "properties": {
                "uniform": { "allowed": format!("[LOW, HIGH], each {amount}") },
                "exponential": { "allowed": format!("the mean, {amount}") },
                "weibull": { "allowed": "{ k = NUMBER, lambda = AMOUNT }" },
                "log-normal": { "allowed": "{ mu = NUMBER, sigma = NUMBER, unit = AMOUNT }" },
                "bounded-pareto": { "allowed": "{ alpha = NUMBER, low = AMOUNT, high = AMOUNT }" },
                "quantiles": { "allowed": "a list of [PROBABILITY, AMOUNT]" },
                "one-of": { "allowed": "a list of amounts" },
                "table": { "allowed": CsvPath::allowed() },
                "fit": { "allowed": "{ name = NAME, from = FILE }, of times" },
            },
        })
    }
}

impl Value for DrawnLimit {
    fn allowed() -> String {
        or_drawn(&RateLimit::allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let limit = RateLimit::read(given).map_err(|fault| {
            let allowed = fault.allowed.clone().unwrap_or_else(RateLimit::allowed);
            fault.allowing(allowed)
        });
        Ok(limit?
            .get()
            .map_or(Self::Unlimited, |rate| Self::Drawn(Drawn::Fixed(rate))))
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        Drawn::of_table(table).map(Self::Drawn)
    }

    fn schema() -> serde_json::Value {
        Drawn::<Rate>::schema()
    }
}

value!([T: Amount] Drawn<T>);
value!([] DrawnLimit);

fn or_drawn(amount: &str) -> String {
    format!("{amount}, or a table with one of {}", TAGS.join(", "))
}

impl<T: Amount> fmt::Display for Drawn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(amount) => Exact(*amount).fmt(f),
            Self::From(_) => f.write_str("drawn"),
            Self::Table(path) | Self::Fit(Fit { from: path, .. }) => write!(f, "from {path}"),
        }
    }
}

impl fmt::Display for DrawnLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => RateLimit::Unlimited.fmt(f),
            Self::Drawn(drawn) => drawn.fmt(f),
        }
    }
}

/// The parameters of a family of distributions, by its name.
struct Family<T>(&'static str, PhantomData<T>);

impl<'de, T: Amount> DeserializeSeed<'de> for Family<T> {
    type Value = Drawn<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Drawn<T>, D::Error> {
        let mut unit = 1.0;
        let shape = match self.0 {
            "uniform" => {
                let [low, high] = <[Exact<T>; 2]>::deserialize(from)?.map(size);
                Shape::Uniform { low, high }
            }
            "exponential" => {
                let mean = size(Exact::<T>::deserialize(from)?);
                Shape::Exponential { mean }
            }
            "weibull" => {
                let Weibull { k, lambda } = Weibull::<Exact<T>>::deserialize(from)?;
                let lambda = size(lambda);
                Shape::Weibull { k: k.0, lambda }
            }
            "log-normal" => {
                let read = LogNormal::<Exact<T>>::deserialize(from)?;
                unit = size(read.unit);
                let (mu, sigma) = (read.mu.0, read.sigma.0);
                Shape::LogNormal { mu, sigma }
            }
            "bounded-pareto" => {
                let read = BoundedPareto::<Exact<T>>::deserialize(from)?;
                let (alpha, low, high) = (read.alpha.0, size(read.low), size(read.high));
                Shape::BoundedPareto { alpha, low, high }
            }
            "quantiles" => {
                let points = some::<(Probability, Exact<T>), D>(from)?.into_iter();
                Shape::Quantiles(points.map(|(p, amount)| (p.0, size(amount))).collect())
            }
            "one-of" => {
                let amounts = some::<Exact<T>, D>(from)?.into_iter();
                Shape::Empirical(amounts.map(size).collect())
            }
            "table" => return CsvPath::deserialize(from).map(Drawn::Table),
            _ if T::QUANTITY != Quantity::Time => {
                let fault = BadValue::new("is a fit of times");
                return Err(D::Error::custom(fault.allowing("another distribution")));
            }
            _ => return Fit::deserialize(from).map(Drawn::Fit),
        };
        let distribution = Distribution::new(shape, unit);
        distribution.map(Drawn::From).map_err(|allowed| {
            D::Error::custom(BadValue::new("is not a distribution").allowing(allowed))
        })
    }
}

fn size<T: Amount>(Exact(amount): Exact<T>) -> f64 {
    float(amount.count())
}

/// An amount as a float, to draw around.
#[allow(
    clippy::cast_precision_loss,
    reason = "a draw is not more exact than an f64"
)]
pub(crate) fn float(amount: u64) -> f64 {
    amount as f64
}
