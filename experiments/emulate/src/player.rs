//! The player: plays the times of a scenario on real nodes, and writes down what happened.
//!
//! It starts, stops and asks nodes, and decides nothing about transfers. A node that dies without
//! being told fails the run.
//!
//! Before the clock starts, files are written, the nodes that are there from the beginning
//! find each other, and what they have is shared. From then on everything happens at the
//! scenario's times on one monotonic clock. A peer has joined when its control answers; a
//! transfer has started when its destination is asked to get it, and fetches the manifest
//! first, which a simulated one does not.
//!
//! Longer than other files: the steps of one run share its clock, its peers and its account.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairhaul_client::api::{Failure, Got};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::assemble::{self, Facts};
use super::environment::{Environment, EnvironmentError};
use super::error::EmulateError;
use super::item::Unit;
use super::mask::{self, Mask};
use super::observations::Observations;
use super::parameters::{self, Files, Links};
use super::{Interrupt, Speed, contents, control_client, scale};

mod acting;

/// How long nodes usually take at most to find each other: see [`ReplayOptions::meeting`].
pub const MEETING: Duration = Duration::from_secs(30);
/// Time between two looks at whether everybody lives.
const LOOK: Duration = Duration::from_millis(200);
/// How long a node may take for its last counts before it is told to go.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// How many of those who wait a message names.
const NAMED: usize = 5;

/// How a scenario is played.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// How many times as fast; times are divided and rates multiplied. 0 and 1 are as it is.
    pub speed: Speed,
    /// Who keeps the rates of links.
    pub links: Links,
    /// How long nodes may take to find each other before the clock starts.
    pub meeting: Duration,
    /// Whether it should end.
    pub interrupt: Interrupt,
}

/// How far a run is, for a progress display.
#[derive(Clone, Copy, Debug)]
pub struct ReplayProgress {
    /// What is done now.
    pub phase: &'static str,
    /// Scenario time.
    pub now: Time,
    /// Bytes delivered so far.
    pub delivered: ByteCount,
}

/// Plays `setup` at `place`, which was made for `setup` at the speed of `options` (see
/// [`scale()`]), and gives what happened, in scenario time. The place is not closed.
///
/// The digest of the record is that of its own rows: no two real runs are the same.
///
/// # Errors
///
/// What keeps the run from being done or from being one: see [`EmulateError`].
pub fn play(
    setup: &Setup,
    place: &mut dyn Environment,
    options: &ReplayOptions,
    progress: &mut dyn FnMut(ReplayProgress),
) -> Result<Record, EmulateError> {
    parameters::check(setup, true)?;
    let scaled = scale(setup, options.speed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| EmulateError::Here(format!("threads: {error}")))?;
    let mut player = Player::new(&scaled, place, options)?;
    let played = runtime.block_on(async {
        player.prepare(progress).await?;
        player.go(progress).await
    });
    // What still waits for nodes need not end.
    runtime.shutdown_background();
    played?;
    let Player {
        facts,
        observations,
        ..
    } = player;
    let observations = lock(&observations);
    Ok(assemble::record(
        setup,
        options.speed,
        &facts,
        &observations,
    ))
}

/// One run.
struct Player<'a> {
    /// As it is played: in real time.
    setup: &'a Setup,
    place: &'a mut dyn Environment,
    files: Files,
    options: &'a ReplayOptions,
    clock: Instant,
    /// Whether the clock runs.
    begun: bool,
    agenda: BTreeMap<(Duration, u64), Step>,
    planned: u64,
    peers: Vec<PeerState>,
    transfers: Vec<TransferState>,
    /// What a unit is fetched with, once somebody has shared it.
    tickets: BTreeMap<Unit, String>,
    news: mpsc::UnboundedReceiver<News>,
    sender: mpsc::UnboundedSender<News>,
    facts: Facts,
    observations: Arc<Mutex<Observations>>,
}

/// Something that is planned.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join(u32),
    Leave(u32),
    Start(u32),
    Fault(u32),
}

