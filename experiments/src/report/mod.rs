//! Figures, one self-contained page, its tables and a script from a finished result.
//!
//! Reads tables, never runs anything; the same tables give the same bytes.

mod chart;
mod data;
pub mod digits;
mod draw;
mod explain;
mod export;
mod font;
mod grouping;
mod page;
mod pdf;
mod plan;
mod script;
mod styles;
pub mod summary_metrics;
pub mod words;

use std::path::{Path, PathBuf};

use crate::compare::{self, Comparison};
use crate::deviation::Deviations;
use crate::output::{OutputError, Results, read_manifest, write_whole};

/// Draws every figure that the result in `dir` has into `dir/figures`, and writes
/// `dir/report.html` and its tables into `dir/tables`. Gives the files, the page last.
///
/// # Errors
///
/// [`OutputError`] if the result is unfinished or not a result, or a file cannot be written.
pub fn write(dir: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let manifest = read_manifest(dir)?;
    let results = Results::read_judged(dir, &manifest.scenario)?;
    let deviations = Deviations::of(&results, &manifest.scenario);
    let (mut files, shown) = draw_all(dir, &results, deviations.as_ref())?;
    let compared = page::Compared {
        baseline: earlier_comparison(dir, &results),
        deviations,
    };
    let (page, sheets) = page::page(&manifest, &results, &compared, &shown);
    for sheet in &sheets {
        files.extend(export::write(sheet, dir)?);
    }
    let path = dir.join("report.html");
    write_whole(&path, page.as_bytes())?;
    files.push(path);
    Ok(files)
}

fn draw_all(
    dir: &Path,
    results: &Results,
    deviations: Option<&Deviations>,
) -> Result<(Vec<PathBuf>, Vec<page::Shown>), OutputError> {
    let (mut files, mut shown) = (Vec::new(), Vec::new());
    for figure in plan::figures(dir, results, deviations)? {
        let drawn = draw::draw(&figure, &dir.join("figures"))?;
        files.extend(drawn.files);
        shown.push(page::Shown {
            svg: drawn.svg,
            name: figure.name,
            caption: figure.caption,
            metrics: figure.metrics,
        });
    }
    Ok((files, shown))
}

/// Writes `dir/figures.py`, which draws the main figures with matplotlib. Gives its path.
///
/// # Errors
///
/// As [`write()`].
pub fn write_script(dir: &Path) -> Result<PathBuf, OutputError> {
    read_manifest(dir)?;
    let results = Results::read(dir)?;
    let path = dir.join("figures.py");
    write_whole(&path, script::script(&results).as_bytes())?;
    Ok(path)
}

/// The comparison that `paired.csv` in `dir` was made from; none if there is no such table.
fn earlier_comparison(dir: &Path, results: &Results) -> Option<Comparison> {
    let mut reader = csv::Reader::from_path(dir.join("paired.csv")).ok()?;
    let column = reader
        .headers()
        .ok()?
        .iter()
        .position(|name| name == "baseline")?;
    let row = reader.records().next()?.ok()?;
    compare::compare(results, row.get(column)?).ok()
}

#[cfg(test)]
mod tests;
