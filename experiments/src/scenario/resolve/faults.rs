//! Faults: things that change at a time.
//!
//! A key that does not belong to the kind of fault is refused, and the restart of a peer that never
//! crashed.

use std::collections::BTreeSet;

use fairhaul_config::BadFile;
use fairhaul_config::amount::RateLimit;
use fairhaul_config::text::NAME_ALLOWED;
use fairhaul_config::value::Value as _;
use fairhaul_core::time::Time;
use fairhaul_simulator::setup::{FaultKind, FaultSetup, NewRate, TransferSetup};

use super::super::file::{Change, Fault, Names};
use super::super::names::unknown;
use super::super::values::NewCapacity;
use super::super::word;
use super::selector::Who;
use super::{Build, Row, index, rows};

impl Change {
    /// The keys that say what becomes of whom, beside `at` and `kind`.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Crash | Self::Restart => &["peer"],
            Self::Capacity => &["peer", "up", "down"],
            Self::Upload => &["peer", "upload"],
            Self::Link => &["link", "capacity"],
            Self::Abort => &["transfer"],
        }
    }
}

/// Every fault, by time; those of one time in the order of the file.
pub(super) fn faults(
    build: &Build<'_>,
    who: &Who,
    transfers: &[TransferSetup],
) -> Result<Vec<FaultSetup>, BadFile> {
    let mut by_time = Vec::new();
    for row in rows(build.document, "fault", &build.file.faults) {
        let at = Time::ZERO + row.table.at.0;
        if at >= build.horizon {
            let place = row.key("at");
            return Err(place.bad("is not before the end", "a time before scenario.horizon"));
        }
        by_time.push((at, row));
    }
    by_time.sort_by_key(|(at, _)| *at);
    let mut faults = Vec::new();
    let mut gone = BTreeSet::new();
    for (at, row) in by_time {
        for kind in kinds(build, &row, who, transfers)? {
            let changed = match kind {
                FaultKind::Crash { peer } => gone.insert(peer),
                FaultKind::Restart { peer } => gone.remove(&peer),
                _ => true,
            };
            if !changed {
                let at = row.key("kind");
                return Err(at.bad("does not follow", "crash, then restart, in turn for a peer"));
            }
            faults.push(FaultSetup { at, kind });
        }
    }
    Ok(faults)
}

/// What one row says, once for each peer, link or transfer that it names.
fn kinds(
    build: &Build<'_>,
    row: &Row<'_, Fault>,
    who: &Who,
    transfers: &[TransferSetup],
) -> Result<Vec<FaultKind>, BadFile> {
    check_keys(row)?;
    let each = |make: &dyn Fn(u32) -> FaultKind| -> Result<Vec<FaultKind>, BadFile> {
        let names = named(row, "peer", &row.peer)?;
        let peers = who.all(&row.key("peer"), names)?;
        Ok(peers.into_iter().map(make).collect())
    };
    let missing = |key: &str, allowed: String| row.key(key).missing(allowed);
    match row.kind {
        Change::Crash => each(&|peer| FaultKind::Crash { peer }),
        Change::Restart => each(&|peer| FaultKind::Restart { peer }),
        Change::Capacity => {
            let rate = |new: Option<NewCapacity>| new.map_or(NewRate::Keep, |new| new.0);
            let (up, down) = (rate(row.up), rate(row.down));
            if (up, down) == (NewRate::Keep, NewRate::Keep) {
                return Err(missing("up", "a value for up, down or both".to_owned()));
            }
            each(&|peer| FaultKind::Capacity { peer, up, down })
        }
        Change::Link => {
            let links = links(build, row, named(row, "link", &row.link)?)?;
            let Some(NewCapacity(new)) = row.capacity else {
                return Err(missing("capacity", NewCapacity::allowed()));
            };
            let capacity = new.after(None);
            let each = links.into_iter();
            Ok(each
                .map(|link| FaultKind::SharedCapacity { link, capacity })
                .collect())
        }
        Change::Abort => {
            let all = aborted(row, named(row, "transfer", &row.transfer)?, transfers)?;
            let each = all.into_iter();
            Ok(each.map(|transfer| FaultKind::Abort { transfer }).collect())
        }
        Change::Upload => {
            let Some(upload) = row.upload else {
                return Err(missing("upload", RateLimit::allowed()));
            };
            let rate = upload.get();
            each(&|peer| FaultKind::UploadCap { peer, rate })
        }
    }
}

/// The names under a key, which must be there.
fn named<'f>(
    row: &Row<'_, Fault>,
    key: &str,
    names: &'f Option<Names>,
) -> Result<&'f Names, BadFile> {
    let missing = || {
        row.key(key)
            .missing(format!("{NAME_ALLOWED}, or a list of such"))
    };
    names.as_ref().ok_or_else(missing)
}

fn check_keys(row: &Row<'_, Fault>) -> Result<(), BadFile> {
    let Fault {
        at: _,
        kind,
        peer,
        up,
        down,
        upload,
        link,
        capacity,
        transfer,
    } = row.table;
    let given = [
        ("peer", peer.is_some()),
        ("up", up.is_some()),
        ("down", down.is_some()),
        ("upload", upload.is_some()),
        ("link", link.is_some()),
        ("capacity", capacity.is_some()),
        ("transfer", transfer.is_some()),
    ];
    let own = kind.keys();
    let mut others = given
        .iter()
        .filter(|(key, is_given)| *is_given && !own.contains(key));
    others.next().map_or(Ok(()), |(key, _)| {
        let allowed = format!("{} for {}", own.join(", "), word(kind));
        Err(row.key(key).bad("does not belong to this kind", allowed))
    })
}

/// The rows of `[[link]]` that `names` mean.
fn links(build: &Build<'_>, row: &Row<'_, Fault>, names: &Names) -> Result<Vec<u32>, BadFile> {
    let known = build.file.links.iter().map(|link| &*link.name);
    let at = row.key("link");
    let names = names.iter().enumerate();
    names
        .map(|(member, name)| index(&at.row(member), "link", name, known.clone()))
        .collect()
}

/// The transfers that `names` mean: one, or all that a row made.
fn aborted(
    row: &Row<'_, Fault>,
    names: &Names,
    transfers: &[TransferSetup],
) -> Result<Vec<u32>, BadFile> {
    let mut all = BTreeSet::new();
    for (member, name) in names.iter().enumerate() {
        let row_of = |own: &str| match own.rsplit_once('.') {
            Some((row, number)) => *row == **name && number.bytes().all(|b| b.is_ascii_digit()),
            None => false,
        };
        let rows = (0_u32..).zip(transfers);
        let meant = rows.filter(|(_, one)| *one.name == **name || row_of(&one.name));
        let before = all.len();
        all.extend(meant.map(|(row, _)| row));
        if all.len() == before {
            let names = transfers.iter().map(|transfer| transfer.name.as_str());
            let at = row.key("transfer").row(member);
            return Err(at.refuse(unknown("transfer", name, names)));
        }
    }
    Ok(all.into_iter().collect())
}
