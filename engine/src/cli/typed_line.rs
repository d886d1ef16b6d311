//! `send PATH` and `get LINE` on machines where nothing is prepared.
//!
//! Each runs a node of its own in this process for as long as it takes. Standard output is data:
//! the command to type on the other side, the path of what was fetched, or its bytes.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fairhaul::content::line::{self, BadLine, Line, Secret};
use fairhaul::content::ticket::ContentTicket;
use fairhaul::control::api::{
    CommandProgress, ControlRequest, EventKind, EventRecord, Failure, Get, Got, Nothing, Ping,
    Pong, ShareRequest, Shared, Text,
};
use fairhaul::identity::{PublicKey, no_core_dumps};
use fairhaul::oneshot::{OneShot, OneshotPlan, SENDER, WHOLE, listen, machine, private_folder};
use fairhaul::printable::{NAME_MAX, Printable};
use fairhaul_client::{ask, follow};
use fairhaul_core::message::STOPS;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::args::{GetLine, SendLine};
use super::progress::Display;
use super::receivers::{Receivers, Signals};
use super::{End, absolute, print, render};

/// Pause before a sender that is away is asked for again.
const LOOK: Duration = Duration::from_secs(1);

/// How long a receiver waits for a sender that it had reached before.
const BACK: Duration = Duration::from_secs(30);

/// How often a receiver tries to say that it has all of it.
const TELLS: u32 = 5;

/// Longest line that is read, in bytes: longer than any.
const LINE_MAX: u64 = 8_192;

/// Standard input, or standard output.
const STREAM: &str = "-";

/// Sends a file or tree to whoever types the line that is printed.
pub(super) async fn send(asked: SendLine) -> Result<(), End> {
    secrets()?;
    let SendLine { options, .. } = &asked;
    let given = &options.addresses;
    let alone = !given.is_empty() && given.iter().all(|one| is_loopback(one));
    let listener = listen(options.port.unwrap_or(0), alone)?;
    let addresses = addresses(given, &listener)?;
    let kept = private_folder()?;
    let path = match asked.path == Path::new(STREAM) {
        true => spool(kept.path()).await?,
        false => absolute(&asked.path)?,
    };
    let folder = machine::user_folder()?;
    let identity = machine::identity(&folder)?;
    let sender = identity.public();
    let secret = Secret::generate();
    let secret = secret.map_err(|_| Failure::error("the system gives no randomness"))?;
    let node = OneShot::start(OneshotPlan {
        name: SENDER.to_owned(),
        data: kept.path().join("node"),
        identity,
        key: machine::identity_file(&folder),
        listener,
        secret: secret.clone(),
        most: usize::from(options.receivers),
        exchange: options.receivers > 1,
        sender: None,
    })
    .await?;
    let events = events(node.socket());
    let shared = share(&node, &path, asked.ignore.clone()).await?;
    let ticket: ContentTicket = shared.ticket.parse().map_err(odd)?;
    let line = Line {
        secret,
        sender: *sender.as_bytes(),
        content: ticket.content(),
        manifest_bytes: ticket.manifest_bytes(),
        is_tree: path.is_dir(),
        receivers: options.receivers,
        addresses,
    };
    announce(&line, &shared, asked.json)?;
    let mut receivers = Receivers::new(shared.bytes, usize::from(options.receivers));
    let ended = receivers.wait(&node, events, options.keep).await;
    receivers.display.end();
    if let Err(why) = &ended {
        receivers.tell(&node, why).await;
    }
    // What went wrong while it ended changes nothing for those who have it.
    let _ = node.stop().await;
    Ok(ended?)
}

/// Where receivers reach `listener`: as was `given`, or else at each address of this machine.
fn addresses(given: &[String], listener: &TcpListener) -> Result<Vec<String>, Failure> {
    let at = listener.local_addr();
    let at = at.map_err(|error| Failure::error(format!("listening: {error}")))?;
    let found = || {
        let ips = machine::addresses(at.is_ipv6()).into_iter();
        ips.map(|ip| SocketAddr::from((ip, at.port())).to_string())
    };
    let addresses: Vec<String> = match given.is_empty() {
        true => found().collect(),
        false => given
            .iter()
            .map(|host| with_port(host, at.port()))
            .collect(),
    };
    let checked = line::check_addresses(&addresses);
    checked.map_err(|bad| Failure::usage(bad.to_string()))?;
    Ok(addresses)
}

