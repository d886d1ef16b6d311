//! A file system in memory that notes every operation, so that a test can lose some of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::super::disk::{Disk, DiskFile, Open, Status, What, copy};
use crate::content::scan::Stamp;

/// The directory that content is received into.
pub(crate) const INTO: usize = 0;

/// The directory of the state file.
pub(crate) const STATE: usize = 1;

/// Torn writes are torn at multiples of this.
const SECTOR: usize = 512;

/// A file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File(Vec<u8>),
    Directory(BTreeMap<String, usize>),
}

/// One operation on the disk.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLen {
        file: usize,
        bytes: usize,
    },
    Link {
        dir: usize,
        name: String,
        node: usize,
    },
    Unlink {
        dir: usize,
        name: String,
    },
    Rename {
        from: (usize, String),
        to: (usize, String),
        node: usize,
    },
    Sync(usize),
    SyncAll,
}

/// How much of an operation that was never synced is found after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    All,
    /// The first sectors of a write.
    Torn(usize),
    /// The length that a write gave the file, without its bytes.
    Length,
}

/// All nodes, and what happened since the image they started from.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) image: Vec<Node>,
    pub(crate) log: Vec<Op>,
    changes: u64,
    changed: BTreeMap<usize, u64>,
    /// Syncs left until one fails; what it should have synced is then dropped from memory.
    pub(crate) sync_fails_in: Option<usize>,
    /// Bytes that may still be written.
    pub(crate) space: u64,
    /// What the disk says to every change while it may not be changed.
    pub(crate) refuses: Option<Errno>,
    /// A disk that says it synced and did not.
    pub(crate) lies: bool,
}

/// The world beneath one of its directories.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    pub(crate) world: Arc<Mutex<World>>,
    root: usize,
}

#[derive(Debug)]
struct SimFile {
    world: Arc<Mutex<World>>,
    node: usize,
    writable: bool,
}

impl World {
    /// Two empty directories.
    pub(crate) fn new() -> Self {
        Self::from_image(vec![Node::Directory(BTreeMap::new()); 2])
    }

    pub(crate) fn from_image(image: Vec<Node>) -> Self {
        Self {
            nodes: image.clone(),
            image,
            log: Vec::new(),
            changes: 0,
            changed: BTreeMap::new(),
            sync_fails_in: None,
            space: u64::MAX,
            refuses: None,
            lies: false,
        }
    }

    /// A process that was killed after `end` operations: all of them are seen by the next one,
    /// and those not synced may still be lost.
    pub(crate) fn killed(&self, end: usize) -> Self {
        let mut world = Self::from_image(self.image.clone());
        world.nodes = self.crash(end, &BTreeMap::new());
        world.log = self.log[..end].to_vec();
        world
    }

    /// The operations before `end` that no sync covers, by position.
    pub(crate) fn pending(&self, end: usize) -> Vec<usize> {
        let mut pending = Vec::new();
        for (at, op) in self.log[..end].iter().enumerate() {
            match op {
                Op::SyncAll => pending.clear(),
                Op::Sync(node) => pending.retain(|at: &usize| !touches(&self.log[*at], *node)),
                _ => pending.push(at),
            }
        }
        pending
    }

    /// What a crash after `end` operations leaves, given what is kept of those not synced.
    pub(crate) fn crash(&self, end: usize, kept: &BTreeMap<usize, Kept>) -> Vec<Node> {
        let mut nodes = self.image.clone();
        for node in &self.nodes[nodes.len()..] {
            nodes.push(match node {
                Node::File(_) => Node::File(Vec::new()),
                Node::Directory(_) => Node::Directory(BTreeMap::new()),
            });
        }
        for (at, op) in self.log[..end].iter().enumerate() {
            apply(&mut nodes, op, *kept.get(&at).unwrap_or(&Kept::All));
        }
        nodes
    }

