//! Every metric that a report shows, in words: what it is called, and what it is.

use std::sync::LazyLock;

use serde::Deserialize;

/// A metric in words.
#[derive(Deserialize)]
struct Words {
    /// The name of its column, without its class.
    name: String,
    /// What it is called where there is room, without unit and class.
    title: String,
    /// What it is, in one sentence without an end.
    about: String,
}

static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    let mut rows = csv::Reader::from_reader(include_str!("metric_words.csv").as_bytes());
    let rows = rows.deserialize().collect::<Result<_, _>>();
    rows.expect("the table is part of the program")
});

/// The name of the column of a metric, without what it is over: its class and its window.
fn base(name: &str) -> &str {
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    let windowed = ["jain_window", "floor_least"].into_iter();
    let mut windowed = windowed.filter(|windowed| base.starts_with(windowed));
    // A window's length may have a point: `jain_window_0.1s`.
    windowed.next().unwrap_or(base)
}

fn find(name: &str) -> Option<&'static Words> {
    let base = base(name);
    ALL.iter().find(|words| words.name == base)
}

/// What the metric `name` is called where there is room, without unit and class.
#[must_use]
pub(super) fn title(name: &str) -> String {
    match (find(name), super::window_s(name)) {
        (Some(words), Some(length)) => format!("{} in windows of {length} s", words.title),
        (Some(words), None) => words.title.clone(),
        (None, _) => base(name).replace('_', " "),
    }
}

/// What the metric `name` is called and what it is, without unit and class; `None` if no report
/// shows it by choice.
#[must_use]
pub fn explained(name: &str) -> Option<(&'static str, &'static str)> {
    find(name).map(|words| (&*words.title, &*words.about))
}
