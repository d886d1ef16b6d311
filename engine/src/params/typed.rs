//! The parameter file as the node reads it: every value in its own type.
//!
//! Decides what a relative path hangs on, and which entry of a timetable holds at a minute of
//! the week. Refuses nothing: what is here was checked when the file was read.

use std::path::{Path, PathBuf};

use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;
use fairhaul_core::{choke, pick, sched};
use jiff::civil::Weekday;

use super::kind::{Value, days, key_bytes, minutes};
use super::row::Row;
use super::{AddressRange, Params};

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeParams {
    /// Its name, for people and tables.
    pub name: String,
    /// Where peers reach it: host and port.
    pub listen: String,
    /// Where contents and state are kept.
    pub data: PathBuf,
    /// The file of its private key.
    pub key: PathBuf,
    /// Whether addresses are exchanged with peers.
    pub exchange: bool,
    /// Private ranges in which an address that a peer tells of may be dialled.
    pub private_addresses: Vec<AddressRange>,
    /// How long a `get` waits for chunks that no connected peer has: 1 ms to 1 h.
    pub patience: Span,
}

/// One `[[peer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerParams {
    /// Its name here; no other peer has it, nor has the node.
    pub name: String,
    /// Where to reach it, host and port; none if it has to call.
    pub address: Option<String>,
    /// Its Ed25519 public key. No other peer has it; whether it is a point of the curve shows
    /// when it is used.
    pub key: [u8; 32],
    /// Its right to a proportion; 0 in the file is [`Weight::BEST_EFFORT`].
    pub weight: Weight,
    /// What is sent to it at most; none is unlimited.
    pub upload: Option<Rate>,
    /// What is sent to it at least while it wants something; zero is nothing promised.
    pub floor: Rate,
    /// The group that it is in; one of [`Params::groups`].
    pub group: Option<String>,
    /// The folder, below the data, that it may push into; none if it may not push.
    pub accept: Option<String>,
    /// Bytes that it may push in all; none is unlimited.
    pub quota: Option<ByteCount>,
}

/// One `[group.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupParams {
    /// Its name.
    pub name: String,
    /// Its right to a proportion where shares are per group.
    pub weight: Weight,
    /// What is sent to its members together at most; none is unlimited.
    pub upload: Option<Rate>,
    /// What is sent to its members together at least while they want something.
    pub floor: Rate,
}

/// `[policy]`, as rows of the core's tables.
#[derive(Clone, Copy, Debug)]
pub struct PolicyParams {
    /// The discipline of the root of the uplink.
    pub outer: &'static sched::Row,
    /// The discipline of every other class; the outer one if the file names one only.
    pub inner: &'static sched::Row,
    /// Fair to whom.
    pub share: Share,
    /// Whom to serve while this node wants something itself.
    pub unchoke: &'static choke::Row,
    /// Whom to serve once it has everything.
    pub seed_rule: &'static choke::Row,
    /// Which chunk to ask for next.
    pub picker: &'static pick::Row,
    /// Peers served at once, optimistic ones included: 1 to 1,000.
    pub slots: u32,
    /// Time between two rounds of the choker.
    pub rechoke: Span,
    /// The largest block; none derives it from the rate.
    pub block: Option<ByteCount>,
    /// Quantum per unit weight; none derives it from the block.
    pub quantum: Option<ByteCount>,
    /// Chunks asked of one peer ahead; none adapts to rate and delay.
    pub pipeline: Option<u32>,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitParams {
    /// What the node sends at most outside of the timetable; none is unlimited.
    pub upload: Option<Rate>,
    /// Whether a cap of what it sends is found while it runs. It holds beside `upload` and
    /// what the timetable says.
    pub auto: bool,
    /// What it receives at most outside of the timetable; none is unlimited.
    pub download: Option<Rate>,
    /// How long a limit may be saved up; none for the core's own choice, 15 ms and a turn.
    pub burst: Option<Span>,
    /// Other limits at times of the week, in the order of the file.
    pub schedule: Vec<Entry>,
    /// Peers connected at once: 1 to 4,096.
    pub connections: u32,
}

/// An entry of the timetable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
    /// The minute of the day at which it begins: 0 to 1,439.
    pub from: u32,
    /// The minute of the day before which it ends: 0 to 1,440. If it is before `from`, it is
    /// a minute of the next day.
    pub to: u32,
    /// What is sent at most then: none if the entry does not say, and then what always holds
    /// does; none inside is unlimited.
    pub upload: Option<Option<Rate>>,
    /// The same for what is received.
    pub download: Option<Option<Rate>>,
}

