//! A scenario at another pace: times are divided, rates multiplied, lengths stay.
//!
//! So the same bytes move in the same order, but for what no setting changes: the machine's own
//! delays count that many times as much.

use fairhaul_config::amount::TimeBetween;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::{FaultKind, NewRate, Setup};

use fairhaul_results::Speed;

/// `setup` as it is played `speed` times as fast.
#[must_use]
pub fn scale(setup: &Setup, speed: Speed) -> Setup {
    let mut scaled = setup.clone();
    let span = |span: &mut Span| *span = Span::from_nanos(speed.play(span.as_nanos()));
    let time = |time: &mut Time| *time = Time::from_nanos(speed.play(time.as_nanos()));
    let rate = |rate: &mut Option<Rate>| {
        *rate = rate.map(|rate| Rate::new(speed.rate(rate.get())));
    };
    scaled.latency.one_way.iter_mut().for_each(span);
    scaled.policies.iter_mut().for_each(|policy| {
        let mut rechoke = policy.rechoke.get();
        span(&mut rechoke);
        policy.rechoke = TimeBetween::nearest(rechoke);
    });
    for link in &mut scaled.links {
        link.capacity = Rate::new(speed.rate(link.capacity.get()));
    }
    for group in &mut scaled.groups {
        rate(&mut group.cap);
        rate(&mut group.floor);
    }
    for peer in &mut scaled.peers {
        // What an adversary does by its own links and caps alone.
        (peer.down, peer.upload_cap) = (peer.drained_down(), peer.served_cap());
        for row in [
            &mut peer.up,
            &mut peer.down,
            &mut peer.upload_cap,
            &mut peer.download_cap,
            &mut peer.cap,
            &mut peer.floor,
        ] {
            rate(row);
        }
        time(&mut peer.join);
        peer.leave.iter_mut().for_each(time);
        peer.linger.iter_mut().for_each(span);
        peer.behaviour.rejoins.iter_mut().for_each(span);
    }
    for transfer in &mut scaled.transfers {
        rate(&mut transfer.cap);
        rate(&mut transfer.floor);
        time(&mut transfer.start);
    }
    for fault in &mut scaled.faults {
        time(&mut fault.at);
        match &mut fault.kind {
            FaultKind::Capacity { up, down, .. } => {
                for one in [up, down] {
                    let mut after = one.after(None);
                    rate(&mut after);
                    if *one != NewRate::Keep {
                        *one = after.into();
                    }
                }
            }
            FaultKind::SharedCapacity { capacity, .. } => rate(capacity),
            FaultKind::UploadCap { rate: cap, .. } => rate(cap),
            FaultKind::Crash { .. } | FaultKind::Restart { .. } | FaultKind::Abort { .. } => {}
        }
    }
    time(&mut scaled.horizon);
    scaled.windows.iter_mut().for_each(span);
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{at, peer, setup, transfer};

    #[test]
    fn times_are_divided_rates_multiplied_and_lengths_kept() {
        let mut plain = setup(vec![peer("a", 100), peer("b", 100)]);
        plain.transfers = vec![transfer("t", 1, 1_000)];
        plain.transfers[0].start = at(800);
        plain.transfers[0].cap = Some(Rate::new(7));
        let four = "4".parse().unwrap();
        let fast = scale(&plain, four);
        assert_eq!(fast.peers[0].up, Some(Rate::new(400)));
        assert_eq!(fast.transfers[0].cap, Some(Rate::new(28)));
        assert_eq!(fast.transfers[0].start, at(200));
        assert_eq!(fast.transfers[0].bytes, plain.transfers[0].bytes);
        assert_eq!(fast.policies[0].rechoke.get(), Span::from_millis(500));
        assert_eq!(fast.windows, [Span::from_millis(125)]);
        assert_eq!(scale(&plain, Speed::ONE).peers[0].up, plain.peers[0].up);
    }
}
