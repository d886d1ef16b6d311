//! From a complete file to a setup: one replication with everything drawn and looked up.
//!
//! Names that lead nowhere are refused, limits that contradict each other, and scenarios that are
//! too large, before memory is taken.

use std::ops::Deref;

use fairhaul_config::BadFile;
use fairhaul_config::amount::FileWeight;
use fairhaul_config::document::{Document, Place};
use fairhaul_config::number::Bounded;
use fairhaul_config::text::Name;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{Rate, Weight};
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::setup::{
    FaultKind, FaultSetup, GroupSetup, Latency, LibrarySetup, NetworkModel, PolicySetup, Setup,
    SharedLinkSetup, TransferSetup,
};

use super::Complete;
use super::file::{Directions, Ends, File, FlowTerms, Head, Names, Network, NodeTerms};
use super::names::unknown;
use super::values::LatencySource;
use crate::datasets::Inputs;

mod arrivals;
mod behaviours;
mod contents;
mod faults;
mod floors;
mod fluid;
mod guarantees;
mod peers;
mod selector;
mod size_estimate;
mod transfers;
mod workloads;

use selector::Who;

/// Greatest ratio of two weights that compete.
const WEIGHT_RATIO_MAX: u32 = 10_000;

/// What resolving needs everywhere.
struct Build<'a> {
    document: &'a Document,
    file: &'a File,
    bundles: &'a [(String, PolicySetup)],
    inputs: &'a Inputs,
    streams: Streams,
    horizon: Time,
    latency: Latency,
    groups: Vec<GroupSetup>,
    weights: Vec<Weighed>,
    /// Transfers that are given up when the patience of their destination is over.
    given_up: Vec<FaultSetup>,
}

/// A table of the file, and where it is.
struct Row<'a, T> {
    at: Place<'a>,
    table: &'a T,
}

impl<T> Deref for Row<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.table
    }
}

impl<'a, T> Row<'a, T> {
    /// The place of a key.
    fn key(&self, key: &str) -> Place<'a> {
        self.at.key(key)
    }
}

/// The tables of a section that may be written many times.
fn rows<'a, T>(
    document: &'a Document,
    section: &str,
    tables: &'a [T],
) -> impl Iterator<Item = Row<'a, T>> {
    let place = document.place().key(section);
    let tables = tables.iter().enumerate();
    tables.map(move |(at, table)| Row {
        at: place.row(at),
        table,
    })
}

/// A weight in the file, and where.
struct Weighed {
    /// What competes with what: weights of different kinds do not.
    kind: &'static str,
    hundredths: u32,
    place: BadFile,
}

/// Draws replication `replication` of a complete file.
pub(super) fn resolve(
    complete: &Complete,
    inputs: &Inputs,
    replication: u32,
) -> Result<Setup, BadFile> {
    let (document, file) = (&complete.document, &complete.file);
    let bundles = &complete.policies;
    let head = &file.scenario;
    let rng_seed = file.replication.seed.get();
    let mut build = Build {
        document,
        file,
        bundles,
        inputs,
        streams: Streams::new(rng_seed, replication),
        horizon: Time::ZERO + head.horizon.get(),
        latency: latency(document, head, inputs)?,
        groups: Vec::new(),
        weights: Vec::new(),
        given_up: Vec::new(),
    };
    build.groups = groups(&mut build)?;
    size_estimate::check(&build)?;
    let mut who = Who::default();
    let peers = peers::peers(&mut build, &mut who)?;
    let contents = contents::contents(&build, &who)?;
    let mut transfers = transfers::transfers(&mut build, &who, &peers)?;
    let listed = transfers.len();
    workloads::workloads(&mut build, &who, &peers, &mut transfers)?;
    behaviours::check_transfers(&build, &peers, &transfers)?;
    let faults = faults::faults(&build, &who, &transfers)?;
    check_weights(&build.weights)?;
    let links = links(&build)?;
    // Links may be drawn. A sweep is not ended in its middle because one of them is narrow.
    if replication == 0 {
        guarantees::check(&build, &who, &peers)?;
        floors::check(&build, &who, (&peers, &links), (&transfers, listed))?;
    }
    let setup = Setup {
        rng_seed,
        replication,
        network: match head.network {
            Network::Fluid => NetworkModel::Fluid,
            Network::Block => NetworkModel::Block {
                window: head.connection_window.0,
            },
        },
        links,
        latency: build.latency,
        policies: bundles.iter().map(|(_, policy)| *policy).collect(),
        groups: build.groups,
        peers,
        contents,
        transfers,
        faults,
        library: LibrarySetup::default(),
        ideal_share: head.ideal_share,
        horizon: build.horizon,
        windows: file
            .output
            .windows
            .iter()
            .map(|window| window.get())
            .collect(),
        event_budget: head.events.get(),
    };
    fluid::check(document, bundles, &setup)?;
    Ok(setup)
}

/// A constant round trip is one region; a file has its own.
fn latency(document: &Document, head: &Head, inputs: &Inputs) -> Result<Latency, BadFile> {
    match &head.latency {
        None => Ok(Latency::default()),
        Some(LatencySource::RoundTrip(round_trip)) => Ok(Latency {
            regions: vec!["everywhere".to_owned()],
            one_way: vec![Span::from_nanos(round_trip.as_nanos() / 2)],
        }),
        Some(LatencySource::Matrix(path)) => {
            let at = document.place().key("scenario").key("latency");
            at.opened(inputs.latency(path))
                .map(|matrix| (*matrix).clone())
        }
    }
}

