//! Bad scenarios and tables: each is refused in one golden line.
//!
//! The cases are in `bad_input/cases.txt`; the names of cases begin with the entry of the
//! register that they show (I1 to I11). Inputs that are large are made here.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::path::Path;

use fairhaul_lab::scenario::Scenario;
use fairhaul_simulator::random::Streams;
use tempfile::TempDir;

struct Case<'a> {
    name: &'a str,
    files: Vec<(String, Vec<u8>)>,
    message: &'a str,
}

/// Cuts the table of cases.
fn cases(table: &str) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for text in table.split("\n=== ").skip(1) {
        let (name, text) = text.split_once('\n').unwrap();
        let (text, message) = match text.split_once("\n=> ") {
            Some((text, message)) => (format!("{text}\n"), message),
            None => (String::new(), text.strip_prefix("=> ").unwrap()),
        };
        let mut files = Vec::new();
        for (index, part) in format!("\n{text}").split("\n--- ").enumerate() {
            if index == 0 {
                files.push((
                    "s.toml".to_owned(),
                    part.as_bytes()[part.len().min(1)..].to_vec(),
                ));
                continue;
            }
            let (file, body) = part.split_once('\n').unwrap_or((part, ""));
            files.push((file.to_owned(), bytes(body)));
        }
        cases.push(Case {
            name,
            files,
            message: message.trim_end(),
        });
    }
    cases
}

/// The bytes that a text with `\0`, `\r` and `\xHH` stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.to_string().bytes());
            continue;
        }
        match rest.next() {
            Some('0') => bytes.push(0),
            Some('r') => bytes.push(b'\r'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => panic!("no such escape: {other:?}"),
        }
    }
    bytes
}

