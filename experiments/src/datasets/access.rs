//! Access links and their shares, from `share,up_mbit_s,down_mbit_s` and optionally `name`.
//!
//! Shares are relative to their sum; a mix without any is refused.

use std::path::Path;

use fairhaul_core::units::Rate;
use fairhaul_simulator::distribution::to_integer;

use super::table::Table;
use crate::scenario::{AccessLink, BadFile};

/// One kind of access link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Link {
    /// Its part of the population, relative to the sum of all.
    pub(crate) share: f64,
    /// Its uplink; none is unlimited.
    pub(crate) up: Option<Rate>,
    /// Its downlink; none is unlimited.
    pub(crate) down: Option<Rate>,
}

impl From<&AccessLink> for Link {
    fn from(link: &AccessLink) -> Self {
        Self {
            share: link.share.0,
            up: link.up.get(),
            down: link.down.get(),
        }
    }
}

/// Reads the mix at `path`.
pub(crate) fn read(folder: &Path, path: &str) -> Result<Vec<Link>, BadFile> {
    let needed = ["share", "up_mbit_s", "down_mbit_s"];
    let mut table = Table::open(folder, path, &needed, &["name"])?;
    let [share, up, down] = needed.map(|name| table.column(name).expect("needed"));
    let mut mix = Vec::new();
    while table.next()? {
        let rate = |column| {
            let mbit = table.real(column, 0.000_008, 1_000_000.0)?;
            Ok(Some(Rate::new(to_integer(mbit * 125_000.0))))
        };
        mix.push(Link {
            share: table.real(share, 0.0, 1e9)?,
            up: rate(up)?,
            down: rate(down)?,
        });
    }
    if mix.iter().all(|link| link.share <= 0.0) {
        let allowed = "at least one row with a share above zero";
        return Err(table.bad_at("share", "is nowhere above zero", "no shares", allowed));
    }
    Ok(mix)
}
