//! The process of one node on this machine, whatever network it has.
//!
//! It counts as running when its control answers. It is never started twice, and once it has ended,
//! the last line of its log is the reason.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::environment::EnvironmentError;

/// The control socket in the folder of a peer.
pub(super) const SOCKET: &str = "control.sock";

/// The log in the folder of a peer.
const LOG: &str = "node.log";

/// How long a node may take to start or to stop: on a machine with a thousand of them.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// The last bytes of a log that are read for its last line.
const TAIL: u64 = 4096;

/// The process of one node, running or not.
#[derive(Debug)]
pub(super) struct Process {
    home: PathBuf,
    child: Option<Child>,
    /// How it ended last.
    ended: String,
    /// Where the log of the present run begins.
    log_start: u64,
}

impl Process {
    pub(super) fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            child: None,
            ended: "was never started".to_owned(),
            log_start: 0,
        }
    }

    /// Its number, if it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts `command` by `spawn` and waits until its control answers.
    pub(super) fn start(
        &mut self,
        mut command: Command,
        spawn: impl FnOnce(Command) -> io::Result<Child>,
    ) -> Result<(), EnvironmentError> {
        if self.alive().is_ok() {
            return Err(failed(format!(
                "{}: the node runs already",
                self.home.display()
            )));
        }
        let path = self.home.join(LOG);
        let bad = |error: io::Error| failed(format!("{}: {error}", path.display()));
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(bad)?;
        self.log_start = log.metadata().map_err(bad)?.len();
        command
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(bad)?)
            .stderr(log);
        let child =
            spawn(command).map_err(|error| failed(format!("{}: {error}", self.home.display())))?;
        self.child = Some(child);
        let begun = Instant::now();
        while UnixStream::connect(self.home.join(SOCKET)).is_err() {
            self.alive()?;
            if begun.elapsed() > PATIENCE {
                self.kill();
                return Err(failed(format!(
                    "{}: the control did not answer within {} s{}",
                    self.home.display(),
                    PATIENCE.as_secs(),
                    self.last_line()
                )));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Kills it, if it runs.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
            self.ended = "was killed".to_owned();
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(&mut self) -> Result<(), EnvironmentError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It is our child and not waited for, so the number is still its own.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if !matches!(child.try_wait(), Ok(None)) {
                self.child = None;
                self.ended = "was stopped".to_owned();
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        self.kill();
        Err(failed(format!(
            "{}: the node did not stop within {} s and was killed",
            self.home.display(),
            PATIENCE.as_secs()
        )))
    }

    /// Whether it runs; how it ended if not.
    pub(super) fn alive(&mut self) -> Result<(), EnvironmentError> {
        if let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(None) => return Ok(()),
                Ok(Some(status)) => self.ended = how(status),
                Err(error) => self.ended = format!("cannot be asked: {error}"),
            }
            self.ended.push_str(&self.last_line());
            self.child = None;
        }
        Err(failed(format!(
            "{}: the node {}",
            self.home.display(),
            self.ended
        )))
    }

    /// What it last said in this run, after a colon; empty if nothing.
    fn last_line(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.home.join(LOG))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(
                self.log_start.max(length.saturating_sub(TAIL)),
            ))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
        text.lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty())
            .map_or_else(String::new, |line| format!(": {line}"))
    }
}

fn how(status: ExitStatus) -> String {
    format!("ended, {status}")
}

fn failed(talk: String) -> EnvironmentError {
    EnvironmentError(talk)
}