    fn find(&self, root: usize, path: &str) -> io::Result<usize> {
        let mut at = root;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at = *self.entries(at)?.get(part).ok_or(Errno::NOENT)?;
        }
        Ok(at)
    }

    fn place(&self, root: usize, path: &str) -> io::Result<(usize, String)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.find(root, above)?;
        self.entries(dir)?;
        Ok((dir, name.to_owned()))
    }

    fn entries(&self, dir: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[dir] {
            Node::Directory(entries) => Ok(entries),
            Node::File(_) => Err(Errno::NOTDIR.into()),
        }
    }

    fn data(&self, file: usize) -> io::Result<&Vec<u8>> {
        match &self.nodes[file] {
            Node::File(data) => Ok(data),
            Node::Directory(_) => Err(Errno::ISDIR.into()),
        }
    }

    /// Does `op` now and notes it.
    fn act(&mut self, op: Op) {
        apply(&mut self.nodes, &op, Kept::All);
        if let Op::Write { file, .. } | Op::SetLen { file, .. } = &op {
            self.changes += 1;
            self.changed.insert(*file, self.changes);
        }
        self.log.push(op);
    }

    fn allows(&self) -> io::Result<()> {
        self.refuses.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn make(&mut self, dir: usize, name: String, node: Node) -> usize {
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        self.act(Op::Link { dir, name, node });
        node
    }

    fn sync(&mut self, op: Op) -> io::Result<()> {
        match &mut self.sync_fails_in {
            Some(0) => {
                // As the kernel does: the pages count as clean, and what they held is gone.
                self.sync_fails_in = None;
                for at in self.pending(self.log.len()) {
                    if let Op::Write {
                        file,
                        offset,
                        bytes,
                    } = self.log[at].clone()
                    {
                        let zeros = vec![0; bytes.len()];
                        self.log[at] = Op::Write {
                            file,
                            offset,
                            bytes: zeros.clone(),
                        };
                        apply(
                            &mut self.nodes,
                            &Op::Write {
                                file,
                                offset,
                                bytes: zeros,
                            },
                            Kept::All,
                        );
                    }
                }
                return Err(Errno::IO.into());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if !self.lies {
            self.log.push(op);
        }
        Ok(())
    }

    fn status(&self, node: usize) -> Status {
        let (what, bytes) = match &self.nodes[node] {
            Node::File(data) => (What::File, data.len() as u64),
            Node::Directory(_) => (What::Directory, 0),
        };
        Status {
            what,
            stamp: Stamp {
                bytes,
                mtime_s: i64::try_from(*self.changed.get(&node).unwrap_or(&0)).unwrap(),
                mtime_ns: 0,
                inode: node as u64,
                device: 0,
            },
            occupied: bytes,
            unlinked: false,
            private: true,
            settled: true,
        }
    }
}

/// Whether a sync of `node` covers `op`.
fn touches(op: &Op, node: usize) -> bool {
    match op {
        Op::Write { file, .. } | Op::SetLen { file, .. } => *file == node,
        Op::Link { dir, .. } | Op::Unlink { dir, .. } => *dir == node,
        Op::Rename { from, to, .. } => from.0 == node || to.0 == node,
        Op::Sync(_) | Op::SyncAll => false,
    }
}

fn apply(nodes: &mut [Node], op: &Op, kept: Kept) {
    if kept == Kept::Nothing {
        return;
    }
    match op {
        Op::Write {
            file,
            offset,
            bytes,
        } => {
            let Node::File(data) = &mut nodes[*file] else {
                return;
            };
            let len = match kept {
                Kept::Torn(sectors) => bytes.len().min(sectors * SECTOR),
                Kept::Length => 0,
                _ => bytes.len(),
            };
            let end = if kept == Kept::Length {
                offset + bytes.len()
            } else {
                offset + len
            };
            if data.len() < end {
                data.resize(end, 0);
            }
            data[*offset..offset + len].copy_from_slice(&bytes[..len]);
        }
        Op::SetLen { file, bytes } => {
            if let Node::File(data) = &mut nodes[*file] {
                data.resize(*bytes, 0);
            }
        }
        Op::Link { dir, name, node } => link(nodes, *dir, name, *node),
        Op::Unlink { dir, name } => unlink(nodes, *dir, name, None),
        Op::Rename { from, to, node } => {
            unlink(nodes, from.0, &from.1, Some(*node));
            link(nodes, to.0, &to.1, *node);
        }
        Op::Sync(_) | Op::SyncAll => {}
    }
}

fn link(nodes: &mut [Node], dir: usize, name: &str, node: usize) {
    if let Node::Directory(entries) = &mut nodes[dir] {
        entries.insert(name.to_owned(), node);
    }
}

fn unlink(nodes: &mut [Node], dir: usize, name: &str, only: Option<usize>) {
    if let Node::Directory(entries) = &mut nodes[dir]
        && only.is_none_or(|node| entries.get(name) == Some(&node))
    {
        entries.remove(name);
    }
}

impl SimDisk {
    pub(crate) fn new(world: World) -> (Self, Self) {
        let world = Arc::new(Mutex::new(world));
        let at = |root| Self {
            world: Arc::clone(&world),
            root,
        };
        (at(INTO), at(STATE))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The bytes of a file; none if there is no such file.
    pub(crate) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.world();
        let node = world.find(self.root, path).ok()?;
        world.data(node).ok().cloned()
    }

    fn rename(&self, from: &str, to: &str, replace: bool, directory: bool) -> io::Result<()> {
        let mut world = self.world();
        world.allows()?;
        let (old, new) = (world.place(self.root, from)?, world.place(self.root, to)?);
        let node = *world.entries(old.0)?.get(&old.1).ok_or(Errno::NOENT)?;
        if let Some(there) = world.entries(new.0)?.get(&new.1) {
            if !replace || directory {
                return Err(Errno::EXIST.into());
            }
            world.data(*there)?;
        }
        world.act(Op::Rename {
            from: old,
            to: new,
            node,
        });
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        if how != Open::Read {
            world.allows()?;
        }
        let node = match (world.find(self.root, path), how) {
            (Ok(node), _) => node,
            (Err(error), Open::Write(_)) if error.kind() == io::ErrorKind::NotFound => {
                let (dir, name) = world.place(self.root, path)?;
                world.make(dir, name, Node::File(Vec::new()))
            }
            (Err(error), _) => return Err(error),
        };
        world.data(node)?;
        let writable = how != Open::Read;
        let world = Arc::clone(&self.world);
        Ok(Box::new(SimFile {
            world,
            node,
            writable,
        }))
    }

    fn status(&self, path: &str) -> io::Result<Option<Status>> {
        let world = self.world();
        match world.find(self.root, path) {
            Ok(node) => Ok(Some(world.status(node))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make_dir(&self, path: &str, _mode: u32) -> io::Result<()> {
        let mut world = self.world();
        world.allows()?;
        let (dir, name) = world.place(self.root, path)?;
        if world.entries(dir)?.contains_key(&name) {
            return Err(Errno::EXIST.into());
        }
        world.make(dir, name, Node::Directory(BTreeMap::new()));
        Ok(())
    }

    fn rename_file(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        self.rename(from, to, replace, false)
    }

    fn rename_dir(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename(from, to, false, true)
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        let mut world = self.world();
        let node = world.find(self.root, path)?;
        world.data(node)?;
        let (dir, name) = world.place(self.root, path)?;
        world.act(Op::Unlink { dir, name });
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let mut world = self.world();
        let node = world.find(self.root, path)?;
        if !world.entries(node)?.is_empty() {
            return Err(Errno::NOTEMPTY.into());
        }
        let (dir, name) = world.place(self.root, path)?;
        world.act(Op::Unlink { dir, name });
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut world = self.world();
        let node = world.find(self.root, path)?;
        world.sync(Op::Sync(node))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.world().sync(Op::SyncAll)
    }

    fn space(&self) -> io::Result<u64> {
        Ok(self.world().space)
    }
}

impl DiskFile for SimFile {
    fn copy_from(&self, from: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        copy(self, from, (0, bytes))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.world.lock().unwrap();
        let data = world.data(self.node)?;
        let start = usize::try_from(offset).unwrap().min(data.len());
        let len = buf.len().min(data.len() - start);
        buf[..len].copy_from_slice(&data[start..start + len]);
        Ok(len)
    }

    fn read_at_hand(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.read_at(buf, offset).map(Some)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut world = self.world.lock().unwrap();
        assert!(
            self.writable,
            "written through a file that was opened to be read"
        );
        let len = bytes
            .len()
            .min(usize::try_from(world.space).unwrap_or(usize::MAX));
        if len == 0 {
            return Err(Errno::NOSPC.into());
        }
        world.space -= len as u64;
        let offset = usize::try_from(offset).unwrap();
        let bytes = bytes[..len].to_vec();
        world.act(Op::Write {
            file: self.node,
            offset,
            bytes,
        });
        Ok(len)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).unwrap();
        let mut world = self.world.lock().unwrap();
        world.act(Op::SetLen {
            file: self.node,
            bytes,
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.world.lock().unwrap().sync(Op::Sync(self.node))
    }

    fn status(&self) -> io::Result<Status> {
        Ok(self.world.lock().unwrap().status(self.node))
    }
}
