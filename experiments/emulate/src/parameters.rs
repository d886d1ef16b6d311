//! The parameter file of each peer, from the setup.
//!
//! What a real node cannot be told is refused with the scenario's key, before anything is started.
//!
//! A simulated node sends at the rate of its link, and its queue is in its own uplink, where
//! the policy orders it. A real node without a cap would have its queue in the network. So a
//! node is told its link's rate as a cap, a little below the link: [`LINK_SHARE_PCT`].

use std::collections::BTreeSet;
use std::path::PathBuf;

use fairhaul::identity::Identity;
use fairhaul_config::amount::{FloorRate, RateLimit};
use fairhaul_config::fault::BadValue;
use fairhaul_config::named::NamedTables;
use fairhaul_config::number::Bounded;
use fairhaul_config::params::{
    BurstTime, ControlParams, GroupParams, LimitParams, NodeParams, ParameterFile, PeerParams,
};
use fairhaul_config::policy::ChokerName;
use fairhaul_config::text::Name;
use fairhaul_config::value::{Given, Value};
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::{FaultKind, NewRate, PeerSetup, Setup};

use super::environment::Environment;
use super::error::{EmulateError, Unsupported};
use super::{mask, topology};

/// What a node may send, in percent of its link: caps count every byte at the socket, TLS and
/// frames included, and the link is sized for those bytes; the rest is for acknowledgements
/// and for a clock that is a little wrong, so that the queue stays in the node.
pub const LINK_SHARE_PCT: u64 = 98;

/// The least rate that a file can say.
const LEAST: Rate = Rate::new(1);
/// Connections of a node that the engine allows if nothing is said, and at most.
const CONNECTIONS: (usize, usize) = (256, 4_096);

/// Who keeps the rates of the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The place does; a node's own caps hold its uplink a little below.
    Shaped,
    /// Nobody: caps of the node stand for both of its links.
    Caps,
}

/// What the files of all peers are made from.
pub struct Files {
    /// The keys of each peer.
    identities: Vec<Vec<Identity>>,
    known: Vec<BTreeSet<u32>>,
    names: Vec<String>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("names", &self.names).finish()
    }
}

/// Refuses what real nodes cannot do, where there are masks for adversaries or not.
///
/// # Errors
///
/// The first key of the scenario that asks for it.
pub fn check(setup: &Setup, has_masks: bool) -> Result<(), Unsupported> {
    if let Some(link) = setup.links.first() {
        return Err(Unsupported {
            key: format!("link.{}", link.name),
            what: "is a link that several peers share, and there is none between real nodes",
            got: format!("{} B/s", link.capacity.get()),
            allowed: "the links of peers alone: [[class]] up and down",
        });
    }
    for peer in &setup.peers {
        for (key, rate) in [("up", peer.up), ("down", peer.down)] {
            if rate.is_some_and(|rate| rate.get() == 0) {
                return Err(Unsupported {
                    key: format!("peer.{}.{key}", peer.name),
                    what: "is a link that carries nothing",
                    got: "0 B/s".to_owned(),
                    allowed: "at least 1 B/s",
                });
            }
        }
    }
    let mut masked = setup.peers.iter().filter(|_| !has_masks);
    if let Some(peer) = masked.find(|peer| mask::is_needed(&peer.behaviour)) {
        return Err(Unsupported {
            key: format!("peer.{}.behaviour", peer.name),
            what: "is one that no real node is made to have here",
            got: peer.behaviour.name.to_owned(),
            allowed: "compliant, a view of all, drains, and serves a part; others with fairlab emulate",
        });
    }
    for (number, fault) in (1..).zip(&setup.faults) {
        check_fault(setup, number, &fault.kind)?;
    }
    for transfer in &setup.transfers {
        let Some(group) = transfer.group else {
            continue;
        };
        if group_of(setup, transfer.source, transfer.destination) != Some(group) {
            return Err(Unsupported {
                key: format!("transfer.{}.group", transfer.name),
                what: "differs from the group of its peer, and a node has groups of peers only",
                got: setup.groups[group as usize].name.clone(),
                allowed: "the same group for all that one peer sends to another",
            });
        }
    }
    Ok(())
}

