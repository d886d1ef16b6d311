//! The system's own ssh: how it is called, and what its failures mean.
//!
//! A machine has one connection, which everything else goes through. ssh never asks a person, and
//! never opens a second connection by itself.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every call is told: never ask, do not wait for long, notice a machine that is gone.
const OPTIONS: [&str; 5] = [
    "BatchMode=yes",
    "ConnectTimeout=5",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "RemoteCommand=none",
];

/// How a person logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// As whom; none is what ssh would take.
    pub user: Option<String>,
    /// With which key; none is what ssh would take.
    pub key: Option<PathBuf>,
    /// Where sshd listens; none is what ssh would take.
    pub port: Option<u16>,
    /// More options, each as in `ssh -o`.
    pub options: Vec<String>,
}

/// Why ssh did not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshFailure {
    /// There is no such host.
    NoName,
    /// The machine does not let us in, or asks a question.
    Login,
    /// The machine's own key is unknown or another one.
    HostKey,
    /// A file that was named for the login is not there.
    NoFile,
    /// Anything else; it may get better.
    Other,
}

impl Login {
    /// The words before the host.
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["-T".into(), "-x".into(), "-a".into()];
        let mut option = |text: &str| words.extend(["-o".into(), text.into()]);
        // ssh takes the first that is said: a person's own come before ours.
        self.options.iter().for_each(|text| option(text));
        OPTIONS.iter().for_each(|text| option(text));
        if let Some(user) = &self.user {
            words.extend(["-l".into(), user.into()]);
        }
        if let Some(key) = &self.key {
            words.extend(["-o".into(), "IdentitiesOnly=yes".into()]);
            words.extend(["-i".into(), key.into()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".into(), port.to_string().into()]);
        }
        words
    }

    /// The connection that the others go through, with a command of its own.
    #[must_use]
    pub fn first(&self, socket: &Path, host: &str, command: &str) -> Command {
        let mut ssh = ssh();
        // It would take what a person's own file says of these after ours.
        ssh.args(["-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-S"]);
        ssh.arg(socket).args(self.words()).args(["--", host]);
        ssh.arg(command);
        ssh
    }

    /// A command through that connection.
    #[must_use]
    pub fn through(&self, socket: &Path, host: &str, command: &str) -> Command {
        let mut ssh = ssh();
        only_through(&mut ssh, socket);
        ssh.args(self.words()).args(["--", host]).arg(command);
        ssh
    }

    /// A word to that connection itself, such as `forward` or `cancel` with what is forwarded.
    #[must_use]
    pub fn tell(&self, socket: &Path, host: &str, word: &str, forward: (&Path, &Path)) -> Command {
        let mut ssh = ssh();
        only_through(&mut ssh, socket);
        ssh.args(["-O", word, "-L"]);
        let mut spec = OsString::from(forward.0);
        spec.push(":");
        spec.push(forward.1);
        ssh.arg(spec).args(self.words()).args(["--", host]);
        ssh
    }
}

fn ssh() -> Command {
    let mut ssh = Command::new("ssh");
    // A ^C of the terminal is for the player: it ends the nodes in its own order.
    ssh.process_group(0).stdin(Stdio::null());
    ssh.env("LC_ALL", "C");
    ssh
}

/// Without its first connection a call fails instead of making one.
fn only_through(ssh: &mut Command, socket: &Path) {
    ssh.args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-S"]);
    ssh.arg(socket);
}

impl SshFailure {
    /// What lines of ssh mean.
    #[must_use]
    pub fn of(said: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if has(&["Could not resolve"]) {
            Self::NoName
        } else if has(&["Permission denied"]) {
            Self::Login
        } else if has(&["Host key verification failed", "REMOTE HOST IDENT"]) {
            Self::HostKey
        } else if has(&["not accessible"]) {
            Self::NoFile
        } else {
            Self::Other
        }
    }

    /// The line about `host`, from what ssh said last.
    #[must_use]
    pub fn line(self, host: &str, said: &str) -> String {
        let last = last(said);
        match self {
            Self::NoName => format!("the name {host} does not resolve"),
            Self::Login => {
                let ways = last.rsplit(": ").next().unwrap_or_default();
                format!(
                    "{host} refuses the login, or asks a question that nobody answers here \
                     ({ways}); see --user and --key"
                )
            }
            Self::HostKey => format!(
                "the host key of {host} is not known or not the one that is known; log in once \
                 by hand"
            ),
            Self::NoFile => {
                let mut lines = said.lines().map(str::trim);
                let line = lines.find(|line| line.contains("not accessible"));
                format!("{host}: {}", line.unwrap_or(last))
            }
            Self::Other if last.is_empty() => format!("{host}: ssh ended without a word"),
            Self::Other => format!("{host}: {last}"),
        }
    }
}

/// The last line that says something.
#[must_use]
pub fn last(said: &str) -> &str {
    let mut lines = said.lines().map(str::trim).rev();
    let tells = |line: &&str| !line.is_empty() && !line.starts_with("Warning: Permanently");
    lines.find(tells).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words = command.get_args().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn calls_share_one_connection_and_never_ask() {
        let login = Login {
            user: Some("me".to_owned()),
            key: Some(PathBuf::from("k")),
            port: Some(2222),
            options: vec!["UserKnownHostsFile=f".to_owned()],
        };
        let own = "-T -x -a -o UserKnownHostsFile=f -o BatchMode=yes -o ConnectTimeout=5 \
                   -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o RemoteCommand=none \
                   -l me -o IdentitiesOnly=yes -i k -p 2222 -- h";
        let socket = Path::new("/s");
        assert_eq!(
            words(&login.first(socket, "h", "cat")),
            format!("-o ControlMaster=yes -o ControlPersist=no -S /s {own} cat")
        );
        let through = "-o ControlMaster=no -o ProxyCommand=false -S /s";
        assert_eq!(
            words(&login.through(socket, "h", "cat")),
            format!("{through} {own} cat")
        );
        let ends = (Path::new("/l"), Path::new("/r"));
        assert_eq!(
            words(&login.tell(socket, "h", "forward", ends)),
            format!("{through} -O forward -L /l:/r {own}")
        );
    }

    #[test]
    fn what_ssh_says_becomes_one_line() {
        for (said, why, line) in [
            (
                "ssh: Could not resolve hostname h: Name or service not known\r\n",
                SshFailure::NoName,
                "the name h does not resolve",
            ),
            (
                "Warning: Permanently added 'h'.\nroot@h: Permission denied (publickey,password).\n",
                SshFailure::Login,
                "h refuses the login, or asks a question that nobody answers here (Permission \
                 denied (publickey,password).); see --user and --key",
            ),
            (
                "No ED25519 host key is known for h.\nHost key verification failed.\n",
                SshFailure::HostKey,
                "the host key of h is not known or not the one that is known; log in once by hand",
            ),
            (
                "Warning: Identity file k not accessible: No such file or directory.\nx\n",
                SshFailure::NoFile,
                "h: Warning: Identity file k not accessible: No such file or directory.",
            ),
            (
                "ssh: connect to host h port 22: Connection refused\nWarning: Permanently a\n\n",
                SshFailure::Other,
                "h: ssh: connect to host h port 22: Connection refused",
            ),
            ("", SshFailure::Other, "h: ssh ended without a word"),
        ] {
            assert_eq!(SshFailure::of(said), why);
            assert_eq!(why.line("h", said), line);
        }
    }
}
