//! What a person should know of a scenario before running it: replications that cannot differ, and
//! what one network model does otherwise than the other, or than the ideal.

use std::collections::BTreeSet;

use fairhaul_config::BadFile;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::{REQUEST_COST_MIN, Share};
use fairhaul_simulator::setup::{NetworkModel, PeerSetup, Setup, TransferSetup};

use super::{Replications, Scenario};

/// The notes of `scenario`, each once.
///
/// # Errors
///
/// A fault that only some combination of values has.
pub fn of(scenario: &Scenario) -> Result<Vec<String>, BadFile> {
    let mut notes = Vec::from_iter(on_replications(&scenario.replications()?));
    let mut seen = BTreeSet::new();
    for cell in scenario.cells() {
        let found = on_models(&cell.resolve(0)?);
        notes.extend(found.into_iter().filter(|note| seen.insert(note.clone())));
    }
    Ok(notes)
}

fn on_replications(found: &[Replications]) -> Option<String> {
    let count = |kind| found.iter().filter(|own| **own == kind).count();
    let of_all = |cells: usize| match cells == found.len() {
        true => "of every cell".to_owned(),
        false => format!("of {cells} of {} cells", found.len()),
    };
    let same = count(Replications::Identical);
    let in_nodes = count(Replications::DifferInNodes);
    if same > 0 {
        let cells = of_all(same);
        Some(format!(
            "replications {cells} cannot differ: nothing is drawn there, so they are one run"
        ))
    } else if in_nodes > 0 {
        let cells = of_all(in_nodes);
        Some(format!(
            "replications {cells} differ at most in what nodes draw (neighbours, chunks, whom to \
             unchoke): nothing in the file is drawn there"
        ))
    } else {
        None
    }
}

/// Where the network models differ, or the entitlements from what is served, whatever the rates.
fn on_models(setup: &Setup) -> Vec<String> {
    let mut notes = Vec::new();
    let is_block = setup.network != NetworkModel::Fluid;
    if is_block && !setup.links.is_empty() && has_terms(setup) {
        notes.push(
            "a link that several share serves in the order of arrival in the block network: \
             weights, floors and the policy's order count at uplinks alone; a fluid and the \
             entitlements count them at every link"
                .to_owned(),
        );
    }
    let source = |transfer: &TransferSetup| &setup.peers[transfer.source as usize];
    let policy = |transfer: &TransferSetup| &setup.policies[source(transfer).policy as usize];
    let sharing = |share| {
        setup
            .transfers
            .iter()
            .filter(move |row| policy(row).share == share)
    };
    if let Some(row) = sharing(Share::Group).find(|row| row.floor.is_some()) {
        notes.push(format!(
            "the floor of transfer {}: under share = \"group\" an uplink of the block network \
             serves it on top of its group's share; in a fluid and in the entitlements its group \
             pays for it",
            row.name
        ));
    }
    let across = |row: &&TransferSetup| {
        let group = row.group.map(|group| &setup.groups[group as usize]);
        group
            .filter(|group| group.cap.is_some() && is_split(setup, row))
            .is_some()
    };
    if let Some(row) = sharing(Share::Peer).find(across) {
        notes.push(format!(
            "the upload of the group of transfer {}: under share = \"peer\" an uplink of the block \
             network divides it among its transfers, whichever peer they are to; a fluid and \
             the entitlements divide it among the peers",
            row.name
        ));
    }
    let is_short = |row: &&TransferSetup| {
        let largest = policy(row)
            .block
            .and_then(fairhaul_config::amount::SizeLimit::get);
        let least = largest.map_or(REQUEST_COST_MIN, |block| block.min(REQUEST_COST_MIN));
        row.chunk.min(row.bytes) < least && row.bytes > row.chunk
    };
    if let Some(row) = setup.transfers.iter().find(is_short) {
        let text = |size: u64| Quantity::Size.text(size);
        notes.push(format!(
            "transfer {} has chunks of {}: in the block network a discipline counts each request as \
             {} at least, and so do the entitlements there; a fluid counts bytes",
            row.name,
            text(row.chunk.get()),
            text(REQUEST_COST_MIN.get())
        ));
    }
    notes
}

/// Whether anything of the scenario has a right that others have not.
fn has_terms(setup: &Setup) -> bool {
    let is_more = |weight: Weight, floor: Option<Rate>| weight != Weight::ONE || floor.is_some();
    let of_peer = |peer: &PeerSetup| is_more(peer.weight, peer.floor) || peer.band > 0;
    let of_row = |row: &TransferSetup| is_more(row.weight, row.floor) || row.band > 0;
    let mut groups = setup.groups.iter();
    setup.peers.iter().any(of_peer)
        || setup.transfers.iter().any(of_row)
        || groups.any(|group| is_more(group.weight, group.floor) || group.band > 0)
}

/// Whether the group of `row` has transfers to several peers at its source, and several to one.
fn is_split(setup: &Setup, row: &TransferSetup) -> bool {
    let is_beside = |other: &&TransferSetup| (other.source, other.group) == (row.source, row.group);
    let beside = setup.transfers.iter().filter(is_beside);
    let to: Vec<u32> = beside.map(|other| other.destination).collect();
    let peers = to.iter().collect::<BTreeSet<_>>().len();
    peers > 1 && to.len() > peers
}