/// Something that a node says.
struct News {
    peer: u32,
    /// Which life of the peer.
    life: u32,
    unit: Unit,
    /// When the answer came.
    at: Instant,
    result: Result<(Instant, u32, Got), Failure>,
}

#[derive(Debug, Default)]
struct PeerState {
    /// Whether its process should run.
    up: bool,
    life: u32,
    /// Whether it will never come back.
    gone: bool,
    /// What it still wants.
    wants: BTreeSet<Unit>,
    /// Its tasks: what it fetches, and who looks at its counts.
    getting: BTreeMap<Unit, JoinHandle<()>>,
    looking: Option<JoinHandle<()>>,
    /// Its links and its own cap as they are now.
    links: (Option<Rate>, Option<Rate>),
    upload_cap: Option<Rate>,
    /// Ids of what it shares, in this life.
    shared: BTreeMap<Unit, u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct TransferState {
    /// Whether its time has come.
    due: bool,
    over: bool,
    /// Whether it was asked for while both ends are there.
    moving: bool,
}

impl<'a> Player<'a> {
    fn new(
        setup: &'a Setup,
        place: &'a mut dyn Environment,
        options: &'a ReplayOptions,
    ) -> Result<Self, EmulateError> {
        let files = Files::new(setup)?;
        let (sender, news) = mpsc::unbounded_channel();
        let names = (0..).zip(&setup.peers);
        let names = names.map(|(row, _)| (files.name(row).to_owned(), row));
        let observations = Observations::new(names.collect());
        let mut peers: Vec<PeerState> = Vec::new();
        for (row, peer) in (0..).zip(&setup.peers) {
            let wants = Unit::all(setup).into_iter().filter(|unit| {
                matches!(unit, Unit::Content(_)) && unit.takers(setup).contains(&row)
            });
            peers.push(PeerState {
                wants: wants.collect(),
                links: (peer.up, peer.down),
                upload_cap: peer.upload_cap,
                ..PeerState::default()
            });
        }
        Ok(Self {
            transfers: vec![TransferState::default(); setup.transfers.len()],
            facts: Facts::new(setup),
            peers,
            setup,
            place,
            files,
            options,
            clock: Instant::now(),
            begun: false,
            agenda: BTreeMap::new(),
            planned: 0,
            tickets: BTreeMap::new(),
            news,
            sender,
            observations: Arc::new(Mutex::new(observations)),
        })
    }

    /// Everything before the clock starts.
    async fn prepare(
        &mut self,
        progress: &mut dyn FnMut(ReplayProgress),
    ) -> Result<(), EmulateError> {
        let mut tell = |phase| {
            progress(ReplayProgress {
                phase,
                now: Time::ZERO,
                delivered: ByteCount::ZERO,
            });
        };
        tell("writing files");
        for (row, _) in (0..).zip(&self.setup.peers) {
            let text = self
                .files
                .parameters(self.setup, row, &*self.place, self.options.links)?;
            self.put(row, "node.toml", text.as_bytes())?;
            let keys: Vec<_> = self.files.keys(row).collect();
            for (name, key) in keys {
                self.put(row, &name, &key)?;
            }
            let look_ns = self.options.speed.play(Span::SECOND.as_nanos());
            if let Some(mask) = Mask::of(self.setup, row, &*self.place, look_ns) {
                let text = serde_json::to_vec(&mask).expect("it has numbers and names alone");
                self.put(row, mask::FILE, &text)?;
            }
            self.look_at_interrupt()?;
        }
        contents::write(self.setup, self.place, &self.options.interrupt)?;
        tell("starting nodes");
        let first: Vec<u32> = (0..)
            .zip(&self.setup.peers)
            .filter(|(_, peer)| peer.join == Time::ZERO)
            .map(|(row, _)| row)
            .collect();
        for peer in &first {
            self.look_at_interrupt()?;
            self.start_node(*peer)?;
        }
        tell("connecting nodes");
        self.meet(&first).await?;
        tell("sharing contents");
        for peer in &first {
            self.look_at_interrupt()?;
            self.share_all(*peer).await?;
        }
        self.plan();
        self.clock = Instant::now();
        self.begun = true;
        for peer in first {
            self.joined(peer, Duration::ZERO);
        }
        Ok(())
    }

