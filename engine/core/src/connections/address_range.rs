//! Ranges of addresses: an address and how many of its first bits count.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, as `10.0.0.0/8` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u32,
}

/// Why a text is no [`Range`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRange {
    /// It is not an address, a slash and a number.
    Form,
    /// Its prefix is longer than the address.
    Long {
        /// Bits of the prefix.
        bits: u32,
        /// Bits of the address.
        width: u32,
    },
    /// A bit behind the prefix is 1, which is mostly a slip of the pen.
    Behind,
}

impl Range {
    /// Whether `address` is in it. An IPv4 address that is written as an IPv6 one
    /// (`::ffff:10.0.0.1`) counts as the IPv4 address that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, width) = number(self.base);
        let (other, other_width) = number(address.to_canonical());
        // A shift by the whole width of a number is not defined: such a range holds all.
        let prefix = |address: u128| address.checked_shr(width - self.bits);
        width == other_width && prefix(own) == prefix(other)
    }
}

/// The address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl FromStr for Range {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let parts = text.split_once('/').and_then(|(base, bits)| {
            let plain = bits.bytes().all(|b| b.is_ascii_digit());
            let plain = plain && (bits == "0" || !bits.starts_with('0'));
            let bits = bits.parse().ok().filter(|_| plain)?;
            Some((base.parse::<IpAddr>().ok()?, bits))
        });
        let (base, bits) = parts.ok_or(BadRange::Form)?;
        let (own, width) = number(base);
        if bits > width {
            return Err(BadRange::Long { bits, width });
        }
        let behind = u128::MAX.checked_shr(128 - width + bits).unwrap_or(0);
        if own & behind != 0 {
            return Err(BadRange::Behind);
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("is not a range"),
            Self::Long { bits, width } => write!(f, "is a range of {bits} bits of {width}"),
            Self::Behind => f.write_str("has bits behind its prefix"),
        }
    }
}

impl std::error::Error for BadRange {}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &str, address: &str) -> bool {
        let range: Range = range.parse().unwrap();
        range.contains(address.parse().unwrap())
    }

    /// Register: X2.
    #[test]
    fn a_range_holds_what_shares_its_prefix_and_nothing_else() {
        assert!(holds("10.0.0.0/8", "10.255.255.255"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("192.168.1.7/32", "192.168.1.7"));
        assert!(!holds("192.168.1.7/32", "192.168.1.6"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(holds("::1/128", "::1"));
    }

    /// Register: X2.
    #[test]
    fn a_family_is_never_in_a_range_of_the_other_however_it_is_written() {
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "::1"));
        assert!(!holds("::/0", "8.8.8.8"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("::/0", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_range_is_refused_and_what_is_shows_itself_again() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "::1/128"] {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("", BadRange::Form),
            ("10.0.0.0", BadRange::Form),
            ("10.0.0.0/", BadRange::Form),
            ("10.0.0/8", BadRange::Form),
            ("10.0.0.0/-1", BadRange::Form),
            ("10.0.0.0/+8", BadRange::Form),
            ("10.0.0.0/08", BadRange::Form),
            ("example/8", BadRange::Form),
            (
                "10.0.0.0/33",
                BadRange::Long {
                    bits: 33,
                    width: 32,
                },
            ),
            (
                "::/129",
                BadRange::Long {
                    bits: 129,
                    width: 128,
                },
            ),
            ("10.0.0.1/8", BadRange::Behind),
            ("fd00::1/64", BadRange::Behind),
        ] {
            assert_eq!(text.parse::<Range>(), Err(why), "{text}");
        }
    }
}
