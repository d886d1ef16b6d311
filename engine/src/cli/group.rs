//! `init FOLDER --peers`: the identities and parameter files of a group of nodes that know each
//! other.
//!
//! A key that is there is never replaced, so that the same command again brings a new member to
//! all and changes nobody.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::mem;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fairhaul::control::api::Failure;
use fairhaul::identity::{Identity, PublicKey, no_core_dumps};
use fairhaul::params::ParameterFile;
use fairhaul_config::text::{Address, is_name};
use fairhaul_config::tree::{self, Data, Entry, Item, TomlTable};
use fairhaul_config::value::{Given, Value as _};

use super::files::{storage, write};
use super::{End, print};

/// The file of a key, in the folder of its node.
const KEY: &str = "identity.key";
/// The operator's own sections: of all nodes in the folder of the group, of one in its own.
const SETTINGS: &str = "settings.toml";
/// The beginning of every parameter file.
const HEAD: &str = "\
# Made by `fairhaul init --peers`, and again when that is repeated with --force: what is
# yours belongs into settings.toml, here or in the folder above.
";

/// A node of a group.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    name: String,
    /// Where the others call it, as `host:port`.
    address: String,
}

/// Where the files of a node lie: its data, its key and the socket of its control.
struct Places {
    data: String,
    key: String,
    socket: String,
}

/// Reads `name=host:port`.
pub(crate) fn member(text: &str) -> Result<Member, String> {
    let allowed = "NAME=HOST:PORT, such as vm-1=vm-1.example.org:7440";
    let (name, address) = text
        .split_once('=')
        .ok_or_else(|| format!("allowed is {allowed}"))?;
    if !is_name(name) || matches!(name, "." | "..") {
        return Err(format!(
            "{name:?} is no name of a node; allowed is {allowed}"
        ));
    }
    let read = Address::read(Given::Text(address));
    let address = read.map_err(|bad| format!("{address:?} {}; allowed is {allowed}", bad.what))?;
    let (name, address) = (name.to_owned(), address.to_string());
    Ok(Member { name, address })
}

/// Makes what is missing, and every parameter file anew.
pub(super) fn init(
    folder: &Path,
    members: &[Member],
    prefix: Option<&str>,
    force: bool,
) -> Result<(), End> {
    no_core_dumps().map_err(|error| Failure::error(format!("core dumps: {error}")))?;
    for (at, member) in members.iter().enumerate() {
        let Member { name, address } = member;
        let mut before = members[..at].iter();
        if let Some(other) = before.find(|one| one.name == *name || one.address == *address) {
            let text = format!(
                "--peers: {name}={address} is {}={} again",
                other.name, other.address
            );
            return Err(Failure::usage(text).into());
        }
    }
    let mut keys = Vec::new();
    for member in members {
        keys.push(key_of(&folder.join(&member.name))?);
    }
    // All are checked before one is written: a group whose nodes disagree is worse than none.
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for (me, member) in members.iter().enumerate() {
        let path = folder.join(&member.name).join("node.toml");
        let text = parameters(members, &keys, me, &places(prefix));
        let mut root = tree::parse(&path.display().to_string(), &text).map_err(End::File)?;
        for settings in [
            folder.join(SETTINGS),
            folder.join(&member.name).join(SETTINGS),
        ] {
            merge(&mut root, own_settings(&settings)?, &member.name);
        }
        let text = format!("{HEAD}{}", tree::write(&root, ""));
        let checked = ParameterFile::parse(&path.display().to_string(), &text);
        checked.map_err(End::File)?;
        if !force && path.symlink_metadata().is_ok() {
            let exists = ErrorKind::AlreadyExists.into();
            return Err(storage(&path, &exists).into());
        }
        files.push((path, text));
    }
    for (path, text) in files {
        write(&path, &text, force).map_err(|error| storage(&path, &error))?;
    }
    let mut list = String::new();
    for (member, key) in members.iter().zip(&keys) {
        let _ = writeln!(list, "{} {key}", member.name);
    }
    print(list.as_bytes())
}

