//! Comma-separated values, read line by line in constant memory.
//!
//! The text is UTF-8 with or without a byte order mark, lines ended by LF or CRLF, a header first,
//! fields in quotes or bare, quotes doubled inside quotes. Anything else is refused with line and
//! column: a lone quote, a line break inside quotes, a NUL, UTF-16, a missing or unknown column, a
//! row of another length, an empty file, too many rows.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Take};
use std::path::Path;

use fairhaul_config::fault::did_you_mean;
use fairhaul_config::file::{open, utf16_mark};

use super::{FILE_BYTES_MAX, LINE_BYTES_MAX, ROWS_MAX};
use crate::scenario::BadFile;

/// A file of rows, at some row.
#[derive(Debug)]
pub(crate) struct Table {
    path: String,
    reader: BufReader<Take<File>>,
    header: Vec<String>,
    line: u32,
    rows: u64,
    buffer: Vec<u8>,
    cells: Vec<String>,
}

impl Table {
    /// Opens `path` and reads its header, which must have every column of `needed` and may
    /// have those of `optional`.
    pub(crate) fn open(
        folder: &Path,
        path: &str,
        needed: &[&str],
        optional: &[&str],
    ) -> Result<Self, BadFile> {
        let mut table = Self {
            path: path.to_owned(),
            reader: open(folder, path, FILE_BYTES_MAX)?,
            header: Vec::new(),
            line: 0,
            rows: 0,
            buffer: Vec::new(),
            cells: Vec::new(),
        };
        if !table.advance()? {
            let wanted = needed.join(",");
            return Err(table.bad_at("header", "is missing", "an empty file", &wanted));
        }
        table.header = std::mem::take(&mut table.cells);
        table.check_header(needed, optional)?;
        Ok(table)
    }

    fn check_header(&self, needed: &[&str], optional: &[&str]) -> Result<(), BadFile> {
        let known: Vec<&str> = needed.iter().chain(optional).copied().collect();
        let allowed = known.join(", ");
        for (index, name) in self.header.iter().enumerate() {
            let column = format!("column {}", index + 1);
            if !known.contains(&name.as_str()) {
                let what = did_you_mean("is an unknown column", name, known.iter().copied());
                return Err(self.bad_at(&column, &what, &format!("\"{name}\""), &allowed));
            }
            if self.header[..index].contains(name) {
                let got = format!("\"{name}\"");
                return Err(self.bad_at(&column, "is there twice", &got, "each column once"));
            }
        }
        match needed.iter().find(|name| self.column(name).is_none()) {
            Some(name) => {
                let got = self.header.join(",");
                Err(self.bad_at(name, "is missing from the header", &got, &allowed))
            }
            None => Ok(()),
        }
    }

