//! What goes on in a node, as tables for people.

use fairhaul::control::api::{
    FlowStatus, HoldReason, PeerStatus, RateSeries, Status, TransferDirection, TransferState,
    TransferStatus,
};
use fairhaul_core::quantity::Quantity;

use super::{Table, bytes, name, rate, seconds, weight};

/// What goes on, as text.
pub(in crate::cli) fn status(status: &Status) -> String {
    head(status) + &transfers(status)
}

/// The same, with the last hour, the peers and what holds each: what is watched.
pub(in crate::cli) fn watched(status: &Status, peers: &[PeerStatus], hour: &RateSeries) -> String {
    let heads = [
        "PEER", "STATE", "SENDS", "RECEIVES", "WEIGHT", "LIMIT", "FLOOR", "HELD BY",
    ];
    let mut table = Table::new(&heads, &[2, 3, 4, 5, 6]);
    let limit = |rate: u64| Quantity::Rate.text(rate);
    for peer in peers {
        let state = match (peer.connected, &peer.ban) {
            (_, Some(_)) => "banned",
            (true, None) => "connected",
            (false, None) => "away",
        };
        table.rows.push(vec![
            name(&peer.name),
            state.to_owned(),
            rate(peer.up_bytes_s),
            rate(peer.down_bytes_s),
            weight(peer.weight_hundredths),
            peer.limit_bytes_s.map(limit).unwrap_or_default(),
            Some(peer.floor_bytes_s)
                .filter(|floor| *floor > 0)
                .map(limit)
                .unwrap_or_default(),
            held(status, peer),
        ]);
    }
    let peers = match peers.is_empty() {
        true => "no peers\n".to_owned(),
        false => table.text(),
    };
    let node = &status.node;
    format!(
        "{}fairhaul {}, listens at {}, key {}\n{}{}\n{peers}{}",
        head(status),
        name(&node.version),
        name(&node.listen),
        name(&node.key),
        last_hour("sent", &hour.up_bytes_s),
        last_hour("received", &hour.down_bytes_s),
        transfers(status)
    )
}

/// Heights of a minute in the picture of an hour.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The bytes of each second of the last hour as a picture of its minutes, the latest at the right.
fn last_hour(what: &str, seconds: &[u64]) -> String {
    let minutes: Vec<u64> = seconds
        .rchunks(60)
        .take(60)
        .map(|minute| minute.iter().sum::<u64>() / minute.len() as u64)
        .collect();
    let Some(most) = minutes.iter().copied().max().filter(|most| *most > 0) else {
        return String::new();
    };
    let height = |mean: &u64| {
        let eighths = mean.saturating_mul(8).div_ceil(most);
        let eighths = usize::try_from(eighths).unwrap_or(HEIGHTS.len());
        match eighths.min(HEIGHTS.len()) {
            0 => ' ',
            eighths => HEIGHTS[eighths - 1],
        }
    };
    let picture: String = minutes.iter().rev().map(height).collect();
    format!(
        "{what:8} {picture:>60} last hour, at most {} in a minute\n",
        rate(most)
    )
}

/// What holds a peer in each transfer in which it has something to do.
fn held(status: &Status, peer: &PeerStatus) -> String {
    let flows = status.transfers.iter().flat_map(|one| &one.peers);
    let own: Vec<&FlowStatus> = flows.filter(|flow| flow.peer == peer.name).collect();
    let is_idle = |flow: &&FlowStatus| flow.hold == HoldReason::Idle;
    let all_idle = own.iter().all(is_idle);
    let own = own.into_iter().filter(|flow| all_idle || !is_idle(flow));
    let mut words: Vec<String> = own.map(|flow| name(&flow.held_by)).collect();
    words.dedup();
    match &peer.trouble {
        Some(why) if words.is_empty() => name(why),
        _ => words.join("; "),
    }
}

fn head(status: &Status) -> String {
    let node = &status.node;
    let limit = |limit: Option<u64>| match limit {
        Some(rate) => format!(" (at most {})", Quantity::Rate.text(rate)),
        None => String::new(),
    };
    let scheduled = match status.limits.scheduled {
        true => ", by the timetable",
        false => "",
    };
    let disk = node.disk.as_ref().map_or_else(String::new, |disk| {
        let (free, total) = (bytes(disk.free_bytes), bytes(disk.total_bytes));
        format!("; {free} of {total} free on its disk")
    });
    format!(
        "{}: up {}, {} connected, fair to each {} by {}\n\
         sends {}{}, receives {}{}{scheduled}\n\
         sent {}, received {} since it started{disk}\n",
        name(&node.name),
        seconds(node.uptime_s),
        node.connected,
        name(&node.share),
        name(&node.uplink),
        rate(node.up_bytes_s),
        limit(status.limits.up_bytes_s),
        rate(node.down_bytes_s),
        limit(status.limits.down_bytes_s),
        bytes(node.up_bytes),
        bytes(node.down_bytes),
    )
}

fn transfers(status: &Status) -> String {
    if status.transfers.is_empty() {
        return "no transfers\n".to_owned();
    }
    let heads = [
        "ID", "NAME", "STATE", "DONE", "RATE", "LEFT", "PEER", "HELD BY",
    ];
    let mut table = Table::new(&heads, &[0, 3, 4, 5]);
    for transfer in &status.transfers {
        table.rows.extend(rows(transfer));
    }
    format!("\n{}", table.text())
}

/// A row of the transfer itself, and one for each peer.
fn rows(transfer: &TransferStatus) -> Vec<Vec<String>> {
    let state = match transfer.state {
        _ if transfer.paused => "paused",
        TransferState::Hashing => "hashing",
        TransferState::Verifying => "verifying",
        TransferState::Fetching => "fetching",
        TransferState::Serving => "serving",
        TransferState::Stopped => "stopped",
    };
    let percent = |bytes: u64| {
        let part = u128::from(bytes) * 100;
        let part = part.checked_div(u128::from(transfer.bytes)).unwrap_or(100);
        format!("{part} %")
    };
    let trouble = transfer.trouble.as_deref().map(name).unwrap_or_default();
    let mut rows = vec![vec![
        transfer.id.to_string(),
        name(&transfer.name),
        state.to_owned(),
        percent(transfer.done_bytes),
        rate(transfer.rate_bytes_s),
        transfer.eta_s.map(seconds).unwrap_or_default(),
        String::new(),
        trouble,
    ]];
    for flow in &transfer.peers {
        let moved = match transfer.direction {
            TransferDirection::Up => flow.up_bytes_s,
            TransferDirection::Down => flow.down_bytes_s,
        };
        // How much that peer has: the progress of a push.
        let mut row = vec![String::new(); 3];
        row.extend([
            percent(flow.has_bytes),
            rate(moved),
            String::new(),
            name(&flow.peer),
            name(&flow.held_by),
        ]);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two minutes and a half: half a minute of 120 B/s, a minute of nothing, and one of 60 B/s.
    #[test]
    fn an_hour_is_drawn_by_the_minute() {
        let mut seconds = vec![120; 30];
        seconds.extend([0; 60]);
        seconds.extend([60; 60]);
        let before = " ".repeat(57);
        let expected = format!("sent     {before}█ ▄ last hour, at most 120 B/s in a minute\n");
        assert_eq!(last_hour("sent", &seconds), expected);
        assert_eq!(last_hour("sent", &[0; 300]), "");
        assert_eq!(last_hour("sent", &[]), "");
    }
}
