//! Sends a request to the socket of a node and reads the lines of its answer.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::{CommandProgress, ControlRequest, EventRecord, Failure, Reply};

/// Longest line of an answer, in bytes: the status of the largest node.
const LINE_MAX: usize = 64 * 1024 * 1024;

/// Lines of an answer as they come.
#[derive(Debug)]
struct Lines {
    body: Incoming,
    held: Vec<u8>,
    /// Bytes of `held` in which there is no end of a line.
    seen: usize,
}

/// Asks the node at `socket`, and hands each progress to `told`, until the answer.
///
/// # Errors
///
/// What the node says; [`Failure::UNREACHABLE`] if there is none.
pub async fn ask<T: DeserializeOwned>(
    socket: &Path,
    request: &ControlRequest,
    mut told: impl FnMut(CommandProgress),
) -> Result<T, Failure> {
    let mut members = serde_json::to_value(request).map_err(|error| odd(&error))?;
    let command = members
        .as_object_mut()
        .and_then(|members| members.remove("command"));
    let command = command
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let request = hyper::Request::post(format!("/v1/{command}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::from(members.to_string()))
        .map_err(|error| odd(&error))?;
    let mut lines = open(socket, request).await?;
    while let Some(line) = lines.next().await? {
        match serde_json::from_slice(&line).map_err(|error| odd(&error))? {
            Reply::Progress(progress) => told(progress),
            Reply::Done(answer) => {
                return serde_json::from_value(answer).map_err(|error| odd(&error));
            }
            Reply::Failed(failure) => return Err(failure),
        }
    }
    Err(Failure::unreachable("the node stopped before it answered"))
}

/// Follows the events of the node at `socket` until it stops.
///
/// # Errors
///
/// [`Failure::UNREACHABLE`] if there is no node; what `told` gives, which ends the following.
pub async fn follow(
    socket: &Path,
    mut told: impl FnMut(EventRecord) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let request = hyper::Request::get("/v1/events")
        .header("host", "localhost")
        .body(Full::default())
        .map_err(|error| odd(&error))?;
    let mut lines = open(socket, request).await?;
    while let Some(line) = lines.next().await? {
        if let Some(json) = line.strip_prefix(b"data: ") {
            told(serde_json::from_slice(json).map_err(|error| odd(&error))?)?;
        }
    }
    Ok(())
}

async fn open(socket: &Path, request: hyper::Request<Full<Bytes>>) -> Result<Lines, Failure> {
    let at = socket.display();
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        let hint = "is `fairhaul run` running, and by this user?";
        Failure::unreachable(format!("no node at {at}: {error}; {hint}"))
    })?;
    let lost = |error: hyper::Error| Failure::unreachable(format!("the node at {at}: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // It ends with the answer, and its errors come out of the answer too.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(lost)?;
    Ok(Lines {
        body: answer.into_body(),
        held: Vec::new(),
        seen: 0,
    })
}

impl Lines {
    /// The next line without its end; none after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let new = &self.held[self.seen..];
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(self.seen + end + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                line.pop();
                self.seen = 0;
                return Ok(Some(line.into()));
            }
            self.seen = self.held.len();
            if self.held.len() > LINE_MAX {
                return Err(odd(&"a line without an end"));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| {
                Failure::unreachable(format!("the node stopped in mid-answer: {error}"))
            })?;
            if let Some(data) = frame.data_ref() {
                self.held.extend_from_slice(data);
            }
        }
    }
}

fn odd(error: &dyn std::fmt::Display) -> Failure {
    Failure::error(format!(
        "the node gave an answer that this version does not know: {error}"
    ))
}
