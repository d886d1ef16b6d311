//! The parameter file that a new node starts from.
//!
//! Decides nothing: every key of the grammar with what it means, what it may be and its
//! default. What has no default is an example behind a `#`.

use super::grammar::{Form, Otherwise, SECTIONS};
use super::kind::Kind;

/// Widest line of a comment, in bytes.
const WIDTH: usize = 96;

/// A commented parameter file: it passes the check as it is, and also with every example put
/// in force by taking the `#` away where no blank follows it.
#[must_use]
pub fn template() -> String {
    let mut out = String::new();
    let head = "Parameters of a fairhaul node. `fairhaul check FILE` checks it and shows what is in \
                force. A line that starts with # and a blank explains; a line that starts with # \
                alone is an example, and is in force without the #.";
    comment(&mut out, head);
    for section in &SECTIONS {
        let example = section.form != Form::One;
        out.push('\n');
        comment(&mut out, section.about);
        let header = match section.form {
            Form::One => format!("[{}]\n", section.name),
            Form::Many => format!("#[[{}]]\n", section.name),
            Form::Named => format!("#[{}.lab]\n", section.name),
        };
        out.push_str(&header);
        for field in section.fields {
            let allowed = match field.kind {
                Kind::Discipline | Kind::Share | Kind::Choker | Kind::SeedRule | Kind::Picker => {
                    format!("One of {}.", field.kind.allowed())
                }
                kind => format!("Allowed: {}.", kind.allowed()),
            };
            comment(&mut out, &format!("{} {allowed}", field.about));
            let (mark, value) = match field.otherwise {
                Otherwise::Absent(value) => ("#", value),
                Otherwise::Needed(value) | Otherwise::Is(value) if example => ("#", value),
                Otherwise::Needed(value) | Otherwise::Is(value) => ("", value),
            };
            out.push_str(&format!("{mark}{} = {value}\n", field.name));
        }
    }
    out
}

/// Adds `text` as lines of comment.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
