//! What the fuzz targets hold of any bytes. The plain tests hold it of the corpora.
//!
//! Each body panics when something that should always be so is not.

use fairhaul::content::{Tree, manifest, path};
use fairhaul::store::read_state;
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::handshake;
use fairhaul_core::wire::{Decoder, Frame, encode};

/// Most pieces that one input is cut into.
const PIECES: usize = 64;

/// A stream of frames says the same however it is cut, and what it says can be said again in
/// the same bytes (W5, W11).
pub(crate) fn frame(bytes: &[u8]) {
    let Some((cuts, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = decode(&[bytes]);
    let size = usize::from(*cuts).max(1);
    let mut pieces: Vec<&[u8]> = bytes.chunks(size).take(PIECES).collect();
    let taken: usize = pieces.iter().map(|piece| piece.len()).sum();
    pieces.push(&bytes[taken..]);
    assert_eq!(decode(&pieces), whole, "cut every {size} bytes");
    let mut again = Vec::new();
    for event in &whole.0 {
        match event {
            Said::Message(message) => encode(message, &mut again),
            Said::Bytes(bytes) => again.extend(bytes),
            // What nobody knows cannot be said again.
            Said::Skipped(_) => return,
        }
    }
    assert!(bytes.starts_with(&again), "one encoding of each message");
}

#[derive(Debug, PartialEq)]
enum Said {
    Message(Message),
    Bytes(Vec<u8>),
    Skipped(u8),
}

fn decode(pieces: &[&[u8]]) -> (Vec<Said>, Option<Misbehaviour>) {
    let mut decoder = Decoder::new();
    let mut said: Vec<Said> = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match decoder.next(&mut rest) {
                Ok(None) => break,
                Ok(Some(Frame::Message(message))) => said.push(Said::Message(message)),
                Ok(Some(Frame::Skipped { kind })) => said.push(Said::Skipped(kind)),
                // Bytes of a block come in any pieces: put together, they are the same.
                Ok(Some(Frame::Payload(bytes))) => match said.last_mut() {
                    Some(Said::Bytes(before)) => before.extend(bytes),
                    _ => said.push(Said::Bytes(bytes.to_vec())),
                },
                Err(offence) => return (said, Some(offence)),
            }
        }
    }
    (said, None)
}

/// A greeting that is understood has one encoding, and it is these bytes.
pub(crate) fn hello(bytes: &[u8]) {
    if let Ok(Some((greeting, len))) = handshake::decode(bytes) {
        let mut again = Vec::new();
        handshake::encode(&greeting, &mut again);
        assert_eq!(again, bytes[..len], "one encoding of each greeting");
    }
    // A part of it is never understood as something else, only as unfinished or wrong.
    for end in (0..bytes.len()).step_by(7) {
        if let Ok(Some((_, len))) = handshake::decode(&bytes[..end]) {
            assert!(len <= end);
        }
    }
}

/// A manifest that is taken has one encoding, only names that stay inside, and chunks that lie
/// in its files (M1 to M9, M12).
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(tree) = Tree::decode(bytes) else {
        return;
    };
    assert_eq!(tree.encode(), bytes, "one encoding of each tree");
    assert_eq!(tree.id(), manifest::content_id(bytes));
    for entry in tree.entries() {
        assert!(path::check(&entry.path).is_ok());
    }
    let geometry = tree.geometry();
    for position in 0..geometry.chunks().min(1_000) {
        let chunk = geometry.index(position).expect("below their number");
        let len = geometry.len_of(chunk);
        let pieces = tree.pieces(chunk, ByteCount::ZERO, len);
        assert_eq!(pieces.map(|piece| piece.len).sum::<u64>(), len.get());
    }
}

/// A path that is allowed stays below the directory that it is joined to, whoever joins it.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(name) = path::check_bytes(bytes) else {
        return;
    };
    let joined = std::path::Path::new("/inside").join(name);
    let mut depth = 0;
    for part in joined
        .strip_prefix("/inside")
        .expect("it is relative")
        .components()
    {
        assert!(matches!(part, std::path::Component::Normal(_)), "{name:?}");
        depth += 1;
    }
    assert!((1..=path::DEPTH_MAX).contains(&depth));
    assert_eq!(
        path::shown(name).chars().filter(|c| c.is_control()).count(),
        0
    );
}

/// A state that is believed is of its content, and never says more chunks than there are (P8).
pub(crate) fn state(bytes: &[u8]) {
    let content = ContentId([7; 32]);
    let geometry = Manifest::new(ByteCount::new(1_000), ByteCount::new(16));
    let geometry = geometry.expect("a small content");
    if let Some(saved) = read_state(content, geometry, bytes) {
        assert_eq!(saved.chunks.len(), geometry.chunks());
        assert!(
            saved
                .chunks
                .iter()
                .all(|chunk| chunk.get() < geometry.chunks())
        );
    }
}
