//! One page with everything: tables, figures, how to read them, and where they come from.
//!
//! Decides words and layout; refuses to load anything from elsewhere and to trust a name:
//! every text from a scenario is escaped.

use std::fmt::Write;

use super::digits::{decimals, fixed, significant};
use super::headline::{self, Headline};
use crate::compare::{Comparison, Verdict};
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
    let headlines = headline::headlines(results);
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
    body += &summary(results, &headlines);
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
    let best: Vec<Vec<usize>> = headlines
        .iter()
        .map(|headline| headline.best(results))
        .collect();
    for (row, cell) in results.cells.iter().enumerate() {
        put(
            &mut out,
            format_args!("<tr><th>{}</th>", escape(&results.label(cell))),
        );
        for (headline, best) in headlines.iter().zip(&best) {
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
    out + "</tbody></table></div>\n<p class=note>Mean ± half of the 95 % confidence interval over \
        replications. Bold: best mean among cells that differ in their policy alone.</p>\n"
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
            let sign = if row.difference.mean > 0.0 { "+" } else { "" };
            let shown = estimate(&row.difference.scaled(headline.scale), sign);
            let word = row.verdict.word();
            put(
                &mut out,
                format_args!("<td class={class}>{shown}<br><small>{word}</small></td>"),
            );
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div>\n<p class=note>Replications share their random numbers, so each \
        run is compared with its twin: mean difference ± half of its 95 % confidence interval. A \
        verdict is given where the interval leaves out zero. With many metrics some verdicts are \
        chance: about one in twenty of those that mean nothing.</p>\n"
}

fn estimate(found: &Estimate, sign: &str) -> String {
    let half = found.half_width().map_or_else(String::new, |half| {
        format!(
            "<span class=half> ± {}</span>",
            fixed(half, decimals(found.mean))
        )
    });
    format!("{sign}{}{half}", significant(found.mean))
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
    moment, among those that had something to send, floors and caps included. <b>Share error</b> \
    is the distance from it in percent points of all bytes.</li>\n\
    <li><b>Jain's index</b> is 1 if all got the same part of what they were entitled to, and 1/n \
    if one of n got all. It does not say who lost, so it never stands alone here.</li>\n\
    <li><b>Slowdown</b> is the time that something took over the time that it would have taken \
    alone. Percentiles are values that occurred.</li>\n\
    <li><b>The bound</b> of a swarm is the least time in which any policy could serve the last \
    peer (Kumar and Ross; Mundinger, Weber and Weiss for equal peers).</li>\n\
    <li><b>Up / down</b> is what a peer sent while it still wanted something over what it \
    received.</li>\n\
    <li>What did not finish is counted, never left out of a distribution.</li>\n\
    <li>One replication is one observation. Intervals of means are Student's, 95 %.</li>\n</ul>\n";

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
