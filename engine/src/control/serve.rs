//! The control as a node serves it: one set of routes, on a local socket and over HTTP.
//!
//! A POST of JSON becomes a [`Call`], and its replies are sent as lines of JSON as they come. The
//! number of callers and the time of a request are bounded. `auth` decides which HTTP requests are
//! accepted.
//!
//! Longer than other files: the routes stand together with the limits that hold for all of them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::body::{Body as HttpBody, Frame};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::api::{Call, ControlRequest, EventKind, EventRecord, Failure, Reply};
use super::auth::{Guard, pass};
use super::lobby::Lobby;
pub use super::lobby::Places;
use super::metrics::Metrics;
use super::page::PAGE;
use super::token::Token;
use super::unix_socket::{Bound, SocketError, listen};
use crate::params::ParameterFile;

/// Longest body of a request, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long replies may still go out once the node stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// Silence after which who follows events is shown that the node lives.
const SILENCE: Duration = Duration::from_secs(15);
/// How long no caller is accepted after accepting has failed, which it does without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Commands that change nothing and need no members: their answers are there for a GET, too.
const SHOWN: [&str; 5] = ["status", "peers", "bans", "history", "moves"];

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the control needs of its node.
#[derive(Clone, Debug)]
pub struct Handles {
    /// Where calls go.
    pub calls: mpsc::Sender<Call>,
    /// Where events come from.
    pub events: broadcast::Sender<EventRecord>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A control that listens.
#[derive(Debug)]
pub struct Control {
    /// The name of the socket. It goes before the socket does.
    bound: Bound,
    local: UnixListener,
    http: Option<(TcpListener, Arc<Guard>)>,
    handles: Handles,
    places: Places,
}

/// Why the control cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The local socket.
    #[error("{}: control socket: {why}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why, in words.
        why: String,
    },
    /// The token of HTTP.
    #[error("{}: token: {source}", path.display())]
    Token {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address of HTTP.
    #[error("{address}: control over HTTP: {source}")]
    Http {
        /// The address of the parameter file.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Http { .. } => Self::error(error.to_string()),
            ControlError::Socket { .. } | ControlError::Token { .. } => {
                Self::storage(error.to_string())
            }
        }
    }
}

/// Where a node is controlled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The socket of the command line.
    pub socket: PathBuf,
    /// Where HTTP is served, host and port; `None` if it is not.
    pub http: Option<String>,
    /// The file of the token that HTTP asks for.
    pub token: PathBuf,
}

impl Endpoints {
    /// As a parameter file says.
    #[must_use]
    pub fn of(params: &ParameterFile) -> Self {
        Self {
            socket: params.control.socket.to_path_buf(),
            http: params.control.http.as_ref().map(ToString::to_string),
            token: params.token_file(),
        }
    }
}

impl Control {
    /// Listens at the endpoints `at`. The token is made if it is asked for and missing.
    ///
    /// # Errors
    ///
    /// The first place that cannot be listened at, or the token file. Nothing listens then.
    pub async fn open(
        at: &Endpoints,
        handles: Handles,
        places: Places,
    ) -> Result<Self, ControlError> {
        let http = match &at.http {
            None => None,
            Some(address) => {
                let token = Token::open(&at.token).map_err(|source| ControlError::Token {
                    path: at.token.clone(),
                    source,
                })?;
                let bad = |source| ControlError::Http {
                    address: address.clone(),
                    source,
                };
                let listener = TcpListener::bind(address).await.map_err(bad)?;
                let bound = listener.local_addr().map_err(bad)?;
                let metrics = Arc::clone(&handles.metrics);
                let guard = Guard::new(token, address, bound, metrics);
                Some((listener, Arc::new(guard)))
            }
        };
        let path = &at.socket;
        let (local, bound) = listen(path).map_err(|error: SocketError| ControlError::Socket {
            path: path.clone(),
            why: error.to_string(),
        })?;
        Ok(Self {
            bound,
            local,
            http,
            handles,
            places,
        })
    }

