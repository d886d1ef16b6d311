//! What figures need from the tables that are too long for memory: read row by row.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use csv::{Reader, StringRecord};

use crate::output::{OutputError, Results};

/// Columns in front of the parameters in every table.
const KEYS: usize = 4;

/// Values of a cell: those that exist, and how many there should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Ascending.
    pub(super) sorted: Vec<f64>,
    /// With those that do not exist, because something did not finish.
    pub(super) all: usize,
}

/// One flow over time: start of the window, and bytes over entitlement.
pub(super) type FlowLine = Vec<(f64, f64)>;

/// Flows that are drawn of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flows {
    /// Each with its class.
    pub(super) lines: Vec<(String, FlowLine)>,
    /// How many the run has.
    pub(super) all: usize,
}

/// Flows that are drawn of one run at most.
const FLOWS_MAX: usize = 12;

/// A table, and which cell each of its rows belongs to.
struct Rows {
    reader: Reader<File>,
    header: StringRecord,
    cells: BTreeMap<Vec<String>, usize>,
    params: usize,
    path: std::path::PathBuf,
}

impl Rows {
    fn open(dir: &Path, name: &str, results: &Results) -> Result<Self, OutputError> {
        let path = dir.join(name);
        let file = File::open(&path).map_err(OutputError::io(&path))?;
        let mut reader = Reader::from_reader(file);
        let header = reader.headers().cloned().map_err(OutputError::csv(&path))?;
        let cells = results.cells.iter().enumerate();
        Ok(Self {
            reader,
            header,
            cells: cells.map(|(at, cell)| (cell.params.clone(), at)).collect(),
            params: results.axes.len(),
            path,
        })
    }

    fn column(&self, name: &str) -> Result<usize, OutputError> {
        let found = self.header.iter().position(|column| column == name);
        found.ok_or_else(|| OutputError::BadTable {
            path: self.path.clone(),
            line: 1,
            what: format!("no column {name}"),
        })
    }

    /// Calls `row` with the cell and the record of every row.
    fn each(mut self, mut row: impl FnMut(usize, &StringRecord)) -> Result<(), OutputError> {
        let mut record = StringRecord::new();
        while self
            .reader
            .read_record(&mut record)
            .map_err(OutputError::csv(&self.path))?
        {
            let params: Vec<String> = record
                .iter()
                .skip(KEYS)
                .take(self.params)
                .map(str::to_owned)
                .collect();
            if let Some(cell) = self.cells.get(&params) {
                row(*cell, &record);
            }
        }
        Ok(())
    }
}

/// Slowdowns of the transfers of `class`, or of all if there is none, of every cell.
pub(super) fn slowdowns(
    dir: &Path,
    results: &Results,
    class: Option<&str>,
) -> Result<Vec<Sample>, OutputError> {
    let rows = Rows::open(dir, "transfers.csv", results)?;
    samples(
        results,
        rows,
        ["class", "start_s", "slowdown"],
        |of_class| class.is_none_or(|class| of_class == Some(class)),
    )
}

/// Completion times of the peers that wanted something, of every cell.
pub(super) fn completions(dir: &Path, results: &Results) -> Result<Vec<Sample>, OutputError> {
    let rows = Rows::open(dir, "peers.csv", results)?;
    let columns = ["wanted", "joined_s", "completion_s"];
    samples(results, rows, columns, |wanted| wanted == Some("1"))
}

/// The last of three columns, of the rows of which the first is `wanted` and the second not empty.
fn samples(
    results: &Results,
    rows: Rows,
    columns: [&str; 3],
    wanted: impl Fn(Option<&str>) -> bool,
) -> Result<Vec<Sample>, OutputError> {
    let [which, begun, value] = columns.map(|name| rows.column(name));
    let (which, begun, value) = (which?, begun?, value?);
    let mut found = vec![Sample::default(); results.cells.len()];
    rows.each(|cell, record| {
        if wanted(record.get(which)) && record.get(begun) != Some("") {
            let sample = &mut found[cell];
            sample.all += 1;
            let value = record.get(value).and_then(|field| field.parse().ok());
            sample.sorted.extend::<Option<f64>>(value);
        }
    })?;
    for sample in &mut found {
        sample.sorted.sort_by(f64::total_cmp);
    }
    Ok(found)
}

