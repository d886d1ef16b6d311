//! From a complete file to a setup: one replication with everything drawn and looked up.
//!
//! Decides the order of the tables of a setup; refuses names that lead nowhere, limits that
//! contradict each other, and scenarios that are too large, before memory is taken.

use fairhaul_config::BadFile;
use fairhaul_core::node::Guard;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::setup::{
    GroupSetup, Latency, LibrarySetup, NetworkModel, PolicySetup, Setup, SharedLinkSetup,
};

use super::check::{spans, unknown};
use super::quantity::Quantity;
use super::reader::{At, Context, Row, join};
use super::section;
use super::tree::{Table, Value};

mod arrivals;
mod census;
mod contents;
mod faults;
mod floors;
mod fluid;
mod guarantees;
mod peers;
mod transfers;
mod who;
mod workloads;

use who::Who;

/// Greatest ratio of two weights that compete.
const WEIGHT_RATIO_MAX: u32 = 10_000;

/// What resolving needs everywhere.
struct Build<'a> {
    cx: &'a Context,
    full: &'a Table,
    streams: Streams,
    horizon: Time,
    latency: Latency,
    policies: Vec<(String, PolicySetup)>,
    groups: Vec<GroupSetup>,
    weights: Vec<Weighed>,
}

/// A weight in the file, and where.
struct Weighed {
    /// What competes with what: weights of different kinds do not.
    kind: &'static str,
    hundredths: u32,
    place: BadFile,
}

/// Draws replication `replication` of a complete file.
pub(super) fn resolve(cx: &Context, full: &Table, replication: u32) -> Result<Setup, BadFile> {
    let scenario = section(cx, full, "scenario");
    let rng_seed = section(cx, full, "replication")
        .need("seed")?
        .count(0, u64::MAX)?;
    let mut build = Build {
        cx,
        full,
        streams: Streams::new(rng_seed, replication),
        horizon: Time::from_nanos(horizon(&scenario)?),
        latency: latency(&scenario)?,
        policies: policies(cx, full)?,
        groups: Vec::new(),
        weights: Vec::new(),
    };
    build.groups = groups(&mut build)?;
    census::check(&build)?;
    let mut who = Who::default();
    let peers = peers::peers(&mut build, &mut who)?;
    let contents = contents::contents(&build, &who)?;
    let mut transfers = transfers::transfers(&mut build, &who, &peers)?;
    let listed = transfers.len();
    workloads::workloads(&mut build, &who, &peers, &mut transfers)?;
    let faults = faults::faults(&build, &who, &transfers)?;
    check_weights(&build.weights)?;
    // Links may be drawn. A sweep is not ended in its middle because one of them is narrow.
    if replication == 0 {
        guarantees::check(&build, &who, &peers)?;
        floors::check(&build, &who, &peers, (&transfers, listed))?;
    }
    let windows = section(cx, full, "output").need("windows")?;
    let setup = Setup {
        rng_seed,
        replication,
        network: network(&scenario)?,
        links: links(&build)?,
        latency: build.latency,
        policies: build
            .policies
            .into_iter()
            .map(|(_, policy)| policy)
            .collect(),
        groups: build.groups,
        peers,
        contents,
        transfers,
        faults,
        library: LibrarySetup::default(),
        ideal_share: match scenario.get("ideal-share") {
            Some(at) => Some(at.text("whom to be fair to")?.to_owned()),
            None => None,
        },
        horizon: build.horizon,
        windows: spans(&windows)?.into_iter().map(Span::from_nanos).collect(),
        event_budget: scenario.need("events")?.count(1, u64::MAX)?,
    };
    fluid::check(cx, full, &setup)?;
    Ok(setup)
}

fn horizon(scenario: &Row<'_>) -> Result<u64, BadFile> {
    let at = scenario.need("horizon")?;
    match at.amount(Quantity::Time)? {
        0 => Err(at.bad("is out of range", "a time above zero, at most 36500 d")),
        nanos => Ok(nanos),
    }
}

fn network(scenario: &Row<'_>) -> Result<NetworkModel, BadFile> {
    if scenario.need("network")?.text("a network")? == "fluid" {
        return Ok(NetworkModel::Fluid);
    }
    let window = scenario.need("connection-window")?.amount(Quantity::Size)?;
    Ok(NetworkModel::Block {
        window: ByteCount::new(window),
    })
}

