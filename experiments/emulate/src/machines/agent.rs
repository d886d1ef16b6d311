//! The conversation with one machine: a shell script at the other end of the first connection.
//!
//! After an answer that did not come in time no more questions are asked: nobody could tell which
//! one the next answer is to. When this end goes, in whatever way, so does the script's input, and
//! the script removes all that it has made.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ssh::{Login, SshFailure, last};

/// What runs there.
const SCRIPT: &str = include_str!("agent.sh");
/// The line with which it begins.
const GREETING: &str = "fairlab agent 1";
/// How long the first connection may take, and an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the script may take to remove everything.
const FAREWELL: Duration = Duration::from_secs(20);
/// How long ssh may take to say why it ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Pause between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);
/// Most bytes that are kept of what ssh says, and of a line of the script.
const SAID_MAX: u64 = 64 * 1024;
/// Most lines of one answer: every node of a machine may have ended.
const LINES_MAX: usize = 65_536;

/// A conversation, and the connection that everything else goes through.
#[derive(Debug)]
pub(super) struct Agent {
    login: Login,
    host: String,
    socket: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
    /// Who keeps what is said.
    keeper: Option<JoinHandle<()>>,
}

/// Why a question has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The machine, or the way to it, is gone.
    Gone(String),
    /// It said no.
    No(String),
}

impl Agent {
    /// Logs in, and leaves the socket of the connection at `socket`.
    ///
    /// # Errors
    ///
    /// Why ssh did not get there, and all that it said.
    pub(super) fn connect(
        login: &Login,
        host: &str,
        socket: &Path,
    ) -> Result<Self, (SshFailure, String)> {
        Self::begin(login, host, socket, |command| {
            login.first(socket, host, command)
        })
    }

    /// As [`Agent::connect`], with what `shell` makes of a command.
    fn begin(
        login: &Login,
        host: &str,
        socket: &Path,
        shell: impl FnOnce(&str) -> Command,
    ) -> Result<Self, (SshFailure, String)> {
        let script = format!("{SCRIPT}\n");
        let len = script.len();
        // Byte by byte: what follows the script is for the script.
        let command = format!("exec sh -c 'eval \"$(dd bs=1 count={len} 2>/dev/null)\"'");
        let mut child = shell(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| (SshFailure::NoFile, format!("ssh: {error}, not accessible")))?;
        let input = child.stdin.take();
        let said = Arc::default();
        let stderr = child.stderr.take().expect("standard error is piped");
        let keeper = keep(stderr, Arc::clone(&said));
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut agent = Self {
            login: login.clone(),
            host: host.to_owned(),
            socket: socket.to_owned(),
            lines: read_lines(stdout),
            child,
            input,
            said,
            keeper: Some(keeper),
        };
        let fed = agent.write(&script);
        match fed.and_then(|()| agent.greeted()) {
            Ok(()) => Ok(agent),
            Err(_) => {
                let said = agent.said();
                Err((SshFailure::of(&said), said))
            }
        }
    }

    /// Asks, and gives what stands behind the `ok` as the last of the lines.
    ///
    /// # Errors
    ///
    /// A no, or no answer at all: then this conversation is over.
    pub(super) fn ask(&mut self, question: &str) -> Result<Vec<String>, NoAnswer> {
        self.write(&format!("{question}\n"))?;
        let until = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        while lines.len() < LINES_MAX {
            let line = self.line(until)?;
            if let Some(no) = line.strip_prefix("no ") {
                return Err(NoAnswer::No(no.to_owned()));
            }
            if line == "ok" || line.starts_with("ok ") {
                lines.push(line.get(3..).unwrap_or_default().to_owned());
                return Ok(lines);
            }
            lines.push(line);
        }
        Err(self.gone("answers without an end"))
    }

    /// A command of its own through the connection.
    pub(super) fn command(&self, command: &str) -> Command {
        self.login.through(&self.socket, &self.host, command)
    }

    /// Has the connection carry `here` to `there`, both sockets; or no longer, by `cancel`.
    ///
    /// # Errors
    ///
    /// What ssh said.
    pub(super) fn forward(&self, word: &str, here: &Path, there: &Path) -> Result<(), String> {
        let mut tell = self
            .login
            .tell(&self.socket, &self.host, word, (here, there));
        let output = tell
            .output()
            .map_err(|error| format!("{}: ssh: {error}", self.host))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", self.host, why(&output)))
    }

    /// Tells the script to end, and does not wait for it.
    pub(super) fn leave(&mut self) {
        self.input = None;
    }

    fn write(&mut self, text: &str) -> Result<(), NoAnswer> {
        let written = self.input.as_mut().map(|input| {
            input
                .write_all(text.as_bytes())
                .and_then(|()| input.flush())
        });
        match written {
            Some(Ok(())) => Ok(()),
            _ => Err(self.gone("the connection has ended")),
        }
    }

