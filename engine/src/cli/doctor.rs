//! Checks whether a machine is fit for a node.
//!
//! It changes nothing: files that it makes for a trial are removed.

use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use fairhaul::clock::unix_ms;
use fairhaul::control::api::Failure;
use fairhaul::identity::Identity;
use fairhaul::params::ParameterFile;
use fairhaul::printable;
use fairhaul_core::connections::descriptors::Shares;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::{End, load, print};

/// The first moment of 2025: a clock before it was never set.
const CLOCK_MIN_MS: u64 = 1_735_689_600_000;
/// Free space below which a node is soon in trouble, in bytes.
const SPACE_MIN: u64 = 1 << 30;
/// Unsent bytes that a socket may hold, to try whether that can be said.
const LOWAT: u32 = 128 * 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// Good.
    Ok,
    /// A node runs, but less well.
    Warning,
    /// A node does not run.
    Bad,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    grade: Grade,
    found: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Grade::Ok, found)
    }

    fn bad(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Grade::Bad, found)
    }

    fn new(name: &'static str, grade: Grade, found: impl Into<String>) -> Self {
        let found = found.into();
        Self { name, grade, found }
    }
}

pub(super) fn run(config: Option<&Path>, json: bool) -> Result<(), End> {
    let params = config.map(load).transpose()?;
    let connections = params
        .as_ref()
        .map_or(256, |params| params.limits.connections.get());
    let connections = connections as usize;
    let mut checks = vec![clock(), descriptors(connections), openat2(), send_queue()];
    if let Some(params) = &params {
        checks.extend(of_file(params));
    }
    let bad = checks
        .iter()
        .filter(|check| check.grade == Grade::Bad)
        .count();
    let text = if json {
        let text = serde_json::to_string_pretty(&checks);
        printable::json(&text.expect("what was found is text")) + "\n"
    } else {
        checks.iter().map(line).collect()
    };
    print(text.as_bytes())?;
    if bad > 0 {
        let of = checks.len();
        return Err(Failure::error(format!("{bad} of {of} checks failed")).into());
    }
    Ok(())
}

fn line(check: &Check) -> String {
    let grade = match check.grade {
        Grade::Ok => "ok",
        Grade::Warning => "warning",
        Grade::Bad => "BAD",
    };
    let found = printable::Printable(&check.found, printable::NAME_MAX);
    format!("{grade:<8} {:<16} {found}\n", check.name)
}

/// What a parameter file asks of the machine.
fn of_file(params: &ParameterFile) -> Vec<Check> {
    let (node, control) = (&params.node, &params.control);
    let running = UnixStream::connect(&*control.socket).is_ok();
    let mut checks = vec![data(&node.data), key(&params.key_file()), places(params)];
    checks.push(port("listen", &node.listen, running));
    if let Some(http) = &control.http {
        checks.push(port("control http", http, running));
    }
    checks.push(socket(&control.socket, running));
    for peer in &params.peers {
        if let Some(address) = &peer.address {
            checks.push(resolves(&peer.name, address));
        }
    }
    checks
}

fn clock() -> Check {
    let now = unix_ms();
    let millis = i64::try_from(now).unwrap_or(i64::MAX);
    let when = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let zone = jiff::tz::TimeZone::system();
    let zone_name = zone.iana_name().unwrap_or("a zone without a name");
    let found = format!(
        "{} in {zone_name}",
        when.to_zoned(zone.clone()).strftime("%F %T")
    );
    if now < CLOCK_MIN_MS {
        return Check::bad("clock", format!("{found}; it was never set"));
    }
    Check::ok("clock", found)
}

/// How a node divides its descriptors. It raises its own limit as far as the system lets.
fn descriptors(connections: usize) -> Check {
    let limit = getrlimit(Resource::Nofile).maximum;
    let limit = limit.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    let shares = Shares::of(limit, connections);
    let found = format!(
        "{limit} allowed: {} connections, {} handshakes, {} open files, {} callers",
        shares.sessions, shares.pending, shares.files, shares.callers
    );
    if shares.sessions < connections {
        let needed = Shares::needed_for(connections);
        let found = format!("{found}; {connections} connections need {needed}");
        return Check::new("descriptors", Grade::Warning, found);
    }
    Check::ok("descriptors", found)
}