    /// Where HTTP is served, if it is.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        let (listener, _) = self.http.as_ref()?;
        listener.local_addr().ok()
    }

    /// Serves until `stop` is done, and for up to a second more to who still reads replies.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (sender, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let routes = routes(self.handles, stopping.clone());
        if let Some((listener, guard)) = self.http {
            let routes = routes.clone().layer(from_fn_with_state(guard, pass));
            let lobby = Lobby::new(self.places);
            tasks.spawn(visitors(listener, routes, lobby, stopping.clone()));
        }
        let places = self.places.callers;
        tasks.spawn(callers(self.local, routes, places, stopping));
        stop.await;
        drop(self.bound);
        sender.send_replace(true);
        while tasks.join_next().await.is_some() {}
    }
}

/// Serves who calls over HTTP, until the node stops.
async fn visitors(
    listener: TcpListener,
    routes: Router,
    lobby: Arc<Lobby>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        let next = tokio::select! {
            next = listener.accept() => next,
            Some(_) = open.join_next() => continue,
            () = stop(&mut stopping) => break,
        };
        let Ok((stream, _)) = next else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let visitor = lobby.visitor();
        let routes = routes.clone().layer(Extension(Arc::clone(&visitor)));
        let (who, stopping) = (Arc::clone(&visitor), stopping.clone());
        let task = open.spawn(async move {
            tokio::select! {
                () = caller(stream, routes, stopping) => {}
                () = who.is_late() => {}
            }
        });
        lobby.enter(&visitor, task);
    }
    farewell(open).await;
}

/// Serves who calls on the local socket, until the node stops.
async fn callers(
    listener: UnixListener,
    routes: Router,
    places: usize,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(places));
    let mut open = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            next = next => next,
            Some(_) = open.join_next() => continue,
            () = stop(&mut stopping) => break,
        };
        let Ok((stream, _)) = stream else {
            // Out of descriptors, or gone before it was accepted: others may call.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let caller = caller(stream, routes.clone(), stopping.clone());
        open.spawn(async move {
            caller.await;
            drop(place);
        });
    }
    farewell(open).await;
}

/// Waits for those that still read replies.
async fn farewell(mut open: JoinSet<()>) {
    let all_gone = async { while open.join_next().await.is_some() {} };
    // Who has not read its replies by then is cut off with the set.
    let _ = timeout(FAREWELL, all_gone).await;
}

/// Done when the node stops.
async fn stop(stopping: &mut watch::Receiver<bool>) {
    // Without its sender there is no node any more.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Serves one connection to its end.
async fn caller<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    routes: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(ARRIVAL);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    // How a connection ends is its caller's business.
    let over = tokio::select! {
        _ = connection.as_mut() => true,
        () = stop(&mut stopping) => false,
    };
    if !over {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// What the routes share.
#[derive(Clone, Debug)]
struct Shared {
    handles: Handles,
    stopping: watch::Receiver<bool>,
}

fn routes(handles: Handles, stopping: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/metrics", get(metrics))
        .route("/v1/events", get(events))
        .route("/v1/{command}", get(show).post(command))
        .with_state(Shared { handles, stopping })
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let kind = [(header::CONTENT_TYPE, OPENMETRICS)];
    (kind, shared.handles.metrics.text()).into_response()
}

/// The end of a call that changes nothing, as the whole answer.
async fn show(State(shared): State<Shared>, Path(command): Path<String>) -> Response {
    if !SHOWN.contains(&&*command) {
        let what = format!("{command} is no command that a GET may give; POST it");
        return refuse(StatusCode::METHOD_NOT_ALLOWED, Failure::usage(what));
    }
    let request = match read(&command, b"") {
        Ok(request) => request,
        Err(failure) => return refuse(StatusCode::BAD_REQUEST, failure),
    };
    let (call, mut replies) = Call::new(request);
    if shared.handles.calls.send(call).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, stopped());
    }
    loop {
        match replies.recv().await {
            Some(Reply::Progress(_)) => {}
            Some(Reply::Done(answer)) => return axum::Json(answer).into_response(),
            Some(Reply::Failed(failure)) => {
                return refuse(StatusCode::INTERNAL_SERVER_ERROR, failure);
            }
            None => return refuse(StatusCode::SERVICE_UNAVAILABLE, stopped()),
        }
    }
}

