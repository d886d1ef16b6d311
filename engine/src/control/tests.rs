//! The control over real sockets, with a node that answers by rote.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::api::{
    Call, CommandProgress, ControlRequest, EventKind, EventRecord, Failure, Get, Got, Nothing,
    Phase, Ping, Pong, Reloaded, Text, Transfer,
};
use super::metrics::Metrics;
use super::serve::{Control, ControlError, Endpoints, Handles, Places};
use fairhaul_client::{ask, follow};

/// A control with a node behind it.
struct Room {
    folder: TempDir,
    handles: Handles,
    http: Option<u16>,
    stop: oneshot::Sender<()>,
    control: JoinHandle<()>,
    /// Calls that the node leaves open.
    open: mpsc::Receiver<Call>,
}

impl Room {
    async fn new(http: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let (calls, mut incoming) = mpsc::channel(4);
        let (events, _) = broadcast::channel(8);
        let handles = Handles {
            calls,
            events,
            metrics: Arc::new(Metrics::default()),
        };
        let params = Endpoints {
            socket: folder.path().join("control.sock"),
            http: http.then(|| "127.0.0.1:0".to_owned()),
            token: folder.path().join("token"),
        };
        let control = Control::open(&params, handles.clone(), Places::default())
            .await
            .unwrap();
        let http = control.http().map(|address| address.port());
        let (stop, stopped) = oneshot::channel::<()>();
        let control = tokio::spawn(control.run(async { drop(stopped.await) }));
        let (keep, open) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some(call) = incoming.recv().await {
                answer(call, &keep).await;
            }
        });
        Self {
            folder,
            handles,
            http,
            stop,
            control,
            open,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("token")).unwrap();
        text.trim_end().to_owned()
    }

    /// Sends `head` and `body` over HTTP with what makes them whole, and gives all that is
    /// answered.
    async fn http(&self, head: &str, body: &str) -> String {
        let port = self.http.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = head
            .replace("PORT", &port.to_string())
            .replace("TOKEN", &self.token());
        let length = body.len();
        let text = format!("{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// What the node says to each command.
async fn answer(call: Call, keep: &mpsc::Sender<Call>) {
    match &call.request {
        ControlRequest::Get(_) => {
            for done_bytes in [10, 20] {
                call.progress(CommandProgress {
                    phase: Phase::Moving,
                    done_bytes,
                    ..CommandProgress::default()
                });
            }
            call.done(&Got {
                first_byte_seconds: None,
                path: "/d/f".into(),
                content: "00".to_owned(),
                bytes: 20,
                files: 1,
                resumed_bytes: 0,
                seconds: 0.5,
            });
        }
        ControlRequest::Message(text) if text.peer == "nobody" => {
            call.fail(Failure::unreachable("nobody is no peer"));
        }
        ControlRequest::Ping(_) => keep.send(call).await.unwrap(),
        ControlRequest::Reload(_) => drop(call),
        ControlRequest::Status(_) => call.done(&serde_json::json!({ "node": "rote" })),
        _ => call.done(&Nothing {}),
    }
}

fn get() -> ControlRequest {
    ControlRequest::Get(Get {
        ticket: "t".to_owned(),
        dir: "/d".into(),
        overwrite: false,
        force: false,
    })
}

#[tokio::test]
async fn a_command_goes_to_the_node_and_its_progress_and_answer_come_back() {
    let room = Room::new(false).await;
    let mut told = Vec::new();
    let got: Got = ask(&room.socket(), &get(), |progress| {
        told.push(progress.done_bytes)
    })
    .await
    .unwrap();
    assert_eq!(told, [10, 20]);
    assert_eq!((got.bytes, got.path), (20, PathBuf::from("/d/f")));
    let pause = ControlRequest::Pause(Transfer { id: 1 });
    ask::<Nothing>(&room.socket(), &pause, |_| {})
        .await
        .unwrap();
}

#[tokio::test]
async fn a_failure_of_the_node_keeps_its_exit_code() {
    let room = Room::new(false).await;
    let request = ControlRequest::Message(Text {
        peer: "nobody".to_owned(),
        text: "hello".to_owned(),
    });
    let failure = ask::<Nothing>(&room.socket(), &request, |_| {})
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::unreachable("nobody is no peer"));
    // A node that forgets to answer is no hang.
    let reload = ControlRequest::Reload(Nothing {});
    let failure = ask::<Reloaded>(&room.socket(), &reload, |_| {})
        .await
        .unwrap_err();
    assert_eq!(failure.code, Failure::UNREACHABLE);
}

#[tokio::test]
async fn without_a_node_the_failure_says_where_it_was_looked_for() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("none.sock");
    let failure = ask::<Nothing>(&socket, &get(), |_| {}).await.unwrap_err();
    assert_eq!(failure.code, Failure::UNREACHABLE);
    assert!(failure.message.contains("none.sock"), "{failure}");
    let failure = follow(&socket, |_| Ok(())).await.unwrap_err();
    assert_eq!(failure.code, Failure::UNREACHABLE);
}

