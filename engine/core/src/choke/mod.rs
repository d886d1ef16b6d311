//! Chokers: whom to serve until the next decision, at what weight and with how many bytes.
//!
//! Each choker is one file and one row of [`ALL`]. A choker sees what is known of each peer, never
//! the peer itself, and answers with grants. The uplink applies them: a grant's weight is the
//! weight of the peer's class, its budget holds the class back like a cap.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::id::PeerId;
use crate::registry::{Named, Registry};
use crate::rng::Rng;
use crate::sched;
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate, Weight};

mod anti_leech;
mod bitswap;
mod bitswap_paper;
mod bittyrant;
mod bittyrant_released;
mod bounded_deficit;
mod connection_list;
mod emule;
mod fairtorrent;
mod fastest;
mod forwarders_first;
mod give_to_get;
mod leak;
mod none;
mod propshare;
mod refuse;
mod round_robin;
mod round_robin_quota;
mod swift;
mod table;
#[cfg(test)]
mod tests;
mod tit_for_tat;
mod tit_for_tat_no_optimistic;
mod tit_for_tat_sqrt;
mod wary_tit_for_tat;

pub use leak::{Giver, LeakBound};
pub use table::{ALL, BASE, SEED_RULES};

/// Peers of which a choker keeps what it learnt; beyond that it forgets those that are not
/// connected.
const PEERS_MAX: usize = 4_096;

/// What a choker may know of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub peer: PeerId,
    /// Whether it wants something of ours.
    pub interested: bool,
    /// Whether it has something that we want.
    pub wanted: bool,
    /// Whether it has all of every content that we share with it.
    pub is_seed: bool,
    /// Bytes received from it in the last two rounds, verified or not.
    pub received: ByteCount,
    /// Bytes sent to it in the last two rounds.
    pub sent: ByteCount,
    /// The rate at which they came: over the last two rounds, or since it connected.
    pub rate_from: Rate,
    /// The rate at which they went, likewise.
    pub rate_to: Rate,
    /// Bytes received from it since the last round.
    pub received_last: ByteCount,
    /// Bytes sent to it since the last round.
    pub sent_last: ByteCount,
    /// Bytes received from it in its lifetime that were verified.
    pub total_received: ByteCount,
    /// Bytes given to the uplink for it in its lifetime, those on their way included.
    pub total_sent: ByteCount,
    /// The rate at which it announces chunks since it connected.
    pub announced: Rate,
    /// The rate at which it says that it forwarded bytes of ours to others, over the last two
    /// rounds or since it connected; nothing verifies it.
    pub forwards_ours: Rate,
    /// The rate at which it says that it forwarded any, likewise.
    pub forwards_all: Rate,
    /// Bytes that it has, of the contents that we share with it.
    pub has: ByteCount,
    /// Bytes of those contents.
    pub of: ByteCount,
    /// The length of the largest chunk of those contents.
    pub chunk: ByteCount,
    /// Bytes sent to it since it was unchoked.
    pub sent_in_slot: ByteCount,
    /// Whether it is unchoked now.
    pub unchoked: bool,
    /// When it was choked or unchoked last; when it connected, if it never was.
    pub since: Time,
    /// Rounds since it was last unchoked, or since it connected.
    pub waited: u32,
    /// Whether it connected within the last three rounds.
    pub new: bool,
    /// Whether it chokes us.
    pub chokes_us: bool,
    /// When it last choked us after it had unchoked us.
    pub choked_us_at: Option<Time>,
    /// Whether it owes us what we asked for and has sent nothing for a minute.
    pub snubbed: bool,
    /// Whether we sent it something and it never sent us anything.
    pub only_takes: bool,
    /// Bytes that we alone gave to it and that no other peer has yet. Zero if a floor is promised
    /// to it, and while no other peer that forwards chunks wants something.
    pub unforwarded: ByteCount,
    /// Whether hardly anything of what we alone had and gave it has appeared at others, and no
    /// floor is promised to it.
    pub free_rides: bool,
    /// Enough of what we alone had and gave it has appeared at others.
    pub forwards: bool,
}