/// `[control]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlParams {
    /// The socket of the command line.
    pub socket: PathBuf,
    /// Where HTTP is served, host and port; none if it is not.
    pub http: Option<String>,
    /// The file of the token that HTTP asks for.
    pub token: PathBuf,
}

impl Params {
    /// The node itself.
    #[must_use]
    pub fn node(&self) -> NodeParams {
        let row = self.one("node");
        let data = PathBuf::from(needed(row, "data"));
        NodeParams {
            name: needed(row, "name"),
            listen: needed(row, "listen"),
            key: below(&data, row.text("key"), "identity.key"),
            data,
            exchange: match row.get("exchange") {
                Some(Value::Flag(flag)) => *flag,
                other => unlike("exchange", other),
            },
            private_addresses: match row.get("private-addresses") {
                Some(Value::Ranges(ranges)) => ranges.clone(),
                other => unlike("private-addresses", other),
            },
            patience: match row.get("patience") {
                Some(Value::Span(span)) => *span,
                other => unlike("patience", other),
            },
        }
    }

    /// The peers, in the order of the file.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerParams> {
        let peer = |row: &Row| PeerParams {
            name: needed(row, "name"),
            address: row.text("address").map(str::to_owned),
            key: key_bytes(&needed(row, "key")).expect("a key was checked when it was read"),
            weight: weight(row),
            upload: upload(row),
            floor: floor(row),
            group: row.text("group").map(str::to_owned),
            accept: row.text("accept").map(str::to_owned),
            quota: match row.get("quota") {
                Some(Value::Size(size)) => *size,
                other => unlike("quota", other),
            },
        };
        self.rows("peer").iter().map(peer).collect()
    }

    /// The groups, in the order of the file.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupParams> {
        let group = |(name, row): (&str, &Row)| GroupParams {
            name: name.to_owned(),
            weight: weight(row),
            upload: upload(row),
            floor: floor(row),
        };
        self.group_rows().map(group).collect()
    }

    /// Who is served next.
    #[must_use]
    pub fn policy(&self) -> PolicyParams {
        let row = self.one("policy");
        let names = needed(row, "uplink");
        let (outer, inner) = names.split_once('/').unwrap_or((&names, &names));
        let known = "the file was checked against the tables of the core";
        PolicyParams {
            outer: sched::find(outer).expect(known),
            inner: sched::find(inner).expect(known),
            share: match needed(row, "share").as_str() {
                "group" => Share::Group,
                "transfer" => Share::Transfer,
                _ => Share::Peer,
            },
            unchoke: choke::find(&needed(row, "unchoke")).expect(known),
            seed_rule: choke::find_seed_rule(&needed(row, "seed-rule")).expect(known),
            picker: pick::find(&needed(row, "picker")).expect(known),
            slots: match row.get("slots") {
                Some(Value::Count(count)) => *count,
                other => unlike("slots", other),
            },
            rechoke: match row.get("rechoke") {
                Some(Value::Span(span)) => *span,
                other => unlike("rechoke", other),
            },
            block: size(row, "block"),
            quantum: size(row, "quantum"),
            pipeline: match row.get("pipeline") {
                None => None,
                Some(Value::Count(count)) => Some(*count),
                other => unlike("pipeline", other),
            },
        }
    }

    /// What the node may send and receive in all.
    #[must_use]
    pub fn limits(&self) -> LimitParams {
        let row = self.one("limits");
        LimitParams {
            upload: upload(row),
            auto: row.get("upload") == Some(&Value::Auto),
            download: limit(row, "download").flatten(),
            burst: match row.get("burst") {
                None => None,
                Some(Value::Span(span)) => Some(*span),
                other => unlike("burst", other),
            },
            schedule: match row.get("schedule") {
                Some(Value::Entries(rows)) => rows.iter().map(entry).collect(),
                other => unlike("schedule", other),
            },
            connections: match row.get("connections") {
                Some(Value::Count(count)) => *count,
                other => unlike("connections", other),
            },
        }
    }

    /// Where commands reach the node.
    #[must_use]
    pub fn control(&self) -> ControlParams {
        let row = self.one("control");
        ControlParams {
            socket: PathBuf::from(needed(row, "socket")),
            http: row.text("http").map(str::to_owned),
            token: below(&self.node().data, row.text("token"), "token"),
        }
    }

    /// The row of a section that is there once.
    fn one(&self, section: &str) -> &Row {
        let first = self.rows(section).first();
        first.expect("a section that is there once is filled in if it is missing")
    }
}

