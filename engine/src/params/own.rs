//! What the node keeps for itself in its data: no peer may push there.
//!
//! A file that lies where state belongs is state at the next start, so an inbox can neither be,
//! hold nor lie in any of it.

use std::path::{Path, PathBuf};

use super::Params;
use super::bad::{BadFile, Fault};
use super::kind::quoted;
use super::row::Source;

/// Files and folders of the data, beside those that the file names.
const OWN: [&str; 6] = [
    "bans.json",
    "bans.part",
    "contents",
    "lock",
    "trusted.json",
    "trusted.part",
];

/// Refuses an inbox among the node's own files.
pub(super) fn check(source: &Source<'_>, params: &Params) -> Result<(), BadFile> {
    let (node, control) = (params.node(), params.control());
    // A path that cannot be made absolute is that of a folder that is not there.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let data = absolute(&node.data);
    let mut own: Vec<PathBuf> = OWN.iter().map(|name| data.join(name)).collect();
    own.extend([&node.key, &control.token, &control.socket].map(|path| absolute(path)));
    for peer in params.rows("peer") {
        let Some(folder) = peer.text("accept") else {
            continue;
        };
        let inbox = data.join(folder);
        let meets = |own: &&PathBuf| own.starts_with(&inbox) || inbox.starts_with(own);
        if let Some(taken) = own.iter().find(meets) {
            let taken = taken.strip_prefix(&data).unwrap_or(taken);
            let what = format!("is where the node keeps {}", taken.display());
            let allowed = "another folder below the data folder, such as \"inbox\"";
            return Err(peer.bad(source, "accept", Fault::new(what, quoted(folder), allowed)));
        }
    }
    Ok(())
}
