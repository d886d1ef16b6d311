//! Scenarios and data files that the program carries, for where there is no clone of the
//! repository.

use std::path::Path;

use include_dir::{Dir, include_dir};

use super::CliFailure;
use crate::output::OutputError;

/// Where the files of a clone are, from its root.
const FOLDER: &str = "experiments";

const PARTS: [(&str, Dir<'_>); 2] = [
    ("scenarios", include_dir!("$CARGO_MANIFEST_DIR/scenarios")),
    ("data", include_dir!("$CARGO_MANIFEST_DIR/data")),
];

/// Whether a path is that of one of the files.
pub(super) fn has(path: &Path) -> bool {
    PARTS.iter().any(|(name, files)| {
        let within = path.strip_prefix(Path::new(FOLDER).join(name));
        within.is_ok_and(|file| files.get_file(file).is_some())
    })
}

/// Writes them into a new folder [`FOLDER`] here, and says so; where one is it stays as it is.
pub(super) fn lay_out() -> Result<(), CliFailure> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    // The folder has its name once all files are in it.
    let made = folder.with_extension("new");
    for (name, files) in PARTS {
        let part = made.join(name);
        std::fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        files.extract(&part).map_err(OutputError::io(&part))?;
    }
    std::fs::rename(&made, folder).map_err(OutputError::io(folder))?;
    let version = env!("CARGO_PKG_VERSION");
    eprintln!("fairlab: {FOLDER}/ is new here: scenarios and data that fairlab {version} carries");
    Ok(())
}
