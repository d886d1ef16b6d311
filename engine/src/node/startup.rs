//! Builds the owners of a node from the command line, the parameter file and earlier runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::connections::descriptors::Shares;
use fairhaul_core::connections::memory_shares::MemoryShares;
use fairhaul_core::node::Node;
use fairhaul_core::rng::Rng;
use tokio::sync::{broadcast, mpsc};

use super::connections::access::{AccessError, OwnEndpoint};
use super::connections::{Connections, line};
use super::contents::Contents;
use super::contents::own::{Own, STATE};
use super::contents::state_writer::Keeper;
use super::control::Control;
use super::control::settings::Settings;
use super::event::NodeEvent;
use super::host::Host;
use super::options::RunOptions;
use super::recorded::Recorded;
use super::stats::Stats;
use super::stats::notifier::Notifier;
use super::stats::records::Records;
use crate::clock::Clock;
use crate::control::api::{EventRecord, Failure};
use crate::control::metrics::Metrics;
use crate::identity::Identity;
use crate::record::Recorder;
use crate::session::{Budget, Pool};
use crate::store::OpenFiles;

/// A node's identity, its address, and the receivers of its line.
pub(super) struct Place {
    pub(super) identity: Identity,
    pub(super) listening: SocketAddr,
    pub(super) line: Option<line::LineGuests>,
}

/// A node that has not begun.
///
/// # Errors
///
/// What keeps it from starting.
pub(super) fn host(
    options: RunOptions,
    place: Place,
    (metrics, followers): (Arc<Metrics>, broadcast::Sender<EventRecord>),
    events: &mpsc::Sender<NodeEvent>,
    (shares, memory): (Shares, MemoryShares),
) -> Result<Host, Failure> {
    let clock = Clock::new();
    let settings = Settings::new(options.params);
    let node = settings.params.node.clone();
    let seed = random()?;
    let failed = |error: std::io::Error| Failure::error(error.to_string());
    let keeper = Arc::new(Keeper::start().map_err(failed)?);
    let budget = Arc::new(Budget::new(memory));
    let pool = Arc::new(Pool::new(memory.pool));
    let notifier = Notifier::new(metrics, followers);
    let own_place = OwnEndpoint {
        identity: &place.identity,
        listening: place.listening,
        params: &node,
        trust_first_use: options.trust_first_use,
        shares,
        buffer: memory.buffer,
        rng: Rng::from_seed(seed).fork("doors"),
    };
    let connections = Connections::new(
        &own_place,
        &keeper,
        (Arc::clone(&budget), Arc::clone(&pool)),
        (notifier.clone(), events.clone()),
        clock.now(),
    );
    let connections = connections.map_err(|error| match error {
        AccessError::State(why) => Failure::storage(why),
        AccessError::Tls(why) => Failure::error(why),
    })?;
    let setup = settings.setup(seed, memory);
    let record = |path: &PathBuf| {
        let made = Recorder::create(path, &setup, clock.now());
        made.map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
    };
    let recorder = options.record.as_ref().map(record).transpose()?;
    let tables = options.tables.as_ref();
    let tables = tables.map(|folder| Records::create(folder, &settings.params, &options.file));
    let stats = Stats::new(notifier, tables.transpose()?, node.data.to_path_buf());
    let secrets = [settings.params.key_file(), settings.params.token_file()];
    let mut own = Own::new(node.data.to_path_buf(), secrets);
    if place.line.is_some() {
        own.allow_above();
    }
    let contents = Contents::new(
        (own.clone(), node.data.join(STATE)),
        (OpenFiles::new(shares.files), keeper),
        (budget, pool),
        (events.clone(), node.patience.get()),
    );
    connections.access().set_line(place.line);
    let control = Control::new(settings, options.file, own, events.clone());
    let config = setup
        .config()
        .map_err(|error| Failure::error(error.to_string()))?;
    let core = Recorded::new(Node::new(config, clock.now()), recorder);
    Ok(Host::new(
        (core, clock),
        connections,
        contents,
        control,
        stats,
    ))
}

fn random() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    let filled = aws_lc_rs::rand::fill(&mut seed);
    filled.map_err(|_| Failure::error("the system gives no randomness"))?;
    Ok(seed)
}
