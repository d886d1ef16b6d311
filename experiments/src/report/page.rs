//! One page with everything: what was asked, the answer, tables, figures, and where they come from.
//!
//! Words and layout. Nothing is loaded from elsewhere, and no name is trusted: every text from a
//! scenario is escaped.

mod matrices;
mod sheets;

use std::fmt::Write;

use super::explain;
use super::export::{FOLDER, FORMATS, Sheet, Value};
use super::grouping::{axis_words, grouping};
use super::summary_metrics;
use super::words;
use crate::compare::Comparison;
use crate::deviation::Deviations;
use crate::output::{ResultManifest, Results};
use crate::terminal::IDENTICAL;

/// A figure for the page: its drawing as SVG and what it shows.
pub(super) struct Shown {
    pub(super) svg: String,
    pub(super) name: &'static str,
    pub(super) caption: String,
    /// Metrics that it shows, by name.
    pub(super) metrics: Vec<String>,
}

/// What the cells of a result are compared with.
#[derive(Default)]
pub(super) struct Compared {
    /// The baseline of the scenario, or of a person.
    pub(super) baseline: Option<Comparison>,
    /// Deviations, each with the cell in which the same nodes comply.
    pub(super) deviations: Option<Deviations>,
}

/// The whole page, and its tables.
pub(super) fn page(
    manifest: &ResultManifest,
    results: &Results,
    compared: &Compared,
    figures: &[Shown],
) -> (String, Vec<Sheet>) {
    let headlines = summary_metrics::headlines(results);
    let mut known = Terms::default();
    let mut sheets = Vec::new();
    let mut body = head(manifest, results);
    body += &policies(manifest, results);
    if let Some(deviations) = &compared.deviations {
        body += "<h2>Deviation</h2>\n";
        for sheet in matrices::sheets(results, deviations) {
            body += &table(&sheet);
            sheets.push(sheet);
        }
    }
    body += "<h2>Summary</h2>\n";
    let mut add = |(sheet, metrics): sheets::Explained, known: &mut Terms| {
        let text = known.of(&metrics) + &table(&sheet);
        sheets.push(sheet);
        text
    };
    body += &add(sheets::summary(results, &headlines), &mut known);
    if let Some(classes) = sheets::classes(results) {
        body += "<h2>Classes</h2>\n";
        body += &add(classes, &mut known);
    }
    if let Some(comparison) = &compared.baseline {
        let axis = escape(&axis_words(&comparison.axis));
        let baseline = escape(&comparison.baseline);
        put(
            &mut body,
            format_args!("<h2>Difference from {axis} = {baseline}</h2>\n"),
        );
        let found = sheets::differences(results, comparison, &headlines);
        body += &add(found, &mut known);
    }
    body += "<h2>Figures</h2>\n";
    for figure in figures {
        body += &known.of(&figure.metrics);
        let caption = escape(&figure.caption);
        let links = ["svg", "png", "pdf"]
            .map(|end| format!("<a href=\"figures/{0}.{end}\">{end}</a>", figure.name));
        put(
            &mut body,
            format_args!(
                "<figure><div class=scroll>{}</div><figcaption>{caption}. \
                 <span class=files>{}</span></figcaption></figure>\n",
                figure.svg,
                links.join(" ")
            ),
        );
    }
    body += HOW_TO_READ;
    body += &provenance(manifest);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>{}: fairlab result</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(name(manifest))
    );
    (page, sheets)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every text");
}

/// What the scenario is called.
fn name(manifest: &ResultManifest) -> &str {
    if manifest.name.is_empty() {
        "fairlab result"
    } else {
        &manifest.name
    }
}

/// The scenario's name, what it asks, and what the result answers.
fn head(manifest: &ResultManifest, results: &Results) -> String {
    let mut out = format!("<h1>{}</h1>\n", escape(name(manifest)));
    let scenario: toml::Table = manifest.scenario.parse().unwrap_or_default();
    let about = scenario
        .get("scenario")
        .and_then(|scenario| scenario.get("about")?.as_str());
    if let Some(about) = about.filter(|about| !about.is_empty()) {
        put(
            &mut out,
            format_args!("<p class=about>{}</p>\n", escape(about)),
        );
    }
    let sentences = words::sentences(results);
    if !sentences.is_empty() {
        out += "<div class=answer>\n";
        for sentence in sentences {
            let (topic, rest) = sentence.split_once(": ").unwrap_or(("", &sentence));
            let (topic, rest) = (escape(topic), escape(rest));
            put(&mut out, format_args!("<p><b>{topic}:</b> {rest}</p>\n"));
        }
        out += "</div>\n";
    }
    put(
        &mut out,
        format_args!(
            "<p class=command><code>{}</code></p>\n",
            escape(&manifest.command)
        ),
    );
    out + &facts_line(manifest, results)
}