/// The key of the node in `folder`, which is made with it if it is missing.
fn key_of(folder: &Path) -> Result<PublicKey, End> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| storage(folder, &error))?;
    let path = folder.join(KEY);
    let identity = match path.symlink_metadata() {
        Ok(_) => Identity::load(&path)?,
        Err(_) => Identity::create(&path)?,
    };
    Ok(identity.public())
}

/// Beside the parameter file, or where the service looks below `prefix`.
fn places(prefix: Option<&str>) -> Places {
    let Some(prefix) = prefix else {
        return Places {
            data: "data".to_owned(),
            key: KEY.to_owned(),
            socket: "control.sock".to_owned(),
        };
    };
    let prefix = prefix.trim_end_matches('/');
    Places {
        data: format!("{prefix}/var/lib/fairhaul"),
        key: format!("{prefix}/run/fairhaul/{KEY}"),
        socket: format!("{prefix}/run/fairhaul/control.sock"),
    }
}

/// The parameter file of the member at `me`, with every other one as its peer.
fn parameters(members: &[Member], keys: &[PublicKey], me: usize, places: &Places) -> String {
    let own = &members[me];
    let quoted = |text: &str| toml_string(text);
    let mut text = format!(
        "[node]\nname = {}\nlisten = {}\ndata = {}\nkey = {}\nexchange = false\n\n\
         [control]\nsocket = {}\n",
        quoted(&own.name),
        quoted(&listens(&own.address)),
        quoted(&places.data),
        quoted(&places.key),
        quoted(&places.socket),
    );
    let others = members.iter().zip(keys).enumerate();
    for (_, (member, key)) in others.filter(|(at, _)| *at != me) {
        let (name, address) = (quoted(&member.name), quoted(&member.address));
        let _ = write!(
            text,
            "\n[[peer]]\nname = {name}\naddress = {address}\nkey = \"{key}\"\naccept = \"inbox\"\n"
        );
    }
    text
}

/// Where a node listens that others call at `address`: everywhere at that port, or at loopback if
/// that is where they call it.
fn listens(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    let ip = inside.parse::<IpAddr>();
    match ip {
        Ok(ip) if ip.is_loopback() => address.to_owned(),
        Ok(IpAddr::V6(_)) => format!("[::]:{port}"),
        _ => format!("0.0.0.0:{port}"),
    }
}

/// A string of TOML: of such a text, one of JSON is one.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The operator's own sections, if there are any.
fn own_settings(path: &Path) -> Result<TomlTable, End> {
    match fs::read_to_string(path) {
        Ok(text) => tree::parse(&path.display().to_string(), &text).map_err(End::File),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(TomlTable::default()),
        Err(error) => Err(storage(path, &error).into()),
    }
}

/// Puts what the operator says of the node `me` into its tables, key by key; rows of a list that
/// have one name are one. What all nodes are told of a peer leaves that peer itself out.
fn merge(into: &mut TomlTable, own: TomlTable, me: &str) {
    for Entry { key, mut item, .. } in own.entries {
        match (into.get_mut(&key), &mut item.data) {
            (Some(Data::Table(known)), Data::Table(said)) => merge(known, mem::take(said), me),
            (Some(Data::List(known)), Data::List(said)) if name_of(said.first()).is_some() => {
                said.retain(|row| name_of(Some(row)) != Some(me));
                for mut row in said.drain(..) {
                    let same = |one: &&mut Item| name_of(Some(one)) == name_of(Some(&row));
                    match (known.iter_mut().find(same), &mut row.data) {
                        (
                            Some(Item {
                                data: Data::Table(one),
                                ..
                            }),
                            Data::Table(more),
                        ) => {
                            merge(one, mem::take(more), me);
                        }
                        _ => known.push(row),
                    }
                }
            }
            _ => into.set(&key, item),
        }
    }
}

/// The name that a row of a list has.
fn name_of(row: Option<&Item>) -> Option<&str> {
    row?.data.table()?.get("name")?.item.data.text()
}
