//! Counters for monitoring.
//!
//! Labels are bounded: a peer is counted by the name that the parameter file gives it, and a reason
//! is one of a fixed list, so no stranger can add a series.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

/// The name of a peer from the parameter file.
type OfPeer = [(&'static str, String); 1];

/// One of our own words.
type OfWord = [(&'static str, &'static str); 1];

/// The counters of a node. They are shared: a clone of a counter counts the same thing.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sent: Family<OfPeer, Counter>,
    received: Family<OfPeer, Counter>,
    blocks: Family<OfPeer, Counter>,
    refusals: Family<OfWord, Counter>,
    transfers: Family<OfWord, Counter>,
    /// Chunks that were verified and stored.
    pub chunks_stored: Counter,
    /// Chunks that were not what they should be.
    pub chunks_rejected: Counter,
    /// Handshakes that were begun, whatever became of them.
    pub handshakes: Counter,
    /// Connections that peers or we have made, after their handshake.
    pub connections: Counter,
    /// Connections now.
    pub connected: Gauge,
    /// Transfers now.
    pub transfers_active: Gauge,
    /// Bytes of memory that peers made the node hold a moment ago (limit L4).
    pub held_bytes: Gauge,
}

/// The counters of one peer, for who counts often.
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    /// Bytes sent at the socket.
    pub sent: Counter,
    /// Bytes received at the socket.
    pub received: Counter,
    /// Blocks sent.
    pub blocks: Counter,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Whole.
    Complete,
    /// Not whole, and over.
    Failed,
    /// A person ended it.
    Cancelled,
}

impl Default for Metrics {
    /// Counters at zero.
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fairhaul");
        let r = &mut registry;
        Self {
            sent: metric(r, "sent_bytes", "Bytes sent at the socket, by peer"),
            received: metric(r, "received_bytes", "Bytes received at the socket, by peer"),
            blocks: metric(r, "blocks_sent", "Blocks sent, by peer"),
            chunks_stored: metric(r, "chunks_stored", "Chunks verified and stored"),
            chunks_rejected: metric(r, "chunks_rejected", "Chunks that failed their hash"),
            handshakes: metric(r, "handshakes", "Handshakes begun"),
            connections: metric(r, "connections", "Connections made"),
            refusals: metric(r, "refusals", "Callers and requests refused, by reason"),
            transfers: metric(r, "transfers_ended", "Transfers that ended, by how"),
            connected: metric(r, "connected_peers", "Connections now"),
            transfers_active: metric(r, "transfers_active", "Transfers now"),
            held_bytes: metric(
                r,
                "held_bytes",
                "Bytes of memory that peers make this node hold",
            ),
            registry,
        }
    }
}

impl Metrics {
    /// The counters of the peer with this name in the parameter file.
    #[must_use]
    pub fn peer(&self, name: &str) -> PeerMetrics {
        let label = [("peer", name.to_owned())];
        PeerMetrics {
            sent: self.sent.get_or_create_owned(&label),
            received: self.received.get_or_create_owned(&label),
            blocks: self.blocks.get_or_create_owned(&label),
        }
    }

    /// Counts a refusal, for a reason in our own words.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts the end of a transfer.
    pub fn ended(&self, how: Ended) {
        let how = match how {
            Ended::Complete => "complete",
            Ended::Failed => "failed",
            Ended::Cancelled => "cancelled",
        };
        self.transfers.get_or_create(&[("how", how)]).inc();
    }

    /// All of them in the text format of OpenMetrics 1.0.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written to it");
        text
    }
}

/// A metric at zero that `registry` shows, behind those that it has.
fn metric<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_in_the_text_with_its_label() {
        let metrics = Metrics::default();
        let peer = metrics.peer("vm-2");
        peer.sent.inc_by(7);
        metrics.peer("vm-2").sent.inc_by(3);
        peer.received.inc();
        peer.blocks.inc();
        metrics.refused("unknown key");
        metrics.ended(Ended::Complete);
        metrics.ended(Ended::Failed);
        metrics.ended(Ended::Cancelled);
        metrics.connected.set(2);
        metrics.chunks_stored.inc();
        let text = metrics.text();
        for line in [
            "fairhaul_sent_bytes_total{peer=\"vm-2\"} 10",
            "fairhaul_received_bytes_total{peer=\"vm-2\"} 1",
            "fairhaul_blocks_sent_total{peer=\"vm-2\"} 1",
            "fairhaul_refusals_total{reason=\"unknown key\"} 1",
            "fairhaul_transfers_ended_total{how=\"complete\"} 1",
            "fairhaul_transfers_ended_total{how=\"failed\"} 1",
            "fairhaul_transfers_ended_total{how=\"cancelled\"} 1",
            "fairhaul_connected_peers 2",
            "fairhaul_chunks_stored_total 1",
            "fairhaul_chunks_rejected_total 0",
        ] {
            assert!(text.lines().any(|got| got == line), "no {line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
