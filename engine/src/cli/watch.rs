//! `status --watch`: what goes on, again each second, until it is ended.
//!
//! On a terminal it has a screen of its own, in which commands can be typed, and which `q` or an
//! interrupt ends; the terminal is then as it was. Elsewhere one snapshot follows another.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use fairhaul::control::api::{
    ControlRequest, Failure, History, HistorySince, Nothing, PeerStatus, Status,
};
use fairhaul_client::ask;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::args::Asking;
use super::prompt::{Pressed, Prompt};
use super::{End, print, render, requests, socket};

/// How often it is shown.
const EVERY: Duration = Duration::from_secs(1);

/// Rows and columns of a terminal that does not say how many it has.
const SIZE: (usize, usize) = (24, 80);

/// The other screen, without a cursor, and with the ends of long lines cut off.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Shows what goes on in a node until `q`, an interrupt, or the node's end.
pub(super) async fn watch(asking: &Asking) -> Result<(), End> {
    let socket = socket(&asking.node)?;
    // One listener for all rounds: an interrupt between two of them is not lost.
    let (mut interrupt, mut terminate) = (heard(Signal::INT)?, heard(Signal::TERM)?);
    // JSON is for programs, whatever it is printed on.
    let screen = match asking.json {
        true => None,
        false => Screen::open()?,
    };
    let shown = async {
        match &screen {
            Some(screen) => screen.steered(&socket).await,
            None => printed(&socket, asking.json).await,
        }
    };
    tokio::select! {
        ended = shown => ended,
        _ = interrupt.recv() => Err(interrupted()),
        _ = terminate.recv() => Err(interrupted()),
    }
}

fn interrupted() -> End {
    Failure::new(Failure::INTERRUPTED, "interrupted").into()
}

fn heard(which: Signal) -> Result<tokio::signal::unix::Signal, Failure> {
    let kind = SignalKind::from_raw(which.as_raw());
    signal(kind).map_err(|error| Failure::error(error.to_string()))
}

/// One snapshot after another.
async fn printed(socket: &Path, json: bool) -> Result<(), End> {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let text = match json {
            true => render::json(&status(socket).await?, false),
            false => format!("{}\n", snapshot(socket).await?),
        };
        print(text.as_bytes())?;
    }
}

async fn status(socket: &Path) -> Result<Status, Failure> {
    ask(socket, &ControlRequest::Status(Nothing {}), |_| {}).await
}

/// What goes on, as text.
async fn snapshot(socket: &Path) -> Result<String, Failure> {
    let status = status(socket).await?;
    let peers: Vec<PeerStatus> = ask(socket, &ControlRequest::Peers(Nothing {}), |_| {}).await?;
    let since = HistorySince { since_s: 0 };
    let history: History = ask(socket, &ControlRequest::History(since), |_| {}).await?;
    Ok(render::watched(&status, &peers, &history.node))
}

/// What puts a text in the place of what is on the screen, as far as it fits on so many rows and
/// columns, with `bottom` in the last rows.
fn drawn(text: &str, bottom: &str, (rows, columns): (usize, usize)) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // Where the last rows begin: they are for what cannot be shown, and for what is typed. A ticket
    // is longer than a row, and of no use without its end.
    let from = |bottom: &str| {
        let needed = bottom.chars().count().div_ceil(columns).max(1);
        lines.len().min(rows.saturating_sub(needed))
    };
    let with = |shown: usize| match lines.len() - shown {
        0 => bottom.to_owned(),
        rest => format!("{rest} more lines; {bottom}"),
    };
    let shown = from(&with(from(bottom)));
    let bottom: Vec<char> = with(shown).chars().collect();
    let bottom = bottom.chunks(columns).map(|row| row.iter().collect());
    let above = lines[..shown].iter().map(|line| (*line).to_owned());
    let all: Vec<String> = above.chain(bottom).collect();
    format!("\u{1b}[H{}\u{1b}[K\u{1b}[J", all.join("\u{1b}[K\n"))
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok();
    let size = size.map(|size| (size.ws_row.into(), size.ws_col.into()));
    let known = size.filter(|(rows, columns)| *rows > 0 && *columns > 0);
    known.unwrap_or(SIZE)
}

