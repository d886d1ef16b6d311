//! Schedules that are known exactly: of a discipline alone, and of one behind a whole node.
//!
//! The textbook scenarios are the core's own; here they become numbers with units.

use fairhaul_core::sched::oracle::{byte_fairness, golden_order, max_delay, mclock_shares};
use fairhaul_core::sched::{self, DisciplineRow};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::setup::Setup;

use super::setups;

/// The uplink that the transfers of [`Shares`] divide; a thousandth of it is 10 kB/s.
const LINK: Rate = Rate::new(10_000_000);

/// How long they do.
const LENGTH: Span = Span::from_secs(20);

/// A block of that uplink: 1.6 ms.
const BLOCK: ByteCount = ByteCount::kib(16);

/// Transfers that never end, on one uplink, with a floor, a weight and a cap each. Floors and
/// caps are in thousandths of the uplink; zero is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shares {
    /// Name of the uplink's discipline.
    pub(super) discipline: String,
    /// Guaranteed rates.
    pub(super) floors: Vec<u32>,
    /// Weights.
    pub(super) weights: Vec<u32>,
    /// Rates that are not exceeded.
    pub(super) caps: Vec<u32>,
}

impl Shares {
    /// Who shares, from the start to the end of the measurement.
    pub(super) fn setup(&self) -> Setup {
        let count = u32::try_from(self.weights.len()).expect("a list of the file is short");
        let names = (1..=count).map(|row| (format!("peer.{row}"), None));
        let server = ("server".to_owned(), Some(LINK));
        let peers = [server].into_iter().chain(names);
        let peers = peers.map(|(name, up)| setups::peer(name, up)).collect();
        let policy = setups::policy(&self.discipline, Share::Transfer, BLOCK);
        let mut setup = setups::setup(1, 0, policy, peers);
        setup.horizon = Time::ZERO + LENGTH;
        let all = LINK.bytes_in(LENGTH);
        let thousandths =
            |part: u32| (part > 0).then(|| Rate::new(LINK.get() / 1_000 * u64::from(part)));
        for ((to, weight), (floor, cap)) in (1..)
            .zip(&self.weights)
            .zip(self.floors.iter().zip(&self.caps))
        {
            let mut transfer = setups::transfer(format!("transfer.{to}"), to, all, Time::ZERO);
            transfer.chunk = ByteCount::kib(256);
            transfer.weight = Weight::whole(*weight);
            transfer.floor = thousandths(*floor);
            transfer.cap = thousandths(*cap);
            setup.transfers.push(transfer);
        }
        setup
    }
}

/// What each transfer of [`Shares`] gets, in thousandths of the uplink.
pub(super) fn shares(setup: &Setup) -> Result<Vec<f64>, String> {
    let record = setups::run(setup)?;
    let all = LINK.bytes_in(LENGTH);
    let part = |bytes: ByteCount| bytes.get() as f64 * 1_000.0 / all.get() as f64;
    let received = record.transfers.iter().map(|found| found.received);
    Ok(received.map(part).collect())
}

/// The flows in the order in which the discipline serves the example of Bennett and Zhang.
pub(super) fn order(row: &DisciplineRow) -> Vec<f64> {
    golden_order(row).into_iter().map(f64::from).collect()
}

/// How far two flows get apart at most, in bytes per unit weight.
pub(super) fn spread(row: &DisciplineRow, quantum: Option<u64>) -> Vec<f64> {
    let fairness = byte_fairness(row, quantum.map(ByteCount::new));
    vec![fairness.worst as f64]
}

/// The most of its bound on that which a discipline uses, 0 to 1 if it keeps the bound.
pub(super) fn spread_of_bound(row: &DisciplineRow, quantum: Option<u64>) -> Vec<f64> {
    let fairness = byte_fairness(row, quantum.map(ByteCount::new));
    vec![fairness.permille_of_bound as f64 / 1_000.0]
}

/// The longest that a block of a flow within its share takes, in milliseconds.
pub(super) fn delay(row: &DisciplineRow, weight: u32) -> Vec<f64> {
    vec![max_delay(row, weight).max.as_secs_f64() * 1_000.0]
}

/// What three flows get of an mClock server, in thousandths.
pub(super) fn clamp(row: &DisciplineRow) -> Vec<f64> {
    mclock_shares(row).map(|part| part as f64).to_vec()
}

/// The discipline of that name.
pub(super) fn row(discipline: &str) -> &'static DisciplineRow {
    sched::DISCIPLINES
        .find(discipline)
        .expect("the name was checked when it was read")
}
