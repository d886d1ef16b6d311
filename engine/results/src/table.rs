//! Writes one table: a header, then rows, each behind the keys of its run.

use std::io::{self, Write};

use csv::{Writer, WriterBuilder};
use serde::Serialize;

use crate::cell::text;

/// Columns before the first parameter in every table.
pub const KEYS: [&str; 4] = ["run", "seed", "replication", "cell"];

/// Column behind the last parameter in the table of runs.
pub const AFTER_PARAMS: &str = "trace_digest";

/// What every row of a run begins with.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The run's name, unique in the result: letters, digits, `_`, `-`, `.`, not starting with
    /// `.`.
    pub run: &'a str,
    /// What the cell of the sweep is called; replications of a cell share it.
    pub cell: &'a str,
    /// The seed that a person gave; 0 if none was given.
    pub seed: u64,
    /// Which replication, from 0.
    pub replication: u32,
    /// Name and value of every parameter, the same names in the same order for all runs.
    pub params: &'a [(String, String)],
}

/// A table that is being written.
#[derive(Debug)]
pub struct Table<W: Write> {
    out: Writer<W>,
    keys: Vec<String>,
}

impl<W: Write> Table<W> {
    /// A table of rows `R`, whose fields name the columns.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn begin<R: Serialize + Default>(out: W, keys: &Keys<'_>) -> csv::Result<Self> {
        Self::with_columns(out, keys, columns::<R>()?.iter().map(String::as_str))
    }

    /// A table of these columns, for rows whose columns are known only when they are made.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn with_columns<'a>(
        out: W,
        keys: &Keys<'_>,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> csv::Result<Self> {
        let mut out = WriterBuilder::new().has_headers(false).from_writer(out);
        let params = keys.params.iter().map(|(name, _)| text(name));
        let header = KEYS.into_iter().map(str::to_owned).chain(params);
        out.write_record(header.chain(columns.into_iter().map(str::to_owned)))?;
        let own = [
            keys.run.to_owned(),
            keys.seed.to_string(),
            keys.replication.to_string(),
            text(keys.cell),
        ];
        let values = keys.params.iter().map(|(_, value)| text(value));
        Ok(Self {
            out,
            keys: own.into_iter().chain(values).collect(),
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// What the writer says, or that the row has another number of columns than the header.
    pub fn put(&mut self, row: &impl Serialize) -> csv::Result<()> {
        self.out.serialize((&self.keys, row))
    }

    /// Hands everything to the writer below.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Names of the fields of a row, as the CSV writer sees them.
fn columns<R: Serialize + Default>() -> csv::Result<Vec<String>> {
    let mut out = Writer::from_writer(Vec::new());
    out.serialize(R::default())?;
    let text = out.into_inner().map_err(|error| error.into_error())?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    Ok(reader.headers()?.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use crate::{LatencyRow, PairRow, PeerRow, TransferRow, WindowRow};

    use super::*;

    /// The schema of version 1: a change of any of these is a new version.
    #[test]
    fn the_columns_are_the_fields_in_their_order() {
        assert_eq!(
            columns::<PairRow<'_>>().unwrap(),
            ["sender", "receiver", "bytes"]
        );
        let latency = columns::<LatencyRow<'_>>().unwrap();
        assert_eq!(
            latency,
            ["kind", "class", "percentile", "latency_s", "count"]
        );
        let counts = [
            columns::<PeerRow<'_>>().unwrap().len(),
            columns::<TransferRow<'_>>().unwrap().len(),
            columns::<WindowRow<'_>>().unwrap().len(),
        ];
        assert_eq!(counts, [23, 19, 8]);
    }

    #[test]
    fn a_row_stands_behind_the_keys_of_its_run_and_what_is_missing_is_empty() {
        let params = [("=p".to_owned(), "@v".to_owned())];
        let keys = Keys {
            run: "r0",
            cell: "=c",
            seed: 7,
            replication: 1,
            params: &params,
        };
        let mut out = Vec::new();
        let mut table = Table::begin::<WindowRow<'_>>(&mut out, &keys).unwrap();
        table
            .put(&WindowRow {
                flow: "a,b",
                ..WindowRow::default()
            })
            .unwrap();
        table.flush().unwrap();
        drop(table);
        let text = String::from_utf8(out).unwrap();
        let want = "run,seed,replication,cell,'=p,window_s,start_s,flow_kind,flow,class,bytes,\
            entitlement_bytes,backlogged_s\nr0,7,1,'=c,'@v,0,0,peer,\"a,b\",,0,,0\n";
        assert_eq!(text, want);
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let keys = Keys {
            run: "r0",
            cell: "",
            seed: 0,
            replication: 0,
            params: &[],
        };
        let mut table = Table::with_columns(Vec::new(), &keys, ["x"]).unwrap();
        table.put(&["1"]).unwrap();
        assert!(table.put(&["1", "2"]).is_err());
    }
}