#[tokio::test]
async fn the_node_sees_when_a_caller_has_gone() {
    let mut room = Room::new(false).await;
    let socket = room.socket();
    let request = ControlRequest::Ping(Ping {
        peer: "b".to_owned(),
    });
    let asking = tokio::spawn(async move { ask::<Pong>(&socket, &request, |_| {}).await });
    let call = room.open.recv().await.unwrap();
    asking.abort();
    call.reply.closed().await;
}

#[tokio::test]
async fn events_are_followed_as_they_happen_and_a_slow_reader_is_told_what_it_missed() {
    let room = Room::new(false).await;
    let socket = room.socket();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        follow(&socket, |event| {
            sender.send(event).unwrap();
            Ok(())
        })
        .await
    });
    while room.handles.events.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let text = |number: u64| EventRecord {
        unix_ms: number,
        what: EventKind::Text {
            peer: "b".to_owned(),
            text: "two\nlines".to_owned(),
        },
    };
    room.handles.events.send(text(1)).unwrap();
    assert_eq!(heard.recv().await, Some(text(1)));
    // Eight places, and twenty events before anybody can read one.
    for number in 2..22 {
        room.handles.events.send(text(number)).unwrap();
    }
    let missed = EventRecord {
        unix_ms: 1,
        what: EventKind::Missed { events: 12 },
    };
    assert_eq!(heard.recv().await, Some(missed));
    assert_eq!(heard.recv().await, Some(text(14)));
    room.stop.send(()).unwrap();
    following.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stopping_control_lets_the_last_answer_out_and_leaves_nothing_behind() {
    let mut room = Room::new(true).await;
    let socket = room.socket();
    let asked = socket.clone();
    let request = ControlRequest::Ping(Ping {
        peer: "b".to_owned(),
    });
    let asking = tokio::spawn(async move { ask::<Pong>(&asked, &request, |_| {}).await });
    let call = room.open.recv().await.unwrap();
    room.stop.send(()).unwrap();
    while socket.exists() {
        tokio::task::yield_now().await;
    }
    call.done(&Pong { rtt_us: vec![7] });
    assert_eq!(asking.await.unwrap().unwrap().rtt_us, [7]);
    room.control.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_is_not_understood_is_refused_before_the_node_hears_of_it() {
    let room = Room::new(true).await;
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost:PORT\r\nauthorization: Bearer TOKEN\r\n\
             content-type: application/json\r\n"
        )
    };
    for (path, body, what) in [
        ("/v1/explode", "{}", "unknown variant `explode`"),
        ("/v1/pause", "{}", "missing field `id`"),
        (
            "/v1/pause",
            "{\"id\":1,\"command\":\"stop\"}",
            "unknown field `command`",
        ),
        ("/v1/stop", "{\"now\":1}", "unknown field `now`"),
        ("/v1/history", "{\"since\":1}", "unknown field `since`"),
        ("/v1/history", "{\"since_s\":-1}", "invalid value"),
        ("/v1/history", "{\"since_s\":null}", "invalid type"),
        ("/v1/pause", "[1]", "pause: "),
        ("/v1/pause", "{", "pause: "),
    ] {
        let answer = room.http(&head(path), body).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("{\"failed\":{\"code\":2,"), "{answer}");
        assert!(answer.contains(what), "{answer}");
    }
    let large = room
        .http(&head("/v1/stop"), &" ".repeat(1024 * 1024 + 1))
        .await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    assert!(
        room.http(&head("/v2/stop"), "{}")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
}

