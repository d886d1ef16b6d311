//! Floors against the links that would have to carry them.

use fairhaul_config::BadFile;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::PeerSetup;

use super::super::reader::{At, Row};
use super::super::tree::Value;
use super::Build;
use super::who::Who;

/// More than any link.
const UNLIMITED: Rate = Rate::new(u64::MAX);

/// Refuses a floor that a link at one of its ends can never carry: a peer's above its downlink, a
/// transfer's above the uplink of its source or the downlink of its destination, and a peer's or
/// a group's above every uplink that there is.
pub(super) fn check(build: &Build<'_>, who: &Who, peers: &[PeerSetup]) -> Result<(), BadFile> {
    let widest = peers.iter().map(|peer| peer.up.unwrap_or(UNLIMITED)).max();
    for section in ["peer", "class"] {
        for row in build.rows(section) {
            let at = row.need("floor")?;
            fits(&at, widest, || "is above every uplink".to_owned())?;
            for peer in who.find(row.need("name")?.name()?).unwrap_or_default() {
                fits_downlink(&at, &peers[peer as usize])?;
            }
        }
    }
    for row in groups(build) {
        let at = row.need("floor")?;
        fits(&at, widest, || "is above every uplink".to_owned())?;
    }
    for section in ["transfer", "workload"] {
        for row in build.rows(section) {
            let at = row.need("floor")?;
            for peer in who.all(&row.need("source")?)? {
                let PeerSetup { name, up, .. } = &peers[peer as usize];
                fits(&at, *up, || format!("is above the uplink of {name}"))?;
            }
            for peer in who.all(&row.need("destination")?)? {
                fits_downlink(&at, &peers[peer as usize])?;
            }
        }
    }
    Ok(())
}

fn fits_downlink(at: &At<'_>, peer: &PeerSetup) -> Result<(), BadFile> {
    fits(at, peer.down, || {
        format!("is above the downlink of {}", peer.name)
    })
}

fn fits(at: &At<'_>, link: Option<Rate>, what: impl Fn() -> String) -> Result<(), BadFile> {
    match (at.floor()?, link) {
        (Some(floor), Some(link)) if Rate::new(floor) > link => {
            Err(at.bad(what(), format!("at most {} B/s", link.get())))
        }
        _ => Ok(()),
    }
}

fn groups<'a>(build: &Build<'a>) -> Vec<Row<'a>> {
    let Some(entry) = build.full.get("group") else {
        return Vec::new();
    };
    let Value::Table(table) = &entry.item.value else {
        unreachable!("the section was checked to be a table");
    };
    let rows = table.entries.iter().filter_map(|entry| {
        let Value::Table(table) = &entry.item.value else {
            return None;
        };
        Some(Row {
            cx: build.cx,
            path: format!("group.{}", entry.key),
            line: entry.line,
            table,
        })
    });
    rows.collect()
}
