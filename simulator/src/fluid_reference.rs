//! The bytes that every transfer would get if its source and the links shared ideally.
//!
//! It computes the *entitlement* of a transfer: the integral over time of its rate under weighted
//! max-min sharing, caps and floors included, among the transfers that are backlogged at the same
//! time. The backlog is taken from the run, so the ideal is that of a scheduler that meets the same
//! demand; what it would have finished sooner does not matter to it.
//!
//! The clock of a transfer is its source's: it starts when its first request reaches the
//! source and stops when its last byte leaves, or when an end of it goes away. Requests that
//! are still on their way are no backlog, and bytes that propagate were served already. So a
//! discipline that shares ideally gives every transfer what it was entitled to, whatever the
//! delays; bytes of a window are counted when they arrive, one delay later.
//!
//! Swarms are left out: what peers of a content get from each other is not counted.

#[cfg(test)]
mod clamped;
pub(crate) mod class;
mod fill;
mod floors;
pub mod oracle;
mod orders;
pub(crate) mod sharing;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use crate::setup::{NewRate, Setup};

use sharing::Sharing;
use table::{Demand, Disciplines, Table};

/// The entitlements of one run, as far as it has come.
#[derive(Debug)]
pub struct Ideal {
    sharing: Sharing,
    accounts: Vec<Account>,
    clock: Time,
    /// Transfers whose first request is on its way, and when it arrives.
    coming: BTreeSet<(Time, u32)>,
    /// For each length of window, the transfers that had demand in the current one and how
    /// they stood when it began.
    windows: Vec<BTreeMap<u32, Standing>>,
}

/// What one transfer has earned.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Bytes that the source has still to send.
    left: u64,
    standing: Standing,
    /// Up to when `standing` counts what it earns.
    at: Time,
}

/// Sums over the time in which a transfer was backlogged.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    bytes: f64,
    nanos: u64,
    /// Part of `nanos` in which nothing limited it.
    unlimited: u64,
}

/// What the ideal gave a transfer in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FluidGrant {
    /// Bytes; none if nothing limited it for a while, when it is entitled to what it gets.
    pub entitlement: Option<ByteCount>,
    /// For how long it was backlogged.
    pub backlogged: Span,
}