/// Register: O1.
#[tokio::test]
async fn over_http_only_our_host_our_pages_and_our_token_get_through() {
    let room = Room::new(true).await;
    let json = "content-type: application/json\r\n";
    let bearer = "authorization: Bearer TOKEN\r\n";
    let host = "host: 127.0.0.1:PORT\r\n";
    for (status, headers) in [
        ("200", format!("{host}{bearer}{json}")),
        (
            "200",
            format!("{host}{bearer}{json}origin: http://127.0.0.1:PORT\r\n"),
        ),
        // A name that was made to point here.
        ("403", format!("host: evil.example:PORT\r\n{bearer}{json}")),
        ("403", format!("{bearer}{json}")),
        // A page of somebody else's.
        (
            "403",
            format!("{host}{bearer}{json}origin: http://evil.example\r\n"),
        ),
        (
            "403",
            format!("{host}{bearer}{json}sec-fetch-site: cross-site\r\n"),
        ),
        // A form of somebody else's, which cannot send JSON.
        ("415", format!("{host}{bearer}content-type: text/plain\r\n")),
        ("401", format!("{host}{json}")),
        (
            "401",
            format!("{host}{json}authorization: Bearer 0123456789abcdef\r\n"),
        ),
        ("401", format!("{host}{json}authorization: Basic TOKEN\r\n")),
    ] {
        let answer = room
            .http(&format!("POST /v1/status HTTP/1.1\r\n{headers}"), "{}")
            .await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{status}: {headers}{answer}");
        let says = answer.contains("rote");
        assert_eq!(says, status == "200", "{headers}{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    let text = room.handles.metrics.text();
    for (reason, count) in [
        ("wrong host", 2),
        ("wrong origin", 2),
        ("wrong token", 1),
        ("no token", 2),
    ] {
        let line = format!("fairhaul_refusals_total{{reason=\"{reason}\"}} {count}");
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}

/// Register: O1.
#[tokio::test]
async fn every_path_but_the_page_needs_the_token_and_has_no_guest() {
    let room = Room::new(true).await;
    for path in [
        "//",
        "/metrics",
        "/v1/status",
        "/v1/peers",
        "/v1/events",
        "/nothing",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost:PORT\r\n");
        let answer = room.http(&head, "").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    let get = async |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost:PORT\r\n");
        let head = format!("{head}authorization: Bearer TOKEN\r\n");
        room.http(&head, "").await
    };
    assert!(
        get("/metrics")
            .await
            .contains("fairhaul_connections_total 0")
    );
    assert!(get("/v1/status").await.ends_with("{\"node\":\"rote\"}"));
    let page = room
        .http("GET / HTTP/1.1\r\nhost: localhost:PORT\r\n", "")
        .await;
    assert!(!page.contains("rote"), "it says nothing of this node");
    assert!(page.contains("<title>fairhaul</title>"));
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'sha256-"));
    assert!(page.contains("referrer-policy: no-referrer"));
    assert!(page.contains("cache-control: no-store"));
}

/// What changes something is never done for a GET, with which a link or a picture asks.
///
/// Register: O1.
#[tokio::test]
async fn a_get_shows_what_there_is_and_changes_nothing() {
    let room = Room::new(true).await;
    let get = async |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost:PORT\r\n");
        let head = format!("{head}authorization: Bearer TOKEN\r\n");
        room.http(&head, "").await
    };
    for shown in ["status", "peers", "bans", "history", "moves"] {
        let answer = get(&format!("/v1/{shown}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{shown}: {answer}");
    }
    for changes in [
        "share", "get", "send", "message", "ping", "lift", "in-force", "limit", "weight", "floor",
        "band", "pause", "resume", "cancel", "reload", "stop", "explode",
    ] {
        let answer = get(&format!("/v1/{changes}")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{changes}: {answer}");
        assert!(answer.contains("{\"failed\":{\"code\":2,"), "{answer}");
    }
}

/// Each command is refused without the token, with a wrong one, and with one that stands in the
/// address: what a page of somebody else's can send.
///
/// Register: O1.
#[tokio::test]
async fn no_command_is_done_for_who_has_no_token_in_a_header() {
    let room = Room::new(true).await;
    for command in [
        "share", "get", "send", "message", "ping", "peers", "bans", "lift", "status", "history",
        "moves", "in-force", "limit", "weight", "floor", "band", "pause", "resume", "cancel",
        "reload", "stop",
    ] {
        for (path, token) in [
            ("", ""),
            ("", "authorization: Bearer 0123456789abcdef\r\n"),
            ("?token=TOKEN", ""),
        ] {
            let head = format!(
                "POST /v1/{command}{path} HTTP/1.1\r\nhost: localhost:PORT\r\n\
                 content-type: application/json\r\n{token}"
            );
            let answer = room.http(&head, "{}").await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{head}{answer}");
        }
    }
}

async fn open(params: &Endpoints, room: &Room) -> Result<Control, ControlError> {
    Control::open(params, room.handles.clone(), Places::default()).await
}

#[tokio::test]
async fn a_control_that_cannot_listen_says_where() {
    let room = Room::new(true).await;
    let params = |http: &str| Endpoints {
        socket: room.socket(),
        http: Some(http.to_owned()),
        token: room.folder.path().join("token"),
    };
    let taken = open(&params("127.0.0.1:0"), &room).await;
    let failure = Failure::from(taken.unwrap_err());
    assert_eq!(failure.code, Failure::STORAGE);
    assert!(
        failure
            .message
            .ends_with("control.sock: control socket: another node answers there")
    );
    let port = room.http.unwrap();
    let taken = open(&params(&format!("127.0.0.1:{port}")), &room).await;
    let failure = Failure::from(taken.unwrap_err());
    assert_eq!(failure.code, Failure::ERROR);
    assert!(
        failure.message.contains(&format!("127.0.0.1:{port}")),
        "{failure}"
    );
}
