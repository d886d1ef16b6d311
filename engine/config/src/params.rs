//! The parameter file of a node, as serde structs.
//!
//! [`ParameterFile::load`] reads and checks it. A parameter file includes no other file.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amount::{FileWeight, FloorRate, RateLimit, SizeLimit, TimeBetween};
use crate::document::Document;
use crate::fault::BadFile;
use crate::file::read_text;
use crate::named::NamedTables;
use crate::policy::Policy;
use crate::range::AddressRanges;
use crate::schema::{self, Section};
use crate::text::{Address, FilePath, Folder, Name, PeerKey};
use crate::tree;

mod check;
mod limits;

pub use limits::{BurstTime, LimitParams, ScheduleEntry};

/// Longest parameter file. Limit L12 allows 64 MiB; nobody writes this much by hand.
const FILE_MAX: u64 = 1024 * 1024;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const HOUR: u64 = 3_600 * SECOND;

/// A path as long as Linux takes one.
type AnyPath = FilePath<4_095>;

/// The parameter file of a node, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterFile {
    /// This node.
    #[schemars(extend("allowed" = "[node], once"))]
    pub node: NodeParams,
    /// A node that this one knows. Repeat the section for each.
    #[serde(default, rename = "peer", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("allowed" = "[[peer]], once for each"))]
    pub peers: Vec<PeerParams>,
    /// Peers that share a right or a limit. Repeat the section with other names.
    #[serde(
        default,
        rename = "group",
        skip_serializing_if = "NamedTables::is_empty"
    )]
    #[schemars(extend("allowed" = "[group.NAME], once for each name"))]
    pub groups: NamedTables<GroupParams>,
    /// Who is served next.
    #[serde(default)]
    #[schemars(extend("allowed" = "[policy], once"))]
    pub policy: Policy,
    /// What this node may send and receive in all. Every rate has a unit.
    #[serde(default)]
    #[schemars(extend("allowed" = "[limits], once"))]
    pub limits: LimitParams,
    /// Where commands reach the running node.
    #[serde(default)]
    #[schemars(extend("allowed" = "[control], once"))]
    pub control: ControlParams,
}

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeParams {
    /// Its name, for people and tables.
    #[schemars(example = &"vm-1")]
    pub name: Name,
    /// Where peers reach it.
    #[serde(default = "Address::any")]
    pub listen: Address,
    /// Where contents and state are kept.
    #[serde(default = "data")]
    pub data: AnyPath,
    /// The file of its private key; without one, identity.key in the data.
    #[schemars(example = &"/var/lib/fairhaul/identity.key")]
    pub key: Option<AnyPath>,
    /// Whether it tells the peers listed here of each other, and hears of addresses from them.
    #[serde(default = "yes")]
    #[schemars(extend("allowed" = "true or false"))]
    pub exchange: bool,
    /// Private ranges in which an address that a peer tells of may be dialled; public ones
    /// always may.
    #[serde(default)]
    pub private_addresses: AddressRanges,
    /// How long a `get` waits for chunks that no connected peer has, before it ends with what
    /// is missing; the transfer itself goes on.
    #[serde(default = "patience")]
    pub patience: TimeBetween<MILLISECOND, HOUR>,
}

/// One `[[peer]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerParams {
    /// Its name here.
    #[schemars(example = &"vm-2")]
    pub name: Name,
    /// Where to reach it; without one it has to call first.
    #[schemars(example = &"vm-2:7440")]
    pub address: Option<Address>,
    /// Its public key, which is its identity.
    #[schemars(example = &"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")]
    pub key: PeerKey,
    /// Its right to a proportion.
    #[serde(default)]
    pub weight: FileWeight,
    /// What is sent to it at most.
    #[serde(default)]
    pub upload: RateLimit,
    /// What is sent to it at least while it wants something.
    #[serde(default)]
    pub floor: FloorRate,
    /// The group that it is in.
    #[schemars(example = &"lab")]
    pub group: Option<Name>,
    /// It may push to us, into this folder of the data, where the node keeps nothing of its
    /// own; without one it may not.
    #[schemars(example = &"inbox")]
    pub accept: Option<Folder>,
    /// What it may push in all, as long as it lies in its folder.
    #[serde(default = "quota")]
    pub quota: SizeLimit,
}

/// One `[group.NAME]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupParams {
    /// Its right to a proportion where shares are per group.
    pub weight: FileWeight,
    /// What is sent to its members together at most.
    pub upload: RateLimit,
    /// What is sent to its members together at least while they want something.
    pub floor: FloorRate,
}

/// `[control]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ControlParams {
    /// The socket of the command line.
    pub socket: FilePath<107>,
    /// Where JSON, metrics and a page are served; without one they are not.
    #[schemars(example = &"127.0.0.1:7441")]
    pub http: Option<Address>,
    /// The file of the token that HTTP asks for, made if it is missing; without one, token in
    /// the data.
    #[schemars(example = &"/var/lib/fairhaul/token")]
    pub token: Option<AnyPath>,
}

fn data() -> AnyPath {
    FilePath::new("/var/lib/fairhaul")
}

const fn yes() -> bool {
    true
}

const fn patience() -> TimeBetween<MILLISECOND, HOUR> {
    TimeBetween::new(120 * SECOND)
}

const fn quota() -> SizeLimit {
    SizeLimit::At(fairhaul_core::units::ByteCount::mib(10 * 1024))
}