/// Reads and hashes what is to be sent.
async fn share(node: &OneShot, path: &Path, ignore: Vec<String>) -> Result<Shared, Failure> {
    let request = ControlRequest::Share(ShareRequest {
        path: path.to_owned(),
        ignore,
        chunk_bytes: None,
    });
    asked_with_display(node.socket(), &request, &mut |_| {}).await
}

/// Says what to type on the other side.
fn announce(line: &Line, shared: &Shared, json: bool) -> Result<(), End> {
    let files = match shared.files {
        1 => String::new(),
        files => format!(" in {files} files"),
    };
    let who = match line.receivers {
        1 => "the other machine".to_owned(),
        many => format!("each of {many} other machines"),
    };
    left_out(shared);
    eprintln!(
        "fairhaul: {}, {}{files}; type this on {who}; Ctrl-C revokes it:",
        Printable(&shared.name, NAME_MAX),
        render::bytes(shared.bytes)
    );
    let text = match json {
        true => {
            let shown = serde_json::json!({
                "line": line.to_string(),
                "name": shared.name,
                "bytes": shared.bytes,
                "files": shared.files,
                "left_out": shared.left_out,
                "receivers": line.receivers,
                "addresses": line.addresses,
            });
            format!("{shown}\n")
        }
        false => format!("fairhaul get {line}\n"),
    };
    print(text.as_bytes())
}

/// The line or ticket that is given, without the `fairhaul get` that may stand before it. For `-`
/// it is read from standard input: other users of this machine see the arguments of a command.
pub(super) fn given(mut text: String) -> Result<String, Failure> {
    if text == STREAM {
        text.clear();
        let read = io::stdin().lock().take(LINE_MAX).read_line(&mut text);
        read.map_err(|error| Failure::storage(format!("standard input: {error}")))?;
    }
    let words = text.trim().trim_start_matches("fairhaul get ").trim();
    Ok(words.to_owned())
}

/// Says what of a tree is not shared.
pub(super) fn left_out(shared: &Shared) {
    for what in &shared.left_out {
        eprintln!("fairhaul: {}", Printable(what, usize::MAX));
    }
    let more = shared.left_out_entries - shared.left_out.len() as u64;
    if more > 0 {
        eprintln!("fairhaul: left out {more} more");
    }
}

/// Fetches what a line is for.
pub(super) async fn get(asked: GetLine) -> Result<(), End> {
    secrets()?;
    let line: Result<Line, BadLine> = asked.line.parse();
    let line = line.map_err(|bad| Failure::usage(bad.to_string()))?;
    let to_output = asked.dir == Path::new(STREAM);
    if to_output && line.is_tree {
        let text = "the line is for a folder; standard output takes a file alone";
        return Err(Failure::usage(text).into());
    }
    let was_there = asked.dir.exists();
    let fetch = Fetch::new(&line, &asked, to_output)?;
    let node = OneShot::start(fetch.plan(&line, asked.port.unwrap_or(0))?).await?;
    let mut sender = Sender::of(&node);
    let got = fetch.run(&node, &mut sender, &line, &asked).await;
    // Who reads it waits for no goodbyes.
    let poured = match &got {
        Ok(got) if to_output => pour(&got.path),
        _ => Ok(()),
    };
    if got.is_ok() && poured.is_ok() {
        tell_sender(node.socket()).await;
    }
    let stopped = node.stop().await;
    if got.is_err() && !was_there {
        // Only if nothing is in it.
        let _ = std::fs::remove_dir(&fetch.dir);
    }
    let got = got.map_err(|failure| fetch.explained(failure, &sender, &line))?;
    poured?;
    stopped?;
    fetch.forget();
    match (to_output, asked.json) {
        (true, _) => Ok(()),
        (false, true) => {
            let text = serde_json::to_string_pretty(&got).expect("an answer is JSON again");
            print(format!("{}\n", fairhaul::printable::json(&text)).as_bytes())
        }
        (false, false) => print(render::path(&got.path).as_bytes()),
    }
}

/// A fetch by a line: the same again when the same command is given again.
struct Fetch {
    /// The file of the user's own identity.
    key: PathBuf,
    /// Where its state is kept until it is over.
    kept: PathBuf,
    /// Where the content goes.
    dir: PathBuf,
    name: String,
    /// Which receiver of the line this is.
    number: u64,
}

