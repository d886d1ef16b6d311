//! Every metric that a report shows, in words: what it is called, and what it is.

/// A metric in words.
struct Words {
    /// The name of its column, without its class.
    name: &'static str,
    /// What it is called where there is room, without unit and class.
    title: &'static str,
    /// What it is, in one sentence without an end.
    about: &'static str,
}

const fn words(name: &'static str, title: &'static str, about: &'static str) -> Words {
    Words { name, title, about }
}

const ALL: [Words; 27] = [
    words(
        "transfers_started",
        "transfers started",
        "how many transfers began before the run ended",
    ),
    words(
        "transfers_not_finished",
        "transfers not finished",
        "transfers that began and had not all their bytes when the run ended",
    ),
    words(
        "leechers_not_finished",
        "peers not finished",
        "peers that joined and left, or were stopped, before they had all they wanted",
    ),
    words(
        "completion_mean_s",
        "mean completion",
        "the time from the start of a transfer to its last byte, on average",
    ),
    words(
        "completion_p50_s",
        "median completion",
        "the time from start to last byte that half of the transfers stayed within",
    ),
    words(
        "completion_p95_s",
        "95th percentile of completion",
        "the time from start to last byte that 95 of 100 transfers stayed within",
    ),
    words(
        "completion_p99_s",
        "99th percentile of completion",
        "the time from start to last byte that 99 of 100 transfers stayed within",
    ),
    words(
        "slowdown_mean",
        "mean slowdown",
        "slowdown is the time a transfer took over the time it takes alone on the same links; \
         here on average",
    ),
    words(
        "slowdown_p50",
        "median slowdown",
        "slowdown is the time a transfer took over the time it takes alone on the same links; \
         half of the transfers stayed within this",
    ),
    words(
        "slowdown_p99",
        "99th percentile of slowdown",
        "slowdown is the time a transfer took over the time it takes alone on the same links; \
         99 of 100 transfers stayed within this",
    ),
    words(
        "share_over_entitlement_p50",
        "share / entitlement",
        "the bytes a transfer got over what weighted max-min sharing would have given it in the \
         same time, floors and caps included; 1 is fair, and this is the median",
    ),
    words(
        "share_over_entitlement_min",
        "least share / entitlement",
        "the share of the transfer that got least of what it was entitled to",
    ),
    words(
        "share_over_entitlement_max",
        "greatest share / entitlement",
        "the share of the transfer that got most over what it was entitled to",
    ),
    words(
        "rate_multiple",
        "rate / ordinary rate",
        "bytes of one of this class over those of an ordinary one while both had demand; a class \
         that pays for a weight of 3 should read 3",
    ),
    words(
        "floor_least",
        "least window of the floor",
        "the part of its guaranteed rate that the class got in the worst window in which it had \
         demand",
    ),
    words(
        "share_error_worst_pp",
        "worst share error",
        "how far the share of the worst-treated transfer is from its entitlement, in percentage \
         points",
    ),
    words(
        "jain_window",
        "Jain's index",
        "how equal shares are in windows of that length among flows that had demand all through: \
         1 if all got the same part of their entitlement, 1/n if one of n got all",
    ),
    words(
        "makespan_s",
        "last completion",
        "the time from the start to the last byte of the last peer",
    ),
    words(
        "makespan_over_bound",
        "last completion / least possible",
        "the last completion over the least time in which any policy could serve the last peer \
         (Kumar and Ross; Mundinger, Weber and Weiss for equal peers)",
    ),
    words(
        "peer_completion_mean_s",
        "mean completion",
        "the time from joining to having everything, on average over the peers",
    ),
    words(
        "peer_completion_p50_s",
        "median completion",
        "the time from joining to having everything that half of the peers stayed within",
    ),
    words(
        "peer_completion_p99_s",
        "99th percentile of completion",
        "the time from joining to having everything that 99 of 100 peers stayed within",
    ),
    words(
        "share_ratio_p5",
        "5th percentile of up / down",
        "what a peer sent while it still wanted something over what it received; one peer in \
         twenty is below this",
    ),
    words(
        "share_ratio_p50",
        "median of up / down",
        "what a peer sent while it still wanted something over what it received, at the median",
    ),
    words(
        "own_class_share",
        "bytes from the own class",
        "the part of what a peer received that came from peers of its class",
    ),
    words(
        "own_class_over_random",
        "bytes from the own class / at random",
        "the bytes a peer received from its class over those it would have from random peers",
    ),
    words(
        "uplink_utilisation",
        "uplink utilisation",
        "the part of their capacity that the uplinks sent while anybody had demand",
    ),
];

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
        (Some(words), None) => words.title.to_owned(),
        (None, _) => base(name).replace('_', " "),
    }
}

/// What the metric `name` is called and what it is, without unit and class; `None` if no report
/// shows it by choice.
#[must_use]
pub fn explained(name: &str) -> Option<(&'static str, &'static str)> {
    find(name).map(|words| (words.title, words.about))
}