/// A constant round trip is one region; a file has its own.
fn latency(scenario: &Row<'_>) -> Result<Latency, BadFile> {
    let Some(at) = scenario.get("latency") else {
        return Ok(Latency::default());
    };
    let text = at.text("a time or the path of a CSV file")?;
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.ends_with(".csv") {
        let round_trip = at.amount(Quantity::Time)?;
        return Ok(Latency {
            regions: vec!["everywhere".to_owned()],
            one_way: vec![Span::from_nanos(round_trip / 2)],
        });
    }
    at.opened(at.cx.inputs.latency(text))
        .map(|matrix| (*matrix).clone())
}

fn policies(cx: &Context, full: &Table) -> Result<Vec<(String, PolicySetup)>, BadFile> {
    let base = section(cx, full, "policy");
    let mut bundles = vec![("default".to_owned(), policy(&base)?)];
    for entry in &base.table.entries {
        if let Value::Table(_) = entry.item.value {
            let row = base.need(&entry.key)?.row("[policy.NAME]")?;
            bundles.push((entry.key.clone(), policy(&row)?));
        }
    }
    Ok(bundles)
}

fn policy(row: &Row<'_>) -> Result<PolicySetup, BadFile> {
    let text = |key: &str| -> Result<String, BadFile> {
        row.need(key)?.text("a policy").map(str::to_owned)
    };
    let size = |key: &str| match row.get(key) {
        Some(at) => at.amount(Quantity::Size).map(|n| Some(ByteCount::new(n))),
        None => Ok(None),
    };
    let rechoke = row.need("rechoke")?;
    let rechoke = match rechoke.amount(Quantity::Time)? {
        nanos if nanos >= 1_000_000 => Span::from_nanos(nanos),
        _ => return Err(rechoke.bad("is out of range", "a time of at least 1 ms")),
    };
    Ok(PolicySetup {
        uplink: text("uplink")?,
        share: text("share")?,
        unchoke: text("unchoke")?,
        seed_rule: text("seed-rule")?,
        picker: text("picker")?,
        slots: small(row.need("slots")?.count(1, 10_000)?),
        rechoke,
        block: size("block")?,
        quantum: size("quantum")?,
        pipeline: match row.get("pipeline") {
            Some(at) => Some(small(at.count(1, 10_000)?)),
            None => None,
        },
        guard: match row.get("timeouts") {
            Some(at) if at.text("none or default")? == "default" => Some(Guard::default()),
            _ => None,
        },
    })
}

/// A count whose range was checked to fit.
fn small(count: u64) -> u32 {
    u32::try_from(count).expect("checked to be at most a million")
}

fn groups(build: &mut Build<'_>) -> Result<Vec<GroupSetup>, BadFile> {
    let Some(entry) = build.full.get("group") else {
        return Ok(Vec::new());
    };
    let Value::Table(table) = &entry.item.value else {
        unreachable!("the section was checked to be a table");
    };
    let all = Row {
        cx: build.cx,
        path: "group".to_owned(),
        line: entry.line,
        table,
    };
    let mut groups = Vec::new();
    for entry in &table.entries {
        let row = all.need(&entry.key)?.row("[group.NAME]")?;
        let (cap, floor) = cap_and_floor(&row, "upload")?;
        groups.push(GroupSetup {
            name: entry.key.clone(),
            weight: build.weight(&row, "group")?,
            band: band(&row)?,
            cap,
            floor,
        });
    }
    Ok(groups)
}

/// The cap under `key`, and the floor, which must not be above it.
fn cap_and_floor(row: &Row<'_>, key: &str) -> Result<(Option<Rate>, Option<Rate>), BadFile> {
    let cap = row.need(key)?.limit()?;
    let at = row.need("floor")?;
    let floor = at.floor()?;
    match (cap, floor) {
        (Some(cap), Some(floor)) if floor > cap => {
            Err(at.bad(format!("is above {key}"), format!("at most {cap} B/s")))
        }
        _ => Ok((cap.map(Rate::new), floor.map(Rate::new))),
    }
}

fn links(build: &Build<'_>) -> Result<Vec<SharedLinkSetup>, BadFile> {
    let mut links = Vec::new();
    for row in build.rows("link") {
        let regions = |key: &str| -> Result<Vec<u32>, BadFile> {
            let Some(at) = row.get(key) else {
                return Ok(Vec::new());
            };
            let names = at.one_or_more("regions")?;
            names.iter().map(|at| build.region(at)).collect()
        };
        let (from, to) = (regions("from")?, regions("to")?);
        if !from.is_empty() && from == to {
            let at = row.need("to")?;
            return Err(at.bad(
                "leads back to where it starts",
                "regions other than those of from",
            ));
        }
        links.push(SharedLinkSetup {
            name: row.need("name")?.name()?.to_owned(),
            capacity: Rate::new(row.need("capacity")?.amount(Quantity::Rate)?),
            both: row.need("directions")?.text("directions")? == "both",
            from,
            to,
        });
    }
    Ok(links)
}

