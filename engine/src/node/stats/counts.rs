//! Counters of bytes, each with what it was a second ago.

use fairhaul_core::time::Time;

/// What was counted of a content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// When its first byte came this time.
    pub(crate) first_byte: Option<Time>,
    /// Bytes that came and were verified this time.
    pub(crate) came: u64,
    /// Bytes sent to all peers together.
    pub(crate) sent: u64,
    /// Bytes that came and that were sent in the last second.
    pub(crate) rate: u64,
    pub(crate) up_rate: u64,
    /// Both sums a second ago.
    before: (u64, u64),
}

impl Counts {
    /// A second has passed.
    pub(crate) fn second(&mut self) {
        self.rate = self.came - self.before.0;
        self.up_rate = self.sent - self.before.1;
        self.before = (self.came, self.sent);
    }

    /// It is fetched anew.
    pub(crate) fn restart(&mut self) {
        self.came = 0;
        self.before.0 = 0;
        self.first_byte = None;
    }
}

/// One peer's part of a content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// Verified and written.
    pub(crate) stored: u64,
    before: (u64, u64),
    rate: (u64, u64),
}

/// Bytes of blocks by direction, since the node runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// The same a second ago, and the rates since, in bytes per second.
    before: (u64, u64),
    pub(crate) rate: (u64, u64),
}

impl Traffic {
    /// A second has passed.
    pub(crate) const fn second(&mut self) {
        self.rate = (self.up - self.before.0, self.down - self.before.1);
        self.before = (self.up, self.down);
    }
}

impl Flow {
    /// A second has passed.
    pub(crate) const fn second(&mut self) {
        self.rate = (self.up - self.before.0, self.down - self.before.1);
        self.before = (self.up, self.down);
    }

    /// Bytes per second up and down over the last second.
    pub(crate) const fn rate(&self) -> (u64, u64) {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_in_the_last_second_also_after_a_restart() {
        let mut counts = Counts {
            came: 10,
            sent: 4,
            ..Counts::default()
        };
        counts.second();
        assert_eq!((counts.rate, counts.up_rate), (10, 4));
        counts.restart();
        counts.came = 3;
        counts.second();
        assert_eq!((counts.rate, counts.up_rate), (3, 0));
    }
}
