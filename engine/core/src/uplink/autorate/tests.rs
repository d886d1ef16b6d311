use super::*;

/// How often connections are looked at.
const LOOK_MS: u64 = 50;

/// A link with one queue in front of it, in milliseconds: what comes in leaves at `rate`, and
/// what does not fit into 100 ms is lost. Who sends without a cap keeps a queue of 30 ms, or of
/// 20 packets on a slow link.
struct Link {
    rate: u64,
    base: Span,
    /// Bytes that wait, and those of others among them, as they are let in.
    queue: u64,
    /// Bytes per second that somebody else keeps sending.
    others: u64,
    /// Bytes that were acknowledged, and those that the sender has seen acknowledged.
    acked: u64,
    seen: u64,
    /// What left, and the delay then, by millisecond: the news takes a round trip.
    history: VecDeque<(u64, u64)>,
    auto: Auto,
    ms: u64,
    /// Delay in the queue, in nanoseconds, at every millisecond.
    delays: Vec<u64>,
    /// What is sent where nobody caps it, at most, in bytes per second.
    wants: u64,
    /// How long the machine hardly runs each second, in milliseconds: half of what comes is seen
    /// only afterwards, and the rest late.
    pause: u64,
}

impl Link {
    fn new(mbit: u64, base: Span) -> Self {
        Self {
            rate: mbit * 125_000,
            base,
            queue: 0,
            others: 0,
            acked: 0,
            seen: 0,
            history: VecDeque::new(),
            auto: Auto::default(),
            ms: 0,
            delays: Vec::new(),
            wants: u64::MAX,
            pause: 0,
        }
    }

    fn delay(&self) -> u64 {
        self.queue * 1_000_000_000 / self.rate
    }

    /// Bytes that are delivered in `seconds`.
    fn run(&mut self, seconds: u64) -> u64 {
        let before = self.acked;
        self.delays.clear();
        for _ in 0..seconds * 1_000 {
            self.millisecond();
        }
        self.acked - before
    }

    fn millisecond(&mut self) {
        self.ms += 1;
        let room = (self.rate * 30 / 1_000).max(30_000);
        let free = self.rate / 1_000 + room.saturating_sub(self.queue);
        let cap = self.auto.cap().map_or(free, |cap| cap.get() / 1_000);
        let mine = cap.min(free).min(self.wants / 1_000);
        let all = self.queue + mine + self.others / 1_000;
        let gone = all.min(self.rate / 1_000);
        self.queue = (all - gone).min((self.rate / 10).max(60_000));
        // Of what leaves, ours is in proportion to what came in.
        let others = self.others / 1_000;
        let ours = gone * mine / (mine + others).max(1);
        self.delays.push(self.delay());
        self.history.push_back((ours, self.delay()));
        if self.history.len() as u64 > 1 + self.base.as_nanos() / 1_000_000 {
            let (ours, delay) = self.history.pop_front().unwrap();
            self.acked += ours;
            let late = self.ms % 1_000 < self.pause;
            self.seen = if late {
                self.seen + ours / 2
            } else {
                self.acked
            };
            if self.ms.is_multiple_of(LOOK_MS) {
                self.look(if late { delay + ms(8) } else { delay });
            }
        }
    }

    fn look(&mut self, delay: u64) {
        let sample = PathSample {
            peer: PeerId(1),
            rtt: Span::from_nanos(self.base.as_nanos() + delay),
            least: self.base,
            acked: ByteCount::new(self.seen),
        };
        let now = Time::ZERO.saturating_add(Span::from_millis(self.ms));
        self.auto.sample(&[sample], self.wants > 0, now);
    }

    /// The delay that so many hundredths of the milliseconds stay below, in nanoseconds.
    fn delay_at(&self, hundredths: usize) -> u64 {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * hundredths / 100).min(sorted.len() - 1)]
    }

    /// Thousandths of the link that are used over `seconds`.
    fn used(&mut self, seconds: u64) -> u64 {
        let bytes = self.run(seconds);
        bytes * 1_000 / (self.rate * seconds)
    }
}

fn ms(ms: u64) -> u64 {
    Span::from_millis(ms).as_nanos()
}

