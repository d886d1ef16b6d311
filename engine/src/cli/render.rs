//! Formats the answers of a node as tables for people; names and texts of others are escaped and
//! cut.

use std::path::Path;

use fairhaul::control::api::{
    BanStatus, EventKind, EventRecord, InForce, LimitTarget, PeerStatus, Pong, Reached, Reloaded,
    Shared, TransferDirection,
};
use fairhaul::printable::{self, NAME_MAX, Printable};
use fairhaul_core::quantity::Quantity;
use serde::Serialize;

pub(super) use status::{status, watched};

mod status;

/// A table whose columns are as wide as they must be.
struct Table {
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand at the right.
    numbers: &'static [usize],
}

impl Table {
    fn new(heads: &[&str], numbers: &'static [usize]) -> Self {
        let heads = heads.iter().map(|head| head.to_string()).collect();
        Self {
            rows: vec![heads],
            numbers,
        }
    }

    fn text(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let cell = match self.numbers.contains(&column) {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                };
                line.push_str(&cell);
                line.push_str("  ");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Who is known, as text.
pub(super) fn peers(peers: &[PeerStatus]) -> String {
    if peers.is_empty() {
        return "no peers\n".to_owned();
    }
    let heads = [
        "PEER",
        "HOW",
        "ADDRESS",
        "SENDS",
        "RECEIVES",
        "ROUND TRIP",
        "WEIGHT",
        "KEY",
    ];
    let mut table = Table::new(&heads, &[3, 4, 5, 6]);
    for peer in peers {
        let how = match peer.how {
            Reached::Dialled => "dialled",
            Reached::Accepted => "accepted",
            Reached::Listed => "listed",
            Reached::Told => "told of",
        };
        let how = match (&peer.ban, &peer.trouble) {
            (Some(ban), _) => format!(
                "{how}: banned for {} more: {}",
                seconds(ban.left_s),
                name(&ban.reason)
            ),
            (None, Some(why)) => format!("{how}: {}", name(why)),
            (None, None) => how.to_owned(),
        };
        table.rows.push(vec![
            name(&peer.name),
            how,
            peer.address.as_deref().map(name).unwrap_or_default(),
            rate(peer.up_bytes_s),
            rate(peer.down_bytes_s),
            peer.rtt_us.map(millis).unwrap_or_default(),
            weight(peer.weight_hundredths),
            name(&peer.key),
        ]);
    }
    table.text()
}

/// Who is banned, as text.
pub(super) fn bans(bans: &[BanStatus]) -> String {
    if bans.is_empty() {
        return "no bans\n".to_owned();
    }
    let mut table = Table::new(&["KEY", "PEER", "SINCE", "LEFT", "FOR"], &[3]);
    for ban in bans {
        table.rows.push(vec![
            name(&ban.key),
            ban.peer.as_deref().map(name).unwrap_or_default(),
            format!("{:.0}", moment(ban.since_unix_ms)),
            seconds(ban.left_s),
            name(&ban.reason),
        ]);
    }
    table.text()
}

fn moment(unix_ms: u64) -> jiff::Timestamp {
    let millis = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}

/// Round-trip times, one on a line.
pub(super) fn pong(pong: &Pong) -> String {
    let lines = pong.rtt_us.iter().map(|rtt| format!("{}\n", millis(*rtt)));
    lines.collect()
}

/// What a reload has changed.
pub(super) fn reloaded(reloaded: &Reloaded) -> String {
    let mut out = String::new();
    for key in &reloaded.changed {
        out.push_str(&format!("{}\n", name(key)));
    }
    for key in &reloaded.at_next_start {
        out.push_str(&format!("{} (at the next start)\n", name(key)));
    }
    out
}

/// An event on one line.
pub(super) fn event(event: &EventRecord) -> String {
    let way = |direction: TransferDirection| match direction {
        TransferDirection::Up => "to peers",
        TransferDirection::Down => "from peers",
    };
    let what = match &event.what {
        EventKind::Text { peer, text } => {
            // The text is what is asked for: it is escaped and not cut.
            format!("{}: {}", name(peer), Printable(text, usize::MAX))
        }
        EventKind::Started {
            transfer,
            name: of,
            direction,
        } => {
            format!(
                "transfer {transfer} started, {}: {}",
                way(*direction),
                name(of)
            )
        }
        EventKind::Complete {
            transfer,
            name: of,
            direction,
            bytes: size,
        } => {
            let (way, size) = (way(*direction), bytes(*size));
            format!("transfer {transfer} complete, {size} {way}: {}", name(of))
        }
        EventKind::Failed {
            transfer,
            name: of,
            reason,
        } => {
            format!("transfer {transfer} failed, {}: {}", name(of), name(reason))
        }
        EventKind::Connected { peer, .. } => format!("{} connected", name(peer)),
        EventKind::Lost { peer, reason } => format!("{} lost: {}", name(peer), name(reason)),
        EventKind::Refused { from, reason } => format!("{} refused: {}", name(from), name(reason)),
        EventKind::Missed { events } => format!("{events} events missed"),
    };
    format!("{:.3} {what}\n", moment(event.unix_ms))
}

/// The ticket of a content that is shared.
pub(super) fn ticket(shared: &Shared) -> String {
    format!("{}\n", shared.ticket)
}

/// A path on one line.
pub(super) fn path(path: &Path) -> String {
    format!("{}\n", Printable(&path.to_string_lossy(), usize::MAX))
}

/// What holds for a target now.
pub(super) fn in_force(now: &InForce) -> String {
    let cap = |cap: Option<u64>| {
        cap.map_or_else(|| "unlimited".to_owned(), |cap| Quantity::Rate.text(cap))
    };
    let target = name(&now.target.to_string());
    let upload = cap(now.limit_bytes_s);
    if now.target == LimitTarget::Node {
        let download = cap(now.download_bytes_s);
        return format!("{target}: upload {upload}, download {download}\n");
    }
    let floor = match now.floor_bytes_s {
        0 => "none".to_owned(),
        floor => Quantity::Rate.text(floor),
    };
    let weight = f64::from(now.weight_hundredths) / 100.0;
    format!("{target}: weight {weight}, upload {upload}, floor {floor}\n")
}

/// Names, one on a line.
pub(super) fn names(names: &[String]) -> String {
    names
        .iter()
        .map(|peer| format!("{}\n", name(peer)))
        .collect()
}

/// One line of JSON, or many for people.
pub(super) fn json(answer: &impl Serialize, many: bool) -> String {
    let text = if many {
        serde_json::to_string_pretty(answer)
    } else {
        serde_json::to_string(answer)
    };
    printable::json(&text.expect("an answer is JSON again")) + "\n"
}

/// Bytes with two or three digits that count.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut whole, mut tenths, mut unit) = (count, 0, 0);
    while whole >= 1_000 {
        tenths = whole % 1_000 / 100;
        whole /= 1_000;
        unit += 1;
    }
    if unit == 0 || whole >= 100 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenths} {}", UNITS[unit])
    }
}

/// A time that is as exact as people want it.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn rate(rate: u64) -> String {
    format!("{}/s", bytes(rate))
}

fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

fn weight(hundredths: u32) -> String {
    match hundredths % 100 {
        0 => (hundredths / 100).to_string(),
        part => format!("{}.{part:02}", hundredths / 100),
    }
}

fn name(text: &str) -> String {
    Printable(text, NAME_MAX).to_string()
}
