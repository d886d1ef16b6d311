//! Two worlds beside each other, for a person.

use super::Style;
use super::layout::{clip, pad_left, pad_right, width_of};
use crate::report::digits::{decimals, fixed, significant};
use crate::validation::{Found, Row, Worlds};

/// Cells of the table are cut to this.
const CELL_MAX: usize = 34;
const TITLES: [&str; 8] = [
    "",
    "class",
    "simulated",
    "emulated",
    "error",
    "aim",
    "",
    "worst",
];
/// Columns from here on that are numbers.
const NUMBERS: std::ops::Range<usize> = 2..6;

/// A table for each cell: what was compared, in both worlds, and how far they are apart. What
/// misses the aim is marked.
#[must_use]
pub fn worlds(worlds: &Worlds, style: Style) -> String {
    let rows: Vec<[String; TITLES.len()]> = worlds.rows.iter().map(fields).collect();
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|at| {
            let column: Vec<String> = rows.iter().map(|row| row[at].clone()).collect();
            width_of(&column).max(TITLES[at].len())
        })
        .collect();
    let mut out = format!("simulated and {}: {}\n", worlds.world, worlds.scenario);
    let titles = TITLES.map(|title| {
        // Both words for the world of real nodes are of one length.
        let is_real = title == "emulated";
        if is_real {
            worlds.world.clone()
        } else {
            title.to_owned()
        }
    });
    out += &line(&titles, &widths, style);
    let mut cell = None;
    for (row, fields) in worlds.rows.iter().zip(&rows) {
        if cell != Some(&row.cell) {
            cell = Some(&row.cell);
            let used = row
                .cpu_pct
                .map(|used| format!(", machine used to {used:.0} %"));
            out += &style.dim(&format!("{}{}", row.label, used.unwrap_or_default()));
            out.push('\n');
        }
        out += &line(fields, &widths, style);
    }
    let missed = worlds.rows.iter().filter(|row| !row.found.within()).count();
    let legend = format!(
        "± half of the 95 % interval over replications · pp points of a share · {missed} of {} \
         outside their aim (!)",
        worlds.rows.len()
    );
    out += &style.dim(&legend);
    out.push('\n');
    out
}

fn fields(row: &Row) -> [String; TITLES.len()] {
    let found = &row.found;
    let value = |value: Option<f64>| {
        value.map_or_else(String::new, |value| {
            format!("{} {}", significant(value), found.unit)
        })
    };
    [
        format!("  {}", found.quantity),
        clip(&found.class, CELL_MAX),
        value(found.simulated),
        value(found.emulated),
        error(found),
        format!("{} {}", found.aim, unit(found))
            .trim_end()
            .to_owned(),
        if found.within() { " " } else { "!" }.to_owned(),
        clip(&found.item, CELL_MAX),
    ]
}

fn error(found: &Found) -> String {
    // More than a tenth of a percent or of a point nobody needs.
    let decimals = decimals(found.error).min(1);
    let half = found.interval.map(|(low, high)| (high - low) / 2.0);
    let half = half.map(|half| format!(" ±{}", fixed(half, decimals)));
    let sign = if found.error > 0.0 { "+" } else { "" };
    let error = fixed(found.error, decimals);
    let text = format!("{sign}{error}{} {}", half.unwrap_or_default(), unit(found));
    text.trim_end().to_owned()
}

fn unit(found: &Found) -> &'static str {
    match found.error_unit {
        "points" => "pp",
        "count" => "",
        other => other,
    }
}

fn line(fields: &[String; TITLES.len()], widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    for (at, (field, width)) in fields.iter().zip(widths).enumerate() {
        let field = if NUMBERS.contains(&at) {
            pad_left(field, *width)
        } else {
            pad_right(field, *width)
        };
        text += &field;
        text += "  ";
    }
    // Whatever the width of the terminal is, a row is one line.
    let mut text = clip(text.trim_end(), style.width);
    text.push('\n');
    text
}
