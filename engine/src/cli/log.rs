//! The log of a running node, on standard error.
//!
//! An event is one line, and the rate of lines is bounded so that no peer can fill a disk (limit
//! L11): ten a second for each peer, two hundred in all; the log counts what it leaves out. Texts
//! of others are escaped and cut.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use fairhaul::clock::{Clock, unix_ms};
use fairhaul::printable::{NAME_MAX, Printable};
use fairhaul_core::event_limit::EventLimit;
use fairhaul_core::time::Time;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The environment variable that says what is logged, such as `info` or `fairhaul=debug`.
const FILTER: &str = "FAIRHAUL_LOG";
/// Lines of one peer in a second.
const OF_PEER: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Lines in a second.
const OF_ALL: NonZeroU32 = NonZeroU32::new(200).expect("not zero");
/// Peers whose lines are counted; beyond them all counts begin anew.
const PEERS_MAX: usize = 1_024;
/// Longest message of ours, in letters.
const MESSAGE_MAX: usize = 1_024;
/// The field by which the lines of a peer are counted.
const PEER: &str = "peer";

/// Logs from here on, what `FAIRHAUL_LOG` says or else what is of interest to who runs a node.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let clock = Clock::new();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Lines::new(Box::new(move || clock.now())));
    // A log that somebody else has set up is as good.
    let _ = log.try_init();
}

/// Events as lines.
struct Lines {
    now: Box<dyn Fn() -> Time + Send + Sync>,
    counts: Mutex<Counts>,
}

struct Counts {
    all: EventLimit,
    peers: BTreeMap<String, EventLimit>,
    left_out: u64,
}

/// What an event says, escaped.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
    peer: Option<String>,
}

impl Lines {
    fn new(now: Box<dyn Fn() -> Time + Send + Sync>) -> Self {
        let counts = Counts {
            all: EventLimit::new(OF_ALL, OF_ALL),
            peers: BTreeMap::new(),
            left_out: 0,
        };
        Self {
            now,
            counts: Mutex::new(counts),
        }
    }

    /// Whether a line of `peer` may be written now, and then how many were left out before.
    fn admit(&self, peer: Option<String>) -> Option<u64> {
        let now = (self.now)();
        // A count that a panic has left half done is still a count.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        let of_peer = peer.is_none_or(|peer| {
            if counts.peers.len() >= PEERS_MAX && !counts.peers.contains_key(&peer) {
                counts.peers.clear();
            }
            let limit = counts.peers.entry(peer);
            let limit = limit.or_insert_with(|| EventLimit::new(OF_PEER, OF_PEER));
            limit.check(now).is_ok()
        });
        if of_peer && counts.all.check(now).is_ok() {
            return Some(std::mem::take(&mut counts.left_out));
        }
        counts.left_out += 1;
        None
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let Some(left_out) = self.admit(said.peer.take()) else {
            return Ok(());
        };
        let millis = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
        let when = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        if left_out > 0 {
            writeln!(out, "{when:.3}  WARN {left_out} lines left out")?;
        }
        let level = event.metadata().level();
        writeln!(out, "{when:.3} {level:>5} {}{}", said.message, said.fields)
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = Printable(value, MESSAGE_MAX).to_string(),
            name => {
                let shown = Printable(value, NAME_MAX);
                self.fields.push_str(&format!(" {name}={shown}"));
                if name == PEER {
                    self.peer = Some(value.chars().take(NAME_MAX).collect());
                }
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use fairhaul_core::time::Span;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is logged by `events`, which are given the clock in seconds; times cut off.
    fn logged(events: impl FnOnce(&AtomicU64)) -> Vec<String> {
        let page = Page::default();
        let clock = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&clock);
        let now = move || Time::ZERO + Span::from_secs(seconds.load(Ordering::Relaxed));
        let log = tracing_subscriber::fmt()
            .with_writer(page.clone())
            .event_format(Lines::new(Box::new(now)))
            .finish();
        tracing::subscriber::with_default(log, || events(&clock));
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let cut = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        text.lines().map(cut).collect()
    }

    /// Register: O2.
    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let lines = logged(|_| {
            let name = "a\nERROR forged\u{1b}[2J";
            tracing::info!(peer = name, reason = ?name, "said {name}");
            tracing::warn!(path = %"x".repeat(300), number = 7, "long");
        });
        let shown = "a\\u{a}ERROR forged\\u{1b}[2J";
        let first =
            format!(" INFO said {shown} peer={shown} reason=\"a\\nERROR forged\\u{{1b}}[2J\"");
        let second = format!(" WARN long path={}... number=7", "x".repeat(256));
        assert_eq!(lines, [first, second]);
    }

    /// Register: O2 (limit L11).
    #[test]
    fn a_peer_has_ten_lines_in_a_second_and_what_is_left_out_is_counted() {
        let lines = logged(|clock| {
            for _ in 0..50 {
                tracing::info!(peer = "loud", "again");
            }
            tracing::info!(peer = "quiet", "once");
            clock.store(1, Ordering::Relaxed);
            tracing::info!(peer = "loud", "later");
        });
        let of = |peer: &str| lines.iter().filter(|line| line.contains(peer)).count();
        assert_eq!((of("again"), of("quiet"), of("later")), (10, 1, 1));
        assert_eq!(lines[10], " WARN 40 lines left out");
        assert_eq!(lines.len(), 13);
    }

    /// Register: O2 (limit L11).
    #[test]
    fn all_together_have_two_hundred_lines_in_a_second() {
        let lines = logged(|clock| {
            for peer in 0..3_000 {
                tracing::info!(peer = format!("p{peer}"), "hello");
            }
            clock.store(1, Ordering::Relaxed);
            tracing::error!("ours");
        });
        assert_eq!(lines.len(), 202);
        assert_eq!(lines[200], " WARN 2800 lines left out");
    }
}
