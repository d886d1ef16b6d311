//! Bad parameter files: each is refused in one golden line.
//!
//! The cases are in `bad_files/cases.txt`. What is no text, or too large, is made here.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;

use fairhaul::params::ParameterFile;
use tempfile::TempDir;

/// The message of a file with this text, on one line.
fn refusal(text: &str) -> String {
    let read = ParameterFile::parse("n.toml", text);
    let message = read.map_or_else(|bad| bad.to_string(), |_| "accepted".to_owned());
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

// I1 and I3, and the kinds of values that only a parameter file has.
#[test]
fn every_bad_file_is_refused_with_its_golden_line() {
    let table = include_str!("bad_files/cases.txt");
    let mut count = 0;
    let mut wrong = String::new();
    for case in table.split("\n=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, message) = match rest.split_once("\n=> ") {
            Some((text, message)) => (format!("{text}\n"), message),
            None => (String::new(), rest.strip_prefix("=> ").unwrap()),
        };
        count += 1;
        let got = refusal(&text);
        if got != message.trim_end() {
            wrong.push_str(&format!("{name} => {got}\n"));
        }
    }
    assert!(count >= 90, "{count} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

// The other side of each border: what the lines above say is allowed is accepted.
#[test]
fn what_a_message_allows_is_accepted() {
    let (name, path) = ("n".repeat(64), "s".repeat(106));
    let (label, folder) = ("h".repeat(63), "f".repeat(255));
    let (hex, base64) = ("aF".repeat(32), "+/Zz".repeat(10) + "A08");
    let peers = [
        format!("key = \"{hex}\"\nweight = 0\nfloor = \"0 B/s\""),
        format!("key = \"{base64}\"\nweight = 0.01\naddress = \"{label}.example:1\""),
        format!("key = \"{base64}=\"\nweight = 10000\naddress = \"[fe80::1]:65535\""),
        format!("key = \"{hex}\"\nupload = \"1 Tbit/s\"\nfloor = \"1 Tbit/s\""),
        format!("key = \"{hex}\"\nupload = \"1 B/s\"\naccept = \"in/..box/{folder}\""),
    ];
    for peer in peers {
        let head = format!("[node]\nname = \"{name}\"\nlisten = \"10.0.0.255:7440\"\n");
        let control = format!("[control]\nsocket = \"/{path}\"\n");
        let text = format!("{head}[[peer]]\nname = \"b\"\n{peer}\n{control}");
        assert_eq!(refusal(&text), "accepted", "{text}");
    }
    for burst in ["1 ms", "1 h", "0.25 s"] {
        let text = format!("[node]\nname = \"a\"\n[limits]\nburst = \"{burst}\"\n");
        assert_eq!(refusal(&text), "accepted", "{text}");
    }
    // A range of days over the end of the week, and a night.
    for days in ["mon-sun", "fri-mon", "sat-sun, wed", "thu", "tue-mon"] {
        let entry = format!("{{ days = \"{days}\", from = \"22:30\", to = \"06:00\", ");
        let limit = "upload = \"unlimited\", download = \"1 kB/s\" }";
        let text = format!("node.name = \"a\"\nlimits.schedule = [{entry}{limit}]\n");
        assert_eq!(refusal(&text), "accepted", "{text}");
    }
    let whole_day = "[{ from = \"00:00\", to = \"24:00\", download = \"1 kB/s\" }]";
    let text = format!("node.name = \"a\"\nlimits.schedule = {whole_day}\n");
    assert_eq!(refusal(&text), "accepted");
    // Members whose floors fill the cap of their group, which fills that of the node.
    let text = "node.name = \"a\"\nlimits.upload = \"3 MB/s\"\n[group.g]\nupload = \"3 MB/s\"\n\
                floor = \"2 MB/s\"\n[[peer]]\nname = \"b\"\ngroup = \"g\"\nfloor = \"3 MB/s\"\nkey = ";
    assert_eq!(refusal(&format!("{text}\"{hex}\"\n")), "accepted");
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("n.toml");
    let load = || {
        let message = ParameterFile::load(&path).unwrap_err().to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(
        load(),
        "n.toml:1:file: cannot be opened; got entity not found; allowed a regular file that can \
         be read"
    );
    fs::write(&path, b"[node]\n# \xc3\n").unwrap();
    assert_eq!(
        load(),
        "n.toml:2:file: is not UTF-8; got byte 0xc3; allowed UTF-8 text"
    );
    fs::write(&path, b"[node]\n\n# \0\n").unwrap();
    assert_eq!(
        load(),
        "n.toml:3:file: has a NUL byte; got NUL; allowed UTF-8 text"
    );
    fs::remove_file(&path).unwrap();
    // A hole on disk: nothing of it is read.
    let large = fs::File::create(&path).unwrap();
    large.set_len(1024 * 1024 + 1).unwrap();
    assert_eq!(
        load(),
        "n.toml:1:file: is too large; got 1048577 B; allowed at most 1 MiB"
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(
        load(),
        "n.toml:1:file: is not a file; got a folder or device; allowed a regular file that can \
         be read"
    );
}

// A mark that some editors put first is no fault, and does not move the lines.
#[test]
fn a_byte_order_mark_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("n.toml");
    fs::write(&path, "\u{feff}[node]\r\nname = \"a\"\r\n").unwrap();
    assert!(ParameterFile::load(&path).is_ok());
}

// Every place of a good file cut, and every byte of it changed: read or refused in one line.
#[test]
fn a_damaged_file_is_read_or_refused_in_one_line() {
    let whole = "[node]\nname = \"a\"\n[[peer]]\nname = \"b\"\nweight = 2\ngroup = \"g\"\n\
                 upload = \"2 MB/s\"\nkey = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af02\
                 1a68f707511a\"\n[group.g]\nfloor = \"1 MB/s\"\n[limits]\nschedule = [{ days = \
                 \"mon-fri\", from = \"08:00\", to = \"18:00\", upload = \"20 Mbit/s\" }]\n";
    assert_eq!(refusal(whole), "accepted");
    for at in 0..whole.len() {
        refusal(&whole[..at]);
        for byte in [
            "\"", "[", "]", "{", "=", ".", ",", "-", "9", "z", "\n", "é", "",
        ] {
            refusal(&format!("{}{byte}{}", &whole[..at], &whole[at + 1..]));
        }
    }
}

#[test]
fn thousands_of_peers_and_deep_nesting_are_answered() {
    let mut text = String::from("[node]\nname = \"a\"\n");
    for peer in 0..8_000 {
        text.push_str(&format!(
            "[[peer]]\nname = \"p{peer}\"\nkey = \"{peer:064}\"\n"
        ));
    }
    assert_eq!(refusal(&text), "accepted");
    let nested = format!("x = {}{}\n", "[".repeat(50_000), "]".repeat(50_000));
    assert!(refusal(&nested).starts_with("n.toml:1:toml: "));
}
