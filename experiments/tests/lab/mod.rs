//! A folder in which commands of `fairlab` are typed, for tests of its command line.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "the helpers of a test may fail as the test does, and each test uses some of them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Two disciplines, two replications that differ, and every fairness column there is.
pub(crate) const SCENARIO: &str = r#"
[scenario]
name = "pair"

[[peer]]
name = "server"
up = "8 Mbit/s"

[[class]]
name = "client"
count = 3

[[transfer]]
name = "bulk"
source = "server"
destination = "client"
bytes = { uniform = ["200 kB", "400 kB"] }

[sweep]
"policy.uplink" = ["fifo", "drr"]

[replication]
count = 2
baseline = "fifo"
"#;

/// A folder with a scenario, in which commands are typed.
pub(crate) struct Lab(pub(crate) TempDir);

impl Lab {
    pub(crate) fn new(scenario: &str) -> Self {
        let lab = Self(TempDir::new().unwrap());
        fs::write(lab.path("s.toml"), scenario).unwrap();
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fairlab"));
        command.args(words.split(' ')).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command that ends well prints.
    pub(crate) fn ok(&self, words: &str) -> String {
        let output = self.run(words);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}: {talk}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line and the exit code of a command that is refused.
    pub(crate) fn refused(&self, words: &str) -> (String, i32) {
        let output = self.run(words);
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.stdout, b"", "{words}");
        assert_eq!(talk.lines().count(), 1, "{words}: {talk}");
        let line = talk.trim_end().strip_prefix("fairlab: ").unwrap();
        (line.to_owned(), output.status.code().unwrap())
    }

    pub(crate) fn json(&self, words: &str) -> Vec<Value> {
        let text = self.ok(words);
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn manifest(&self, out: &str) -> Value {
        let text = fs::read_to_string(self.path(out).join("manifest.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Every file of a result but its manifest and what has its commands in it.
pub(crate) fn tables(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && name != "manifest.json" && name != "report.html" {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
