//! Indices and prices of fairness at points where they are known.

use fairhaul_core::choke;
use fairhaul_simulator::distribution::to_integer;
use fairhaul_simulator::metrics as indices;

/// The names that a file may give.
pub(super) const NAMES: [&str; 12] = [
    "jain",
    "gini",
    "atkinson-0.5",
    "atkinson-1",
    "atkinson-2",
    "min-over-max",
    "entropy",
    "coefficient-of-variation",
    "price-of-max-min",
    "price-of-proportional-fairness",
    "emule-ratio",
    "bitswap-probability",
];

/// By how much waiting counts of a peer that gave and took so many MiB.
fn emule_ratio(values: &[f64]) -> f64 {
    let bytes = |at: usize| to_integer(values.get(at).copied().unwrap_or(0.0) * f64::from(1 << 20));
    choke::emule_ratio(bytes(0), bytes(1)) as f64 / 1e6
}

/// How likely a peer of that debt ratio is served.
fn bitswap_probability(ratio: f64) -> f64 {
    // The rule divides by one more than was received.
    let (sent, received) = (to_integer(ratio * 1e6), 999_999);
    choke::bitswap_probability(sent, received) as f64 / (1_u64 << 32) as f64
}

/// The index of that name of `values`. A price is for that many equals as the first value
/// says.
pub(super) fn of(name: &str, values: &[f64]) -> Result<Vec<f64>, String> {
    let equals = || {
        let whole = to_integer(values[0]);
        u32::try_from(whole).map_err(|_| format!("{whole} are too many"))
    };
    let index = match name {
        "jain" => indices::jain(values),
        "gini" => indices::gini(values),
        "atkinson-0.5" => indices::atkinson(values, 0.5),
        "atkinson-1" => indices::atkinson(values, 1.0),
        "atkinson-2" => indices::atkinson(values, 2.0),
        "min-over-max" => indices::min_over_max(values),
        "entropy" => indices::entropy(values),
        "coefficient-of-variation" => indices::coefficient_of_variation(values),
        "emule-ratio" => Some(emule_ratio(values)),
        "bitswap-probability" => Some(bitswap_probability(values[0])),
        "price-of-max-min" => Some(indices::price_of_max_min(equals()?)),
        _ => Some(indices::price_of_proportional_fairness(equals()?)),
    };
    index
        .map(|index| vec![index])
        .ok_or_else(|| "has no value".to_owned())
}
