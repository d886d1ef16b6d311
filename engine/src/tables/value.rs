//! How one value looks in a table.
//!
//! Decides digits and escapes: the fewest digits that read back as the same number, never an
//! exponent or a not-a-number; text that a spreadsheet would run gets a `'` in front. What is
//! missing is empty.

use fairhaul_core::time::Span;

use crate::content::path::shown;

/// What a spreadsheet takes for the start of a formula.
const TRIGGERS: [char; 4] = ['=', '+', '-', '@'];

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A number; empty if there is none or it is not finite.
pub(super) fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(String::new, |value| value.to_string())
}

/// A time in seconds with every digit that it has; empty if there is none.
pub(super) fn seconds(span: Option<Span>) -> String {
    let Some(span) = span else {
        return String::new();
    };
    let (whole, nanos) = (span.as_nanos() / SECOND, span.as_nanos() % SECOND);
    if nanos == 0 {
        return whole.to_string();
    }
    let digits = format!("{whole}.{nanos:09}");
    digits.trim_end_matches('0').to_owned()
}

/// Text that no spreadsheet takes for a formula and no terminal acts on. Numbers stay plain,
/// signs included.
pub(super) fn text(text: &str) -> String {
    if text.contains(char::is_control) {
        // Escaped, it starts with a backslash or with what it started with.
        return guarded(&shown(text));
    }
    guarded(text)
}

fn guarded(text: &str) -> String {
    if text.starts_with(TRIGGERS) && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    }
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
        assert_eq!(number(Some(f64::NAN)), "");
        assert_eq!(number(None), "");
    }

    #[test]
    fn seconds_keep_every_nanosecond() {
        assert_eq!(
            seconds(Some(Span::from_nanos(10_000_000_001))),
            "10.000000001"
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
        for (control, shown) in [("\t=x", "\\t=x"), ("\r", "\\r"), ("=\0", "'=\\u{0}")] {
            assert_eq!(text(control), shown);
        }
        assert_eq!(text("-2.5"), "-2.5");
        assert_eq!(text("vm-1 \"ü\""), "vm-1 \"ü\"");
    }
}
