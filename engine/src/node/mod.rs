//! The node: everything that runs after `fairhaul run`.
//!
//! This file has the order of starting and stopping. A node does not start without its key, its
//! directory and its address; once it runs, trouble with one peer or one content stays there.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fairhaul_core::connections::descriptors::Shares;
use fairhaul_core::connections::memory_shares::MemoryShares;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::control::api::Failure;
use crate::control::metrics::Metrics;
use crate::control::serve::{Control, Endpoints, Handles, Places};
use crate::driver::{self, Inbox};
use crate::identity::{self, Identity};
use crate::store::{DataLock, StoreError};

use connections::accept::accept;
use connections::line;
use contents::own::STATE;
use startup::Place;

pub(crate) use event::NodeEvent;
pub(crate) use host::Host;
pub use options::{ByLine, RunOptions};

mod connections;
mod contents;
mod control;
mod event;
mod host;
mod inputs;
mod memory_limit;
mod options;
mod recorded;
mod startup;
mod stats;
#[cfg(test)]
mod tests;

/// Events of peers and disks that may wait for the driver; sessions stop reading when they are
/// that many.
const EVENTS_MAX: usize = 1_024;
/// Commands and ticks have a queue of their own.
const PEOPLE_MAX: usize = 64;

/// Threads that may wait for disks, however few descriptors there are.
const BLOCKING_MIN: usize = 32;
/// How long the lock of the data may be held by a process that ends, and how often it is tried.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(100);

/// Runs a node until it is stopped. `ready` is signalled when peers and commands can reach it.
///
/// # Errors
///
/// The failure that keeps it from starting, with its exit code.
pub fn run(options: RunOptions, ready: oneshot::Sender<()>) -> Result<(), Failure> {
    if let Err(error) = identity::no_core_dumps() {
        warn!(%error, "core dumps cannot be switched off");
    }
    let shares = descriptors(options.params.limits.connections.get());
    let memory = memory(shares.sessions);
    // Half of the cores: the other half is for the disk and for other programs. More threads for
    // the same sessions wake each other, for fewer bytes per second and core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .max_blocking_threads(shares.brief.max(BLOCKING_MIN))
        .enable_all()
        .thread_name("fairhaul")
        .build()
        .map_err(|error| Failure::error(format!("threads: {error}")))?;
    // On a worker like the sessions, and not on this thread: there every event between it and them
    // would wake a thread, and a transfer has two for each block.
    let result = runtime.block_on(runtime.spawn(live((options, ready), (shares, memory))));
    let result = result.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(ended) => Err(Failure::error(format!("the node: {ended}"))),
    });
    // What still reads or writes a file is given this long; all of it can be taken up again.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// The descriptors of this process, shared out. As many are asked for as may be had.
fn descriptors(connections: u32) -> Shares {
    let had = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: had.maximum,
        ..had
    };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => had.maximum,
        Err(_) => had.current,
    };
    let limit = limit.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let shares = Shares::of(limit, connections as usize);
    if shares.sessions < connections as usize {
        let (sessions, needed) = (shares.sessions, Shares::needed_for(connections as usize));
        warn!(
            limit,
            sessions, needed, "descriptors for fewer connections than the file allows"
        );
    }
    shares
}

/// The memory that the system lets this process take, shared out.
fn memory(sessions: usize) -> MemoryShares {
    let limit = memory_limit::of_this_process();
    let shares = MemoryShares::of(limit, sessions);
    if shares != MemoryShares::default() {
        let (limit, held) = (limit.unwrap_or(u64::MAX), shares.held);
        info!(limit, held, "less memory for peers than without a limit");
    }
    shares
}

/// The lock of the data. A process that was killed may hold it until the system has ended all of
/// it, so it is asked for again for [`LOCK_WAIT`].
async fn taken(data: &Path) -> Result<DataLock, Failure> {
    let end = Instant::now() + LOCK_WAIT;
    loop {
        match DataLock::take(data) {
            Err(StoreError::Locked { .. }) if Instant::now() < end => sleep(LOCK_LOOK).await,
            taken => return taken.map_err(|error| Failure::storage(error.to_string())),
        }
    }
}

