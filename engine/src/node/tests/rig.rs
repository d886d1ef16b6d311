//! A node without a process and without a driver: a test hands it its events one by one.

use std::fmt::Write as _;
use std::fs;
use std::future::pending;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fairhaul_core::connections::descriptors::Shares;
use fairhaul_core::connections::memory_shares::MemoryShares;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{interval, sleep_until};

use crate::control::api::{Call, ControlRequest, EventRecord, Failure, Nothing, Reply, Status};
use crate::control::metrics::Metrics;
use crate::identity::{Identity, PublicKey};
use crate::node::connections::accept::accept;
use crate::node::event::NodeEvent;
use crate::node::host::Host;
use crate::node::options::RunOptions;
use crate::node::{own_folder, startup};
use crate::params::ParameterFile;

/// Bytes of the file `content` that every node has beside its data.
pub(crate) const CONTENT: u64 = 200_000;

/// A folder, a key and an address. Nothing runs there yet.
pub(crate) struct Place {
    folder: TempDir,
    listener: TcpListener,
    pub(crate) key: PublicKey,
}

/// A node that has begun.
pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) events: mpsc::Receiver<NodeEvent>,
    /// So that there is always somebody who may say something.
    _sender: mpsc::Sender<NodeEvent>,
    followers: broadcast::Receiver<EventRecord>,
    place: Place,
}

/// Where the replies to a call come out.
pub(crate) type Replies = mpsc::Receiver<Reply>;

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Identity::create(&folder.path().join("key"))
            .unwrap()
            .public();
        let bytes: Vec<u8> = (0..CONTENT).map(|at| (at % 251) as u8).collect();
        fs::write(folder.path().join("content"), bytes).unwrap();
        Self {
            folder,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            key,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it listens, as a line of a peer's section.
    pub(crate) fn address(&self) -> String {
        format!("address = \"{}\"\n", self.listener.local_addr().unwrap())
    }

    /// The section of this node in another's file.
    pub(crate) fn listed(&self, name: &str, more: &str) -> String {
        format!(
            "[[peer]]\nname = \"{name}\"\nkey = \"{}\"\n{more}",
            self.key
        )
    }

    /// Writes the parameter file of a node with these peers and sections.
    pub(crate) fn write(&self, name: &str, more: &str) {
        let listen = self.listener.local_addr().unwrap();
        let mut text = format!("[node]\nname = \"{name}\"\nlisten = \"{listen}\"\n");
        let (data, key) = (self.file("data"), self.file("key"));
        write!(text, "data = {data:?}\nkey = {key:?}\n{more}").unwrap();
        fs::write(self.file("file.toml"), text).unwrap();
    }

    /// A node here that has begun.
    pub(crate) fn node(self, name: &str, more: &str) -> Rig {
        self.begin(name, more, |_| {})
    }

    /// The same, with a log of inputs and tables.
    pub(crate) fn recorded(self, name: &str, more: &str) -> Rig {
        let (log, tables) = (self.file("log"), self.file("tables"));
        self.begin(name, more, |options| {
            options.record = Some(log);
            options.tables = Some(tables);
        })
    }

    /// A node with other options than none.
    pub(crate) fn begin(self, name: &str, more: &str, change: impl FnOnce(&mut RunOptions)) -> Rig {
        self.try_begin(name, more, change).expect("it can begin")
    }

    /// The same, or what keeps it from beginning.
    pub(crate) fn try_begin(
        self,
        name: &str,
        more: &str,
        change: impl FnOnce(&mut RunOptions),
    ) -> Result<Rig, Failure> {
        self.write(name, more);
        let file = self.file("file.toml");
        let mut options = RunOptions {
            params: ParameterFile::load(&file).unwrap(),
            file,
            record: None,
            tables: None,
            trust_first_use: false,
            by_line: None,
        };
        change(&mut options);
        own_folder(&options.params.node.data).unwrap();
        let identity = Identity::load(&self.file("key")).unwrap();
        let listener = self.listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let place = startup::Place {
            identity,
            listening: listener.local_addr().unwrap(),
            line: None,
        };
        let (sender, events) = mpsc::channel(1_024);
        let (told, followers) = broadcast::channel(1_024);
        let wires = (Arc::new(Metrics::default()), told);
        let shares = (Shares::of(4_096, 64), MemoryShares::default());
        let mut host = startup::host(options, place, wires, &sender, shares)?;
        tokio::spawn(accept(listener, host.room(), sender.clone()));
        host.start();
        Ok(Rig {
            host,
            events,
            _sender: sender,
            followers,
            place: self,
        })
    }
}

