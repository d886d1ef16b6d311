//! What a text of a parameter file may be: a name, an address, a folder, a key, days, a time.
//!
//! Decides which spellings are somebody's intention; refuses all others.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

use super::super::bad::{Fault, ask};
use super::{DAYS, Kind, quoted};

/// Longest name, in bytes.
const NAME_MAX: usize = 64;
/// Longest name of a host, and of one of its labels (RFC 1035).
const HOST_MAX: (usize, usize) = (253, 63);
/// Longest path of a folder that a peer may push into, and of a part of it (limit L8).
const FOLDER_MAX: (usize, usize) = (1_024, 255);

/// Whether `text` may name something; no spreadsheet takes such a name for a formula.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

pub(super) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    // A sign or a leading zero is another spelling of a port, and nobody's intention.
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    plain && port.parse::<u16>().is_ok() && is_host(host)
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']');
        return inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        let letters = label.bytes();
        (1..=HOST_MAX.1).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && letters
                .into_iter()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // What looks like an IPv4 address is one: a name never ends in a number.
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= HOST_MAX.0 && host.split('.').all(label)
}

pub(super) fn is_folder(text: &str) -> bool {
    let part = |part: &str| {
        (1..=FOLDER_MAX.1).contains(&part.len())
            && part != "."
            && part != ".."
            && !part.contains(|c: char| c == '\\' || c == ':' || c.is_control())
    };
    text.len() <= FOLDER_MAX.0 && text.split('/').all(part)
}

/// The bytes of a public key; none if `text` is no key. Whether it is a point of the curve
/// shows when it is used.
pub(crate) fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes())
    } else {
        let digits = text.strip_suffix('=').unwrap_or(text);
        BASE64_NOPAD.decode(digits.as_bytes())
    };
    bytes.ok()?.try_into().ok()
}

/// The days, Monday first, of a list of days and ranges of days; a range may run over the end
/// of the week.
pub(crate) fn days(text: &str) -> Result<[bool; DAYS.len()], Fault> {
    let fault = |what: String| Err(Fault::new(what, quoted(text), Kind::Days.allowed()));
    let mut seen = [false; DAYS.len()];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let mut ends = [0; 2];
        for (end, name) in ends.iter_mut().zip([first.trim(), last.trim()]) {
            let Some(at) = DAYS.iter().position(|day| *day == name) else {
                return fault(ask(format!("has an unknown day {name:?}"), name, DAYS));
            };
            *end = at;
        }
        let [mut day, last] = ends;
        loop {
            if std::mem::replace(&mut seen[day], true) {
                return fault(format!("names {} twice", DAYS[day]));
            }
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Ok(seen)
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= 24 * 60).then_some(sum)
}
