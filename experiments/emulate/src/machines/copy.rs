//! Copies a file to a machine, as the input of a command there.
//!
//! Only its user may read it, and half a file never has its name.

use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::agent::why;

/// The command that takes a file. No sign of our paths means anything to a shell.
pub(super) fn receive(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    format!("umask 077; mkdir -p {folder} && cat >{}", path.display())
}

/// Runs a command with these bytes as its input.
pub(super) fn pour(mut command: Command, bytes: &mut dyn Read) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ssh: {error}"))?;
    let mut input = child.stdin.take().expect("standard input is piped");
    let mut buffer = vec![0; 1 << 16];
    let fed: io::Result<()> = loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(len) => {
                // Who does not listen any more says why below.
                if input.write_all(&buffer[..len]).is_err() {
                    break Ok(());
                }
            }
            Err(error) => break Err(error),
        }
    };
    if fed.is_err() {
        // Half a file is none; it fails only if it has ended.
        let _ = child.kill();
    }
    drop(input);
    let output = child.wait_with_output();
    let output = output.map_err(|error| format!("ssh: {error}"))?;
    fed.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(why(&output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_file_is_written_whole_with_its_folder_and_for_its_user_alone() {
        use std::os::unix::fs::MetadataExt as _;
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b/file");
        let bytes = vec![7; 200_000];
        pour(sh(&receive(&path)), &mut bytes.as_slice()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn who_does_not_listen_to_the_end_says_why() {
        let bytes = vec![7; 1_000_000];
        let said = pour(
            sh("echo first >&2; echo full >&2; exit 1"),
            &mut bytes.as_slice(),
        );
        assert_eq!(said.unwrap_err(), "full");
    }

    #[test]
    fn a_source_that_fails_ends_the_command_at_once() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("interrupted"))
            }
        }
        let said = pour(sh("exec cat"), &mut Broken);
        assert_eq!(said.unwrap_err(), "interrupted");
    }
}
