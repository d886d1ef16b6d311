//! The memory that the system lets this process take.
//!
//! It is the least of the machine's memory and the limits of its control groups. Files of the
//! system that are missing or empty set no limit.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are, of version 1 and of version 2.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes that this process may take; `None` without a limit.
pub(super) fn of_this_process() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let in_groups = of_groups(&groups, Path::new(GROUPS));
    in_groups.into_iter().chain(of_machine(&machine)).min()
}

/// What the groups in `text`, as `/proc/self/cgroup` lists them, may take. A group is limited by
/// those around it, too.
fn of_groups(text: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (mount, file) = match kinds {
            "" => (root.to_owned(), "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = mount.join(path.trim_start_matches('/'));
        let around = group.ancestors().take_while(|one| one.starts_with(&mount));
        let limits = around.filter_map(|group| limit_in(&group.join(file)));
        least = limits.chain(least).min();
    }
    least
}

/// The limit in a file; `None` for "max".
fn limit_in(file: &PathBuf) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The memory of the machine, from `/proc/meminfo`.
fn of_machine(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: C10.
    #[test]
    fn a_group_is_limited_by_itself_and_those_around_it_in_both_versions() {
        let root = tempfile::tempdir().unwrap();
        let limit = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let of = |text: &str| of_groups(text, root.path());
        assert_eq!(of("5:cpu:/a\n"), None);
        assert_eq!(of("0::/a/b\n"), None, "no such group");
        limit("memory/memory.limit_in_bytes", "9223372036854771712\n");
        limit("memory/a/memory.limit_in_bytes", "300\n");
        limit("memory/a/b/memory.limit_in_bytes", "400\n");
        assert_eq!(of("5:cpu,memory:/a/b\n2:cpu:/\n"), Some(300));
        limit("a/memory.max", "max\n");
        assert_eq!(of("0::/a/b\n"), None);
        limit("a/b/memory.max", "200\n");
        assert_eq!(of("0::/a/b\n"), Some(200));
        assert_eq!(of("0::/a/b\n4:memory:/a\n"), Some(200));
        // A name space of its own shows the group under another path.
        limit("memory.max", "100\n");
        assert_eq!(of("0::/not/there\n"), Some(100));
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(
            of_machine("MemTotal:  2048 kB\nMemFree: 1 kB\n"),
            Some(2_097_152)
        );
        assert_eq!(of_machine("MemTotal: much\n"), None);
        assert!(of_this_process().is_some());
    }
}
