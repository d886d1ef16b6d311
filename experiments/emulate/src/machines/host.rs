//! One machine of the inventory, from the first connection to the last.
//!
//! A machine that is not up is waited for, and one that was lost is tried once more, not for ever.
//! A machine on which another run lives is refused, or whose program is another version.
//!
//! Longer than other files: all that is asked of a machine shares its one connection.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::agent::{Agent, NoAnswer};
use super::copy::{pour, receive};
use super::inventory::InventoryMachine;
use super::ssh::SshFailure;
use super::{FleetError, MachineOptions};
use crate::cpu::{CpuTally, Ticks};
use crate::environment::EnvironmentError;
use fairhaul_results::CpuUse;

/// Pause before a machine is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Pause between two looks at whether a person wants the end.
const LOOK: Duration = Duration::from_millis(50);
/// How much longer than its nodes are left alone a run may take to go away.
const GOING: Duration = Duration::from_secs(10);

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    /// Its row of the inventory.
    pub(super) machine: InventoryMachine,
    /// What a line about it begins with.
    pub(super) label: String,
    /// The local socket of its connection.
    socket: PathBuf,
    link: Mutex<Link>,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Link {
    agent: Option<Agent>,
    /// The folder there.
    folder: PathBuf,
    /// Why it is not tried any more.
    given_up: Option<String>,
}

/// What the looks have found.
#[derive(Debug, Default)]
struct Health {
    lost: Option<String>,
    /// Nodes that ended without being told, by folder.
    dead: BTreeMap<PathBuf, String>,
    ticks: Option<Ticks>,
    counters: Option<CpuTally>,
}

