//! `fairlab emulate` and `fairlab deploy`: the program that has real nodes takes over.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs a copy of `fairlab` that lies alone in `folder`, with nothing on the path.
fn fairlab(folder: &Path, words: &[&str]) -> Output {
    let copy = folder.join("fairlab");
    if !copy.exists() {
        fs::copy(env!("CARGO_BIN_EXE_fairlab"), &copy).unwrap();
    }
    let mut command = Command::new(copy);
    command.args(words).env("PATH", "/usr/bin:/bin");
    command.output().unwrap()
}

#[test]
fn without_the_program_one_line_says_how_to_get_it() {
    let folder = TempDir::new().unwrap();
    for command in ["emulate", "deploy"] {
        let output = fairlab(folder.path(), &[command, "s.toml"]);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{talk}");
        let start = format!("fairlab: {command}: no ");
        assert!(
            talk.starts_with(&start) && talk.lines().count() == 1,
            "{talk}"
        );
        assert!(
            talk.contains("cargo install --path experiments/emulate"),
            "{talk}"
        );
    }
}

#[test]
fn the_program_beside_this_one_has_every_word_and_the_exit_code() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("fairlab-emulate");
    fs::write(&program, "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["emulate", "a b.toml", "--help", "--speed", "-1", "--", "x"];
    let output = fairlab(folder.path(), &words);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert_eq!(said, words.map(|word| format!("{word}|")).concat());
}
