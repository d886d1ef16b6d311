//! One page with everything: tables, figures, how to read them, and where they come from.
//!
//! Decides words and layout; refuses to load anything from elsewhere and to trust a name:
//! every text from a scenario is escaped.

use std::fmt::Write;

use super::digits::{self, significant};
use super::summary_metrics::{self, Headline};
use super::words;
use crate::compare::{self, Comparison, Verdict};
use crate::output::{Manifest, Results};
use crate::stats::Estimate;

/// A figure for the page: its drawing as SVG and what it shows.
pub(super) struct Shown {
    pub(super) svg: String,
    pub(super) name: &'static str,
    pub(super) caption: String,
}

/// The whole page.
pub(super) fn page(
    manifest: &Manifest,
    results: &Results,
    comparison: Option<&Comparison>,
    figures: &[Shown],
) -> String {
    let headlines = summary_metrics::headlines(results);
    let mut body = String::new();
    put(&mut body, format_args!("<h1>fairlab result</h1>\n"));
    put(
        &mut body,
        format_args!(
            "<p class=command><code>{}</code></p>\n",
            escape(&manifest.command)
        ),
    );
    body += &facts_line(manifest, results);
    body += "<h2>Summary</h2>\n";
    for sentence in words::sentences(results) {
        put(&mut body, format_args!("<p>{}</p>\n", escape(&sentence)));
    }
    body += &summary(results, &headlines);
    body += &classes(results);
    if let Some(comparison) = comparison {
        let (axis, baseline) = (escape(&comparison.axis), escape(&comparison.baseline));
        put(
            &mut body,
            format_args!("<h2>Difference from {axis} = {baseline}</h2>\n"),
        );
        body += &paired(results, comparison, &headlines);
    }
    body += "<h2>Figures</h2>\n<div class=figures>\n";
    for figure in figures {
        let caption = escape(&figure.caption);
        let files = ["svg", "png", "pdf"]
            .map(|end| format!("<a href=\"figures/{0}.{end}\">{end}</a>", figure.name));
        put(
            &mut body,
            format_args!(
                "<figure>{}<figcaption>{caption}. <span class=files>{}</span></figcaption></figure>\n",
                figure.svg,
                files.join(" ")
            ),
        );
    }
    body += "</div>\n";
    body += HOW_TO_READ;
    body += &provenance(manifest);
    format!(
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>fairlab result: {}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(&manifest.command)
    )
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every text");
}

