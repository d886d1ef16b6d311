//! Passes the commit to the program, so that a result can name it.
//!
//! Without git, or outside of a repository, the commit is empty; the build does not fail.

use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "HEAD"]);
    println!("cargo::rustc-env=FAIRHAUL_COMMIT={commit}");
    // The log of HEAD moves with every commit; a path that does not exist would make every
    // build a new one.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if !log.is_empty() && std::path::Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    // The program carries what is in them, new files too.
    println!("cargo::rerun-if-changed=scenarios");
    println!("cargo::rerun-if-changed=data");
}

/// First line of what git says, empty if it says nothing.
fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output();
    let text = output.ok().filter(|output| output.status.success());
    text.and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_default()
}
