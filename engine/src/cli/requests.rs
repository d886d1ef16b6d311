//! What a command asks of a node, and what comes of it in words: for the command line, and for what
//! is typed on the screen of a watched node.

use std::path::Path;

use fairhaul::content::line::Line;
use fairhaul::control::api::{
    ControlRequest, Failure, Floor, Get, Got, InForce, InForceRequest, LimitRequest, LimitTarget,
    Nothing, Send, Sent, ShareRequest, Shared, Transfer, TransferDirection, WeightRequest,
};
use fairhaul_client::ask;

use super::args::{Asking, Cap, Command, Id, Node};
use super::{absolute, render};

/// The request of a command that changes what runs, and its node: limits, and the course of a
/// transfer.
pub(super) fn steering(command: &Command) -> Option<(&Node, ControlRequest)> {
    let transfer = |id: &Id| Transfer { id: id.id };
    Some(match command {
        Command::Pause(id) => (&id.node, ControlRequest::Pause(transfer(id))),
        Command::Resume(id) => (&id.node, ControlRequest::Resume(transfer(id))),
        Command::Cancel(id) => (&id.node, ControlRequest::Cancel(transfer(id))),
        Command::Limit {
            target,
            rate,
            download,
            asking,
        } => {
            let direction = match download {
                true => TransferDirection::Down,
                false => TransferDirection::Up,
            };
            let change = |cap: Cap, target| {
                ControlRequest::Limit(LimitRequest {
                    target,
                    direction,
                    rate_bytes_s: cap.0,
                })
            };
            (&asking.node, changed_or_shown(target, *rate, change))
        }
        Command::Weight {
            target,
            weight,
            asking,
        } => {
            let change = |weight_hundredths, target| {
                ControlRequest::Weight(WeightRequest {
                    target,
                    weight_hundredths,
                })
            };
            (&asking.node, changed_or_shown(target, *weight, change))
        }
        Command::Floor {
            target,
            rate,
            asking,
        } => {
            let change = |rate_bytes_s, target| {
                ControlRequest::Floor(Floor {
                    target,
                    rate_bytes_s,
                })
            };
            (&asking.node, changed_or_shown(target, *rate, change))
        }
        _ => return None,
    })
}

/// The request that sets what was given for `target`, or that asks what is in force.
fn changed_or_shown<T>(
    target: &LimitTarget,
    given: Option<T>,
    change: impl FnOnce(T, LimitTarget) -> ControlRequest,
) -> ControlRequest {
    let target = target.clone();
    match given {
        Some(given) => change(given, target),
        None => ControlRequest::InForce(InForceRequest { target }),
    }
}

/// The request of a command with which a node moves contents, and its node; none of others.
pub(super) fn moving(command: &Command) -> Result<Option<(&Asking, ControlRequest)>, Failure> {
    let found = match command {
        Command::Share {
            path,
            ignore,
            asking,
        } => {
            let request = ShareRequest {
                path: absolute(path)?,
                ignore: ignore.clone(),
                chunk_bytes: None,
            };
            (asking, ControlRequest::Share(request))
        }
        Command::Get { ticket, .. } if Line::is_one(ticket) => {
            return Err(Failure::usage("a line needs no node: type it in a shell"));
        }
        Command::Get { port: Some(_), .. } => {
            let text = "--port is for a line; a node listens where its parameter file says";
            return Err(Failure::usage(text));
        }
        Command::Get {
            ticket,
            dir,
            overwrite,
            force,
            asking,
            ..
        } => {
            let request = Get {
                ticket: ticket.clone(),
                dir: absolute(dir)?,
                overwrite: *overwrite,
                force: *force,
            };
            (asking, ControlRequest::Get(request))
        }
        Command::Send {
            path,
            peers,
            ignore,
            asking,
            ..
        } => {
            let request = Send {
                path: absolute(path)?,
                peers: peers.clone(),
                ignore: ignore.clone(),
            };
            (asking, ControlRequest::Send(request))
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// What the node behind `socket` says to a request of [`moving`] or [`steering`], in words.
pub(super) async fn said(socket: &Path, request: &ControlRequest) -> Result<String, Failure> {
    match request {
        ControlRequest::Limit(_) | ControlRequest::Weight(_) | ControlRequest::Floor(_) => {
            let now: InForce = ask(socket, request, |_| {}).await?;
            Ok(render::in_force(&now))
        }
        ControlRequest::Share(_) => {
            let shared: Shared = ask(socket, request, |_| {}).await?;
            Ok(render::ticket(&shared))
        }
        ControlRequest::Get(_) => {
            let got: Got = ask(socket, request, |_| {}).await?;
            Ok(render::path(&got.path))
        }
        ControlRequest::Send(_) => {
            let sent: Sent = ask(socket, request, |_| {}).await?;
            Ok(format!("sent to {}", render::names(&sent.peers)))
        }
        _ => {
            let Nothing {} = ask(socket, request, |_| {}).await?;
            Ok("done".to_owned())
        }
    }
}
