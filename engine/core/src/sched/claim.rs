//! The bounds that disciplines claim, in bytes per unit weight, rounded up.
//!
//! Decides nothing about order: the laws and the oracles hold schedules against these.

use crate::sched::Setting;
use crate::units::{ByteCount, Weight};

/// `Li/wi + Lj/wj`: start-time fair queueing, whatever the rate of the link does.
pub(super) fn start_time(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    blocks(setting, one, other)
}

/// `Q + Li/wi + Lj/wj`: deficit round robin with quantum Q per unit weight. The quantum that
/// it chooses is the largest block per mean weight, and no mean is less than the least.
pub(super) fn deficit(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    let quantum = setting.params.quantum.map_or_else(
        || {
            let lightest = setting.flows.iter().map(|&(weight, _)| weight).min();
            per_weight(
                setting.params.largest,
                hundredths(lightest.unwrap_or_default()),
            )
        },
        |quantum| quantum.get().max(1),
    );
    quantum.saturating_add(blocks(setting, one, other))
}

/// `2 (Li/wi + Lj/wj) + Si + Sj`, where Si is the most that the virtual time moves while one
/// block of another flow is served: `Lk / (wk + wi)` at most, since both count by then. Each of
/// the two stays within a block of its own of the virtual time on either side, and falls
/// behind by Si more at most.
pub(super) fn worst_case_fair(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    blocks(setting, one, other)
        .saturating_mul(2)
        .saturating_add(step(setting, one))
        .saturating_add(step(setting, other))
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

/// One block of each of the two flows, per unit weight.
fn blocks(setting: &Setting<'_>, one: usize, other: usize) -> u64 {
    let (weight_one, len_one) = setting.flows[one];
    let (weight_other, len_other) = setting.flows[other];
    per_weight(len_one, hundredths(weight_one))
        .saturating_add(per_weight(len_other, hundredths(weight_other)))
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