fn facts_line(manifest: &ResultManifest, results: &Results) -> String {
    let replications = results
        .cells
        .iter()
        .map(|cell| cell.runs.len())
        .max()
        .unwrap_or(0);
    format!(
        "<p class=facts>{} runs · {} cells · {replications} replications · seed {} · version {}</p>\n",
        manifest.runs.unwrap_or_default(),
        results.cells.len(),
        manifest.seed_text(),
        escape(&manifest.version)
    )
}

/// Every policy in one sentence.
fn policies(manifest: &ResultManifest, results: &Results) -> String {
    let found = explain::explained(manifest, results, &grouping(results));
    if found.is_empty() {
        return String::new();
    }
    let mut out = "<h2>Policies</h2>\n<dl class=terms>\n".to_owned();
    for policy in &found {
        let (name, kind) = (escape(&policy.name), escape(&policy.kind));
        let about = escape(&policy.about);
        put(
            &mut out,
            format_args!("<dt>{name} <small>{kind}</small></dt><dd>{about}.</dd>\n"),
        );
    }
    out + "</dl>\n"
}

/// Metrics that the page has explained.
#[derive(Default)]
struct Terms(Vec<&'static str>);

impl Terms {
    /// What those of `metrics` are that the page has not explained yet.
    fn of(&mut self, metrics: &[String]) -> String {
        let mut out = String::new();
        for metric in metrics {
            let Some((title, about)) = summary_metrics::explained(metric) else {
                continue;
            };
            if !self.0.contains(&title) {
                self.0.push(title);
                let (title, about) = (escape(title), escape(about));
                put(
                    &mut out,
                    format_args!("<dt>{title}</dt><dd>{about}.</dd>\n"),
                );
            }
        }
        if out.is_empty() {
            return out;
        }
        format!("<dl class=terms>\n{out}</dl>\n")
    }
}

/// Columns of a table that a page has room for, those of names counted in; a table with more goes
/// on below, in parts of about the same width.
const COLUMNS_MAX: usize = 14;

/// A table, in as many parts as it needs. On a narrow screen the style makes a card of each row,
/// and there each cell says what it is of.
fn table(sheet: &Sheet) -> String {
    let room = COLUMNS_MAX.saturating_sub(sheet.keys.len()).max(1);
    let parts = sheet.columns.len().div_ceil(room).max(1);
    let wide = sheet.columns.len().div_ceil(parts).max(1);
    let mut out = "<div class=scroll>".to_owned();
    for (part, columns) in sheet.columns.chunks(wide).enumerate() {
        out += "<table>\n<thead><tr>";
        for key in &sheet.keys {
            put(&mut out, format_args!("<th>{}</th>", escape(key)));
        }
        for column in columns {
            let (long, title) = (escape(&column.long), escape(&column.title));
            put(
                &mut out,
                format_args!("<th class=number title=\"{long}\">{title}</th>"),
            );
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &sheet.rows {
            out += "<tr>";
            for (key, name) in row.keys.iter().zip(&sheet.keys) {
                let (key, name) = (escape(key), escape(name));
                put(&mut out, format_args!("<th data-of=\"{name}\">{key}</th>"));
            }
            for (value, column) in row.values[part * wide..].iter().zip(columns) {
                out += &cell(value, &column.title);
            }
            out += "</tr>\n";
        }
        out += "</tbody></table>\n";
    }
    let mut values = sheet.rows.iter().flat_map(|row| &row.values);
    let identical = if values.any(Value::is_identical) {
        format!(" {IDENTICAL}: the same number in every run.")
    } else {
        String::new()
    };
    let links = FORMATS
        .map(|(ending, name)| format!("<a href=\"{FOLDER}/{}.{ending}\">{name}</a>", sheet.name));
    put(
        &mut out,
        format_args!(
            "</div>\n<p class=note>{}{identical} <span class=files>As {}</span></p>\n",
            escape(&sheet.note),
            links.join(" ")
        ),
    );
    out
}

fn cell(value: &Value, title: &str) -> String {
    let (mut shown, mut spread) = value.shown();
    // Said in words below the table: in each cell they would make the table wider than the page.
    if value.is_identical() {
        (shown, spread) = (format!("{shown} {IDENTICAL}"), String::new());
    }
    let (class, title) = (value.class, escape(title));
    let mut out = format!("<td class=\"{class}\" data-of=\"{title}\">{shown}");
    for (name, words) in [("half", spread.as_str()), ("word", value.word)] {
        if !words.is_empty() {
            put(
                &mut out,
                format_args!(" <small class={name}>{words}</small>"),
            );
        }
    }
    out + "</td>"
}

fn provenance(manifest: &ResultManifest) -> String {
    let machine = &manifest.machine;
    let rows = [
        ("command", manifest.command.clone()),
        ("seed", manifest.seed_text()),
        ("version", manifest.version.clone()),
        ("commit", manifest.commit.clone()),
        ("scenario, BLAKE3", manifest.scenario_blake3.clone()),
        (
            "machine",
            format!("{}, {} cores, {}", machine.cpu, machine.cores, machine.os),
        ),
    ];
    let mut out = "<h2>Where it comes from</h2>\n<dl>\n".to_owned();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        put(
            &mut out,
            format_args!("<dt>{name}</dt><dd><code>{}</code></dd>\n", escape(value)),
        );
    }
    out += "</dl>\n<details><summary>Scenario</summary><pre>";
    out += &escape(&manifest.scenario);
    out += "</pre></details>\n<details><summary>Files and their BLAKE3</summary><dl>\n";
    for (name, digest) in &manifest.files {
        let (name, digest) = (escape(name), escape(digest));
        put(
            &mut out,
            format_args!("<dt><a href=\"{name}\">{name}</a></dt><dd><code>{digest}</code></dd>\n"),
        );
    }
    out + "</dl></details>\n"
}

/// `text` as it may stand in an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

const HOW_TO_READ: &str = "<h2>How to read it</h2>\n<ul>\n\
    <li>The row <b>alone</b> is what the same transfers and peers take with the same links and \
    nobody else.</li>\n\
    <li>Percentiles are values that occurred. What did not finish is counted, never left out of a \
    distribution.</li>\n\
    <li>One replication is one observation. Intervals of means are Student's, 95 %; where all \
    replications are the same there is none.</li>\n\
    <li>A built-in policy has the same colour, marker and line in every figure of every result; of two \
    that vary together the first gives the colour, and the second the marker.</li>\n\
    </ul>\n";

const STYLE: &str = include_str!("page/style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_markup_is_text() {
        assert_eq!(escape("<a b='\"&"), "&lt;a b=&#39;&quot;&amp;");
    }

    #[test]
    fn a_number_that_is_the_same_in_every_run_is_marked_and_the_mark_explained() {
        let mut sheet = super::super::export::tests::sheet();
        let note = "≡: the same number in every run.";
        let page = table(&sheet);
        assert_eq!(page.matches(">2.00 ≡</td>").count(), 1);
        assert_eq!(page.matches(note).count(), 1);
        sheet.rows.pop();
        assert!(!table(&sheet).contains('≡'));
    }

    // A column of names and twenty of numbers: two tables with ten each, and every row in both.
    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let mut sheet = super::super::export::tests::sheet();
        for column in 2..20 {
            sheet.columns.push(sheet.columns[column % 2].clone());
            for row in &mut sheet.rows {
                row.values.push(row.values[column % 2].clone());
            }
        }
        let page = table(&sheet);
        for part in page.split("</table>").take(2) {
            assert_eq!(part.matches("<th class=number").count(), 10);
            assert_eq!(part.matches("<th data-of=\"policy\">").count(), 2);
            assert_eq!(part.matches("<td ").count(), 20);
        }
        assert_eq!(page.matches("</table>").count(), 2);
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for part in [STYLE, HOW_TO_READ] {
            assert!(!part.contains("http") && !part.contains("@import") && !part.contains("url("));
        }
    }
}
