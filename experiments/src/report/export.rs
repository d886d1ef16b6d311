//! Tables of the report as files for other documents: Markdown, LaTeX with booktabs, and CSV.
//!
//! The page and the files are written from the same [`Sheet`]. In Markdown and LaTeX numbers are
//! rounded as on the page, with the note on how to read them; in CSV they have all their digits.

use std::fs;
use std::path::{Path, PathBuf};

use super::digits::{self, significant};
use crate::output::{OutputError, write_whole};
use crate::stats::Estimate;
use crate::terminal::IDENTICAL;

/// Folder of the files, in that of the result.
pub(super) const FOLDER: &str = "tables";
/// Endings of the files, with what they are called on the page.
pub(super) const FORMATS: [(&str, &str); 3] =
    [("md", "Markdown"), ("tex", "LaTeX"), ("csv", "CSV")];

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sheet {
    /// Name of its files.
    pub(super) name: &'static str,
    /// Names of the columns of words, which come first.
    pub(super) keys: Vec<String>,
    /// Names of the columns of numbers, with their units.
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// How to read it.
    pub(super) note: String,
}

/// A column of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) title: String,
    /// Where there is room.
    pub(super) long: String,
}

/// A row of a [`Sheet`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) keys: Vec<String>,
    pub(super) values: Vec<Value>,
}

/// One value of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Value {
    pub(super) found: Option<Estimate>,
    /// Whether a value above zero has its sign.
    pub(super) signed: bool,
    /// What it is called as part of the page's style; empty for most.
    pub(super) class: &'static str,
    /// A word below it; empty for most.
    pub(super) word: &'static str,
}

impl Value {
    /// The value and its spread, as a reader sees them.
    pub(super) fn shown(&self) -> (String, String) {
        let Some(found) = &self.found else {
            return ("–".to_owned(), String::new());
        };
        let mut value = significant(found.value);
        if self.signed && found.value > 0.0 && value != "0" {
            value.insert(0, '+');
        }
        let spread = match (found.half_width(), found.interval) {
            _ if found.is_identical() => format!("identical in {} runs", found.n),
            (Some(half), _) => format!("± {}", digits::half(half, found.value)),
            (None, Some((low, high))) => format!("{} to {}", significant(low), significant(high)),
            (None, None) => String::new(),
        };
        (value, spread)
    }

    /// Whether every run gave this number.
    pub(super) fn is_identical(&self) -> bool {
        self.found.as_ref().is_some_and(Estimate::is_identical)
    }

    fn is_marked(&self) -> bool {
        self.class == "best"
    }

    /// Value, spread and word in one line; a spread in words is in brackets.
    fn line(&self) -> String {
        let (value, mut spread) = self.shown();
        if !spread.is_empty() && !spread.starts_with('±') {
            spread = format!("({spread})");
        }
        // Of runs that are identical both would say so.
        let word = if self.word.is_empty() || self.word.starts_with("identical") {
            String::new()
        } else {
            format!("({})", self.word)
        };
        let parts = [value, spread, word].into_iter();
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }

    /// As [`Value::line`], with a sign where every run gave this number.
    fn short_line(&self) -> String {
        if self.is_identical() {
            format!("{} {IDENTICAL}", self.shown().0)
        } else {
            self.line()
        }
    }
}

/// Writes `sheet` into the folder of tables of the result in `dir`. Gives the files.
///
/// # Errors
///
/// [`OutputError::Io`].
pub(super) fn write(sheet: &Sheet, dir: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let folder = dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(OutputError::io(&folder))?;
    let mut files = Vec::new();
    for (ending, _) in FORMATS {
        let path = folder.join(format!("{}.{ending}", sheet.name));
        let bytes = match ending {
            "md" => markdown(sheet).into_bytes(),
            "tex" => latex(sheet).into_bytes(),
            _ => csv(sheet).map_err(OutputError::csv(&path))?,
        };
        write_whole(&path, &bytes)?;
        files.push(path);
    }
    Ok(files)
}

