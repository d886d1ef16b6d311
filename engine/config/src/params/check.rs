//! What the types of a parameter file cannot say: names that are unique and lead somewhere,
//! floors that can be kept, entries that last, folders that are nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fairhaul_core::id::GroupId;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::uplink::{Over, Promises, Unkept};

use super::{ParameterFile, PeerParams};
use crate::calendar::TimeOfDay;
use crate::document::{Document, Step};
use crate::fault::{BadFile, BadValue, did_you_mean, quoted};
use crate::tree::key;

/// Files and folders of the data that the node keeps for itself, beside those that the file
/// names. What lies there is state at the next start.
const OWN: [&str; 6] = [
    "bans.json",
    "bans.part",
    "contents",
    "lock",
    "trusted.json",
    "trusted.part",
];

/// Refuses the first contradiction in `params`, which were read from `document`.
pub(super) fn check(document: &Document, params: &ParameterFile) -> Result<(), BadFile> {
    schedule(document, params)?;
    names(document, params)?;
    floors(document, params)?;
    inboxes(document, params)
}

fn of_peer(at: usize, key: &str) -> [Step; 3] {
    ["peer".into(), at.into(), key.into()]
}

/// An entry says something, and lasts.
fn schedule(document: &Document, params: &ParameterFile) -> Result<(), BadFile> {
    for (at, entry) in params.limits.schedule.iter().enumerate() {
        let row: [Step; 3] = ["limits".into(), "schedule".into(), at.into()];
        let of = |key: &str| [&row[..], &[key.into()]].concat();
        if entry.from == TimeOfDay::END {
            let fault = BadValue::new("is the end of a day");
            let fault = fault.allowing("a time of day from \"00:00\" to \"23:59\"");
            return Err(document.bad(&of("from"), fault));
        }
        if entry.from == entry.to {
            let allowed = "another time than \"from\"; a whole day is \"00:00\" to \"24:00\"";
            let fault = BadValue::new("is when the entry begins").allowing(allowed);
            return Err(document.bad(&of("to"), fault));
        }
        if entry.upload.is_none() && entry.download.is_none() {
            let fault = BadValue::new("limits nothing").got("neither");
            let fault = fault.allowing("upload, download or both");
            return Err(document.bad(&row, fault));
        }
    }
    Ok(())
}

/// Names and keys are unique, and a group that is named exists.
fn names(document: &Document, params: &ParameterFile) -> Result<(), BadFile> {
    let groups: BTreeSet<&str> = params.groups.iter().map(|(name, _)| &**name).collect();
    let (mut names, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for (at, peer) in params.peers.iter().enumerate() {
        if peer.name == params.node.name {
            let fault = BadValue::new("is the name of this node").allowing("another name");
            return Err(document.bad(&of_peer(at, "name"), fault));
        }
        let name = names.insert(&peer.name, at).map(|first| (first, "name"));
        // A key has two spellings, and is one key.
        let taken = name.or_else(|| {
            let first = keys.insert(peer.key.bytes(), at);
            first.map(|first| (first, "key"))
        });
        if let Some((first, unique)) = taken {
            let line = document.line(&["peer".into(), first.into()]);
            let fault = BadValue::new(format!("is taken by the peer of line {line}"));
            let fault = fault.allowing(format!("another {unique}"));
            return Err(document.bad(&of_peer(at, unique), fault));
        }
        let Some(group) = peer.group.as_deref() else {
            continue;
        };
        if !groups.contains(group) {
            let what = did_you_mean("is an unknown group", group, groups.iter().copied());
            let listed: Vec<&str> = groups.iter().copied().collect();
            let allowed = if listed.is_empty() {
                format!("a group with a section, such as [group.{}]", key(group))
            } else {
                listed.join(", ")
            };
            let fault = BadValue::new(what).allowing(allowed);
            return Err(document.bad(&of_peer(at, "group"), fault));
        }
    }
    Ok(())
}

/// Refuses the first floor that is above the cap over it, or makes a sum that is, by the
/// core's rule. The schedule is left out: a floor yields to a limit that holds for a time.
fn floors(document: &Document, params: &ParameterFile) -> Result<(), BadFile> {
    let mut promises = Promises::new(params.limits.upload.rate());
    let mut groups = BTreeMap::new();
    for ((name, group), id) in params.groups.iter().zip(0..) {
        groups.insert(name, GroupId(id));
        let kept = promises.group(GroupId(id), group.floor.0, group.upload.get());
        let steps = || ["group".into(), (&**name).into(), "floor".into()];
        kept.map_err(|unkept| document.bad(&steps(), unkept_floor(&unkept, None)))?;
    }
    for (at, peer) in params.peers.iter().enumerate() {
        let group = peer.group.as_ref().map(|name| groups[name]);
        let kept = promises.member(peer.floor.0, peer.upload.get(), group);
        kept.map_err(|unkept| {
            document.bad(&of_peer(at, "floor"), unkept_floor(&unkept, Some(peer)))
        })?;
    }
    Ok(())
}

fn unkept_floor(unkept: &Unkept, peer: Option<&PeerParams>) -> BadValue {
    let cap = Quantity::Rate.text(unkept.capacity.get());
    let what = match unkept.over {
        Over::Own => format!("is above the cap of {cap}"),
        Over::Group(_) => {
            let group = peer.and_then(|peer| peer.group.as_deref());
            let group = group.unwrap_or_default();
            format!("brings the sum of floors in group {group:?} above the cap of {cap}")
        }
        Over::Node => format!("brings the sum of all floors above the cap of {cap}"),
    };
    BadValue::new(what)
        .got(Quantity::Rate.text(unkept.sum.get()))
        .allowing(format!("at most {cap}"))
}

/// Refuses a folder to push into that is, holds or lies in something of the node's own.
fn inboxes(document: &Document, params: &ParameterFile) -> Result<(), BadFile> {
    // A path that cannot be made absolute is that of a folder that is not there.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let data = absolute(&params.node.data);
    let mut own: Vec<PathBuf> = OWN.iter().map(|name| data.join(name)).collect();
    let named = [
        params.key_file(),
        params.token_file(),
        params.control.socket.to_path_buf(),
    ];
    own.extend(named.iter().map(|path| absolute(path)));
    for (at, peer) in params.peers.iter().enumerate() {
        let Some(folder) = peer.accept.as_deref() else {
            continue;
        };
        let inbox = data.join(folder);
        let meets = |own: &&PathBuf| own.starts_with(&inbox) || inbox.starts_with(own);
        if let Some(taken) = own.iter().find(meets) {
            let taken = taken.strip_prefix(&data).unwrap_or(taken);
            let fault = BadValue::new(format!("is where the node keeps {}", taken.display()))
                .got(quoted(folder))
                .allowing("another folder below the data folder, such as \"inbox\"");
            return Err(document.bad(&of_peer(at, "accept"), fault));
        }
    }
    Ok(())
}
