//! The bounds that disciplines claim: on unfairness in bytes per unit weight, on delay in bytes
//! that the link sends meanwhile. Both are rounded up.
//!
//! The laws and the oracles hold schedules against these. Where a bound is not its paper's,
//! `docs/decisions/0014-bounds-that-hold.md` proves it, or has the counterexample.

use crate::sched::Setting;
use crate::units::{ByteCount, Weight};

/// `Li/wi + Lj/wj`: start-time fair queueing, whatever the rate of the link does.
pub(super) fn start_time(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    let (weight_one, len_one) = setting.flows[one];
    let (weight_other, len_other) = setting.flows[other];
    per_weight(len_one, hundredths(weight_one))
        .saturating_add(per_weight(len_other, hundredths(weight_other)))
}

/// `sum of Lj over the other flows + l`: start-time fair queueing.
pub(super) fn start_time_delay(setting: &Setting<'_>, flow: usize, len: ByteCount) -> u64 {
    others(setting, flow).saturating_add(len.get())
}

/// `Q + Li/wi + Lj/wj`: deficit round robin with quantum Q per unit weight.
pub(super) fn deficit(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    quantum(setting).saturating_add(start_time(setting, one, other))
}

/// `2 Q + Li/wi + Lj/wj`: a new flow may have its first turn in the midst of an old one's, and
/// its second before the old one's next.
pub(super) fn sparse_deficit(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    quantum(setting).saturating_add(deficit(setting, one, other))
}

/// `l W/wi + R + sum of Lj over the other flows`, where R is what the others may be given in the
/// turn that each of them is ahead by.
pub(super) fn deficit_delay(setting: &Setting<'_>, flow: usize, len: ByteCount) -> u64 {
    at_reserved_rate(setting, flow, len)
        .saturating_add(turns_ahead(setting, flow, 1))
        .saturating_add(others(setting, flow))
}

/// The same with two turns.
pub(super) fn sparse_deficit_delay(setting: &Setting<'_>, flow: usize, len: ByteCount) -> u64 {
    at_reserved_rate(setting, flow, len)
        .saturating_add(turns_ahead(setting, flow, 2))
        .saturating_add(others(setting, flow))
}

/// `2 (Li/wi + Lj/wj) + Si + Sj`, where Si is the most that the virtual time moves while one
/// block of another flow is served: `Lk / (wk + wi)` at most, since both count by then. Each of
/// the two stays within a block of its own of the virtual time on either side, and falls
/// behind by Si more at most.
pub(super) fn worst_case_fair(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    start_time(setting, one, other)
        .saturating_mul(2)
        .saturating_add(step(setting, one))
        .saturating_add(step(setting, other))
}

/// `l W/wi + L`, with L the largest block of any flow.
pub(super) fn worst_case_fair_delay(setting: &Setting<'_>, flow: usize, len: ByteCount) -> u64 {
    let largest = setting.flows.iter().map(|&(_, len)| len.get()).max();
    at_reserved_rate(setting, flow, len).saturating_add(largest.unwrap_or(0))
}

/// The quantum per unit weight. What deficit round robin chooses is the largest block per mean
/// weight, and no mean is less than the least.
fn quantum(setting: &Setting<'_>) -> u64 {
    setting.params.quantum.map_or_else(
        || {
            let lightest = setting.flows.iter().map(|&(weight, _)| weight).min();
            per_weight(
                setting.params.largest,
                hundredths(lightest.unwrap_or_default()),
            )
        },
        |quantum| quantum.get().max(1),
    )
}

/// The credit of `turns` turns of every flow but `flow`. The turns of different flows may be of
/// different rounds, two rounds for one turn each; a round of the chosen quantum gives all of
/// them together one largest block each, and a millionth of a byte per hundredth of weight for
/// rounding.
fn turns_ahead(setting: &Setting<'_>, flow: usize, turns: u64) -> u64 {
    let all = weights(setting);
    let rest = u128::from(all - hundredths(setting.flows[flow].0));
    let of_rest = |quantum: u64| u64::try_from(u128::from(quantum) * rest / 100 + 1);
    let fixed = of_rest(quantum(setting)).unwrap_or(u64::MAX);
    let fixed = fixed.saturating_mul(turns);
    if setting.params.quantum.is_some() {
        return fixed;
    }
    let round = setting.params.largest.get().max(1) * setting.flows.len() as u64;
    let rounding = all.div_ceil(1_000_000);
    let chosen = round.saturating_add(rounding).saturating_mul(turns + 1);
    fixed.min(chosen)
}

/// What the link sends while `flow` is served `len` bytes at the rate that is reserved for it.
fn at_reserved_rate(setting: &Setting<'_>, flow: usize, len: ByteCount) -> u64 {
    let own = u128::from(hundredths(setting.flows[flow].0));
    let bytes = (u128::from(len.get()) * u128::from(weights(setting))).div_ceil(own);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The most that the virtual time moves while a block of a flow other than `flow` is served.
fn step(setting: &Setting<'_>, flow: usize) -> u64 {
    let own = hundredths(setting.flows[flow].0);
    let others = setting
        .flows
        .iter()
        .enumerate()
        .filter(|&(at, _)| at != flow);
    let steps = others.map(|(_, &(weight, len))| per_weight(len, own + hundredths(weight)));
    steps.max().unwrap_or(0)
}

/// One largest block of every flow but `flow`.
fn others(setting: &Setting<'_>, flow: usize) -> u64 {
    let all = setting.flows.iter().map(|&(_, len)| len.get());
    let all = all.fold(0, u64::saturating_add);
    all - setting.flows[flow].1.get()
}

/// The sum of all weights, in hundredths.
fn weights(setting: &Setting<'_>) -> u64 {
    let all = setting.flows.iter();
    all.map(|&(weight, _)| hundredths(weight)).sum()
}

fn hundredths(weight: Weight) -> u64 {
    u64::from(weight.hundredths())
}

/// Bytes per unit weight, rounded up.
fn per_weight(len: ByteCount, hundredths: u64) -> u64 {
    let one = u128::from(Weight::ONE.hundredths());
    let share = (u128::from(len.get()) * one).div_ceil(u128::from(hundredths.max(1)));
    u64::try_from(share).unwrap_or(u64::MAX)
}