/// A terminal with a screen of ours. It is given back as it was when this is dropped.
#[derive(Debug)]
struct Screen {
    /// The modes of the terminal before; none where there are no keys to press.
    before: Option<Termios>,
}

impl Screen {
    /// None where there is no terminal to draw on.
    fn open() -> Result<Option<Self>, End> {
        if !io::stdout().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin()).ok();
        let screen = Self { before };
        screen.enter()?;
        Ok(Some(screen))
    }

    fn enter(&self) -> Result<(), End> {
        if let Some(before) = &self.before {
            // Keys come one by one and are not shown. Signals stay with the terminal.
            let mut modes = before.clone();
            modes
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
        }
        print(ENTER.as_bytes())
    }

    fn leave(&self) {
        let mut out = io::stdout();
        // Where nothing can be written there is nothing to give back.
        let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }

    /// Shows what goes on, and sends what is typed, until `q` is pressed. ^Z gives the terminal
    /// back until the process is continued.
    async fn steered(&self, socket: &Path) -> Result<(), End> {
        let mut ticks = tokio::time::interval(EVERY);
        let mut keys = self.before.is_some().then(keys);
        let mut stops = heard(Signal::TSTP).ok();
        let (mut prompt, mut text) = (Prompt::default(), String::new());
        // A content takes its time: what was typed is answered while more is shown and typed.
        let mut asked: JoinSet<Result<String, Failure>> = JoinSet::new();
        loop {
            let key = async {
                match &mut keys {
                    Some(keys) => keys.recv().await,
                    None => std::future::pending().await,
                }
            };
            let stopped = async {
                match &mut stops {
                    Some(stops) => stops.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = ticks.tick() => text = snapshot(socket).await?,
                key = key => match key.map(|key| prompt.press(key)) {
                    Some(Pressed::Quit) => return Ok(()),
                    Some(Pressed::Ask(request)) => {
                        prompt.answered("sent to the node");
                        let socket = socket.to_owned();
                        asked.spawn(async move { requests::said(&socket, &request).await });
                    }
                    Some(Pressed::Shown) => {}
                    None => keys = None,
                },
                Some(Ok(said)) = asked.join_next() => {
                    prompt.answered(&said.unwrap_or_else(|failure| failure.to_string()));
                    text = snapshot(socket).await?;
                }
                _ = stopped => {
                    self.leave();
                    let _ = kill_process(getpid(), Signal::STOP);
                    // The process was continued.
                    let _ = self.enter();
                }
            }
            let size = size();
            print(drawn(&text, &prompt.row(size.1), size).as_bytes())?;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Keys as they are pressed, until the terminal is gone. What waits for them ends with the process.
fn keys() -> mpsc::UnboundedReceiver<u8> {
    let (pressed, keys) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let bytes = io::stdin().lock().bytes();
        bytes
            .map_while(Result::ok)
            .all(|key| pressed.send(key).is_ok())
    });
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_shows_as_many_lines_as_fit_and_says_how_many_do_not() {
        let text = "a\nb\nc\n";
        let (home, end) = ("\u{1b}[H", "q ends\u{1b}[K\u{1b}[J");
        let drawn = |text, rows| drawn(text, "q ends", (rows, 80));
        let all = format!("{home}a\u{1b}[K\nb\u{1b}[K\nc\u{1b}[K\n{end}");
        assert_eq!(drawn(text, 4), all);
        let some = format!("{home}a\u{1b}[K\nb\u{1b}[K\n1 more lines; {end}");
        assert_eq!(drawn(text, 3), some);
        for rows in [0, 1] {
            assert_eq!(drawn(text, rows), format!("{home}3 more lines; {end}"));
        }
    }

    #[test]
    fn a_long_answer_takes_as_many_rows_as_it_needs() {
        let drawn = drawn("a\nb\nc\n", "fh1-abcdefgh", (4, 9));
        let rows = ["\u{1b}[Ha", "2 more li", "nes; fh1-", "abcdefgh"];
        assert_eq!(drawn, rows.join("\u{1b}[K\n") + "\u{1b}[K\u{1b}[J");
    }
}
