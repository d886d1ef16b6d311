//! What a fluid cannot express: refused by its key, never ignored.
//!
//! A fluid has shares and orders, no turns of blocks and no queue of requests of a swarm; see
//! `fairhaul_simulator::network::fluid`. Keys that are about blocks alone (`block`, `quantum`,
//! `burst`, `connection-window`) say so in the schema and change no rate.

use fairhaul_config::BadFile;
use fairhaul_config::amount::SizeLimit;
use fairhaul_config::document::Document;
use fairhaul_core::block_size;
use fairhaul_core::sched::{self, Claim};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::setup::{NetworkModel, PolicySetup, Setup, TransferSetup};

use super::super::bundles::BASE;

/// Why a rule that goes by what comes back, or by what is on the link, is refused.
const BLOCK_BY_BLOCK: &str = "decides block by block whose turn it is, and a fluid has no blocks";

/// Blocks that differ by less than this factor have equal turns.
const EQUAL: f64 = 1.02;

/// Refuses what `setup` asks of a fluid in vain.
pub(super) fn check(
    document: &Document,
    bundles: &[(String, PolicySetup)],
    setup: &Setup,
) -> Result<(), BadFile> {
    if setup.network != NetworkModel::Fluid {
        return Ok(());
    }
    for (policy, (bundle, row)) in (0_u32..).zip(bundles) {
        let mut at = document.place().key("policy");
        if bundle != BASE {
            at = at.key(bundle);
        }
        let brought = row.unchoke.row().uplink;
        if brought.is_some() {
            let allowed = "network = \"block\", or another policy";
            return Err(at.key("unchoke").bad(BLOCK_BY_BLOCK, allowed));
        }
        let at = at.key("uplink");
        let (outer, inner) = (row.uplink.outer().name, row.uplink.inner().name);
        let refuse = |what: &str| Err(at.bad(what, "network = \"block\", or another discipline"));
        if matches!(outer, "srpt" | "fifo") && inner != outer {
            return refuse(
                "orders classes by the block whose turn is next below, which a fluid does not have",
            );
        }
        let goes_by_blocks = |row: &sched::DisciplineRow| matches!(row.claim, Claim::Exchange);
        if goes_by_blocks(row.uplink.outer()) || goes_by_blocks(row.uplink.inner()) {
            return refuse(BLOCK_BY_BLOCK);
        }
        if [outer, inner].into_iter().any(has_order_of_its_own) {
            return refuse("has an order of its own, which a fluid does not know");
        }
        if [outer, inner].contains(&"fifo") && serves_contents(setup, policy) {
            return refuse("orders the requests of a swarm, which a fluid does not queue");
        }
        if [outer, inner].contains(&"round-robin")
            && let Some((one, other)) = unequal_blocks(setup, policy)
        {
            return refuse(&format!(
                "gives equal turns to blocks, which differ in length between transfer {one} and \
                 {other}, and a fluid has no blocks"
            ));
        }
    }
    Ok(())
}

/// Whether a discipline that the program has added promises nothing that a fluid could keep.
fn has_order_of_its_own(discipline: &str) -> bool {
    let is_built_in = sched::ALL.iter().any(|row| row.name == discipline);
    let row = sched::DISCIPLINES.find(discipline).filter(|_| !is_built_in);
    row.is_some_and(|row| matches!(row.claim, Claim::None))
}

/// Whether a peer under this policy takes part in a swarm.
fn serves_contents(setup: &Setup, policy: u32) -> bool {
    let of_policy = |peer: &u32| setup.peers[*peer as usize].policy == policy;
    let members = |content: &fairhaul_simulator::setup::ContentSetup| {
        content.seeds.iter().chain(&content.leechers).any(of_policy)
    };
    setup.contents.iter().any(members)
}

/// Two transfers of one source under this policy whose blocks differ in length.
fn unequal_blocks(setup: &Setup, policy: u32) -> Option<(&str, &str)> {
    let mut first: Vec<Option<(&str, f64)>> = vec![None; setup.peers.len()];
    for transfer in &setup.transfers {
        if setup.peers[transfer.source as usize].policy != policy {
            continue;
        }
        let own = mean_block(setup, transfer);
        let (name, other) = *first[transfer.source as usize].get_or_insert((&transfer.name, own));
        if own.max(other) > own.min(other) * EQUAL {
            return Some((name, &transfer.name));
        }
    }
    None
}

/// Bytes of a transfer for each turn that it takes.
fn mean_block(setup: &Setup, transfer: &TransferSetup) -> f64 {
    let source = &setup.peers[transfer.source as usize];
    let who = &setup.peers[transfer.destination as usize];
    let link = [source.up, source.upload_cap].into_iter().flatten().min();
    let policy = &setup.policies[source.policy as usize];
    let largest = policy
        .block
        .and_then(SizeLimit::get)
        .unwrap_or_else(|| block_size::for_rate(link));
    let group = |row: Option<u32>| row.and_then(|row| setup.groups[row as usize].cap);
    let caps = [
        transfer.cap,
        who.cap,
        group(who.group),
        group(transfer.group),
    ];
    let under = |cap: Option<Rate>| block_size::for_cap(cap);
    let block = caps
        .into_iter()
        .map(under)
        .fold(largest, ByteCount::min)
        .get()
        .max(1);
    let (bytes, chunk) = (transfer.bytes.get(), transfer.chunk.get().max(1));
    let turns = bytes / chunk * chunk.div_ceil(block) + (bytes % chunk).div_ceil(block);
    bytes as f64 / turns.max(1) as f64
}