/// 1 to 500 Mbit/s, 0.1 to 100 ms: after five seconds at least 93 % of the link is used and
/// the queue is below the target for half of the time, below two of it nearly always.
#[test]
fn the_cap_finds_the_link_from_slow_to_fast_and_near_to_far() {
    for mbit in [1, 10, 50, 500] {
        for base in [100, 20_000, 100_000].map(Span::from_micros) {
            let mut link = Link::new(mbit, base);
            link.run(5);
            let used = link.used(30);
            let target = target(link.rate);
            let (half, most) = (link.delay_at(50), link.delay_at(99));
            assert!(used >= 930, "{mbit} Mbit/s, {base:?}: {used} ‰ are used");
            assert!(half <= target / 2, "{mbit} Mbit/s, {base:?}: {half} ns");
            assert!(
                most <= 2 * target + ms(2),
                "{mbit} Mbit/s, {base:?}: {most} ns"
            );
        }
    }
}

/// A machine that pauses for 150 ms each second is no queue.
#[test]
fn a_pause_of_the_machine_is_taken_for_no_queue() {
    let mut link = Link::new(50, Span::from_millis(1));
    link.run(5);
    link.pause = 150;
    let used = link.used(30);
    assert!(used >= 930, "{used} ‰");
}

/// Half of a link goes, and comes back: in two seconds the queue is gone, in ten seconds
/// nine tenths of the link are used again.
#[test]
fn the_cap_follows_a_link_that_halves_and_doubles() {
    let mut link = Link::new(50, Span::from_millis(20));
    link.run(10);
    link.rate /= 2;
    link.run(2);
    let used = link.used(10);
    assert!(used >= 930, "{used} ‰");
    assert!(link.delay_at(50) <= ms(5), "{} ns", link.delay_at(50));
    link.rate *= 2;
    link.run(10);
    let used = link.used(10);
    assert!(used >= 930, "{used} ‰");
}

/// An hour without work, or with little, leaves the cap where it was.
#[test]
fn the_cap_stays_while_there_is_little_to_send() {
    let mut link = Link::new(50, Span::from_millis(20));
    link.run(10);
    let before = link.auto.cap().unwrap();
    for wants in [0, 100_000] {
        link.wants = wants;
        link.run(600);
    }
    let after = link.auto.cap().unwrap();
    assert!(after.get() >= before.get() * 95 / 100, "{after:?}");
    assert!(after.get() <= before.get() * 11 / 10, "{after:?}");
}

/// Where nobody waits there is no cap.
#[test]
fn a_link_without_a_queue_is_not_capped() {
    let mut link = Link::new(10_000, Span::from_micros(50));
    link.wants = 400_000_000;
    link.run(60);
    assert_eq!(link.auto.cap(), None);
}

/// Somebody else fills the queue all the time: a quarter of what was carried is kept, and more
/// once the long round trip counts as usual.
#[test]
fn others_that_fill_the_queue_do_not_starve_this_node() {
    let mut link = Link::new(50, Span::from_millis(20));
    link.run(10);
    let before = link.auto.cap().unwrap().get();
    link.others = link.rate;
    for _ in 0..120 {
        link.run(1);
        let cap = link.auto.cap().unwrap().get();
        assert!(cap >= before / 20, "{cap} of {before} B/s");
    }
    link.others = 0;
    link.run(20);
    let used = link.used(10);
    assert!(used >= 900, "{used} ‰ after they have gone");
}

/// One peer of two has a queue of its own: the uplink is not capped for it.
#[test]
fn a_far_bottleneck_of_one_peer_does_not_cap_the_others() {
    let mut auto = Auto::default();
    for step in 0..200_u64 {
        let sample = |peer, rtt, rate: u64| PathSample {
            peer: PeerId(peer),
            rtt: Span::from_millis(rtt),
            least: Span::from_millis(10),
            acked: ByteCount::new(rate / 20 * step),
        };
        let paths = [sample(1, 90, 100_000), sample(2, 10, 5_000_000)];
        let now = Time::ZERO.saturating_add(Span::from_millis(step * LOOK_MS));
        auto.sample(&paths, true, now);
    }
    assert_eq!(auto.cap(), None);
}

/// A connection that is made anew counts from zero, and numbers out of any range do no harm.
#[test]
fn samples_out_of_range_are_survived() {
    let mut auto = Auto::default();
    let extremes = [0, 1, u64::MAX / 2, u64::MAX];
    for (step, &rtt) in extremes.iter().cycle().take(64).enumerate() {
        for (at, &acked) in (0..).zip(&extremes) {
            let sample = PathSample {
                peer: PeerId(at % 2),
                rtt: Span::from_nanos(rtt),
                least: Span::from_nanos(extremes[3 - at as usize]),
                acked: ByteCount::new(acked),
            };
            let now = Time::ZERO.saturating_add(Span::from_millis(step as u64 * LOOK_MS));
            auto.sample(&[sample, sample], true, now);
        }
    }
    assert!(auto.cap().is_none_or(|cap| cap.get() >= LEAST));
}
