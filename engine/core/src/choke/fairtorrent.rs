//! FairTorrent: everybody is unchoked, and the uplink serves the peer that owes least.
//!
//! Source:    A. Sherman, J. Nieh and C. Stein, "FairTorrent", CoNEXT 2009, and IEEE/ACM
//!            Transactions on Networking, 2012.
//! Contract:  the discipline of the same name at the root of the uplink: see `sched::fairtorrent`,
//!            which is all of it. Nobody is choked.
//! Cost:      O(peers) a round.
//! Drawbacks: those of the discipline.

use super::table::BASE;
use super::{ChokerRow, LeakBound, none};
use crate::sched;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "fairtorrent",
    about: "serve all who ask, least sent beyond what came back first, block by block",
    rule: "Everybody who is interested is unchoked. Whenever the uplink can send, the next block \
           goes to the peer with the least deficit: bytes sent to it less bytes from it that were \
           verified, those of seeds left out. A seed divides its bytes evenly. The policy is the \
           discipline fairtorrent and sets it at the root of the uplink.",
    source: "Sherman, Nieh and Stein, FairTorrent, 2009 and 2012; Sherman's thesis",
    departs: "equal deficits of a node are in an order that it draws once, where the paper draws a \
              first order",
    assumed: "bytes count when their chunk is verified; the deficit hangs on the identity and \
              outlives a connection",
    fills: true,
    everybody: true,
    leak: LeakBound::Order(
        "O(log n) blocks of service error among n peers, by the theorem of the paper, without a \
         constant",
    ),
    uplink: Some(&sched::FAIRTORRENT),
    make: |_| Box::new(none::Nobody),
    ..BASE
};
