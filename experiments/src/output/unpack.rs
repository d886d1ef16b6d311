//! Takes the tables of a finished result apart into those of its runs, so that runs can be added.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use csv::{ByteRecord, Reader, Writer};

use super::OutputError;
use super::directory::{HLOG, PARTS};
use super::tables::RUNS;

/// What the name of a run stands behind in a line of the log of histograms.
const TAG: &[u8] = b"Tag=";

/// Names of the runs of the result in `dir`, in the order of its tables.
pub(super) fn run_names(dir: &Path) -> Result<Vec<String>, OutputError> {
    let path = dir.join(RUNS);
    let mut reader = open(dir, RUNS)?;
    let mut names = Vec::new();
    for row in reader.records() {
        let row = row.map_err(OutputError::csv(&path))?;
        names.push(row.get(0).unwrap_or_default().to_owned());
    }
    Ok(names)
}

/// Writes the tables in `dir` as a folder for each run in `into`, which is empty.
///
/// A run gets every column of its table, also those that only other runs had: put together
/// again, the table is the same.
pub(super) fn unpack(dir: &Path, into: &Path) -> Result<(), OutputError> {
    let runs = run_names(dir)?;
    for run in &runs {
        let path = into.join(run);
        fs::create_dir_all(&path).map_err(OutputError::io(&path))?;
    }
    for name in PARTS.into_iter().filter(|name| dir.join(name).exists()) {
        unpack_table(dir, name, &runs, into)?;
    }
    if dir.join(HLOG).exists() {
        unpack_log(dir, &runs, into)?;
    }
    Ok(())
}

fn unpack_table(dir: &Path, name: &str, runs: &[String], into: &Path) -> Result<(), OutputError> {
    let path = dir.join(name);
    let mut reader = open(dir, name)?;
    let header = reader
        .byte_headers()
        .cloned()
        .map_err(OutputError::csv(&path))?;
    let begin = |run: &str| -> Result<Writer<fs::File>, OutputError> {
        let path = into.join(run).join(name);
        let mut out = Writer::from_path(&path).map_err(OutputError::csv(&path))?;
        out.write_byte_record(&header)
            .map_err(OutputError::csv(&path))?;
        Ok(out)
    };
    // Rows of a run stand together, in the order of the runs; one without rows has a header.
    let mut left = runs.iter();
    let mut current: Option<(&String, Writer<fs::File>)> = None;
    let mut row = ByteRecord::new();
    while reader
        .read_byte_record(&mut row)
        .map_err(OutputError::csv(&path))?
    {
        let run = row.get(0).unwrap_or_default();
        while current
            .as_ref()
            .is_none_or(|(name, _)| name.as_bytes() != run)
        {
            let line = row.position().map_or(0, csv::Position::line);
            let next = left.next().ok_or_else(|| OutputError::BadTable {
                path: path.clone(),
                line,
                what: "is not in the order of runs.csv".to_owned(),
            })?;
            current = Some((next, begin(next)?));
        }
        if let Some((_, out)) = &mut current {
            out.write_byte_record(&row)
                .map_err(OutputError::csv(&path))?;
        }
    }
    for run in left {
        begin(run)?;
    }
    Ok(())
}

fn unpack_log(dir: &Path, runs: &[String], into: &Path) -> Result<(), OutputError> {
    let path = dir.join(HLOG);
    let log = fs::read(&path).map_err(OutputError::io(&path))?;
    let mut lines: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let Some(tag) = line.strip_prefix(TAG) else {
            continue;
        };
        let run = tag.split(|byte| *byte == b':').next().unwrap_or_default();
        lines.entry(run).or_default().extend(line);
    }
    for run in runs {
        let path = into.join(run).join(HLOG);
        let own = lines.remove(run.as_bytes()).unwrap_or_default();
        fs::write(&path, own).map_err(OutputError::io(&path))?;
    }
    Ok(())
}

fn open(dir: &Path, name: &str) -> Result<Reader<fs::File>, OutputError> {
    let path = dir.join(name);
    let file = fs::File::open(&path).map_err(OutputError::io(&path))?;
    Ok(Reader::from_reader(file))
}