impl Fetch {
    fn new(line: &Line, asked: &GetLine, to_output: bool) -> Result<Self, Failure> {
        let folder = machine::user_folder()?;
        let own = machine::identity(&folder)?;
        let name = machine::name();
        // Machines of one user may have one home.
        let mut who = own.public().as_bytes().to_vec();
        who.extend(name.as_bytes());
        let number = line.secret.number(&who);
        let dir = match to_output {
            true => PathBuf::from(STREAM),
            false => absolute(&asked.dir)?,
        };
        let mut what = dir.as_os_str().as_encoded_bytes().to_vec();
        what.extend(number.to_le_bytes());
        let kept = folder
            .join("get")
            .join(format!("{:016x}", line.secret.number(&what)));
        let dir = if to_output { kept.join("out") } else { dir };
        if to_output {
            let made = std::fs::create_dir_all(&dir);
            made.map_err(|error| Failure::storage(format!("{}: {error}", dir.display())))?;
        }
        Ok(Self {
            key: machine::identity_file(&folder),
            kept,
            dir,
            name: line::receiver_name(&name, number),
            number,
        })
    }

    fn plan(&self, line: &Line, port: u16) -> Result<OneshotPlan, Failure> {
        let many = line.receivers > 1;
        let alone = !many || line.addresses.iter().all(|one| is_loopback(one));
        let key = PublicKey::from_bytes(line.sender);
        let key =
            key.map_err(|error| Failure::usage(format!("line: key of the sender: {error}")))?;
        Ok(OneshotPlan {
            name: self.name.clone(),
            data: self.kept.join("node"),
            identity: line.secret.receiver(self.number),
            key: self.key.clone(),
            listener: listen(port, alone)?,
            secret: line.secret.clone(),
            most: usize::from(line.receivers) - 1,
            exchange: many,
            sender: Some((key, line.addresses.clone())),
        })
    }

    /// Fetches, and waits for a sender that was there and is away for a moment.
    async fn run(
        &self,
        node: &OneShot,
        sender: &mut Sender,
        line: &Line,
        asked: &GetLine,
    ) -> Result<Got, Failure> {
        let ticket = line
            .ticket()
            .map_err(|bad| Failure::usage(bad.to_string()))?;
        let request = ControlRequest::Get(Get {
            ticket: ticket.to_string(),
            dir: self.dir.clone(),
            overwrite: asked.overwrite,
            force: asked.force,
        });
        let (mut done, mut moved) = (0, None);
        loop {
            let mut told = |progress: &CommandProgress| {
                if progress.done_bytes > done {
                    (done, moved) = (progress.done_bytes, Some(Instant::now()));
                }
            };
            let got = tokio::select! {
                got = asked_with_display(node.socket(), &request, &mut told) => got,
                // Several receivers have the rest of it from each other.
                () = sender.ends(), if line.receivers == 1 => {
                    return Err(Failure::new(Failure::UNREACHABLE, "the sender has ended"));
                }
            };
            let back = moved.is_some_and(|moved| moved.elapsed() < BACK);
            match got {
                Err(failure) if failure.code == Failure::UNREACHABLE && back => sleep(LOOK).await,
                got => return got,
            }
        }
    }

    /// What a failure means for who typed the line.
    fn explained(&self, failure: Failure, sender: &Sender, line: &Line) -> Failure {
        let text = match (failure.code, &sender.ended) {
            (Failure::UNREACHABLE, Some(why)) => format!("the sender has ended: {why}"),
            (Failure::UNREACHABLE, None) => format!(
                "the sender does not answer at {}: it has ended, or cannot be reached from here; \
                 the same command goes on with what has come",
                line.addresses.join(", ")
            ),
            (Failure::INTERRUPTED, _) => {
                "interrupted; the same command goes on with what has come".to_owned()
            }
            _ => failure.message,
        };
        Failure::new(failure.code, text)
    }

    /// It is over: nothing is left of it but what was fetched.
    fn forget(&self) {
        // Whatever stays is small, and in nobody's way.
        let _ = std::fs::remove_dir_all(&self.kept);
    }
}

/// What the sender of a line last said, and whether it has ended: its line is over then.
struct Sender {
    events: mpsc::UnboundedReceiver<EventRecord>,
    said: String,
    ended: Option<String>,
}

impl Sender {
    fn of(node: &OneShot) -> Self {
        Self {
            events: events(node.socket()),
            said: "the line is revoked".to_owned(),
            ended: None,
        }
    }

