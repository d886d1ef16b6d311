//! The queue of packets on their way.
//!
//! A packet arrives one delay after it was seen, in the order of arrival, or is lost by chance.
//! Packets above the queue's bound are dropped and counted. It has no clock and no device.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;

use fairhaul_core::rng::Rng;
use fairhaul_simulator::random::{Streams, uniform};

use super::table::DelayTable;

/// The most packets that are held: 1 Gbit/s of full frames for three quarters of a second.
const HELD_MAX: usize = 65_536;

/// What has become of the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets that were let through.
    pub(super) packets: u64,
    /// Their bytes, with IPv4 headers.
    pub(super) bytes: u64,
    /// Packets that the draw lost.
    pub(super) lost: u64,
    /// Packets that are not IPv4 between two peers, or that there was no room for.
    pub(super) refused: u64,
}

/// Packets on their way, each until its time.
#[derive(Debug)]
pub(super) struct Hold {
    table: DelayTable,
    rng: Rng,
    /// Time in nanoseconds, number, packet. The number keeps the order of equal times.
    held: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>,
    number: u64,
    counts: Counts,
    /// Buffers that were used before.
    spare: Vec<Vec<u8>>,
}

impl Hold {
    pub(super) fn new(table: DelayTable) -> Self {
        let rng = Streams::new(table.seed, 0).stream("relay", "loss");
        Self {
            table,
            rng,
            held: BinaryHeap::new(),
            number: 0,
            counts: Counts::default(),
            spare: Vec::new(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet was seen at `now`, in nanoseconds.
    pub(super) fn take(&mut self, packet: &[u8], now: u64) {
        let delay = ends(packet).and_then(|(from, to)| self.table.delay(from, to));
        let Some(delay) = delay.filter(|_| self.held.len() < HELD_MAX) else {
            self.counts.refused += 1;
            return;
        };
        if self.table.loss > 0.0 && uniform(&mut self.rng) < self.table.loss {
            self.counts.lost += 1;
            return;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(packet);
        self.held
            .push(Reverse((now.saturating_add(delay), self.number, buffer)));
        self.number += 1;
    }

    /// When the next packet arrives.
    pub(super) fn next(&self) -> Option<u64> {
        self.held.peek().map(|Reverse((due, _, _))| *due)
    }

    /// The next packet that has arrived by `now`, and when it should have.
    pub(super) fn pop(&mut self, now: u64) -> Option<(u64, Vec<u8>)> {
        self.next().filter(|due| *due <= now)?;
        let Reverse((due, _, packet)) = self.held.pop()?;
        self.counts.packets += 1;
        self.counts.bytes += packet.len() as u64;
        Some((due, packet))
    }

    /// Takes the buffer of a packet back.
    pub(super) fn recycle(&mut self, packet: Vec<u8>) {
        if self.spare.len() < 1024 {
            self.spare.push(packet);
        }
    }
}

/// Source and destination of an IPv4 packet.
fn ends(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let header: &[u8; 20] = packet.first_chunk()?;
    if header[0] >> 4 != 4 {
        return None;
    }
    let at = |i: usize| Ipv4Addr::new(header[i], header[i + 1], header[i + 2], header[i + 3]);
    Some((at(12), at(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(loss: &str) -> Hold {
        let text = format!(
            "seed 3\nloss {loss}\nregions 2\ndelay 0 1 1000\ndelay 1 0 200\n\
             peer 10.77.1.1 0\npeer 10.77.1.2 1\npeer 10.77.1.3 0\n"
        );
        Hold::new(DelayTable::read(&text).unwrap())
    }

    fn packet(from: u8, to: u8, mark: u8) -> Vec<u8> {
        let mut packet = vec![0; 21];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&[10, 77, 1, from]);
        packet[16..20].copy_from_slice(&[10, 77, 1, to]);
        packet[20] = mark;
        packet
    }

    #[test]
    fn a_packet_arrives_one_delay_of_its_pair_later_and_pairs_keep_their_order() {
        let mut hold = hold("0");
        hold.take(&packet(1, 2, b'a'), 0);
        hold.take(&packet(1, 2, b'b'), 0);
        hold.take(&packet(2, 1, b'c'), 100);
        hold.take(&packet(1, 3, b'd'), 100);
        let mut seen = Vec::new();
        for now in [0, 100, 299, 300, 999, 1000] {
            while let Some((due, packet)) = hold.pop(now) {
                seen.push((now, due, packet[20]));
                hold.recycle(packet);
            }
        }
        let expected = [
            (100, 100, b'd'),
            (300, 300, b'c'),
            (1000, 1000, b'a'),
            (1000, 1000, b'b'),
        ];
        assert_eq!(seen, expected);
        assert_eq!((hold.counts().packets, hold.counts().bytes), (4, 84));
        assert_eq!(hold.next(), None);
    }

    #[test]
    fn what_is_not_between_two_peers_is_refused_and_counted() {
        let mut hold = hold("0");
        let mut six = packet(1, 2, 0);
        six[0] = 0x60;
        for bad in [
            &[][..],
            &[0x45; 19],
            &six,
            &packet(1, 9, 0),
            &packet(9, 1, 0),
        ] {
            hold.take(bad, 0);
        }
        assert_eq!(hold.counts().refused, 5);
        assert_eq!(hold.next(), None);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut hold = hold("0");
        for _ in 0..=HELD_MAX {
            hold.take(&packet(1, 2, 0), 0);
        }
        assert_eq!(hold.counts().refused, 1);
    }

    #[test]
    fn loss_is_as_often_as_said_and_the_same_for_the_same_seed() {
        let run = || {
            let mut hold = hold("0.1");
            for mark in 0..10_000_u32 {
                hold.take(&packet(1, 2, mark.to_le_bytes()[0]), 0);
            }
            let mut kept = Vec::new();
            while let Some((_, packet)) = hold.pop(1000) {
                kept.push(packet[20]);
            }
            (hold.counts().lost, kept)
        };
        let (lost, kept) = run();
        // Four standard deviations of a binomial are 120.
        assert!(lost.abs_diff(1000) < 120, "{lost}");
        assert_eq!(run(), (lost, kept));
    }
}
