//! Who has come for what `send` serves, how far each is, and when it is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fairhaul::content::line::machine_in;
use fairhaul::control::api::{
    CommandProgress, ControlRequest, EventKind, EventRecord, Failure, Nothing, Phase, Ping, Pong,
    Status, Text,
};
use fairhaul::oneshot::{OneShot, WHOLE};
use fairhaul::printable::{NAME_MAX, Printable};
use fairhaul_client::ask;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::progress::Display;

/// How often the display is drawn.
const LOOK: Duration = Duration::from_secs(1);

/// How long receivers that have all of it are waited for to hang up.
const PARTS: Duration = Duration::from_secs(3);

/// Lines about callers that are refused.
const REFUSED_MAX: usize = 10;

/// Who has come for what is sent, and how far each is.
pub(super) struct Receivers {
    pub(super) display: Display,
    bytes: u64,
    most: usize,
    /// By name.
    come: BTreeMap<String, Stage>,
    /// Lines about callers that were refused, without their ports: each is said once.
    refused: BTreeSet<String>,
}

/// How far a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has come.
    Came,
    /// It said that it has all of it.
    Whole,
    /// It has hung up after that: it knows that this was heard.
    Parted,
}

impl Receivers {
    pub(super) fn new(bytes: u64, most: usize) -> Self {
        Self {
            display: Display::new(),
            bytes,
            most,
            come: BTreeMap::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Until all have it, or somebody or the time says that it is enough.
    pub(super) async fn wait(
        &mut self,
        node: &OneShot,
        mut events: mpsc::UnboundedReceiver<EventRecord>,
        keep: Option<Duration>,
    ) -> Result<(), Failure> {
        let until = keep.map(|keep| Instant::now() + keep);
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let mut ticks = tokio::time::interval(LOOK);
        // One listener for all rounds: a signal between two of them is not lost.
        let mut signals = Signals::listen()?;
        tokio::pin!(over);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.hear(&event),
                    None => return Err(self.cut_short()),
                },
                _ = ticks.tick() => self.look(node).await?,
                () = &mut over => return self.time_is_up(),
                () = signals.any() => return Err(self.cut_short()),
            }
            if until.is_none() && self.reached(Stage::Whole) == self.most {
                break;
            }
        }
        // A receiver hangs up once it knows that it was heard; until then the sender stays.
        let parted = async {
            while self.reached(Stage::Parted) < self.most
                && let Some(event) = events.recv().await
            {
                self.hear(&event);
            }
        };
        tokio::select! {
            _ = timeout(PARTS, parted) => {}
            () = signals.any() => {}
        }
        Ok(())
    }

    /// How many are that far.
    fn reached(&self, stage: Stage) -> usize {
        self.come.values().filter(|at| **at >= stage).count()
    }

    fn counted(&self) -> String {
        format!("{} of {}", self.reached(Stage::Whole), self.most)
    }

    /// The node ends because of an interrupt, as the command does.
    fn cut_short(&self) -> Failure {
        let text = format!("the line is revoked; {} have all of it", self.counted());
        Failure::new(Failure::INTERRUPTED, text)
    }

    fn time_is_up(&self) -> Result<(), Failure> {
        if self.reached(Stage::Whole) == self.most {
            return Ok(());
        }
        let text = format!("the time is up; {} have all of it", self.counted());
        Err(Failure::new(Failure::LIMIT, text))
    }

    fn hear(&mut self, event: &EventRecord) {
        match &event.what {
            EventKind::Connected { peer, .. } => match self.come.get(peer) {
                None => {
                    self.come.insert(peer.clone(), Stage::Came);
                    self.say(peer, "has come");
                }
                Some(Stage::Came) => {}
                Some(_) => self.say(peer, "has come again, and counts once"),
            },
            EventKind::Text { peer, text } if text == WHOLE => {
                let stage = self.come.entry(peer.clone()).or_insert(Stage::Came);
                if *stage < Stage::Whole {
                    *stage = Stage::Whole;
                    let text = format!("has all of it ({})", self.counted());
                    self.say(peer, &text);
                }
            }
            EventKind::Lost { peer, reason } => match self.come.get_mut(peer) {
                Some(Stage::Came) => {
                    let reason = Printable(reason, usize::MAX);
                    self.say(peer, &format!("is gone, its place is kept: {reason}"));
                }
                Some(stage) => *stage = Stage::Parted,
                None => {}
            },
            EventKind::Refused { from, reason } if self.refused.len() < REFUSED_MAX => {
                let (host, _) = from.rsplit_once(':').unwrap_or((from, ""));
                let reason = Printable(reason, usize::MAX);
                let line = format!("fairhaul: refused {host}: {reason}");
                if self.refused.insert(line.clone()) {
                    self.display.note(&line);
                }
            }
            _ => {}
        }
    }

    fn say(&self, peer: &str, what: &str) {
        let who = Printable(machine_in(peer), NAME_MAX);
        self.display.note(&format!("fairhaul: {who} {what}"));
    }

    /// Tells the receivers that do not have all of it why the line is over. Takes a second at most,
    /// whatever they answer.
    pub(super) async fn tell(&self, node: &OneShot, why: &Failure) {
        let waiting = self.come.iter().filter(|(_, at)| **at == Stage::Came);
        let mut told = JoinSet::new();
        for (peer, _) in waiting {
            let (peer, text) = (peer.clone(), why.message.clone());
            let ping = ControlRequest::Ping(Ping { peer: peer.clone() });
            let say = ControlRequest::Message(Text { peer, text });
            let socket = node.socket().to_owned();
            told.spawn(async move {
                if ask::<Nothing>(&socket, &say, |_| {}).await.is_ok() {
                    // Its answer comes after it has heard that.
                    let _ = ask::<Pong>(&socket, &ping, |_| {}).await;
                }
            });
        }
        let _ = timeout(LOOK, told.join_all()).await;
    }

    /// Draws how far they are.
    ///
    /// # Errors
    ///
    /// If what is sent is no longer what the line is for.
    async fn look(&mut self, node: &OneShot) -> Result<(), Failure> {
        let status: Result<Status, Failure> =
            ask(node.socket(), &ControlRequest::Status(Nothing {}), |_| {}).await;
        let Some(transfer) = status.ok().and_then(|mut status| status.transfers.pop()) else {
            return Ok(());
        };
        if let Some(trouble) = &transfer.trouble {
            let counted = self.counted();
            let text = format!("{trouble}; the line is revoked; {counted} have all of it");
            return Err(Failure::new(Failure::INTEGRITY, text));
        }
        let coming = transfer.peers.iter();
        let coming = coming.filter(|flow| self.come.get(&flow.peer) == Some(&Stage::Came));
        let (names, has): (Vec<&str>, Vec<u64>) = coming
            .map(|flow| (machine_in(&flow.peer), flow.has_bytes))
            .unzip();
        let done = has.iter().sum::<u64>() + self.bytes * self.reached(Stage::Whole) as u64;
        let total = self.bytes * self.most as u64;
        let rate = transfer.rate_bytes_s;
        self.display.show(&CommandProgress {
            phase: match names.is_empty() {
                true => Phase::Waiting,
                false => Phase::Moving,
            },
            transfer: Some(transfer.id),
            done_bytes: done,
            total_bytes: Some(total),
            rate_bytes_s: rate,
            eta_s: total.saturating_sub(done).checked_div(rate),
            waiting_for: (!names.is_empty()).then(|| names.join(", ")),
        });
        Ok(())
    }
}