/// The cells of the head and of each row as `escape` makes them, of values what `line` says of
/// them, and of values that are marked what `mark` makes of that.
fn cells(
    sheet: &Sheet,
    line: fn(&Value) -> String,
    escape: fn(&str) -> String,
    mark: fn(String) -> String,
) -> (Vec<String>, Vec<Vec<String>>) {
    let titles = sheet.columns.iter().map(|column| &column.title);
    let head = sheet.keys.iter().chain(titles).map(|title| escape(title));
    let rows = sheet.rows.iter().map(|row| {
        let keys = row.keys.iter().map(|key| escape(key));
        let values = row.values.iter().map(|value| {
            let text = escape(&line(value));
            if value.is_marked() { mark(text) } else { text }
        });
        keys.chain(values).collect()
    });
    (head.collect(), rows.collect())
}

fn markdown(sheet: &Sheet) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let (head, rows) = cells(sheet, Value::line, escape_markdown, |text| {
        format!("**{text}**")
    });
    let left = sheet.keys.iter().map(|_| ":--".to_owned());
    let right = sheet.columns.iter().map(|_| "--:".to_owned());
    let rules = left.chain(right).collect();
    let rows: String = rows.into_iter().map(line).collect();
    let note = escape_markdown(&sheet.note);
    format!("{}{}{rows}\n{note}\n", line(head), line(rules))
}

/// `text` as it may stand in a cell of a Markdown table.
fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out += "&lt;",
            '&' => out += "&amp;",
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '$' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Columns of numbers that a page has room for beside those of words; more go into tables below.
const LATEX_COLUMNS: usize = 5;

fn latex(sheet: &Sheet) -> String {
    let line = |cells: &[String]| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!(
        "% \\usepackage{{booktabs}}\n% {}\n",
        sheet.note.replace('\n', " ")
    );
    let keys = sheet.keys.len();
    let (head, rows) = cells(sheet, Value::short_line, escape_latex, |text| {
        format!("\\textbf{{{text}}}")
    });
    let columns: Vec<usize> = (keys..keys + sheet.columns.len()).collect();
    for (at, part) in columns.chunks(LATEX_COLUMNS).enumerate() {
        let of_part = |cells: &[String]| {
            let values = part.iter().map(|column| cells[*column].clone());
            let all: Vec<String> = cells[..keys].iter().cloned().chain(values).collect();
            line(&all)
        };
        if at > 0 {
            out += "\\par\\bigskip\n";
        }
        let (words, numbers) = ("l".repeat(keys), "r".repeat(part.len()));
        out += &format!("\\begin{{tabular}}{{{words}{numbers}}}\n\\toprule\n");
        out += &of_part(&head);
        out += "\\midrule\n";
        out.extend(rows.iter().map(|row| of_part(row)));
        out += "\\bottomrule\n\\end{tabular}\n";
    }
    let mut values = sheet.rows.iter().flat_map(|row| &row.values);
    if values.any(Value::is_identical) {
        out += "\\par\\smallskip\n$\\equiv$: every run gave this number.\n";
    }
    out
}

