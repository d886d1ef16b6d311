//! The bottom line of a watched node, in which commands that change what runs are typed.
//!
//! A key begins a command, the person types whom and what, Enter sends it. Nothing is sent without
//! Enter, and Escape drops it.

use clap::Parser as _;
use fairhaul::control::api::ControlRequest;

use super::args::Cli;
use super::requests;

/// Keys that begin a command, and the command.
const VERBS: [(u8, &str); 9] = [
    (b'g', "get"),
    (b's', "send"),
    (b'a', "share"),
    (b'p', "pause"),
    (b'r', "resume"),
    (b'c', "cancel"),
    (b'l', "limit"),
    (b'w', "weight"),
    (b'f', "floor"),
];
const KEYS: &str = "[g]et [s]end sh[a]re [p]ause [r]esume [c]ancel [l]imit [w]eight [f]loor [q]uit";
/// Longest command, in bytes: a ticket and a path.
const LINE_MAX: usize = 4_096;
/// What follows a command that is typed.
const HINT: &str = "_   Enter sends, Esc drops";

const ESCAPE: u8 = 0x1b;
const BACKSPACE: [u8; 2] = [0x7f, 0x08];
const CLEAR: u8 = 0x15;

/// What is typed, and what came of the last command.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// The command so far; none if no key has begun one.
    line: Option<Vec<u8>>,
    said: String,
}

/// What a key means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The bottom line is another now.
    Shown,
    /// The screen ends.
    Quit,
    /// This is to be sent to the node.
    Ask(ControlRequest),
}