    /// Puts everything that the setup plans into the agenda.
    fn plan(&mut self) {
        let real = |time: Time| Duration::from_nanos(time.as_nanos());
        for (row, peer) in (0..).zip(&self.setup.peers) {
            if peer.join > Time::ZERO {
                self.push(real(peer.join), Step::Join(row));
            }
            if let Some(leave) = peer.leave {
                self.push(real(leave), Step::Leave(row));
            }
        }
        for (row, transfer) in (0..).zip(&self.setup.transfers) {
            self.push(real(transfer.start), Step::Start(row));
        }
        for (row, fault) in (0..).zip(&self.setup.faults) {
            self.push(real(fault.at), Step::Fault(row));
        }
    }

    fn push(&mut self, at: Duration, step: Step) {
        self.agenda.insert((at, self.planned), step);
        self.planned += 1;
    }

    /// Waits until those who are there from the start are connected with whom they know.
    async fn meet(&mut self, peers: &[u32]) -> Result<(), EmulateError> {
        let since = Instant::now();
        let mut waiting: BTreeSet<u32> = peers.iter().copied().collect();
        let mut missing = Vec::new();
        while !waiting.is_empty() {
            self.look_at_interrupt()?;
            self.look_at_lives()?;
            missing.clear();
            for peer in waiting.clone() {
                let status = control_client::peers(&self.place.control(peer)).await;
                if status.is_err() {
                    // A dead node does not answer either, and then that is what is to be said.
                    self.look_at_lives()?;
                }
                let status = status.map_err(|failure| self.failed(peer, "peers", failure))?;
                let is_there = |name: &str| {
                    let row = status.iter().find(|row| row.name == name);
                    row.is_some_and(|row| row.connected)
                };
                let lacks = self
                    .files
                    .known(peer)
                    .iter()
                    .find(|other| peers.contains(other) && !is_there(self.files.name(**other)));
                match lacks {
                    None => _ = waiting.remove(&peer),
                    Some(other) => {
                        let name = self.files.name(*other);
                        let row = status.iter().find(|row| row.name == name);
                        let trouble = row.and_then(|row| row.trouble.clone());
                        missing.push((peer, *other, trouble));
                    }
                }
            }
            if since.elapsed() > self.options.meeting {
                let name = |row: u32| self.setup.peers[row as usize].name.as_str();
                let missing = missing.iter().take(NAMED);
                let who = missing.map(|(one, other, trouble)| {
                    let why = trouble.as_deref().unwrap_or("no word");
                    let at = self.place.reach(*one, *other);
                    format!("{} and {} at {at} ({why})", name(*one), name(*other))
                });
                return Err(EmulateError::NotConnected {
                    seconds: self.options.meeting.as_secs(),
                    who: who.collect::<Vec<_>>().join(", "),
                });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Until everybody has what they want, or the horizon.
    async fn go(&mut self, progress: &mut dyn FnMut(ReplayProgress)) -> Result<(), EmulateError> {
        let horizon = Duration::from_nanos(self.setup.horizon.as_nanos());
        let mut look = self.clock;
        while !self.is_done() {
            let now = self.now();
            if now >= horizon {
                self.facts.stopped_at_horizon = true;
                break;
            }
            self.look_at_interrupt()?;
            if self.clock + now >= look {
                self.look_at_lives()?;
                self.look_at_troubles()?;
                look = self.clock + now + LOOK;
                self.tell(progress, now);
            }
            let planned = self.agenda.first_key_value().map(|(key, _)| key.0);
            if planned.is_some_and(|at| at <= now)
                && let Some((_, step)) = self.agenda.pop_first()
            {
                self.facts.events += 1;
                self.take(step).await?;
                continue;
            }
            let next = planned.unwrap_or(horizon).min(horizon);
            tokio::select! {
                news = self.news.recv() => {
                    if let Some(news) = news {
                        self.facts.events += 1;
                        self.hear(news)?;
                    }
                }
                () = sleep_until((self.clock + next).min(look)) => {}
            }
        }
        self.facts.end = if self.facts.stopped_at_horizon {
            horizon
        } else {
            self.facts.last_end().unwrap_or_else(|| self.now())
        };
        self.last_looks().await;
        Ok(())
    }

    fn tell(&self, progress: &mut dyn FnMut(ReplayProgress), now: Duration) {
        progress(ReplayProgress {
            phase: "",
            now: Time::ZERO + self.options.speed.told(now),
            delivered: ByteCount::new(lock(&self.observations).delivered()),
        });
    }

    /// What everybody has counted at the end.
    async fn last_looks(&mut self) {
        for peer in 0..u32::try_from(self.peers.len()).expect("checked by the lab") {
            if self.peers[peer as usize].up {
                self.last_look(peer).await;
            }
        }
    }

    async fn last_look(&mut self, peer: u32) {
        let at = self.now();
        let control = self.place.control(peer);
        // One that does not answer is found dead, or has told before.
        if let Ok(Ok(moves)) = timeout(LAST_LOOK, control_client::moves(&control)).await {
            lock(&self.observations).look(peer, at, &moves);
        }
    }

    fn is_done(&self) -> bool {
        let wants = |state: &PeerState| !state.gone && !state.wants.is_empty();
        let away = |row: u32| self.peers[row as usize].gone;
        let open = self.transfers.iter().zip(&self.setup.transfers);
        let mut open =
            open.filter(|(state, row)| !state.over && !away(row.source) && !away(row.destination));
        !self.peers.iter().any(wants) && open.next().is_none()
    }

    /// Real time since the clock started.
    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn look_at_interrupt(&self) -> Result<(), EmulateError> {
        if self.options.interrupt.is_set() {
            return Err(EmulateError::Interrupted);
        }
        Ok(())
    }

    /// Whoever died without being told ends the run.
    fn look_at_lives(&mut self) -> Result<(), EmulateError> {
        for (row, state) in (0..).zip(&self.peers) {
            if state.up
                && let Err(EnvironmentError(last)) = self.place.alive(row)
            {
                let seconds = self.options.speed.told(self.now()).as_secs_f64();
                return Err(EmulateError::Died {
                    peer: self.setup.peers[row as usize].name.clone(),
                    when: format!("at {seconds:.1} s"),
                    last,
                });
            }
        }
        Ok(())
    }

    /// A disk that is full, or anything else that a node waits to be cured of.
    fn look_at_troubles(&self) -> Result<(), EmulateError> {
        let trouble = lock(&self.observations).trouble.clone();
        trouble.map_or(Ok(()), |(peer, unit, why)| {
            let doing = format!("get {}", unit.name(self.setup));
            Err(self.failed(peer, &doing, Failure::storage(why)))
        })
    }

    fn put(&mut self, peer: u32, name: &str, mut bytes: &[u8]) -> Result<(), EmulateError> {
        let put = self.place.put(peer, name, &mut bytes);
        put.map_err(|error| self.placed(peer, error))
    }

    fn placed(&self, peer: u32, error: EnvironmentError) -> EmulateError {
        EmulateError::Environment {
            peer: self.setup.peers[peer as usize].name.clone(),
            error,
        }
    }

    fn failed(&self, peer: u32, doing: &str, failure: Failure) -> EmulateError {
        EmulateError::Node {
            peer: self.setup.peers[peer as usize].name.clone(),
            doing: doing.to_owned(),
            failure,
        }
    }
}

fn lock(observations: &Mutex<Observations>) -> MutexGuard<'_, Observations> {
    observations.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder that a peer fetches into.
fn out(home: &std::path::Path) -> PathBuf {
    home.join("out")
}
