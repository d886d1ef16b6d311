//! Days of the week and times of day, as a schedule gives them.

use std::fmt;

use serde_json::json;

use crate::fault::{BadValue, did_you_mean};
use crate::value;
use crate::value::{Given, Value};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week, and how they are spelt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    days: [bool; DAYS.len()],
    text: String,
}

/// A time of day, up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(u32);

value!([] Days);
value!([] TimeOfDay);

impl Days {
    /// Every day.
    #[must_use]
    pub fn all() -> Self {
        Self {
            days: [true; DAYS.len()],
            text: "mon-sun".to_owned(),
        }
    }

    /// Whether `day`, 0 for Monday, is one of them.
    #[must_use]
    pub const fn has(&self, day: usize) -> bool {
        self.days[day]
    }
}

impl TimeOfDay {
    /// The end of a day.
    pub const END: Self = Self(24 * 60);

    /// Minutes since midnight, 0 to 1,440.
    #[must_use]
    pub(crate) const fn minutes(self) -> u32 {
        self.0
    }
}

impl Value for Days {
    fn allowed() -> String {
        "days such as \"mon-fri\" or \"mon,wed,sat-sun\": mon, tue, wed, thu, fri, sat, sun, each \
         at most once"
            .to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let days = days(text)?;
        let text = text.to_owned();
        Ok(Self { days, text })
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value for TimeOfDay {
    fn allowed() -> String {
        "a time of day from \"00:00\" to \"24:00\"".to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let minutes = minutes(given.text()?);
        let minutes = minutes.ok_or_else(|| BadValue::new("is not a time of day"))?;
        Ok(Self(minutes))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$" })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// The days, Monday first, of a list of days and ranges of days; a range may run over the end
/// of the week.
fn days(text: &str) -> Result<[bool; DAYS.len()], BadValue> {
    let mut seen = [false; DAYS.len()];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let mut ends = [0; 2];
        for (end, name) in ends.iter_mut().zip([first.trim(), last.trim()]) {
            let Some(at) = DAYS.iter().position(|day| *day == name) else {
                let what = format!("has an unknown day {name:?}");
                return Err(BadValue::new(did_you_mean(what, name, DAYS)));
            };
            *end = at;
        }
        let [mut day, last] = ends;
        loop {
            if std::mem::replace(&mut seen[day], true) {
                return Err(BadValue::new(format!("names {} twice", DAYS[day])));
            }
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Ok(seen)
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= 24 * 60).then_some(sum)
}
