//! Names and addresses of namespaces.
//!
//! More peers than the address plan holds are refused. A name is parsed back only if this plan
//! could have given it.

use std::net::Ipv4Addr;

/// The port that every node listens on; each has an address of its own.
pub const PORT: u16 = 7440;

/// Where the hub answers; the gateway of every peer.
pub(super) const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Peers in one third byte of an address, so that .0 and .255 are never used.
const PER_BYTE: u32 = 250;

/// The most peers that the address plan holds: 10.77.1.1 to 10.77.254.250.
pub const PEERS_MAX: u32 = 254 * PER_BYTE;

/// What every name of a stage begins with.
const PREFIX: &str = "fairlab-";

/// The address of a peer, 10.77.x.y; none from [`PEERS_MAX`] on.
pub(super) fn address(peer: u32) -> Option<Ipv4Addr> {
    let high = u8::try_from(peer / PER_BYTE + 1).ok()?;
    let low = u8::try_from(peer % PER_BYTE + 1).ok()?;
    (peer < PEERS_MAX).then(|| Ipv4Addr::new(10, 77, high, low))
}

/// The namespace of a peer of the run with this process id.
pub(super) fn namespace(pid: u32, peer: u32) -> String {
    format!("{PREFIX}{pid}-{peer}")
}

/// The namespace in the middle of the run with this process id.
pub(super) fn hub(pid: u32) -> String {
    format!("{PREFIX}{pid}-hub")
}

/// The work folder of the run with this process id.
pub(super) fn folder(pid: u32) -> String {
    format!("{PREFIX}{pid}")
}

/// The process id in the name of a work folder; none if a stage would not have named it so.
pub(super) fn pid_of_folder(name: &str) -> Option<u32> {
    number(name.strip_prefix(PREFIX)?)
}

/// The process id in the name of a namespace; none if a stage would not have named it so.
pub(super) fn pid_of_namespace(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix(PREFIX)?.split_once('-')?;
    if rest != "hub" {
        number(rest)?;
    }
    number(pid)
}

/// A number as we write it: digits only, no zero in front.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let first = text == "0" || !text.starts_with('0');
    (plain && first).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_an_address_of_its_own_and_none_is_the_hubs() {
        let all: std::collections::BTreeSet<_> = (0..PEERS_MAX).filter_map(address).collect();
        assert_eq!(all.len(), 63_500);
        assert!(!all.contains(&HUB));
        assert_eq!(address(0), Some(Ipv4Addr::new(10, 77, 1, 1)));
        assert_eq!(
            address(PEERS_MAX - 1),
            Some(Ipv4Addr::new(10, 77, 254, 250))
        );
        assert_eq!(address(PEERS_MAX), None);
        assert_eq!(address(u32::MAX), None);
    }

    #[test]
    fn a_name_is_read_as_it_was_given_and_no_other_is_taken_for_one() {
        assert_eq!(pid_of_namespace(&namespace(77, 3)), Some(77));
        assert_eq!(pid_of_namespace(&hub(77)), Some(77));
        assert_eq!(pid_of_folder(&folder(77)), Some(77));
        for foreign in [
            "fairlab-foo",
            "fairlab-77",
            "fairlab-77-",
            "fairlab-77-hub2",
            "fairlab-077-1",
            "fairlab-+7-1",
            "fairlab-7-1-2",
            "xfairlab-7-1",
            "fairlab-99999999999-1",
        ] {
            assert_eq!(pid_of_namespace(foreign), None, "{foreign}");
        }
        for foreign in ["fairlab-", "fairlab-x", "fairlab-77-1", "fairlab-07"] {
            assert_eq!(pid_of_folder(foreign), None, "{foreign}");
        }
    }
}
