//! A node as a person runs it: the program, a parameter file, a folder, and an address of its own.
//!
//! The only file of these tests that reads a clock: to give up waiting for what never comes, and
//! for bounds from above, which a slow machine only widens. No process is left behind.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use fairhaul::content::ticket::ContentTicket;
use fairhaul::control::api::{
    ControlRequest, Failure, Get, Got, InForce, LimitRequest, LimitTarget, Nothing, Reloaded,
    ShareRequest, Shared, Status, TransferDirection,
};
use fairhaul::identity::{Identity, PublicKey};
use fairhaul_client::ask;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// After so long a test gives up waiting for what has to come. No claim hangs on it: it is longer
/// than any machine needs that is not broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Where nodes listen, each at an address of its own.
pub(crate) const PORT: u16 = 7440;

/// An address of loopback for each node, so that no two tests, processes or connections of the
/// system ever want the same port: a free one could be taken before the node listens at it.
fn own_address() -> Ipv4Addr {
    static MADE: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(
        127,
        64 + high % 128,
        low,
        MADE.fetch_add(1, Ordering::Relaxed),
    )
}

/// Lets a moment pass. Nothing hangs on how long it is.
pub(crate) async fn pause() {
    sleep(10 * PAUSE).await;
}

/// A span that began when a test began something.
pub(crate) struct Since(Instant);

impl Since {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// What a limit of `rate` in a second lets through in this span, with `burst` at once: a
    /// bound from above for what it did.
    pub(crate) fn at_most(&self, burst: u64, rate: u64) -> u64 {
        let millis = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        burst + (rate * (millis + 1)).div_ceil(1_000)
    }

    /// The span in milliseconds, for a figure that is printed.
    pub(crate) fn millis(&self) -> u128 {
        self.0.elapsed().as_millis()
    }

    /// Whether at least `span` has passed: a bound from below for what has to last.
    pub(crate) fn is_over(&self, span: Duration) -> bool {
        self.0.elapsed() >= span
    }
}

/// A folder in which a node runs, has run or will run.
pub(crate) struct Rig {
    folder: TempDir,
    ip: Ipv4Addr,
    pub(crate) key: PublicKey,
    peers: String,
    /// Further sections of the parameter file.
    pub(crate) more: String,
    /// How long its `get` waits for what nobody has.
    pub(crate) patience: &'static str,
    /// Descriptors that the process may open; none sets no limit.
    pub(crate) descriptors: Option<u32>,
    /// What is mounted at the folder for what a person fetches, as `mount` takes it, if anything
    /// is. Only the process sees it.
    pub(crate) mounted: Option<String>,
    /// The control group in which it runs, if that is not the one of the tests.
    pub(crate) group: Option<PathBuf>,
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
            ip: own_address(),
            key: key.public(),
            peers: String::new(),
            more: String::new(),
            patience: "2 min",
            descriptors: None,
            mounted: None,
            group: std::env::var_os("FAIRHAUL_TEST_CGROUP").map(PathBuf::from),
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

    /// Where it listens.
    pub(crate) fn listens(&self) -> SocketAddr {
        (self.ip, PORT).into()
    }

    /// Where it can be dialled, as a line of a section.
    pub(crate) fn address(&self) -> String {
        format!("address = \"{}\"", self.listens())
    }

