mod basics;
mod crash;
mod faults;
mod fill;
mod overtaken;
mod paths;
mod serve;
mod sim;
mod state;

use std::path::Path;
use std::sync::Arc;

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::units::ByteCount;

use super::{OpenFiles, Receive, Store, StoreError};
use crate::content::scan::Stamp;
use crate::content::{EntryKind, Tree, TreeEntry, hash_chunk};

/// So few places that most of what a test opens is closed in between.
pub(crate) fn files() -> Arc<OpenFiles> {
    OpenFiles::new(4)
}

/// A tree and its bytes.
pub(crate) struct Origin {
    pub(crate) tree: Arc<Tree>,
    pub(crate) bytes: Vec<u8>,
    chunk: usize,
}

impl Origin {
    /// Files of these lengths, in this order, which is that of their paths; a path that ends
    /// with `/` is an empty directory, one that ends with `*` an executable file.
    pub(crate) fn new(files: &[(&str, usize)], chunk: usize) -> Self {
        let mut bytes = Vec::new();
        let entries = files.iter().map(|(path, len)| {
            for _ in 0..*len {
                let at = bytes.len();
                bytes.push(u8::try_from((at * 31 + at / 251) % 251).unwrap());
            }
            let kind = if path.ends_with('/') {
                EntryKind::EmptyDirectory
            } else {
                EntryKind::File {
                    bytes: *len as u64,
                    executable: path.ends_with('*'),
                }
            };
            let path = path.trim_end_matches(['/', '*']).into();
            TreeEntry { path, kind }
        });
        let entries: Vec<TreeEntry> = entries.collect();
        let hashes = bytes.chunks(chunk).map(hash_chunk).collect();
        let tree = Tree::new(entries, ByteCount::new(chunk as u64), hashes).unwrap();
        Self {
            tree: Arc::new(tree),
            bytes,
            chunk,
        }
    }

    pub(crate) fn chunks(&self) -> Vec<ChunkIndex> {
        let geometry = self.tree.geometry();
        (0..geometry.chunks())
            .map(|at| geometry.index(at).unwrap())
            .collect()
    }

    pub(crate) fn chunk(&self, chunk: ChunkIndex) -> &[u8] {
        let start = chunk.index() * self.chunk;
        &self.bytes[start..self.bytes.len().min(start + self.chunk)]
    }

    /// The bytes of one file.
    pub(crate) fn file(&self, entry: usize) -> &[u8] {
        let len = |entry: &TreeEntry| match entry.kind {
            EntryKind::File { bytes, .. } => usize::try_from(bytes).unwrap(),
            EntryKind::EmptyDirectory => 0,
        };
        let entries = self.tree.entries();
        let start: usize = entries[..entry].iter().map(len).sum();
        &self.bytes[start..start + len(&entries[entry])]
    }

    pub(crate) fn receive(&self, into: &Path) -> Result<Store, StoreError> {
        self.receive_with(into, Receive::default())
    }

    pub(crate) fn receive_with(&self, into: &Path, options: Receive) -> Result<Store, StoreError> {
        let state = into.join(".state");
        let tree = Arc::clone(&self.tree);
        Ok(Store::receive(tree, into, &state, options, &files(), &|_| {})?.0)
    }

    /// Writes the chunks that `store` lacks.
    pub(crate) fn fill(&self, store: &Store) {
        for chunk in self.chunks() {
            if !store.have().has(chunk) {
                store.write(chunk, self.chunk(chunk)).unwrap();
            }
        }
    }

    /// Puts the files beneath `root` and shares them.
    pub(crate) fn share(&self, root: &Path) -> Store {
        let stamps = self.tree.entries().iter().enumerate().map(|(at, entry)| {
            let path = root.join(&*entry.path);
            if entry.kind == EntryKind::EmptyDirectory {
                std::fs::create_dir_all(&path).unwrap();
            } else {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, self.file(at)).unwrap();
            }
            stamp(&path)
        });
        let stamps: Vec<Stamp> = stamps.collect();
        Store::share(Arc::clone(&self.tree), root, &stamps, &files()).unwrap()
    }

    /// Whether all of it is beneath `root`.
    pub(crate) fn is_at(&self, root: &Path) -> bool {
        self.tree.entries().iter().enumerate().all(|(at, entry)| {
            let path = root.join(&*entry.path);
            match entry.kind {
                EntryKind::EmptyDirectory => {
                    path.read_dir().is_ok_and(|mut it| it.next().is_none())
                }
                EntryKind::File { .. } => std::fs::read(path).is_ok_and(|got| got == self.file(at)),
            }
        })
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let found = path.metadata().unwrap();
    Stamp {
        bytes: found.len(),
        mtime_s: found.mtime(),
        mtime_ns: u32::try_from(found.mtime_nsec()).unwrap(),
        inode: found.ino(),
        device: found.dev(),
    }
}

/// Reads `chunk` whole.
pub(crate) fn read(store: &Store, chunk: ChunkIndex) -> Result<Vec<u8>, super::ChunkReadError> {
    let len = usize::try_from(store.tree().geometry().len_of(chunk).get()).unwrap();
    let mut buf = vec![0; len];
    store.read(chunk, ByteCount::ZERO, &mut buf)?;
    Ok(buf)
}
