//! Walks the entries below a path, with their stamps.
//!
//! No file is read but those of ignore patterns.

use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, Walk, WalkBuilder};

use super::{EntryKind, IGNORE_FILE, Options, ScanError, Skipped, Stamp, TreeEntry, Why, io_error};
use crate::content::path::{check_bytes, order, shown};
use crate::content::tree::{BadManifest, ENTRIES_MAX};

/// The bit of a mode that lets its owner run a file.
const OWNER_RUNS: u32 = 0o100;

/// What a walk found: entries in their order, and a stamp for each.
pub(super) struct Found {
    pub(super) base: PathBuf,
    pub(super) entries: Vec<TreeEntry>,
    pub(super) stamps: Vec<Stamp>,
    pub(super) skipped: Vec<Skipped>,
}

/// The entries of the file or directory at `root`.
pub(super) fn walk(root: &Path, options: &Options<'_>) -> Result<Found, ScanError> {
    let real = fs::canonicalize(root).map_err(io_error("open", root))?;
    let metadata = fs::metadata(&real).map_err(io_error("open", root))?;
    let base = match (real.parent(), real.file_name()) {
        (Some(base), Some(_)) if metadata.is_file() || metadata.is_dir() => base.to_owned(),
        _ => return Err(ScanError::NotContent(root.to_owned())),
    };
    let mut walker = Walker {
        base: &base,
        rows: Vec::new(),
        skipped: Vec::new(),
        below: None,
        skip_unportable: options.skip_unportable,
    };
    if metadata.is_file() {
        let path = walker.name(&real)?;
        walker.rows.push(row(path, &metadata));
    } else {
        // The name of the whole has nothing that could be left out instead.
        walker.name(&real)?;
        for entry in below(&real, options)? {
            if options.cancel.load(Ordering::Relaxed) {
                return Err(ScanError::Cancelled);
            }
            walker.visit(&entry.map_err(|why| walk_error(&why))?)?;
        }
    }
    let (mut rows, skipped) = (walker.rows, walker.skipped);
    rows.sort_by(|a, b| order(&a.0.path, &b.0.path));
    drop_filled(&mut rows);
    let (entries, stamps) = rows.into_iter().unzip();
    Ok(Found {
        base,
        entries,
        stamps,
        skipped,
    })
}

/// Everything at and below `root` that no pattern names.
fn below(root: &Path, options: &Options<'_>) -> Result<Walk, ScanError> {
    let patterns = patterns(root, &options.ignore)?;
    let named = move |entry: &DirEntry| {
        let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        patterns.matched(entry.path(), folder).is_ignore()
    };
    Ok(WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .filter_entry(move |entry| entry.depth() == 0 || !named(entry))
        .build())
}

fn patterns(root: &Path, lines: &[String]) -> Result<Gitignore, ScanError> {
    let mut builder = GitignoreBuilder::new(root);
    for line in lines {
        let added = builder.add_line(None, line);
        added.map_err(|why| ScanError::Pattern(shown(&why.to_string())))?;
    }
    let built = builder.build();
    built.map_err(|why| ScanError::Pattern(shown(&why.to_string())))
}

/// What the walk itself could not do, with its place.
fn walk_error(why: &ignore::Error) -> ScanError {
    match place(why, None) {
        (Some(path), Some(source)) => ScanError::Io {
            what: "read",
            path,
            source,
        },
        _ => ScanError::Pattern(shown(&why.to_string())),
    }
}

/// The path and the system's word in an error of the walk.
fn place(why: &ignore::Error, at: Option<&Path>) -> (Option<PathBuf>, Option<std::io::Error>) {
    match why {
        ignore::Error::WithPath { path, err } => place(err, Some(path)),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            place(err, at)
        }
        ignore::Error::Io(source) => {
            let code = source.raw_os_error().map(std::io::Error::from_raw_os_error);
            let source = code.unwrap_or_else(|| source.kind().into());
            (at.map(Path::to_owned), Some(source))
        }
        _ => (None, None),
    }
}

/// Entries with nothing in them that has an entry of its own are directories that others imply.
fn drop_filled(rows: &mut Vec<(TreeEntry, Stamp)>) {
    let filled: Vec<bool> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .map(|((entry, _), (next, _))| {
            let rest = next.path.strip_prefix(&*entry.path);
            entry.kind == EntryKind::EmptyDirectory
                && rest.is_some_and(|rest| rest.starts_with('/'))
        })
        .collect();
    let mut filled = filled.into_iter();
    rows.retain(|_| !filled.next().unwrap_or(false));
}

fn row(path: Box<str>, metadata: &Metadata) -> (TreeEntry, Stamp) {
    let kind = if metadata.is_dir() {
        EntryKind::EmptyDirectory
    } else {
        EntryKind::File {
            bytes: metadata.len(),
            executable: metadata.permissions().mode() & OWNER_RUNS != 0,
        }
    };
    (TreeEntry { path, kind }, Stamp::of(metadata))
}

struct Walker<'a> {
    base: &'a Path,
    rows: Vec<(TreeEntry, Stamp)>,
    skipped: Vec<Skipped>,
    /// A directory that is left out: so is what the walk finds below it, which comes next.
    below: Option<PathBuf>,
    skip_unportable: bool,
}

impl Walker<'_> {
    fn visit(&mut self, entry: &DirEntry) -> Result<(), ScanError> {
        let path = entry.path();
        if let Some(why) = entry.error() {
            return Err(walk_error(why));
        }
        if self.below.as_ref().is_some_and(|out| path.starts_with(out)) {
            return Ok(());
        }
        let metadata = entry.metadata().map_err(|why| walk_error(&why))?;
        if let Some(why) = left_out(metadata.file_type()) {
            self.skip(path, why);
            return Ok(());
        }
        let name = match self.name(path) {
            Err(ScanError::Name { source, .. }) if self.skip_unportable && entry.depth() > 0 => {
                self.below = Some(path.to_owned());
                self.skip(path, Why::Name(source));
                return Ok(());
            }
            name => name?,
        };
        if self.rows.len() > 2 * ENTRIES_MAX {
            // Directories that others imply are dropped later; this many cannot become few.
            return Err(ScanError::Manifest {
                path: self.base.to_owned(),
                source: BadManifest::Entries(self.rows.len() as u64),
            });
        }
        self.rows.push(row(name, &metadata));
        Ok(())
    }

    fn skip(&mut self, path: &Path, why: Why) {
        let path = path.to_owned();
        self.skipped.push(Skipped { path, why });
    }

    /// The path of an entry in the tree.
    fn name(&self, path: &Path) -> Result<Box<str>, ScanError> {
        let relative = path.strip_prefix(self.base).unwrap_or(path);
        let name = check_bytes(relative.as_os_str().as_encoded_bytes());
        name.map(Into::into).map_err(|source| ScanError::Name {
            path: path.to_owned(),
            source,
        })
    }
}

fn left_out(kind: FileType) -> Option<Why> {
    if kind.is_symlink() {
        Some(Why::Symlink)
    } else if kind.is_file() || kind.is_dir() {
        None
    } else {
        Some(Why::Special)
    }
}
