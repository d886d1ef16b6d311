//! A node as a person runs it: the program, a parameter file, a folder.
//!
//! Decides where it listens and how long it may take; refuses to leave a process behind.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fairhaul::content::ticket::Ticket;
use fairhaul::control::api::{
    Failure, Get, Got, Nothing, Reloaded, Request, Share, Shared, Status,
};
use fairhaul::control::ask::ask;
use fairhaul::identity::{Identity, PublicKey};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// How long anything that a test waits for may take on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A folder in which a node runs, has run or will run.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) key: PublicKey,
    peers: String,
    /// Further sections of the parameter file.
    pub(crate) more: String,
    /// Descriptors that the process may open; none sets no limit.
    pub(crate) descriptors: Option<u32>,
    /// Whether the folder for what a person fetches is a disk of its own, which only the process
    /// sees.
    pub(crate) own_disk: bool,
    /// Whether it logs all that it can.
    pub(crate) logs_all: bool,
    /// Further arguments of `run`.
    pub(crate) arguments: &'static [&'static str],
    child: Option<Child>,
}

impl Rig {
    /// A folder with a key. Nothing runs yet.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = Identity::create(&folder.path().join("key")).unwrap();
        Self {
            folder,
            port: free_port(),
            key: key.public(),
            peers: String::new(),
            more: String::new(),
            descriptors: None,
            own_disk: false,
            logs_all: false,
            arguments: &[],
            child: None,
        }
    }

    /// Lists a peer; `more` are further lines of its section.
    pub(crate) fn knows(mut self, name: &str, key: PublicKey, more: &str) -> Self {
        self.list(name, key, more);
        self
    }

    pub(crate) fn list(&mut self, name: &str, key: PublicKey, more: &str) {
        writeln!(
            self.peers,
            "[[peer]]\nname = {name:?}\nkey = \"{key}\"\n{more}"
        )
        .unwrap();
    }

    pub(crate) fn forget_peers(&mut self) {
        self.peers.clear();
    }

    pub(crate) fn with(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.data().join("in")
    }

    /// A folder for what a person fetches, which is there.
    pub(crate) fn target(&self) -> PathBuf {
        let folder = self.path("got");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Where it can be dialled, as a line of a section.
    pub(crate) fn address(&self) -> String {
        format!("address = \"127.0.0.1:{}\"", self.port)
    }

    /// Writes the parameter file as it is to be now.
    pub(crate) fn write(&self) {
        let (port, data, key) = (self.port, self.data(), self.path("key"));
        let text = format!(
            "[node]\nname = \"rig\"\nlisten = \"127.0.0.1:{port}\"\ndata = {data:?}\n\
             key = {key:?}\nexchange = false\n[control]\nsocket = {:?}\n{}\n{}",
            self.socket(),
            self.more,
            self.peers
        );
        fs::write(self.path("file.toml"), text).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("s")
    }

    /// The program with this parameter file, its output in `log`.
    pub(crate) fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_fairhaul");
        let mut command = match self.descriptors {
            None if self.own_disk => {
                let mut namespace = Command::new("unshare");
                let mount = "mount -t tmpfs none \"$0\" && exec \"$@\"";
                namespace.args(["-m", "--propagation", "private", "sh", "-c", mount]);
                namespace.arg(self.target()).arg(program);
                namespace
            }
            None => Command::new(program),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args([
                    "-c",
                    &format!("ulimit -n {most}; exec \"$0\" \"$@\""),
                    program,
                ]);
                shell
            }
        };
        command.arg("run").arg("-c").arg(self.path("file.toml"));
        command.args(self.arguments).current_dir(self.folder.path());
        if self.logs_all {
            command.env("FAIRHAUL_LOG", "trace");
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap());
        command
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(mut self) -> Self {
        self.start_again().await;
        self
    }

    pub(crate) async fn start_again(&mut self) {
        self.write();
        self.child = Some(self.command().spawn().unwrap());
        let since = Instant::now();
        while self
            .try_ask::<Status>(Request::Status(Nothing {}))
            .await
            .is_err()
        {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the node ended: {ended:?}\n{}", self.log());
            assert!(since.elapsed() < PATIENCE, "no answer\n{}", self.log());
            sleep(PAUSE).await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How it ended; it has `within` to do so.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(since.elapsed() < within, "it runs on\n{}", self.log());
            sleep(PAUSE).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) async fn try_ask<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, Failure> {
        ask(&self.socket(), &request, |_| {}).await
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: Request) -> T {
        self.try_ask(request).await.unwrap()
    }

    pub(crate) async fn status(&self) -> Status {
        self.ask(Request::Status(Nothing {})).await
    }

    pub(crate) async fn share(&self, path: &Path) -> Ticket {
        let share = Share {
            path: path.to_owned(),
            ignore: Vec::new(),
            chunk_bytes: None,
        };
        let shared: Shared = self.ask(Request::Share(share)).await;
        shared.ticket.parse().unwrap()
    }

    pub(crate) async fn get(&self, ticket: &Ticket, dir: &Path) -> Result<Got, Failure> {
        let get = Get {
            ticket: ticket.to_string(),
            dir: dir.to_owned(),
            overwrite: false,
            force: false,
        };
        self.try_ask(Request::Get(get)).await
    }

    pub(crate) async fn reload(&self) -> Result<Reloaded, Failure> {
        self.try_ask(Request::Reload(Nothing {})).await
    }

    /// The counters as monitoring reads them.
    async fn metrics(&self) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// One counter; 0 if it was never moved.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or(0)
    }

    /// How often callers and peers were refused for `reason`.
    pub(crate) async fn refused(&self, reason: &str) -> u64 {
        let name = format!("fairhaul_refusals_total{{reason=\"{reason}\"}}");
        self.metric(&name).await
    }

    pub(crate) async fn connected(&self) -> u64 {
        self.metric("fairhaul_connected_peers").await
    }

    /// Waits until `reason` was counted `least` times.
    pub(crate) async fn refuses(&self, reason: &str, least: u64) {
        let since = Instant::now();
        while self.refused(reason).await < least {
            let late = since.elapsed() > PATIENCE;
            assert!(!late, "{reason:?} is not counted\n{}", self.metrics().await);
            sleep(PAUSE).await;
        }
    }

    /// Waits until so many peers are connected.
    pub(crate) async fn has_peers(&self, count: u64) {
        let since = Instant::now();
        while self.connected().await != count {
            let late = since.elapsed() > PATIENCE;
            assert!(!late, "{} peers\n{}", self.connected().await, self.log());
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens at now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