fn groups(build: &mut Build<'_>) -> Result<Vec<GroupSetup>, BadFile> {
    let mut groups = Vec::new();
    for (name, group) in build.file.groups.iter() {
        let at = build.document.place().key("group").key(name);
        let (cap, floor) = (group.upload.get(), group.floor.get());
        check_floor(&at, ("upload", cap), floor)?;
        groups.push(GroupSetup {
            name: name.to_string(),
            weight: build.weight(&at, group.weight, "group"),
            band: small(group.band),
            cap,
            floor,
        });
    }
    Ok(groups)
}

/// A floor must not be above the cap under its key.
fn check_floor(
    at: &Place<'_>,
    (key, cap): (&str, Option<Rate>),
    floor: Option<Rate>,
) -> Result<(), BadFile> {
    match (cap, floor) {
        (Some(cap), Some(floor)) if floor > cap => {
            let what = format!("is above {key}");
            Err(at.key("floor").bad(what, guarantees::at_most(cap)))
        }
        _ => Ok(()),
    }
}

fn links(build: &Build<'_>) -> Result<Vec<SharedLinkSetup>, BadFile> {
    let mut links = Vec::new();
    for row in rows(build.document, "link", &build.file.links) {
        let regions = |key: &str, names: &Option<Names>| -> Result<Vec<u32>, BadFile> {
            let at = row.key(key);
            let names = names.iter().flat_map(|names| names.iter()).enumerate();
            names
                .map(|(member, name)| build.region(&at.row(member), name))
                .collect()
        };
        let (from, to) = (regions("from", &row.from)?, regions("to", &row.to)?);
        if !from.is_empty() && from == to {
            return Err(row.key("to").bad(
                "leads back to where it starts",
                "regions other than those of from",
            ));
        }
        links.push(SharedLinkSetup {
            name: row.name.to_string(),
            capacity: row.capacity.0,
            both: row.directions == Directions::Both,
            from,
            to,
        });
    }
    Ok(links)
}

impl<'a> Build<'a> {
    /// What transfers and workloads say alike, and where.
    fn flows(&self) -> Vec<(Place<'a>, &'a Ends, &'a FlowTerms)> {
        let transfers = rows(self.document, "transfer", &self.file.transfers);
        let transfers = transfers.map(|Row { at, table }| (at, &table.ends, &table.terms));
        let workloads = rows(self.document, "workload", &self.file.workloads);
        let workloads = workloads.map(|Row { at, table }| (at, &table.ends, &table.terms));
        transfers.chain(workloads).collect()
    }

    /// What peers and classes say alike, and where; with their names.
    fn nodes(&self) -> Vec<(Place<'a>, &'a Name, &'a NodeTerms)> {
        let peers = rows(self.document, "peer", &self.file.peers);
        let peers = peers.map(|Row { at, table }| (at, &table.own.name, &table.terms));
        let classes = rows(self.document, "class", &self.file.classes);
        let classes = classes.map(|Row { at, table }| (at, &table.own.name, &table.terms));
        peers.chain(classes).collect()
    }

    /// The region called `name`.
    fn region(&self, at: &Place<'_>, name: &str) -> Result<u32, BadFile> {
        let regions = &self.latency.regions;
        let names = regions.iter().map(String::as_str);
        index(at, "region", name, names)
    }

    /// The bundle of policies called `name`.
    fn policy(&self, at: &Place<'_>, name: &Name) -> Result<u32, BadFile> {
        let names = self.bundles.iter().map(|(known, _)| known.as_str());
        index(at, "bundle of policies", name, names)
    }

    /// The group that a table names; `None` if it names none.
    fn group(&self, at: &Place<'_>, name: Option<&Name>) -> Result<Option<u32>, BadFile> {
        let names = self.groups.iter().map(|group| group.name.as_str());
        let found = name.map(|name| index(&at.key("group"), "group", name, names));
        found.transpose()
    }

    /// Transfers from the row `first` on have destinations of that patience.
    fn wait(&mut self, terms: &FlowTerms, first: usize, transfers: &[TransferSetup]) {
        let Some(patience) = terms.patience else {
            return;
        };
        for (row, transfer) in transfers.iter().enumerate().skip(first) {
            let at = transfer.start.saturating_add(patience.get());
            if at < self.horizon {
                let transfer = u32::try_from(row).expect("at most two million transfers");
                let kind = FaultKind::Abort { transfer };
                self.given_up.push(FaultSetup { at, kind });
            }
        }
    }

    /// A weight of the table at `at`, remembered to be compared with others of its kind.
    fn weight(&mut self, at: &Place<'_>, own: FileWeight, kind: &'static str) -> Weight {
        self.weights.push(Weighed {
            kind,
            hundredths: own.hundredths(),
            place: at.key("weight").bad("is too far from another weight", ""),
        });
        own.get()
    }
}

/// Where `name` is among `names`.
fn index<'n>(
    at: &Place<'_>,
    noun: &str,
    name: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<u32, BadFile> {
    let found = names.clone().position(|known| known == name);
    let found = found.ok_or_else(|| at.refuse(unknown(noun, name, names)))?;
    Ok(u32::try_from(found).expect("as many as tables in a file"))
}

/// A strict priority band.
fn small(band: Bounded<0, 7>) -> u8 {
    u8::try_from(band.get()).expect("at most 7")
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
