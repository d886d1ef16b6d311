//! Bytes that transfers brought over a whole run: of what was asked for, and how evenly among those
//! whom the ideal is fair to.

use std::collections::BTreeMap;

use super::classes::{self, Party};
use super::scalars::{Scalar, Scalars};
use crate::record::{Record, TransferRecord};
use crate::setup::{Setup, TransferSetup};

/// Adds the bytes of all transfers together and the disparity, then the bytes of each class.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    let rows = || setup.transfers.iter().zip(&record.transfers);
    add_bytes("", rows(), out);
    out.add("received_min_over_max", min_over_max(setup, record));
    for class in classes::names(setup) {
        let of_class = rows().filter(|(transfer, _)| transfer.class == class);
        add_bytes(&format!(".{class}"), of_class, out);
    }
}

fn add_bytes<'a>(
    suffix: &str,
    rows: impl Iterator<Item = (&'a TransferSetup, &'a TransferRecord)>,
    out: &mut Scalars,
) {
    let (mut received, mut asked) = (0.0, 0.0);
    for (transfer, found) in rows.filter(|(_, found)| found.start.is_some()) {
        received += found.received.get() as f64;
        asked += transfer.bytes.get() as f64;
    }
    let of_asked = (asked > 0.0).then(|| received / asked);
    let mut put = |name: &str, value| out.push(Scalar::new(format!("{name}{suffix}"), value));
    put("received_bytes", Some(received));
    put("received_over_asked", of_asked);
}

/// What the party with the fewest bytes received over what that with the most did; none where there
/// is one party, or nobody received anything. A party is a transfer, a peer or a group: whom the
/// ideal is fair to.
fn min_over_max(setup: &Setup, record: &Record) -> Option<f64> {
    let mut received: BTreeMap<Party, u64> = BTreeMap::new();
    for (row, found) in (0_u32..).zip(&record.transfers) {
        *received.entry(classes::party(setup, row)).or_default() += found.received.get();
    }
    let (least, most) = (received.values().min()?, received.values().max()?);
    (received.len() > 1 && *most > 0).then(|| *least as f64 / *most as f64)
}

#[cfg(test)]
mod tests {
    use fairhaul_core::time::{Span, Time};
    use fairhaul_core::units::ByteCount;
    use fairhaul_core::uplink::Share;

    use super::*;
    use crate::metrics::fixture;

    /// Two transfers of 100 and 1,000 bytes that brought 80 and 320, and whom they went to.
    fn found(share: Share, second: u32) -> BTreeMap<String, Option<f64>> {
        let mut setup = fixture::two_transfers();
        setup.peers.push(fixture::peer("third"));
        setup.transfers[1].destination = second;
        setup.ideal_share = Some(share);
        let row = |received| TransferRecord {
            start: Some(Time::ZERO + Span::SECOND),
            received: ByteCount::new(received),
            ..TransferRecord::default()
        };
        let mut record = Record {
            transfers: vec![row(80), row(320)],
            ..Record::default()
        };
        let mut out = Scalars::default();
        add(&setup, &record, &mut out);
        // One that nobody asked for counts as nothing asked.
        record.transfers[1] = TransferRecord::default();
        let mut later = Scalars::default();
        add(&setup, &record, &mut later);
        let of_asked = later.0.iter().find(|one| one.name == "received_over_asked");
        assert_eq!(of_asked.unwrap().value, Some(0.8));
        out.into_iter().map(|one| (one.name, one.value)).collect()
    }

    #[test]
    fn bytes_are_counted_of_all_transfers_and_of_each_class() {
        let found = found(Share::Transfer, 1);
        assert_eq!(found["received_bytes"], Some(400.0));
        assert_eq!(found["received_bytes.bulk"], Some(320.0));
        assert_eq!(found["received_over_asked.small"], Some(0.8));
        assert_eq!(found["received_over_asked.bulk"], Some(0.32));
        assert_eq!(found["received_over_asked"], Some(400.0 / 1_100.0));
    }

    #[test]
    fn disparity_is_among_those_whom_the_ideal_is_fair_to() {
        let least = |share, second| found(share, second)["received_min_over_max"];
        assert_eq!(least(Share::Transfer, 1), Some(0.25));
        // Both go to one peer.
        assert_eq!(least(Share::Peer, 1), None);
        assert_eq!(least(Share::Peer, 2), Some(0.25));
    }
}
