//! `send PATH` and `get LINE` on machines where nothing is prepared.
//!
//! Each runs a node of its own in this process for as long as it takes. Standard output is data:
//! the command to type on the other side, the path of what was fetched, or its bytes. This file
//! sends; `get` fetches.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use fairhaul::content::line::{self, Line, Secret};
use fairhaul::content::ticket::ContentTicket;
use fairhaul::control::api::{
    CommandProgress, ControlRequest, EventRecord, Failure, ShareRequest, Shared,
};
use fairhaul::identity::no_core_dumps;
use fairhaul::oneshot::{OneShot, OneshotPlan, SENDER, listen, machine, private_folder};
use fairhaul::printable::{NAME_MAX, Printable};
use fairhaul_client::{ask, follow};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::args::SendLine;
use super::progress::Display;
use super::receivers::{Receivers, Signals};
use super::{End, absolute, print, render};

pub(super) use get::get;

mod get;

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
