//! Things that change at a time.
//!
//! Decides which keys belong to which kind; refuses others, and a restart of a peer that
//! never crashed.

use std::collections::BTreeSet;

use fairhaul_config::BadFile;
use fairhaul_core::time::Time;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::{FaultKind, FaultSetup, NewRate, TransferSetup};

use super::super::check::unknown;
use super::super::quantity::Quantity;
use super::super::reader::{At, Row};
use super::Build;
use super::who::Who;

/// The keys of each kind of fault, the first of them needed.
const KEYS: &[(&str, &[&str])] = &[
    ("crash", &["peer"]),
    ("restart", &["peer"]),
    ("capacity", &["peer", "up", "down"]),
    ("upload", &["peer", "upload"]),
    ("link", &["link", "capacity"]),
    ("abort", &["transfer"]),
];

/// Every fault, by time; those of one time in the order of the file.
pub(super) fn faults(
    build: &Build<'_>,
    who: &Who,
    transfers: &[TransferSetup],
) -> Result<Vec<FaultSetup>, BadFile> {
    let mut rows = Vec::new();
    for row in build.rows("fault") {
        let at = row.need("at")?;
        let time = Time::from_nanos(at.amount(Quantity::Time)?);
        if time >= build.horizon {
            return Err(at.bad("is not before the end", "a time before scenario.horizon"));
        }
        rows.push((time, row));
    }
    rows.sort_by_key(|(time, _)| *time);
    let mut faults = Vec::new();
    let mut gone = BTreeSet::new();
    for (at, row) in rows {
        for kind in kinds(build, &row, who, transfers)? {
            let changed = match kind {
                FaultKind::Crash { peer } => gone.insert(peer),
                FaultKind::Restart { peer } => gone.remove(&peer),
                _ => true,
            };
            if !changed {
                let at = row.need("kind")?;
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
    row: &Row<'_>,
    who: &Who,
    transfers: &[TransferSetup],
) -> Result<Vec<FaultKind>, BadFile> {
    let kind = row.need("kind")?.text("a kind")?;
    check_keys(row, kind)?;
    let each = |make: &dyn Fn(u32) -> FaultKind| -> Result<Vec<FaultKind>, BadFile> {
        Ok(who.all(&row.need("peer")?)?.into_iter().map(make).collect())
    };
    match kind {
        "crash" => each(&|peer| FaultKind::Crash { peer }),
        "restart" => each(&|peer| FaultKind::Restart { peer }),
        "capacity" => {
            let rate = |key| row.get(key).map_or(Ok(NewRate::Keep), |at| at.changed());
            let (up, down) = (rate("up")?, rate("down")?);
            if (up, down) == (NewRate::Keep, NewRate::Keep) {
                return Err(row
                    .need("up")?
                    .bad("is missing", "a value for up, down or both"));
            }
            each(&|peer| FaultKind::Capacity { peer, up, down })
        }
        "link" => {
            let capacity = row.need("capacity")?.changed()?.after(None);
            let links = links(build, &row.need("link")?)?;
            let each = links.into_iter();
            Ok(each
                .map(|link| FaultKind::SharedCapacity { link, capacity })
                .collect())
        }
        "abort" => {
            let all = aborted(&row.need("transfer")?, transfers)?;
            let each = all.into_iter();
            Ok(each.map(|transfer| FaultKind::Abort { transfer }).collect())
        }
        _ => {
            let rate = row.need("upload")?.limit()?.map(Rate::new);
            each(&|peer| FaultKind::UploadCap { peer, rate })
        }
    }
}

fn check_keys(row: &Row<'_>, kind: &str) -> Result<(), BadFile> {
    let own = KEYS.iter().find(|(name, _)| *name == kind);
    let own = own.map_or(&[][..], |(_, keys)| keys);
    let all = KEYS.iter().flat_map(|(_, keys)| keys.iter());
    for key in all.filter(|key| !own.contains(key)) {
        if let Some(at) = row.get(key) {
            let allowed = format!("{} for {kind}", own.join(", "));
            return Err(at.bad("does not belong to this kind", allowed));
        }
    }
    Ok(())
}

/// The rows of `[[link]]` that the names under `at` mean.
fn links(build: &Build<'_>, at: &At<'_>) -> Result<Vec<u32>, BadFile> {
    let rows = build.rows("link");
    let names: Result<Vec<&str>, _> = rows.iter().map(|row| row.need("name")?.name()).collect();
    let names = names?;
    let find = |at: &At<'_>| -> Result<u32, BadFile> {
        let name = at.name()?;
        let place = names.iter().position(|known| *known == name);
        place
            .map(|place| u32::try_from(place).expect("as many as tables in a file"))
            .ok_or_else(|| unknown(at, "link", name, names.iter().copied()))
    };
    at.one_or_more("a name or a list of names")?
        .iter()
        .map(find)
        .collect()
}

/// The transfers that the names under `at` mean: one, or all that a row made.
fn aborted(at: &At<'_>, transfers: &[TransferSetup]) -> Result<Vec<u32>, BadFile> {
    let mut all = BTreeSet::new();
    for at in at.one_or_more("a name or a list of names")? {
        let name = at.name()?;
        let row_of = |own: &str| match own.rsplit_once('.') {
            Some((row, number)) => row == name && number.bytes().all(|b| b.is_ascii_digit()),
            None => false,
        };
        let rows = (0_u32..).zip(transfers);
        let meant = rows.filter(|(_, transfer)| transfer.name == name || row_of(&transfer.name));
        let before = all.len();
        all.extend(meant.map(|(row, _)| row));
        if all.len() == before {
            let names = transfers.iter().map(|transfer| transfer.name.as_str());
            return Err(unknown(&at, "transfer", name, names));
        }
    }
    Ok(all.into_iter().collect())
}
