use proptest::prelude::*;

use super::*;

#[test]
fn decimal_and_binary_units_are_kept_apart() {
    assert_eq!(Quantity::Size.parse("1 MB"), Ok(1_000_000));
    assert_eq!(Quantity::Size.parse("1 MiB"), Ok(1_048_576));
    assert_eq!(Quantity::Rate.parse("20 Mbit/s"), Ok(2_500_000));
    assert_eq!(Quantity::Rate.parse("5.8Mbit/s"), Ok(725_000));
    assert_eq!(Quantity::Time.parse("0.25 ms"), Ok(250_000));
}

#[test]
fn the_borders_are_allowed_and_a_step_beyond_is_not() {
    assert_eq!(Quantity::Rate.parse("1 Tbit/s"), Ok(125_000_000_000));
    assert!(Quantity::Rate.parse("125000000001 B/s").is_err());
    assert_eq!(Quantity::Rate.parse("1 B/s"), Ok(1));
    assert!(Quantity::Rate.parse("0 B/s").is_err());
    assert_eq!(
        Quantity::Time.parse("36500 d"),
        Ok(3_153_600_000_000_000_000)
    );
    assert!(Quantity::Time.parse("36501 d").is_err());
    assert!(Quantity::Size.parse("18446744073709551616 B").is_err());
    assert!(Quantity::Size.parse("99999999999999999999 TiB").is_err());
}

#[test]
fn signs_exponents_and_words_are_no_numbers() {
    for text in [
        "-1 B", "+1 B", "1e3 B", "NaN B", "inf", "", " ", ".5 B", "1. B", "1,5 B",
    ] {
        let error = Quantity::Size.parse(text).unwrap_err();
        assert_eq!(error.to_string(), "is not a size", "{text}");
    }
}

#[test]
fn a_part_of_a_byte_is_refused() {
    let error = Quantity::Rate.parse("1 bit/s").unwrap_err();
    assert_eq!(
        error.to_string(),
        "is not a whole number of bytes per second"
    );
}

#[test]
fn a_number_without_a_known_unit_lists_the_units() {
    for (text, what) in [("20", "has no unit"), ("20 Mbps", "has an unknown unit")] {
        let error = Quantity::Time.parse(text).unwrap_err();
        assert_eq!(error.to_string(), what);
        assert_eq!(
            error.allowed(),
            "a number and one of ns, us, ms, s, min, h, d"
        );
    }
}

#[test]
fn other_spellings_of_bits_are_known_for_rates_only() {
    assert_eq!(Quantity::Rate.meant("Mbps"), Some("Mbit/s"));
    assert_eq!(Quantity::Rate.meant("kb/s"), Some("kbit/s"));
    assert_eq!(Quantity::Rate.meant("MBps"), None);
    assert_eq!(Quantity::Size.meant("bps"), None);
}

#[test]
fn an_amount_is_written_with_the_fewest_digits() {
    for text in ["20 MB/s", "100 Mbit/s", "1 Gbit/s", "1 KiB/s", "7 B/s"] {
        let amount = Quantity::Rate.parse(text).unwrap();
        assert_eq!(Quantity::Rate.text(amount), text);
    }
    assert_eq!(Quantity::Time.text(250_000_000), "250 ms");
    assert_eq!(Quantity::Time.text(0), "0 s");
    assert_eq!(Quantity::Size.text(1_000), "1 kB");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(amount in any::<u64>(), shift in 0_u32..64) {
        for quantity in [Quantity::Size, Quantity::Rate, Quantity::Time] {
            let (least, greatest) = quantity.range();
            let amount = (amount >> shift).clamp(least, greatest);
            prop_assert_eq!(quantity.parse(&quantity.text(amount)), Ok(amount));
        }
    }
}

#[test]
fn a_weight_has_two_decimals_at_most() {
    assert_eq!(weight("0.01"), Ok(1));
    assert_eq!(weight("10000"), Ok(1_000_000));
    assert_eq!(weight("0"), Ok(0));
    assert_eq!(weight("0.001"), Err(WeightError::TooFine));
    assert_eq!(weight("10000.01"), Err(WeightError::OutOfRange));
    assert_eq!(weight("nan"), Err(WeightError::NotANumber));
}

#[test]
fn what_a_value_shows_of_itself_is_read_as_that_value() {
    for amount in [1, 999, 1_000_000_007, 125_000_000_000] {
        let (size, rate) = (ByteCount::new(amount), Rate::new(amount));
        let span = Span::from_nanos(amount);
        assert_eq!(size.to_string().parse(), Ok(size));
        assert_eq!(rate.to_string().parse(), Ok(rate));
        assert_eq!(span.to_string().parse(), Ok(span));
    }
}