    /// Waits until it has ended, and then for what it sent before that to be verified.
    async fn ends(&mut self) {
        while self.ended.is_none() {
            match self.events.recv().await.map(|event| event.what) {
                Some(EventKind::Text { peer, text }) if peer == SENDER => self.said = text,
                Some(EventKind::Lost { peer, reason })
                    if peer == SENDER && reason.ends_with(STOPS) =>
                {
                    self.ended = Some(self.said.clone());
                }
                Some(_) => {}
                // Our own node has ended.
                None => std::future::pending().await,
            }
        }
        sleep(LOOK).await;
    }
}

/// Says that all of it is here. The sender has heard it once it answers what is asked after it. It
/// may be away for a moment; if it is gone, nobody minds.
async fn tell_sender(socket: &Path) {
    let (peer, text) = (SENDER.to_owned(), WHOLE.to_owned());
    let ping = ControlRequest::Ping(Ping { peer: peer.clone() });
    let say = ControlRequest::Message(Text { peer, text });
    for _ in 0..TELLS {
        let said: Result<Nothing, Failure> = ask(socket, &say, |_| {}).await;
        if said.is_ok() && ask::<Pong>(socket, &ping, |_| {}).await.is_ok() {
            return;
        }
        sleep(LOOK).await;
    }
}

/// Writes a file to standard output.
fn pour(path: &Path) -> Result<(), End> {
    let bad = |error: io::Error| Failure::storage(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(bad)?;
    // A reader that has seen enough has not the whole file, so it is no success.
    let cut = |error| Failure::error(format!("standard output took not all of it: {error}"));
    io::copy(&mut file, &mut io::stdout().lock()).map_err(cut)?;
    Ok(())
}

/// Standard input as a file: what is sent is hashed before it is offered.
async fn spool(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("stdin");
    let bad = |error| Failure::storage(format!("standard input: {error}"));
    let mut file = File::create_new(&path).map_err(bad)?;
    let mut signals = Signals::listen()?;
    let copied = tokio::task::spawn_blocking(move || {
        io::copy(&mut io::stdin().lock(), &mut file).and_then(|_| file.sync_all())
    });
    tokio::select! {
        copied = copied => copied.map_err(|error| bad(error.into()))?.map_err(bad)?,
        // The thread that reads ends with the process.
        () = signals.any() => return Err(interrupted()),
    }
    Ok(path)
}

/// Asks, with a display of how far it is, until the answer or an interrupt.
async fn asked_with_display<T: DeserializeOwned>(
    socket: &Path,
    request: &ControlRequest,
    told: &mut impl FnMut(&CommandProgress),
) -> Result<T, Failure> {
    let mut display = Display::new();
    let mut signals = Signals::listen()?;
    let asked = ask(socket, request, |progress| {
        told(&progress);
        display.show(&progress);
    });
    let answer = tokio::select! {
        // The node hears the same signals, and its end is no answer.
        biased;
        () = signals.any() => Err(interrupted()),
        answer = asked => answer,
    };
    display.end();
    answer
}

fn interrupted() -> Failure {
    Failure::new(Failure::INTERRUPTED, "interrupted")
}

/// The events of a node, from now until it ends.
fn events(socket: &Path) -> mpsc::UnboundedReceiver<EventRecord> {
    let (sender, events) = mpsc::unbounded_channel();
    let socket = socket.to_owned();
    tokio::spawn(async move {
        let gone = |_| Failure::error("nobody listens");
        follow(&socket, |event| sender.send(event).map_err(gone)).await
    });
    events
}

/// Before the first secret is read.
fn secrets() -> Result<(), Failure> {
    no_core_dumps().map_err(|error| Failure::error(format!("core dumps: {error}")))
}

fn odd(error: impl std::fmt::Display) -> Failure {
    Failure::error(error.to_string())
}

/// A host with the port at which this machine listens, if it has none of its own.
fn with_port(host: &str, port: u16) -> String {
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    match host.rsplit_once(':') {
        _ if is_v6 => format!("[{host}]:{port}"),
        Some((name, own)) if own.parse::<u16>().is_ok() && !name.is_empty() => host.to_owned(),
        _ => format!("{host}:{port}"),
    }
}

/// Whether an address leads to this machine alone.
fn is_loopback(address: &str) -> bool {
    let host = with_port(address, 1);
    let host = host.rsplit_once(':').map_or("", |(host, _)| host);
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    let ip = inside.parse::<std::net::Ipv4Addr>();
    ip.is_ok_and(|ip| ip.is_loopback())
}