async fn live(
    (mut options, ready): (RunOptions, oneshot::Sender<()>),
    (shares, memory): (Shares, MemoryShares),
) -> Result<(), Failure> {
    let node = options.params.node.clone();
    let data = node.data.clone();
    let storage = |what: &str, error: &dyn std::fmt::Display| {
        Failure::storage(format!("{}: {what}: {error}", data.display()))
    };
    own_folder(&data).map_err(|error| storage("data", &error))?;
    let lock = taken(&data).await?;
    let (place, listener) = own_place(&mut options).await?;
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let (people, called) = mpsc::channel(PEOPLE_MAX);
    let mut inbox = Inbox::new(events, called);
    let metrics = Arc::new(Metrics::default());
    let (followers, _) = broadcast::channel(1_024);
    let (calls, mut called) = mpsc::channel(64);
    let handles = Handles {
        calls,
        events: followers.clone(),
        metrics: Arc::clone(&metrics),
    };
    let places = Places {
        callers: shares.callers,
        unproved: shares.unproved,
    };
    let control = Control::open(&Endpoints::of(&options.params), handles, places).await?;
    let (stop_control, stopping) = oneshot::channel::<()>();
    let control = tokio::spawn(control.run(async {
        // Without its sender there is no node any more.
        let _ = stopping.await;
    }));
    let calling = people.clone();
    let calling = tokio::spawn(async move {
        while let Some(call) = called.recv().await {
            if calling.send(NodeEvent::Call(call)).await.is_err() {
                return;
            }
        }
    });
    let key = place.identity.public();
    let wires = (metrics, followers);
    let mut host = startup::host(options, place, wires, &sender, (shares, memory))?;
    let accepting = tokio::spawn(accept(listener, host.room(), sender));
    // Until the process ends: a clean end may wait for a disk that stands still.
    let _watching = tokio::spawn(signals(people.clone()));
    let ticking = tokio::spawn(seconds(people));
    host.start();
    info!(name = %node.name, %key, listen = %host.listening(), "ready");
    // The caller may have gone meanwhile.
    let _ = ready.send(());
    // Without a service manager this fails, which is fine.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    driver::drive(&mut host, &mut inbox).await;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    for task in [accepting, ticking, calling] {
        task.abort();
    }
    // Senders that still have an event do not wait.
    drop(inbox);
    let ended = host.end().await;
    let _ = stop_control.send(());
    let _ = control.await;
    drop(lock);
    ended
}

/// The node's identity, its address, and the receivers of its line.
async fn own_place(options: &mut RunOptions) -> Result<(Place, TcpListener), Failure> {
    let listen = &options.params.node.listen;
    let (identity, listener, line) = match options.by_line.take() {
        None => {
            let identity = own_identity(&options.params.key_file())?;
            (identity, TcpListener::bind(&**listen).await, None)
        }
        Some(line) => {
            let guests = line::LineGuests::new(line.secret, line.most, line.sender);
            let listener = TcpListener::from_std(line.listener);
            (line.identity, listener, Some(guests))
        }
    };
    let bad = |error| Failure::error(format!("{listen}: cannot listen: {error}"));
    let listener = listener.map_err(bad)?;
    let unheard = |error| Failure::error(format!("listening: {error}"));
    let place = Place {
        identity,
        listening: listener.local_addr().map_err(unheard)?,
        line,
    };
    Ok((place, listener))
}

/// Makes the folder of the data, and in it that of the node's own state, for this user alone. The
/// first stays as it is if it is there: inboxes are in it, and others may read those.
fn own_folder(data: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(data)?;
    let contents = data.join(STATE);
    builder.create(&contents)?;
    // Made by an earlier version, it may be open to others.
    let closed = std::fs::set_permissions(&contents, std::fs::Permissions::from_mode(0o700));
    if let Err(error) = closed {
        warn!(folder = %contents.display(), %error, "others may look into the node's state");
    }
    Ok(())
}

/// The node's key, made if there is none.
fn own_identity(path: &Path) -> Result<Identity, Failure> {
    let refused =
        |error: &dyn std::fmt::Display| Failure::new(Failure::IDENTITY, error.to_string());
    if path.symlink_metadata().is_ok() {
        return Identity::load(path).map_err(|error| refused(&error));
    }
    Identity::create(path).map_err(|error| refused(&error))
}

/// Turns signals into events. The second one to stop ends the process at once: everything
/// that is kept can be taken up again.
async fn signals(events: mpsc::Sender<NodeEvent>) {
    let listen = |kind| signal(kind).expect("the process may listen to its signals");
    let mut hangup = listen(SignalKind::hangup());
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    let mut stopping = false;
    loop {
        let event = tokio::select! {
            _ = hangup.recv() => NodeEvent::Reload,
            _ = terminate.recv() => NodeEvent::Stop,
            _ = interrupt.recv() => NodeEvent::Stop,
        };
        if matches!(event, NodeEvent::Stop) {
            if stopping {
                std::process::exit(130);
            }
            stopping = true;
        }
        // Beside this loop: the second signal does not wait for what the first one waits for.
        let events = events.clone();
        tokio::spawn(async move {
            // A node that has stopped takes no more events.
            let _ = events.send(event).await;
        });
    }
}

async fn seconds(events: mpsc::Sender<NodeEvent>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if events.send(NodeEvent::Second).await.is_err() {
            return;
        }
    }
}