fn facts_line(manifest: &Manifest, results: &Results) -> String {
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

fn table_head(results: &Results, headlines: &[Headline]) -> String {
    let names: Vec<String> = results
        .varying()
        .iter()
        .map(|at| escape(&results.axes[*at].name))
        .collect();
    let mut out = format!(
        "<div class=scroll><table>\n<thead><tr><th>{}</th>",
        names.join(" ")
    );
    for headline in headlines {
        let long = escape(&headline.long_title(&results.metrics[headline.metric]));
        let title = escape(&headline.full_title());
        put(&mut out, format_args!("<th title=\"{long}\">{title}</th>"));
    }
    out + "</tr></thead>\n<tbody>\n"
}

fn summary(results: &Results, headlines: &[Headline]) -> String {
    let mut out = table_head(results, headlines);
    let best = compare::best(results, headlines);
    for (row, cell) in results.cells.iter().enumerate() {
        put(
            &mut out,
            format_args!("<tr><th>{}</th>", escape(&results.label(cell))),
        );
        for (headline, best) in headlines.iter().zip(&best.cells) {
            let class = if best.contains(&row) {
                " class=best"
            } else {
                ""
            };
            let shown = headline
                .estimate(cell)
                .map_or_else(|| "–".to_owned(), |e| estimate(&e, ""));
            put(&mut out, format_args!("<td{class}>{shown}</td>"));
        }
        out += "</tr>\n";
    }
    let mut note = "Mean ± half of the 95 % confidence interval over replications; of a least or \
        a worst the median and its interval between order statistics, where there are enough."
        .to_owned();
    if best.comparisons > 0 {
        note += &format!(
            " Bold: better than every other cell that differs in its policy alone, paired, by more \
             than {} %, after Holm over {} comparisons.",
            significant(results.smallest_difference * 100.0),
            best.comparisons
        );
    }
    out + &format!("</tbody></table></div>\n<p class=note>{note}</p>\n")
}

/// Every class of transfers in every cell: what it waited, and what it got of its entitlement.
fn classes(results: &Results) -> String {
    const COLUMNS: [&str; 9] = [
        "transfers_not_finished",
        "completion_p50_s",
        "completion_p99_s",
        "slowdown_p50",
        "slowdown_p99",
        "share_over_entitlement_min",
        "share_over_entitlement_p50",
        "share_over_entitlement_max",
        "transfers_started",
    ];
    let classes = summary_metrics::classes(results);
    if classes.is_empty() {
        return String::new();
    }
    let mut out = "<h2>Classes</h2>\n<div class=scroll><table>\n<thead><tr><th>class</th>\
        <th>cell</th>"
        .to_owned();
    for column in COLUMNS {
        let title = summary_metrics::of_metric(results, column);
        let title = title.map_or_else(|| column.to_owned(), |found| found.long_title(column));
        put(&mut out, format_args!("<th>{}</th>", escape(&title)));
    }
    out += "</tr></thead>\n<tbody>\n";
    for class in &classes {
        let found =
            COLUMNS.map(|column| summary_metrics::of_metric(results, &format!("{column}.{class}")));
        for cell in &results.cells {
            let (class, label) = (escape(class), escape(&results.label(cell)));
            put(
                &mut out,
                format_args!("<tr><th>{class}</th><td>{label}</td>"),
            );
            for headline in &found {
                let value = headline.as_ref().and_then(|found| found.estimate(cell));
                let unit = headline.as_ref().map_or("", |found| found.unit);
                let shown = value.map_or_else(
                    || "–".to_owned(),
                    |found| format!("{} {unit}", estimate(&found, "")),
                );
                put(&mut out, format_args!("<td>{}</td>", shown.trim_end()));
            }
            out += "</tr>\n";
        }
    }
    out + "</tbody></table></div>\n"
}

fn paired(results: &Results, comparison: &Comparison, headlines: &[Headline]) -> String {
    let mut out = table_head(results, headlines);
    let mut cells: Vec<usize> = comparison.rows.iter().map(|row| row.cell).collect();
    cells.dedup();
    for cell in cells {
        let label = escape(&results.label(&results.cells[cell]));
        put(&mut out, format_args!("<tr><th>{label}</th>"));
        for headline in headlines {
            let mut rows = comparison.rows.iter();
            let row = rows.find(|row| row.cell == cell && row.metric == headline.metric);
            let Some(row) = row else {
                out += "<td>–</td>";
                continue;
            };
            let class = match row.verdict {
                Verdict::Better => "better",
                Verdict::Worse => "worse",
                _ => "same",
            };
            let sign = if row.difference.value > 0.0 { "+" } else { "" };
            let shown = estimate(&row.difference.scaled(headline.scale), sign);
            let word = row.verdict.word();
            put(
                &mut out,
                format_args!("<td class={class}>{shown}<br><small>{word}</small></td>"),
            );
        }
        out += "</tr>\n";
    }
    let mut note = "Replications share their random numbers, so each run is compared with its \
        twin: difference ± half of its 95 % confidence interval."
        .to_owned();
    let count = comparison.headline;
    if count > 0 {
        note += &format!(
            " A verdict is given where the interval leaves out zero, the difference is above {} % \
             of the baseline, and its probability stands beside all {count} comparisons of the \
             table (Holm): without that, chance alone would make {} of them differ.",
            significant(results.smallest_difference * 100.0),
            significant(count as f64 * compare::LEVEL)
        );
    }
    out + &format!("</tbody></table></div>\n<p class=note>{note}</p>\n")
}

fn estimate(found: &Estimate, sign: &str) -> String {
    let value = significant(found.value);
    let spread = match (found.half_width(), found.interval) {
        _ if found.is_identical() => format!("identical in {} runs", found.n),
        (Some(half), _) => format!("± {}", digits::half(half, found.value)),
        (None, Some((low, high))) => format!("{} to {}", significant(low), significant(high)),
        (None, None) => return format!("{sign}{value}"),
    };
    format!("{sign}{value}<span class=half> {spread}</span>")
}

fn provenance(manifest: &Manifest) -> String {
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
    <li><b>Entitlement</b> is what weighted max-min sharing would have given a transfer at each \
    moment, among those that had something to send, floors and caps included. A <b>share</b> is what \
    it got over that: below 1 for who waited longer than it had to.</li>\n\
    <li><b>Jain's index</b>, over windows of a length and among those that wanted something all \
    through a window, is 1 if all got the same part of what they were entitled to, and 1/n if one \
    of n got all. It does not say who lost, so it never stands alone here.</li>\n\
    <li><b>Slowdown</b> is the time that something took over the time that it took in a run of \
    its own, with the same links and nobody else; the row <b>alone</b> has those times. Percentiles \
    are values that occurred.</li>\n\
    <li><b>The bound</b> of a swarm is the least time in which any policy could serve the last \
    peer (Kumar and Ross; Mundinger, Weber and Weiss for equal peers).</li>\n\
    <li><b>Up / down</b> is what a peer sent while it still wanted something over what it \
    received.</li>\n\
    <li>What did not finish is counted, never left out of a distribution.</li>\n\
    <li>One replication is one observation. Intervals of means are Student's, 95 %; where all \
    replications are the same there is none.</li>\n</ul>\n";

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #666; --page: #fff; --line: #ddd; \
--good: #00684a; --bad: #a33c00; --band: #f5f5f5 }\n\
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #a0a0a0; --page: #16181b; \
--line: #3a3d42; --good: #53c79b; --bad: #f09152; --band: #1f2226 } }\n\
body { margin: 0; background: var(--page); color: var(--ink); \
font: 16px/1.5 system-ui, sans-serif }\n\
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1rem 4rem }\n\
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem }\n\
code, pre { font: .88em/1.45 ui-monospace, monospace; overflow-wrap: anywhere }\n\
pre { background: var(--band); padding: 1rem; overflow-x: auto; overflow-wrap: normal }\n\
.command { margin: .4rem 0 } .facts, .note, figcaption, .half, small { color: var(--soft) }\n\
.facts { margin: 0 } .note, figcaption { font-size: .88rem; max-width: 46rem }\n\
.scroll { overflow-x: auto }\n\
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }\n\
th, td { padding: .3rem .55rem; text-align: right; white-space: nowrap }\n\
th:first-child { text-align: left; font-weight: 500 }\n\
thead th { border-bottom: 1px solid var(--ink); font-weight: 500; white-space: normal; \
vertical-align: bottom }\n\
tbody tr { border-bottom: 1px solid var(--line) } tbody tr:hover { background: var(--band) }\n\
.best { font-weight: 700 } .best .half { font-weight: 400 }\n\
.better { color: var(--good) } .worse { color: var(--bad) } .same { color: var(--soft) }\n\
.figures { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem } figure { margin: 0; \
flex: 0 1 auto; max-width: 100%; width: min-content } figure svg { display: block; \
margin-bottom: .4rem } figure svg { height: auto; background: #fff; \
border-radius: 4px }\n\
.files a { margin-left: .3em } a { color: inherit }\n\
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; font-size: .92rem }\n\
dt { color: var(--soft) } dd { margin: 0 } details { margin: .8rem 0 }\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_markup_is_text() {
        assert_eq!(escape("<a b='\"&"), "&lt;a b=&#39;&quot;&amp;");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for part in [STYLE, HOW_TO_READ] {
            assert!(!part.contains("http") && !part.contains("@import") && !part.contains("url("));
        }
    }
}