/// Refuses what cannot be done to real nodes: `number` counts faults by time, from 1.
fn check_fault(setup: &Setup, number: usize, kind: &FaultKind) -> Result<(), Unsupported> {
    let (key, what, got, allowed) = match *kind {
        FaultKind::Abort { transfer } => (
            "transfer",
            "is given up, which real nodes are not asked to do here",
            setup.transfers[transfer as usize].name.clone(),
            "crash, restart, capacity or upload",
        ),
        FaultKind::Capacity { up, .. } if up == NewRate::At(Rate::new(0)) => (
            "up",
            "is a link that carries nothing",
            "0 B/s".to_owned(),
            "at least 1 B/s",
        ),
        FaultKind::Capacity { down, .. } if down == NewRate::At(Rate::new(0)) => (
            "down",
            "is a link that carries nothing",
            "0 B/s".to_owned(),
            "at least 1 B/s",
        ),
        _ => return Ok(()),
    };
    Err(Unsupported {
        key: format!("fault[{number}].{key}"),
        what,
        got,
        allowed,
    })
}

/// The group of `to` at `from`: its own, or that of everything that `from` sends to it.
fn group_of(setup: &Setup, from: u32, to: u32) -> Option<u32> {
    if let Some(group) = setup.peers[to as usize].group {
        return Some(group);
    }
    let is_theirs =
        |of: &&fairhaul_simulator::setup::TransferSetup| (of.source, of.destination) == (from, to);
    let mut groups = setup.transfers.iter().filter(is_theirs).map(|of| of.group);
    let first = groups.next()??;
    groups.all(|group| group == Some(first)).then_some(first)
}

impl Files {
    /// Draws who knows whom, and makes a key for everybody.
    ///
    /// # Errors
    ///
    /// If the system gives no random numbers, or a peer knows more than a node may connect to.
    pub fn new(setup: &Setup) -> Result<Self, EmulateError> {
        let known = topology::acquaintances(setup);
        for (peer, known) in setup.peers.iter().zip(&known) {
            if known.len() > CONNECTIONS.1 {
                return Err(EmulateError::Unsupported(Unsupported {
                    key: format!("peer.{}", peer.name),
                    what: "has to do with more peers than a node connects to",
                    got: known.len().to_string(),
                    allowed: "4096",
                }));
            }
        }
        let identities = setup.peers.iter().map(|peer| {
            let keys = 0..mask::keys(&peer.behaviour);
            keys.map(|_| Identity::generate()).collect()
        });
        let identities: Result<_, _> = identities.collect();
        let no_random = |_| EmulateError::Here("the system gives no random numbers".to_owned());
        Ok(Self {
            identities: identities.map_err(no_random)?,
            names: (0..)
                .zip(&setup.peers)
                .map(|(row, peer)| node_name(row, &peer.name))
                .collect(),
            known,
        })
    }

    /// The name of the node of a peer.
    #[must_use]
    pub fn name(&self, peer: u32) -> &str {
        &self.names[peer as usize]
    }

    /// The peers that a peer knows.
    #[must_use]
    pub fn known(&self, peer: u32) -> &BTreeSet<u32> {
        &self.known[peer as usize]
    }

    /// The names of the files of its keys, and their texts.
    pub fn keys(&self, peer: u32) -> impl Iterator<Item = (String, Vec<u8>)> {
        let keys = (0..).zip(&self.identities[peer as usize]);
        keys.map(|(number, key)| (mask::key_file(number), key.to_pem().as_bytes().to_vec()))
    }