/// The signals that end a command, of a terminal that is closed as well: who closes it does not
/// want to go on sending.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::error(error.to_string()));
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    /// Waits for one of them.
    pub(super) async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use fairhaul::control::api::Reached;

    use super::*;

    fn hear(receivers: &mut Receivers, what: EventKind) -> [usize; 3] {
        receivers.hear(&EventRecord { unix_ms: 0, what });
        [Stage::Came, Stage::Whole, Stage::Parted].map(|stage| receivers.reached(stage))
    }

    fn lost() -> EventKind {
        EventKind::Lost {
            peer: "vm".to_owned(),
            reason: "Shutdown".to_owned(),
        }
    }

    /// Who is lost before it has all of it comes back; who is lost after that needs nothing more.
    #[test]
    fn a_receiver_has_parted_once_it_has_hung_up_with_all_of_it() {
        let mut receivers = Receivers::new(10, 1);
        let connected = || EventKind::Connected {
            peer: "vm".to_owned(),
            how: Reached::Accepted,
        };
        let says = |text: &str| EventKind::Text {
            peer: "vm".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(hear(&mut receivers, connected()), [1, 0, 0]);
        assert_eq!(hear(&mut receivers, lost()), [1, 0, 0]);
        assert_eq!(hear(&mut receivers, connected()), [1, 0, 0]);
        assert_eq!(hear(&mut receivers, says("hello")), [1, 0, 0]);
        assert_eq!(hear(&mut receivers, says(WHOLE)), [1, 1, 0]);
        assert_eq!(hear(&mut receivers, lost()), [1, 1, 1]);
        // It says it again where it did not hear that it was heard.
        assert_eq!(hear(&mut receivers, connected()), [1, 1, 1]);
        assert_eq!(hear(&mut receivers, says(WHOLE)), [1, 1, 1]);
    }
}
