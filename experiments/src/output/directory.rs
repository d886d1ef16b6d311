//! A directory that a result grows in, one run at a time, in any order.
//!
//! Each finished run is a directory of its own under `.runs`, renamed into place when it is
//! complete: that is what a sweep resumes from. At the end the tables are put together in
//! the order of the plan, whatever the order of the threads was. A finished result is taken
//! apart again when runs are added to it.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, Writer};

use fairhaul_results::{HLOG_HEADER, MANIFEST, ResultManifest};

use super::manifest::{self, Facts};
use super::shard::{SHARDS, ShardManifest};
use super::{OutputError, RunRow, tables, unpack, write_whole};
use crate::published::CLAIMS;

/// Files of a result beside its manifest, in the order in which they are listed.
pub(super) const FILES: [&str; 13] = [
    "runs.csv",
    "peers.csv",
    "transfers.csv",
    "windows.csv",
    "pairs.csv",
    "latency.csv",
    HLOG,
    "summary.csv",
    "paired.csv",
    "worlds.csv",
    "oracle.csv",
    CLAIMS,
    OVERVIEW,
];
/// What the terminal shows of a result, as plain text.
pub(crate) const OVERVIEW: &str = "overview.txt";
/// Tables of which every run has its own part.
pub(super) const PARTS: [&str; 6] = [
    "runs.csv",
    "peers.csv",
    "transfers.csv",
    "windows.csv",
    "pairs.csv",
    "latency.csv",
];
/// Histograms, of which every run has its own lines.
pub(super) const HLOG: &str = "latency.hlog";
const RUNS_DIR: &str = ".runs";
/// What the runs of an unfinished result belong to.
const KEY: &str = "plan";
/// The command that began an unfinished result.
const COMMAND: &str = "command";

/// What becomes of a result that is where a new one is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the new one is refused.
    Refuse,
    /// Its runs are kept, finished or interrupted, if they are of the same plan.
    Resume,
    /// It goes.
    Replace,
}

/// A result in the making. Threads may share it.
#[derive(Debug)]
pub struct ResultDir {
    path: PathBuf,
    /// Tables that are wanted, without `.csv`; none wants all.
    files: Option<Vec<String>>,
}

impl ResultDir {
    /// Makes `path` ready for a result, before anything is run. `plan` stands for everything
    /// that decides the runs, `command` is what makes the result.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotAResult`] if something else is there; [`OutputError::Finished`] or
    /// [`OutputError::Begun`] if there are runs already and `existing` refuses them;
    /// [`OutputError::OtherPlan`] if they cannot be resumed; [`OutputError::Unfinished`] or
    /// [`OutputError::Changed`] if a table of a result to be resumed is not there or not what it
    /// was; [`OutputError::Io`] if it cannot be written. Runs that were there are there after
    /// each of these.
    pub fn begin(
        path: &Path,
        plan: &str,
        command: &str,
        existing: Existing,
    ) -> Result<Self, OutputError> {
        if !may_use(path)? {
            return Err(OutputError::NotAResult {
                path: path.to_owned(),
            });
        }
        let this = Self::of(path);
        let finished = manifest::finished(path);
        match existing {
            Existing::Refuse => this.refuse(finished.is_some() || ShardManifest::is_in(path))?,
            Existing::Resume => this.reopen(finished.as_ref(), plan)?,
            Existing::Replace => remove_dir_if_there(&this.runs_dir())?,
        }
        let runs = this.runs_dir();
        fs::create_dir_all(&runs).map_err(OutputError::io(&runs))?;
        write_whole(&runs.join(KEY), plan.as_bytes())?;
        if !runs.join(COMMAND).exists() {
            write_whole(&runs.join(COMMAND), command.as_bytes())?;
        }
        // From here on the directory is unfinished, and no file of an earlier result may be
        // taken for one of this.
        for file in [MANIFEST, "report.html"].into_iter().chain(FILES) {
            remove_if_there(&path.join(file))?;
        }
        remove_dir_if_there(&path.join("figures"))?;
        Ok(this)
    }

    fn refuse(&self, finished: bool) -> Result<(), OutputError> {
        let path = self.path.clone();
        if finished {
            return Err(OutputError::Finished { path });
        }
        match self.done()?.len() {
            0 => remove_dir_if_there(&self.runs_dir()),
            runs => Err(OutputError::Begun { path, runs }),
        }
    }

