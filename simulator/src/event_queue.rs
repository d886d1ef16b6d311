//! The simulator's queue of pending events, in order of time.
//!
//! Next is the earliest event, and among those at one time the one pushed first. An event before
//! the last one popped is refused: virtual time never goes back.
//!
//! The structure is a radix heap with 64 ways a level. An event lies in the bucket named by the
//! highest base-64 digit in which its time differs from the last time popped, and by that
//! digit. When the nearest bucket's turn comes, its events move to lower levels; each moves at
//! most eleven times, in sequential memory, whatever the number pending. No comparison tree is
//! walked, and no sequence number stored: events of equal time always share a bucket and keep
//! their order in it.

use std::collections::VecDeque;

use fairhaul_core::time::Time;

/// Bits of one digit.
const DIGIT: u32 = 6;
/// Buckets of one level.
const WAYS: usize = 1 << DIGIT;
/// Levels that cover 64 bits.
const LEVELS: usize = 64usize.div_ceil(DIGIT as usize);
/// An emptied bucket with room for more events than this gives its memory back.
const KEEP: usize = 1024;

/// Events in order of time, and of arrival at equal times.
#[derive(Debug)]
pub struct EventQueue<T> {
    /// The time popped last; nothing earlier is ever pushed.
    last: u64,
    len: usize,
    /// A bit for each level that holds anything.
    levels: u32,
    /// For each level a bit for each bucket that holds anything.
    occupied: [u64; LEVELS],
    buckets: Vec<Bucket<T>>,
}

#[derive(Debug)]
struct Bucket<T> {
    /// The earliest time in `events`.
    min: u64,
    events: VecDeque<(u64, T)>,
}

impl<T> Default for EventQueue<T> {
    /// A queue with nothing in it, at time zero.
    fn default() -> Self {
        let empty = || Bucket {
            min: u64::MAX,
            events: VecDeque::new(),
        };
        Self {
            last: 0,
            len: 0,
            levels: 0,
            occupied: [0; LEVELS],
            buckets: (0..LEVELS * WAYS).map(|_| empty()).collect(),
        }
    }
}

impl<T> EventQueue<T> {
    /// The number of events that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of events that wait for the very time that was popped last. Constant time.
    #[must_use]
    pub(crate) fn len_at_present(&self) -> usize {
        // The times of the lowest level differ from it in their last digit alone.
        let way = usize::from(self.last.to_le_bytes()[0]) & (WAYS - 1);
        self.buckets[way].events.len()
    }

    /// Adds an event. Amortised constant time.
    ///
    /// # Panics
    ///
    /// If `at` is earlier than the time popped last.
    pub fn push(&mut self, at: Time, event: T) {
        let at = at.as_nanos();
        assert!(
            at >= self.last,
            "an event at {at} ns is pushed after time reached {} ns",
            self.last
        );
        self.len += 1;
        self.place(at, event);
    }

    /// The time of the next event.
    #[must_use]
    pub(crate) fn peek_time(&self) -> Option<Time> {
        let (level, way) = self.nearest()?;
        Some(Time::from_nanos(self.buckets[level * WAYS + way].min))
    }

    /// Removes the next event.
    pub fn pop(&mut self) -> Option<(Time, T)> {
        let (mut level, mut way) = self.nearest()?;
        if level > 0 && self.buckets[level * WAYS + way].events.len() > 1 {
            self.spread(level, way);
            (level, way) = self.nearest()?;
        }
        let bucket = &mut self.buckets[level * WAYS + way];
        let (at, event) = bucket.events.pop_front()?;
        if bucket.events.is_empty() {
            self.vacate(level, way);
        }
        self.last = at;
        self.len -= 1;
        Some((Time::from_nanos(at), event))
    }

