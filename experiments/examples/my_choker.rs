//! A choker of one's own, with all of `fairlab` around it.
//!
//! Least served: slots go to those whom this node has sent least in the last two rounds, whatever
//! they give. It evens out what a peer gets of each neighbour, and rewards nobody.
//!
//! ```text
//! cargo run --release --example my_choker -- policies
//! cargo run --release --example my_choker -- sweep experiments/examples/least-served.toml
//! cargo run --release --example my_choker -- compare out/least-served
//! ```

use std::process::ExitCode;

use fairhaul_core::choke::{self, Choker, ChokerRow, Grant, Round};
use fairhaul_core::id::PeerId;
use fairhaul_core::rng::Rng;

/// What scenario files call it.
static LEAST_SERVED: ChokerRow = ChokerRow {
    name: "least-served",
    about: "slots to those who were sent least in the last two rounds",
    rule: "Each round the slots go to the peers that were sent least in the last two rounds.",
    source: "an example",
    // It has slots, gives one that becomes free to whoever asks, and lets a chunk that was begun
    // end: a slot is no reward here.
    slots: true,
    fills: true,
    finishes: true,
    make: |_| Box::new(LeastServed),
    // It departs from nothing, and looks only at peers that want something.
    ..choke::BASE
};

#[derive(Debug)]
struct LeastServed;

impl Choker for LeastServed {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        // Equal ones in another order each round.
        let mut order: Vec<(u64, u64, PeerId)> = round
            .peers
            .iter()
            .map(|peer| (peer.sent.get(), rng.next_u64(), peer.peer))
            .collect();
        order.sort_unstable();
        // A grant may have a weight and a budget too; here a slot is a slot.
        let chosen = order.into_iter().take(round.slots);
        chosen.map(|(_, _, peer)| Grant::slot(peer)).collect()
    }
}

fn main() -> ExitCode {
    choke::CHOKERS
        .register(&LEAST_SERVED)
        .expect("no policy of fairhaul is called so");
    fairhaul_lab::cli::main()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fairhaul_lab::output::Existing;
    use fairhaul_lab::runner::{self, Job, World};
    use fairhaul_lab::scenario::Scenario;

    use super::*;

    /// The first replication of the scenario beside this file, by the lab's own runner: every peer
    /// has everything under the choker that was added.
    #[test]
    fn the_runner_knows_a_choker_that_was_added() {
        choke::CHOKERS.register(&LEAST_SERVED).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/least-served.toml");
        let scenario = Scenario::load(&file).unwrap();
        let out = tempfile::tempdir().unwrap();
        let job = Job {
            existing: Existing::Replace,
            out: out.path().join("least-served"),
            cell: Some(2),
            replications: 0..1,
            shard: None,
            jobs: Some(1),
            command: "test".into(),
            figures: false,
            file,
            world: World::Simulated,
        };
        let outcome = runner::run(&scenario, &job).unwrap();
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
        let peers = std::fs::read_to_string(job.out.join("peers.csv")).unwrap();
        let column = |name: &str| {
            let mut names = peers.lines().next().unwrap().split(',');
            names.position(|one| one == name).unwrap()
        };
        let (class, finished) = (column("class"), column("finished"));
        let rows = peers
            .lines()
            .skip(1)
            .map(|line| line.split(',').collect::<Vec<_>>());
        let leechers: Vec<_> = rows.filter(|row| row[class] != "peer").collect();
        assert_eq!(leechers.len(), 16);
        assert!(leechers.iter().all(|row| row[finished] == "1"), "{peers}");
    }
}
