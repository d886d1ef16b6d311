//! How one value looks in a table.
//!
//! A number has the fewest digits that read back as the same number, never an exponent or a
//! not-a-number. Text that a spreadsheet would run as a formula gets a `'` in front, and control
//! characters, which a terminal would act on, are escaped. A missing value is empty.

use fairhaul_core::time::Span;

/// A number in the fewest digits that read back as the same number; empty if there is none
/// or it is not finite.
#[must_use]
pub fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => {
            // Adding zero turns -0 into 0.
            (value + 0.0).to_string()
        }
        _ => String::new(),
    }
}

/// A time in seconds with every digit that it has; empty if there is none.
#[must_use]
pub fn seconds(span: Option<Span>) -> String {
    let Some(span) = span else {
        return String::new();
    };
    let (whole, nanos) = (
        span.as_nanos() / 1_000_000_000,
        span.as_nanos() % 1_000_000_000,
    );
    if nanos == 0 {
        return whole.to_string();
    }
    let digits = format!("{whole}.{nanos:09}");
    digits.trim_end_matches('0').to_owned()
}

/// Text that no spreadsheet takes for a formula and no terminal acts on. Numbers stay plain, signs
/// included.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.contains(char::is_control) {
        for c in text.chars() {
            match c {
                c if c.is_control() || c == '\\' => out.extend(c.escape_default()),
                c => out.push(c),
            }
        }
    } else {
        out.push_str(text);
    }
    // Escaped, a text starts with a backslash or with what it started with.
    if out.starts_with(['=', '+', '-', '@']) && out.parse::<f64>().is_err() {
        out.insert(0, '\'');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_themselves_and_have_no_exponent() {
        for value in [0.1 + 0.2, 1e-9, 1e21, -2.5, 1.0 / 3.0] {
            let shown = number(Some(value));
            assert_eq!(shown.parse::<f64>(), Ok(value));
            assert!(!shown.contains('e'), "{shown}");
        }
        assert_eq!(number(Some(-0.0)), "0");
        assert_eq!(number(Some(f64::NAN)), "");
        assert_eq!(number(Some(f64::INFINITY)), "");
        assert_eq!(number(None), "");
    }

    #[test]
    fn seconds_keep_every_nanosecond_of_a_hundred_years() {
        let century = 3_155_760_000_u64 * 1_000_000_000;
        assert_eq!(
            seconds(Some(Span::from_nanos(century + 1))),
            "3155760000.000000001"
        );
        assert_eq!(seconds(Some(Span::from_millis(1_500))), "1.5");
        assert_eq!(seconds(Some(Span::from_secs(10))), "10");
        assert_eq!(seconds(None), "");
    }

    /// Register: I5.
    #[test]
    fn a_formula_is_made_text_and_a_number_is_left_alone() {
        for formula in ["=1+1", "+cmd", "-x", "@SUM(A1)", "-"] {
            assert_eq!(text(formula), format!("'{formula}"));
        }
        for (control, shown) in [
            ("\t=x", "\\t=x"),
            ("\r", "\\r"),
            ("=\0", "'=\\u{0}"),
            ("a\\\u{1b}[1m", "a\\\\\\u{1b}[1m"),
        ] {
            assert_eq!(text(control), shown);
        }
        assert_eq!(text("vm-1 \"ü\" \\"), "vm-1 \"ü\" \\");
        assert_eq!(text("-2.5"), "-2.5");
        assert_eq!(text("drr"), "drr");
    }
}