    /// The parameter file of `peer` at `place`.
    ///
    /// # Errors
    ///
    /// What the node would say of it.
    pub fn parameters(
        &self,
        setup: &Setup,
        peer: u32,
        place: &dyn Environment,
        links: Links,
    ) -> Result<String, EmulateError> {
        let row = &setup.peers[peer as usize];
        let (up, down) = caps(row, row.up, row.down, row.upload_cap, links);
        let scale = self.promised(setup, peer, up);
        let known = &self.known[peer as usize];
        let others = known.iter().flat_map(|other| {
            let keys = (0..).zip(&self.identities[*other as usize]);
            keys.map(|key| self.peer(setup, peer, (*other, key), place, scale))
        });
        let mut policy = setup.policies[row.policy as usize].policy;
        policy.unchoke = (row.behaviour.unchoke).map_or(policy.unchoke, ChokerName::of);
        let params = || -> Result<ParameterFile, BadValue> {
            let home = place.home(peer);
            let file = |path: PathBuf| said(&path.display().to_string());
            let others: Vec<PeerParams> = others.collect::<Result<_, _>>()?;
            // A mask is each of the others once under each of its keys.
            let known = others.len() * self.identities[peer as usize].len();
            Ok(ParameterFile {
                node: NodeParams {
                    listen: said(&place.listen(peer).to_string())?,
                    data: file(home.join("data"))?,
                    key: Some(file(home.join("identity.key"))?),
                    exchange: false,
                    ..NodeParams::named(said(self.name(peer))?)
                },
                peers: others,
                groups: groups(setup, scale),
                policy,
                limits: LimitParams {
                    upload: at_most(up).into(),
                    download: at_most(down),
                    burst: burst(row),
                    connections: connections(known),
                    ..LimitParams::default()
                },
                control: ControlParams {
                    socket: said(&place.socket(peer).display().to_string())?,
                    ..ControlParams::default()
                },
            })
        };
        let refused = |why: String| EmulateError::Parameters {
            peer: row.name.clone(),
            why,
        };
        let text = params().map_err(|bad| refused(bad.to_string()))?.to_toml();
        let checked = ParameterFile::parse("node.toml", &text);
        checked.map_err(|bad| refused(bad.to_string()))?;
        Ok(text)
    }

    /// What the floors at `peer` come to, against what it may send.
    fn promised(&self, setup: &Setup, peer: u32, up: Option<Rate>) -> Scale {
        let mut alone = 0_u64;
        let mut members = vec![0_u64; setup.groups.len()];
        for other in &self.known[peer as usize] {
            let row = &setup.peers[*other as usize];
            let floor = least(row.floor, row.cap).filter(|_| serves(setup, peer, *other));
            let sum = match group_of(setup, peer, *other) {
                Some(group) => &mut members[group as usize],
                None => &mut alone,
            };
            *sum = sum.saturating_add(floor.map_or(0, Rate::get));
        }
        let groups = setup.groups.iter().zip(members);
        let groups = groups.map(|(group, members)| {
            least(group.floor, group.cap).map_or(members, |floor| floor.get().max(members))
        });
        Scale {
            promised: groups.fold(alone, u64::saturating_add),
            possible: up.map(Rate::get),
        }
    }

    /// The entry of `other` in the file of `peer`, under one key of `other`. A node with several
    /// keys calls its peers and is not called; two such nodes call each other at their first keys.
    fn peer(
        &self,
        setup: &Setup,
        peer: u32,
        (other, (number, key)): (u32, (u8, &Identity)),
        place: &dyn Environment,
        scale: Scale,
    ) -> Result<PeerParams, BadValue> {
        let row = &setup.peers[other as usize];
        let name = said(&mask::alias(self.name(other), number))?;
        let key = said(&key.public().to_string())?;
        let several = |row: u32| self.identities[row as usize].len() > 1;
        let is_called = !several(other) || several(peer) && number == 0;
        let address = is_called.then(|| said(&place.reach(peer, other)));
        let mut params = PeerParams {
            address: address.transpose()?,
            weight: row.weight.into(),
            ..PeerParams::of(name, key)
        };
        // What is promised to it counts where it is served.
        if serves(setup, peer, other) {
            params.upload = at_most(row.cap);
            params.floor = at_least(scale.of(least(row.floor, row.cap)));
        }
        let group = group_of(setup, peer, other).map(group_name);
        params.group = group.as_deref().map(said).transpose()?;
        Ok(params)
    }
}

/// What the groups of a scenario are called in the file of a node.
fn group_name(row: u32) -> String {
    format!("g{row}")
}

