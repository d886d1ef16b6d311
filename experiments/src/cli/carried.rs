//! Scenarios and data files that the program carries, for where there is no clone of the
//! repository.

use std::path::Path;

use include_dir::{Dir, include_dir};

use super::CliFailure;
use crate::output::OutputError;

/// Where the files of a clone are, from its root.
pub(super) const FOLDER: &str = "experiments";

const PARTS: [(&str, Dir<'_>); 2] = [
    ("scenarios", include_dir!("$CARGO_MANIFEST_DIR/scenarios")),
    ("data", include_dir!("$CARGO_MANIFEST_DIR/data")),
];

/// Writes them into a new folder [`FOLDER`] here, and says so; where one is it stays as it is.
pub(super) fn lay_out() -> Result<(), CliFailure> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    for (name, files) in PARTS {
        let part = folder.join(name);
        std::fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        files.extract(&part).map_err(OutputError::io(&part))?;
    }
    let version = env!("CARGO_PKG_VERSION");
    eprintln!("fairlab: {FOLDER}/ is new here: scenarios and data that fairlab {version} carries");
    Ok(())
}
