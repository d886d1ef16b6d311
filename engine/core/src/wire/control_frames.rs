//! Encodes the messages that a core only carries between shells: closes, offers, verdicts and
//! addresses.
//!
//! Codes without a meaning, addresses that are no host and port, and lists out of order are
//! refused.

use std::net::Ipv6Addr;

use super::decoder::le_u64;
use super::{ADDRESSES, CLOSE, OFFER, VERDICT};
use crate::manifest::ContentId;
use crate::message::{CloseCode, Known, Message, Offer, OfferVerdict};
use crate::misbehaviour::Misbehaviour;

/// Most bytes of the text of a close (error contract E).
pub const CLOSE_TEXT_MAX: usize = 128;
/// Most bytes of the name in an offer: those of a component of a path (limit L8).
pub const NAME_MAX: usize = 255;
/// Most addresses in a message (limit L10).
pub const ADDRESSES_MAX: usize = 50;
/// Most bytes of a host and port: its length is one byte.
pub const ADDRESS_MAX: usize = 255;

/// Bytes of an offer before its name: content, manifest, bytes.
pub(super) const OFFER_HEAD: usize = 32 + 8 + 8;
/// Bytes of an address before its text: key and length.
const KNOWN_HEAD: usize = 32 + 1;
/// Most bytes of a list of addresses.
pub(super) const ADDRESSES_BYTES_MAX: usize = ADDRESSES_MAX * (KNOWN_HEAD + ADDRESS_MAX);

/// The code of the first offence; those below are no offences.
const OFFENCES: usize = 64;

/// Codes from 1 on that are no offences.
const CODES: [CloseCode; 5] = [
    CloseCode::Shutdown,
    CloseCode::Replaced,
    CloseCode::Idle,
    CloseCode::Overload,
    CloseCode::Revoked,
];

pub(super) fn encode_close(code: CloseCode, text: &str, out: &mut Vec<u8>) {
    let len = text.len();
    assert!(len <= CLOSE_TEXT_MAX, "a close of {len} bytes");
    let number = match code {
        CloseCode::Misbehaviour(why) => OFFENCES + why as usize,
        code => {
            let at = CODES.iter().position(|known| *known == code);
            1 + at.expect("the table holds every code that is no offence")
        }
    };
    out.push(CLOSE);
    out.push(u8::try_from(number).expect("there are fewer offences than that"));
    out.extend(text.as_bytes());
}

pub(super) fn encode_offer(offer: &Offer, out: &mut Vec<u8>) {
    let len = offer.name.len();
    assert!((1..=NAME_MAX).contains(&len), "a name of {len} bytes");
    out.push(OFFER);
    out.extend(offer.content.0);
    out.extend(offer.manifest_bytes.to_le_bytes());
    out.extend(offer.bytes.to_le_bytes());
    out.extend(offer.name.as_bytes());
}

pub(super) fn encode_verdict(content: &ContentId, verdict: OfferVerdict, out: &mut Vec<u8>) {
    out.push(VERDICT);
    out.extend(content.0);
    out.push(verdict as u8);
}

pub(super) fn encode_addresses(list: &[Known], out: &mut Vec<u8>) {
    assert!(list.len() <= ADDRESSES_MAX, "{} addresses", list.len());
    assert!(list.is_sorted_by(|a, b| a < b), "addresses out of order");
    out.push(ADDRESSES);
    for known in list {
        let address = &known.address;
        assert!(is_address(address), "an address {address:?}");
        out.extend(known.key);
        out.push(u8::try_from(address.len()).expect("checked with the form"));
        out.extend(address.as_bytes());
    }
}

/// The message of a body of at least one byte.
pub(super) fn close(body: &[u8]) -> Result<Message, Misbehaviour> {
    let number = usize::from(body[0]);
    let offence = || {
        Misbehaviour::ALL
            .get(number.checked_sub(OFFENCES)?)
            .copied()
    };
    let known = || CODES.get(number.checked_sub(1)?).copied();
    let code = known().or_else(|| offence().map(CloseCode::Misbehaviour));
    Ok(Message::Close {
        code: code.ok_or(Misbehaviour::UnknownCode)?,
        text: text(&body[1..])?,
    })
}

/// The message of a body that is longer than its head.
pub(super) fn offer(body: &[u8]) -> Result<Message, Misbehaviour> {
    let (head, name) = body.split_at(OFFER_HEAD);
    Ok(Message::Offer(Box::new(Offer {
        content: content(head),
        manifest_bytes: le_u64(&head[32..]),
        bytes: le_u64(&head[40..]),
        name: text(name)?,
    })))
}

/// The message of a body of 33 bytes.
pub(super) fn verdict(body: &[u8]) -> Result<Message, Misbehaviour> {
    let verdict = OfferVerdict::ALL.get(usize::from(body[32])).copied();
    Ok(Message::Verdict {
        content: content(body),
        verdict: verdict.ok_or(Misbehaviour::UnknownCode)?,
    })
}

/// The addresses of a body of any length.
pub(super) fn addresses(mut body: &[u8]) -> Result<Box<[Known]>, Misbehaviour> {
    let mut list: Vec<Known> = Vec::new();
    while !body.is_empty() {
        if list.len() == ADDRESSES_MAX {
            return Err(Misbehaviour::FrameTooLarge);
        }
        let head = body.split_at_checked(KNOWN_HEAD);
        let (head, rest) = head.ok_or(Misbehaviour::FrameLength)?;
        let address = rest.split_at_checked(usize::from(head[32]));
        let (address, rest) = address.ok_or(Misbehaviour::FrameLength)?;
        let known = Known {
            key: head[..32].try_into().expect("32 bytes are 32 bytes"),
            address: text(address)?,
        };
        if !is_address(&known.address) {
            return Err(Misbehaviour::BadAddress);
        }
        if list.last().is_some_and(|last| *last >= known) {
            return Err(Misbehaviour::AddressOrder);
        }
        list.push(known);
        body = rest;
    }
    Ok(list.into())
}

/// The bytes as a text.
pub(super) fn text(bytes: &[u8]) -> Result<Box<str>, Misbehaviour> {
    let text = std::str::from_utf8(bytes).map_err(|_| Misbehaviour::BadText)?;
    Ok(text.into())
}

/// Whether `text` is a host and port as the wire carries them: `name:port`, `1.2.3.4:port` or
/// `[::1]:port`. Names hold letters, digits, `-`, `_` and `.` only; whether one resolves, or may
/// be dialled, is not asked here.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty();
    let shortest = port == "0" || !port.starts_with('0');
    let name = |host: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !host.is_empty() && host.bytes().all(allowed)
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = bracketed.map_or_else(
        || name(host),
        |inner| {
            inner
                .parse::<Ipv6Addr>()
                .is_ok_and(|ip| ip.to_string() == inner)
        },
    );
    text.len() <= ADDRESS_MAX && digits && shortest && port.parse::<u16>().is_ok() && host
}

fn content(bytes: &[u8]) -> ContentId {
    ContentId(bytes[..32].try_into().expect("32 bytes are 32 bytes"))
}

#[cfg(test)]
mod tests;
