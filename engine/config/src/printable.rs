//! Escapes texts of others for a terminal or a log.
//!
//! Letters, digits and printable ASCII stay as they are; everything else is escaped, for it could
//! move a cursor, reverse the order of letters, or break a line in two.

use std::fmt;

/// Longest name or text in a line of a log, in letters (limit L11).
pub const NAME_MAX: usize = 256;

/// A text on one line, cut to so many letters, with everything escaped that could deceive.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str, pub usize);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, most) = *self;
        let mut letters = text.chars();
        for c in letters.by_ref().take(most) {
            if is_plain(c) {
                write!(f, "{c}")?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        match letters.next() {
            Some(_) => f.write_str("..."),
            None => Ok(()),
        }
    }
}

/// JSON with everything escaped that [`Printable`] escapes; it means the same.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of its strings JSON is plain, but for the ends of lines.
        if is_plain(c) || c == '\n' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// Whether a letter is shown as it is.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: M5, O2.
    #[test]
    fn what_could_deceive_is_escaped_and_what_is_long_is_cut() {
        let shown = |text| Printable(text, 8).to_string();
        assert_eq!(shown("a\nb"), "a\\u{a}b");
        assert_eq!(shown("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(shown("é\u{202e}\u{9b}"), "é\\u{202e}\\u{9b}");
        assert_eq!(shown("12345678"), "12345678");
        assert_eq!(shown("123456789"), "12345678...");
    }

    proptest::proptest! {
        /// Register: O2.
        #[test]
        fn any_text_is_shown_on_one_line_of_plain_letters(
            text in proptest::collection::vec(proptest::prelude::any::<char>(), 0..60)
        ) {
            let text: String = text.into_iter().collect();
            let shown = Printable(&text, 20).to_string();
            assert!(shown.chars().all(is_plain), "{shown}");
            let value = serde_json::json!({ "text": text });
            let shown = json(&value.to_string());
            assert!(shown.chars().all(is_plain), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    /// Register: M5, O2.
    #[test]
    fn json_that_is_shown_means_what_it_meant() {
        let text = "a\u{1b}\u{9b}\u{202e}\u{1f600}é\"\\\n";
        let value = serde_json::json!({ "text": text });
        for whole in [format!("{value}"), format!("{value:#}")] {
            let shown = json(&whole);
            assert!(shown.chars().all(|c| is_plain(c) || c == '\n'), "{shown}");
            let again: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(again, value);
        }
    }
}