/// Whether every peer of the file finds a place.
fn places(params: &ParameterFile) -> Check {
    let (peers, most) = (params.peers.len(), params.limits.connections.get() as usize);
    let found = format!("{peers} peers are listed, {most} may be connected at once");
    if peers > most {
        let found = format!("{found}: the others are refused; raise limits.connections");
        return Check::new("connections", Grade::Warning, found);
    }
    Check::ok("connections", found)
}

/// Without it nothing can be opened that is sure to lie beneath a folder.
fn openat2() -> Check {
    let opened = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
    let opened = opened.and_then(|root| {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&root, ".", OFlags::PATH, Mode::empty(), how)
    });
    match opened {
        Ok(_) => Check::ok("openat2", "files can be held beneath a folder"),
        Err(error) => Check::bad("openat2", format!("{error}; Linux 5.6 or later has it")),
    }
}

/// Without it the kernel's queue orders what is sent, and not the policy.
fn send_queue() -> Check {
    let set = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .and_then(|socket| socket.set_tcp_notsent_lowat(LOWAT));
    match set {
        Ok(()) => Check::ok("send queue", "TCP_NOTSENT_LOWAT can be set"),
        Err(error) => {
            let found = format!("TCP_NOTSENT_LOWAT: {error}; small transfers wait longer");
            Check::new("send queue", Grade::Warning, found)
        }
    }
}

fn data(folder: &Path) -> Check {
    let at = folder.display();
    let trial = tempfile::NamedTempFile::new_in(folder);
    let tried = trial.and_then(|trial| {
        trial.as_file().sync_all()?;
        trial.close()
    });
    if let Err(error) = tried {
        return Check::bad("data", format!("{at}: {error}"));
    }
    let free =
        rustix::fs::statvfs(folder).map(|about| about.f_bavail.saturating_mul(about.f_frsize));
    match free {
        Ok(free) if free < SPACE_MIN => {
            let found = format!("{at}: only {free} B free");
            Check::new("data", Grade::Warning, found)
        }
        Ok(free) => Check::ok(
            "data",
            format!("{at}: can be written, {} MiB free", free >> 20),
        ),
        Err(error) => Check::bad("data", format!("{at}: {error}")),
    }
}

fn key(path: &Path) -> Check {
    match Identity::load(path) {
        Ok(identity) => Check::ok("key", format!("{}: {}", path.display(), identity.public())),
        Err(error) => Check::bad("key", format!("{error}; `fairhaul identity new` makes one")),
    }
}

fn port(name: &'static str, address: &str, running: bool) -> Check {
    match TcpListener::bind(address) {
        Ok(_) => Check::ok(name, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && running => {
            Check::ok(name, format!("{address} is in use while the node runs"))
        }
        Err(error) => Check::bad(name, format!("{address}: {error}")),
    }
}

fn socket(path: &Path, running: bool) -> Check {
    let at = path.display();
    if running {
        return Check::ok("control socket", format!("{at}: a node answers"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match fs::symlink_metadata(path) {
        Ok(about) => {
            use std::os::unix::fs::FileTypeExt as _;
            if about.file_type().is_socket() {
                Check::ok(
                    "control socket",
                    format!("{at}: left behind, and will be replaced"),
                )
            } else {
                Check::bad("control socket", format!("{at}: is not a socket"))
            }
        }
        Err(_) if folder.is_none_or(Path::is_dir) => {
            Check::ok("control socket", format!("{at}: free"))
        }
        Err(_) => {
            let found = format!("{at}: its folder is missing, and will be made");
            Check::new("control socket", Grade::Warning, found)
        }
    }
}

fn resolves(peer: &str, address: &str) -> Check {
    match address.to_socket_addrs().map(Iterator::collect::<Vec<_>>) {
        Ok(found) if !found.is_empty() => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            Check::ok(
                "peer address",
                format!("{peer}: {address} is {}", found.join(", ")),
            )
        }
        Ok(_) => Check::bad("peer address", format!("{peer}: {address} has no address")),
        Err(error) => {
            // It may come later: a node tries again.
            let found = format!("{peer}: {address}: {error}");
            Check::new("peer address", Grade::Warning, found)
        }
    }
}
