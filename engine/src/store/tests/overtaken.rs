//! A reader between whose look and whose read another one reads, step by step in one thread.

use std::io;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::ChunkReadError;
use super::super::disk::{Disk, DiskFile, Open, Status, copy};
use super::sim::{SimDisk, World};
use super::*;

/// A file that is changed in chunk 0, and hashed in chunk 1 by another reader, right before the
/// first read of it.
#[derive(Debug)]
struct Overtaken(Box<dyn DiskFile>, Weak<Store>, AtomicBool);

impl Overtaken {
    fn overtake(&self) {
        if !self.2.swap(true, Ordering::Relaxed) {
            let mut byte = [0];
            self.0.read_at(&mut byte, 600).unwrap();
            self.0.write_at(&[byte[0] ^ 1], 600).unwrap();
            let store = self.1.upgrade().unwrap();
            read(&store, store.tree().geometry().index(1).unwrap()).unwrap();
        }
    }
}

impl DiskFile for Overtaken {
    fn copy_from(&self, from: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        copy(self, from, (0, bytes))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.overtake();
        self.0.read_at(buf, offset)
    }

    fn read_at_hand(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.overtake();
        self.0.read_at_hand(buf, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        unreachable!()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        unreachable!()
    }

    fn sync(&self) -> io::Result<()> {
        unreachable!()
    }

    fn status(&self) -> io::Result<Status> {
        self.0.status()
    }
}

/// Register: D4. Chunk 0 counts as verified when the reader looks. Before it reads, the chunk is
/// changed, and another reader hashes chunk 1 and notes how the file looks now.
#[test]
fn a_reader_overtaken_by_another_gets_no_changed_bytes() {
    for at_hand in [false, true] {
        let (disk, _) = SimDisk::new(World::new());
        let origin = Origin::new(&[("f", 2_000)], 1_000);
        let file = disk.open("f", Open::Write(0o644)).unwrap();
        assert_eq!(file.write_at(&origin.bytes, 0).unwrap(), 2_000);
        let (tree, stamps) = (Arc::clone(&origin.tree), [file.status().unwrap().stamp]);
        let store = Arc::new(Store::share_on(tree, Arc::new(disk), &stamps, &files()).unwrap());
        let file = Arc::new(Overtaken(file, Arc::downgrade(&store), false.into()));
        store.fds.put(0, Arc::clone(&file) as _, false);
        let chunk = origin.chunks()[0];
        if at_hand {
            assert!(!store.read_at_hand(chunk, ByteCount::ZERO, &mut [0; 1_000]));
            assert!(file.2.load(Ordering::Relaxed), "nobody overtook it");
        }
        let refused = read(&store, chunk);
        assert!(matches!(
            refused,
            Err(ChunkReadError::Changed { chunk: 0, .. })
        ));
    }
}