    /// Forgets the events for which `keep` says no. Looks at every one.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for level in 0..LEVELS {
            let mut ways = self.occupied[level];
            while ways != 0 {
                let way = ways.trailing_zeros() as usize;
                ways &= ways - 1;
                let bucket = &mut self.buckets[level * WAYS + way];
                self.len -= bucket.events.len();
                bucket.events.retain(|(_, event)| keep(event));
                self.len += bucket.events.len();
                match bucket.events.iter().map(|(at, _)| *at).min() {
                    Some(min) => bucket.min = min,
                    None => self.vacate(level, way),
                }
            }
        }
    }

    /// The events that wait, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.buckets
            .iter()
            .flat_map(|bucket| bucket.events.iter().map(|(_, event)| event))
    }

    /// The bucket with the earliest event: lower levels come before higher ones.
    fn nearest(&self) -> Option<(usize, usize)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    fn place(&mut self, at: u64, event: T) {
        let differs = at ^ self.last;
        // Equal times differ in no digit; they belong with the last digit.
        let level = (63 - (differs | 1).leading_zeros()) / DIGIT;
        // The low byte, of which the digit is a part: no bits are lost that are kept after.
        let way = usize::from((at >> (level * DIGIT)).to_le_bytes()[0]) & (WAYS - 1);
        let level = level as usize;
        let bucket = &mut self.buckets[level * WAYS + way];
        bucket.min = bucket.min.min(at);
        bucket.events.push_back((at, event));
        self.occupied[level] |= 1 << way;
        self.levels |= 1 << level;
    }

    /// Moves a bucket's events to lower levels, by their distance from its earliest.
    fn spread(&mut self, level: usize, way: usize) {
        let bucket = &mut self.buckets[level * WAYS + way];
        self.last = bucket.min;
        let mut events = std::mem::take(&mut bucket.events);
        for (at, event) in events.drain(..) {
            self.place(at, event);
        }
        self.buckets[level * WAYS + way].events = events;
        self.vacate(level, way);
    }

    fn vacate(&mut self, level: usize, way: usize) {
        let bucket = &mut self.buckets[level * WAYS + way];
        bucket.min = u64::MAX;
        if bucket.events.capacity() > KEEP {
            bucket.events = VecDeque::new();
        }
        self.occupied[level] &= !(1 << way);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// However far off that time is: on its way an event moves to lower levels never, once or
    /// often.
    ///
    /// Register: I8.
    #[test]
    fn events_at_one_time_leave_in_the_order_they_came() {
        for distance in (0..11).map(|level| 64_u64.pow(level)).chain([0]) {
            let mut queue = EventQueue::default();
            let at = |number: u64| Time::from_nanos(distance + u64::from(number.is_multiple_of(3)));
            for number in 0..100 {
                queue.push(at(number), number);
            }
            let order: Vec<u64> = std::iter::from_fn(|| queue.pop().map(|(_, n)| n)).collect();
            let mut expected: Vec<u64> = (0..100).collect();
            expected.sort_by_key(|number| at(*number));
            assert_eq!(order, expected, "{distance} ns away");
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn the_latest_time_of_all_can_be_pushed_and_popped() {
        let mut queue = EventQueue::default();
        queue.push(Time::MAX, 'z');
        queue.push(Time::ZERO, 'a');
        assert_eq!(queue.pop(), Some((Time::ZERO, 'a')));
        assert_eq!(queue.peek_time(), Some(Time::MAX));
        queue.push(Time::from_nanos(u64::MAX - 1), 'y');
        assert_eq!(queue.pop(), Some((Time::from_nanos(u64::MAX - 1), 'y')));
        assert_eq!(queue.pop(), Some((Time::MAX, 'z')));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn looking_does_not_forbid_an_earlier_event() {
        let mut queue = EventQueue::default();
        queue.push(Time::from_nanos(500), 'b');
        queue.push(Time::from_nanos(501), 'c');
        assert_eq!(queue.peek_time(), Some(Time::from_nanos(500)));
        queue.push(Time::from_nanos(3), 'a');
        assert_eq!(queue.pop(), Some((Time::from_nanos(3), 'a')));
        assert_eq!(queue.pop(), Some((Time::from_nanos(500), 'b')));
    }

    #[test]
    #[should_panic(expected = "an event at 4 ns is pushed after time reached 5 ns")]
    fn the_past_is_refused() {
        let mut queue = EventQueue::default();
        queue.push(Time::from_nanos(5), ());
        queue.pop();
        queue.push(Time::from_nanos(4), ());
    }

    #[test]
    fn what_is_not_kept_does_not_come() {
        let mut queue = EventQueue::default();
        for number in 0..1_000u64 {
            queue.push(Time::from_nanos(number * number), number);
        }
        queue.retain(|number| number % 10 == 7);
        assert_eq!(queue.len(), 100);
        assert_eq!(queue.iter().count(), 100);
        assert_eq!(queue.peek_time(), Some(Time::from_nanos(49)));
        let left: Vec<u64> = std::iter::from_fn(|| queue.pop().map(|(_, n)| n)).collect();
        assert_eq!(left, (0..100).map(|n| 10 * n + 7).collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        /// An ordered map keyed by (time, sequence) is the definition; the queue agrees with it
        /// for any interleaving of pushes and pops, at any scale of times.
        ///
        /// Register: I8.
        #[test]
        fn it_agrees_with_an_ordered_map(
            steps in prop::collection::vec((any::<bool>(), any::<u64>(), 0u32..63), 1..200)
        ) {
            let mut queue = EventQueue::default();
            let mut map = BTreeMap::new();
            let mut now = 0u64;
            for (number, (push, gap, shift)) in steps.into_iter().enumerate() {
                if push {
                    let at = now.saturating_add(gap >> shift);
                    queue.push(Time::from_nanos(at), number);
                    map.insert((at, number), number);
                } else {
                    let expected = map.pop_first().map(|((at, _), n)| (Time::from_nanos(at), n));
                    prop_assert_eq!(queue.peek_time(), expected.map(|(at, _)| at));
                    let got = queue.pop();
                    prop_assert_eq!(got, expected);
                    now = got.map_or(now, |(at, _)| at.as_nanos());
                }
                prop_assert_eq!(queue.len(), map.len());
                let present = map.range((now, 0)..=(now, usize::MAX)).count();
                prop_assert_eq!(queue.len_at_present(), present);
            }
        }
    }
}
