//! The status of a node: its transfers, peers, limits and bans.

use std::collections::BTreeMap;

use fairhaul_core::connections::bans::{Ban, IDENTITY_BAN};
use fairhaul_core::id::PeerId;
use fairhaul_core::library::{Content, Stage};
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Hold, Share, Target};

use super::view::View;
use crate::clock::unix_ms;
use crate::control::api::{
    self, BanStatus, CommandProgress, FlowStatus, GroupStatus, History, HistorySince, LimitStatus,
    Moved, Moves, NodeStatus, PeerStatus, Phase, Reached, Status, Stopped, TransferDirection,
    TransferState, TransferStatus,
};
use crate::identity::PublicKey;
use crate::node::connections::peers::PeerRow;
use crate::node::contents::row::Row;
use crate::node::stats::counts::Flow;

impl View<'_> {
    pub(super) fn status(&self) -> Status {
        let node = &self.settings.params.node;
        let policy = &self.settings.params.policy;
        let total = self.stats.total();
        Status {
            node: NodeStatus {
                name: node.name.to_string(),
                key: self.connections.access().public().to_string(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_s: self.now.as_nanos() / 1_000_000_000,
                listen: self.connections.access().listening().to_string(),
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
                connected: u32::try_from(self.connections.links().iter().count())
                    .unwrap_or(u32::MAX),
                up_bytes_s: total.rate.0,
                down_bytes_s: total.rate.1,
                up_bytes: total.up,
                down_bytes: total.down,
                disk: self.stats.disk(),
            },
            transfers: self
                .contents
                .iter()
                .map(|(content, row)| self.transfer(content, row))
                .collect(),
            limits: LimitStatus {
                up_bytes_s: self.node_cap().map(Rate::get),
                down_bytes_s: self.limits.download.map(Rate::get),
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
                limit_bytes_s: limit.cap.map(Rate::get),
                floor_bytes_s: limit.floor.map_or(0, Rate::get),
            })
        };
        groups.filter_map(|(name, _)| status(name)).collect()
    }

    /// Rates of the last hour.
    pub(super) fn history(&self, since: HistorySince) -> History {
        let name = |peer| self.connections.peers().at(peer).name.clone();
        self.stats.history(since.since_s, name)
    }

    fn transfer(&self, content: &Content, row: &Row) -> TransferStatus {
        let counts = self.stats.counts(content.number());
        let limit = self.limits.of(Target::Transfer(content.data()));
        let bytes = content.bytes();
        let fetching = content.is_fetch() && *content.stage() != Stage::Whole;
        let rate = if fetching {
            counts.rate
        } else {
            counts.up_rate
        };
        let trouble = match content.stage() {
            Stage::Failed(why) | Stage::Paused(Some(why)) => Some(why.to_string()),
            _ => self.stats.trouble_of(content.number()),
        };
        TransferStatus {
            id: content.number(),
            name: row.name().to_owned(),
            content: data_encoding::HEXLOWER.encode(&content.id().0),
            direction: if fetching {
                TransferDirection::Down
            } else {
                TransferDirection::Up
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
            sent_bytes: counts.sent,
            rate_bytes_s: rate,
            eta_s: eta(content, counts.rate),
            weight_hundredths: limit.weight.hundredths(),
            limit_bytes_s: limit.cap.map(Rate::get),
            floor_bytes_s: limit.floor.map_or(0, Rate::get),
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
        for (peer, _) in self.connections.links().iter() {
            let has_part = self.core.takes_part(peer, data);
            if !has_part && !queued.contains_key(&peer) {
                continue;
            }
            let (asked, choked) = self.core.asked_of(peer, data);
            let (waiting, hold) = queued
                .get(&peer)
                .copied()
                .unwrap_or((ByteCount::ZERO, Hold::Idle));
            let (up, down) = self.stats.rates(peer, content.number());
            let hold = match hold {
                _ if content.is_paused() => api::HoldReason::Paused,
                Hold::Idle if asked > ByteCount::ZERO => api::HoldReason::Serving,
                Hold::Idle if choked && *content.stage() == Stage::Moving => {
                    api::HoldReason::ChokedByPeer
                }
                hold => hold.into(),
            };
            let name = self.connections.peers().at(peer).name.clone();
            let waiting_for = match hold {
                api::HoldReason::ChokedByPeer => Some(format!("a slot at {name}")),
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
        let row = |(peer, number, flow): (PeerId, u32, Flow)| {
            let (content, _) = self.contents.at(number)?;
            Some(Moved {
                transfer: number,
                content: data_encoding::HEXLOWER.encode(&content.id().0),
                peer: self.connections.peers().at(peer).name.clone(),
                up_bytes: flow.up,
                down_bytes: flow.down,
                stored_bytes: flow.stored,
            })
        };
        Moves {
            wasted_bytes: self.stats.wasted_bytes(),
            moved: self.stats.flows().filter_map(row).collect(),
            stopped: self.contents.library().iter().filter_map(stopped).collect(),
        }
    }

    pub(super) fn peer_status(&self) -> Vec<PeerStatus> {
        let rows = self
            .connections
            .peers()
            .iter()
            .filter(|(_, row)| row.allowed);
        let status = |(id, row): (PeerId, &PeerRow)| {
            let limit = self.limits.of(Target::Peer(id));
            let link = self.connections.links().get(id);
            let traffic = self.stats.traffic(id);
            let how = match link {
                Some(link) if link.dialled => Reached::Dialled,
                Some(_) => Reached::Accepted,
                None => Reached::Listed,
            };
            let now = self.now;
            PeerStatus {
                name: row.name.clone(),
                key: row.key.to_string(),
                address: link
                    .map(|link| link.remote.to_string())
                    .or_else(|| row.address.clone()),
                connected: link.is_some(),
                since_unix_ms: link
                    .map(|link| unix_ms() - now.since(link.since).as_nanos() / 1_000_000),
                how,
                rtt_us: row.rtt.map(|rtt| rtt.as_nanos() / 1_000),
                up_bytes_s: traffic.rate.0,
                down_bytes_s: traffic.rate.1,
                up_bytes: traffic.up,
                down_bytes: traffic.down,
                weight_hundredths: limit.weight.hundredths(),
                limit_bytes_s: limit.cap.map(Rate::get),
                floor_bytes_s: limit.floor.map_or(0, Rate::get),
                group: row
                    .params
                    .as_ref()
                    .and_then(|params| Some(params.group.as_ref()?.to_string())),
                trouble: row.trouble.as_ref().map(|trouble| trouble.text.clone()),
                ban: self
                    .connections
                    .access()
                    .bans()
                    .of(row.key.as_bytes(), now)
                    .map(|ban| self.ban_status(&ban)),
            }
        };
        rows.map(status).collect()
    }

    /// Every identity that is banned.
    pub(super) fn bans(&self) -> Vec<BanStatus> {
        let bans = self.connections.access().bans().list(self.now);
        bans.map(|ban| self.ban_status(&ban)).collect()
    }

    fn ban_status(&self, ban: &Ban) -> BanStatus {
        let peers = self.connections.peers();
        let key = PublicKey::from_bytes(ban.key);
        let peer = key.as_ref().ok().and_then(|key| peers.find(key));
        let millis = |span: Span| span.as_nanos() / 1_000_000;
        BanStatus {
            key: data_encoding::HEXLOWER.encode(&ban.key),
            peer: peer.map(|peer| peers.at(peer).name.clone()),
            reason: ban.reason.to_string(),
            since_unix_ms: unix_ms()
                .saturating_sub(millis(IDENTITY_BAN).saturating_sub(millis(ban.left))),
            until_unix_ms: unix_ms().saturating_add(millis(ban.left)),
            left_s: ban.left.as_nanos().div_ceil(1_000_000_000),
        }
    }

    /// Sends the progress of a content to the calls that wait for it.
    pub(super) fn report(&self, content: &Content) {
        let counts = self.stats.counts(content.number());
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
                        1 => "1 chunk that no connected peer has".to_owned(),
                        alone => format!("{alone} chunks that no connected peer has"),
                    }
                }
                _ => names.join(", "),
            }
        };
        let progress = CommandProgress {
            phase: match content.stage() {
                Stage::Checking => Phase::Verifying,
                Stage::Describing => Phase::Waiting,
                _ => Phase::Moving,
            },
            transfer: Some(content.number()),
            done_bytes: content.here(),
            total_bytes: content.is_open().then(|| content.bytes()),
            rate_bytes_s: counts.rate,
            eta_s: eta(content, counts.rate),
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

fn eta(content: &Content, rate: u64) -> Option<u64> {
    let left = content.bytes().saturating_sub(content.here());
    let moves = *content.stage() == Stage::Moving;
    left.checked_div(rate).filter(|_| moves)
}
