//! The tables of a run, as the node fills them.
//!
//! Decides which rows there are: a window a second for each flow that moved or waited, a
//! transfer when it ends, a peer at the end.

use std::path::Path;

use fairhaul_core::id::PeerId;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::uplink::Target;
use tracing::error;

use super::host::Host;
use super::settings::Settings;
use crate::control::api::Failure;
use crate::tables::{FlowKind, PeerRow, RunKeys, Tables, TransferRow, WindowRow};

/// Tables, and when the current window began.
pub(crate) struct Records {
    tables: Tables,
    window: Time,
    own: String,
}

impl Records {
    pub(crate) fn create(folder: &Path, settings: &Settings, file: &Path) -> Result<Self, Failure> {
        let node = &settings.params.node;
        let policy = &settings.params.policy;
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
            parameters: settings.params.to_toml(),
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
}

impl Host {
    /// A second has passed: one row for each flow that moved or waits.
    pub(super) fn note_windows(&mut self) {
        let Some(records) = &mut self.tables else {
            return;
        };
        let now = self.clock.now();
        let (start, window) = (records.window, now.since(records.window));
        records.window = now;
        let mut result = Ok(());
        for (peer, row) in self.peers.iter().filter(|(_, row)| row.link.is_some()) {
            let waits = self.core.uplink().queued(peer).get() > 0;
            if row.traffic.rate.0 == 0 && !waits {
                continue;
            }
            let row = WindowRow {
                window_s: window,
                start_s: start,
                flow_kind: FlowKind::Peer,
                flow: &row.name,
                class: class_of(row.params.as_ref()),
                bytes: row.traffic.rate.0,
                entitlement_bytes: None,
                backlogged_s: if waits { window } else { Span::ZERO },
            };
            result = result.and_then(|()| records.tables.window(&row));
        }
        self.tables_failed(result);
    }

    /// A content that was fetched is whole.
    pub(super) fn note_transfer(&mut self, number: u32) {
        let now = self.clock.now();
        let Some((content, row)) = self.contents.at(number) else {
            return;
        };
        let limit = self.limits.of(Target::Transfer(content.data()));
        let Some(records) = &mut self.tables else {
            return;
        };
        let source = source_of(&row.name, &self.watch.senders(number), |peer| {
            self.peers.at(peer).name.clone()
        });
        let note = TransferRow {
            transfer: &row.name,
            class: "fetch",
            source: &source,
            destination: &records.own,
            bytes: content.bytes(),
            weight: limit.weight,
            cap_bytes_per_s: limit.cap,
            floor_bytes_per_s: limit.floor,
            start_s: Some(content.started()),
            end_s: Some(now),
            received_bytes: row.counts.came,
            ..TransferRow::default()
        };
        let result = records.tables.transfer(note);
        let took = now.since(content.started());
        records.tables.latency(FlowKind::Transfer, "fetch", took);
        self.tables_failed(result);
    }

    /// The node stops: one row for each peer, and the sums.
    pub(super) fn end_tables(&mut self, digest: Option<&str>) -> Result<(), Failure> {
        let Some(mut records) = self.tables.take() else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut result = Ok(());
        for (_, row) in self.peers.iter().filter(|(_, row)| row.joined.is_some()) {
            let params = row.params.as_ref();
            let present = row
                .link
                .as_ref()
                .map_or(0, |link| now.since(link.since).as_nanos());
            let note = PeerRow {
                peer: &row.name,
                class: class_of(params),
                down_bytes_per_s: params.and_then(|params| params.upload.get()),
                weight: params.map_or(fairhaul_core::units::Weight::ONE, |params| {
                    params.weight.get()
                }),
                joined_s: row.joined,
                left_s: row.link.is_none().then_some(now),
                present_s: Some(Span::from_nanos(row.present + present)),
                wanted: Some(row.traffic.up > 0),
                up_as_leecher_bytes: row.traffic.down,
                down_from_seeds_bytes: row.traffic.up,
                ..PeerRow::default()
            };
            result = result.and_then(|()| records.tables.peer(note));
        }
        let result = result.and_then(|()| records.tables.finish(now, digest));
        result.map_err(|error| Failure::storage(format!("tables: {error}")))
    }

    fn tables_failed(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            error!(%error, "the tables end here");
            self.tables = None;
        }
    }
}

fn class_of(params: Option<&crate::params::PeerParams>) -> &str {
    params
        .and_then(|params| params.group.as_deref())
        .unwrap_or("peer")
}

fn source_of(content: &str, senders: &[PeerId], name: impl Fn(PeerId) -> String) -> String {
    match senders {
        [one] => name(*one),
        _ => content.to_owned(),
    }
}