    /// Makes the runs of an earlier result of the same plan those of this one.
    fn reopen(&self, finished: Option<&ResultManifest>, plan: &str) -> Result<(), OutputError> {
        let runs = self.runs_dir();
        let same = match finished {
            Some(manifest) => manifest.plan_blake3 == manifest::plan_hash(plan),
            None if runs.exists() => fs::read_to_string(runs.join(KEY)).unwrap_or_default() == plan,
            None => return Ok(()),
        };
        if !same {
            return Err(OutputError::OtherPlan {
                path: self.path.clone(),
            });
        }
        let Some(manifest) = finished else {
            return Ok(());
        };
        let tables = PARTS.into_iter().chain([HLOG]);
        let mut tables = tables.filter(|name| manifest.files.contains_key(*name));
        if let Some(file) = tables.find(|name| !self.path.join(name).exists()) {
            let path = self.path.clone();
            return Err(OutputError::Unfinished { path, file });
        }
        manifest::check_digests(&self.path)?;
        // The parts are complete before they have their name, and the manifest goes after: if
        // this is cut short there is a finished result or one to resume, never neither.
        let part = self.path.join(".runs.part");
        remove_dir_if_there(&part)?;
        remove_dir_if_there(&runs)?;
        fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        unpack::unpack(&self.path, &part)?;
        write_whole(&part.join(KEY), plan.as_bytes())?;
        write_whole(&part.join(COMMAND), manifest.command.as_bytes())?;
        fs::rename(&part, &runs).map_err(OutputError::io(&runs))
    }

    /// Runs of the finished result in `path`; none if there is no finished one of `plan`.
    ///
    /// # Errors
    ///
    /// [`OutputError::Unfinished`], [`OutputError::Io`] or [`OutputError::BadTable`] if its
    /// table of runs cannot be read.
    pub fn finished_runs(path: &Path, plan: &str) -> Result<Option<Vec<String>>, OutputError> {
        let same = manifest::finished(path)
            .is_some_and(|manifest| manifest.plan_blake3 == manifest::plan_hash(plan));
        if !same {
            return Ok(None);
        }
        unpack::run_names(path).map(Some)
    }

    /// How many runs of an unfinished result in `path` are finished.
    #[must_use]
    pub fn kept_runs(path: &Path) -> usize {
        Self::of(path).done().map_or(0, |runs| runs.len())
    }

    /// Keeps a file of the result that is not made of its runs.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`].
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        write_whole(&self.path.join(name), bytes)
    }

    /// The command that a result in `path` is of, finished or begun; none if there is none.
    #[must_use]
    pub fn command_of(path: &Path) -> Option<String> {
        let begun = || fs::read_to_string(path.join(RUNS_DIR).join(COMMAND)).ok();
        let finished = manifest::finished(path).map(|manifest| manifest.command);
        finished.or_else(begun)
    }

    /// Names of the runs that are finished, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`].
    pub fn done(&self) -> Result<Vec<String>, OutputError> {
        let runs = self.runs_dir();
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(OutputError::io(&runs)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(OutputError::io(&runs))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.is_done(&name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Puts together these tables only; `runs.csv` is always one of them.
    #[must_use]
    pub fn with_files(self, files: &[String]) -> Self {
        Self {
            files: Some(files.to_owned()),
            ..self
        }
    }

    fn wants(&self, name: &str) -> bool {
        let stem = name.split('.').next().unwrap_or(name);
        stem == "runs"
            || self
                .files
                .as_ref()
                .is_none_or(|files| files.iter().any(|f| f == stem))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `run` is finished, from this time or, when resuming, from an earlier one.
    #[must_use]
    pub fn is_done(&self, run: &str) -> bool {
        is_run_name(run) && self.run_dir(run).is_dir()
    }

    /// Keeps a finished run. May be called from several threads, for different runs.
    ///
    /// # Errors
    ///
    /// [`OutputError::BadRunName`], or [`OutputError::Io`].
    pub fn write(&self, row: &RunRow<'_>) -> Result<(), OutputError> {
        if !is_run_name(row.run) {
            return Err(OutputError::BadRunName {
                name: row.run.to_owned(),
            });
        }
        let part = self.runs_dir().join(format!("{}.part", row.run));
        if part.exists() {
            fs::remove_dir_all(&part).map_err(OutputError::io(&part))?;
        }
        fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        for (name, write) in tables::all() {
            if self.wants(name) {
                write_part(&part.join(name), |out| write(row, out))?;
            }
        }
        if self.wants(HLOG) {
            let hlog = part.join(HLOG);
            let mut lines = Vec::new();
            let latencies = tables::latencies(row);
            latencies
                .write_hlog(&mut lines, row.run, row.record.end)
                .map_err(OutputError::io(&hlog))?;
            fs::write(&hlog, lines).map_err(OutputError::io(&hlog))?;
        }
        let done = self.run_dir(row.run);
        if done.exists() {
            fs::remove_dir_all(&done).map_err(OutputError::io(&done))?;
        }
        fs::rename(&part, &done).map_err(OutputError::io(&done))
    }

    /// Puts the tables together from the finished ones of `runs`, in that order. Leaves the
    /// directory unfinished: this is what there is when some runs failed.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`] or [`OutputError::BadTable`].
    pub fn assemble<S: AsRef<str>>(&self, runs: &[S]) -> Result<(), OutputError> {
        let done: Vec<PathBuf> = runs
            .iter()
            .map(AsRef::as_ref)
            .filter(|run| self.is_done(run))
            .map(|run| self.run_dir(run))
            .collect();
        for name in PARTS.into_iter().filter(|name| self.wants(name)) {
            let target = self.path.join(name);
            let part = self.path.join(format!("{name}.part"));
            join_tables(&done, name, &part)?;
            fs::rename(&part, &target).map_err(OutputError::io(&target))?;
        }
        if !self.wants(HLOG) {
            return Ok(());
        }
        let mut log = HLOG_HEADER.as_bytes().to_vec();
        for run in &done {
            let part = run.join(HLOG);
            log.extend(fs::read(&part).map_err(OutputError::io(&part))?);
        }
        write_whole(&self.path.join(HLOG), &log)
    }

    /// Writes the manifest, which makes the result finished, and forgets the parts. Call it
    /// last: the manifest has the digests of all files that are there.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`].
    pub fn finish(self, facts: &Facts) -> Result<(), OutputError> {
        manifest::write(&self.path, facts)?;
        let runs = self.runs_dir();
        fs::remove_dir_all(&runs).map_err(OutputError::io(&runs))
    }

    /// The one in `path`, whatever is there.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: None,
        }
    }

    pub(super) fn runs_dir(&self) -> PathBuf {
        self.path.join(RUNS_DIR)
    }

    pub(super) fn run_dir(&self, run: &str) -> PathBuf {
        self.runs_dir().join(run)
    }
}

/// Whether a result may be put there: nothing yet, an empty directory, parts of one, or a result.
fn may_use(path: &Path) -> Result<bool, OutputError> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(OutputError::io(path)(error)),
    };
    let ours = manifest::finished(path).is_some() || path.join(RUNS_DIR).join(KEY).is_file();
    let is_shards = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_str() == Some(SHARDS))
    };
    Ok(ours || entries.all(is_shards))
}