/// What the node may send and receive at most, in that order, at `minute` (0 to 1,439) of
/// `weekday`, both in local time. The first entry of the timetable that fits holds; what it
/// does not say, and every other minute, is as outside of the timetable.
///
/// It hangs on the calendar alone, so it is as right in the second week as on the first day,
/// and nothing has to be kept from one minute to the next.
#[must_use]
pub fn limit_at(
    limits: &LimitParams,
    weekday: Weekday,
    minute: u32,
) -> (Option<Rate>, Option<Rate>) {
    let today = usize::from(weekday.to_monday_zero_offset().unsigned_abs());
    let holds = limits
        .schedule
        .iter()
        .find(|entry| entry.holds(today, minute));
    let upload = holds
        .and_then(|entry| entry.upload)
        .unwrap_or(limits.upload);
    let download = holds.and_then(|entry| entry.download);
    (upload, download.unwrap_or(limits.download))
}

impl Entry {
    /// Whether it holds at `minute` of the day `today`, 0 for Monday.
    fn holds(&self, today: usize, minute: u32) -> bool {
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            return self.days[today] && (self.from..self.to).contains(&minute);
        }
        let begun = self.days[today] && minute >= self.from;
        begun || (self.days[yesterday] && minute < self.to)
    }
}

fn entry(row: &Row) -> Entry {
    let checked = "an entry was checked when it was read";
    let clock = |key: &str| minutes(&needed(row, key)).expect(checked);
    Entry {
        days: days(&needed(row, "days")).expect(checked),
        from: clock("from"),
        to: clock("to"),
        upload: limit(row, "upload"),
        download: limit(row, "download"),
    }
}

fn needed(row: &Row, key: &str) -> String {
    let text = row.text(key);
    text.expect("the grammar needs it or has a default")
        .to_owned()
}

/// The path that is given, relative to the folder of the process as any path in the file; else
/// `name` in the data.
fn below(data: &Path, given: Option<&str>, name: &str) -> PathBuf {
    given.map_or_else(|| data.join(name), PathBuf::from)
}

fn weight(row: &Row) -> Weight {
    match row.get("weight") {
        Some(Value::Weight(weight)) => weight.unwrap_or(Weight::BEST_EFFORT),
        other => unlike("weight", other),
    }
}

fn floor(row: &Row) -> Rate {
    match row.get("floor") {
        Some(Value::Floor(rate)) => *rate,
        other => unlike("floor", other),
    }
}

fn upload(row: &Row) -> Option<Rate> {
    limit(row, "upload").flatten()
}

/// The limit of `key`: none if the file does not say, none inside if it is unlimited.
fn limit(row: &Row, key: &str) -> Option<Option<Rate>> {
    match row.get(key) {
        None => None,
        Some(Value::Limit(rate)) => Some(*rate),
        Some(Value::Auto) => Some(None),
        other => unlike(key, other),
    }
}

/// The size of `key`; none if the file does not say or it is unlimited.
fn size(row: &Row, key: &str) -> Option<ByteCount> {
    match row.get(key) {
        None => None,
        Some(Value::Size(size)) => *size,
        other => unlike(key, other),
    }
}

fn unlike(key: &str, value: Option<&Value>) -> ! {
    unreachable!("the grammar gives {key} another kind of value than {value:?}")
}

#[cfg(test)]
mod tests;