/// A call, and its replies as they come.
async fn command(
    State(shared): State<Shared>,
    Path(command): Path<String>,
    body: Body,
) -> Response {
    let Ok(Ok(body)) = timeout(ARRIVAL, to_bytes(body, BODY_MAX)).await else {
        let text = format!("the body of a request; allowed {BODY_MAX} bytes within 10 s");
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, Failure::usage(text));
    };
    let request = match read(&command, &body) {
        Ok(request) => request,
        Err(failure) => return refuse(StatusCode::BAD_REQUEST, failure),
    };
    let (call, replies) = Call::new(request);
    if shared.handles.calls.send(call).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, stopped());
    }
    let (sender, body) = feed();
    tokio::spawn(relay(replies, sender));
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, body).into_response()
}

/// The request of the command in the path with the members in the body.
fn read(command: &str, body: &[u8]) -> Result<ControlRequest, Failure> {
    let bad = |error: serde_json::Error| Failure::usage(format!("{command}: {error}"));
    let mut members: serde_json::Map<String, serde_json::Value> = if body.is_empty() {
        serde_json::Map::new()
    } else {
        serde_json::from_slice(body).map_err(bad)?
    };
    // A command in the body must not be another one than that of the path.
    if members
        .insert("command".to_owned(), command.into())
        .is_some()
    {
        let text = format!("{command}: unknown field `command`");
        return Err(Failure::usage(text));
    }
    serde_json::from_value(members.into()).map_err(bad)
}

/// Hands on replies until the last one, or until nobody reads them.
async fn relay(mut replies: mpsc::Receiver<Reply>, sender: mpsc::Sender<Bytes>) {
    loop {
        let reply = tokio::select! {
            reply = replies.recv() => reply,
            // Who has hung up is noticed while there is nothing to say, too: the node sees
            // that the channel closes.
            () = sender.closed() => return,
        };
        let reply = reply.unwrap_or_else(|| Reply::Failed(stopped()));
        let is_last = !matches!(reply, Reply::Progress(_));
        if sender.send(line(&reply)).await.is_err() || is_last {
            return;
        }
    }
}

/// Events as they happen, as server-sent events.
async fn events(State(shared): State<Shared>) -> Response {
    let (sender, body) = feed();
    let events = shared.handles.events.subscribe();
    tokio::spawn(follow(events, sender, shared.stopping));
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    (kind, body).into_response()
}

async fn follow(
    mut events: broadcast::Receiver<EventRecord>,
    sender: mpsc::Sender<Bytes>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut last_ms = 0;
    // The answer begins at once, not with the first event.
    let mut text = Bytes::from_static(b": events\n\n");
    while sender.send(text).await.is_ok() {
        let next = tokio::select! {
            next = timeout(SILENCE, events.recv()) => next,
            () = sender.closed() => return,
            () = stop(&mut stopping) => return,
        };
        let event = match next {
            Err(_) => {
                text = Bytes::from_static(b":\n\n");
                continue;
            }
            Ok(Ok(event)) => event,
            Ok(Err(broadcast::error::RecvError::Lagged(events))) => EventRecord {
                unix_ms: last_ms,
                what: EventKind::Missed { events },
            },
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
        };
        last_ms = event.unix_ms;
        let json = serde_json::to_string(&event).unwrap_or_default();
        text = format!("data: {json}\n\n").into();
    }
}

/// A body, and where its parts go in. It is over when that is dropped.
fn feed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, parts) = mpsc::channel(1);
    (sender, Body::new(Feed(parts)))
}

/// The body of an answer whose parts come as they come.
#[derive(Debug)]
struct Feed(mpsc::Receiver<Bytes>);

impl HttpBody for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.0.poll_recv(context);
        part.map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

fn line(reply: &Reply) -> Bytes {
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn refuse(status: StatusCode, failure: Failure) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (status, kind, line(&Reply::Failed(failure))).into_response()
}

fn stopped() -> Failure {
    Failure::unreachable("the node stopped before it answered")
}
