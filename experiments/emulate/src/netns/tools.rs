//! Calls the kernel's own tools, `ip`, `tc` and `nsenter`; a failure of theirs becomes one line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment::EnvironmentError;

/// Where `ip` keeps the names of namespaces.
pub(super) const NAMED: &str = "/run/netns";

/// One line about what went wrong.
pub(super) fn failed(talk: impl Into<String>) -> EnvironmentError {
    EnvironmentError(talk.into())
}

/// Where a program is among the folders of PATH; none if it is in none of them.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

/// Whether this is a file that may be run.
pub(super) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The program of a node.
///
/// # Errors
///
/// If there is none where it was said to be, or none beside this program and in PATH.
pub(super) fn program(chosen: Option<&Path>) -> Result<PathBuf, EnvironmentError> {
    if let Some(path) = chosen {
        let path = path
            .canonicalize()
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        if is_program(&path) {
            return Ok(path);
        }
        return Err(failed(format!("{}: not a program", path.display())));
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name("fairhaul"))
        .filter(|path| is_program(path));
    beside.or_else(|| find("fairhaul")).ok_or_else(|| {
        failed("no program fairhaul beside this one or in PATH; build it, or say where it is")
    })
}

/// Runs a program to its end and returns what it wrote.
///
/// # Errors
///
/// If it cannot be started, or the last line it said if it failed.
pub(super) fn run(program: &str, words: &[&str], input: &str) -> Result<String, EnvironmentError> {
    let said = |talk: &str| failed(format!("{program} {}: {talk}", words.join(" ")));
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| said(&error.to_string()))?;
    let mut pipe = child.stdin.take();
    // A tool that ends early closes its input; what it said is the better answer.
    let fed = std::thread::scope(|scope| {
        scope.spawn(move || {
            pipe.as_mut()
                .map_or(Ok(()), |pipe| pipe.write_all(input.as_bytes()))
        });
        child.wait_with_output()
    });
    let output = fed.map_err(|error| said(&error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let talk = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = talk
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    // `ip -batch` says last which line it was; what was wrong with it stands before.
    let tail = lines.len().saturating_sub(2);
    Err(said(&match lines.get(tail..) {
        Some(lines) if !lines.is_empty() => lines.join("; "),
        _ => output.status.to_string(),
    }))
}

/// `ip -batch` with these lines, in a namespace or in that of the caller.
pub(super) fn ip(namespace: Option<&str>, script: &str) -> Result<(), EnvironmentError> {
    batch("ip", namespace, script)
}

/// `tc -batch` with these lines, in a namespace.
pub(super) fn tc(namespace: &str, script: &str) -> Result<(), EnvironmentError> {
    batch("tc", Some(namespace), script)
}

fn batch(tool: &str, namespace: Option<&str>, script: &str) -> Result<(), EnvironmentError> {
    if script.is_empty() {
        return Ok(());
    }
    let words = match namespace {
        Some(name) => vec!["-n", name, "-batch", "-"],
        None => vec!["-batch", "-"],
    };
    run(tool, &words, script).map(drop)
}

/// Writes kernel settings, `path below /proc/sys` and value, inside a namespace.
///
/// One that the kernel does not have, or takes no value for, is passed over if its path ends
/// with `?`.
pub(super) fn settings(namespace: &str, pairs: &[(&str, &str)]) -> Result<(), EnvironmentError> {
    let mut script = String::from("set -e\n");
    for (path, value) in pairs {
        match path.strip_suffix('?') {
            Some(path) => script.push_str(&format!(
                "{{ echo {value} > /proc/sys/{path}; }} 2>/dev/null || true\n"
            )),
            None => script.push_str(&format!("echo {value} > /proc/sys/{path}\n")),
        }
    }
    let net = format!("--net={NAMED}/{namespace}");
    run("nsenter", &[&net, "sh", "-s"], &script).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_fails_is_told_in_one_line_with_what_it_said() {
        let error = run("sh", &["-c", "echo first; echo why >&2; exit 3"], "").unwrap_err();
        assert!(error.0.starts_with("sh -c "), "{error}");
        assert!(error.0.ends_with(": why"), "{error}");
        let silent = run("sh", &["-c", "exit 3"], "").unwrap_err();
        assert!(silent.0.ends_with("exit status: 3"), "{silent}");
        let missing = run("no-such-tool-here", &[], "").unwrap_err();
        assert!(missing.0.contains("No such file"), "{missing}");
    }

    #[test]
    fn a_tool_reads_more_than_a_pipe_holds_and_writes_it_back() {
        let input = "a line of a batch\n".repeat(20_000);
        assert_eq!(run("cat", &[], &input).unwrap(), input);
        // One that ends without reading is no error of ours.
        assert_eq!(run("true", &[], &input).unwrap(), "");
    }

    #[test]
    fn a_program_is_found_only_where_it_may_be_run() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-tool-here"), None);
        assert!(!is_program(Path::new("/")));
        assert!(!is_program(Path::new("/proc/self/status")));
    }
}
