//! What the player does at a time of the scenario, and at news of a node.

use std::sync::Arc;
use std::time::Duration;

use fairhaul_client::api::LimitTarget;
use fairhaul_core::time::Time;
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::FaultKind;
use tokio::time::{Instant, sleep_until};

use super::{News, Player, Step, lock, out};
use crate::assemble::Fact;
use crate::control_client;
use crate::error::EmulateError;
use crate::item::Unit;
use crate::parameters::{self, Links};

/// Time between two looks at a node's counts where the scenario has no windows.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time between two looks, however short the windows are.
const LOOK_LEAST: Duration = Duration::from_millis(20);

impl Player<'_> {
    pub(super) async fn take(&mut self, step: Step) -> Result<(), EmulateError> {
        match step {
            Step::Join(peer) => self.join(peer).await,
            Step::Leave(peer) => self.leave(peer).await,
            Step::Start(row) => {
                self.transfers[row as usize].due = true;
                self.start_transfer(row);
                Ok(())
            }
            Step::Fault(row) => self.fault(row).await,
        }
    }

    /// Starts a process. Nothing is asked of it yet.
    pub(super) fn start_node(&mut self, peer: u32) -> Result<(), EmulateError> {
        let started = self.place.start(peer);
        started.map_err(|error| self.placed(peer, error))?;
        let state = &mut self.peers[peer as usize];
        state.up = true;
        state.life += 1;
        state.shared.clear();
        Ok(())
    }

    async fn join(&mut self, peer: u32) -> Result<(), EmulateError> {
        if self.peers[peer as usize].up {
            return Ok(());
        }
        self.start_node(peer)?;
        let at = self.now();
        let row = &self.setup.peers[peer as usize];
        let state = &mut self.peers[peer as usize];
        state.upload_cap = row.upload_cap;
        if state.links != (row.up, row.down) {
            self.tell_limits(peer).await?;
        }
        self.joined(peer, at);
        self.share_all(peer).await
    }

    /// A peer is there: it asks for what it wants, and what waited for it begins.
    pub(super) fn joined(&mut self, peer: u32, at: Duration) {
        self.facts.joined(peer, at);
        self.watch(peer);
        for unit in self.peers[peer as usize].wants.clone() {
            self.get(peer, unit);
        }
        self.start_waiting(peer);
    }

    fn start_waiting(&mut self, peer: u32) {
        let rows = (0..).zip(&self.setup.transfers);
        let concerned: Vec<u32> = rows
            .filter(|(_, row)| [row.source, row.destination].contains(&peer))
            .map(|(row, _)| row)
            .collect();
        for row in concerned {
            self.start_transfer(row);
        }
    }

    /// Tells a node the bands of peers and groups that it knows: a parameter file has no key for
    /// them.
    async fn tell_bands(&self, peer: u32) -> Result<(), EmulateError> {
        let peers = self.files.known(peer).iter().map(|other| {
            let name = self.files.name(*other).to_owned();
            (
                LimitTarget::Peer(name),
                self.setup.peers[*other as usize].band,
            )
        });
        let groups = self.setup.groups.iter().enumerate();
        let groups = groups.map(|(at, group)| (LimitTarget::Group(format!("g{at}")), group.band));
        let ranked: Vec<(LimitTarget, u8)> = peers.chain(groups).filter(|to| to.1 > 0).collect();
        for (target, band) in ranked {
            let told = control_client::band(&self.place.control(peer), target, band).await;
            told.map_err(|failure| self.failed(peer, "band", failure))?;
        }
        Ok(())
    }

    /// Makes known what a peer has, with what is granted to it.
    pub(super) async fn share_all(&mut self, peer: u32) -> Result<(), EmulateError> {
        self.tell_bands(peer).await?;
        let control = self.place.control(peer);
        for unit in Unit::all(self.setup) {
            let over = matches!(unit, Unit::Transfer(row) if self.transfers[row as usize].over);
            if over || !unit.sources(self.setup).contains(&peer) {
                continue;
            }
            let path = self.place.home(peer).join(unit.file());
            let (_, chunk) = unit.lengths(self.setup);
            let doing = format!("share {}", unit.name(self.setup));
            let shared = control_client::share(&control, path, chunk.get()).await;
            let shared = shared.map_err(|failure| self.failed(peer, &doing, failure))?;
            self.peers[peer as usize]
                .shared
                .insert(unit, shared.transfer);
            lock(&self.observations).units.insert(shared.content, unit);
            self.tickets.insert(unit, shared.ticket);
            if let Unit::Transfer(row) = unit {
                let row = &self.setup.transfers[row as usize];
                let granted = control_client::grant(&control, shared.transfer, row).await;
                granted.map_err(|failure| self.failed(peer, &doing, failure))?;
            }
            for taker in unit.takers(self.setup) {
                if self.peers[taker as usize].wants.contains(&unit) {
                    self.get(taker, unit);
                }
            }
        }
        self.start_waiting(peer);
        Ok(())
    }

    /// The destination of a transfer is asked to get it, if its time has come and both are
    /// there.
    fn start_transfer(&mut self, row: u32) {
        let state = self.transfers[row as usize];
        let transfer = &self.setup.transfers[row as usize];
        let (source, destination) = (transfer.source, transfer.destination);
        let unit = Unit::Transfer(row);
        let is_shared = self.peers[source as usize].shared.contains_key(&unit);
        let ready = self.peers[source as usize].up && is_shared;
        if state.due && !state.over && ready && self.peers[destination as usize].up {
            if !state.moving {
                let at = self.now();
                self.facts.started(row, at);
                self.transfers[row as usize].moving = true;
            }
            self.get(destination, unit);
        }
    }

    /// Asks a node to fetch, unless it does.
    fn get(&mut self, peer: u32, unit: Unit) {
        let state = &self.peers[peer as usize];
        let Some(ticket) = self.tickets.get(&unit).cloned() else {
            return;
        };
        if !state.up || state.getting.contains_key(&unit) || !self.begun {
            return;
        }
        let (control, dir) = (self.place.control(peer), out(self.place.home(peer)));
        let (sender, life) = (self.sender.clone(), state.life);
        let task = tokio::spawn(async move {
            let result = control_client::get(&control, &ticket, &dir).await;
            // A player that has ended hears nothing.
            let _ = sender.send(News {
                peer,
                life,
                unit,
                at: Instant::now(),
                result,
            });
        });
        self.peers[peer as usize].getting.insert(unit, task);
    }

    /// Looks at the counts of a node at the end of each window, and every second.
    fn watch(&mut self, peer: u32) {
        let units = Unit::all(self.setup);
        if !units
            .iter()
            .any(|unit| unit.takers(self.setup).contains(&peer))
        {
            return;
        }
        let lengths = self.setup.windows.iter().map(|span| span.as_nanos());
        let mut lengths: Vec<u64> = lengths.filter(|nanos| *nanos > 0).collect();
        lengths.push(u64::try_from(LOOK_EVERY.as_nanos()).expect("a second"));
        let (control, clock) = (self.place.control(peer), self.clock);
        let observations = Arc::clone(&self.observations);
        self.peers[peer as usize].looking = Some(tokio::spawn(async move {
            loop {
                let now = clock.elapsed() + LOOK_LEAST / 2;
                let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                let ends = lengths.iter().map(|length| (now / length + 1) * length);
                let at = Duration::from_nanos(ends.min().unwrap_or(u64::MAX));
                sleep_until(clock + at).await;
                // Whether it lives is another's question.
                if let Ok(moves) = control_client::moves(&control).await {
                    lock(&observations).look(peer, at, &moves);
                }
            }
        }));
    }

    /// A node has fetched something, or cannot.
    pub(super) fn hear(&mut self, news: News) -> Result<(), EmulateError> {
        let News {
            peer,
            life,
            unit,
            at,
            result,
        } = news;
        let state = &mut self.peers[peer as usize];
        if !state.up || state.life != life {
            return Ok(());
        }
        state.getting.remove(&unit);
        let doing = format!("get {}", unit.name(self.setup));
        let (asked, tries, got) = match result {
            Ok(got) => got,
            Err(failure) => {
                // Dead nodes answer so, too, and then that is what is to be said.
                self.look_at_lives()?;
                return Err(self.failed(peer, &doing, failure));
            }
        };
        let asked = asked.saturating_duration_since(self.clock);
        let heard = at.saturating_duration_since(self.clock);
        // The node's own clock knows best, if it saw all of it.
        let whole = tries == 1 && got.resumed_bytes == 0 && got.seconds > 0.0;
        let end = match Duration::try_from_secs_f64(got.seconds) {
            Ok(took) if whole => (asked + took).min(heard),
            _ => heard,
        };
        let first = got.first_byte_seconds.unwrap_or(got.seconds);
        let first = Duration::try_from_secs_f64(first).map_or(end, |took| (asked + took).min(end));
        match unit {
            Unit::Transfer(row) => {
                self.transfers[row as usize].over = true;
                self.facts.ended(row, first, end);
                self.forget(row, got.content);
            }
            Unit::Content(_) => {
                state.wants.remove(&unit);
                if state.wants.is_empty() {
                    self.facts.completed(peer, end);
                    if let Some(linger) = self.setup.peers[peer as usize].linger {
                        let linger = Duration::from_nanos(linger.as_nanos());
                        self.push(end + linger, Step::Leave(peer));
                    }
                }
            }
        }
        Ok(())
    }

    /// A finished transfer leaves the tables of both ends, after a last look at what it moved.
    fn forget(&self, row: u32, content: String) {
        let transfer = &self.setup.transfers[row as usize];
        let (source, destination) = (transfer.source, transfer.destination);
        let at_source = self.peers[source as usize].shared.get(&Unit::Transfer(row));
        let (at_source, from) = (at_source.copied(), self.place.control(source));
        let (to, at) = (self.place.control(destination), self.now());
        let observations = Arc::clone(&self.observations);
        tokio::spawn(async move {
            if let Ok(moves) = control_client::moves(&to).await {
                lock(&observations).look(destination, at, &moves);
                let found = moves.moved.iter().find(|row| row.content == content);
                if let Some(row) = found {
                    control_client::forget(&to, row.transfer).await;
                }
            }
            if let Some(id) = at_source {
                control_client::forget(&from, id).await;
            }
        });
    }

    async fn leave(&mut self, peer: u32) -> Result<(), EmulateError> {
        self.peers[peer as usize].gone = true;
        if !self.peers[peer as usize].up {
            return Ok(());
        }
        let at = self.now();
        self.away(peer, at).await;
        let stopped = self.place.stop(peer);
        stopped.map_err(|error| self.placed(peer, error))
    }

    /// Notes that a peer is no longer there.
    async fn away(&mut self, peer: u32, at: Duration) {
        self.last_look(peer).await;
        let state = &mut self.peers[peer as usize];
        state.up = false;
        for (_, task) in std::mem::take(&mut state.getting) {
            task.abort();
        }
        if let Some(task) = state.looking.take() {
            task.abort();
        }
        lock(&self.observations).ended(peer);
        for (state, row) in self.transfers.iter_mut().zip(&self.setup.transfers) {
            state.moving &= ![row.source, row.destination].contains(&peer);
        }
        self.facts.left(peer, at);
    }

    async fn fault(&mut self, row: u32) -> Result<(), EmulateError> {
        let fault = &self.setup.faults[row as usize];
        match fault.kind {
            FaultKind::Crash { peer } => self.crash(peer, fault.at).await,
            FaultKind::Restart { peer } => self.join(peer).await,
            FaultKind::Capacity { peer, up, down } => {
                let before = self.peers[peer as usize].links;
                let (up, down) = (up.after(before.0), down.after(before.1));
                self.peers[peer as usize].links = (up, down);
                let set = self.place.set_rates(peer, up, down);
                set.map_err(|error| self.placed(peer, error))?;
                let at = self.now();
                self.facts.fact(at, Fact::Links(row));
                self.tell_limits(peer).await
            }
            FaultKind::SharedCapacity { .. } | FaultKind::Abort { .. } => {
                unreachable!("refused before anything runs")
            }
            // Who is away hears nothing.
            FaultKind::UploadCap { peer, .. } if !self.peers[peer as usize].up => Ok(()),
            FaultKind::UploadCap { peer, rate } => {
                self.peers[peer as usize].upload_cap = rate;
                let at = self.now();
                self.facts.fact(at, Fact::Cap(row));
                self.tell_limits(peer).await
            }
        }
    }

    async fn crash(&mut self, peer: u32, planned: Time) -> Result<(), EmulateError> {
        let comes_back = self
            .setup
            .faults
            .iter()
            .any(|fault| fault.at >= planned && fault.kind == FaultKind::Restart { peer });
        self.peers[peer as usize].gone |= !comes_back;
        if !self.peers[peer as usize].up {
            return Ok(());
        }
        let at = self.now();
        self.away(peer, at).await;
        let killed = self.place.kill(peer);
        killed.map_err(|error| self.placed(peer, error))
    }

    /// Tells a node what its links and its own cap are now.
    async fn tell_limits(&self, peer: u32) -> Result<(), EmulateError> {
        let state = &self.peers[peer as usize];
        if !state.up {
            return Ok(());
        }
        let row = &self.setup.peers[peer as usize];
        let links = self.options.links;
        let (up, down): (Option<Rate>, Option<Rate>) =
            parameters::caps(row, state.links.0, state.links.1, state.upload_cap, links);
        let down = (links == Links::Caps).then_some(down);
        let told = control_client::limit(&self.place.control(peer), up, down).await;
        told.map_err(|failure| self.failed(peer, "limit", failure))
    }
}
