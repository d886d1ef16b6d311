//! Things that change at a time.
//!
//! Decides which keys belong to which kind; refuses others, and a restart of a peer that
//! never crashed.

use std::collections::BTreeSet;

use fairhaul_core::time::Time;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::{FaultKind, FaultSetup};

use super::super::bad::BadInput;
use super::super::quantity::Quantity;
use super::super::reader::Row;
use super::Build;
use super::who::Who;

/// Every fault, by time; those of one time in the order of the file.
pub(super) fn faults(build: &Build<'_>, who: &Who) -> Result<Vec<FaultSetup>, BadInput> {
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
        for peer in who.all(&row.need("peer")?)? {
            let kind = kind(&row, peer)?;
            let changed = match kind {
                FaultKind::Crash { .. } => gone.insert(peer),
                FaultKind::Restart { .. } => gone.remove(&peer),
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

fn kind(row: &Row<'_>, peer: u32) -> Result<FaultKind, BadInput> {
    let rate = |key: &str| -> Result<Option<Rate>, BadInput> {
        Ok(row.need(key)?.limit()?.map(Rate::new))
    };
    let (kind, keys) = match row.need("kind")?.text("a kind")? {
        "crash" => (FaultKind::Crash { peer }, ["", ""]),
        "restart" => (FaultKind::Restart { peer }, ["", ""]),
        "capacity" => {
            let (up, down) = (rate("up")?, rate("down")?);
            (FaultKind::Capacity { peer, up, down }, ["up", "down"])
        }
        _ => {
            let rate = rate("upload")?;
            (FaultKind::UploadCap { peer, rate }, ["upload", ""])
        }
    };
    for key in ["up", "down", "upload"] {
        if let Some(at) = row.get(key).filter(|_| !keys.contains(&key)) {
            return Err(at.bad(
                "does not belong to this kind",
                "up and down for capacity, upload for upload",
            ));
        }
    }
    Ok(kind)
}
