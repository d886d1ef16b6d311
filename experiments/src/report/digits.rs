//! Numbers for people: how many digits a report shows. Tables on disk have all of them.

/// A number for people: three significant digits, thousands written out.
#[must_use]
pub fn significant(value: f64) -> String {
    fixed(value, decimals(value))
}

/// Decimals that give `value` three significant digits. What rounds up to the next power of
/// ten is shown like it.
#[must_use]
pub fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size < 0.000_5 => 0,
        size if size < 0.999_5 => 3,
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    }
}

/// `value` with `decimals` decimals; what rounds to zero is `0`.
#[must_use]
pub fn fixed(value: f64, decimals: usize) -> String {
    let shown = format!("{value:.decimals$}");
    let zero = !shown.contains(|c: char| ('1'..='9').contains(&c));
    if zero { "0".to_owned() } else { shown }
}

/// Half of an interval around `value`, with the decimals of the value; with one significant digit
/// of its own where that would show as nothing.
#[must_use]
pub fn half(half: f64, value: f64) -> String {
    let shown = fixed(half, decimals(value));
    if shown != "0" || half <= 0.0 {
        return shown;
    }
    if half < 1e-6 {
        return format!("{half:.0e}");
    }
    let decimals = (1..=7).find(|decimals| fixed(half, *decimals) != "0");
    fixed(half, decimals.unwrap_or(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people_have_three_digits() {
        let shown = [
            0.0, 0.1234, 0.9996, 1.234, 9.996, 12.34, 99.96, 123.4, 12_345.6,
        ];
        let shown: Vec<String> = shown.into_iter().map(significant).collect();
        assert_eq!(
            shown,
            [
                "0", "0.123", "1.00", "1.23", "10.0", "12.3", "100", "123", "12346"
            ]
        );
    }

    // 20.2 with an interval of 0.034 on either side is not 20.2 ± 0.
    #[test]
    fn an_interval_that_is_there_is_shown() {
        assert_eq!(half(0.034, 20.2), "0.03");
        assert_eq!(half(0.34, 1177.2), "0.3");
        assert_eq!(half(12.0, 1177.2), "12");
        assert_eq!(half(0.000_04, 22.4), "0.00004");
        assert_eq!(half(3e-9, 22.4), "3e-9");
        assert_eq!(half(0.0, 22.4), "0");
    }

    #[test]
    fn what_rounds_to_zero_has_no_sign() {
        assert_eq!(significant(-1e-9), "0");
        assert_eq!(fixed(-0.04, 1), "0");
        assert_eq!(fixed(-0.06, 1), "-0.1");
    }
}
