//! What a scenario may say once: each table has a name of its own among those of its kind, and a
//! list of outputs names each once.

use std::collections::BTreeMap;

use fairhaul_config::document::Document;
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::text::Name;

use super::BadFile;
use super::file::File;

/// Refuses the first name that a table before it has.
pub(crate) fn check(document: &Document, file: &File) -> Result<(), BadFile> {
    unique(document, "link", file.links.iter().map(|row| &row.name))?;
    unique(document, "peer", file.peers.iter().map(|row| &row.own.name))?;
    unique(
        document,
        "class",
        file.classes.iter().map(|row| &row.own.name),
    )?;
    unique(
        document,
        "content",
        file.contents.iter().map(|row| &row.name),
    )?;
    unique(
        document,
        "transfer",
        file.transfers.iter().map(|row| &row.ends.name),
    )?;
    unique(
        document,
        "workload",
        file.workloads.iter().map(|row| &row.ends.name),
    )?;
    once(document, "windows", &file.output.windows)?;
    once(document, "files", &file.output.files)
}

/// Refuses the first member of a list of `[output]` that is there before.
fn once<T: PartialEq>(document: &Document, key: &str, members: &[T]) -> Result<(), BadFile> {
    let list = document.place().key("output").key(key);
    for (at, member) in members.iter().enumerate() {
        if members[..at].contains(member) {
            return Err(list.row(at).bad("is given twice", "each once"));
        }
    }
    Ok(())
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
    noun: &str,
    name: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> BadValue {
    /// Names that a message lists at most.
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let what = did_you_mean(format!("is an unknown {noun}"), name, names.iter().copied());
    let allowed = match names.len() {
        0 => format!("none: there is no {noun}"),
        1..=SHOWN => names.join(", "),
        _ => names[..SHOWN].join(", ") + ", ...",
    };
    let fault = BadValue::new(what).got(format!("\"{name}\""));
    fault.allowing(allowed)
}