impl<'a> Build<'a> {
    /// The tables of a section that may be written many times.
    fn rows(&self, name: &str) -> Vec<Row<'a>> {
        let Some(entry) = self.full.get(name) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.item.value else {
            unreachable!("the section was checked to be a list of tables");
        };
        let rows = items.iter().enumerate().map(|(index, item)| {
            let Value::Table(table) = &item.value else {
                unreachable!("the section was checked to be a list of tables");
            };
            let path = match table.get("name").map(|entry| &entry.item.value) {
                Some(Value::Text(own)) => join(name, own),
                _ => format!("{name}[{}]", index + 1),
            };
            Row {
                cx: self.cx,
                path,
                line: item.line,
                table,
            }
        });
        rows.collect()
    }

    /// The region that `at` names.
    fn region(&self, at: &At<'_>) -> Result<u32, BadFile> {
        self.region_named(at, at.name()?)
    }

    fn region_named(&self, at: &At<'_>, name: &str) -> Result<u32, BadFile> {
        let regions = &self.latency.regions;
        match regions.iter().position(|region| region == name) {
            Some(index) => Ok(u32::try_from(index).expect("at most 1,000 regions")),
            None => Err(unknown(
                at,
                "region",
                name,
                regions.iter().map(String::as_str),
            )),
        }
    }

    /// The bundle of policies that a row names.
    fn policy(&self, row: &Row<'_>) -> Result<u32, BadFile> {
        let at = row.need("policy")?;
        let name = at.name()?;
        match self.policies.iter().position(|(known, _)| known == name) {
            Some(index) => Ok(u32::try_from(index).expect("as many as tables in a file")),
            None => {
                let names = self.policies.iter().map(|(known, _)| known.as_str());
                Err(unknown(&at, "bundle of policies", name, names))
            }
        }
    }

    /// The group that a row names; none if it names none.
    fn group(&self, row: &Row<'_>) -> Result<Option<u32>, BadFile> {
        let Some(at) = row.get("group") else {
            return Ok(None);
        };
        let name = at.name()?;
        match self.groups.iter().position(|group| group.name == name) {
            Some(index) => Ok(Some(
                u32::try_from(index).expect("as many as tables in a file"),
            )),
            None => {
                let names = self.groups.iter().map(|group| group.name.as_str());
                Err(unknown(&at, "group", name, names))
            }
        }
    }

    /// The weight of a row, remembered to be compared with others of its kind.
    fn weight(&mut self, row: &Row<'_>, kind: &'static str) -> Result<Weight, BadFile> {
        let at = row.need("weight")?;
        let hundredths = at.weight()?;
        self.weights.push(Weighed {
            kind,
            hundredths,
            place: at.bad("is too far from another weight", ""),
        });
        Ok(weight(hundredths))
    }
}

/// The strict priority band of a peer, a group or a transfer.
fn band(row: &Row<'_>) -> Result<u8, BadFile> {
    let band = row.need("band")?.count(0, 7)?;
    Ok(u8::try_from(band).expect("at most 7"))
}

/// A weight in hundredths, where 0 is best effort.
fn weight(hundredths: u32) -> Weight {
    Weight::from_hundredths(hundredths).unwrap_or(Weight::BEST_EFFORT)
}

/// Refuses two weights of a kind that are more than 1 : 10,000 apart, best effort aside.
fn check_weights(weights: &[Weighed]) -> Result<(), BadFile> {
    for kind in ["peer", "group", "transfer"] {
        let above_zero = || {
            weights
                .iter()
                .filter(|weighed| weighed.kind == kind && weighed.hundredths > 0)
        };
        let least = above_zero().map(|weighed| weighed.hundredths).min();
        let greatest = above_zero().max_by_key(|weighed| weighed.hundredths);
        if let (Some(least), Some(greatest)) = (least, greatest)
            && u64::from(greatest.hundredths) > u64::from(least) * u64::from(WEIGHT_RATIO_MAX)
        {
            let allowed = format!(
                "at most {} beside the weight {}",
                weight(least.saturating_mul(WEIGHT_RATIO_MAX).min(1_000_000)),
                weight(least)
            );
            return Err(greatest.place.allowing(allowed));
        }
    }
    Ok(())
}
