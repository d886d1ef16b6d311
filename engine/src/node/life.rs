//! The life of a node: made, started, told anew, stopped.
//!
//! Decides which changes of the parameter file hold at once.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::door::descriptors::Shares;
use fairhaul_core::door::memory_shares::MemoryShares;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::{self, offers::Grant};
use fairhaul_core::message::CloseCode;
use fairhaul_core::node::{Input, Node};
use fairhaul_core::rng::Rng;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Target;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::contents::Contents;
use super::doors::{Doors, kept_bans};
use super::host::Host;
use super::limits::Limits;
use super::own::Own;
use super::paths::Paths;
use super::peers::Peers;
use super::records::Records;
use super::settings::Settings;
use super::trust::kept_trust;
use super::watch::Watch;
use super::{Happening, RunOptions};
use crate::clock::Clock;
use crate::control::api::{Event, Failure, Reloaded};
use crate::control::metrics::Metrics;
use crate::identity::{Identity, PublicKey};
use crate::params::{Params, PeerParams};
use crate::record::Recorder;
use crate::session::{Budget, Pool};
use crate::store::OpenFiles;

impl Host {
    pub(super) fn new(
        options: RunOptions,
        identity: &Identity,
        listener: &TcpListener,
        (metrics, events): (Arc<Metrics>, broadcast::Sender<Event>),
        happenings: mpsc::Sender<Happening>,
        (shares, memory): (Shares, MemoryShares),
    ) -> Result<Self, Failure> {
        let clock = Clock::new();
        let folder = options.params.node.data.join(super::STATE);
        let settings = Settings::new(options.params);
        let seed = random()?;
        let unheard = |error| Failure::error(format!("listening: {error}"));
        let listening = listener.local_addr().map_err(unheard)?;
        let node = settings.params.node.clone();
        let ranges = node.private_addresses.iter().map(ToString::to_string);
        let ranges = ranges.filter_map(|range| range.parse().ok()).collect();
        let rng = Rng::from_seed(seed).fork("doors");
        let bans_file = node.data.join("bans.json");
        let bans = kept_bans(&bans_file, clock.now()).map_err(Failure::storage)?;
        let trusted = kept_trust(&node.data, options.trust_first_use);
        let trusted = trusted.map_err(Failure::storage)?;
        let doors = Doors::new(
            identity,
            listening,
            (&node.name, &rng),
            (node.exchange, ranges),
            (shares, memory.buffer),
            (bans, bans_file),
            trusted,
        )
        .map_err(Failure::error)?;
        let setup = settings.setup(seed, memory);
        let record = |path: &PathBuf| {
            let made = Recorder::create(path, &setup, clock.now());
            made.map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
        };
        let recorder = options.record.as_ref().map(record).transpose()?;
        let tables = match &options.tables {
            None => None,
            Some(folder) => Some(Records::create(folder, &settings, &options.file)?),
        };
        let secrets = [settings.params.key_file(), settings.params.token_file()];
        let own = Own::new(node.data.to_path_buf(), secrets);
        let budget = Arc::new(Budget::new(memory));
        let shared = (OpenFiles::new(shares.files), Arc::clone(&budget));
        let senders = (happenings.clone(), node.patience.get());
        let contents = Contents::new((folder, own), shared, senders);
        let contents = contents.map_err(|error| Failure::error(error.to_string()))?;
        let config = setup
            .config()
            .map_err(|error| Failure::error(error.to_string()))?;
        Ok(Self {
            core: Node::new(config, clock.now()),
            clock,
            limits: Limits::default(),
            paths: Paths::default(),
            waiting: super::commands::Waiting::default(),
            settings,
            peers: Peers::default(),
            contents,
            doors,
            recorder,
            tables,
            watch: Watch::new(metrics, events, node.data.to_path_buf()),
            pool: Arc::new(Pool::new(memory.pool)),
            budget,
            happenings,
            later: VecDeque::new(),
            for_library: VecDeque::new(),
            leaving: Vec::new(),
            timetable: None,
            file: options.file,
            trust_first_use: options.trust_first_use,
            stopped: false,
        })
    }

    /// Tells the core what the file says, trusts whom it trusted before, and takes up what an
    /// earlier run left.
    pub(super) fn start(&mut self) {
        self.take_over();
        if self.trust_first_use {
            self.trust_again();
        }
        self.call_sender();
        match self.contents.kept() {
            Ok(all) => {
                for old in all {
                    match old {
                        Ok(old) => {
                            let known = self.contents.remember(old);
                            self.tell_library(known);
                        }
                        Err(why) => warn!(why, "an earlier content is left alone"),
                    }
                }
            }
            Err(error) => warn!(%error, "earlier contents cannot be listed"),
        }
        self.timetable();
        self.dial();
    }

