//! The progress of a command on a terminal: how much, how fast, how long still, and which peers
//! are waited for.
//!
//! Nothing is printed if standard error is no terminal.

use fairhaul::control::api::{CommandProgress, Phase};
use fairhaul::printable::{NAME_MAX, Printable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::render;

/// A line that is drawn again and again.
#[derive(Debug)]
pub(super) struct Display {
    bar: ProgressBar,
}

impl Display {
    /// A display that shows nothing yet.
    pub(super) fn new() -> Self {
        // It hides by itself where there is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, progress: &CommandProgress) {
        if self.bar.is_hidden() {
            return;
        }
        let template = match progress.total_bytes {
            Some(_) => "{bar:24} {msg}",
            None => "{msg}",
        };
        let style = ProgressStyle::with_template(template);
        self.bar
            .set_style(style.expect("our templates are templates"));
        // Each of these may draw it.
        self.bar.set_message(words(progress));
        if let Some(total) = progress.total_bytes {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.done_bytes);
    }

    /// Says something beside it.
    pub(super) fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes it away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is, in words.
fn words(progress: &CommandProgress) -> String {
    let phase = match progress.phase {
        Phase::Hashing => "hashing",
        Phase::Waiting => "waiting",
        Phase::Moving => "moving",
        Phase::Verifying => "verifying",
    };
    let mut words = match progress.total_bytes {
        Some(total) => {
            let (done, total) = (render::bytes(progress.done_bytes), render::bytes(total));
            format!("{phase} {done} of {total}")
        }
        None if progress.done_bytes > 0 => {
            format!("{phase} {}", render::bytes(progress.done_bytes))
        }
        None => phase.to_owned(),
    };
    if progress.rate_bytes_s > 0 {
        words.push_str(&format!(", {}/s", render::bytes(progress.rate_bytes_s)));
    }
    if let Some(seconds) = progress.eta_s {
        words.push_str(&format!(", {} left", render::seconds(seconds)));
    }
    if let Some(who) = &progress.waiting_for {
        words.push_str(&format!(", waiting for {}", Printable(who, NAME_MAX)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: O2.
    #[test]
    fn the_words_say_how_much_how_fast_how_long_and_for_whom() {
        let progress = CommandProgress {
            phase: Phase::Moving,
            transfer: Some(1),
            done_bytes: 1_500_000,
            total_bytes: Some(3_000_000),
            rate_bytes_s: 500_000,
            eta_s: Some(3),
            waiting_for: Some("vm\u{1b}[2J".to_owned()),
        };
        let expected = "moving 1.5 MB of 3.0 MB, 500 kB/s, 3 s left, waiting for vm\\u{1b}[2J";
        assert_eq!(words(&progress), expected);
        assert_eq!(words(&CommandProgress::default()), "waiting");
    }
}
