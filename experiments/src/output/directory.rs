//! A directory that a result grows in, one run at a time, in any order.
//!
//! Each finished run is a directory of its own under `.runs`, renamed into place when it is
//! complete: that is what a sweep resumes from. At the end the tables are put together in
//! the order of the plan, whatever the order of the threads was.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, Writer};

use super::latency::{self, HLOG_HEADER};
use super::manifest::{self, Facts, MANIFEST};
use super::{OutputError, RunRow, tables, write_whole};

/// Files of a result beside its manifest, in the order in which they are listed.
pub(super) const FILES: [&str; 11] = [
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
];
/// Tables of which every run has its own part.
const PARTS: [&str; 6] = [
    "runs.csv",
    "peers.csv",
    "transfers.csv",
    "windows.csv",
    "pairs.csv",
    "latency.csv",
];
const HLOG: &str = "latency.hlog";
const RUNS_DIR: &str = ".runs";
const KEY: &str = "plan";

/// A result in the making. Threads may share it.
#[derive(Debug)]
pub struct ResultDir {
    path: PathBuf,
    /// Tables that are wanted, without `.csv`; none wants all.
    files: Option<Vec<String>>,
}

impl ResultDir {
    /// Makes `path` ready for a result, before anything is run. `plan` stands for everything
    /// that decides the runs: a hash of the resolved scenario, the seed and the version.
    ///
    /// With `resume`, runs of the same plan that are already there are kept.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotAResult`] if something else is there, [`OutputError::OtherPlan`] if
    /// it cannot be resumed, [`OutputError::Io`] if it cannot be written.
    pub fn begin(path: &Path, plan: &str, resume: bool) -> Result<Self, OutputError> {
        if !may_use(path)? {
            return Err(OutputError::NotAResult {
                path: path.to_owned(),
            });
        }
        let this = Self {
            path: path.to_owned(),
            files: None,
        };
        let runs = path.join(RUNS_DIR);
        let key = runs.join(KEY);
        if resume && runs.exists() {
            let found = fs::read_to_string(&key).unwrap_or_default();
            if found != plan {
                return Err(OutputError::OtherPlan {
                    path: path.to_owned(),
                });
            }
        } else if runs.exists() {
            fs::remove_dir_all(&runs).map_err(OutputError::io(&runs))?;
        }
        fs::create_dir_all(&runs).map_err(OutputError::io(&runs))?;
        write_whole(&key, plan.as_bytes())?;
        // From here on the directory is unfinished, and no file of an earlier result may be
        // taken for one of this.
        for file in [MANIFEST, "report.html"].into_iter().chain(FILES) {
            remove_if_there(&path.join(file))?;
        }
        let figures = path.join("figures");
        if figures.is_dir() {
            fs::remove_dir_all(&figures).map_err(OutputError::io(&figures))?;
        }
        Ok(this)
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
        let part = self.path.join(RUNS_DIR).join(format!("{}.part", row.run));
        if part.exists() {
            fs::remove_dir_all(&part).map_err(OutputError::io(&part))?;
        }
        fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        for (name, write) in tables::all() {
            write_part(&part.join(name), |out| write(row, out))?;
        }
        write_part(&part.join("latency.csv"), |out| {
            latency::write_csv(row, out)
        })?;
        let hlog = part.join(HLOG);
        let mut lines = Vec::new();
        latency::write_hlog(row, &mut lines).map_err(OutputError::io(&hlog))?;
        fs::write(&hlog, lines).map_err(OutputError::io(&hlog))?;
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
        let runs = self.path.join(RUNS_DIR);
        fs::remove_dir_all(&runs).map_err(OutputError::io(&runs))
    }

    fn run_dir(&self, run: &str) -> PathBuf {
        self.path.join(RUNS_DIR).join(run)
    }
}

/// Whether a result may be put there: nothing yet, an empty directory, or a result.
fn may_use(path: &Path) -> Result<bool, OutputError> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(OutputError::io(path)(error)),
    };
    let ours = manifest::is_ours(path) || path.join(RUNS_DIR).join(KEY).is_file();
    Ok(ours || entries.next().is_none())
}

fn is_run_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let special = name == KEY || name.ends_with(".part") || name.starts_with('.');
    !name.is_empty() && !special && name.chars().all(allowed)
}

fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::io(path)(error)),
        _ => Ok(()),
    }
}

fn write_part(
    path: &Path,
    rows: impl FnOnce(&mut Writer<BufWriter<fs::File>>) -> csv::Result<()>,
) -> Result<(), OutputError> {
    let file = fs::File::create(path).map_err(OutputError::io(path))?;
    let mut out = Writer::from_writer(BufWriter::new(file));
    rows(&mut out).map_err(OutputError::csv(path))?;
    out.flush().map_err(OutputError::io(path))
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