impl Host {
    pub(super) fn new(machine: InventoryMachine, label: String, socket: PathBuf) -> Self {
        Self {
            machine,
            label,
            socket,
            link: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// Makes it ready: connected, with a folder and the program in it. Interrupted when `stop`
    /// says that another machine has failed.
    pub(super) fn reach(
        &self,
        name: &str,
        options: &MachineOptions,
        stop: &AtomicBool,
    ) -> Result<(), FleetError> {
        let mut link = lock(&self.link);
        if link.agent.is_some() {
            return Ok(());
        }
        if let Some(why) = &link.given_up {
            return Err(FleetError::Unreachable(why.clone()));
        }
        let reached = self.connect(options, stop).and_then(|mut agent| {
            link.folder = self.settle(&mut agent, name, options, stop)?;
            self.send_program(&mut agent, &link.folder, options)?;
            Ok(agent)
        });
        match reached {
            Ok(agent) => {
                link.agent = Some(agent);
                *lock(&self.health) = Health::default();
                Ok(())
            }
            Err(error) => {
                link.given_up = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Waits until the machine lets us in. What will not get better is not waited for.
    fn connect(&self, options: &MachineOptions, stop: &AtomicBool) -> Result<Agent, FleetError> {
        let since = Instant::now();
        let host = self.machine.host();
        let mut told = false;
        loop {
            options.look_at_interrupt()?;
            let (why, said) = match Agent::connect(&options.login, host, &self.socket) {
                Ok(agent) => break Ok(agent),
                Err(refused) => refused,
            };
            let limit = match why {
                SshFailure::Other => options.wait,
                SshFailure::Login => options.wait_login,
                SshFailure::NoName | SshFailure::HostKey | SshFailure::NoFile => Duration::ZERO,
            };
            if since.elapsed() >= limit {
                let line = format!("{}: {}", self.label, why.line(host, &said));
                return Err(match why {
                    SshFailure::Login | SshFailure::HostKey => FleetError::Refused(line),
                    SshFailure::NoName | SshFailure::NoFile | SshFailure::Other => {
                        FleetError::Unreachable(line)
                    }
                });
            }
            if !told {
                let limit = limit.as_secs();
                self.say(&format!("not up yet, waiting at most {limit} s"));
                told = true;
            }
            pause(AGAIN, options, stop)?;
        }
        .inspect(|_| {
            if told {
                self.say(&format!("up after {} s", since.elapsed().as_secs()));
            }
        })
    }

    /// Makes the folder there, once no other run is.
    fn settle(
        &self,
        agent: &mut Agent,
        name: &str,
        options: &MachineOptions,
        stop: &AtomicBool,
    ) -> Result<PathBuf, FleetError> {
        let base = options.prefix.as_deref().unwrap_or("-");
        let hello = format!("hello {base} {name} {}", options.alone.as_secs());
        let patience = options.alone + GOING;
        let since = Instant::now();
        let mut told = false;
        loop {
            match agent.ask(&hello) {
                Ok(lines) => {
                    for line in &lines {
                        if let Some(left) = line.strip_prefix("left ") {
                            self.say(&format!("removed what an earlier run left: {left}"));
                        }
                    }
                    let folder = lines.last().cloned().unwrap_or_default();
                    return Ok(PathBuf::from(folder));
                }
                Err(NoAnswer::No(why)) if why == BUSY && since.elapsed() < patience => {
                    if !told {
                        let limit = patience.as_secs();
                        self.say(&format!("another run is there, waiting at most {limit} s"));
                        told = true;
                    }
                    pause(AGAIN / 4, options, stop)?;
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Brings the program, unless the machine has the same one.
    fn send_program(
        &self,
        agent: &mut Agent,
        folder: &Path,
        options: &MachineOptions,
    ) -> Result<(), FleetError> {
        let ask = |agent: &mut Agent, question: &str| -> Result<String, FleetError> {
            let lines = agent.ask(question).map_err(|error| self.failed(error))?;
            Ok(lines.last().cloned().unwrap_or_default())
        };
        let digest = options.digest.as_deref().unwrap_or("unknown");
        if ask(agent, &format!("program {digest}"))? != "have" {
            let program = options.program.display();
            let mut file = File::open(&options.program)
                .map_err(|error| FleetError::Here(format!("{program}: {error}")))?;
            let to = folder.join("fairhaul");
            let sent = pour(agent.command(&receive(&to)), &mut file);
            let to = to.display();
            sent.map_err(|why| FleetError::There(format!("{}: {to}: {why}", self.label)))?;
        }
        let version = ask(agent, "version")?;
        let own = env!("CARGO_PKG_VERSION");
        if version.split_whitespace().nth(1) != Some(own) {
            return Err(FleetError::There(format!(
                "{}: the program says {version:?}; allowed is fairhaul {own}",
                self.label
            )));
        }
        self.say(&format!("ready, {version}"));
        Ok(())
    }

    /// Bytes that are free where its folder is.
    pub(super) fn free(&self) -> Result<u64, FleetError> {
        let room = self.ask("room").map_err(|error| self.failed(error))?;
        let kib: Option<u64> = room.parse().ok();
        let bytes = kib.and_then(|kib| kib.checked_mul(1_024));
        bytes.ok_or_else(|| FleetError::There(format!("{}: df says {room:?}", self.label)))
    }

    /// The folder there.
    pub(super) fn folder(&self) -> PathBuf {
        lock(&self.link).folder.clone()
    }

    /// Whether it was reached and has not been lost since.
    pub(super) fn is_there(&self) -> bool {
        lock(&self.link).agent.is_some()
    }

    /// Asks one thing; the answer without its `ok`.
    pub(super) fn ask(&self, question: &str) -> Result<String, NoAnswer> {
        let mut lines = self.talk(question)?;
        Ok(lines.pop().unwrap_or_default())
    }

    fn talk(&self, question: &str) -> Result<Vec<String>, NoAnswer> {
        self.with(|agent| agent.ask(question))
    }

    /// Something with the connection; one that has ended is dropped.
    fn with<T>(&self, act: impl FnOnce(&mut Agent) -> Result<T, NoAnswer>) -> Result<T, NoAnswer> {
        let mut link = lock(&self.link);
        let lost = || lock(&self.health).lost.clone().unwrap_or_default();
        let Some(agent) = link.agent.as_mut() else {
            return Err(NoAnswer::Gone(lost()));
        };
        let result = act(agent);
        if let Err(NoAnswer::Gone(why)) = &result {
            lock(&self.health).lost = Some(why.clone());
            link.agent = None;
        }
        result
    }

    /// Notes a connection that has ended.
    fn settle_end(&self, link: &mut Link) {
        if let Some(NoAnswer::Gone(why)) = link.agent.as_mut().and_then(Agent::over) {
            lock(&self.health).lost = Some(why);
            link.agent = None;
        }
    }

    /// Looks at whether its nodes live and how busy it is.
    pub(super) fn look(&self) {
        let Ok(lines) = self.talk("look") else {
            return;
        };
        let mut health = lock(&self.health);
        for line in &lines {
            if let Some((home, how)) = line
                .strip_prefix("dead ")
                .and_then(|rest| rest.split_once(' '))
            {
                health.dead.insert(PathBuf::from(home), ended(how));
            }
        }
        let ticks = lines.last().and_then(|line| Ticks::parse(line));
        health.ticks = ticks.or(health.ticks);
        if let (Some(counters), Some(now)) = (&mut health.counters, ticks) {
            counters.add(now, true);
        }
    }

    /// From now on its load is measured.
    pub(super) fn begin_tally(&self) {
        self.look();
        let mut health = lock(&self.health);
        health.counters = health.ticks.map(CpuTally::new);
    }

    /// Its load since; none if it cannot be known.
    pub(super) fn end_tally(&self) -> Option<CpuUse> {
        self.look();
        lock(&self.health)
            .counters
            .take()
            .map(|counters| counters.used())
    }

    /// Whether the machine is there and the node in `home` has not ended unasked.
    pub(super) fn alive(&self, home: &Path) -> Result<(), EnvironmentError> {
        // The last look may have been before the end of the connection. One that is under way
        // is not waited for.
        if let Ok(mut link) = self.link.try_lock() {
            self.settle_end(&mut link);
        }
        let health = lock(&self.health);
        if let Some(why) = &health.lost {
            return Err(EnvironmentError(format!(
                "{}: the machine no longer answers: {why}",
                self.label
            )));
        }
        let how = health.dead.get(home);
        how.map_or(Ok(()), |how| {
            Err(EnvironmentError(format!("{}: the node {how}", self.label)))
        })
    }

    /// Forgets how the node in `home` ended.
    pub(super) fn forget(&self, home: &Path) {
        lock(&self.health).dead.remove(home);
    }

    /// Writes a file there. Its folder is made.
    pub(super) fn put(&self, path: &Path, bytes: &mut dyn Read) -> Result<(), EnvironmentError> {
        // The conversation stays free for looks: a large file takes its time.
        let command = self.with(|agent| Ok(agent.command(&receive(path))));
        let sent = match command {
            Ok(command) => pour(command, bytes),
            Err(NoAnswer::Gone(why) | NoAnswer::No(why)) => Err(why),
        };
        let path = path.display();
        sent.map_err(|why| EnvironmentError(format!("{}: {path}: {why}", self.label)))
    }

    /// Carries a local socket to one there; or no longer, by `cancel`.
    pub(super) fn forward(
        &self,
        word: &str,
        here: &Path,
        there: &Path,
    ) -> Result<(), EnvironmentError> {
        let told = self.with(|agent| agent.forward(word, here, there).map_err(NoAnswer::No));
        told.map_err(|error| self.placed(error))
    }

    /// A failure in the words of a place.
    pub(super) fn placed(&self, error: NoAnswer) -> EnvironmentError {
        EnvironmentError(self.line(error))
    }

    fn failed(&self, error: NoAnswer) -> FleetError {
        match error {
            NoAnswer::Gone(_) => FleetError::Unreachable(self.line(error)),
            NoAnswer::No(_) => FleetError::There(self.line(error)),
        }
    }

    fn line(&self, error: NoAnswer) -> String {
        match error {
            NoAnswer::Gone(why) => format!("{}: the machine no longer answers: {why}", self.label),
            NoAnswer::No(why) => format!("{}: {why}", self.label),
        }
    }

    /// Tells the machine that it is over, and does not wait.
    pub(super) fn leave(&self) {
        if let Some(agent) = &mut lock(&self.link).agent {
            agent.leave();
        }
    }

    /// Waits until the machine has removed everything.
    pub(super) fn part(&self) {
        lock(&self.link).agent = None;
    }

    fn say(&self, words: &str) {
        eprintln!("{}: {words}", self.machine.name);
    }
}

/// What a machine says on which another run lives.
const BUSY: &str = "another run is there";

/// How a node ended: its status as a shell has it, and its last line.
pub(super) fn ended(how: &str) -> String {
    let (status, last) = how.split_once(' ').unwrap_or((how, ""));
    let number: Option<u32> = status.parse().ok();
    let way = match number {
        Some(signal @ 129..) => format!("was ended by signal {}", signal - 128),
        _ => format!("ended with status {status}"),
    };
    if last.is_empty() {
        way
    } else {
        format!("{way}: {last}")
    }
}

/// Waits, unless a person wants the end, or there is nothing to wait for any more.
fn pause(span: Duration, options: &MachineOptions, stop: &AtomicBool) -> Result<(), FleetError> {
    let since = Instant::now();
    while since.elapsed() < span {
        options.look_at_interrupt()?;
        if stop.load(Ordering::Relaxed) {
            return Err(FleetError::Interrupted);
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_node_ended_is_said_in_words() {
        assert_eq!(
            ended("137 INFO listening"),
            "was ended by signal 9: INFO listening"
        );
        assert_eq!(
            ended("3 fairhaul: x: full"),
            "ended with status 3: fairhaul: x: full"
        );
        assert_eq!(ended("1"), "ended with status 1");
    }
}
