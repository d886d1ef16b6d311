//! The nodes of a run: peers by name, then the peers of each class.
//!
//! Decides what each draws from a stream of its own name, so that a peer more or less
//! changes no other.

use fairhaul_config::BadFile;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::dist::Distribution;
use fairhaul_simulator::random::uniform;
use fairhaul_simulator::setup::{Behaviour, PeerSetup};

use super::super::drawn::{self, Burst, Regions};
use super::super::quantity::Quantity;
use super::super::reader::Row;
use super::arrivals::joins;
use super::who::Who;
use super::{Build, band, cap_and_floor, small};

/// Every node, and the names of all in `who`.
pub(super) fn peers(build: &mut Build<'_>, who: &mut Who) -> Result<Vec<PeerSetup>, BadFile> {
    let mut peers = Vec::new();
    for row in build.rows("peer") {
        let peer = named(build, &row)?;
        let at = index(&peers);
        who.add_peer(&row.need("name")?, at)?;
        peers.push(peer);
    }
    for row in build.rows("class") {
        let first = index(&peers);
        class(build, &row, &mut peers)?;
        who.add_class(&row.need("name")?, first..index(&peers))?;
    }
    Ok(peers)
}

fn index(peers: &[PeerSetup]) -> u32 {
    u32::try_from(peers.len()).expect("the census allows a million peers")
}

/// What a peer and a class say alike. Name, place, links and times are still to be set.
fn common(build: &mut Build<'_>, row: &Row<'_>) -> Result<PeerSetup, BadFile> {
    let (cap, floor) = cap_and_floor(row, "cap")?;
    let upload = row.need("upload")?.limit()?;
    let behaviour = match row.need("behaviour")?.text("a behaviour")? {
        "free-rider" => Behaviour::FreeRider,
        _ => Behaviour::Compliant,
    };
    Ok(PeerSetup {
        name: String::new(),
        class: String::new(),
        region: 0,
        up: None,
        down: None,
        upload_cap: upload.map(Rate::new),
        burst: bucket(row, upload)?,
        download_cap: row.need("download")?.limit()?.map(Rate::new),
        join: Time::ZERO,
        leave: None,
        linger: None,
        policy: build.policy(row)?,
        group: build.group(row)?,
        weight: build.weight(row, "peer")?,
        band: band(row)?,
        cap,
        floor,
        neighbours: small(row.need("neighbours")?.count(1, 100_000)?),
        behaviour,
    })
}

/// Depth of the bucket of `upload`; a time is a depth at that rate.
fn bucket(row: &Row<'_>, upload: Option<u64>) -> Result<Option<ByteCount>, BadFile> {
    let Some(at) = row.get("burst") else {
        return Ok(None);
    };
    match (drawn::burst(&at)?, upload) {
        (_, None) => Err(at.bad("has no bucket", "a burst only beside upload")),
        (Burst::Size(bytes), _) => Ok(Some(ByteCount::new(bytes))),
        (Burst::Span(nanos), Some(rate)) => {
            let bytes = Rate::new(rate).bytes_in(Span::from_nanos(nanos));
            if bytes == ByteCount::ZERO {
                return Err(at.bad("is less than a byte", "a time in which upload moves a byte"));
            }
            Ok(Some(bytes))
        }
    }
}

fn named(build: &mut Build<'_>, row: &Row<'_>) -> Result<PeerSetup, BadFile> {
    let join = row.need("join")?.amount(Quantity::Time)?;
    let leave = match row.get("leave") {
        Some(at) => match at.amount(Quantity::Time)? {
            leave if leave <= join => return Err(at.bad("is not after join", "a later time")),
            leave => Some(Time::from_nanos(leave)),
        },
        None => None,
    };
    let linger = match row.get("linger") {
        Some(at) => Some(Span::from_nanos(at.amount(Quantity::Time)?)),
        None => None,
    };
    Ok(PeerSetup {
        name: row.need("name")?.name()?.to_owned(),
        class: row.need("class")?.name()?.to_owned(),
        region: match (row.get("region"), build.latency.regions.len()) {
            (Some(at), _) => build.region(&at)?,
            (None, 0 | 1) => 0,
            (None, _) => row.need("region").map(|_| 0)?,
        },
        up: row.need("up")?.limit()?.map(Rate::new),
        down: row.need("down")?.limit()?.map(Rate::new),
        join: Time::from_nanos(join),
        leave,
        linger,
        ..common(build, row)?
    })
}

