//! Least times in which any policy could distribute a content.
//!
//! They are exact integers, rounded up to a nanosecond. A run that is faster than its bound is a
//! fault of the simulator.

use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};

const NANOS: u128 = 1_000_000_000;

/// The links of a leecher; none is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// What it can send.
    pub up: Option<Rate>,
    /// What it can receive.
    pub down: Option<Rate>,
}

/// Least time until the last of `leechers` has `content`, as a fluid, when all of them join
/// together: `max(F / u_s, F / d_min, N F / (u_s + Σu))`, with `u_s` the sum of the seeds'
/// uplinks (none if any of them is unlimited). None if nobody can ever finish.
///
/// Source: R. Kumar and K. W. Ross, "Peer-Assisted File Distribution: The Minimum
/// Distribution Time", HotWeb 2006.
#[must_use]
pub fn kumar_ross(content: ByteCount, seeds: Option<Rate>, leechers: &[Access]) -> Option<Span> {
    if leechers.is_empty() {
        return Some(Span::ZERO);
    }
    let slowest = leechers.iter().filter_map(|leecher| leecher.down).min();
    let all = leechers
        .iter()
        .map(|leecher| leecher.up)
        .chain([seeds])
        .try_fold(0_u128, |sum, rate| Some(sum + u128::from(rate?.get())));
    let count = leechers.len() as u128;
    let bytes = u128::from(content.get());
    let of_seed = time_for(bytes, seeds.map(|rate| rate.get().into()))?;
    let of_link = time_for(bytes, slowest.map(|rate| rate.get().into()))?;
    let of_all = time_for(bytes.checked_mul(count)?, all)?;
    Some(of_seed.max(of_link).max(of_all))
}

/// Least time until `leechers` peers have `content` in `chunks` >= 1 equal chunks, when they
/// and one seed all send at `rate` and receive without limit, one chunk at a time:
/// `1 + ⌊log2 N⌋ / M` times the time that the seed takes to send it once. None if `leechers`
/// or `chunks` or `rate` is zero.
///
/// Source: J. Mundinger, R. Weber and G. Weiss, "Optimal scheduling of peer-to-peer file
/// dissemination", J. Scheduling 11, 2008.
#[must_use]
pub fn mundinger(content: ByteCount, chunks: u32, leechers: u32, rate: Rate) -> Option<Span> {
    if chunks == 0 {
        return None;
    }
    let rounds = u128::from(leechers.checked_ilog2()?);
    let chunks = u128::from(chunks);
    let bytes = u128::from(content.get()).checked_mul(chunks + rounds)?;
    time_for(bytes, chunks.checked_mul(rate.get().into()))
}

/// Nanoseconds for `bytes` at `rate` bytes per second, rounded up; nothing takes no time and
/// an unlimited rate (none) needs none. None if it never ends or does not fit.
fn time_for(bytes: u128, rate: Option<u128>) -> Option<Span> {
    let Some(rate) = rate else {
        return Some(Span::ZERO);
    };
    if rate == 0 {
        return (bytes == 0).then_some(Span::ZERO);
    }
    let nanos = bytes.checked_mul(NANOS)?.div_ceil(rate);
    u64::try_from(nanos).ok().map(Span::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1_000;

    fn class(count: usize, up: u64) -> Vec<Access> {
        let access = Access {
            up: Some(Rate::new(up)),
            down: None,
        };
        vec![access; count]
    }

    // 13 peers at 20, 14 at 50 and 13 at 200 kB/s, one seed at 200 kB/s, 113 MB:
    // 40 x 113 MB / 3,760 kB/s = 1,202.1 s; the seed alone needs 565 s.
    #[test]
    fn three_classes_need_1202_seconds() {
        let peers = [class(13, 20 * KB), class(14, 50 * KB), class(13, 200 * KB)].concat();
        let seed = Some(Rate::new(200 * KB));
        let least = kumar_ross(ByteCount::new(113_000_000), seed, &peers).unwrap();
        assert_eq!(least, Span::from_nanos(1_202_127_659_575));
    }

    // A seed of 10 B/s is the limit; then a downlink of 5 B/s is; then all uplinks are.
    #[test]
    fn each_of_the_three_terms_can_be_the_limit() {
        let file = ByteCount::new(100);
        let fast = Access {
            up: Some(Rate::new(1_000)),
            down: None,
        };
        let seed = Some(Rate::new(10));
        assert_eq!(
            kumar_ross(file, seed, &[fast; 2]),
            Some(Span::from_secs(10))
        );
        let thin = Access {
            down: Some(Rate::new(5)),
            ..fast
        };
        assert_eq!(
            kumar_ross(file, seed, &[fast, thin]),
            Some(Span::from_secs(20))
        );
        let mute = Access {
            up: Some(Rate::new(0)),
            down: None,
        };
        assert_eq!(
            kumar_ross(file, seed, &[mute; 3]),
            Some(Span::from_secs(30))
        );
    }

    #[test]
    fn unlimited_links_need_no_time_and_a_dead_seed_never_ends() {
        let file = ByteCount::new(100);
        assert_eq!(
            kumar_ross(file, None, &[Access::default()]),
            Some(Span::ZERO)
        );
        assert_eq!(
            kumar_ross(file, Some(Rate::new(0)), &[Access::default()]),
            None
        );
        assert_eq!(kumar_ross(file, None, &[]), Some(Span::ZERO));
    }

    // File-times: 100 peers and 1 part: 7; 100/100: 1.06; 1000/100: 1.09; 1000/1000: 1.009.
    #[test]
    fn parts_among_equals_need_the_published_file_times() {
        let rows = [
            (100, 1, 7_000),
            (100, 100, 1_060),
            (1_000, 100, 1_090),
            (1_000, 1_000, 1_009),
        ];
        for (peers, parts, milli_file_times) in rows {
            let least = mundinger(ByteCount::new(KB), parts, peers, Rate::new(KB)).unwrap();
            assert_eq!(least, Span::from_millis(milli_file_times));
        }
        assert_eq!(mundinger(ByteCount::new(1), 1, 0, Rate::new(1)), None);
        assert_eq!(mundinger(ByteCount::new(1), 0, 1, Rate::new(1)), None);
    }

    #[test]
    fn the_largest_content_does_not_wrap() {
        assert_eq!(
            mundinger(ByteCount::MAX, u32::MAX, u32::MAX, Rate::new(1)),
            None
        );
        assert_eq!(
            kumar_ross(ByteCount::MAX, Some(Rate::new(1)), &[Access::default()]),
            None
        );
    }
}