impl Ideal {
    /// The state of a run in which nothing has begun.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let (mut table, mut sharing) = Table::new(setup, Disciplines::Fair);
        for row in 0..u32::try_from(setup.transfers.len()).expect("checked by the lab") {
            table.add(setup, &mut sharing, &Demand::of_transfer(setup, row));
        }
        Self {
            sharing,
            accounts: vec![Account::default(); setup.transfers.len()],
            clock: Time::ZERO,
            coming: BTreeSet::new(),
            windows: vec![BTreeMap::new(); setup.windows.len()],
        }
    }

    /// A transfer asks for `missing` bytes; its first request reaches the source at `at`.
    pub fn begin(&mut self, row: u32, missing: ByteCount, at: Time) {
        self.accounts[row as usize].left = missing.get();
        if missing > ByteCount::ZERO && !self.sharing.is_active(row) {
            self.coming.insert((at, row));
        }
    }

    /// The source has sent `len` bytes of a transfer.
    pub fn sent(&mut self, row: u32, len: ByteCount, now: Time) {
        let account = &mut self.accounts[row as usize];
        account.left = account.left.saturating_sub(len.get());
        if account.left == 0 {
            self.end(row, now);
        }
    }

    /// A transfer asks for nothing more.
    pub fn end(&mut self, row: u32, now: Time) {
        self.advance(now);
        self.coming.retain(|(_, other)| *other != row);
        if self.sharing.is_active(row) {
            self.settle(row);
            self.sharing.remove(row);
        }
    }

    /// A peer is gone, and what it wanted and gave. Should it come back, the cap on its uplink
    /// is that of the setup.
    pub fn peer_left(&mut self, peer: u32, cap: Option<Rate>, now: Time) {
        self.advance(now);
        let mut concerned = self.sharing.active_at(peer);
        let coming = self.coming.iter().map(|(_, row)| *row);
        concerned.extend(coming.filter(|row| self.sharing.ends(*row).contains(&peer)));
        for row in concerned {
            self.end(row, now);
        }
        self.set_upload_cap(peer, cap, now);
    }

    /// A peer's links change.
    pub fn set_links(&mut self, peer: u32, up: NewRate, down: NewRate, now: Time) {
        self.settle_peer(peer, now);
        self.sharing.set_links(peer, up, down);
    }

    /// The cap that a peer keeps on its own uplink changes.
    pub fn set_upload_cap(&mut self, peer: u32, cap: Option<Rate>, now: Time) {
        self.settle_peer(peer, now);
        self.sharing.set_upload_cap(peer, cap);
    }

    /// A shared link changes, the `index`th of the setup.
    pub(crate) fn set_shared(&mut self, index: u32, capacity: Option<Rate>, now: Time) {
        self.advance(now);
        for row in self.sharing.crossing(self.sharing.shared(index)).to_vec() {
            self.settle(row);
        }
        self.sharing.set_shared(index, capacity);
    }

    /// What a transfer was entitled to from its start until `now`.
    pub fn grant(&mut self, row: u32, now: Time) -> FluidGrant {
        self.advance(now);
        self.standing(row).since(Standing::default())
    }

    /// What each transfer that had demand in the window that ends now was entitled to in it,
    /// for windows of one length.
    pub fn take_window(&mut self, length: usize, now: Time) -> Vec<(u32, FluidGrant)> {
        self.advance(now);
        let begun = std::mem::take(&mut self.windows[length]);
        let mut grants = Vec::with_capacity(begun.len());
        for (row, before) in begun {
            let standing = self.standing(row);
            grants.push((row, standing.since(before)));
            if self.sharing.is_active(row) {
                self.windows[length].insert(row, standing);
            }
        }
        grants
    }

    /// Brings the clock to `now`, past the requests that arrive until then.
    fn advance(&mut self, now: Time) {
        while let Some(&(at, row)) = self.coming.first()
            && at <= now
        {
            self.coming.pop_first();
            self.run_to(at);
            self.accounts[row as usize].at = self.clock;
            self.sharing.add(row);
            let standing = self.accounts[row as usize].standing;
            for window in &mut self.windows {
                window.entry(row).or_insert(standing);
            }
        }
        self.run_to(now);
    }

    /// Rates are found anew only when time moves: once for all that changed at an instant.
    fn run_to(&mut self, time: Time) {
        if time <= self.clock {
            return;
        }
        if let Some(changed) = self.sharing.find_changed() {
            for row in &changed {
                self.settle(*row);
            }
            self.sharing.share(&changed);
        }
        self.clock = time;
    }

    fn settle_peer(&mut self, peer: u32, now: Time) {
        self.advance(now);
        for row in self.sharing.active_at(peer) {
            self.settle(row);
        }
    }

    /// Counts what a transfer has earned until the clock, before its rate changes.
    fn settle(&mut self, row: u32) {
        let standing = self.standing(row);
        let account = &mut self.accounts[row as usize];
        account.standing = standing;
        account.at = self.clock;
    }

    fn standing(&self, row: u32) -> Standing {
        let Account { standing, at, .. } = self.accounts[row as usize];
        if !self.sharing.is_active(row) {
            return standing;
        }
        let nanos = self.clock.since(at).as_nanos();
        let (bytes, unlimited) = match self.sharing.rate(row) {
            Some(rate) => (rate * (nanos as f64 / 1e9), 0),
            None => (0.0, nanos),
        };
        Standing {
            bytes: standing.bytes + bytes,
            nanos: standing.nanos + nanos,
            unlimited: standing.unlimited + unlimited,
        }
    }
}

impl Standing {
    fn since(self, before: Self) -> FluidGrant {
        let limited = self.unlimited == before.unlimited;
        FluidGrant {
            entitlement: limited.then(|| whole(self.bytes - before.bytes)),
            backlogged: Span::from_nanos(self.nanos - before.nanos),
        }
    }
}

/// The nearest whole number of bytes.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of non-negative rates over a run are far below 2^53; a cast saturates"
)]
fn whole(bytes: f64) -> ByteCount {
    ByteCount::new((bytes + 0.5) as u64)
}

#[cfg(test)]
mod tests;