impl Candidate {
    /// A peer of which nothing is known but that it wants something of ours.
    #[must_use]
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            interested: true,
            chokes_us: true,
            ..Self::default()
        }
    }
}

/// What a choker is asked.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// The peers, by id: all that are connected where the row says [`ChokerRow::everybody`], or
    /// slots do not count; else those that are interested.
    pub peers: &'a [Candidate],
    /// How many may be served at once, where slots count.
    pub slots: usize,
    /// The time between two rounds.
    pub period: Span,
    /// Whether a period is over; if not, something has changed that does not wait for that.
    pub is_due: bool,
    /// Whether we want nothing ourselves.
    pub seeding: bool,
    /// What the uplink carries: its cap, or what is known of its link, or the most that it has
    /// sent in a round; none before the first.
    pub capacity: Option<Rate>,
    /// The time.
    pub now: Time,
}

impl Round<'_> {
    /// A grant for each of the peers that `which` says, by slot alone.
    pub(crate) fn slots_for(&self, which: impl Fn(&Candidate) -> bool) -> Vec<Grant> {
        let peers = self.peers.iter().filter(|peer| which(peer));
        peers.map(|peer| Grant::slot(peer.peer)).collect()
    }

    /// The slots for the peers with the least keys.
    pub(crate) fn slots_by_key<K: Ord>(&self, key: impl Fn(&Candidate) -> K) -> Vec<Grant> {
        let mut order: Vec<&Candidate> = self.peers.iter().collect();
        order.sort_by_key(|peer| key(peer));
        let chosen = order.iter().take(self.slots);
        chosen.map(|peer| Grant::slot(peer.peer)).collect()
    }

    /// Takes out of `table`, once it has more than [`PEERS_MAX`], who is not among the peers.
    pub(crate) fn forget_others<T>(&self, table: &mut BTreeMap<PeerId, T>) {
        if table.len() > PEERS_MAX {
            let known = |id: &PeerId| self.peers.iter().any(|peer| peer.peer == *id);
            table.retain(|id, _| known(id));
        }
    }
}

/// What a peer is granted until the next decision about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub peer: PeerId,
    /// Its right to a proportion of the uplink, beside the weight that files give it.
    pub weight: Weight,
    /// Bytes that it is sent at most; none does not count them.
    pub budget: Option<ByteCount>,
}

impl Grant {
    /// Service like anybody else who is granted some.
    #[must_use]
    pub const fn slot(peer: PeerId) -> Self {
        Self {
            peer,
            weight: Weight::ONE,
            budget: None,
        }
    }

    /// Service for `budget` bytes at most.
    #[must_use]
    pub const fn of(peer: PeerId, budget: ByteCount) -> Self {
        Self {
            budget: Some(budget),
            ..Self::slot(peer)
        }
    }
}

/// What a choker may be told when it is made; what is none it chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChokerParams {
    /// What BitTyrant offers a peer of which it knows nothing.
    pub first_offer: Option<Rate>,
    /// Regular slots per square root of the uplink in KB/s, in thousandths.
    pub slots_per_root: Option<u32>,
    /// Bytes by which a peer may be behind under bounded deficit.
    pub deficit: Option<ByteCount>,
}

/// The rule that grants service.
pub trait Choker: Debug + Send {
    /// Whom to serve until the next round, each peer once and nobody who is not among
    /// [`Round::peers`]; of those that are interested at most [`Round::slots`] where slots count.
    /// Who is left out, or granted no byte, is choked.
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant>;

    /// What one peer is granted now, between two rounds: it has connected, or bytes from it were
    /// verified. Asked of rows with [`ChokerRow::reviews`]; none leaves what it has.
    fn review(&mut self, _peer: &Candidate) -> Option<Grant> {
        None
    }

