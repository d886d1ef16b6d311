//! Writes files of this user alone that are durable, contents and name, when a call returns; and
//! some that need not be.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The rights of every file that is written here, whatever the mask of the process is.
const OWN: u32 = 0o600;

/// Writes a new file. A file that cannot be written to its end is removed: half of it is of no use,
/// and would be in the way of the next attempt.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(OWN).open(path)?;
    let written = fill(&file, bytes).and_then(|()| sync_folder(path));
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

/// Replaces the file at `path` at once: after a crash it is the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    fill(&open_part(&part)?, bytes)?;
    fs::rename(&part, path)?;
    sync_folder(path)
}

/// As [`replace`], but a loss of power may leave the old file, the new one, an empty one or none.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    write(&open_part(&part)?, bytes)?;
    fs::rename(&part, path)
}

fn open_part(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(OWN);
    options.open(path)
}

fn fill(file: &File, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes)?;
    file.sync_all()
}

fn write(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    // A mask takes rights away, also those of the owner.
    file.set_permissions(Permissions::from_mode(OWN))?;
    file.write_all(bytes)
}

/// Makes the name of `path` durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
