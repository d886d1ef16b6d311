//! From what happened to a record: the same fields, the same meaning as in a simulated run.
//!
//! Bytes of a window are those that a node counted between two looks, at the ends of the window.
//! The ideal is that of the simulator, driven with the times at which real transfers began and
//! ended.
//!
//! Longer than other files: one record is read once, and every sum is made on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_simulator::baseline;
use fairhaul_simulator::fluid_reference::{FluidGrant, Ideal};
use fairhaul_simulator::record::{
    FlowName, PairRecord, PeerRecord, Record, TransferRecord, WindowRecord,
};
use fairhaul_simulator::setup::{FaultKind, Setup};

use super::item::Unit;
use super::observations::{Arrival, Observations};
use fairhaul_results::Speed;

/// What happened, in real time since the clock started.
#[derive(Debug)]
pub(super) struct Facts {
    peers: Vec<PeerFacts>,
    transfers: Vec<TransferFacts>,
    facts: Vec<(Duration, Fact)>,
    pub(super) end: Duration,
    pub(super) events: u64,
    pub(super) stopped_at_horizon: bool,
}

/// Something that the ideal has to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fact {
    /// A transfer began or went on.
    Begin(u32),
    /// A transfer ended.
    End(u32),
    /// A peer went away.
    Left(u32),
    /// The links of a peer changed, as the fault of that row says.
    Links(u32),
    /// The cap of a peer changed, as the fault of that row says.
    Cap(u32),
}

#[derive(Clone, Debug, Default)]
struct PeerFacts {
    wanted: bool,
    joined: Option<Duration>,
    here_since: Option<Duration>,
    left: Option<Duration>,
    present: Duration,
    completed: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct TransferFacts {
    start: Option<Duration>,
    first_byte: Option<Duration>,
    end: Option<Duration>,
}

impl Facts {
    pub(super) fn new(setup: &Setup) -> Self {
        let wanted = |row: u32| {
            let mut contents = setup.contents.iter();
            contents.any(|content| content.leechers.contains(&row))
        };
        let peers = (0..).zip(&setup.peers).map(|(row, _)| PeerFacts {
            wanted: wanted(row),
            ..PeerFacts::default()
        });
        Self {
            peers: peers.collect(),
            transfers: vec![TransferFacts::default(); setup.transfers.len()],
            facts: Vec::new(),
            end: Duration::ZERO,
            events: 0,
            stopped_at_horizon: false,
        }
    }

    pub(super) fn fact(&mut self, at: Duration, fact: Fact) {
        self.facts.push((at, fact));
    }

    pub(super) fn joined(&mut self, peer: u32, at: Duration) {
        let row = &mut self.peers[peer as usize];
        row.joined = row.joined.or(Some(at));
        row.here_since = Some(at);
        row.left = None;
    }

    pub(super) fn left(&mut self, peer: u32, at: Duration) {
        let row = &mut self.peers[peer as usize];
        row.left = Some(at);
        if let Some(since) = row.here_since.take() {
            row.present += at.saturating_sub(since);
        }
        self.fact(at, Fact::Left(peer));
    }

    pub(super) fn completed(&mut self, peer: u32, at: Duration) {
        self.peers[peer as usize].completed = Some(at);
    }

    pub(super) fn started(&mut self, row: u32, at: Duration) {
        let transfer = &mut self.transfers[row as usize];
        transfer.start = transfer.start.or(Some(at));
        self.fact(at, Fact::Begin(row));
    }

    pub(super) fn ended(&mut self, row: u32, first_byte: Duration, at: Duration) {
        let transfer = &mut self.transfers[row as usize];
        transfer.first_byte = transfer.first_byte.or(Some(first_byte));
        transfer.end = Some(at);
        self.fact(at, Fact::End(row));
    }