    fn greeted(&mut self) -> Result<(), NoAnswer> {
        let until = Instant::now() + PATIENCE;
        // Whatever a login shell there prints comes first.
        while self.line(until)? != GREETING {}
        Ok(())
    }

    fn line(&mut self, until: Instant) -> Result<String, NoAnswer> {
        let left = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone("the connection has ended")),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = PATIENCE.as_secs();
                Err(self.gone(&format!("no answer in {seconds} s")))
            }
        }
    }

    /// The end of the conversation, with what ssh said of it.
    fn gone(&mut self, what: &str) -> NoAnswer {
        self.input = None;
        // What ssh has to say of its end may still be on its way.
        let since = Instant::now();
        while self.runs() && since.elapsed() < LAST_WORDS {
            thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        if let Some(keeper) = self.keeper.take() {
            // It ends with the stream, which has ended now.
            let _ = keeper.join();
        }
        let said = self.said();
        let said = last(&said);
        let host = &self.host;
        NoAnswer::Gone(if said.is_empty() {
            format!("{host}: {what}")
        } else {
            format!("{host}: {said}")
        })
    }

    fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Whether the connection has ended; then why.
    pub(super) fn over(&mut self) -> Option<NoAnswer> {
        (!self.runs()).then(|| self.gone("the connection has ended"))
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // The script removes everything when its input ends, and the connection ends with it.
        self.input = None;
        let since = Instant::now();
        while self.runs() && since.elapsed() < FAREWELL {
            thread::sleep(LOOK);
        }
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last line of a command that failed.
pub(super) fn why(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match last(&said) {
        "" => output.status.to_string(),
        line => line.to_owned(),
    }
}

/// Lines as they come. Ends with the stream, or at a line that is too long to be one.
fn read_lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            let read = stream.by_ref().take(SAID_MAX).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) || line.pop() != Some(b'\n') {
                return;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Keeps the end of what ssh says.
fn keep(stream: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(SAID_MAX).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() as u64 > SAID_MAX {
                said.clear();
            }
            said.push_str(&String::from_utf8_lossy(&line));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cpu::Ticks;

    /// The script in a shell of this machine, with `home` as the home of who logs in.
    fn agent(home: &Path) -> Agent {
        let shell = |command: &str| {
            let mut sh = Command::new("sh");
            sh.args(["-c", command]).env("HOME", home);
            sh
        };
        Agent::begin(&Login::default(), "here", Path::new("none"), shell).unwrap()
    }

    fn ask(agent: &mut Agent, question: &str) -> String {
        agent.ask(question).unwrap().pop().unwrap()
    }

    #[test]
    fn all_that_a_run_has_made_goes_when_its_input_ends() {
        let home = tempfile::tempdir().unwrap();
        let mut agent = agent(home.path());
        let folder = ask(&mut agent, "hello - a 60");
        assert_eq!(Path::new(&folder), home.path().join(".fairlab-a"));
        assert!(ask(&mut agent, "room").parse::<u64>().unwrap() > 0);
        assert_eq!(ask(&mut agent, "program none"), "send");
        assert_eq!(ask(&mut agent, &format!("state {folder}/r0/0")), "none");
        assert!(Ticks::parse(&ask(&mut agent, "look")).is_some());
        let odd = agent.ask("hallo").unwrap_err();
        assert_eq!(odd, NoAnswer::No("there is no word hallo".to_owned()));
        drop(agent);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_dead_run_is_removed_and_one_that_lives_or_is_not_ours_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let make = |name: &str, marker: &str| {
            let folder = home.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("marker"), marker).unwrap();
            folder
        };
        // Process 1 did not start in the first tick.
        let dead = make(".fairlab-dead", "fairlab 1 1 1 1\n");
        let other = make(".fairlab-other", "somebody else's\n");
        let link = home.path().join(".fairlab-link");
        let away = make("away", "fairlab 1 1 1 1\n");
        std::os::unix::fs::symlink(&away, &link).unwrap();
        let mut first = agent(home.path());
        let lines = first.ask("hello - a 60").unwrap();
        assert_eq!(lines[0], format!("left {}", dead.display()));
        assert!(!dead.exists() && other.exists() && link.exists() && away.exists());
        let mut second = agent(home.path());
        let busy = second.ask("hello - b 60").unwrap_err();
        assert_eq!(busy, NoAnswer::No("another run is there".to_owned()));
        drop(second);
        assert!(home.path().join(".fairlab-a").exists());
        drop(first);
        assert!(!home.path().join(".fairlab-a").exists());
    }

    #[test]
    fn a_folder_that_a_shell_could_misread_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for base in ["relative", "/tmp/$HOME", "/no/such/folder", "/tmp/a;b"] {
            let answer = agent(home.path()).ask(&format!("hello {base} a 60"));
            assert!(matches!(answer, Err(NoAnswer::No(_))), "{base}: {answer:?}");
        }
    }
}
