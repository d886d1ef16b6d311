//! `[limits]`: what a node may send and receive, always and at times of the week.

use fairhaul_core::units::Rate;
use jiff::civil::Weekday;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HOUR, MILLISECOND};
use crate::amount::{RateLimit, TimeBetween, UploadLimit};
use crate::calendar::{Days, TimeOfDay};
use crate::number::Bounded;

/// How long a limit may be saved up.
pub type BurstTime = TimeBetween<MILLISECOND, HOUR>;

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitParams {
    /// What it sends at most; "auto" finds what the uplink carries and stays just below, so
    /// that what waits waits here, where it is ordered.
    pub upload: UploadLimit,
    /// What it receives at most.
    pub download: RateLimit,
    /// How long a limit may be saved up; sets how far ahead of it a moment can be. Without one,
    /// 15 ms, and for all but the node's own limits a turn more while they wait for one.
    #[schemars(example = &"15 ms")]
    pub burst: Option<BurstTime>,
    /// Other limits at times of the week; the first entry that fits holds. Times are local, and
    /// an entry may run past midnight.
    #[schemars(extend("allowed" = SCHEDULE))]
    pub schedule: Vec<ScheduleEntry>,
    /// Peers connected at once.
    pub connections: Bounded<1, 4_096>,
}

const SCHEDULE: &str = "a list of tables such as { days = \"mon-fri\", from = \"08:00\", to = \
                        \"18:00\", upload = \"20 Mbit/s\" }";

/// An entry of the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleEntry {
    /// The days on which it begins.
    #[serde(default = "Days::all")]
    pub days: Days,
    /// When it begins.
    #[schemars(example = &"08:00")]
    pub from: TimeOfDay,
    /// When it ends. If that is before `from`, it is on the next day.
    #[schemars(example = &"18:00")]
    pub to: TimeOfDay,
    /// What the node sends at most then; without one, what it always may.
    #[schemars(example = &"20 Mbit/s")]
    pub upload: Option<RateLimit>,
    /// What it receives at most then; without one, what it always may.
    #[schemars(example = &"20 Mbit/s")]
    pub download: Option<RateLimit>,
}

impl Default for LimitParams {
    fn default() -> Self {
        Self {
            upload: UploadLimit::Unlimited,
            download: RateLimit::Unlimited,
            burst: None,
            schedule: Vec::new(),
            connections: Bounded::new(256),
        }
    }
}

impl LimitParams {
    /// What the node may send and receive at most, in that order, at `minute` (0 to 1,439) of
    /// `weekday`, both in local time. The first entry of the schedule that fits holds; what it
    /// does not say, and every other minute, is as outside of the schedule.
    ///
    /// It hangs on the calendar alone, so it is as right in the second week as on the first
    /// day, and nothing has to be kept from one minute to the next.
    #[must_use]
    pub fn at(&self, weekday: Weekday, minute: u32) -> (Option<Rate>, Option<Rate>) {
        let today = usize::from(weekday.to_monday_zero_offset().unsigned_abs());
        let mut entries = self.schedule.iter();
        let holds = entries.find(|entry| entry.holds(today, minute));
        let upload = holds.and_then(|entry| entry.upload);
        let download = holds.and_then(|entry| entry.download);
        (
            upload.map_or_else(|| self.upload.rate(), RateLimit::get),
            download.unwrap_or(self.download).get(),
        )
    }
}

impl ScheduleEntry {
    /// Whether it holds at `minute` of the day `today`, 0 for Monday.
    fn holds(&self, today: usize, minute: u32) -> bool {
        let (from, to) = (self.from.minutes(), self.to.minutes());
        let yesterday = (today + 6) % 7;
        if from < to {
            return self.days.has(today) && (from..to).contains(&minute);
        }
        let begun = self.days.has(today) && minute >= from;
        begun || (self.days.has(yesterday) && minute < to)
    }
}
