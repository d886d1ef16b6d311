//! The commands that send a request to a running node, and print its answer.
//!
//! An interrupt ends the wait, not what the node has begun: that is what `cancel` is for.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use fairhaul::content::line::Line;
use fairhaul::content::ticket::ContentTicket;
use fairhaul::control::api::{
    BanStatus, ControlRequest, Failure, Got, Lift, Lifted, Nothing, PeerStatus, Ping, Pong,
    Reloaded, Sent, Shared, Text,
};
use fairhaul::printable::{NAME_MAX, Printable};
use fairhaul_client::{ask, follow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{Asking, BansVerb, Command, GetLine, Node, SendLine};
use super::progress::Display;
use super::requests::{moving, steering};
use super::{End, print, render, socket, typed_line, watch};

pub(super) fn run(command: Command) -> Result<(), End> {
    let made = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = made.map_err(|error| Failure::error(format!("no runtime: {error}")))?;
    runtime.block_on(call(command))
}

async fn call(command: Command) -> Result<(), End> {
    match command {
        Command::Message { peer, text, node } => {
            plain(&node, ControlRequest::Message(Text { peer, text })).await
        }
        Command::Ping { peer, asking } => {
            let request = ControlRequest::Ping(Ping { peer });
            shown(&asking, &request, |pong: &Pong| render::pong(pong)).await
        }
        Command::Peers { asking } => {
            let request = ControlRequest::Peers(Nothing {});
            shown(&asking, &request, |peers: &Vec<PeerStatus>| {
                render::peers(peers)
            })
            .await
        }
        Command::Bans { verb: None, asking } => {
            let request = ControlRequest::Bans(Nothing {});
            shown(&asking, &request, |bans: &Vec<BanStatus>| {
                render::bans(bans)
            })
            .await
        }
        Command::Bans {
            verb: Some(BansVerb::Lift { whose, asking }),
            ..
        } => {
            let request = ControlRequest::Lift(Lift { whose });
            shown(&asking, &request, |lifted: &Lifted| {
                render::names(&lifted.keys)
            })
            .await
        }
        Command::Status {
            watch: false,
            asking,
        } => shown(&asking, &ControlRequest::Status(Nothing {}), render::status).await,
        Command::Status {
            watch: true,
            asking,
        } => watch::watch(&asking).await,
        Command::Events { asking } => events(&asking).await,
        Command::Reload { asking } => {
            shown(
                &asking,
                &ControlRequest::Reload(Nothing {}),
                |reloaded: &Reloaded| render::reloaded(reloaded),
            )
            .await
        }
        other @ (Command::Share { .. } | Command::Get { .. } | Command::Send { .. }) => {
            moves(other).await
        }
        Command::Stop { node } => plain(&node, ControlRequest::Stop(Nothing {})).await,
        other => change(other).await,
    }
}

/// The commands that move contents: by a line without a node, or by the node.
async fn moves(mut command: Command) -> Result<(), End> {
    if let Command::Get { ticket, .. } = &mut command {
        *ticket = typed_line::given(std::mem::take(ticket))?;
    }
    match command {
        Command::Get {
            ticket: line,
            dir,
            overwrite,
            force,
            port,
            asking,
        } if Line::is_one(&line) => {
            refuse_node(&asking.node, "a line needs no node")?;
            let json = asking.json;
            typed_line::get(GetLine {
                line,
                dir,
                overwrite,
                force,
                port,
                json,
            })
            .await
        }
        Command::Send {
            path,
            peers,
            ignore,
            line: options,
            asking,
        } if peers.is_empty() => {
            refuse_node(&asking.node, "a node pushes to peers: name one")?;
            let json = asking.json;
            typed_line::send(SendLine {
                path,
                ignore,
                options,
                json,
            })
            .await
        }
        other => transfer(other).await,
    }
}

/// The commands with which a node moves contents.
async fn transfer(command: Command) -> Result<(), End> {
    let Some((asking, request)) = moving(&command)? else {
        unreachable!("{command:?} moves no content");
    };
    match &command {
        Command::Get { ticket, .. } => {
            no_ticket(ticket, &socket(&asking.node)?)?;
            shown(asking, &request, |got: &Got| render::path(&got.path)).await
        }
        Command::Send { peers, .. } => {
            let second = peers.iter().find(|peer| Path::new(peer).exists()).cloned();
            let sent = shown(asking, &request, |sent: &Sent| render::names(&sent.peers)).await;
            sent.map_err(|end| no_peer(end, second))
        }
        _ => {
            shown(asking, &request, |shared: &Shared| {
                typed_line::left_out(shared);
                render::ticket(shared)
            })
            .await
        }
    }
}

/// Refuses what is no ticket where no node runs that could say so: a line was meant. It may be
/// secret, so it is not said again.
fn no_ticket(given: &str, socket: &Path) -> Result<(), Failure> {
    match given.parse::<ContentTicket>() {
        Err(why) if UnixStream::connect(socket).is_err() => Err(Failure::usage(format!(
            "neither the line of a `send` (fhs1-...) nor a ticket of `share` (fh1-...): {why}"
        ))),
        _ => Ok(()),
    }
}

/// Says of what was taken for a peer that it is a path.
fn no_peer(end: End, second: Option<String>) -> End {
    match (end, second) {
        (End::Failed(mut failure), Some(second)) => {
            let second = Printable(&second, NAME_MAX);
            let hint = format!("; {second} is a file here: send takes one path, and then peers");
            failure.message += &hint;
            End::Failed(failure)
        }
        (end, _) => end,
    }
}

/// Refuses that a node is named where none is asked.
fn refuse_node(node: &Node, why: &str) -> Result<(), Failure> {
    match node.socket.is_some() || node.config.is_some() {
        true => Err(Failure::usage(format!(
            "{why}, or leave out -c and --socket"
        ))),
        false => Ok(()),
    }
}

/// The commands that change what runs; those that change limits print what is in force then.
async fn change(command: Command) -> Result<(), End> {
    let Some((node, request)) = steering(&command) else {
        unreachable!("{command:?} asks no node, or prints what it says");
    };
    match &command {
        Command::Limit { asking, .. }
        | Command::Weight { asking, .. }
        | Command::Floor { asking, .. } => shown(asking, &request, render::in_force).await,
        _ => plain(node, request).await,
    }
}

async fn plain(node: &Node, request: ControlRequest) -> Result<(), End> {
    let Nothing {} = waited(&socket(node)?, &request).await?;
    Ok(())
}

/// Asks, and prints the answer as JSON or as `text` makes it.
async fn shown<T: DeserializeOwned + Serialize>(
    asking: &Asking,
    request: &ControlRequest,
    text: impl Fn(&T) -> String,
) -> Result<(), End> {
    let answer: T = waited(&socket(&asking.node)?, request).await?;
    let text = if asking.json {
        render::json(&answer, true)
    } else {
        text(&answer)
    };
    print(text.as_bytes())
}

/// Asks, with a display of how far it is, until the answer or an interrupt.
async fn waited<T: DeserializeOwned>(
    socket: &Path,
    request: &ControlRequest,
) -> Result<T, Failure> {
    let mut display = Display::new();
    let mut transfer = None;
    let asked = ask(socket, request, |progress| {
        transfer = progress.transfer.or(transfer);
        display.show(&progress);
    });
    let answer = tokio::select! {
        answer = asked => Some(answer),
        _ = tokio::signal::ctrl_c() => None,
    };
    display.end();
    answer.unwrap_or_else(|| {
        let text = match transfer {
            Some(id) => format!(
                "interrupted; the transfer goes on in the node: `fairhaul cancel {id}` ends it"
            ),
            None => "interrupted; what the node has begun goes on: see `fairhaul status`".into(),
        };
        Err(Failure::new(Failure::INTERRUPTED, text))
    })
}

async fn events(asking: &Asking) -> Result<(), End> {
    let socket: PathBuf = socket(&asking.node)?;
    let mut output = Ok(());
    let followed = follow(&socket, |event| {
        let text = if asking.json {
            render::json(&event, false)
        } else {
            render::event(&event)
        };
        output = print(text.as_bytes());
        match output {
            Ok(()) => Ok(()),
            // The failure that counts is the one of the output.
            Err(_) => Err(Failure::error("standard output")),
        }
    });
    let followed = tokio::select! {
        followed = followed => followed,
        _ = tokio::signal::ctrl_c() => return Err(interrupted()),
    };
    output?;
    followed?;
    Err(Failure::unreachable("the node has stopped").into())
}

fn interrupted() -> End {
    Failure::new(Failure::INTERRUPTED, "interrupted").into()
}
