//! What a real node that departs from the protocol is played with: the engine's own node, behind a
//! program that changes its words. The program is no part of what is shipped: it lies with the
//! tests.

use std::path::{Path, PathBuf};

use fairhaul_core::time::Span;
use fairhaul_simulator::behaviour::{Announces, Behaviour, Identities, Serves, Withholds};
use fairhaul_simulator::setup::Setup;
use serde::{Deserialize, Serialize};

use super::environment::{Environment, EnvironmentError};

/// The program that plays adversaries, beside that of the engine. It takes the same words.
pub const PROGRAM: &str = "fairhaul-adversary";
/// What it is to change, beside the parameter file.
pub const FILE: &str = "mask.json";

/// Keys of a node that renews its identity.
const RENEWALS: u8 = 8;

/// What is changed between a node and its peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mask {
    /// Its name in the scenario: what it draws hangs on that.
    pub name: String,
    /// The seed of the scenario.
    pub rng_seed: u64,
    /// The replication.
    pub replication: u32,
    /// What it sends.
    pub serves: Serves,
    /// What it says that it has.
    pub announces: Announces,
    /// What it refuses.
    pub withholds: Withholds,
    /// As whom others know it, by the keys in [`key_file`].
    pub identities: Identities,
    /// Nanoseconds after which it leaves each time, for a look; `None` stays.
    pub rejoins_ns: Option<u64>,
    /// Folders of those that vouch for it, and for which it vouches.
    pub partners: Vec<PathBuf>,
    /// Nanoseconds between two looks at what it can do: a second of the scenario.
    pub look_ns: u64,
    /// Nanoseconds between two rounds of a peer that follows the same policy.
    pub rechoke_ns: u64,
    /// Bytes of each content, and of its chunks.
    pub contents: Vec<(u64, u64)>,
}

impl Mask {
    /// That of a peer at `place`, which looks at what it can do every `look_ns`; `None` if its node
    /// needs none.
    pub(super) fn of(
        setup: &Setup,
        peer: u32,
        place: &dyn Environment,
        look_ns: u64,
    ) -> Option<Self> {
        let row = &setup.peers[peer as usize];
        let contents = setup.contents.iter();
        let policy = &setup.policies[row.policy as usize];
        let partners = setup.partners(peer);
        is_needed(&row.behaviour).then(|| Self {
            name: row.name.clone(),
            rng_seed: setup.rng_seed,
            replication: setup.replication,
            serves: row.behaviour.serves,
            announces: row.behaviour.announces,
            withholds: row.behaviour.withholds,
            identities: row.behaviour.identities,
            rejoins_ns: row.behaviour.rejoins.map(Span::as_nanos),
            partners: partners.map(|row| place.home(row).to_owned()).collect(),
            look_ns,
            rechoke_ns: policy.rechoke.get().as_nanos(),
            contents: contents
                .map(|row| (row.bytes.get(), row.chunk.get()))
                .collect(),
        })
    }
}

/// Whether others hear or get something else than an honest node would say or send.
pub(super) fn is_needed(behaviour: &Behaviour) -> bool {
    let serves = match behaviour.serves {
        Serves::Percent(_) => Serves::Policy,
        serves => serves,
    };
    let said = (serves, behaviour.announces, behaviour.withholds);
    said != (Serves::Policy, Announces::Truth, Withholds::Nothing)
        || behaviour.identities != Identities::Many(1)
        || behaviour.rejoins.is_some()
        || behaviour.colludes.is_some()
}

/// How many keys a node has. One that renews its identity uses them one after the other with each
/// peer, and keeps the last.
pub(super) fn keys(behaviour: &Behaviour) -> u8 {
    match behaviour.identities {
        Identities::Many(count) => count.max(1),
        Identities::Renewed => RENEWALS,
    }
}

/// The file of the key with this number, from 0, in the folder of a node.
#[must_use]
pub fn key_file(number: u8) -> String {
    match number {
        0 => "identity.key".to_owned(),
        _ => format!("identity.{number}.key"),
    }
}

/// What others call a node under the key with this number.
#[must_use]
pub fn alias(name: &str, number: u8) -> String {
    match number {
        0 => name.to_owned(),
        _ => format!("{name}:{number}"),
    }
}

/// The program of the node in the folder `home`, where that of the engine is `fairhaul`.
pub(super) fn program(fairhaul: &Path, home: &Path) -> Result<PathBuf, EnvironmentError> {
    if !home.join(FILE).exists() {
        return Ok(fairhaul.to_owned());
    }
    let program = fairhaul.with_file_name(PROGRAM);
    let missing = || {
        let program = program.display();
        EnvironmentError(format!(
            "{program}: no such program; cargo build --workspace makes it"
        ))
    };
    program
        .is_file()
        .then(|| program.clone())
        .ok_or_else(missing)
}
