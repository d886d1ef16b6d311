//! Plain text in columns of a given width.

pub(super) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// `text` in lines of at most `width` columns, each ended.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut room = width;
        for (at, word) in line.split(' ').enumerate() {
            let length = word.chars().count() + 1;
            if at > 0 && length > room {
                out.push('\n');
                room = width;
            } else if at > 0 {
                out.push(' ');
            }
            out += word;
            room = room.saturating_sub(length);
        }
        out.push('\n');
    }
    out
}

pub(super) fn width_of(texts: &[String]) -> usize {
    texts
        .iter()
        .map(|text| text.chars().count())
        .max()
        .unwrap_or(0)
}

pub(super) fn pad_right(text: &str, width: usize) -> String {
    format!(
        "{text}{}",
        " ".repeat(width.saturating_sub(text.chars().count()))
    )
}

pub(super) fn pad_left(text: &str, width: usize) -> String {
    format!(
        "{}{text}",
        " ".repeat(width.saturating_sub(text.chars().count()))
    )
}
