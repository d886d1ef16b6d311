//! Contents that swarms distribute, with their seeds and leechers.
//!
//! A content without a seed or without a leecher is refused, and a peer that would be both.

use fairhaul_config::BadFile;
use fairhaul_simulator::setup::ContentSetup;

use super::selector::Who;
use super::{Build, rows};

/// Every content.
pub(super) fn contents(build: &Build<'_>, who: &Who) -> Result<Vec<ContentSetup>, BadFile> {
    let mut contents = Vec::new();
    for row in rows(build.document, "content", &build.file.contents) {
        let (at_seeds, at_leechers) = (row.key("seeds"), row.key("leechers"));
        let seeds = who.all(&at_seeds, &row.seeds)?;
        let leechers = who.all(&at_leechers, &row.leechers)?;
        for (at, peers) in [(&at_seeds, &seeds), (&at_leechers, &leechers)] {
            if peers.is_empty() {
                return Err(at.bad("has no peers", "at least one peer"));
            }
        }
        let mut held = seeds.clone();
        held.sort_unstable();
        if leechers.iter().any(|peer| held.binary_search(peer).is_ok()) {
            return Err(
                at_leechers.bad("names a peer that is a seed", "peers that are not in seeds")
            );
        }
        contents.push(ContentSetup {
            name: row.name.to_string(),
            bytes: row.bytes.0,
            chunk: row.chunk.0,
            seeds,
            leechers,
            start: Vec::new(),
        });
    }
    Ok(contents)
}
