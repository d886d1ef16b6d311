//! `get LINE`: fetches what a line is for, and says so to its sender.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fairhaul::content::line::{self, BadLine, Line};
use fairhaul::control::api::{
    CommandProgress, ControlRequest, EventKind, EventRecord, Failure, Get, Got, Nothing, Ping,
    Pong, Text,
};
use fairhaul::identity::PublicKey;
use fairhaul::oneshot::{OneShot, OneshotPlan, SENDER, WHOLE, listen, machine};
use fairhaul_client::ask;
use fairhaul_core::message::STOPS;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::super::args::GetLine;
use super::super::{End, absolute, print, render};
use super::{STREAM, asked_with_display, events, is_loopback, secrets};

/// Pause before a sender that is away is asked for again.
const LOOK: Duration = Duration::from_secs(1);

/// How long a receiver waits for a sender that it had reached before.
const BACK: Duration = Duration::from_secs(30);

/// How often a receiver tries to say that it has all of it.
const TELLS: u32 = 5;

/// Fetches what a line is for.
pub(in crate::cli) async fn get(asked: GetLine) -> Result<(), End> {
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
    let mut sender = Sender::of(&node, &line);
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
                () = sender.is_over() => {
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
        // What cannot be removed stays; it is a few small files.
        let _ = std::fs::remove_dir_all(&self.kept);
    }
}

/// The sender of a line, as its receiver hears of it.
struct Sender {
    events: mpsc::UnboundedReceiver<EventRecord>,
    /// What it last said.
    said: String,
    /// Why its line is over, once it has ended.
    ended: Option<String>,
    /// Whether the line is for one receiver: then only the sender has the content.
    is_only: bool,
}

impl Sender {
    fn of(node: &OneShot, line: &Line) -> Self {
        Self {
            events: events(node.socket()),
            said: "the line is revoked".to_owned(),
            ended: None,
            is_only: line.receivers == 1,
        }
    }

    /// Waits until nothing more can come: the sender has ended, and what it sent before that has
    /// had time to be verified. Several receivers may have the rest from each other, so for them
    /// this never ends.
    async fn is_over(&mut self) {
        while !self.is_only || self.ended.is_none() {
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

/// Tells the sender that all of it is here, and pings it: an answer shows that it has heard. It is
/// told again while it does not answer, a few times; what was fetched is whole in any case.
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