    /// The place of a column; none if the file does not have it.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Moves to the next row; false at the end.
    pub(crate) fn next(&mut self) -> Result<bool, BadFile> {
        if !self.advance()? {
            return Ok(false);
        }
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Err(self.bad_at("row", "is one too many", "row 1000001", "1000000 rows"));
        }
        if self.cells.len() != self.header.len() {
            let got = format!("{} columns", self.cells.len());
            let allowed = format!("{} columns as in the header", self.header.len());
            let column = format!("column {}", self.cells.len().min(self.header.len() + 1));
            return Err(self.bad_at(&column, "has the wrong number of columns", &got, &allowed));
        }
        Ok(true)
    }

    /// The text in column `index` of this row.
    pub(crate) fn cell(&self, index: usize) -> &str {
        &self.cells[index]
    }

    /// The line of this row.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// The fault of a cell of this row.
    pub(crate) fn bad(&self, index: usize, what: &str, allowed: &str) -> BadFile {
        let got = match self.cell(index) {
            "" => "nothing".to_owned(),
            text => format!("\"{text}\""),
        };
        self.bad_at(&self.header[index], what, &got, allowed)
    }

    /// The fault of this row.
    pub(crate) fn bad_at(&self, column: &str, what: &str, got: &str, allowed: &str) -> BadFile {
        BadFile::new(&self.path, self.line.max(1), column, what, got, allowed)
    }

    /// A number in column `index`, from `least` to `greatest`.
    pub(crate) fn real(&self, index: usize, least: f64, greatest: f64) -> Result<f64, BadFile> {
        let allowed = || format!("a number from {least} to {greatest}");
        let text = self.cell(index);
        let plain = |b: u8| b.is_ascii_digit() || b == b'.';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(plain) {
            // Also "nan", "inf", signs and exponents: a table is written plainly.
            return Err(self.bad(index, "is not a plain number", &allowed()));
        }
        match text.parse::<f64>() {
            Ok(number) if (least..=greatest).contains(&number) => Ok(number),
            Ok(_) => Err(self.bad(index, "is out of range", &allowed())),
            Err(_) => Err(self.bad(index, "is not a plain number", &allowed())),
        }
    }

    /// Reads one line into `cells`; false at the end. Empty lines at the end are no rows.
    fn advance(&mut self) -> Result<bool, BadFile> {
        self.buffer.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| {
                let got = error.kind().to_string();
                BadFile::new(
                    &self.path,
                    self.line,
                    "file",
                    "cannot be read",
                    &got,
                    "a readable file",
                )
            })?;
        if read == 0 {
            return Ok(false);
        }
        self.line = self.line.saturating_add(1);
        if self.line == 1 {
            if let Some(mark) = utf16_mark(&self.buffer) {
                return Err(self.bad_at("column 1", "is not UTF-8", mark, "UTF-8 text"));
            }
            if self.buffer.starts_with("\u{feff}".as_bytes()) {
                self.buffer.drain(..3);
            }
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            let column = format!("column {}", self.columns_so_far());
            return Err(self.bad_at(
                &column,
                "makes the line too long",
                "over 64 KiB",
                "64 KiB a line",
            ));
        }
        while matches!(self.buffer.last(), Some(b'\n')) {
            self.buffer.pop();
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        self.split()?;
        Ok(true)
    }

    fn columns_so_far(&self) -> usize {
        1 + self.buffer.iter().filter(|byte| **byte == b',').count()
    }

    /// Cuts the line into cells.
    fn split(&mut self) -> Result<(), BadFile> {
        let text = match std::str::from_utf8(&self.buffer) {
            Ok(text) => text,
            Err(error) => {
                let before = &self.buffer[..error.valid_up_to()];
                let column = 1 + before.iter().filter(|byte| **byte == b',').count();
                let got = format!("byte 0x{:02x}", self.buffer[error.valid_up_to()]);
                return Err(self.bad_at(
                    &format!("column {column}"),
                    "is not UTF-8",
                    &got,
                    "UTF-8 text",
                ));
            }
        };
        let mut cells = std::mem::take(&mut self.cells);
        cells.clear();
        let result = split_line(text, &mut cells);
        self.cells = cells;
        result.map_err(|(what, got)| {
            let column = format!("column {}", self.cells.len() + 1);
            self.bad_at(
                &column,
                what,
                got,
                "bare text, or text in quotes with inner quotes doubled",
            )
        })
    }
}

/// What is wrong with a line, and what was got.
type LineFault = (&'static str, &'static str);

fn split_line(text: &str, cells: &mut Vec<String>) -> Result<(), LineFault> {
    let mut rest = text;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_cell(inside)?,
            None => bare_cell(rest)?,
        };
        if cell.contains('\0') {
            return Err(("has a NUL byte", "NUL"));
        }
        if cell.contains('\r') {
            return Err(("has a lone carriage return", "CR"));
        }
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(()),
            None => return Err(("has text after its closing quote", "text")),
        }
    }
}

/// A cell without quotes, and what follows it.
fn bare_cell(text: &str) -> Result<(String, &str), LineFault> {
    let (cell, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    if cell.contains('"') {
        return Err(("has a lone quote", "\""));
    }
    Ok((cell.to_owned(), after))
}

/// A cell whose opening quote was read, and what follows its closing quote.
fn quoted_cell(text: &str) -> Result<(String, &str), LineFault> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let Some(quote) = rest.find('"') else {
            return Err(("has a quote that is not closed on its line", "\""));
        };
        cell.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            None => return Ok((cell, rest)),
        }
    }
}
