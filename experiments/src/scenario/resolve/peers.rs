//! The nodes of a run: peers by name, then the peers of each class.
//!
//! Each draws from a stream of its own name, so that a peer more or less changes no other.

use std::sync::Arc;

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_config::text::NAME_ALLOWED;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::distribution::Distribution;
use fairhaul_simulator::random::{Streams, uniform};
use fairhaul_simulator::setup::PeerSetup;

use super::super::class::{Access, Arrival, Regions};
use super::super::file::{Class, NodeTerms, OwnLimits, Peer};
use super::super::values::Burst;
use super::arrivals::joins;
use super::behaviours::{behaviour, check_part};
use super::selector::Who;
use super::{Build, Row, check_floor, rows, small};
use crate::datasets::access::Link;
use crate::datasets::points::Kind as PointsKind;

/// Every node, and the names of all in `who`.
pub(super) fn peers(build: &mut Build<'_>, who: &mut Who) -> Result<Vec<PeerSetup>, BadFile> {
    let mut peers = Vec::new();
    for row in rows(build.document, "peer", &build.file.peers) {
        let peer = named(build, &row)?;
        who.add_peer(&row.key("name"), &row.own.name, index(&peers))?;
        peers.push(peer);
    }
    for row in rows(build.document, "class", &build.file.classes) {
        let first = index(&peers);
        class(build, &row, &mut peers)?;
        who.add_class(&row.key("name"), &row.own.name, first..index(&peers))?;
    }
    Ok(peers)
}

fn index(peers: &[PeerSetup]) -> u32 {
    u32::try_from(peers.len()).expect("the census allows a million peers")
}

/// What a peer and a class say alike. Name, place, links and times are still to be set.
fn common(
    build: &mut Build<'_>,
    at: &Place<'_>,
    limits: &OwnLimits,
    (terms, class): (&NodeTerms, &str),
) -> Result<PeerSetup, BadFile> {
    let (cap, floor) = (terms.cap.get(), terms.floor.get());
    check_floor(at, ("cap", cap), floor)?;
    let upload_cap = limits.upload.get();
    Ok(PeerSetup {
        upload_cap,
        burst: bucket(&at.key("burst"), limits.burst, upload_cap)?,
        download_cap: limits.download.get(),
        policy: build.policy(&at.key("policy"), &terms.policy)?,
        group: build.group(at, terms.group.as_ref())?,
        weight: build.weight(at, terms.weight, "peer"),
        band: small(terms.band),
        cap,
        floor,
        neighbours: terms.neighbours.get(),
        behaviour: behaviour(build, &at.key("behaviour"), &terms.behaviour, class)?,
        ..PeerSetup::default()
    })
}

/// Depth of the bucket of `upload`; a time is a depth at that rate.
fn bucket(
    at: &Place<'_>,
    burst: Option<Burst>,
    upload: Option<Rate>,
) -> Result<Option<ByteCount>, BadFile> {
    match (burst, upload) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(at.bad("has no bucket", "a burst only beside upload")),
        (Some(Burst::Size(bytes)), _) => Ok(Some(bytes)),
        (Some(Burst::Time(span)), Some(rate)) => match rate.bytes_in(span) {
            ByteCount::ZERO => {
                Err(at.bad("is less than a byte", "a time in which upload moves a byte"))
            }
            bytes => Ok(Some(bytes)),
        },
    }
}

fn named(build: &mut Build<'_>, row: &Row<'_, Peer>) -> Result<PeerSetup, BadFile> {
    let join = row.stay.join.0;
    if row.stay.leave.is_some_and(|leave| leave.0 <= join) {
        return Err(row.key("leave").bad("is not after join", "a later time"));
    }
    let at = row.key("region");
    let peer = PeerSetup {
        name: row.own.name.to_string(),
        class: row.own.class.to_string(),
        region: match (&row.own.region, build.latency.regions.len()) {
            (Some(name), _) => build.region(&at, name)?,
            (None, 0 | 1) => 0,
            (None, _) => return Err(at.missing(NAME_ALLOWED)),
        },
        up: row.own.up.get(),
        down: row.own.down.get(),
        join: Time::ZERO + join,
        leave: row.stay.leave.map(|leave| Time::ZERO + leave.0),
        linger: row.stay.linger.map(|linger| linger.0),
        ..common(build, &row.at, &row.limits, (&row.terms, &row.own.class))?
    };
    check_part(&row.key("behaviour"), &peer)?;
    Ok(peer)
}

