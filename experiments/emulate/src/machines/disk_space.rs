//! The disk space that a scenario needs on each machine.
//!
//! The estimate is every content once for each peer that has it or wants it, with the program and
//! what a node writes beside. A machine with less is refused, with both numbers.

use fairhaul_simulator::setup::Setup;

use super::placement::PeerPlacement;
use crate::item::Unit;

/// What every node may put on disk beside contents: key, log, state.
const NODE_DISK: u64 = 1 << 20;

/// Bytes on the disk of each machine.
pub(super) fn needs(
    setup: &Setup,
    placements: &[PeerPlacement],
    machines: usize,
    program: u64,
) -> Vec<u64> {
    let mut needs = vec![0_u64; machines];
    for placement in placements {
        let need = &mut needs[placement.machine];
        *need = (*need).max(program).saturating_add(NODE_DISK);
    }
    for unit in Unit::all(setup) {
        let bytes = unit.lengths(setup).0.get();
        for peer in unit.sources(setup).into_iter().chain(unit.takers(setup)) {
            let need = &mut needs[placements[peer as usize].machine];
            *need = need.saturating_add(bytes);
        }
    }
    needs
}

/// What is said of a machine that has less than it needs.
pub(super) fn refusal(need: u64, free: u64) -> Option<String> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (need > free).then(|| {
        format!(
            "its peers need about {} MiB of disk, there are {} MiB",
            mib(need),
            free >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{peer, setup, transfer};

    // a sends 5 MiB to b, and both want and have them; c has nothing to do with it.
    #[test]
    fn a_machine_needs_room_for_what_its_peers_have_and_want() {
        let mut plain = setup(vec![peer("a", 1), peer("b", 1), peer("c", 1)]);
        plain.transfers = vec![transfer("t", 1, 5 << 20)];
        let placement = |machine| PeerPlacement { machine, port: 1 };
        let apart = [placement(0), placement(1), placement(2)];
        let mib = 1 << 20;
        assert_eq!(
            needs(&plain, &apart, 4, 9 * mib),
            [15 * mib, 15 * mib, 10 * mib, 0]
        );
        let crowd = [placement(0), placement(0), placement(1)];
        assert_eq!(needs(&plain, &crowd, 2, 9 * mib), [21 * mib, 10 * mib]);
    }

    #[test]
    fn too_little_room_is_told_with_both_numbers() {
        assert_eq!(refusal(5, 5), None);
        assert_eq!(
            refusal(100 << 20, (64 << 20) - 1).as_deref(),
            Some("its peers need about 100 MiB of disk, there are 63 MiB")
        );
    }
}
