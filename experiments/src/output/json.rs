//! A table of a result as JSON: numbers are numbers, and what is missing is null.

use std::path::Path;

use csv::{Reader, StringRecord};
use serde_json::{Map, Number, Value};

use super::OutputError;

/// Columns that are text whatever stands in them.
const TEXTS: [&str; 17] = [
    "baseline",
    "cell",
    "class",
    "error_unit",
    "id",
    "identities",
    "item",
    "metric",
    "note",
    "quantity",
    "relation",
    "run",
    "scenario",
    "trace_digest",
    "unit",
    "verdict",
    "what",
];
/// Columns of true and false.
const TRUTHS: [&str; 2] = ["confirmed", "pass"];
/// Columns of several numbers, separated by spaces.
const LISTS: [&str; 2] = ["expected", "got"];

/// What the cells of a column are.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Truth,
    List,
}

/// The table at `path` as an array of objects, one a row. A column is of one kind in all rows:
/// of numbers if all of its cells are, unless it is known as text. An empty cell is null.
///
/// # Errors
///
/// [`OutputError::Io`] or [`OutputError::BadTable`].
pub fn table_as_json(path: &Path) -> Result<Value, OutputError> {
    let file = std::fs::File::open(path).map_err(OutputError::io(path))?;
    let mut reader = Reader::from_reader(file);
    let header = reader.headers().map_err(OutputError::csv(path))?.clone();
    let rows: Result<Vec<StringRecord>, _> = reader.records().collect();
    let rows = rows.map_err(OutputError::csv(path))?;
    let kinds: Vec<Kind> = header
        .iter()
        .enumerate()
        .map(|(at, name)| kind(name, rows.iter().filter_map(|row| row.get(at))))
        .collect();
    let objects = rows.iter().map(|row| {
        let cells = header.iter().zip(&kinds).zip(row);
        let cells = cells.map(|((name, kind), cell)| (name.to_owned(), value(*kind, cell)));
        Value::Object(cells.collect::<Map<_, _>>())
    });
    Ok(Value::Array(objects.collect()))
}

fn kind<'a>(name: &str, cells: impl Iterator<Item = &'a str> + Clone) -> Kind {
    let mut filled = cells.filter(|cell| !cell.is_empty());
    if TEXTS.contains(&name) {
        Kind::Text
    } else if LISTS.contains(&name) {
        Kind::List
    } else if TRUTHS.contains(&name) {
        Kind::Truth
    } else if filled.all(|cell| number(cell).is_some()) {
        Kind::Number
    } else {
        Kind::Text
    }
}

fn value(kind: Kind, cell: &str) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    let found = match kind {
        Kind::Text => None,
        Kind::Number => number(cell),
        Kind::Truth => cell.parse().ok().map(Value::Bool),
        Kind::List => cell
            .split(' ')
            .map(number)
            .collect::<Option<_>>()
            .map(Value::Array),
    };
    found.unwrap_or_else(|| cell.into())
}

/// A number as tables write it, which JSON writes alike. A name such as 007 is none.
fn number(cell: &str) -> Option<Value> {
    let number: Number = cell.parse().ok()?;
    if number.is_f64() {
        // The standard library reads a fraction to its last digit; serde_json may miss that.
        return cell.parse::<f64>().ok().map(Value::from);
    }
    Some(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(table: &str) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, table).unwrap();
        table_as_json(&path).unwrap()
    }

    #[test]
    fn numbers_are_numbers_and_what_is_missing_is_null() {
        let found = json("cell,load,metric,n,mean,ci_lo\nall,0.5,x_s,5,-0.25,\nall,1,x_s,5,3,2\n");
        let want = r#"[{"cell":"all","load":0.5,"metric":"x_s","n":5,"mean":-0.25,"ci_lo":null},
            {"cell":"all","load":1,"metric":"x_s","n":5,"mean":3,"ci_lo":2}]"#;
        assert_eq!(found, want.parse::<Value>().unwrap());
    }

    // A digest of 64 digits, a policy called 1, a seed above 2^53: none loses a digit.
    #[test]
    fn text_that_looks_like_a_number_stays_text_and_no_digit_is_lost() {
        let found = json("run,class,trace_digest,seed\n1,2,00123,18446744073709551615\n");
        assert_eq!(found[0]["run"], "1");
        assert_eq!(found[0]["class"], "2");
        assert_eq!(found[0]["trace_digest"], "00123");
        assert_eq!(found[0]["seed"], u64::MAX);
    }

    #[test]
    fn a_column_is_of_one_kind_in_all_rows() {
        let found = json("load,x\n0.5,\nunlimited,\n");
        let names = json("agent\n007\n8\n");
        assert_eq!(
            (&names[0]["agent"], &names[1]["agent"]),
            (&"007".into(), &"8".into())
        );
        assert_eq!(found[0]["load"], "0.5");
        assert_eq!(found[1]["load"], "unlimited");
        assert!(found[0]["x"].is_null() && found[1]["x"].is_null());
    }

    #[test]
    fn an_oracle_has_lists_of_numbers_and_a_truth() {
        let found = json("id,expected,got,standard_error,pass,note\nO1,0 1 2,0.5,,false,1\n");
        let want = r#"[{"id":"O1","expected":[0,1,2],"got":[0.5],"standard_error":null,
            "pass":false,"note":"1"}]"#;
        assert_eq!(found, want.parse::<Value>().unwrap());
    }
}