impl Prompt {
    /// Takes a key.
    pub(super) fn press(&mut self, key: u8) -> Pressed {
        let Some(line) = &mut self.line else {
            if key == b'q' {
                return Pressed::Quit;
            }
            let verb = VERBS.iter().find(|(begins, _)| *begins == key);
            self.line = verb.map(|(_, verb)| format!("{verb} ").into_bytes());
            return Pressed::Shown;
        };
        match key {
            b'\n' | b'\r' => {
                let typed = String::from_utf8_lossy(line).into_owned();
                self.line = None;
                match request(&typed) {
                    Ok(request) => return Pressed::Ask(request),
                    Err(why) => self.said = why,
                }
            }
            ESCAPE => self.line = None,
            CLEAR => line.clear(),
            key if BACKSPACE.contains(&key) => {
                // A letter is several bytes if it is not of ASCII.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key if !key.is_ascii_control() && line.len() < LINE_MAX => line.push(key),
            _ => {}
        }
        Pressed::Shown
    }

    /// The node has answered the last command.
    pub(super) fn answered(&mut self, said: &str) {
        said.trim_end().clone_into(&mut self.said);
    }

    /// What the bottom of a screen of so many columns shows, without what cannot be printed: of a
    /// long command the end.
    pub(super) fn row(&self, columns: usize) -> String {
        let row = match &self.line {
            Some(line) => {
                let line = String::from_utf8_lossy(line);
                let room = columns.saturating_sub(HINT.len());
                let cut = line.chars().count().saturating_sub(room);
                format!("{}{HINT}", line.chars().skip(cut).collect::<String>())
            }
            None if self.said.is_empty() => KEYS.to_owned(),
            None if self.said.len() > columns => self.said.clone(),
            None => format!("{}   ({KEYS})", self.said),
        };
        row.replace(char::is_control, " ")
    }
}

/// The request of a typed command, or why it is none. A rate and a folder need no quotes: they are
/// what is left of the line.
fn request(typed: &str) -> Result<ControlRequest, String> {
    let typed = typed.trim();
    let verb = typed.split(' ').next().unwrap_or_default();
    let parts = match verb {
        "send" => usize::MAX,
        "share" => 2,
        _ => 3,
    };
    let words = typed.splitn(parts, ' ').map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    let cli = Cli::try_parse_from(std::iter::once("fairhaul").chain(words)).map_err(|error| {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        line.trim_start_matches("error: ").to_owned()
    })?;
    if let Some((_, request)) = requests::steering(&cli.command) {
        return Ok(request);
    }
    match requests::moving(&cli.command) {
        Ok(Some((_, ControlRequest::Send(send)))) if send.peers.is_empty() => {
            Err("send takes a path, and then peers".to_owned())
        }
        Ok(Some((_, request))) => Ok(request),
        Ok(None) => Err("only what a key in brackets begins can be typed here".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use fairhaul::control::api::{LimitRequest, LimitTarget, Transfer, TransferDirection};

    use super::*;

    /// What the last of these keys means.
    fn press(prompt: &mut Prompt, keys: &str) -> Pressed {
        let mut last = Pressed::Shown;
        for key in keys.bytes() {
            last = prompt.press(key);
        }
        last
    }

    #[test]
    fn a_key_begins_a_command_and_enter_sends_it() {
        let mut prompt = Prompt::default();
        let pause = ControlRequest::Pause(Transfer { id: 3 });
        assert_eq!(press(&mut prompt, "p3"), Pressed::Shown);
        assert!(
            prompt.row(200).starts_with("pause 3_"),
            "{}",
            prompt.row(200)
        );
        assert_eq!(press(&mut prompt, "\n"), Pressed::Ask(pause));
        let limit = ControlRequest::Limit(LimitRequest {
            target: LimitTarget::Named("vm-2".to_owned()),
            direction: TransferDirection::Up,
            rate_bytes_s: Some(2_500_000),
        });
        assert_eq!(press(&mut prompt, "lvm-2 20 Mbit/s\r"), Pressed::Ask(limit));
        prompt.answered("vm-2: upload 20 Mbit/s\n");
        assert!(prompt.row(200).starts_with("vm-2: upload 20 Mbit/s   ("));
    }

    // A folder and a path may have spaces; of several peers each is a word.
    #[test]
    fn contents_are_fetched_sent_and_shared_by_keys() {
        let mut prompt = Prompt::default();
        let Pressed::Ask(ControlRequest::Get(get)) = press(&mut prompt, "gfh1-x /tmp/a b\n") else {
            panic!("{}", prompt.row(200));
        };
        assert_eq!((get.ticket.as_str(), get.dir), ("fh1-x", "/tmp/a b".into()));
        let Pressed::Ask(ControlRequest::Send(send)) = press(&mut prompt, "s/tmp/f vm-2 vm-3\n")
        else {
            panic!("{}", prompt.row(200));
        };
        assert_eq!(
            (send.path, send.peers.join("+")),
            ("/tmp/f".into(), "vm-2+vm-3".to_owned())
        );
        let Pressed::Ask(ControlRequest::Share(share)) = press(&mut prompt, "a/tmp/a b\n") else {
            panic!("{}", prompt.row(200));
        };
        assert_eq!(share.path, std::path::Path::new("/tmp/a b"));
    }

    #[test]
    fn of_a_long_command_the_end_is_shown() {
        let mut prompt = Prompt::default();
        press(&mut prompt, &format!("gfh1-{} /tmp/end", "x".repeat(300)));
        let row = prompt.row(80);
        assert!(row.ends_with(&format!("x /tmp/end{HINT}")), "{row}");
        assert_eq!(row.chars().count(), 80);
    }

    #[test]
    fn nothing_is_sent_without_enter() {
        let mut prompt = Prompt::default();
        assert_eq!(press(&mut prompt, "c7\u{1b}"), Pressed::Shown);
        assert_eq!(prompt.row(200), KEYS);
        assert_eq!(press(&mut prompt, "x\n"), Pressed::Shown);
        assert_eq!(press(&mut prompt, "pq"), Pressed::Shown);
        assert_eq!(press(&mut prompt, "\u{1b}q"), Pressed::Quit);
    }

    #[test]
    fn what_cannot_be_done_is_said_in_one_line() {
        let mut prompt = Prompt::default();
        for (keys, said) in [
            ("pmany\n", "invalid value 'many'"),
            ("lnode 20\n", "invalid value '20'"),
            ("w\n", "the following required arguments were not provided"),
            ("p\u{15}stop\n", "only what a key in brackets begins"),
            ("p\u{15}p3\n", "unrecognized subcommand"),
            ("s/tmp/f\n", "send takes a path, and then peers"),
            ("gfhs1-x\n", "a line needs no node"),
        ] {
            assert_eq!(press(&mut prompt, keys), Pressed::Shown, "{keys:?}");
            let row = prompt.row(200);
            assert!(row.starts_with(said), "{keys:?}: {row}");
        }
    }

    #[test]
    fn a_letter_is_taken_back_whole_and_no_control_reaches_the_screen() {
        let mut prompt = Prompt::default();
        press(&mut prompt, "wjürg\u{7f}\u{7f}\u{7f}");
        assert!(
            prompt.row(200).starts_with("weight j_"),
            "{}",
            prompt.row(200)
        );
        press(&mut prompt, &"x".repeat(2 * LINE_MAX));
        assert!(prompt.row(usize::MAX).len() < LINE_MAX + 40);
        press(&mut prompt, "\u{1b}");
        prompt.answered("a\u{1b}[2J");
        assert!(!prompt.row(200).contains('\u{1b}'));
    }
}
