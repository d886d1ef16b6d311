//! Processes that die with the lab.
//!
//! A program is started in its own process group, so that a ^C in the terminal is the lab's to
//! handle, and with a signal at the death of its parent where `setpriv` is there. The kernel means
//! the thread that started it, not the process, so one thread starts all of them and lives as long
//! as they do.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::tools::{NAMED, find};

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// A thread that starts programs.
#[derive(Debug)]
pub(super) struct ChildProcesses {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// Whether there is a tool that ties a process to its parent.
    tied: bool,
}

impl ChildProcesses {
    pub(super) fn new() -> Self {
        let (orders, waiting) = mpsc::channel::<Order>();
        let thread = std::thread::spawn(move || {
            while let Ok((mut command, answer)) = waiting.recv() {
                // Nobody waits for the answer only if the asker has panicked.
                let _ = answer.send(command.process_group(0).spawn());
            }
        });
        Self {
            orders: Some(orders),
            thread: Some(thread),
            tied: find("setpriv").is_some(),
        }
    }

    /// A command in a namespace that dies with this children.
    pub(super) fn command(&self, namespace: &str, program: &std::path::Path) -> Command {
        let mut command = enter(namespace);
        if self.tied {
            command.args(["setpriv", "--pdeathsig", "KILL"]);
        }
        command.arg(program);
        command
    }

    /// Starts it.
    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, answered) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts programs has ended");
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send((command, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

impl Drop for ChildProcesses {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It only starts programs; a panic of it was told by the standard library.
            let _ = thread.join();
        }
    }
}

/// `nsenter` into a namespace; the program and its words are to follow.
pub(super) fn enter(namespace: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={NAMED}/{namespace}"));
    command
}
