//! Floors of a parameter file that can be kept, by the core's rule.
//!
//! Entries of the schedule are left out: a floor yields to a limit that holds for a time.

use std::collections::BTreeMap;

use fairhaul_core::id::GroupId;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::{Over, Promises, Unkept};

use super::Params;
use super::bad::{BadFile, Fault};
use super::kind::Value;
use super::row::{Row, Source};

/// Refuses the first floor that is above the cap over it, or makes a sum that is.
pub(super) fn check(source: &Source<'_>, params: &Params) -> Result<(), BadFile> {
    let mut promises = Promises::new(cap(&params.rows("limits")[0]));
    let mut groups = BTreeMap::new();
    for ((name, row), id) in params.group_rows().zip(0..) {
        groups.insert(name, GroupId(id));
        let kept = promises.group(GroupId(id), floor(row), cap(row));
        kept.map_err(|unkept| fault(source, row, unkept))?;
    }
    for row in params.rows("peer") {
        let group = row.text("group").map(|name| groups[name]);
        let kept = promises.member(floor(row), cap(row), group);
        kept.map_err(|unkept| fault(source, row, unkept))?;
    }
    Ok(())
}

fn fault(source: &Source<'_>, row: &Row, unkept: Unkept) -> BadFile {
    let cap = Quantity::Rate.text(unkept.capacity.get());
    let what = match unkept.over {
        Over::Own => format!("is above the cap of {cap}"),
        Over::Group(_) => {
            let group = row.text("group").unwrap_or_default();
            format!("brings the sum of floors in group {group:?} above the cap of {cap}")
        }
        Over::Node => format!("brings the sum of all floors above the cap of {cap}"),
    };
    let got = Quantity::Rate.text(unkept.sum.get());
    let fault = Fault::new(what, got, format!("at most {cap}"));
    row.bad(source, "floor", fault)
}

fn floor(row: &Row) -> Rate {
    match row.get("floor") {
        Some(Value::Floor(rate)) => *rate,
        other => unreachable!("the grammar gives every floor a default, not {other:?}"),
    }
}

fn cap(row: &Row) -> Option<Rate> {
    match row.get("upload") {
        Some(Value::Limit(rate)) => *rate,
        Some(Value::Auto) => None,
        other => unreachable!("the grammar gives every cap a default, not {other:?}"),
    }
}