impl NodeParams {
    /// What a node of this name is if nothing else is said.
    #[must_use]
    pub fn named(name: Name) -> Self {
        Self {
            name,
            listen: Address::any(),
            data: data(),
            key: None,
            exchange: yes(),
            private_addresses: AddressRanges::default(),
            patience: patience(),
        }
    }
}

impl PeerParams {
    /// What is known of a peer if nothing else is said.
    #[must_use]
    pub fn of(name: Name, key: PeerKey) -> Self {
        Self {
            name,
            address: None,
            key,
            weight: FileWeight::default(),
            upload: RateLimit::Unlimited,
            floor: FloorRate::default(),
            group: None,
            accept: None,
            quota: quota(),
        }
    }
}

impl Default for ControlParams {
    fn default() -> Self {
        Self {
            socket: FilePath::new("/run/fairhaul/control.sock"),
            http: None,
            token: None,
        }
    }
}

impl ParameterFile {
    /// Reads and checks the file at `path`. Relative paths in it are relative to its folder, so
    /// that a node is the same wherever it is started from.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn load(path: &Path) -> Result<Self, BadFile> {
        let text = read_text(path, FILE_MAX)?;
        let file = path.display().to_string();
        let document = Document::parse(&file, &text)?;
        let mut params: Self = document.read()?;
        params.stand_beside(path, &document)?;
        check::check(&document, &params)?;
        Ok(params)
    }

    /// Makes relative paths those that they are from the folder of the file at `path`.
    fn stand_beside(&mut self, path: &Path, document: &Document) -> Result<(), BadFile> {
        // Where the folder of the process is not known, its paths stay relative to it.
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = whole.parent().unwrap_or_else(|| Path::new("/"));
        let (node, control) = (&mut self.node, &mut self.control);
        let key = node.key.as_mut().map(|key| key.stand_in(folder));
        let token = control.token.as_mut().map(|token| token.stand_in(folder));
        let stood = [
            ("node", "data", node.data.stand_in(folder)),
            ("node", "key", key.unwrap_or(Ok(()))),
            ("control", "socket", control.socket.stand_in(folder)),
            ("control", "token", token.unwrap_or(Ok(()))),
        ];
        for (section, key, stood) in stood {
            stood.map_err(|fault| document.bad(&[section.into(), key.into()], fault))?;
        }
        Ok(())
    }

    /// Reads and checks `text`, which messages call `file`.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, BadFile> {
        let document = Document::parse(file, text)?;
        let params: Self = document.read()?;
        check::check(&document, &params)?;
        Ok(params)
    }

    /// The file with every default written out. It is a parameter file again, and its own
    /// resolved file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut tables = Vec::new();
        let mut table = |header: String, keys: &toml::Value| {
            let keys = keys.as_table().into_iter().flatten();
            let lines = keys.map(|(key, value)| format!("{key} = {value}\n"));
            tables.push(format!("{header}\n{}", lines.collect::<String>()));
        };
        for (name, section) in &self.to_table() {
            match section {
                toml::Value::Array(rows) => {
                    rows.iter()
                        .for_each(|row| table(format!("[[{name}]]"), row));
                }
                toml::Value::Table(groups) if name == "group" => {
                    for (group, keys) in groups {
                        table(format!("[{name}.{}]", tree::key(group)), keys);
                    }
                }
                once => table(format!("[{name}]"), once),
            }
        }
        tables.join("\n")
    }

    /// The same as JSON: the sections of [`ParameterFile::to_toml`], amounts with their units.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.to_table()).expect("JSON holds what TOML holds")
    }

    fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("TOML holds what was read from it")
    }

    /// The file of the node's private key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.below_data(self.node.key.as_ref(), "identity.key")
    }

    /// The file of the token that HTTP asks for.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.below_data(self.control.token.as_ref(), "token")
    }

    /// The path that is given, else `name` in the data.
    fn below_data(&self, given: Option<&AnyPath>, name: &str) -> PathBuf {
        given.map_or_else(|| self.node.data.join(name), |path| path.to_path_buf())
    }
}

/// The sections, and the tables inside them.
fn sections() -> [Section; 7] {
    [
        Section::of::<NodeParams>("node"),
        Section::of::<PeerParams>("peer"),
        Section::of::<GroupParams>("group"),
        Section::of::<Policy>("policy"),
        Section::of::<LimitParams>("limits"),
        Section::of::<ScheduleEntry>("limits.schedule"),
        Section::of::<ControlParams>("control"),
    ]
}

/// The JSON schema (draft 2020-12) of a parameter file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schema::schema::<ParameterFile>("fairhaul parameter file")
}

/// The parameter file that a new node starts from: every key with what it means, what it may
/// be and its default. What has no default is an example behind a `#`.
#[must_use]
pub fn template() -> String {
    let head = "Parameters of a fairhaul node. `fairhaul check FILE` checks it and shows what is \
                in force. A line that starts with # and a blank explains; a line that starts with \
                # alone is an example, and is in force without the #. A path that is not absolute \
                starts in the folder of this file.";
    schema::template::<ParameterFile>(head, &sections())
}

/// The reference page of the parameter file, `docs/reference/parameter-file.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# The parameter file of a node\n\n\
                TOML. `fairhaul init` prints one with every key explained, `fairhaul check FILE` \
                checks one and prints what is in force, `fairhaul schema` prints its JSON schema. \
                This page is made from the types in `engine/config/src/params.rs`, as those are. \
                A path that is not absolute starts in the folder of the file.";
    schema::reference::<ParameterFile>(head, &sections())
}

#[cfg(test)]
mod tests;
