//! Floors against the links that would have to carry them.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::PeerSetup;

use super::Build;
use super::selector::Who;

/// More than any link.
const UNLIMITED: Rate = Rate::new(u64::MAX);

/// Refuses a floor that a link at one of its ends can never carry: a peer's above its downlink or
/// its own cap on what it receives, a transfer's above the uplink of its source or what its
/// destination may receive, and a peer's or a group's above every uplink that there is.
pub(super) fn check(build: &Build<'_>, who: &Who, peers: &[PeerSetup]) -> Result<(), BadFile> {
    let widest = peers.iter().map(|peer| peer.up.unwrap_or(UNLIMITED)).max();
    let everywhere = || "is above every uplink".to_owned();
    for (at, name, terms) in build.nodes() {
        let floor = (at.key("floor"), terms.floor.get());
        fits(&floor, widest, everywhere)?;
        for peer in who.find(name).unwrap_or_default() {
            fits_downlink(&floor, &peers[peer as usize])?;
        }
    }
    for (name, group) in build.file.groups.iter() {
        let at = build.document.place().key("group").key(name).key("floor");
        fits(&(at, group.floor.get()), widest, everywhere)?;
    }
    for (at, ends, terms) in build.flows() {
        let floor = (at.key("floor"), terms.floor.get());
        for peer in who.all(&at.key("source"), &ends.source)? {
            let PeerSetup { name, up, .. } = &peers[peer as usize];
            fits(&floor, *up, || format!("is above the uplink of {name}"))?;
        }
        for peer in who.all(&at.key("destination"), &ends.destination)? {
            fits_downlink(&floor, &peers[peer as usize])?;
        }
    }
    Ok(())
}

/// A floor and its place.
type Floor<'a> = (Place<'a>, Option<Rate>);

fn fits_downlink(floor: &Floor<'_>, peer: &PeerSetup) -> Result<(), BadFile> {
    fits(floor, peer.down, || {
        format!("is above the downlink of {}", peer.name)
    })?;
    fits(floor, peer.download_cap, || {
        format!("is above the download cap of {}", peer.name)
    })
}

fn fits(
    (at, floor): &Floor<'_>,
    link: Option<Rate>,
    what: impl Fn() -> String,
) -> Result<(), BadFile> {
    match (floor, link) {
        (Some(floor), Some(link)) if *floor > link => Err(at.bad(what(), at_most(link))),
        _ => Ok(()),
    }
}

/// The rates that are allowed, as a person writes them.
pub(super) fn at_most(most: Rate) -> String {
    format!("at most {}", Quantity::Rate.text(most.get()))
}
