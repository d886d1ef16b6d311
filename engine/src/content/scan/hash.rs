//! Hashes the chunks of a scanned tree: reads every byte once, on all cores.
//!
//! A file that is not what the walk saw is refused, before and after it is read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use fairhaul_core::manifest::Manifest;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Options, ScanError, Stamp, TreeEntry, io_error};
use crate::content::tree::{ChunkHash, chunk_hasher, pieces};

/// Bytes read and hashed at once: enough for every lane of the hash, few enough for a cache.
const UNIT: usize = 1024 * 1024;

/// Neighbouring chunks that one thread takes at once, at most: a disk likes to read on.
const RUN_MAX: u32 = 16;

/// Times that each thread comes back for more, at least, so that all end together.
const RUNS_EACH: u32 = 8;

/// What there is to hash.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) base: &'a Path,
    pub(super) entries: &'a [TreeEntry],
    pub(super) stamps: &'a [Stamp],
    pub(super) starts: &'a [u64],
    pub(super) geometry: Manifest,
    pub(super) options: &'a Options<'a>,
}

/// The work that is left, shared by all threads.
struct Queue {
    next: AtomicU32,
    run: u32,
    chunks: u32,
    /// Set when one thread failed: what the others do is for nothing.
    stop: AtomicBool,
}

/// One thread's part.
struct Worker<'a> {
    job: Job<'a>,
    queue: &'a Queue,
    /// The file that was read last, and which entry it is.
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
    filled: usize,
    hashes: Vec<(u32, ChunkHash)>,
}

impl Job<'_> {
    /// The hash of every chunk, in order.
    pub(super) fn run(self) -> Result<Vec<ChunkHash>, ScanError> {
        let chunks = self.geometry.chunks();
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.options.threads.unwrap_or(cores).get();
        let threads = u32::try_from(threads).unwrap_or(u32::MAX).min(chunks);
        let turns = threads.saturating_mul(RUNS_EACH).max(1);
        let queue = Queue {
            next: AtomicU32::new(0),
            run: (chunks / turns).clamp(1, RUN_MAX),
            chunks,
            stop: AtomicBool::new(false),
        };
        let done = thread::scope(|scope| {
            let start = |_| scope.spawn(|| Worker::new(self, &queue).run());
            let workers: Vec<_> = (0..threads).map(start).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().expect("a worker returns its errors")
            };
            workers.into_iter().map(join).collect::<Vec<_>>()
        });
        collect(done, chunks)
    }

    fn path(&self, entry: usize) -> PathBuf {
        self.base.join(&*self.entries[entry].path)
    }
}

/// The hashes in order; of several errors, one that is a cause and not a consequence.
fn collect(
    done: Vec<Result<Vec<(u32, ChunkHash)>, ScanError>>,
    chunks: u32,
) -> Result<Vec<ChunkHash>, ScanError> {
    let mut hashes = vec![[0; size_of::<ChunkHash>()]; chunks as usize];
    let mut failed = None;
    for part in done {
        match part {
            Ok(part) => {
                for (at, hash) in part {
                    hashes[at as usize] = hash;
                }
            }
            Err(ScanError::Cancelled) if failed.is_some() => {}
            Err(why) => failed = Some(why),
        }
    }
    failed.map_or(Ok(hashes), Err)
}

impl<'a> Worker<'a> {
    fn new(job: Job<'a>, queue: &'a Queue) -> Self {
        Self {
            job,
            queue,
            open: None,
            buffer: vec![0; UNIT],
            filled: 0,
            hashes: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Vec<(u32, ChunkHash)>, ScanError> {
        let result = self.take_runs();
        if result.is_err() {
            self.queue.stop.store(true, Ordering::Relaxed);
        }
        result.map(|()| self.hashes)
    }

    fn take_runs(&mut self) -> Result<(), ScanError> {
        loop {
            let first = self.queue.next.fetch_add(self.queue.run, Ordering::Relaxed);
            if first >= self.queue.chunks {
                return self.close();
            }
            let end = (first + self.queue.run).min(self.queue.chunks);
            for at in first..end {
                let hash = self.chunk(at)?;
                self.hashes.push((at, hash));
            }
        }
    }

    fn chunk(&mut self, at: u32) -> Result<ChunkHash, ScanError> {
        let Job {
            entries,
            starts,
            geometry,
            ..
        } = self.job;
        let mut hasher = chunk_hasher();
        let len = geometry.chunk().get();
        // Small files are gathered, so that the hash gets whole units and not single files.
        for piece in pieces(entries, starts, u64::from(at) * len, len) {
            let mut done = 0;
            while done < piece.len {
                let left = usize::try_from(piece.len - done).unwrap_or(usize::MAX);
                let take = left.min(UNIT - self.filled);
                self.read(piece.entry, piece.offset + done, take)?;
                done += take as u64;
                if self.filled == UNIT {
                    self.flush(&mut hasher)?;
                }
            }
        }
        self.flush(&mut hasher)?;
        Ok(*hasher.finalize().as_bytes())
    }

    fn flush(&mut self, hasher: &mut blake3::Hasher) -> Result<(), ScanError> {
        let stopped = self.queue.stop.load(Ordering::Relaxed);
        if stopped || self.job.options.cancel.load(Ordering::Relaxed) {
            return Err(ScanError::Cancelled);
        }
        hasher.update(&self.buffer[..self.filled]);
        (self.job.options.progress)(self.filled as u64);
        self.filled = 0;
        Ok(())
    }

    /// Adds `len` bytes of a file to the buffer.
    fn read(&mut self, entry: usize, offset: u64, len: usize) -> Result<(), ScanError> {
        self.open(entry)?;
        let Some((_, file)) = &self.open else {
            return Ok(());
        };
        let into = &mut self.buffer[self.filled..self.filled + len];
        match file.read_exact_at(into, offset) {
            Ok(()) => self.filled += len,
            Err(why) if why.kind() == ErrorKind::UnexpectedEof => {
                return Err(ScanError::Changed(self.job.path(entry)));
            }
            Err(why) => return Err(io_error("read", &self.job.path(entry))(why)),
        }
        Ok(())
    }

    fn open(&mut self, entry: usize) -> Result<(), ScanError> {
        if self.open.as_ref().is_some_and(|(open, _)| *open == entry) {
            return Ok(());
        }
        self.close()?;
        let path = self.job.path(entry);
        // What was a file may have become a link, or a fifo that would block.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).expect("flags of open are an int in C");
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let file = file.map_err(|why| {
            if is_gone(&why) {
                ScanError::Changed(path.clone())
            } else {
                io_error("open", &path)(why)
            }
        })?;
        self.check(entry, &file)?;
        self.open = Some((entry, file));
        Ok(())
    }

    /// Ends with a file: it must still be what it was.
    fn close(&mut self) -> Result<(), ScanError> {
        self.open
            .take()
            .map_or(Ok(()), |(entry, file)| self.check(entry, &file))
    }

    fn check(&self, entry: usize, file: &File) -> Result<(), ScanError> {
        let path = self.job.path(entry);
        let metadata = file.metadata().map_err(io_error("read", &path))?;
        if metadata.is_file() && Stamp::of(&metadata) == self.job.stamps[entry] {
            Ok(())
        } else {
            Err(ScanError::Changed(path))
        }
    }
}

/// Whether a file that was there is gone, or a link has taken its place.
fn is_gone(why: &io::Error) -> bool {
    let link = why.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    link || matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