    /// When the last of everything that ended did.
    pub(super) fn last_end(&self) -> Option<Duration> {
        let transfers = self.transfers.iter().filter_map(|row| row.end);
        let peers = self
            .peers
            .iter()
            .flat_map(|row| [row.completed, row.left])
            .flatten();
        transfers.chain(peers).max()
    }
}

/// The record of a run that was played `speed` times as fast as `setup` says.
pub(super) fn record(
    setup: &Setup,
    speed: Speed,
    facts: &Facts,
    observations: &Observations,
) -> Record {
    let clock = Clock(speed);
    let end = clock.time(facts.end);
    let mut peers = peers(clock, facts, observations);
    exchanges(facts, observations, &mut peers);
    let mut transfers = transfers(setup, clock, facts, observations);
    let (entitlements, windows) = ideal(setup, clock, facts, observations, &transfers, &peers, end);
    for (row, entitlement) in transfers.iter_mut().zip(entitlements) {
        row.entitlement = entitlement.unwrap_or(row.received);
    }
    let contents = setup.contents.iter();
    let contents = contents.map(|content| baseline::content(setup, content, &peers));
    let mut record = Record {
        digest: [0; 32],
        end,
        events: facts.events,
        steps: 0,
        stopped_at_horizon: facts.stopped_at_horizon,
        contents: contents.collect(),
        deliveries: Vec::new(),
        pairs: pairs(observations),
        peers,
        transfers,
        windows,
    };
    record.digest = digest(&record);
    record
}

/// Real to scenario time.
#[derive(Clone, Copy)]
struct Clock(Speed);

impl Clock {
    fn time(self, at: Duration) -> Time {
        Time::ZERO + self.span(at)
    }

