//! Public keys: two ways to write one, and one in which it is shown.
//!
//! Refused are points of small order, for which anybody can sign, and second spellings of a point.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

/// Bytes of a key.
const BYTES: usize = 32;
/// Digits of a group in the form for reading aloud.
const GROUP: usize = 4;
/// The prime of the field, 2^255 - 19, little endian.
const PRIME: [u8; BYTES] = {
    let mut prime = [0xff; BYTES];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};
/// The heights (y) of the eight points whose order divides the cofactor, little endian: of order
/// 1, 2, 4, and the two of order 8. Each but the first two has two points.
const SMALL_ORDER: [[u8; BYTES]; 5] = [
    {
        let mut one = [0; BYTES];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = PRIME;
        minus_one[0] -= 1;
        minus_one
    },
    [0; BYTES],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
];

/// The name of a node: its Ed25519 public key. Ordered as its bytes are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; BYTES]);

/// Why something is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Neither 64 hexadecimal digits nor 32 bytes in base64.
    #[error(
        "not a public key: neither 64 hexadecimal digits nor 43 of base64, with or without a \"=\""
    )]
    Text,
    /// The number is not below the prime of the field.
    #[error("not a public key: a second spelling of another key")]
    NonCanonical,
    /// A signature under it proves nothing.
    #[error("not a public key: a point of small order, which anybody can sign for")]
    SmallOrder,
}

impl PublicKey {
    /// The key of these bytes, as RFC 8032 encodes a point. Whether they are a point of the
    /// curve at all shows when a signature is checked: none fits those that are not.
    ///
    /// # Errors
    ///
    /// If it is a point of small order, or not the one encoding of a point.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Result<Self, PublicKeyError> {
        let mut height = bytes;
        height[BYTES - 1] &= 0x7f;
        if height.iter().rev().ge(PRIME.iter().rev()) {
            return Err(PublicKeyError::NonCanonical);
        }
        // Both signs of each height; for two of them, one sign is a second spelling besides.
        if SMALL_ORDER.contains(&height) {
            return Err(PublicKeyError::SmallOrder);
        }
        Ok(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// Its digits in groups of four, for reading aloud.
    #[must_use]
    pub fn grouped(&self) -> String {
        let digits = self.to_string();
        let groups = digits.as_bytes().chunks(GROUP).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join(" ")
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what a parameter file may say: 64 hexadecimal digits of either case, or base64.
impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = if text.len() == 2 * BYTES {
            HEXLOWER_PERMISSIVE.decode(text.as_bytes())
        } else {
            let digits = text.strip_suffix('=').unwrap_or(text);
            BASE64_NOPAD.decode(digits.as_bytes())
        };
        let bytes = bytes.map_err(|_| PublicKeyError::Text)?;
        let bytes = bytes.try_into().map_err(|_| PublicKeyError::Text)?;
        Self::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of the first test vector of RFC 8032, section 7.1.
    const HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const BASE64: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn with(last: u8, rest: u8) -> [u8; BYTES] {
        let mut bytes = [rest; BYTES];
        bytes[31] = last;
        bytes
    }

    #[test]
    fn a_key_is_read_in_every_form_that_a_parameter_file_allows() {
        let key: PublicKey = HEX.parse().unwrap();
        assert_eq!(key.to_string(), HEX);
        assert_eq!(HEX.to_uppercase().parse(), Ok(key));
        assert_eq!(BASE64.parse(), Ok(key));
        assert_eq!(format!("{BASE64}=").parse(), Ok(key));
        assert_eq!(format!("{key:?}"), HEX);
    }

    #[test]
    fn a_key_can_be_read_aloud() {
        let key: PublicKey = HEX.parse().unwrap();
        let groups = key.grouped();
        assert_eq!(groups.split(' ').count(), 16);
        assert!(groups.starts_with("d75a 9801 82b1 "), "{groups}");
        assert_eq!(groups.replace(' ', ""), HEX);
    }

    #[test]
    fn what_is_no_key_says_what_one_is() {
        let short = &HEX[1..];
        let odd = format!("{}g", short);
        let spare_bits = format!("{}p", &BASE64[..42]);
        let padded = format!("{BASE64}==");
        for text in ["", short, &odd, &BASE64[1..], &spare_bits, &padded, "ü"] {
            let refused = text.parse::<PublicKey>();
            assert_eq!(refused, Err(PublicKeyError::Text), "{text}");
        }
    }

    /// Register: H10.
    #[test]
    fn points_of_small_order_are_refused_with_either_sign() {
        for height in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = height;
                bytes[31] |= sign;
                assert_eq!(
                    PublicKey::from_bytes(bytes),
                    Err(PublicKeyError::SmallOrder)
                );
                let text = HEXLOWER.encode(&bytes);
                assert_eq!(text.parse::<PublicKey>(), Err(PublicKeyError::SmallOrder));
            }
        }
    }

    /// Register: H10. The prime, all numbers above it and both signs of them: 38 spellings.
    #[test]
    fn second_spellings_of_a_point_are_refused() {
        let refused = Err(PublicKeyError::NonCanonical);
        for low in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let mut bytes = with(last, 0xff);
                bytes[0] = low;
                assert_eq!(PublicKey::from_bytes(bytes), refused);
            }
        }
        let mut below = with(0x7f, 0xff);
        below[0] = 0xeb;
        assert!(PublicKey::from_bytes(below).is_ok());
    }
}
