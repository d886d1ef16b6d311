//! Places peers on machines: by name if every peer has the name of a machine, else in order.
//!
//! More peers than machines are refused unless several may share one.

use std::collections::BTreeMap;

/// Where a peer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerPlacement {
    /// Row of the inventory's machines, from 0.
    pub machine: usize,
    /// Its port there.
    pub port: u16,
}

/// Why peers do not fit onto machines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// More peers than machines.
    #[error("{peers} peers, but {machines} machines; --crowded lets several share one")]
    TooFew {
        /// Peers of the scenario.
        peers: usize,
        /// Machines of the inventory.
        machines: usize,
    },
    /// Ports end at 65535.
    #[error(
        "--port {port}: {peers} peers of one machine, each with a port of its own, end above 65535"
    )]
    Port {
        /// The first port.
        port: u16,
        /// The most peers that one machine has.
        peers: usize,
    },
}

/// A placement for each of `peers`, with ports from `port` on.
///
/// # Errors
///
/// More peers than machines unless `crowded`; more than there are ports.
pub fn assign(
    peers: &[&str],
    machines: &[&str],
    port: u16,
    crowded: bool,
) -> Result<Vec<PeerPlacement>, PlacementError> {
    if peers.len() > machines.len() && !crowded {
        return Err(PlacementError::TooFew {
            peers: peers.len(),
            machines: machines.len(),
        });
    }
    let rows: BTreeMap<&str, usize> = machines.iter().copied().zip(0..).collect();
    let by_name: Option<Vec<usize>> = peers.iter().map(|name| rows.get(name).copied()).collect();
    let in_order = || (0..peers.len()).map(|peer| peer % machines.len().max(1));
    let chosen = by_name.unwrap_or_else(|| in_order().collect());
    let mut taken = vec![0_usize; machines.len()];
    let mut placements = Vec::new();
    for machine in chosen {
        let own = u16::try_from(taken[machine]).ok();
        let own = own.and_then(|offset| port.checked_add(offset));
        let Some(own) = own else {
            let peers = peers.len().div_ceil(machines.len());
            return Err(PlacementError::Port { port, peers });
        };
        taken[machine] += 1;
        placements.push(PeerPlacement { machine, port: own });
    }
    Ok(placements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(machine: usize, port: u16) -> PeerPlacement {
        PeerPlacement { machine, port }
    }

    #[test]
    fn peers_go_to_their_namesakes_if_all_have_one_else_in_order() {
        let machines = ["a", "b", "c"];
        let named = assign(&["c", "a"], &machines, 7441, false).unwrap();
        assert_eq!(named, [placement(2, 7441), placement(0, 7441)]);
        let ordered = assign(&["c", "x"], &machines, 7441, false).unwrap();
        assert_eq!(ordered, [placement(0, 7441), placement(1, 7441)]);
    }

    #[test]
    fn a_crowd_shares_machines_with_a_port_for_each() {
        let peers = ["p", "q", "r"];
        let few = assign(&peers, &["a", "b"], 7441, false).unwrap_err();
        assert_eq!(
            few.to_string(),
            "3 peers, but 2 machines; --crowded lets several share one"
        );
        let crowd = assign(&peers, &["a", "b"], 7441, true).unwrap();
        assert_eq!(
            crowd,
            [placement(0, 7441), placement(1, 7441), placement(0, 7442)]
        );
        let high = assign(&peers, &["a"], 65_534, true).unwrap_err();
        assert_eq!(
            high,
            PlacementError::Port {
                port: 65_534,
                peers: 3
            }
        );
    }
}