fn class(
    build: &mut Build<'_>,
    row: &Row<'_, Class>,
    peers: &mut Vec<PeerSetup>,
) -> Result<(), BadFile> {
    let name = &*row.own.name;
    let pattern = common(build, &row.at, &row.limits, (&row.terms, name))?;
    let times = match &row.own.arrival {
        Arrival::Csv(path) => {
            let times = build.inputs.points(path, PointsKind::Arrivals);
            Some(row.key("arrival").key("csv").opened(times)?)
        }
        _ => None,
    };
    let links = Links::read(build, row)?;
    let places = Places::read(build, &row.key("regions"), &row.own.regions)?;
    let session = row.own.session.as_ref();
    let session = session.map(|drawn| drawn.distribution(&row.key("session"), build.inputs));
    let linger = row.own.linger.as_ref();
    let linger = linger.map(|drawn| drawn.distribution(&row.key("linger"), build.inputs));
    let (session, linger) = (session.transpose()?, linger.transpose()?);
    let streams = build.streams;
    let joins = joins(
        (&row.own.arrival, times.as_deref()),
        name,
        Time::ZERO + row.own.start.0,
        row.own.count.map(|count| count.get()),
        build.horizon,
        streams,
    );
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
            up,
            down,
            join,
            leave: draw(&session, "session").map(|stays| join.saturating_add(stays)),
            linger: draw(&linger, "linger"),
            name: own,
            ..pattern.clone()
        });
        check_part(&row.key("behaviour"), &peers[peers.len() - 1])?;
    }
    Ok(())
}

/// How the links of a class are drawn.
enum Links {
    Each(Option<Distribution>, Option<Distribution>),
    Mix(Arc<Vec<Link>>),
}

impl Links {
    fn read(build: &Build<'_>, row: &Row<'_, Class>) -> Result<Self, BadFile> {
        let up = row.own.up.distribution(&row.key("up"), build.inputs)?;
        let down = row.own.down.distribution(&row.key("down"), build.inputs)?;
        let at = row.key("access");
        let mix = match &row.own.access {
            None => return Ok(Self::Each(up, down)),
            Some(Access::File(path)) => at.opened(build.inputs.access(path))?,
            Some(Access::Mix(mix)) => Arc::new(mix.iter().map(Link::from).collect()),
        };
        if up.is_some() || down.is_some() {
            return Err(at.bad("stands beside up or down", "either access, or up and down"));
        }
        Ok(Self::Mix(mix))
    }

    fn draw(&self, peer: &str, streams: Streams) -> (Option<Rate>, Option<Rate>) {
        match self {
            Self::Each(up, down) => {
                let draw = |of: &Option<Distribution>, purpose: &str| {
                    let rate = of.as_ref()?.sample(&mut streams.stream(peer, purpose));
                    // A rate of zero would never move the first byte.
                    Some(Rate::new(rate.max(1)))
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
    fn read(build: &Build<'_>, at: &Place<'_>, regions: &Regions) -> Result<Self, BadFile> {
        Ok(match regions {
            Regions::All => {
                let all = u32::try_from(build.latency.regions.len()).expect("at most 1,000");
                Self::Dealt((0..all.max(1)).collect())
            }
            Regions::Dealt(names) => {
                let names = names.iter().enumerate();
                let found = names.map(|(member, name)| build.region(&at.row(member), name));
                Self::Dealt(found.collect::<Result<_, _>>()?)
            }
            Regions::Drawn(shares) => {
                let find = |(name, share): &(String, f64)| {
                    Ok((build.region(&at.key(name), name)?, *share))
                };
                Self::Drawn(shares.iter().map(find).collect::<Result<_, _>>()?)
            }
        })
    }

    fn draw(&self, number: usize, peer: &str, streams: Streams) -> u32 {
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
