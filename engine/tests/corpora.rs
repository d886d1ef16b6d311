//! The fuzz targets, held by the inputs that are kept of them.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/bodies.rs"]
mod bodies;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("it can be listed").path();
        body(&fs::read(&path).expect("it can be read"));
        count += 1;
    }
    assert!(count >= 3, "{}: only {count} inputs", folder.display());
}

/// Register: W1, W2, W5, W8, W9, W11.
#[test]
fn the_corpus_of_frames_holds() {
    replay("frame", bodies::frame);
}

/// Register: W4, W7, W11.
#[test]
fn the_corpus_of_greetings_holds() {
    replay("hello", bodies::hello);
}

/// Register: M1, M2, M5, M6, M7, M8, M9, M12.
#[test]
fn the_corpus_of_manifests_holds() {
    replay("manifest", bodies::manifest);
}

/// Register: M1, M2, M5, M6.
#[test]
fn the_corpus_of_paths_holds() {
    replay("path", bodies::path);
}

/// Register: P8.
#[test]
fn the_corpus_of_state_files_holds() {
    replay("state", bodies::state);
}
