//! A file that is written on a thread of its own, so that whoever writes waits for no disk.
//!
//! A disk that stands still takes memory up to a bound; beyond it writing is an error.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes that are handed over at once.
pub(super) const PART: usize = 64 * 1024;

/// Parts that may wait for the disk: 64 MiB, which is some minutes of a busy node's log.
const WAITING_MAX: usize = 1_024;

/// The file, behind its thread.
#[derive(Debug)]
pub(super) struct Aside {
    parts: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Aside {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let (parts, queue) = sync_channel(WAITING_MAX);
        let thread = thread::Builder::new().name("log".to_owned());
        Ok(Self {
            parts: Some(parts),
            thread: Some(thread.spawn(move || work(file, &queue))?),
        })
    }

    /// Waits until all is written, or could not be.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.parts.take());
        let ended = self.thread.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |ended| ended.expect("the thread does not panic"))
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let parts = self.parts.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        match parts.try_send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(TrySendError::Full(_)) => Err(io::Error::other(
                "the disk takes less than there is to write",
            )),
            // The thread ends early only with what the disk said.
            Err(TrySendError::Disconnected(_)) => {
                self.end()?;
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }

    /// What was handed over is on its way; [`Aside::finish`] waits for it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(mut file: File, queue: &Receiver<Vec<u8>>) -> io::Result<()> {
    queue.iter().try_for_each(|part| file.write_all(&part))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Nobody reads a pipe: parts are taken up to the bound, then refused, and nobody waits. What
    /// was taken comes out in order once somebody reads.
    ///
    /// Register: P11.
    #[test]
    fn a_disk_that_stands_still_keeps_nobody_who_writes() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut aside = Aside::new(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        let part = |number: usize| vec![u8::try_from(number % 251).unwrap(); PART];
        let taken = (0..).take_while(|number| aside.write_all(&part(*number)).is_ok());
        let taken = taken.count();
        assert!((WAITING_MAX..=WAITING_MAX + 2).contains(&taken), "{taken}");
        let read = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        aside.finish().unwrap();
        let expected: Vec<u8> = (0..taken).flat_map(part).collect();
        assert!(read.join().unwrap().unwrap() == expected);
    }

    #[test]
    fn what_a_disk_says_is_said_to_whoever_writes_next_and_at_the_end() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut aside = Aside::new(full()).unwrap();
        let said = loop {
            match aside.write(b"log") {
                // What is written before the disk has said anything may be too much for it.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break error,
                _ => thread::yield_now(),
            }
        };
        assert_eq!(said.kind(), io::ErrorKind::StorageFull);
        let mut aside = Aside::new(full()).unwrap();
        let _ = aside.write(b"log");
        assert_eq!(
            aside.finish().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