    /// Brings peers, groups and limits in line with the parameters.
    fn take_over(&mut self) {
        let params = &self.settings.params;
        let limits = params.limits.clone();
        let (peers, groups) = (params.peers.clone(), params.groups.clone());
        for target in self.limits.clear() {
            self.apply(target);
        }
        for (name, group) in groups.iter() {
            let target = Target::Group(self.settings.group(name).expect("it was numbered"));
            self.limits.set(target, self.settings.of_group(group));
            self.apply(target);
        }
        let listed: BTreeMap<[u8; 32], PeerParams> = peers
            .into_iter()
            .map(|peer| (peer.key.bytes(), peer))
            .collect();
        self.drop_unlisted(&listed);
        for (key, params) in listed {
            self.list(key, params);
        }
        self.expect_listed();
        self.allow();
        let zero = fairhaul_core::units::Rate::new(0);
        let weight = fairhaul_core::units::Weight::ONE;
        let node = self.settings.limit(limits.upload.rate(), zero, weight);
        self.limits.set(Target::Node, node);
        self.apply(Target::Node);
        self.find_cap();
        let rate = limits.download.get();
        self.limits.download = rate;
        self.tell(Input::Download { rate });
        self.timetable = None;
    }

    /// A peer of the file.
    fn list(&mut self, key: [u8; 32], params: PeerParams) {
        let key = match PublicKey::from_bytes(key) {
            Ok(key) => key,
            Err(error) => {
                warn!(peer = %params.name, %error, "the key is refused");
                return;
            }
        };
        let peer = self.peers.meet(key, &params.name);
        let group = params
            .group
            .as_deref()
            .and_then(|name| self.settings.group(name));
        let limit = self.settings.of_peer(&params);
        let counters = self.watch.metrics.peer(&params.name);
        let row = self.peers.at_mut(peer);
        row.name = params.name.to_string();
        row.address = params.address.as_ref().map(ToString::to_string);
        row.params = Some(params);
        row.counters = Some(counters);
        row.allowed = true;
        if let Some(address) = row.address.clone() {
            self.call_at(key, &address);
        } else {
            self.forget_key(key);
        }
        let target = Target::Peer(peer);
        self.tell(Input::Group { target, group });
        self.grant(peer);
        self.limits.set(target, limit);
        self.apply(target);
    }

    /// Tells the library what a peer may push, as the file says.
    fn grant(&mut self, peer: PeerId) {
        let row = self.peers.at(peer);
        let key = *row.key.as_bytes();
        let params = row.params.as_ref();
        let inbox = params.and_then(|params| params.accept.as_ref());
        let inbox = inbox.map(|inbox| self.settings.params.node.data.join(&**inbox));
        let quota = params.and_then(|params| params.quota.get());
        let folder = inbox.map(|inbox| self.contents.folder(&inbox));
        let grant = params.map(|_| Grant {
            folder,
            quota: quota.map(ByteCount::get),
        });
        self.tell_library(library::Input::Grant { peer, key, grant });
    }

    /// Peers that the file no longer lists may not connect, and are disconnected (H16).
    fn drop_unlisted(&mut self, listed: &BTreeMap<[u8; 32], PeerParams>) {
        let gone: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, row)| row.params.is_some() && !listed.contains_key(row.key.as_bytes()))
            .map(|(id, _)| id)
            .collect();
        for peer in gone {
            let row = self.peers.at_mut(peer);
            row.allowed = false;
            row.params = None;
            let key = row.key;
            self.grant(peer);
            self.forget_key(key);
            self.part(peer, CloseCode::Revoked, "no longer listed");
            self.drain();
        }
    }

    /// Reads the parameter file again. One with an error changes nothing (O3).
    pub(super) fn reload(&mut self) -> Result<Reloaded, Failure> {
        let params = Params::load(&self.file).map_err(|bad| Failure::storage(bad.to_string()))?;
        let reloaded = changes(&self.settings.params, &params);
        self.settings.replace(params);
        self.take_over();
        self.timetable();
        self.dial();
        info!(changed = reloaded.changed.len(), "parameters read again");
        Ok(reloaded)
    }

    /// Says goodbye to everybody; the driver ends after this.
    pub(super) fn stop(&mut self) {
        let all: Vec<PeerId> = self.peers.linked().map(|(id, _)| id).collect();
        for peer in all {
            self.part(peer, CloseCode::Shutdown, "the node stops");
        }
        self.drain();
        self.doors.stop();
        self.stopped = true;
    }

    /// Ends the log of inputs. Its digest.
    fn end_log(&mut self) -> Result<Option<String>, Failure> {
        let Some(recorder) = self.recorder.take() else {
            return Ok(None);
        };
        let failed = |error| Failure::storage(format!("log of inputs: {error}"));
        let digest = recorder.finish().map_err(failed)?;
        info!(digest, "recorded");
        Ok(Some(digest))
    }

    /// Makes durable what has arrived, and ends the logs.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        let digest = self.end_log()?;
        self.end_tables(digest.as_deref())?;
        let stores = self.contents.filled();
        let synced = spawn_blocking(move || {
            for store in stores {
                if let Err(error) = store.sync() {
                    warn!(%error, "not everything that arrived is durable");
                }
            }
        });
        // Two seconds of the five that a stop may take (O4).
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), synced).await;
        // Waits for what is still to be written down, while signals are heard.
        let _ = spawn_blocking(move || drop(self)).await;
        Ok(())
    }
}

fn random() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    let filled = aws_lc_rs::rand::fill(&mut seed);
    filled.map_err(|_| Failure::error("the system gives no randomness"))?;
    Ok(seed)
}

/// Which keys differ, by whether they hold at once.
fn changes(old: &Params, new: &Params) -> Reloaded {
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