fn groups(setup: &Setup, scale: Scale) -> NamedTables<GroupParams> {
    let groups = (0..).zip(&setup.groups);
    let groups = groups.map(|(row, group)| {
        let params = GroupParams {
            weight: group.weight.into(),
            upload: at_most(group.cap),
            floor: at_least(scale.of(least(group.floor, group.cap))),
        };
        (Name::of(&group_name(row)), params)
    });
    groups.collect()
}

/// A value of the file, from its text.
fn said<T: Value>(text: &str) -> Result<T, BadValue> {
    T::read(Given::Text(text)).map_err(|fault| fault.got(text).allowing(T::allowed()))
}

fn at_most(rate: Option<Rate>) -> RateLimit {
    rate.map_or(RateLimit::Unlimited, |rate| RateLimit::At(rate.max(LEAST)))
}

fn at_least(floor: Option<Rate>) -> FloorRate {
    FloorRate(floor.unwrap_or(Rate::new(0)))
}

/// Connections of a node that knows so many others.
fn connections(known: usize) -> Bounded<1, 4_096> {
    let (least, most) = CONNECTIONS;
    let count = (known * 2).clamp(least, most);
    Bounded::new(u32::try_from(count).expect("at most 4,096"))
}

/// What a node may send and receive, given its links and its own caps.
pub(super) fn caps(
    row: &PeerSetup,
    up: Option<Rate>,
    down: Option<Rate>,
    upload_cap: Option<Rate>,
    links: Links,
) -> (Option<Rate>, Option<Rate>) {
    let below = |rate: Rate| {
        let below = u128::from(rate.get()) * u128::from(LINK_SHARE_PCT) / 100;
        Rate::new(u64::try_from(below).unwrap_or(u64::MAX).max(1))
    };
    let lower = |one: Option<Rate>, other: Option<Rate>| one.into_iter().chain(other).min();
    let up = lower(up.map(below), upload_cap);
    let down = match links {
        Links::Shaped => row.download_cap,
        Links::Caps => lower(down, row.download_cap),
    };
    (up, down)
}

/// Whether `peer` may send anything but manifests to `other`.
fn serves(setup: &Setup, peer: u32, other: u32) -> bool {
    let sends = setup.transfers.iter();
    let mut sends = sends.map(|row| (row.source, row.destination));
    let mut swarms = setup.contents.iter();
    sends.any(|ends| ends == (peer, other))
        || swarms.any(|content| {
            let has = |row| content.seeds.contains(&row) || content.leechers.contains(&row);
            has(peer) && content.leechers.contains(&other)
        })
}

/// Promises against what is possible: where they do not fit together they are kept in
/// proportion, as the ideal of the simulator has it.
#[derive(Clone, Copy)]
struct Scale {
    promised: u64,
    possible: Option<u64>,
}

impl Scale {
    fn of(self, floor: Option<Rate>) -> Option<Rate> {
        let floor = floor?;
        let Some(possible) = self.possible.filter(|possible| self.promised > *possible) else {
            return Some(floor);
        };
        let kept = u128::from(floor.get()) * u128::from(possible) / u128::from(self.promised);
        Some(Rate::new(u64::try_from(kept).unwrap_or(u64::MAX)))
    }
}

/// A floor that is no more than the cap over it.
fn least(floor: Option<Rate>, cap: Option<Rate>) -> Option<Rate> {
    [floor?].into_iter().chain(cap).min()
}

/// How long a limit may be saved up, if the scenario says so.
fn burst(row: &PeerSetup) -> Option<BurstTime> {
    let (burst, cap) = row.burst.zip(row.upload_cap)?;
    Some(BurstTime::nearest(cap.time_for(burst)))
}

/// The scenario's own name if a node may have it; they are unique.
fn node_name(row: u32, name: &str) -> String {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    // The rest is for the number of a key.
    let fits = (1..=60).contains(&name.len()) && !name.starts_with('-');
    if fits && name.bytes().all(allowed) {
        name.to_owned()
    } else {
        format!("peer:{row}")
    }
}

#[cfg(test)]
mod tests;
