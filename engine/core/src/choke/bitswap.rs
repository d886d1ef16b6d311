//! Bitswap as released: everybody is unchoked, and a queue of tasks says whose want is next.
//!
//! Source:    boxo, April 2026: its peer task queue.
//! Contract:  the discipline of the same name at the root of the uplink: see `sched::bitswap`.
//!            Nobody is choked, and nothing hangs on what comes back.
//! Cost:      O(peers) a round.
//! Drawbacks: those of the discipline.

use super::table::BASE;
use super::{ChokerRow, none};
use crate::sched;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "bitswap",
    about: "serve all who ask by the task queue of IPFS: starved first, then fewest on the way",
    rule: "Everybody is unchoked. Of two peers with wants, the first difference decides whose \
           block is next: whoever was not served for more than 10 s; whoever has fewer blocks on \
           the way; whoever has more wants, of which 16 count; a salted hash. The policy is the \
           discipline bitswap and sets it at the root of the uplink.",
    source: "boxo, April 2026: the comparison of its peer task queue",
    departs: "a task is a block of the uplink; of two starved ones whoever waits longer is first",
    fills: true,
    uplink: Some(&sched::BITSWAP),
    make: |_| Box::new(none::Nobody),
    ..BASE
};