    /// Writes the parameter file as it is to be now.
    pub(crate) fn write(&self) {
        let (at, data, key) = (self.listens(), self.data(), self.path("key"));
        let text = format!(
            "[node]\nname = \"rig\"\nlisten = \"{at}\"\ndata = {data:?}\n\
             key = {key:?}\nexchange = false\npatience = {:?}\n[control]\nsocket = {:?}\n{}\n{}",
            self.patience,
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
            None if self.mounted.is_some() => {
                let mut namespace = Command::new("unshare");
                let what = self.mounted.as_deref().unwrap_or_default();
                let mount = format!("mount {what} \"$0\" && exec \"$@\"");
                namespace.args(["-m", "--propagation", "private", "sh", "-c", &mount]);
                namespace.arg(self.target()).arg(program);
                namespace
            }
            None => match &self.group {
                None => Command::new(program),
                // A group with a limit of memory: `scripts/engine/memory.sh`.
                Some(group) => {
                    let mut shell = Command::new("sh");
                    shell.args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""]);
                    shell.arg(group).arg(program);
                    shell
                }
            },
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
        let mut child = self.command().spawn().unwrap();
        let answer = async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the node ended: {ended:?}\n{}", self.log());
            let status = ControlRequest::Status(Nothing {});
            self.try_ask::<Status>(status).await.ok()
        };
        self.until("it answers", answer).await;
        self.child = Some(child);
    }

    /// Looks again and again until there is what a test waits for. Tells `what` was expected, and
    /// the log of the node, if it never comes.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                sleep(PAUSE).await;
            }
        };
        let found = timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("never: {what}\n{}", self.log()))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// The file of bans, once there is one: the disk is not waited for before somebody is refused.
    pub(crate) async fn bans(&self) -> PathBuf {
        let bans = self.data().join("bans.json");
        let kept = async || bans.exists().then_some(());
        self.until("the ban is kept", kept).await;
        bans
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How it ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let ended = async || child.try_wait().unwrap();
        self.until("it ends", ended).await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) async fn try_ask<T: DeserializeOwned>(
        &self,
        request: ControlRequest,
    ) -> Result<T, Failure> {
        ask(&self.socket(), &request, |_| {}).await
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: ControlRequest) -> T {
        self.try_ask(request).await.unwrap()
    }

    pub(crate) async fn status(&self) -> Status {
        self.ask(ControlRequest::Status(Nothing {})).await
    }

    pub(crate) async fn share(&self, path: &Path) -> ContentTicket {
        let shared = self.try_share(path).await.unwrap();
        shared.ticket.parse().unwrap()
    }

    pub(crate) async fn try_share(&self, path: &Path) -> Result<Shared, Failure> {
        let share = ShareRequest {
            path: path.to_owned(),
            ignore: Vec::new(),
            chunk_bytes: None,
        };
        self.try_ask(ControlRequest::Share(share)).await
    }

    /// Where it writes what is known of a content, before that takes its place.
    pub(crate) fn part_of(&self, ticket: &ContentTicket) -> PathBuf {
        let id = data_encoding::HEXLOWER.encode(&ticket.content().0);
        self.data().join("contents").join(id).with_extension("part")
    }

    pub(crate) async fn get(&self, ticket: &ContentTicket, dir: &Path) -> Result<Got, Failure> {
        let get = Get {
            ticket: ticket.to_string(),
            dir: dir.to_owned(),
            overwrite: false,
            force: false,
        };
        self.try_ask(ControlRequest::Get(get)).await
    }

    /// Lifts its limit of uploads, whatever the file says.
    pub(crate) async fn uncap(&self) {
        let limit = LimitRequest {
            target: LimitTarget::Node,
            direction: TransferDirection::Up,
            rate_bytes_s: None,
        };
        self.ask::<InForce>(ControlRequest::Limit(limit)).await;
    }

    pub(crate) async fn reload(&self) -> Result<Reloaded, Failure> {
        self.try_ask(ControlRequest::Reload(Nothing {})).await
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

    /// Bytes of its only content that it has sent.
    pub(crate) async fn sent_bytes(&self) -> u64 {
        let transfers = self.status().await.transfers;
        transfers.first().map_or(0, |one| one.sent_bytes)
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
        let what = format!("{reason:?} is counted {least} times");
        let counted = async || (self.refused(reason).await >= least).then_some(());
        self.until(&what, counted).await;
    }

    /// Waits until so many peers are connected.
    pub(crate) async fn has_peers(&self, count: u64) {
        let counted = async || (self.connected().await == count).then_some(());
        self.until(&format!("{count} peers"), counted).await;
    }

    /// Waits until its log says `text`.
    pub(crate) async fn says(&self, text: &str) {
        let said = async || self.log().contains(text).then_some(());
        self.until(&format!("the log says {text:?}"), said).await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
    }
}
