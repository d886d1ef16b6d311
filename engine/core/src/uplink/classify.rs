//! Classification: from a request to the path of classes that it waits in.
//!
//! It decides among whom the uplink is shared, and is a policy of its own, before and apart from
//! the discipline that orders the classes.

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, PeerId, TransferId};

/// To whom the uplink is fair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// To peers, however many transfers each has; within a peer to its transfers. A group is no
    /// class here: it can be capped, or lifted, as one, and its members share with all others as
    /// they would without it.
    #[default]
    Peer,
    /// To groups by their own weight; a peer without a group is a top class of its own.
    Group,
    /// To transfers, however many peers each serves; within a transfer to its peers. A group is
    /// no class here either.
    Transfer,
}

/// Whom a limit, a weight or a class is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// The whole uplink.
    Node,
    /// A group of peers and transfers.
    Group(GroupId),
    /// One identity, whatever its connections.
    Peer(PeerId),
    /// One content.
    Transfer(TransferId),
}

/// The classes of a request from the root down, the root left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The group above the rest, where groups are what is shared by.
    pub group: Option<GroupId>,
    /// The class among which the uplink, or the group's part of it, is shared.
    pub upper: Target,
    /// The class among which the upper one is shared.
    pub lower: Target,
}

/// The path of a request of `peer` for `transfer`, either with its group if it has one.
///
/// Where groups are what is shared by, a peer without a group waits in that of its transfer. A peer
/// with one is in one place only: it does not get two shares by asking for the contents of two
/// groups.
#[must_use]
pub fn classify(
    share: Share,
    (peer, peer_group): (PeerId, Option<GroupId>),
    (transfer, transfer_group): (TransferId, Option<GroupId>),
) -> Path {
    let peer = Target::Peer(peer);
    let transfer = Target::Transfer(transfer);
    let (group, upper, lower) = match share {
        Share::Peer => (None, peer, transfer),
        Share::Group => (peer_group.or(transfer_group), peer, transfer),
        Share::Transfer => (None, transfer, peer),
    };
    Path {
        group,
        upper,
        lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(1);
    const TRANSFER: TransferId = TransferId(2);
    const LAB: Option<GroupId> = Some(GroupId(3));
    const OFFICE: Option<GroupId> = Some(GroupId(4));

    #[test]
    fn a_group_is_a_class_only_where_groups_are_shared_by() {
        let group = |share| classify(share, (PEER, LAB), (TRANSFER, OFFICE)).group;
        assert_eq!(group(Share::Peer), None);
        assert_eq!(group(Share::Group), LAB);
        assert_eq!(group(Share::Transfer), None);
    }

    #[test]
    fn a_peer_without_a_group_waits_in_that_of_its_transfer() {
        let group = |share| classify(share, (PEER, None), (TRANSFER, OFFICE)).group;
        assert_eq!(group(Share::Group), OFFICE);
    }

    #[test]
    fn sharing_by_transfer_puts_the_peer_below_the_transfer() {
        let path = classify(Share::Transfer, (PEER, None), (TRANSFER, None));
        assert_eq!(path.upper, Target::Transfer(TRANSFER));
        assert_eq!(path.lower, Target::Peer(PEER));
        let path = classify(Share::Peer, (PEER, None), (TRANSFER, None));
        assert_eq!(path.upper, Target::Peer(PEER));
        assert_eq!(path.lower, Target::Transfer(TRANSFER));
    }
}
