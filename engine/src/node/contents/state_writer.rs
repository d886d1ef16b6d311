//! The state writer: a thread that saves what the next run needs.
//!
//! Syncing to disk takes milliseconds, in which the driver would serve no peer. Requests are
//! carried out in order; those that are pending when the node ends are written before it exits.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use tracing::warn;

use super::chunk_store::ManifestStore;
use crate::durable::{replace, replace_unsynced};
use crate::store::{is_out, patiently};

/// What is to happen once a file is durable; with `false` once it is known that it is not.
pub(crate) type Then = Box<dyn FnOnce(bool) + Send>;

/// What begins once all is done that was asked for before.
pub(crate) type Begin = Box<dyn FnOnce() + Send>;

/// One thing to do for one content.
enum Errand {
    /// Write what is known of it, and its manifest if that is whole.
    Keep {
        base: PathBuf,
        json: Vec<u8>,
        is_durable: bool,
        manifest: Option<Arc<ManifestStore>>,
        then: Option<Then>,
    },
    /// Forget it, as far as these endings go.
    Forget(PathBuf, &'static [&'static str]),
    /// Begin something that has to find gone what was to be forgotten.
    Begin(Begin),
    /// Write another file of the node's state.
    Write(PathBuf, Vec<u8>, Vec<Then>),
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(crate) struct Keeper {
    errands: Option<Sender<Errand>>,
    thread: Option<JoinHandle<()>>,
    /// How much is still to be forgotten.
    forgetting: Arc<AtomicUsize>,
}

impl Keeper {
    pub(crate) fn start() -> io::Result<Self> {
        let (errands, queue) = channel();
        let thread = thread::Builder::new().name("keeper".to_owned());
        let forgetting = Arc::<AtomicUsize>::default();
        let left = Arc::clone(&forgetting);
        Ok(Self {
            errands: Some(errands),
            thread: Some(thread.spawn(move || work(&queue, &left))?),
            forgetting,
        })
    }

    /// Keeps `json` at `base` with the ending `json`, and `manifest` with the ending
    /// `manifest` if it is given and was not kept before, and does what is to happen `then`.
    /// Unless it is to be durable, a loss of power may take it.
    pub(super) fn keep(
        &self,
        base: PathBuf,
        (json, is_durable): (Vec<u8>, bool),
        manifest: Option<Arc<ManifestStore>>,
        then: Option<Then>,
    ) {
        self.send(Errand::Keep {
            base,
            json,
            is_durable,
            manifest,
            then,
        });
    }

