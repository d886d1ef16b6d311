//! Files that a person gave: regular ones, not too large, and text where text is wanted.

use std::fs::File;
use std::io::{BufReader, Read as _, Take};
use std::path::Path;

use fairhaul_core::quantity::Quantity;

use crate::fault::{BadFile, BadValue, WHOLE_FILE};

const REGULAR: &str = "a regular file that can be read";

/// Opens the regular file at `path`, which hangs on `folder`, of at most `most` bytes.
///
/// # Errors
///
/// If there is none, if it is something else (a pipe would wait for ever), or if it is larger.
pub fn open(folder: &Path, path: &str, most: u64) -> Result<BufReader<Take<File>>, BadFile> {
    let bad = |what: &str, got: &str, allowed: &str| {
        BadFile::new(path, 1, WHOLE_FILE, what, got, allowed)
    };
    let refused =
        |error: std::io::Error| bad("cannot be opened", &error.kind().to_string(), REGULAR);
    let full = folder.join(path);
    let about = std::fs::metadata(&full).map_err(refused)?;
    if !about.is_file() {
        return Err(bad("is not a file", "a folder or device", REGULAR));
    }
    if about.len() > most {
        let got = format!("{} B", about.len());
        let allowed = format!("at most {}", Quantity::Size.text(most));
        return Err(bad("is too large", &got, &allowed));
    }
    let file = File::open(&full).map_err(refused)?;
    Ok(BufReader::new(file.take(most)))
}

/// The text of the file at `path`, at most `most` bytes of UTF-8. The mark that some editors
/// put first is left out.
///
/// # Errors
///
/// As [`open`]; and if it is not UTF-8 or has a NUL.
pub fn read_text(path: &Path, most: u64) -> Result<String, BadFile> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    let read = open(Path::new(""), &file, most)?.read_to_end(&mut bytes);
    read.map_err(|error| {
        let got = error.kind().to_string();
        BadFile::new(&file, 1, WHOLE_FILE, "cannot be read", &got, REGULAR)
    })?;
    let no_text = |what: &str, got: &str, at: usize| {
        let before = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(before + 1).unwrap_or(u32::MAX);
        let fault = BadValue::new(what).got(got).allowing("UTF-8 text");
        fault.at(&file, line, WHOLE_FILE)
    };
    if let Some(mark) = utf16_mark(&bytes) {
        return Err(no_text("is not UTF-8", mark, 0));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(no_text("has a NUL byte", "NUL", at));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let at = error.valid_up_to();
            Err(no_text(
                "is not UTF-8",
                &format!("byte 0x{:02x}", bytes[at]),
                at,
            ))
        }
    }
}

/// What a byte order mark of UTF-16 is called, if there is one.
#[must_use]
pub fn utf16_mark(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("a UTF-16 byte order mark"),
        _ => None,
    }
}
