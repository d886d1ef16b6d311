//! Cables between a peer and the hub, and their rates.
//!
//! A rate is what the link carries of the bytes of TCP sockets, so that a scenario's capacity means
//! the same here and in the simulator, which has no headers.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use fairhaul_core::units::Rate;

use super::plan::{HUB, namespace};

/// Bytes that the shaper counts, and bytes of the socket in them, in one full frame: 1,500 of
/// IPv4 and 14 of Ethernet carry 1,448 beside 20 of IPv4, 20 of TCP and 12 of timestamps.
pub const FRAME: (u64, u64) = (1514, 1448);

/// What a shaper lets go at once. Less, and a wake-up that is late by more loses capacity for
/// good; more, and an idle link carries a small transfer faster than its rate.
const BURST_MS: u64 = 5;

/// At least two frames: the kernel's shaper waits for ever for a frame above its burst. It cuts
/// larger units of segmentation offload into frames by itself.
const BURST_MIN: u64 = 2 * FRAME.0;

/// How long a queue may grow in front of a link; the nodes' own caps keep it far shorter.
const QUEUE_MS: u64 = 100;

/// A queue holds at least the first flight of several connections.
const QUEUE_MIN: u64 = 64 * FRAME.0;

/// The two ends of a cable. Each cable is a network of two, so all can have the same.
const HUB_END: &str = "02:4d:00:00:00:01";
const PEER_END: &str = "02:4d:00:00:00:02";

/// The device through which packets pass the relay, in the hub.
pub const RELAY: &str = "relay";

/// The hub's table of routes for what comes from peers while there is a relay.
const TABLE: u32 = 77;

/// The two directions of a link, as seen by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// What it sends, shaped in its own namespace.
    Up,
    /// What it gets, shaped in the hub.
    Down,
}

/// The device whose egress is shaped.
pub(super) fn device(peer: u32, direction: Direction) -> String {
    match direction {
        Direction::Up => "uplink".to_owned(),
        Direction::Down => format!("p{peer}"),
    }
}

/// The line for `tc` that makes `device` carry `rate` of socket bytes.
pub(super) fn shape(device: &str, rate: Rate) -> String {
    let bytes = wire(rate);
    let burst = (bytes / 1000 * BURST_MS).max(BURST_MIN);
    let queue = (bytes / 1000 * QUEUE_MS).max(QUEUE_MIN);
    let bits = bytes.saturating_mul(8);
    format!(
        "qdisc replace dev {device} root handle 1: tbf rate {bits}bit burst {burst}b limit {queue}b\n"
    )
}

/// The line for `tc` that takes a shaper away.
pub(super) fn unshape(device: &str) -> String {
    format!("qdisc del dev {device} root\n")
}

/// Bytes per second on the wire that carry `rate` of socket bytes in full frames, rounded up.
fn wire(rate: Rate) -> u64 {
    let bytes = (u128::from(rate.get()) * u128::from(FRAME.0)).div_ceil(u128::from(FRAME.1));
    // The tools count bits in 64 bits; the product of the burst has to fit as well.
    u64::try_from(bytes).map_or(u64::MAX / 1000, |bytes| bytes.clamp(1, u64::MAX / 1000))
}

/// The lines for `ip` in the hub that lay the cables of all peers, with the end of each peer in
/// the peer's namespace. Neighbours are fixed: a table that thousands share never overflows.
pub(super) fn lay(pid: u32, addresses: &[Ipv4Addr]) -> String {
    let mut script = format!("link set lo up\naddress add {HUB}/32 dev lo\n");
    for (peer, address) in (0_u32..).zip(addresses) {
        let device = device(peer, Direction::Down);
        let peer = namespace(pid, peer);
        write!(
            script,
            "link add {device} address {HUB_END} type veth peer name uplink address {PEER_END} \
             netns {peer}\n\
             link set {device} up\n\
             route add {address}/32 dev {device}\n\
             neigh add {address} lladdr {PEER_END} dev {device} nud permanent\n"
        )
        .expect("a string takes every line");
    }
    script
}

/// The lines for `ip` in the namespace of a peer. The congestion control hangs on the route: a
/// namespace of its own may choose only what the whole machine allows everybody, a route any.
pub(super) fn connect(address: Ipv4Addr, congestion: &str) -> String {
    format!(
        "link set lo up\n\
         address add {address}/32 dev uplink\n\
         link set uplink up\n\
         neigh add {HUB} lladdr {HUB_END} dev uplink nud permanent\n\
         route add default via {HUB} dev uplink onlink src {address} congctl {congestion}\n"
    )
}

/// The lines for `ip` in the hub that send everything between peers through the relay: what
/// comes from a peer goes to the relay, what comes from the relay to the peer it is for.
pub(super) fn detour() -> String {
    format!(
        "tuntap add dev {RELAY} mode tun\n\
         link set {RELAY} txqueuelen 4000 up\n\
         route add default dev {RELAY} table {TABLE}\n\
         rule add pref 100 iif {RELAY} lookup main\n\
         rule add pref 101 iif lo lookup main\n\
         rule add pref 102 lookup {TABLE}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shaper_carries_the_rate_in_socket_bytes() {
        // 50 Mbit/s of socket bytes are 6,250,000 B/s; 6,250,000 * 1514 / 1448 = 6,534,875.7.
        let line = shape("uplink", Rate::new(6_250_000));
        assert_eq!(
            line,
            "qdisc replace dev uplink root handle 1: tbf rate 52279008bit burst 32670b \
             limit 653400b\n"
        );
    }

    #[test]
    fn a_slow_shaper_still_passes_two_frames_and_holds_a_first_flight() {
        let line = shape("p0", Rate::new(1));
        assert!(
            line.contains("rate 16bit burst 3028b limit 96896b"),
            "{line}"
        );
    }

    #[test]
    fn no_rate_overflows() {
        let line = shape("p0", Rate::new(u64::MAX));
        assert!(line.contains("rate 147573952589676408bit"), "{line}");
    }
}