    /// Removes what was kept at `base` with these endings.
    pub(super) fn forget(&self, base: PathBuf, endings: &'static [&'static str]) {
        self.forgetting.fetch_add(1, Ordering::Relaxed);
        self.send(Errand::Forget(base, endings));
    }

    /// Begins something at once, or, where anything is still to be forgotten, when that is gone.
    pub(super) fn begin(&self, begin: Begin) {
        match self.forgetting.load(Ordering::Acquire) {
            0 => begin(),
            _ => self.send(Errand::Begin(begin)),
        }
    }

    /// Replaces the file at `path`, and does what is to happen `then`, if anything is.
    pub(crate) fn write(&self, path: PathBuf, text: Vec<u8>, then: Option<Then>) {
        self.send(Errand::Write(path, text, then.into_iter().collect()));
    }

    fn send(&self, errand: Errand) {
        let errands = self.errands.as_ref().expect("there until it is dropped");
        // The thread ends only when every sender is dropped.
        let _ = errands.send(errand);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.errands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(queue: &Receiver<Errand>, forgetting: &AtomicUsize) {
    let mut described = BTreeSet::new();
    let mut next = queue.recv().ok();
    while let Some(errand) = next {
        next = queue.try_recv().ok();
        match errand {
            Errand::Write(path, text, mut thens) => {
                if let Some(Errand::Write(newer, _, more)) = &mut next
                    && *newer == path
                {
                    // A newer text is there already: this one would be written for nothing.
                    thens.append(more);
                    *more = thens;
                    continue;
                }
                let written = patiently(|| replace(&path, &text), is_out);
                if let Err(error) = &written {
                    warn!(path = %path.display(), %error, "cannot be kept for the next run");
                }
                thens.into_iter().for_each(|then| then(written.is_ok()));
            }
            Errand::Keep {
                base,
                json,
                is_durable,
                manifest,
                then,
            } => {
                let write = if is_durable {
                    replace
                } else {
                    replace_unsynced
                };
                let mut work = || keep(&base, (&json, write), manifest.as_deref(), &mut described);
                let result = patiently(&mut work, is_out);
                if let Err(error) = &result {
                    let path = base.display();
                    warn!(%path, %error, "a content cannot be kept for the next run");
                }
                then.into_iter().for_each(|then| then(result.is_ok()));
            }
            Errand::Forget(base, endings) => {
                if endings.contains(&"manifest") {
                    described.remove(&base);
                }
                for ending in endings {
                    // A missing file is fine.
                    let _ = fs::remove_file(base.with_extension(ending));
                }
                forgetting.fetch_sub(1, Ordering::Release);
            }
            Errand::Begin(begin) => begin(),
        }
        next = next.or_else(|| queue.recv().ok());
    }
}

/// Writes a file in the place of another one.
type Write = fn(&Path, &[u8]) -> io::Result<()>;

fn keep(
    base: &Path,
    (json, write): (&[u8], Write),
    manifest: Option<&ManifestStore>,
    described: &mut BTreeSet<PathBuf>,
) -> io::Result<()> {
    if let Some(manifest) = manifest.filter(|_| !described.contains(base)) {
        write(&base.with_extension("manifest"), &manifest.bytes())?;
        described.insert(base.to_owned());
    }
    write(&base.with_extension("json"), json)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Register: P1.
    #[test]
    fn all_that_was_asked_for_is_done_in_order_before_the_keeper_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let base = |name: &str| folder.path().join(name);
        let keeper = Keeper::start().unwrap();
        let manifest = Arc::new(ManifestStore::full(b"manifest"));
        for number in 0..20_u8 {
            keeper.keep(
                base("a"),
                (vec![number], true),
                Some(Arc::clone(&manifest)),
                None,
            );
            keeper.keep(base("b"), (vec![number], false), None, None);
        }
        keeper.forget(base("b"), &["json"]);
        let (told, hears) = channel();
        let there = base("b.json");
        keeper.begin(Box::new(move || told.send(there.exists()).unwrap()));
        drop(keeper);
        assert_eq!(
            hears.iter().collect::<Vec<_>>(),
            [false],
            "it is gone before what begins"
        );
        assert_eq!(fs::read(base("a.json")).unwrap(), [19]);
        assert_eq!(fs::read(base("a.manifest")).unwrap(), b"manifest");
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a.json", "a.manifest"]);
    }

    /// Of many texts for one file the last is there in the end; the file is for its user alone,
    /// also if it was not before.
    #[test]
    fn the_last_text_of_a_file_is_kept_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.json");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path.with_extension("part"), b"left by a crash").unwrap();
        let (told, hears) = channel();
        let keeper = Keeper::start().unwrap();
        for number in 0..1_000_u32 {
            let told = told.clone();
            let then: Then = Box::new(move |durable| told.send((number, durable)).unwrap());
            keeper.write(path.clone(), number.to_string().into_bytes(), Some(then));
        }
        drop((keeper, told));
        assert_eq!(fs::read(&path).unwrap(), b"999");
        // The waiting requests are answered in order, also where a newer text replaced theirs.
        let heard: Vec<(u32, bool)> = hears.iter().collect();
        assert!(
            heard
                .into_iter()
                .eq((0..1_000).map(|number| (number, true)))
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_folder_that_is_gone_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::start().unwrap();
        let (told, hears) = channel();
        let then = || -> Option<Then> {
            let told = told.clone();
            Some(Box::new(move |durable| told.send(durable).unwrap()))
        };
        keeper.keep(folder.path().join("gone/a"), (vec![1], true), None, then());
        keeper.keep(folder.path().join("b"), (vec![2], true), None, then());
        keeper.write(folder.path().join("gone/c"), vec![3], then());
        drop((keeper, told));
        assert_eq!(hears.iter().collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(fs::read(folder.path().join("b.json")).unwrap(), [2]);
    }
}
