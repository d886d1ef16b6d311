//! The tables of a run, as the node fills them.
//!
//! There is a row a second for each flow that moved or waited, one for a transfer when it ends, and
//! one for each peer at the end.

use std::io;
use std::path::Path;

use fairhaul_core::library::Content;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::Limit;

use super::counts::Traffic;
use crate::control::api::Failure;
use crate::node::connections::peers::PeerRow as Peer;
use crate::node::contents::row::Row;
use crate::params::{ParameterFile, PeerParams};
use crate::tables::{FlowKind, PeerRow, RunKeys, Tables, TransferRow, WindowRow};

/// Tables, and when the current window began.
#[derive(Debug)]
pub(crate) struct Records {
    tables: Tables,
    window: Time,
    own: String,
}

impl Records {
    pub(crate) fn create(
        folder: &Path,
        params: &ParameterFile,
        file: &Path,
    ) -> Result<Self, Failure> {
        let node = &params.node;
        let policy = &params.policy;
        let keys = RunKeys {
            run: node.name.to_string(),
            cell: policy.uplink.outer().name.to_owned(),
            seed: 0,
            replication: 0,
            params: vec![(
                "policy.uplink".to_owned(),
                policy.uplink.outer().name.to_owned(),
            )],
            command: format!("fairhaul run -c {}", file.display()),
            parameters: params.to_toml(),
            commit: String::new(),
        };
        let tables = Tables::create(folder, &keys);
        let failed = |error| Failure::storage(format!("{}: {error}", folder.display()));
        Ok(Self {
            tables: tables.map_err(failed)?,
            window: Time::ZERO,
            own: node.name.to_string(),
        })
    }

    /// A window ends now: one row for each flow that moved or waits, given its rate in bytes per
    /// second.
    pub(super) fn windows<'a>(
        &mut self,
        flows: impl Iterator<Item = (&'a Peer, u64, bool)>,
        now: Time,
    ) -> io::Result<()> {
        let (start, window) = (self.window, now.since(self.window));
        self.window = now;
        let mut result = Ok(());
        for (peer, rate, waits) in flows.filter(|(_, rate, waits)| *rate > 0 || *waits) {
            let row = WindowRow {
                window_s: window,
                start_s: start,
                flow_kind: FlowKind::Peer,
                flow: &peer.name,
                class: class_of(peer.params.as_ref()),
                bytes: Rate::new(rate).bytes_in(window).get(),
                entitlement_bytes: None,
                backlogged_s: if waits { window } else { Span::ZERO },
            };
            result = result.and_then(|()| self.tables.window(&row));
        }
        result
    }

    /// A content that was fetched is whole.
    pub(super) fn transfer(
        &mut self,
        (content, row): (&Content, &Row),
        source: &str,
        (limit, came): (Limit, u64),
        now: Time,
    ) -> io::Result<()> {
        let note = TransferRow {
            transfer: row.name(),
            class: "fetch",
            source,
            destination: &self.own,
            bytes: content.bytes(),
            weight: limit.weight,
            cap_bytes_per_s: limit.cap,
            floor_bytes_per_s: limit.floor,
            start_s: Some(content.started()),
            end_s: Some(now),
            received_bytes: came,
            ..TransferRow::default()
        };
        let result = self.tables.transfer(note);
        let took = now.since(content.started());
        self.tables.latency(FlowKind::Transfer, "fetch", took);
        result
    }

    /// The run ends: one row for each peer that was here, since when it is now if it is, and the
    /// sums.
    pub(super) fn end<'a>(
        mut self,
        peers: impl Iterator<Item = (&'a Peer, Option<Time>, Traffic)>,
        digest: Option<&str>,
        now: Time,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for (peer, since, traffic) in peers {
            let params = peer.params.as_ref();
            let present = since.map_or(0, |since| now.since(since).as_nanos());
            let note = PeerRow {
                peer: &peer.name,
                class: class_of(params),
                down_bytes_per_s: params.and_then(|params| params.upload.get()),
                weight: params.map_or(Weight::ONE, |params| params.weight.get()),
                joined_s: peer.joined,
                left_s: since.is_none().then_some(now),
                present_s: Some(Span::from_nanos(peer.present + present)),
                wanted: Some(traffic.up > 0),
                up_as_leecher_bytes: traffic.down,
                down_from_seeds_bytes: traffic.up,
                ..PeerRow::default()
            };
            result = result.and_then(|()| self.tables.peer(note));
        }
        result.and_then(|()| self.tables.finish(now, digest))
    }
}

fn class_of(params: Option<&PeerParams>) -> &str {
    params
        .and_then(|params| params.group.as_deref())
        .unwrap_or("peer")
}
