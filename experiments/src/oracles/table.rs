//! Verdicts of oracles as a table in plain characters.

use super::{OracleVerdict, Relation};

/// Digits of a number that count.
const DIGITS: usize = 4;

/// Lists are cut to this many characters.
const LIST_MAX: usize = 24;

const HEADER: [&str; 7] = ["id", "what", "expected", "got", "tolerance", "unit", "pass"];

/// The verdicts in a table of one line each, and a last line that counts them. A mean is
/// shown with its standard error.
#[must_use]
pub fn table(verdicts: &[OracleVerdict]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(verdicts.iter().map(cells));
    let widths: [usize; HEADER.len()] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if (2..5).contains(&column) {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.note.is_empty()) {
        text.push_str(&format!("{}: {}\n", verdict.id, verdict.note));
    }
    let passed = verdicts.iter().filter(|verdict| verdict.pass).count();
    text.push_str(&format!("{passed} of {} pass\n", verdicts.len()));
    text
}

fn cells(verdict: &OracleVerdict) -> [String; HEADER.len()] {
    let sign = match verdict.relation {
        Relation::Equal => "",
        Relation::Reaches | Relation::AtMost => "<= ",
        Relation::NeverBelow | Relation::AtLeast => ">= ",
    };
    let error = verdict.error.map(|error| format!(" ±{}", number(error)));
    [
        verdict.id.clone(),
        verdict.what.clone(),
        format!("{sign}{}", list(&verdict.expected)),
        format!("{}{}", list(&verdict.got), error.unwrap_or_default()),
        number(verdict.tolerance),
        verdict.unit.clone(),
        if verdict.pass { "yes" } else { "NO" }.to_owned(),
    ]
}

fn list(values: &[f64]) -> String {
    let numbers: Vec<String> = values.iter().map(|value| number(*value)).collect();
    let text = numbers.join(" ");
    if text.len() <= LIST_MAX {
        return text;
    }
    let kept: String = text.chars().take(LIST_MAX - 3).collect();
    format!("{kept}...")
}

/// Four digits that count; a whole number in full.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    let before = if magnitude < 1.0 {
        0
    } else {
        format!("{:.0}", libm::floor(magnitude)).len()
    };
    // Adding zero turns -0 into 0.
    let text = format!("{:.*}", DIGITS.saturating_sub(before), value + 0.0);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