/// `text` as LaTeX sets it, whatever the font.
fn escape_latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => {
                out.push('\\');
                out.push(c);
            }
            '^' => out += "\\textasciicircum{}",
            '~' => out += "\\textasciitilde{}",
            '<' => out += "\\textless{}",
            '>' => out += "\\textgreater{}",
            '|' => out += "\\textbar{}",
            '"' => out += "\\textquotedbl{}",
            // A row that begins with a bracket would be read as the option of the last line end.
            '[' => out += "{[}",
            ']' => out += "{]}",
            '–' => out += "--",
            '±' => out += "$\\pm$",
            IDENTICAL => out += "$\\equiv$",
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn csv(sheet: &Sheet) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let has_words = sheet
        .rows
        .iter()
        .flat_map(|row| &row.values)
        .any(|value| !value.word.is_empty());
    let mut head = sheet.keys.clone();
    for Column { title, .. } in &sheet.columns {
        head.extend([
            title.clone(),
            format!("{title} ci_lo"),
            format!("{title} ci_hi"),
        ]);
        head.extend(has_words.then(|| format!("{title} verdict")));
    }
    writer.write_record(&head)?;
    for row in &sheet.rows {
        let mut record = row.keys.clone();
        for value in &row.values {
            let number = |number: Option<f64>| number.map_or_else(String::new, |n| format!("{n}"));
            let interval = value.found.as_ref().and_then(|found| found.interval);
            record.extend([
                number(value.found.as_ref().map(|found| found.value)),
                number(interval.map(|ends| ends.0)),
                number(interval.map(|ends| ends.1)),
            ]);
            record.extend(has_words.then(|| value.word.to_owned()));
        }
        writer.write_record(&record)?;
    }
    Ok(writer.into_inner().expect("memory takes every byte"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stats;

    /// Two cells and two metrics; the last number is the same in two runs.
    pub(in crate::report) fn sheet() -> Sheet {
        let value = |values: &[f64]| Value {
            found: stats::estimate(values),
            ..Value::default()
        };
        let best = Value {
            class: "best",
            ..value(&[1.0, 2.0, 3.0])
        };
        Sheet {
            name: "summary",
            keys: vec!["policy".to_owned()],
            columns: ["wait (s)", "share %"]
                .map(|title| Column {
                    title: title.to_owned(),
                    long: title.to_owned(),
                })
                .to_vec(),
            rows: vec![
                Row {
                    keys: vec!["a|b_c, \"d\"\n#1 & {2} $x^2$ ~ \\ 50 %".to_owned()],
                    values: vec![best, value(&[])],
                },
                Row {
                    keys: vec!["[drr]".to_owned()],
                    values: vec![value(&[0.5]), value(&[2.0, 2.0])],
                },
            ],
            note: "How _ is read.".to_owned(),
        }
    }

    #[test]
    fn markdown_has_a_cell_for_each_value_whatever_a_name_holds() {
        let text = markdown(&sheet());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[4..], ["", "How \\_ is read."]);
        let lines = &lines[..4];
        assert_eq!(lines[0], "| policy | wait (s) | share % |");
        assert_eq!(lines[1], "| :-- | --: | --: |");
        for line in lines {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 4, "{line}");
        }
        assert!(
            lines[2].contains("a\\|b\\_c, \"d\" \\#1 &amp; {2}"),
            "{}",
            lines[2]
        );
        assert!(lines[2].contains("**2.00 ± 2.48**"), "{}", lines[2]);
        assert_eq!(
            lines[3],
            "| \\[drr\\] | 0.500 | 2.00 (identical in 2 runs) |"
        );
    }

    #[test]
    fn latex_sets_every_character_of_a_name() {
        let text = latex(&sheet());
        let want = "a\\textbar{}b\\_c, \\textquotedbl{}d\\textquotedbl{} \\#1 \\& \\{2\\} \
            \\$x\\textasciicircum{}2\\$ \\textasciitilde{} \\textbackslash{} 50 \\% & \
            \\textbf{2.00 $\\pm$ 2.48} & -- \\\\\n";
        assert!(text.contains(want), "{text}");
        assert!(text.contains("\n% How _ is read.\n\\begin{tabular}{lrr}\n\\toprule\n"));
        assert!(text.contains("{[}drr{]} & 0.500 & 2.00 $\\equiv$ \\\\\n"));
        assert!(text.ends_with("\n$\\equiv$: every run gave this number.\n"));
    }

    // Seven columns are five and two, each with the names of the rows.
    #[test]
    fn a_wide_table_is_cut_into_those_that_a_page_has_room_for() {
        let mut wide = sheet();
        let count = wide.columns.len();
        wide.columns = wide.columns.into_iter().cycle().take(7).collect();
        for row in &mut wide.rows {
            assert_eq!(row.values.len(), count);
            row.values = row.values.clone().into_iter().cycle().take(7).collect();
        }
        let text = latex(&wide);
        let parts: Vec<&str> = text.split("\\par\\bigskip\n").collect();
        let ands = |part: &str| part.lines().last().map(|_| part.matches(" & ").count());
        assert_eq!(parts.len(), 2, "{text}");
        assert!(
            parts[0].contains("{lrrrrr}") && parts[1].contains("{lrr}"),
            "{text}"
        );
        assert_eq!((ands(parts[0]), ands(parts[1])), (Some(15), Some(6)));
    }

    #[test]
    fn csv_has_all_digits_and_reads_back() {
        let bytes = csv(&sheet()).unwrap();
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let head: Vec<&str> = reader.headers().unwrap().iter().map(|_| "").collect();
        assert_eq!(head.len(), 7);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][0], sheet().rows[0].keys[0]);
        assert_eq!((&rows[0][1], &rows[0][4], &rows[1][1]), ("2", "", "0.5"));
        assert!(rows[0][3].parse::<f64>().unwrap() > 4.48);
    }
}
