//! `fairlab emulate` and `fairlab deploy`: the program that has real nodes takes over.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Copies a program. Another process writes the copy: had this one its descriptor, a child that
/// another test starts meanwhile would inherit it, and nobody can start a file that is being
/// written.
fn install(from: &Path, to: &Path) {
    let mut command = Command::new("install");
    command.args(["-m", "755"]).args([from, to]);
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Runs a copy of `fairlab` that lies alone in `folder`, with nothing on the path.
fn fairlab(folder: &Path, words: &[&str]) -> Output {
    let copy = folder.join("fairlab");
    if !copy.exists() {
        install(Path::new(env!("CARGO_BIN_EXE_fairlab")), &copy);
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
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n").unwrap();
    install(&script, &folder.path().join("fairlab-emulate"));
    let words = ["emulate", "a b.toml", "--help", "--speed", "-1", "--", "x"];
    let output = fairlab(folder.path(), &words);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert_eq!(said, words.map(|word| format!("{word}|")).concat());
}
