//! How fast the store takes a content in and gives its files their names.
//!
//! `cargo bench -p fairhaul --bench store_rate -- DIRECTORY`
//!
//! Decides nothing: writes 1 GiB as one file and 10,000 files of 4 to 64 KiB into the directory
//! given, which should be in memory, and says what each step took. Chunks are made once and
//! handed over from memory, so hashing them is not part of what is measured.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fairhaul::content::{EntryKind, Tree, TreeEntry, chunk_size, hash_chunk};
use fairhaul::store::{OpenFiles, Receive, Store};
use fairhaul_core::units::ByteCount;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let into = words.find(|word| word != "--bench").map(PathBuf::from);
    let into = into.ok_or_else(|| anyhow::anyhow!("usage: store_rate DIRECTORY"))?;
    let one = vec![entry("one".to_owned(), 1 << 30)];
    measure("1 GiB in one file", one, &into)?;
    let lens = (0_u64..10_000).map(|at| 4_096 + at * 7_919 % (60 * 1_024));
    let small = lens.enumerate().map(|(at, len)| {
        let path = format!("small/{:02}/{at:05}", at / 100);
        entry(path, len)
    });
    measure("10,000 files of 4 to 64 KiB", small.collect(), &into)
}

fn entry(path: String, bytes: u64) -> TreeEntry {
    let kind = EntryKind::File {
        bytes,
        executable: false,
    };
    TreeEntry {
        path: path.into(),
        kind,
    }
}

fn measure(name: &str, entries: Vec<TreeEntry>, into: &Path) -> anyhow::Result<()> {
    let total: u64 = entries.iter().map(length).sum();
    let chunk = usize::try_from(chunk_size(total).get())?;
    // Every chunk has the same bytes but the last, which is shorter.
    let bytes: Vec<u8> = (0..chunk)
        .map(|at| u8::try_from(at % 251).unwrap_or(0))
        .collect();
    let whole = total / chunk as u64;
    let mut hashes = vec![hash_chunk(&bytes); usize::try_from(whole)?];
    let rest = usize::try_from(total % chunk as u64)?;
    if rest > 0 {
        hashes.push(hash_chunk(&bytes[..rest]));
    }
    let tree = Arc::new(Tree::new(entries, ByteCount::new(chunk as u64), hashes)?);
    let state = into.join("state");
    let start = Instant::now();
    let (options, files) = (Receive::default(), OpenFiles::new(256));
    let (store, _) = Store::receive(Arc::clone(&tree), into, &state, options, &files, &|_| {})?;
    let started = start.elapsed();
    let geometry = tree.geometry();
    for at in (0..geometry.chunks()).filter_map(|at| geometry.index(at)) {
        let len = usize::try_from(geometry.len_of(at).get())?;
        store.write(at, &bytes[..len])?;
        if at.get() % 64 == 63 {
            store.sync()?;
        }
    }
    let written = start.elapsed();
    store.finish()?;
    let finished = start.elapsed();
    let mut buf = vec![0; chunk];
    for at in (0..geometry.chunks()).filter_map(|at| geometry.index(at)) {
        let len = usize::try_from(geometry.len_of(at).get())?;
        store.read(at, ByteCount::ZERO, &mut buf[..len])?;
    }
    let read = start.elapsed();
    // Bytes in a microsecond are megabytes in a second.
    let rate = |took: Duration| u128::from(total) / took.as_micros().max(1);
    writeln!(
        std::io::stdout(),
        "{name}: start {started:.1?}, write {:.1?}, finish {:.1?}: {} MB/s; read {:.1?}: {} MB/s",
        written - started,
        finished - written,
        rate(finished),
        read - finished,
        rate(read - finished),
    )?;
    Ok(())
}

const fn length(entry: &TreeEntry) -> u64 {
    match entry.kind {
        EntryKind::File { bytes, .. } => bytes,
        EntryKind::EmptyDirectory => 0,
    }
}
