//! Floors that can be kept.
//!
//! Decides whether what is promised at least fits under what is allowed at most: for each
//! peer and group, for the members of a group together, and for the node. Entries of the
//! schedule are left out: a floor yields to a limit that holds for a time.

use std::collections::BTreeMap;

use fairhaul_core::quantity::Quantity;

use super::Params;
use super::bad::{BadFile, Fault};
use super::kind::Value;
use super::row::{Row, Source};

/// Refuses the first floor that is above the cap over it, or makes a sum that is.
pub(super) fn check(source: &Source<'_>, params: &Params) -> Result<(), BadFile> {
    let groups: BTreeMap<&str, &Row> = params.group_rows().collect();
    for row in params.rows("peer").iter().chain(groups.values().copied()) {
        hold(source, row, floor(row), cap(row), "is above the cap of")?;
    }
    let node = &params.rows("limits")[0];
    let mut members: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sum = 0_u64;
    for peer in params.rows("peer") {
        let Some(group) = peer.text("group") else {
            sum += floor(peer);
            hold(
                source,
                peer,
                sum,
                cap(node),
                "brings the sum of all floors above the cap of",
            )?;
            continue;
        };
        let held = members.entry(group).or_default();
        *held += floor(peer);
        let what = format!("brings the sum of floors in group {group:?} above the cap of");
        hold(source, peer, *held, cap(groups[group]), &what)?;
    }
    // A group's floor is met by what its members get.
    for (name, group) in groups {
        sum += floor(group).max(members.get(name).copied().unwrap_or_default());
        hold(
            source,
            group,
            sum,
            cap(node),
            "brings the sum of all floors above the cap of",
        )?;
    }
    Ok(())
}

/// Refuses the floor of `row` if `total` is above `cap`.
fn hold(
    source: &Source<'_>,
    row: &Row,
    total: u64,
    cap: Option<u64>,
    what: &str,
) -> Result<(), BadFile> {
    let Some(cap) = cap.filter(|cap| total > *cap) else {
        return Ok(());
    };
    let cap = Quantity::Rate.text(cap);
    let got = Quantity::Rate.text(total);
    let fault = Fault::new(format!("{what} {cap}"), got, format!("at most {cap}"));
    Err(row.bad(source, "floor", fault))
}

fn floor(row: &Row) -> u64 {
    match row.get("floor") {
        Some(Value::Floor(rate)) => rate.get(),
        other => unreachable!("the grammar gives every floor a default, not {other:?}"),
    }
}

fn cap(row: &Row) -> Option<u64> {
    match row.get("upload") {
        Some(Value::Limit(rate)) => rate.map(|rate| rate.get()),
        Some(Value::Auto) => None,
        other => unreachable!("the grammar gives every cap a default, not {other:?}"),
    }
}
