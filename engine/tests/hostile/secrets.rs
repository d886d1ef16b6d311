//! Secrets, wherever a running node might show one.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{PORT, Rig};

/// Bytes of a secret key at the end of its file's base64, as bytes.
const SEED: usize = 32;

/// What is looked for, each in the ways in which it might be written.
fn secrets(rig: &Rig) -> Vec<(&'static str, Vec<u8>)> {
    let pem = fs::read_to_string(rig.path("key")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(body.as_bytes()).unwrap();
    let seed = &der[der.len() - SEED..];
    let token = fs::read_to_string(rig.path("token")).unwrap();
    vec![
        ("the key as it is in its file", body.clone().into_bytes()),
        ("the key as bytes", seed.to_vec()),
        ("the key as hex", HEXLOWER.encode(seed).into_bytes()),
        (
            "the key as base64",
            BASE64.encode(seed).as_bytes()[..40].to_vec(),
        ),
        ("the token", token.trim_end().as_bytes().to_vec()),
    ]
}

/// Fails if `text` has a secret in it.
fn is_clean(what: &str, text: &[u8], secrets: &[(&'static str, Vec<u8>)]) {
    for (secret, bytes) in secrets {
        let found = text.windows(bytes.len()).any(|part| part == bytes);
        assert!(!found, "{secret} is in {what}");
    }
}

/// Looks through every file beneath `folder` but for those of the secrets.
fn files_are_clean(folder: &Path, secrets: &[(&'static str, Vec<u8>)]) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            files_are_clean(&path, secrets);
        } else if path.is_file() && name != "key" && name != "token" {
            is_clean(
                &path.display().to_string(),
                &fs::read(&path).unwrap(),
                secrets,
            );
        }
    }
}

/// What the node answers over HTTP to who shows `token`.
async fn http(at: SocketAddr, path: &str, token: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// What the program prints for a command, on either stream.
fn prints(rig: &Rig, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairhaul"));
    command.args(arguments).env("FAIRHAUL_SOCKET", rig.socket());
    let output = command
        .current_dir(rig.path(""))
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap();
    [output.stdout, output.stderr].concat()
}

/// A node that logs and records all that it can, fetches something over its secret key, is asked
/// for everything with the right token and a wrong one, and dies of a signal that leaves an image
/// of the memory where that is allowed.
///
/// Register: H14.
#[tokio::test]
async fn no_secret_is_in_arguments_environment_log_answers_files_or_an_image_of_the_memory() {
    let mut rig = Rig::new();
    let at = SocketAddr::new(rig.listens().ip(), PORT + 1);
    rig.more = format!("http = \"{at}\"\ntoken = {:?}\n", rig.path("token"));
    rig.arguments = &["--record", "record", "--trust-first-use"];
    rig.logs_all = true;
    let other = Rig::new()
        .knows("far", rig.key, &rig.address())
        .start()
        .await;
    let mut rig = rig.start().await;
    rig.has_peers(1).await;
    fs::write(rig.path("f"), b"what is not secret").unwrap();
    let ticket = rig.share(&rig.path("f")).await;
    other.get(&ticket, &other.target()).await.unwrap();
    let secrets = secrets(&rig);
    let token = String::from_utf8(secrets[4].1.clone()).unwrap();
    for path in ["/metrics", "/v1/status", "/", "/none"] {
        for shown in [&token[..], "wrong", ""] {
            is_clean(path, &http(at, path, shown).await, &secrets);
        }
    }
    let allowed = http(at, "/metrics", &token).await;
    assert!(allowed.starts_with(b"HTTP/1.1 200"));
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["peers", "--json"],
        &["identity", "show", "-c", "file.toml", "--json"],
        &["check", "file.toml", "--json"],
        &["doctor", "-c", "file.toml", "--json"],
    ] {
        let said = prints(&rig, arguments);
        assert!(!said.is_empty(), "{arguments:?}");
        is_clean(&arguments.join(" "), &said, &secrets);
    }
    // A handshake that fails is logged with all that is known of it.
    drop(TcpStream::connect(rig.listens()).await.unwrap());
    rig.refuses("handshake", 1).await;
    let process = Path::new("/proc").join(rig.pid().to_string());
    for name in ["cmdline", "environ"] {
        // Who may not even read it finds no secret either.
        if let Ok(text) = fs::read(process.join(name)) {
            is_clean(name, &text, &secrets);
        }
    }
    let limits = fs::read_to_string(process.join("limits")).unwrap();
    let mut limits = limits.lines();
    let core = limits
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let core: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"]);
    rig.signal(Signal::ABORT);
    let status = rig.ended().await;
    assert!(!status.core_dumped(), "{status:?}");
    assert!(rig.log().contains("DEBUG"), "{}", rig.log());
    files_are_clean(&rig.path(""), &secrets);
}
