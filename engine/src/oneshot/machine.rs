//! This machine and its user, for who has configured nothing: its addresses, its name, and the
//! user's folder with an identity of its own.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use getifaddrs::{InterfaceFlags, getifaddrs};

use crate::content::line::ADDRESSES_MAX;
use crate::control::api::Failure;
use crate::identity::Identity;

/// How the names of interfaces begin that lead to machines inside of this one: their addresses
/// are the same on many machines, so that they are tried last.
const INSIDE: [&str; 6] = ["docker", "br-", "virbr", "veth", "cni", "lxc"];

/// The folder of this user's data: `$XDG_DATA_HOME/fairhaul`, else `~/.local/share/fairhaul`. It
/// is made for this user alone.
///
/// # Errors
///
/// If neither is known, or it cannot be made.
pub fn user_folder() -> Result<PathBuf, Failure> {
    let given = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        // The specification has relative ones ignored.
        path.filter(|path| path.is_absolute())
    };
    let home = || given("HOME").map(|home| home.join(".local/share"));
    let data = given("XDG_DATA_HOME").or_else(home).ok_or_else(|| {
        Failure::storage("no folder for an identity: neither XDG_DATA_HOME nor HOME is a path")
    })?;
    let folder = data.join("fairhaul");
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    let bad = |error| Failure::storage(format!("{}: cannot be made: {error}", folder.display()));
    made.map_err(bad)?;
    Ok(folder)
}

/// The file of the identity of this user.
#[must_use]
pub fn identity_file(folder: &Path) -> PathBuf {
    folder.join("identity.key")
}

/// The identity of this user, which is made the first time.
///
/// # Errors
///
/// If the file cannot be made, or is not what it should be.
pub fn identity(folder: &Path) -> Result<Identity, Failure> {
    let path = identity_file(folder);
    let refused =
        |error: &dyn std::fmt::Display| Failure::new(Failure::IDENTITY, error.to_string());
    if path.symlink_metadata().is_ok() {
        return Identity::load(&path).map_err(|error| refused(&error));
    }
    // Written in a fresh private folder and linked to its name when whole: another command may make
    // one at the same time, also under the same process number (containers). The first link wins.
    let bad = |error| Failure::storage(format!("{}: {error}", path.display()));
    let private = tempfile::Builder::new()
        .prefix(".identity.")
        .tempdir_in(folder)
        .map_err(bad)?;
    let new = private.path().join("key");
    let made = Identity::create(&new).map_err(|error| refused(&error))?;
    match fs::hard_link(&new, &path) {
        // The name is durable before anybody is told the public half.
        Ok(()) => File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map(|()| made)
            .map_err(bad),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Identity::load(&path).map_err(|error| refused(&error))
        }
        Err(error) => Err(bad(error)),
    }
}

/// What this machine is called.
#[must_use]
pub fn name() -> String {
    let about = rustix::system::uname();
    about.nodename().to_string_lossy().into_owned()
}

/// The addresses at which other machines may reach this one, the likeliest first; loopback if
/// there is no other. `also_v6` if it listens on IPv6 too.
#[must_use]
pub fn addresses(also_v6: bool) -> Vec<IpAddr> {
    let all = getifaddrs().into_iter().flatten();
    let up = all.filter(|one| one.flags.contains(InterfaceFlags::UP));
    let mut found: Vec<(u8, IpAddr)> = up
        .filter_map(|one| {
            let ip = one.address.ip_addr()?;
            let inside = INSIDE.iter().any(|name| one.name.starts_with(name));
            let rank = rank(ip).filter(|_| also_v6 || ip.is_ipv4())?;
            Some((if inside { rank + 4 } else { rank }, ip))
        })
        .collect();
    found.sort();
    found.dedup();
    let mut found: Vec<IpAddr> = found.into_iter().map(|(_, ip)| ip).collect();
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
}

/// How soon an address is tried; none if no other machine reaches it.
fn rank(ip: IpAddr) -> Option<u8> {
    match ip {
        IpAddr::V4(ip) => {
            let useless = ip.is_loopback() || ip.is_link_local() || ip.is_unspecified();
            (!useless && !ip.is_multicast()).then_some(u8::from(!ip.is_private()))
        }
        IpAddr::V6(ip) => {
            let useless = ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified();
            let rank = 2 + u8::from(!ip.is_unique_local());
            (!useless && !ip.is_multicast()).then_some(rank)
        }
    }
}

/// The private networks in which the addresses of a line lie: a receiver that dials those may
/// dial others there.
#[must_use]
pub(crate) fn private_ranges(addresses: &[String]) -> Vec<String> {
    let ips = addresses.iter().filter_map(|address| {
        let (host, _) = address.rsplit_once(':')?;
        let inside = host.trim_start_matches('[').trim_end_matches(']');
        inside.parse::<IpAddr>().ok()
    });
    let mut ranges: Vec<String> = ips.filter_map(private_range).collect();
    ranges.sort();
    ranges.dedup();
    ranges
}

/// The private network of an address (RFC 1918, 4193 and 6598, and loopback); none of a public one.
fn private_range(ip: IpAddr) -> Option<String> {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let range = match (a, b) {
                (10, _) => "10.0.0.0/8",
                (172, 16..=31) => "172.16.0.0/12",
                (192, 168) => "192.168.0.0/16",
                (100, 64..=127) => "100.64.0.0/10",
                (127, _) => "127.0.0.0/8",
                _ => return None,
            };
            Some(range.to_owned())
        }
        IpAddr::V6(ip) if ip == Ipv6Addr::LOCALHOST => Some("::1/128".to_owned()),
        IpAddr::V6(ip) if ip.is_unique_local() => {
            let [a, b, c, ..] = ip.segments();
            let network = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
            Some(format!("{network}/48"))
        }
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    /// Register: H13.
    #[test]
    fn an_identity_is_made_once_and_is_its_users_alone() {
        let folder = TempDir::new().unwrap();
        let first = identity(folder.path()).unwrap().public();
        assert_eq!(identity(folder.path()).unwrap().public(), first);
        let about = fs::metadata(folder.path().join("identity.key")).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
    }

    #[test]
    fn commands_that_make_an_identity_at_once_get_the_same() {
        let folder = TempDir::new().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || identity(folder.path()).unwrap().public();
            let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let kept = identity(folder.path()).unwrap().public();
        assert_eq!(keys, [kept; 8]);
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
    }

    /// Register: X2.
    #[test]
    fn a_receiver_dials_in_the_private_networks_of_its_line_and_in_no_other() {
        let ranges = |addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|one| one.to_string()).collect();
            private_ranges(&addresses)
        };
        assert_eq!(
            ranges(&["192.168.1.4:1", "192.168.7.7:1"]),
            ["192.168.0.0/16"]
        );
        assert_eq!(ranges(&["[fd01:2:3:4::5]:1"]), ["fd01:2:3::/48"]);
        assert_eq!(
            ranges(&["127.0.0.1:1", "[::1]:2"]),
            ["127.0.0.0/8", "::1/128"]
        );
        for public in ["8.8.8.8:1", "[2600::1]:1", "vm-1:1", "169.254.169.254:1"] {
            assert!(ranges(&[public]).is_empty(), "{public}");
        }
    }
}