fn is_run_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let special =
        name == KEY || name == COMMAND || name.ends_with(".part") || name.starts_with('.');
    !name.is_empty() && !special && name.chars().all(allowed)
}

fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::io(path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn remove_dir_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::io(path)(error)),
        _ => Ok(()),
    }
}

fn write_part(
    path: &Path,
    rows: impl FnOnce(fs::File) -> csv::Result<()>,
) -> Result<(), OutputError> {
    let file = fs::File::create(path).map_err(OutputError::io(path))?;
    rows(file).map_err(OutputError::csv(path))
}

/// One table from the parts of all runs, in their order. Columns are those of all parts, in
/// the order in which they first appear; a run without a column has nothing in it.
fn join_tables(runs: &[PathBuf], name: &str, target: &Path) -> Result<(), OutputError> {
    let mut columns: Vec<Vec<u8>> = Vec::new();
    for run in runs {
        let part = run.join(name);
        let header = open(&part)?
            .byte_headers()
            .cloned()
            .map_err(OutputError::csv(&part))?;
        for column in &header {
            if !columns.iter().any(|known| known == column) {
                columns.push(column.to_vec());
            }
        }
    }
    let file = fs::File::create(target).map_err(OutputError::io(target))?;
    let mut out = Writer::from_writer(BufWriter::new(file));
    if !columns.is_empty() {
        out.write_record(&columns)
            .map_err(OutputError::csv(target))?;
    }
    for run in runs {
        copy_rows(&run.join(name), &columns, &mut out)?;
    }
    let mut inner = out
        .into_inner()
        .map_err(|error| OutputError::io(target)(error.into_error()))?;
    inner.flush().map_err(OutputError::io(target))
}

fn copy_rows<W: Write>(
    part: &Path,
    columns: &[Vec<u8>],
    out: &mut Writer<W>,
) -> Result<(), OutputError> {
    let mut reader = open(part)?;
    let header = reader
        .byte_headers()
        .cloned()
        .map_err(OutputError::csv(part))?;
    let from: Vec<Option<usize>> = columns
        .iter()
        .map(|column| header.iter().position(|own| own == column.as_slice()))
        .collect();
    let mut row = ByteRecord::new();
    while reader
        .read_byte_record(&mut row)
        .map_err(OutputError::csv(part))?
    {
        let fields = from
            .iter()
            .map(|at| at.and_then(|at| row.get(at)).unwrap_or_default());
        out.write_record(fields).map_err(OutputError::csv(part))?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Reader<fs::File>, OutputError> {
    let file = fs::File::open(path).map_err(OutputError::io(path))?;
    Ok(Reader::from_reader(file))
}