    /// A new weight for a peer that is served, by its [`Candidate::unforwarded`]. Without one the
    /// weight of the last round stays. Rows with [`ChokerRow::watches`] are asked, between rounds.
    fn weigh(&self, _unforwarded: ByteCount) -> Option<Weight> {
        None
    }

    /// Whether `peer` may have a slot that becomes free between two rounds.
    fn may_fill(&self, _peer: &Candidate) -> bool {
        true
    }
}

/// A choker that can be named.
#[derive(Clone, Copy, Debug)]
pub struct ChokerRow {
    /// Its name in files and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The rule, in a few sentences.
    pub rule: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// In what it departs from its source; empty if in nothing.
    pub departs: &'static str,
    /// What is assumed where the source does not say or could not be read; empty if nothing is.
    pub assumed: &'static str,
    /// Whether it limits how many are served at once.
    pub slots: bool,
    /// Whether slots that are free between rounds are given at once to whoever asks.
    pub fills: bool,
    /// Whether a chunk that was begun is sent to its end after a choke. Right where a slot is no
    /// reward: half a chunk cannot be passed on, and a rare one may have no other holder.
    pub finishes: bool,
    /// Whether it goes by who passes on what: then everybody is told who has got which chunk.
    pub watches: bool,
    /// Whether it goes by what peers say that they forwarded: then this node says so as well.
    pub reports: bool,
    /// Whether it looks at all connected peers, not only at those that are interested.
    pub everybody: bool,
    /// Whether it chooses anew when a peer that is unchoked changes its interest or leaves.
    pub reacts: bool,
    /// Whether it is asked about a peer between two rounds: see [`Choker::review`].
    pub reviews: bool,
    /// What it promises about bytes that a peer is sent for nothing.
    pub leak: LeakBound,
    /// The discipline that it brings for the root of the uplink; none leaves that of the file.
    pub uplink: Option<&'static sched::DisciplineRow>,
    /// Makes one.
    pub make: fn(&ChokerParams) -> Box<dyn Choker>,
}

/// By how much waiting counts in eMule's queue of a peer that gave so many bytes and took so many,
/// in millionths: 1 to 10.
#[must_use]
pub fn emule_ratio(received: u64, sent: u64) -> u64 {
    u64::try_from(emule::ratio(received, sent)).expect("ten million at most")
}

/// How likely Bitswap's white paper serves a peer that was sent and gave so many bytes, in 2^-32.
#[must_use]
pub fn bitswap_probability(sent: u64, received: u64) -> u64 {
    u64::try_from(bitswap_paper::probability(sent, received)).expect("2^32 at most")
}

/// Every choker by name: those of this crate, and those that a program adds.
pub static CHOKERS: Registry<ChokerRow> = Registry::new(ALL);

impl Named for ChokerRow {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// The choker that is the seed rule of that name.
#[must_use]
pub fn find_seed_rule(name: &str) -> Option<&'static ChokerRow> {
    let (_, choker) = SEED_RULES.iter().find(|(rule, _)| *rule == name)?;
    CHOKERS.find(choker)
}

/// Who gets a slot that became free between two rounds: the longest wait, then the least id.
/// Whom the choker keeps from it has it only where nobody else is served or waits.
#[must_use]
pub fn fill(choker: &dyn Choker, peers: &[Candidate], free: usize) -> Vec<PeerId> {
    let nobody_else = || {
        let mut others = peers.iter();
        !others.any(|peer| peer.unchoked || choker.may_fill(peer))
    };
    let mut choked: Vec<&Candidate> = peers.iter().filter(|peer| !peer.unchoked).collect();
    if !nobody_else() {
        choked.retain(|peer| choker.may_fill(peer));
    }
    choked.sort_by_key(|peer| (std::cmp::Reverse(peer.waited), peer.peer));
    choked.iter().take(free).map(|peer| peer.peer).collect()
}
