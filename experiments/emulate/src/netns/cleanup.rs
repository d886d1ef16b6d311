//! Removes what an earlier run left behind when it was killed.
//!
//! That is a namespace or folder with a name that only a stage gives, of a process that is gone, or
//! whose number now belongs to another. Anything else is left alone, and so is a run that is alive.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::plan;
use super::tools::{NAMED, failed, ip, run};
use crate::environment::EnvironmentError;

/// The file in a work folder that says whose it is: process id and start time.
pub(super) const OWNER: &str = "owner";

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Namespaces, by name.
    pub namespaces: Vec<String>,
    /// Work folders.
    pub folders: Vec<PathBuf>,
    /// Processes that still ran in those namespaces.
    pub processes: usize,
}

impl Removed {
    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "removed what an earlier run left: {} namespaces, {} processes, {} folders",
            self.namespaces.len(),
            self.processes,
            self.folders.len()
        )
    }
}

/// Removes what dead runs left: namespaces of this machine, and work folders in `base`.
///
/// # Errors
///
/// What could not be removed.
pub fn leftovers(base: &Path) -> Result<Removed, EnvironmentError> {
    let mut removed = Removed::default();
    let spaces: Vec<(u32, String)> = names(Path::new(NAMED))
        .into_iter()
        .filter_map(|name| Some((plan::pid_of_namespace(&name)?, name)))
        .filter(|(pid, _)| is_dead(*pid, base))
        .collect();
    for (_, name) in &spaces {
        removed.processes += kill_inside(name)?;
    }
    let script: String = spaces
        .iter()
        .map(|(_, name)| format!("netns del {name}\n"))
        .collect();
    ip(None, &script)?;
    removed.namespaces = spaces.into_iter().map(|(_, name)| name).collect();
    for name in names(base) {
        let folder = base.join(&name);
        let is_left =
            plan::pid_of_folder(&name).is_some_and(|pid| is_ours(&folder) && is_dead(pid, base));
        if is_left {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| failed(format!("{}: {error}", folder.display())))?;
            removed.folders.push(folder);
        }
    }
    Ok(removed)
}

/// Kills what still runs in a namespace, and says how many.
pub(super) fn kill_inside(namespace: &str) -> Result<usize, EnvironmentError> {
    let mut killed = 0;
    for word in run("ip", &["netns", "pids", namespace], "")?.split_whitespace() {
        let pid = word.parse().ok().and_then(Pid::from_raw);
        // One that has ended meanwhile is as good as killed.
        killed += usize::from(pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok()));
    }
    Ok(killed)
}

/// Writes whose work folder this is.
pub(super) fn sign(folder: &Path) -> io::Result<()> {
    let pid = std::process::id();
    let started = start_time(pid).ok_or_else(|| io::Error::other("/proc/self/stat: no start"))?;
    std::fs::write(folder.join(OWNER), format!("{pid} {started}\n"))
}

/// Whether the run with this process id is over. One that lives under the number of a dead run
/// is told by its start time; without an owner's file in this folder only the number counts.
fn is_dead(pid: u32, base: &Path) -> bool {
    let Some(started) = start_time(pid) else {
        return true;
    };
    let owner = std::fs::read_to_string(base.join(plan::folder(pid)).join(OWNER));
    owner.is_ok_and(|owner| owner.trim() != format!("{pid} {started}"))
}

/// A real folder of this user with an owner's file in it.
fn is_ours(folder: &Path) -> bool {
    let mine = |path: &Path| {
        path.symlink_metadata()
            .ok()
            .filter(|meta| meta.uid() == geteuid().as_raw())
    };
    mine(folder).is_some_and(|meta| meta.is_dir())
        && mine(&folder.join(OWNER)).is_some_and(|meta| meta.is_file())
}

/// When a process began, in ticks since the machine did; none if there is no such process, or
/// only what its parent has not yet asked about.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22. The second is a name in brackets, which may itself hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if *fields.first()? == "Z" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The names in a folder, in order; none if it cannot be read.
fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_read_behind_any_name_and_a_zombie_is_dead() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(parse_stat(&format!("7 (a) b) (c) S {rest}")), Some(4711));
        assert_eq!(parse_stat(&format!("7 (a) Z {rest}")), None);
        assert_eq!(parse_stat("7 (a) S 1 2"), None);
        assert!(start_time(std::process::id()).is_some());
    }

    #[test]
    fn a_folder_is_dead_with_its_process_or_when_another_has_its_number() {
        let base = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let folder = base.path().join(plan::folder(pid));
        // Without a signature whoever has the number is taken for the owner.
        assert!(!is_dead(pid, base.path()));
        std::fs::create_dir(&folder).unwrap();
        assert!(!is_ours(&folder));
        sign(&folder).unwrap();
        assert!(is_ours(&folder));
        assert!(!is_dead(pid, base.path()));
        std::fs::write(folder.join(OWNER), format!("{pid} 1\n")).unwrap();
        assert!(is_dead(pid, base.path()));
        // Process 1 lives and has signed nothing: it may be anybody's.
        assert!(!is_dead(1, base.path()));
        // Above the largest number that the kernel gives.
        assert!(is_dead(u32::MAX, base.path()));
    }

    #[test]
    fn a_link_is_never_taken_for_a_work_folder() {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().join("real");
        std::fs::create_dir(&real).unwrap();
        sign(&real).unwrap();
        let link = base.path().join("fairlab-1");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(!is_ours(&link));
    }
}