    fn span(self, span: Duration) -> Span {
        self.0.told(span)
    }
}

fn peers(clock: Clock, facts: &Facts, observations: &Observations) -> Vec<PeerRecord> {
    let row = |(row, peer): (u32, &PeerFacts)| {
        let here = peer.here_since;
        let here = here.map_or(Duration::ZERO, |since| facts.end.saturating_sub(since));
        PeerRecord {
            joined: peer.joined.map(|at| clock.time(at)),
            left: peer.left.map(|at| clock.time(at)),
            completed: peer.completed.map(|at| clock.time(at)),
            wanted: peer.wanted,
            wasted: ByteCount::new(observations.wasted(row)),
            present: clock.span(peer.present + here),
            ..PeerRecord::default()
        }
    };
    (0..).zip(&facts.peers).map(row).collect()
}

/// What peers sent and received, by whether they wanted something then.
fn exchanges(facts: &Facts, observations: &Observations, peers: &mut [PeerRecord]) {
    let mut exchanged = vec![(0_u64, 0_u64); peers.len()];
    for arrival in in_order(observations) {
        let (from, to) = (arrival.sender as usize, arrival.receiver as usize);
        let given = given(&facts.peers[from], &arrival);
        peers[from].up_as_leecher += ByteCount::new(given);
        peers[to].down_from_leechers += ByteCount::new(given);
        peers[from].up_as_seed += ByteCount::new(arrival.stored - given);
        peers[to].down_from_seeds += ByteCount::new(arrival.stored - given);
        if given > 0 && matches!(arrival.unit, Unit::Content(_)) {
            exchanged[from].0 += given;
            exchanged[to].1 += given;
            for row in [from, to] {
                let (sent, received) = exchanged[row];
                let error = ByteCount::new(sent.saturating_sub(received));
                peers[row].worst_service_error = peers[row].worst_service_error.max(error);
            }
        }
    }
}

/// Bytes of an arrival that left while their sender still wanted something: those of the time
/// between two looks are taken to have come evenly.
fn given(sender: &PeerFacts, arrival: &Arrival) -> u64 {
    if !sender.wanted {
        return 0;
    }
    let whole = arrival.at.saturating_sub(arrival.since);
    let wanted = sender.completed.map_or(whole, |completed| {
        completed.saturating_sub(arrival.since).min(whole)
    });
    if whole.is_zero() {
        let over = sender
            .completed
            .is_some_and(|completed| completed < arrival.at);
        return if over { 0 } else { arrival.stored };
    }
    let part = u128::from(arrival.stored) * wanted.as_nanos() / whole.as_nanos();
    u64::try_from(part).expect("at most all")
}

fn in_order(observations: &Observations) -> Vec<Arrival> {
    let mut arrivals = observations.arrivals.clone();
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

fn pairs(observations: &Observations) -> Vec<PairRecord> {
    let mut sums: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for arrival in &observations.arrivals {
        *sums.entry((arrival.sender, arrival.receiver)).or_default() += arrival.stored;
    }
    let rows = sums.into_iter().filter(|(_, bytes)| *bytes > 0);
    rows.map(|((sender, receiver), bytes)| PairRecord {
        sender,
        receiver,
        bytes: ByteCount::new(bytes),
    })
    .collect()
}

fn transfers(
    setup: &Setup,
    clock: Clock,
    facts: &Facts,
    observations: &Observations,
) -> Vec<TransferRecord> {
    let mut received: BTreeMap<u32, (u64, Option<Duration>)> = BTreeMap::new();
    for arrival in in_order(observations) {
        if let Unit::Transfer(row) = arrival.unit {
            let (bytes, first) = received.entry(row).or_default();
            *bytes += arrival.stored;
            first.get_or_insert(arrival.at);
        }
    }
    let rows = (0..).zip(setup.transfers.iter().zip(&facts.transfers));
    rows.map(|(row, (transfer, facts))| {
        let (bytes, seen) = received.remove(&row).unwrap_or_default();
        let bytes = ByteCount::new(bytes).min(transfer.bytes);
        TransferRecord {
            start: facts.start.map(|at| clock.time(at)),
            first_byte: facts.first_byte.or(seen).map(|at| clock.time(at)),
            end: facts.end.map(|at| clock.time(at)),
            alone: None,
            received: if facts.end.is_some() {
                transfer.bytes
            } else {
                bytes
            },
            entitlement: ByteCount::ZERO,
        }
    })
    .collect()
}

/// What happens to the ideal, in the order of time; at one instant windows end last.
#[derive(Clone, Copy)]
enum Moment {
    Fact(Fact),
    Window { length: usize, start: Time },
}

type Shares = (Vec<Option<ByteCount>>, Vec<WindowRecord>);

fn ideal(
    setup: &Setup,
    clock: Clock,
    facts: &Facts,
    observations: &Observations,
    transfers: &[TransferRecord],
    peers: &[PeerRecord],
    end: Time,
) -> Shares {
    let mut moments: Vec<(Time, Moment)> = Vec::new();
    for (at, fact) in &facts.facts {
        moments.push((clock.time(*at).min(end), Moment::Fact(*fact)));
    }
    for (length, window) in setup.windows.iter().enumerate() {
        let mut start = Time::ZERO;
        while *window > Span::ZERO && start + *window <= end {
            moments.push((start + *window, Moment::Window { length, start }));
            start = start + *window;
        }
    }
    moments.sort_by_key(|(at, moment)| (*at, matches!(moment, Moment::Window { .. })));
    let counted = Counted::new(setup, clock, observations);
    let mut ideal = Ideal::new(setup);
    let mut windows = Vec::new();
    for (at, moment) in moments {
        match moment {
            Moment::Fact(fact) => tell(setup, &mut ideal, &counted, fact, at),
            Moment::Window { length, start } => {
                let grants = ideal.take_window(length, at);
                let bytes = counted.window(length, start);
                let leechers = baseline::leechers_since(setup, peers, start, at);
                windows.extend(rows(setup.windows[length], start, grants, leechers, bytes));
            }
        }
    }
    let rows = (0..).zip(transfers);
    let grants = rows.map(|(row, _)| ideal.grant(row, end).entitlement);
    (grants.collect(), windows)
}

fn tell(setup: &Setup, ideal: &mut Ideal, counted: &Counted, fact: Fact, at: Time) {
    match fact {
        Fact::Begin(row) => {
            let transfer = &setup.transfers[row as usize];
            let region = |peer: u32| setup.peers[peer as usize].region;
            let (from, to) = (region(transfer.destination), region(transfer.source));
            let asked = at + setup.latency.between(from, to);
            let missing = transfer.bytes.saturating_sub(counted.received(row, at));
            ideal.begin(row, missing, asked);
        }
        Fact::End(row) => ideal.end(row, at),
        Fact::Left(peer) => {
            let cap = setup.peers[peer as usize].upload_cap;
            ideal.peer_left(peer, cap, at);
        }
        Fact::Links(row) | Fact::Cap(row) => match setup.faults[row as usize].kind {
            FaultKind::Capacity { peer, up, down } => ideal.set_links(peer, up, down, at),
            FaultKind::UploadCap { peer, rate } => ideal.set_upload_cap(peer, rate, at),
            // Refused, or no change of the ideal.
            FaultKind::Crash { .. }
            | FaultKind::Restart { .. }
            | FaultKind::SharedCapacity { .. }
            | FaultKind::Abort { .. } => {}
        },
    }
}

/// The rows of one window.
fn rows(
    window: Span,
    start: Time,
    grants: Vec<(u32, FluidGrant)>,
    leechers: Vec<(u32, ByteCount, Span)>,
    mut bytes: BTreeMap<FlowName, ByteCount>,
) -> Vec<WindowRecord> {
    let mut rows = BTreeMap::new();
    for (transfer, grant) in grants {
        let flow = FlowName::Transfer(transfer);
        let got = bytes.remove(&flow).unwrap_or(ByteCount::ZERO);
        rows.insert(
            flow,
            (got, grant.entitlement.unwrap_or(got), grant.backlogged),
        );
    }
    for (peer, entitlement, backlogged) in leechers {
        let flow = FlowName::Peer(peer);
        let got = bytes.remove(&flow).unwrap_or(ByteCount::ZERO);
        rows.insert(flow, (got, entitlement, backlogged));
    }
    for (flow, got) in bytes {
        rows.insert(flow, (got, ByteCount::ZERO, Span::ZERO));
    }
    let row = |(flow, (bytes, entitlement, backlogged))| WindowRecord {
        window,
        start,
        flow,
        bytes,
        entitlement,
        backlogged,
    };
    rows.into_iter().map(row).collect()
}

/// Bytes by window and flow, and by transfer and time.
struct Counted {
    windows: Vec<BTreeMap<Time, BTreeMap<FlowName, ByteCount>>>,
    stored: BTreeMap<u32, Vec<(Time, u64)>>,
}

impl Counted {
    fn new(setup: &Setup, clock: Clock, observations: &Observations) -> Self {
        let mut windows = vec![BTreeMap::<_, BTreeMap<_, ByteCount>>::new(); setup.windows.len()];
        let mut stored: BTreeMap<u32, Vec<(Time, u64)>> = BTreeMap::new();
        for arrival in in_order(observations) {
            let at = clock.time(arrival.at);
            let flow = match arrival.unit {
                Unit::Transfer(row) => {
                    stored.entry(row).or_default().push((at, arrival.stored));
                    FlowName::Transfer(row)
                }
                Unit::Content(_) => FlowName::Peer(arrival.receiver),
            };
            for (window, sums) in setup.windows.iter().zip(&mut windows) {
                let length = window.as_nanos().max(1);
                // What was looked at the end of a window came in it.
                let number = at.as_nanos().saturating_sub(1) / length;
                let start = Time::from_nanos(number * length);
                let sum = sums.entry(start).or_default().entry(flow).or_default();
                *sum += ByteCount::new(arrival.bytes);
            }
        }
        Self { windows, stored }
    }

    fn window(&self, length: usize, start: Time) -> BTreeMap<FlowName, ByteCount> {
        self.windows[length]
            .get(&start)
            .cloned()
            .unwrap_or_default()
    }

    fn received(&self, row: u32, until: Time) -> ByteCount {
        let stored = self.stored.get(&row).into_iter().flatten();
        let before = stored.filter(|(at, _)| *at <= until);
        before.map(|(_, bytes)| ByteCount::new(*bytes)).sum()
    }
}

/// BLAKE3 of the rows of a record, as they are shown.
fn digest(record: &Record) -> [u8; 32] {
    let Record {
        peers,
        transfers,
        windows,
        pairs,
        contents,
        ..
    } = record;
    let text = format!("{peers:?}{transfers:?}{windows:?}{pairs:?}{contents:?}");
    *blake3::hash(text.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 bytes between seconds 10 and 15, of a sender that wants nothing from 14 on.
    #[test]
    fn what_a_peer_sends_after_its_end_is_sent_as_a_seed() {
        let second = Duration::from_secs;
        let arrival = Arrival {
            since: second(10),
            at: second(15),
            receiver: 1,
            sender: 0,
            unit: Unit::Content(0),
            bytes: 1_000,
            stored: 1_000,
        };
        let sender = |completed| PeerFacts {
            wanted: true,
            completed,
            ..PeerFacts::default()
        };
        for (completed, want) in [
            (None, 1_000),
            (Some(14), 800),
            (Some(9), 0),
            (Some(20), 1_000),
        ] {
            assert_eq!(
                given(&sender(completed.map(second)), &arrival),
                want,
                "{completed:?}"
            );
        }
        assert_eq!(given(&PeerFacts::default(), &arrival), 0, "a seed");
        let at_once = Arrival {
            since: second(15),
            ..arrival
        };
        assert_eq!(given(&sender(Some(second(15))), &at_once), 1_000);
        assert_eq!(given(&sender(Some(second(14))), &at_once), 0);
    }
}
