//! What a node shows of itself.
//!
//! Decides nothing: reads the tables, and asks the core what holds each flow.

use std::collections::BTreeMap;

use fairhaul_core::id::PeerId;
use fairhaul_core::library::{Content, Stage};
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::{Hold, Share, Target};

use super::content::Row;
use super::host::Host;
use crate::control::api::{
    self, Direction, FlowStatus, GroupStatus, History, LimitStatus, Moved, Moves, NodeStatus,
    PeerStatus, Phase, Progress, Reached, Since, Status, Stopped, TransferState, TransferStatus,
};

impl Host {
    pub(super) fn status(&self) -> Status {
        let node = &self.settings.params.node;
        let policy = &self.settings.params.policy;
        let rows = || self.peers.iter().map(|(_, row)| row.traffic);
        Status {
            node: NodeStatus {
                name: node.name.to_string(),
                key: self.doors.public().to_string(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_s: self.clock.now().as_nanos() / 1_000_000_000,
                listen: self.doors.listening(),
                uplink: format!(
                    "{}/{}",
                    policy.uplink.outer().name,
                    policy.uplink.inner().name
                ),
                share: match policy.share {
                    Share::Peer => "peer",
                    Share::Group => "group",
                    Share::Transfer => "transfer",
                }
                .to_owned(),
                connected: u32::try_from(self.peers.linked().count()).unwrap_or(u32::MAX),
                up_bytes_s: rows().map(|traffic| traffic.rate.0).sum(),
                down_bytes_s: rows().map(|traffic| traffic.rate.1).sum(),
                up_bytes: rows().map(|traffic| traffic.up).sum(),
                down_bytes: rows().map(|traffic| traffic.down).sum(),
                disk: self.watch.free_space.found(),
            },
            transfers: self
                .contents
                .iter()
                .map(|(content, row)| self.transfer(content, row))
                .collect(),
            limits: LimitStatus {
                up_bytes_s: self.node_cap().map(fairhaul_core::units::Rate::get),
                down_bytes_s: self.limits.download.map(fairhaul_core::units::Rate::get),
                scheduled: self.limits.scheduled,
            },
            groups: self.groups(),
        }
    }

    fn groups(&self) -> Vec<GroupStatus> {
        let groups = self.settings.params.groups.iter();
        let status = |name: &str| {
            let limit = self.limits.of(Target::Group(self.settings.group(name)?));
            Some(GroupStatus {
                name: name.to_owned(),
                weight_hundredths: limit.weight.hundredths(),
                limit_bytes_s: limit.cap.map(fairhaul_core::units::Rate::get),
                floor_bytes_s: limit.floor.map_or(0, fairhaul_core::units::Rate::get),
            })
        };
        groups.filter_map(|(name, _)| status(name)).collect()
    }

    /// Rates of the last hour.
    pub(super) fn history(&self, since: Since) -> History {
        let name = |peer| self.peers.at(peer).name.clone();
        self.watch.history.since(since.since_s, name)
    }

    fn transfer(&self, content: &Content, row: &Row) -> TransferStatus {
        let limit = self.limits.of(Target::Transfer(content.data()));
        let bytes = content.bytes();
        let fetching = content.is_fetch() && *content.stage() != Stage::Whole;
        let rate = if fetching {
            row.counts.rate
        } else {
            row.counts.up_rate
        };
        let trouble = match content.stage() {
            Stage::Failed(why) | Stage::Paused(Some(why)) => Some(why.to_string()),
            _ => self.watch.trouble_of(content.number()),
        };
        TransferStatus {
            id: content.number(),
            name: row.name.clone(),
            content: data_encoding::HEXLOWER.encode(&content.id().0),
            direction: if fetching {
                Direction::Down
            } else {
                Direction::Up
            },
            state: match content.stage() {
                Stage::Describing | Stage::Moving | Stage::Finishing => TransferState::Fetching,
                Stage::Checking => TransferState::Verifying,
                Stage::Whole => TransferState::Serving,
                Stage::Paused(_) | Stage::Failed(_) => TransferState::Stopped,
            },
            paused: content.is_paused(),
            bytes,
            done_bytes: content.here(),
            sent_bytes: row.counts.sent,
            rate_bytes_s: rate,
            eta_s: eta(content, row),
            weight_hundredths: limit.weight.hundredths(),
            limit_bytes_s: limit.cap.map(fairhaul_core::units::Rate::get),
            floor_bytes_s: limit.floor.map_or(0, fairhaul_core::units::Rate::get),
            trouble,
            peers: self.flows(content),
        }
    }

    /// One row for each peer that takes part: it waits for us, or we for it.
    fn flows(&self, content: &Content) -> Vec<FlowStatus> {
        let data = content.data();
        let mut rows: BTreeMap<PeerId, FlowStatus> = BTreeMap::new();
        let queued: BTreeMap<PeerId, (ByteCount, Hold)> = self
            .core
            .uplink()
            .holders()
            .filter(|holder| holder.transfer == data)
            .map(|holder| (holder.peer, (holder.queued, holder.hold)))
            .collect();
        for (peer, _) in self.peers.linked() {
            let has_part = self.core.takes_part(peer, data);
            if !has_part && !queued.contains_key(&peer) {
                continue;
            }
            let (asked, choked) = self.core.asked_of(peer, data);
            let (waiting, hold) = queued
                .get(&peer)
                .copied()
                .unwrap_or((ByteCount::ZERO, Hold::Idle));
            let (up, down) = self.watch.rates(peer, content.number());
            let hold = match hold {
                _ if content.is_paused() => api::Hold::Paused,
                Hold::Idle if asked > ByteCount::ZERO => api::Hold::Serving,
                Hold::Idle if choked && *content.stage() == Stage::Moving => {
                    api::Hold::ChokedByPeer
                }
                hold => hold.into(),
            };
            let name = self.peers.at(peer).name.clone();
            let waiting_for = match hold {
                api::Hold::ChokedByPeer => Some(format!("a slot at {name}")),
                _ if asked > ByteCount::ZERO => Some(format!("chunks from {name}")),
                _ => None,
            };
            let held_by = match &waiting_for {
                Some(who) => format!("{}, waiting for {who}", hold.text()),
                None => hold.text().to_owned(),
            };
            rows.insert(
                peer,
                FlowStatus {
                    peer: name,
                    up_bytes_s: up,
                    down_bytes_s: down,
                    queued_bytes: waiting.get(),
                    asked_bytes: asked.get(),
                    has_bytes: self.has_bytes(peer, content),
                    hold,
                    waiting_for,
                    held_by,
                },
            );
        }
        rows.into_values().collect()
    }

    /// Bytes that moved since the node started.
    pub(super) fn moves(&self) -> Moves {
        let row = |(peer, number, flow): (PeerId, u32, super::watch::Flow)| {
            let (content, _) = self.contents.at(number)?;
            Some(Moved {
                transfer: number,
                content: data_encoding::HEXLOWER.encode(&content.id().0),
                peer: self.peers.at(peer).name.clone(),
                up_bytes: flow.up,
                down_bytes: flow.down,
                stored_bytes: flow.stored,
            })
        };
        Moves {
            wasted_bytes: self.watch.wasted,
            moved: self.watch.flows().filter_map(row).collect(),
            stopped: self.contents.library().iter().filter_map(stopped).collect(),
        }
    }

    pub(super) fn peer_status(&self) -> Vec<PeerStatus> {
        let rows = self.peers.iter().filter(|(_, row)| row.allowed);
        let status = |(id, row): (PeerId, &super::peers::PeerRow)| {
            let limit = self.limits.of(Target::Peer(id));
            let how = match &row.link {
                Some(link) if link.dialled => Reached::Dialled,
                Some(_) => Reached::Accepted,
                None => Reached::Listed,
            };
            let now = self.clock.now();
            PeerStatus {
                name: row.name.clone(),
                key: row.key.to_string(),
                address: row
                    .link
                    .as_ref()
                    .map(|link| link.remote.to_string())
                    .or_else(|| row.address.clone()),
                connected: row.link.is_some(),
                since_unix_ms: row.link.as_ref().map(|link| {
                    crate::clock::unix_ms() - now.since(link.since).as_nanos() / 1_000_000
                }),
                how,
                rtt_us: row.rtt.map(|rtt| rtt.as_nanos() / 1_000),
                up_bytes_s: row.traffic.rate.0,
                down_bytes_s: row.traffic.rate.1,
                up_bytes: row.traffic.up,
                down_bytes: row.traffic.down,
                weight_hundredths: limit.weight.hundredths(),
                limit_bytes_s: limit.cap.map(fairhaul_core::units::Rate::get),
                floor_bytes_s: limit.floor.map_or(0, fairhaul_core::units::Rate::get),
                group: row
                    .params
                    .as_ref()
                    .and_then(|params| Some(params.group.as_ref()?.to_string())),
                trouble: row.trouble.as_ref().map(|trouble| trouble.text.clone()),
                ban: self
                    .doors
                    .bans
                    .of(row.key.as_bytes(), now)
                    .map(|ban| self.ban_status(&ban)),
            }
        };
        rows.map(status).collect()
    }

    /// Tells those who wait for a content how far it is.
    pub(super) fn report(&self, content: &Content, row: &Row) {
        if content.waiters().is_empty() {
            return;
        }
        let waiting = || {
            let flows = self.flows(content);
            let names: Vec<String> = flows
                .into_iter()
                .filter(|flow| flow.asked_bytes > 0)
                .map(|flow| flow.peer)
                .collect();
            match (names.is_empty(), content.stage()) {
                (_, Stage::Paused(Some(why))) => why.to_string(),
                (true, Stage::Describing) => "a peer that has it".to_owned(),
                (true, Stage::Moving) => {
                    let missing = self.core.missing(content.data());
                    match missing.alone {
                        0 => "a peer that has it".to_owned(),
                        alone => format!("{alone} chunks that no connected peer has"),
                    }
                }
                _ => names.join(", "),
            }
        };
        let progress = Progress {
            phase: match content.stage() {
                Stage::Checking => Phase::Verifying,
                Stage::Describing => Phase::Waiting,
                _ => Phase::Moving,
            },
            transfer: Some(content.number()),
            done_bytes: content.here(),
            total_bytes: content.is_open().then(|| content.bytes()),
            rate_bytes_s: row.counts.rate,
            eta_s: eta(content, row),
            waiting_for: Some(waiting()),
        };
        for waiter in content.waiters() {
            let Some(call) = self.waiting.get(*waiter) else {
                continue;
            };
            call.progress(progress.clone());
        }
    }
}

fn stopped(content: &Content) -> Option<Stopped> {
    match content.stage() {
        Stage::Failed(why) | Stage::Paused(Some(why)) => Some(Stopped {
            content: data_encoding::HEXLOWER.encode(&content.id().0),
            why: why.to_string(),
        }),
        _ => None,
    }
}

fn eta(content: &Content, row: &Row) -> Option<u64> {
    let left = content.bytes().saturating_sub(content.here());
    let moves = *content.stage() == Stage::Moving;
    left.checked_div(row.counts.rate).filter(|_| moves)
}