fn class(build: &mut Build<'_>, row: &Row<'_>, peers: &mut Vec<PeerSetup>) -> Result<(), BadFile> {
    let name = row.need("name")?.name()?;
    let pattern = common(build, row)?;
    let start = Time::from_nanos(row.need("start")?.amount(Quantity::Time)?);
    let arrival = drawn::arrival(&row.need("arrival")?)?;
    let count = match row.get("count") {
        Some(at) => Some(at.count(0, u64::MAX)?),
        None => None,
    };
    let links = Links::read(row)?;
    let places = Places::read(build, row)?;
    let span = |key: &str| match row.get(key) {
        Some(at) => drawn::drawn(&at, Quantity::Time).map(Some),
        None => Ok(None),
    };
    let (session, linger) = (span("session")?, span("linger")?);
    let streams = build.streams;
    let joins = joins(&arrival, name, start, count, build.horizon, streams);
    for (number, join) in joins.into_iter().enumerate() {
        let own = format!("{name}.{}", number + 1);
        let draw = |of: &Option<Distribution>, purpose: &str| {
            let distribution = of.as_ref()?;
            let nanos = distribution.sample(&mut streams.stream(&own, purpose));
            Some(Span::from_nanos(nanos))
        };
        let (up, down) = links.draw(&own, streams);
        peers.push(PeerSetup {
            class: name.to_owned(),
            region: places.draw(number, &own, streams),
            up: up.map(Rate::new),
            down: down.map(Rate::new),
            join,
            leave: draw(&session, "session").map(|stays| join.saturating_add(stays)),
            linger: draw(&linger, "linger"),
            name: own,
            ..pattern.clone()
        });
    }
    Ok(())
}

/// How the links of a class are drawn.
enum Links {
    Each(Option<Distribution>, Option<Distribution>),
    Mix(std::sync::Arc<Vec<crate::inputs::access::Link>>),
}

impl Links {
    fn read(row: &Row<'_>) -> Result<Self, BadFile> {
        let (up, down) = (row.need("up")?, row.need("down")?);
        let each = Self::Each(drawn::drawn_limit(&up)?, drawn::drawn_limit(&down)?);
        let Some(access) = row.get("access") else {
            return Ok(each);
        };
        if !matches!(each, Self::Each(None, None)) {
            return Err(access.bad("stands beside up or down", "either access, or up and down"));
        }
        drawn::access(&access).map(Self::Mix)
    }

    fn draw(
        &self,
        peer: &str,
        streams: fairhaul_simulator::random::Streams,
    ) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Each(up, down) => {
                let draw = |of: &Option<Distribution>, purpose: &str| {
                    let distribution = of.as_ref()?;
                    // A rate of zero would never move the first byte.
                    Some(
                        distribution
                            .sample(&mut streams.stream(peer, purpose))
                            .max(1),
                    )
                };
                (draw(up, "up"), draw(down, "down"))
            }
            Self::Mix(mix) => {
                let at = uniform(&mut streams.stream(peer, "access"));
                let link = mix[pick(at, mix.iter().map(|link| link.share))];
                (link.up, link.down)
            }
        }
    }
}

/// How the regions of a class are drawn.
enum Places {
    Dealt(Vec<u32>),
    Drawn(Vec<(u32, f64)>),
}

impl Places {
    fn read(build: &Build<'_>, row: &Row<'_>) -> Result<Self, BadFile> {
        Ok(match drawn::regions(&row.need("regions")?)? {
            Regions::All => {
                let all = u32::try_from(build.latency.regions.len()).expect("at most 1,000");
                Self::Dealt((0..all.max(1)).collect())
            }
            Regions::Dealt(names) => {
                let found: Result<Vec<u32>, _> = names.iter().map(|at| build.region(at)).collect();
                Self::Dealt(found?)
            }
            Regions::Drawn(shares) => {
                let found: Result<Vec<(u32, f64)>, _> = shares
                    .iter()
                    .map(|(at, name, share)| Ok((build.region_named(at, name)?, *share)))
                    .collect();
                Self::Drawn(found?)
            }
        })
    }

    fn draw(&self, number: usize, peer: &str, streams: fairhaul_simulator::random::Streams) -> u32 {
        match self {
            Self::Dealt(regions) => regions[number % regions.len()],
            Self::Drawn(shares) => {
                let at = uniform(&mut streams.stream(peer, "region"));
                shares[pick(at, shares.iter().map(|(_, share)| *share))].0
            }
        }
    }
}

/// The share in which the part `at` of the sum of all falls.
fn pick(at: f64, shares: impl Iterator<Item = f64> + Clone) -> usize {
    let total: f64 = shares.clone().sum();
    let mut below = 0.0;
    let mut last = 0;
    for (index, share) in shares.enumerate().filter(|(_, share)| *share > 0.0) {
        below += share;
        last = index;
        if at * total < below {
            return index;
        }
    }
    last
}
