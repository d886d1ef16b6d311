//! What the commands with real nodes have in common: which runs, how fast, where to.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use fairhaul_emulate::{Backend, Emulated, Interrupt, Speed};
use fairhaul_lab::cli::{self, CliFailure, OutputArgs};
use fairhaul_lab::runner::{self, Job, World};
use fairhaul_lab::scenario::Scenario;

/// Which runs of a scenario are played on real nodes.
#[derive(Debug, Args)]
pub(super) struct RealArgs {
    /// The scenario.
    pub(super) file: PathBuf,
    #[command(flatten)]
    place: OutputArgs,
    /// Only this cell of the sweep, from 0.
    #[arg(long)]
    cell: Option<u32>,
    /// Which replication, from 0.
    #[arg(long, default_value_t = 0, conflicts_with = "replications")]
    replication: u32,
    /// Replications of each cell, from 0, instead of one.
    #[arg(long)]
    replications: Option<u32>,
    /// So many times as fast, 0.01 to 1000: times divided, rates multiplied.
    #[arg(long, default_value_t)]
    speed: Speed,
    /// Print the summary as JSON instead of the picture.
    #[arg(long)]
    json: bool,
}

impl RealArgs {
    /// Plays `scenario` on `backend`; `world` is what the result is called after.
    pub(super) fn play(
        self,
        scenario: &Scenario,
        world: &str,
        backend: Backend,
        interrupt: Interrupt,
    ) -> Result<u8, CliFailure> {
        let first = self.replication;
        let existing = self.place.existing();
        let out = self.place.out;
        let job = Job {
            out: out.unwrap_or_else(|| runner::default_out(scenario, world)),
            cell: self.cell,
            replications: self.replications.map_or(first..first + 1, |count| 0..count),
            existing,
            shard: None,
            jobs: Some(1),
            command: cli::command_line(),
            figures: false,
            file: self.file,
            world: World::Real(Arc::new(Emulated {
                speed: self.speed,
                backend,
                interrupt,
            })),
        };
        cli::play(scenario, &job, self.json)
    }
}