impl Rig {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.file(name)
    }

    /// Where it runs.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Asks for something: where the replies come out.
    pub(crate) fn begin(&mut self, request: ControlRequest) -> Replies {
        let (call, replies) = Call::new(request);
        self.host.handle(NodeEvent::Call(call));
        replies
    }

    /// Asks for something that is answered at once.
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        request: ControlRequest,
    ) -> Result<T, Failure> {
        let mut replies = self.begin(request);
        end_of(&mut replies).expect("it is answered at once")
    }

    /// The same for what takes disks, and nobody else.
    pub(crate) async fn ask_and_wait<T: DeserializeOwned>(
        &mut self,
        request: ControlRequest,
    ) -> Result<T, Failure> {
        let mut replies = self.begin(request);
        loop {
            if let Some(end) = end_of(&mut replies) {
                return end;
            }
            // What is answered once it is durable needs no further event.
            tokio::select! {
                Some(event) = self.events.recv() => self.host.handle(event),
                Some(reply) = replies.recv() => if let Some(end) = read(reply) {
                    return end;
                },
            }
        }
    }

    /// Lets happen what happens until its status is `so`.
    pub(crate) async fn settle(&mut self, so: impl Fn(&Status) -> bool) {
        while !so(&self.ask(ControlRequest::Status(Nothing {})).unwrap()) {
            let event = self.events.recv().await.expect("the rig can send");
            self.host.handle(event);
        }
    }

    /// How many peers are connected.
    pub(crate) fn connected(&mut self) -> u32 {
        let status: Status = self.ask(ControlRequest::Status(Nothing {})).unwrap();
        status.node.connected
    }

    /// What who follows it heard since the last time.
    pub(crate) fn followed(&mut self) -> Vec<EventRecord> {
        std::iter::from_fn(|| self.followers.try_recv().ok()).collect()
    }

    /// Stops it. What is left for the next run.
    pub(crate) async fn stop(mut self) -> Place {
        let _: Nothing = self.ask(ControlRequest::Stop(Nothing {})).unwrap();
        self.host.end().await.unwrap();
        self.place
    }
}

/// How a call ended, if it has.
pub(crate) fn end_of<T: DeserializeOwned>(replies: &mut Replies) -> Option<Result<T, Failure>> {
    std::iter::from_fn(|| replies.try_recv().ok()).find_map(read)
}

fn read<T: DeserializeOwned>(reply: Reply) -> Option<Result<T, Failure>> {
    match reply {
        Reply::Progress(_) => None,
        Reply::Done(answer) => Some(Ok(serde_json::from_value(answer).unwrap())),
        Reply::Failed(failure) => Some(Err(failure)),
    }
}

/// Lets two nodes run until something is so.
pub(crate) async fn meanwhile(
    a: &mut Rig,
    b: &mut Rig,
    mut so: impl FnMut(&mut Rig, &mut Rig) -> bool,
) {
    let mut seconds = interval(Duration::from_secs(1));
    while !so(a, b) {
        let deadlines = [a.host.deadline(), b.host.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let time = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(event) = a.events.recv() => a.host.handle(event),
            Some(event) = b.events.recv() => b.host.handle(event),
            _ = seconds.tick() => {
                a.host.handle(NodeEvent::Second);
                b.host.handle(NodeEvent::Second);
            }
            () = time => {
                a.host.tick();
                b.host.tick();
            }
        }
        a.host.drain();
        b.host.drain();
    }
}

/// Lets two nodes run until a call has ended.
pub(crate) async fn until<T: DeserializeOwned>(
    a: &mut Rig,
    b: &mut Rig,
    replies: &mut Replies,
) -> Result<T, Failure> {
    let mut end = None;
    meanwhile(a, b, |_, _| {
        end = end_of(replies);
        end.is_some()
    })
    .await;
    end.expect("it has ended")
}

/// Lets two nodes run until they are connected.
pub(crate) async fn until_connected(a: &mut Rig, b: &mut Rig) {
    meanwhile(a, b, |a, b| a.connected() == 1 && b.connected() == 1).await;
}