/// Length of the windows in which shares over time are drawn: of those with at most `most`
/// windows in any run the shortest, as it is written in the table.
pub(super) fn window_to_draw(
    dir: &Path,
    results: &Results,
    most: usize,
) -> Result<Option<String>, OutputError> {
    let rows = Rows::open(dir, "windows.csv", results)?;
    let (window, start) = (rows.column("window_s")?, rows.column("start_s")?);
    let mut last: BTreeMap<String, f64> = BTreeMap::new();
    rows.each(|_, record| {
        let (Some(window), Some(start)) = (record.get(window), record.get(start)) else {
            return;
        };
        let start: f64 = start.parse().unwrap_or(0.0);
        let latest = last.entry(window.to_owned()).or_default();
        *latest = latest.max(start);
    })?;
    let mut lengths: Vec<(f64, String)> = last
        .into_iter()
        .filter_map(|(name, latest)| {
            let length: f64 = name.parse().ok()?;
            (latest / length <= most as f64 && latest > 0.0).then_some((length, name))
        })
        .collect();
    lengths.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(lengths.into_iter().next().map(|(_, name)| name))
}

/// Bytes over entitlement in windows of length `window` of the flows of the first
/// replication, of every cell. Windows without entitlement are left out.
pub(super) fn shares_over_time(
    dir: &Path,
    results: &Results,
    window: &str,
) -> Result<Vec<Flows>, OutputError> {
    let rows = Rows::open(dir, "windows.csv", results)?;
    let (length, start) = (rows.column("window_s")?, rows.column("start_s")?);
    let (flow, bytes) = (rows.column("flow")?, rows.column("bytes")?);
    let (class, entitlement) = (rows.column("class")?, rows.column("entitlement_bytes")?);
    let mut found: Vec<BTreeMap<[String; 2], FlowLine>> =
        vec![BTreeMap::new(); results.cells.len()];
    rows.each(|cell, record| {
        let number = |at: usize| record.get(at).and_then(|field| field.parse::<f64>().ok());
        let first = record.get(2) == Some("0") && record.get(length) == Some(window);
        let (Some(at), Some(got), Some(entitled)) =
            (number(start), number(bytes), number(entitlement))
        else {
            return;
        };
        if first && entitled > 0.0 {
            let name = |at: usize| record.get(at).unwrap_or_default().to_owned();
            found[cell]
                .entry([name(class), name(flow)])
                .or_default()
                .push((at, got / entitled));
        }
    })?;
    Ok(found.into_iter().map(chosen).collect())
}

/// The flows of a run that are drawn: of each class as many as of every other, those with the
/// most windows first.
fn chosen(flows: BTreeMap<[String; 2], FlowLine>) -> Flows {
    let all = flows.len();
    let mut ranked: Vec<(usize, String, FlowLine)> = Vec::new();
    let mut flows: Vec<(String, FlowLine)> = flows
        .into_iter()
        .map(|([class, _], line)| (class, line))
        .collect();
    flows.sort_by_key(|(_, line)| std::cmp::Reverse(line.len()));
    for (class, line) in flows {
        let before = ranked.iter().filter(|(_, known, _)| *known == class);
        ranked.push((before.count(), class, line));
    }
    ranked.sort_by_key(|(rank, _, _)| *rank);
    ranked.truncate(FLOWS_MAX);
    let mut lines: Vec<(String, FlowLine)> = ranked
        .into_iter()
        .map(|(_, class, line)| (class, line))
        .collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, line) in &mut lines {
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Flows { lines, all }
}
