//! The last message of a session, or the message sent instead of one.

use fairhaul_core::message::{CloseCode, Message};
use fairhaul_core::wire::{self, CLOSE_TEXT_MAX};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::session::Outgoing;
use crate::transport::{DEADLINE, Secure};

/// Says why and ends a session.
pub(super) fn last_word(code: CloseCode, text: &str) -> Outgoing {
    let text = short(text);
    Outgoing::Close(Message::Close { code, text })
}

/// Ends a session before it is one, with a word of why. The greeting had welcomed the caller: what
/// speaks against it came up since.
pub(super) fn turn_away(secure: Secure<TcpStream>, code: CloseCode, why: &str) {
    let text = short(why);
    let close = Message::Close { code, text };
    let mut bytes = Vec::new();
    wire::encode(&close, &mut bytes);
    let mut writer = secure.writer;
    tokio::spawn(timeout(DEADLINE, async move {
        // A failure to send it changes nothing.
        let _ = writer.write(&bytes).await;
        let _ = writer.close().await;
    }));
}

/// At most 128 bytes of `text`, at a boundary of characters.
fn short(text: &str) -> Box<str> {
    let mut end = text.len().min(CLOSE_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}
