//! Applies the parameter file to core and library: at the start, when it is read again, and when
//! its schedule changes a limit.

use std::collections::BTreeSet;

use fairhaul_config::amount::UploadLimit;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::{LibraryInput, offers::PushGrant};
use fairhaul_core::message::CloseCode;
use fairhaul_core::node::Input;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Target;
use tracing::info;

use super::Control;
use super::others::Others;
use crate::control::api::{Failure, Reloaded};
use crate::params::{ParameterFile, PeerParams};

impl Control {
    /// Reads the parameter file again. One with an error changes nothing (O3).
    pub(crate) fn reload(&mut self, others: &mut Others<'_>) -> Result<Reloaded, Failure> {
        let params =
            ParameterFile::load(&self.file).map_err(|bad| Failure::storage(bad.to_string()))?;
        let reloaded = changes(&self.settings.params, &params);
        self.settings.replace(params);
        self.take_over(others);
        self.timetable(others);
        others.connections.dial(others.now);
        info!(changed = reloaded.changed.len(), "parameters read again");
        Ok(reloaded)
    }

    /// Brings peers, groups and limits in line with the parameters.
    pub(crate) fn take_over(&mut self, others: &mut Others<'_>) {
        let params = &self.settings.params;
        let limits = params.limits.clone();
        let (peers, groups) = (params.peers.clone(), params.groups.clone());
        for target in self.limits.clear() {
            self.apply(target, others.inputs);
        }
        for (name, group) in groups.iter() {
            let target = Target::Group(self.settings.group(name).expect("it was numbered"));
            self.limits.set(target, self.settings.of_group(group));
            self.apply(target, others.inputs);
        }
        let listed: BTreeSet<[u8; 32]> = peers.iter().map(|peer| peer.key.bytes()).collect();
        self.drop_unlisted(&listed, others);
        let mut peers: Vec<PeerParams> = peers.into_iter().collect();
        peers.sort_by_key(|peer| peer.key.bytes());
        for params in peers {
            self.list(params, others);
        }
        let access = others.connections.access_mut();
        access.expect_listed();
        access.allow(others.now);
        let zero = Rate::new(0);
        let node = self.settings.limit(limits.upload.rate(), zero, Weight::ONE);
        self.limits.set(Target::Node, node);
        self.apply(Target::Node, others.inputs);
        let wanted = limits.upload == UploadLimit::Auto;
        others.connections.find_cap(wanted, others.inputs);
        let rate = limits.download.get();
        self.limits.download = rate;
        others.inputs.core(Input::Download { rate });
        self.timetable = None;
    }

    /// A peer of the file.
    fn list(&mut self, params: PeerParams, others: &mut Others<'_>) {
        let group = params.group.as_deref();
        let group = group.and_then(|name| self.settings.group(name));
        let limit = self.settings.of_peer(&params);
        let name = params.name.to_string();
        let access = others.connections.access_mut();
        let Some(peer) = access.list(params, others.now) else {
            return;
        };
        others.stats.list(peer, &name);
        let target = Target::Peer(peer);
        others.inputs.core(Input::Group { target, group });
        self.grant(peer, others);
        self.limits.set(target, limit);
        self.apply(target, others.inputs);
    }

    /// Sets the push quota of a peer from the file.
    fn grant(&self, peer: PeerId, others: &mut Others<'_>) {
        let row = others.connections.peers().at(peer);
        let key = *row.key.as_bytes();
        let grant = row.params.as_ref().map(|params| {
            let inbox = params.accept.as_ref();
            let inbox = inbox.map(|inbox| self.settings.params.node.data.join(&**inbox));
            PushGrant {
                folder: inbox.map(|inbox| others.contents.folder(&inbox)),
                quota: params.quota.get().map(ByteCount::get),
            }
        });
        others
            .inputs
            .library(LibraryInput::Grant { peer, key, grant });
    }

    /// Peers that the file no longer lists may not connect, and are disconnected (H16).
    fn drop_unlisted(&self, listed: &BTreeSet<[u8; 32]>, others: &mut Others<'_>) {
        let access = others.connections.access_mut();
        for peer in access.unlist(|key| listed.contains(key)) {
            self.grant(peer, others);
            let why = "no longer listed";
            let (inputs, now) = (&mut *others.inputs, others.now);
            others
                .connections
                .part(peer, CloseCode::Revoked, why, inputs, now);
        }
    }

    /// Brings the node's limits in line with the time of the week.
    pub(crate) fn timetable(&mut self, others: &mut Others<'_>) {
        let limits = &self.settings.params.limits;
        if limits.schedule.is_empty() {
            return;
        }
        let now = jiff::Zoned::now();
        let minute =
            u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
        let (upload, download) = limits.at(now.weekday(), minute);
        if self.timetable == Some((upload, download)) {
            return;
        }
        self.timetable = Some((upload, download));
        self.limits.scheduled = (upload, download) != (limits.upload.rate(), limits.download.get());
        self.limits
            .change(Target::Node, |limit| limit.cap = upload, &self.settings);
        self.apply(Target::Node, others.inputs);
        self.limits.download = download;
        others.inputs.core(Input::Download { rate: download });
    }
}

/// Which keys differ, by whether they hold at once.
pub(super) fn changes(old: &ParameterFile, new: &ParameterFile) -> Reloaded {
    let (old, new) = (old.to_json(), new.to_json());
    let mut changed = Vec::new();
    let mut at_next_start = Vec::new();
    let sections = new.as_object().into_iter().flatten();
    for (name, section) in sections {
        let before = old.get(name);
        if before == Some(section) {
            continue;
        }
        let live = matches!(name.as_str(), "peer" | "group" | "limits");
        let list = if live {
            &mut changed
        } else {
            &mut at_next_start
        };
        match (
            before.and_then(|before| before.as_object()),
            section.as_object(),
        ) {
            (Some(before), Some(section)) if name != "group" => {
                let differs = section
                    .iter()
                    .filter(|(key, value)| before.get(*key) != Some(*value));
                list.extend(differs.map(|(key, _)| format!("{name}.{key}")));
            }
            _ => list.push(name.clone()),
        }
    }
    let gone = old.as_object().into_iter().flatten().map(|(name, _)| name);
    changed.extend(
        gone.filter(|name| new.get(name.as_str()).is_none())
            .cloned(),
    );
    Reloaded {
        changed,
        at_next_start,
    }
}