/// Loads `s.toml` among `files`, and gives the message without the folder.
fn refusal(name: &str, files: &[(String, Vec<u8>)]) -> String {
    let folder = TempDir::new().unwrap();
    for (file, bytes) in files {
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    refusal_at(name, folder.path())
}

fn refusal_at(name: &str, folder: &Path) -> String {
    let result = Scenario::load(&folder.join("s.toml"));
    let message = match result {
        Ok(_) => "accepted".to_owned(),
        Err(bad) => bad.to_string(),
    };
    assert_eq!(message.lines().count(), 1, "{name}: {message}");
    message.replace(&format!("{}/", folder.display()), "")
}

/// Register: I11.
#[test]
fn no_scenario_includes_another() {
    for key in ["include", "includes", "import", "extends"] {
        let text = format!("{key} = \"other.toml\"\n");
        let files = [("s.toml".to_owned(), text.into_bytes())];
        let said = refusal("I11", &files);
        assert!(
            said.starts_with(&format!("s.toml:1:{key}: unknown key")),
            "{said}"
        );
    }
}

/// Register: I1, I2, I3, I4.
#[test]
fn every_bad_input_is_refused_with_its_golden_line() {
    let cases = cases(include_str!("bad_input/cases.txt"));
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .map(|case| (case, refusal(case.name, &case.files)))
        .filter(|(case, got)| got != case.message)
        .map(|(case, got)| format!("{} => {got}", case.name))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

const MATRIX: &str = "scenario.name = \"x\"\nscenario.latency = \"m.csv\"\n";

/// Somebody who wants something: a scenario without is refused.
const TRANSFER: &str = "[[peer]]\nname = \"a\"\n[[peer]]\nname = \"b\"\n\
                        [[transfer]]\nname = \"t\"\nsource = \"a\"\ndestination = \"b\"\n\
                        bytes = \"1 MB\"\n";

fn matrix(table: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    vec![
        ("s.toml".to_owned(), MATRIX.as_bytes().to_vec()),
        ("m.csv".to_owned(), table),
    ]
}

// I4: a cell of 64 KiB, in the second column of the second line.
#[test]
fn a_cell_of_64_kib_is_refused() {
    let table = format!("from,to,round_trip_ms\nn,{},1\n", "s".repeat(65_536));
    assert_eq!(
        refusal("I4-long-cell", &matrix(table.into_bytes())),
        "m.csv:2:column 2: makes the line too long; got over 64 KiB; allowed 64 KiB a line"
    );
}

// I4: a million rows are read, the next one is refused.
#[test]
fn a_million_and_one_rows_are_refused() {
    let mut table = "time_s,bytes\n".to_owned();
    table.push_str(&"0,1\n".repeat(1_000_001));
    let scenario = "scenario.name = \"x\"\n[[peer]]\nname = \"a\"\n[[peer]]\nname = \"b\"\n\
                    [[workload]]\nname = \"w\"\nsource = \"a\"\ndestination = \"b\"\ntrace = \"t.csv\"\n";
    let files = vec![
        ("s.toml".to_owned(), scenario.as_bytes().to_vec()),
        ("t.csv".to_owned(), table.into_bytes()),
    ];
    assert_eq!(
        refusal("I4-rows", &files),
        "t.csv:1000002:row: is one too many; got row 1000001; allowed 1000000 rows"
    );
}

/// Limit: L12. A byte too many, of a scenario and of a table. The files are holes on disk.
#[test]
fn a_file_over_its_limit_is_refused_without_being_read() {
    let folder = TempDir::new().unwrap();
    let large = fs::File::create(folder.path().join("s.toml")).unwrap();
    large.set_len(1024 * 1024 + 1).unwrap();
    assert_eq!(
        refusal_at("L12-scenario", folder.path()),
        "s.toml:1:file: is too large; got 1048577 B; allowed at most 1 MiB"
    );
    fs::write(folder.path().join("s.toml"), MATRIX).unwrap();
    let table = fs::File::create(folder.path().join("m.csv")).unwrap();
    table.set_len(64 * 1024 * 1024 + 1).unwrap();
    assert_eq!(
        refusal_at("L12-table", folder.path()),
        "s.toml:2:scenario.latency: is too large; got \"m.csv\": 67108865 B; allowed at most 64 MiB"
    );
}

#[test]
fn a_scenario_that_is_not_text_is_refused() {
    let cases: [(&[u8], &str); 4] = [
        (
            b"\xff\xfes\0",
            "s.toml:1:file: is not UTF-8; got a UTF-16 byte order mark; allowed UTF-8 text",
        ),
        (
            b"scenario.name = \"x\"\n# \0\n",
            "s.toml:2:file: has a NUL byte; got NUL; allowed UTF-8 text",
        ),
        (
            b"scenario.name = \"x\"\n\n# \xc3\n",
            "s.toml:3:file: is not UTF-8; got byte 0xc3; allowed UTF-8 text",
        ),
        (
            b"\xef\xbb\xbfscenario.nam = \"x\"\n",
            "s.toml:1:scenario.nam: unknown key, did you mean \"name\"; got nam; allowed name, \
             about, horizon, network, connection-window, latency, ideal, ideal-share, events, memory",
        ),
    ];
    for (text, message) in cases {
        let files = vec![("s.toml".to_owned(), text.to_vec())];
        assert_eq!(refusal("not text", &files), message);
    }
}

#[test]
fn a_missing_scenario_and_a_folder_are_refused() {
    let folder = TempDir::new().unwrap();
    assert_eq!(
        refusal_at("missing", folder.path()),
        "s.toml:1:file: cannot be opened; got entity not found; allowed a regular file that can be read"
    );
    fs::create_dir(folder.path().join("s.toml")).unwrap();
    assert_eq!(
        refusal_at("folder", folder.path()),
        "s.toml:1:file: is not a file; got a folder or device; allowed a regular file that can be read"
    );
}

// I4: a table from a spreadsheet, with a byte order mark, CRLF and quotes, is no bad input.
#[test]
fn a_table_from_a_spreadsheet_is_read() {
    let table = b"\xef\xbb\xbffrom,to,round_trip_ms\r\n\"n\",\"n\",\"1.5\"\r\n".to_vec();
    let mut files = matrix(table);
    files[0].1.extend(TRANSFER.as_bytes());
    assert_eq!(refusal("spreadsheet", &files), "accepted");
}

// G15: a hundred years, a rate of 1 B/s beside 1 Tbit/s, and 100,000 peers are legal.
#[test]
fn legal_extremes_are_accepted() {
    let text = "[scenario]\nname = \"x\"\nhorizon = \"36500 d\"\n\
                [[class]]\nname = \"slow\"\ncount = 50000\nup = \"1 B/s\"\n\
                [[class]]\nname = \"fast\"\ncount = 49998\nup = \"1 Tbit/s\"\n";
    let text = text.to_owned() + TRANSFER;
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("s.toml"), text).unwrap();
    let scenario = Scenario::load(&folder.path().join("s.toml")).unwrap();
    assert_eq!(scenario.cells()[0].resolve(0).unwrap().peers.len(), 100_000);
}

// Bytes changed, cut and doubled at random: whatever comes out is read or refused in one
// line, and nothing panics. The numbers are seeded, so a failure repeats.
#[test]
fn a_damaged_scenario_is_read_or_refused_in_one_line() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let folder = TempDir::new().unwrap();
    for part in ["scenarios", "data"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        fs::copy(
            entry.path(),
            folder.path().join("data").join(entry.file_name()),
        )
        .unwrap();
    }
    let folder = folder.path().join("scenarios");
    let mut rng = Streams::new(1, 0).stream("damage", "test");
    for name in ["limits.toml", "churn.toml", "swarm.toml"] {
        let whole = fs::read(scenarios.join(name)).unwrap();
        for _ in 0..200 {
            let mut text = whole.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(text.len());
                match rng.below(4) {
                    0 => text[at] = b"\0\"[]{}=.,-9z\n\xff"[rng.below(14)],
                    1 => text.truncate(at.max(1)),
                    2 => drop(text.drain(at..(at + 1 + rng.below(20)).min(text.len()))),
                    _ => text.insert(at, b"9.\"[]=\n-"[rng.below(8)]),
                }
                if text.is_empty() {
                    text.push(b'x');
                }
            }
            fs::write(folder.join("s.toml"), &text).unwrap();
            refusal_at(&String::from_utf8_lossy(&text), &folder);
        }
    }
}
