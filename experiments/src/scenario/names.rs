//! The names of the tables of a scenario: each has one of its own among those of its kind.

use std::collections::BTreeMap;

use fairhaul_config::document::{Document, Place};
use fairhaul_config::fault::did_you_mean;
use fairhaul_config::text::Name;

use super::BadFile;
use super::file::File;

/// Refuses the first name that a table before it has.
pub(crate) fn check(document: &Document, file: &File) -> Result<(), BadFile> {
    unique(document, "link", file.links.iter().map(|row| &row.name))?;
    unique(document, "peer", file.peers.iter().map(|row| &row.name))?;
    unique(document, "class", file.classes.iter().map(|row| &row.name))?;
    unique(
        document,
        "content",
        file.contents.iter().map(|row| &row.name),
    )?;
    unique(
        document,
        "transfer",
        file.transfers.iter().map(|row| &row.name),
    )?;
    unique(
        document,
        "workload",
        file.workloads.iter().map(|row| &row.name),
    )
}

fn unique<'n>(
    document: &Document,
    section: &str,
    names: impl Iterator<Item = &'n Name>,
) -> Result<(), BadFile> {
    let mut first = BTreeMap::new();
    for (at, name) in names.enumerate() {
        let place = document.place().key(section).row(at).key("name");
        if let Some(line) = first.insert(name, place.line()) {
            let what = format!("is the name of two, the first on line {line}");
            return Err(place.bad(what, "a name of its own for each"));
        }
    }
    Ok(())
}

/// The fault of a reference to nothing: there is no `noun` called `name`.
pub(crate) fn unknown<'n>(
    at: &Place<'_>,
    noun: &str,
    name: &str,
    names: impl IntoIterator<Item = &'n str> + Clone,
) -> BadFile {
    /// Names that a message lists at most.
    const SHOWN: usize = 12;
    let what = did_you_mean(format!("is an unknown {noun}"), name, names.clone());
    let total = names.clone().into_iter().count();
    let mut allowed = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if total > SHOWN {
        allowed.push_str(", ...");
    }
    if total == 0 {
        allowed = format!("none: there is no {noun}");
    }
    at.bad_got(what, &format!("\"{name}\""), allowed)
}
