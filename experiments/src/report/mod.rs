//! Figures, one self-contained page and a script from a finished result.
//!
//! Reads tables, never runs anything; the same tables give the same bytes.

mod chart;
mod data;
mod figures;
pub mod headline;
mod plan;

use std::path::{Path, PathBuf};

use crate::output::{OutputError, Results, read_manifest};

/// Draws every figure that the result in `dir` has into `dir/figures`. Gives the files.
///
/// # Errors
///
/// [`OutputError`] if the result is unfinished or not a result, or a file cannot be written.
pub fn write_figures(dir: &Path) -> Result<Vec<PathBuf>, OutputError> {
    read_manifest(dir)?;
    let results = Results::read(dir)?;
    let mut files = Vec::new();
    for figure in plan::figures(dir, &results)? {
        files.extend(figures::draw(&figure, &dir.join("figures"))?.files);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture;

    #[test]
    fn show_me() {
        for (name, runs) in [
            ("t", fixture::transfer_runs(5)),
            ("l", fixture::load_runs(5)),
            ("s", fixture::swarm_runs(5)),
        ] {
            let dir = Path::new("/tmp/fig").join(name);
            fixture::write_result(&dir, &runs);
            eprintln!("{:?}", write_figures(&dir).unwrap());
        }
    }
}
