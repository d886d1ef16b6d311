//! Files of oracles: what is measured, and which number is right.
//!
//! A row has the keys of every oracle ([`Row`]) and those of the parts that its kind of
//! measurement has. Each part is a serde struct; other keys are refused.

use std::collections::BTreeMap;
use std::path::Path;

use fairhaul_config::document::{Document, Place};
use fairhaul_config::number::LongBounded;
use fairhaul_config::policy::Policy;
use fairhaul_config::schema::Section;
use fairhaul_config::text::{Name, Prose};
use fairhaul_config::tree;
use fairhaul_config::value::some;
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::Share;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

mod parts;

use super::draws::Draws;
use super::exchange::{Balance, Matching, Response};
use super::schedule::Shares;
use super::server::{CONTROLS, Server};
use super::swarm::{Arrivals, Crowd, FlashCrowd};
use super::trade::{Fluid, Trade, Traders};
use super::{Oracle, Reading, Suite, Work, setups};
use crate::datasets;
use crate::scenario::BadFile;
use parts::{
    BalancePart, ChunkPart, ClassesPart, CrowdPart, DelayPart, DrawsPart, FluidPart, GrowthPart,
    IndexPart, Kind, LeastPart, MatchingPart, MundingerPart, OrderPart, QueuePart, ResponsePart,
    RoundPhase, Row, RulesPart, RunsPart, ServerPart, SharesPart, SpreadPart, TradePart,
};

/// The file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    suite: Head,
    #[serde(rename = "oracle", deserialize_with = "some")]
    #[schemars(with = "Vec<serde_json::Value>", extend("allowed" = "[[oracle]] tables"))]
    oracles: Vec<IgnoredAny>,
}

/// `[suite]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Name,
    about: Prose,
    seed: LongBounded<0, { u64::MAX }>,
}

/// Whether the file at `path` is one of oracles, not a scenario: it has `[[oracle]]` tables.
/// A file that cannot be read or is not TOML is not.
#[must_use]
pub fn is_oracle_file(path: &Path) -> bool {
    let text = datasets::read_text(path);
    let root = text.and_then(|text| tree::parse(&path.display().to_string(), &text));
    root.is_ok_and(|root| root.get("oracle").is_some())
}

/// Reads the oracles of a file.
///
/// # Errors
///
/// The first fault, with its place. Nothing is run.
pub fn load(path: &Path) -> Result<Suite, BadFile> {
    let text = datasets::read_text(path)?;
    let document = Document::parse(&path.display().to_string(), &text)?;
    let File { suite, oracles } = document.read()?;
    let mut lines = BTreeMap::new();
    let mut read = Vec::new();
    for row in 0..oracles.len() {
        let at = document.place().key("oracle").row(row);
        let oracle = oracle(&at, suite.seed.get())?;
        let id = at.key("id");
        if let Some(line) = lines.insert(oracle.id.clone(), id.line()) {
            let what = format!("is the id of two, the first on line {line}");
            return Err(id.bad(what, "an id of its own for each"));
        }
        read.push(oracle);
    }
    Ok(Suite {
        name: suite.name.to_string(),
        about: suite.about.to_string(),
        oracles: read,
    })
}

/// A row that is read part by part.
struct Parts<'d> {
    at: &'d Place<'d>,
    known: Vec<&'static str>,
}

impl Parts<'_> {
    fn read<T: DeserializeOwned + JsonSchema>(&mut self) -> Result<T, BadFile> {
        self.known.extend(Section::of::<T>("").keys);
        self.at.part()
    }
}

fn oracle(at: &Place<'_>, seed: u64) -> Result<Oracle, BadFile> {
    let mut parts = Parts {
        at,
        known: Vec::new(),
    };
    let row: Row = parts.read()?;
    let (work, reading) = measured(&mut parts, row.kind, seed)?;
    at.only(&parts.known)?;
    Ok(Oracle {
        id: row.id.to_string(),
        what: row.what.to_string(),
        about: row.about.to_string(),
        unit: row.unit.to_string(),
        expected: row.expected.iter().map(|expected| expected.0).collect(),
        relation: row.relation,
        tolerance: row.tolerance.0,
        work,
        reading,
    })
}

/// What to measure and how to read it, from a row and the seed of the file.
fn measured(parts: &mut Parts<'_>, kind: Kind, seed: u64) -> Result<(Work, Reading), BadFile> {
    let work = match kind {
        Kind::GoldenOrder => {
            let OrderPart { discipline } = parts.read()?;
            Work::Order(discipline.0)
        }
        Kind::Spread => {
            let SpreadPart {
                discipline,
                quantum,
            } = parts.read()?;
            Work::Spread(discipline.0, quantum.map(|quantum| quantum.get()))
        }
        Kind::SpreadOfBound => {
            let SpreadPart {
                discipline,
                quantum,
            } = parts.read()?;
            Work::SpreadOfBound(discipline.0, quantum.map(|quantum| quantum.get()))
        }
        Kind::MaxDelay => {
            let DelayPart { discipline, weight } = parts.read()?;
            Work::Delay(discipline.0, weight.get())
        }
        Kind::MclockClamp => Work::Clamp,
        Kind::NodeShares => Work::Shares(node_shares(parts)?),
        Kind::MeanResponse => return server(parts, seed, 0),
        Kind::MeanSlowdown => return server(parts, seed, 1),
        Kind::Draws => return draws_of_queue(parts, seed),
        Kind::KumarRoss => Work::KumarRoss(crowd(parts)?),
        Kind::Mundinger => {
            let MundingerPart { peers, chunks } = parts.read()?;
            Work::Mundinger(peers.get(), chunks.get())
        }
        Kind::FlashCrowd => return flash_crowd(parts, seed),
        Kind::Growth => return growth(parts, seed),
        Kind::TradeFluid => {
            let fluid = fluid(parts)?;
            return trade(parts, seed, Traders::Fluid(fluid));
        }
        Kind::TradeNodes => {
            let (policy, ChunkPart { chunk }) = (policy(parts)?, parts.read()?);
            let chunk = chunk.0;
            return trade(parts, seed, Traders::Nodes { policy, chunk });
        }
        Kind::ProportionalResponse => {
            let ResponsePart { rounds } = parts.read()?;
            let (classes, rounds) = (classes(parts)?, rounds.get());
            Work::Response(Response { classes, rounds })
        }
        Kind::Balance => return balance(parts, seed),
        Kind::Matching => {
            let part: MatchingPart = parts.read()?;
            Work::Matching(Matching {
                choker: part.unchoke.name().to_owned(),
                peers: part.peers.get(),
                slots: part.slots.get(),
                seed,
            })
        }
        Kind::Index => {
            let IndexPart { index, values } = parts.read()?;
            Work::Index(index.0, values.iter().map(|value| value.0).collect())
        }
    };
    Ok((work, Reading::All))
}

fn balance(parts: &mut Parts<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let part: BalancePart = parts.read()?;
    let work = Work::Balance(Balance {
        discipline: part.discipline.0,
        peers: part.peers.get(),
        neighbours: part.neighbours.get(),
        rounds: part.rounds.get(),
        seed,
    });
    let runs = runs(parts)?;
    Ok((work, Reading::Extremes { runs }))
}

fn node_shares(parts: &mut Parts<'_>) -> Result<Shares, BadFile> {
    let part: SharesPart = parts.read()?;
    let count = part.weights.len();
    for (key, own) in [("floors", part.floors.len()), ("caps", part.caps.len())] {
        if own != count {
            let got = format!("{own} numbers");
            let allowed = "a number for each transfer";
            let at = parts.at.key(key);
            return Err(at.bad_got("is not as long as weights", &got, allowed));
        }
    }
    Ok(Shares {
        discipline: part.discipline.0,
        floors: part.floors.iter().map(|floor| floor.get()).collect(),
        weights: part.weights.iter().map(|weight| weight.get()).collect(),
        caps: part.caps.iter().map(|cap| cap.get()).collect(),
    })
}

fn server(parts: &mut Parts<'_>, seed: u64, metric: usize) -> Result<(Work, Reading), BadFile> {
    let (queue, part): (QueuePart, ServerPart) = (parts.read()?, parts.read()?);
    let (jobs, margin) = (queue.jobs.get(), part.margin.get());
    if margin > jobs / 3 {
        let allowed = format!("a whole number from 0 to {}", jobs / 3);
        return Err(parts.at.key("margin").bad("is out of range", allowed));
    }
    let work = Work::Server(Server {
        discipline: part.discipline.0,
        load: queue.load.0,
        sizes: queue.sizes,
        jobs,
        margin,
        blocks: part.blocks.get(),
        seed,
    });
    let reading = Reading::Mean {
        runs: queue.replications.get(),
        metric,
        controls: 2..2 + CONTROLS,
    };
    Ok((work, reading))
}

/// The draws of a queue, of the same streams as its runs have.
fn draws_of_queue(parts: &mut Parts<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let (queue, DrawsPart { of, statistic }): (QueuePart, _) = (parts.read()?, parts.read()?);
    let server = Server {
        discipline: "fifo".to_owned(),
        load: queue.load.0,
        sizes: queue.sizes,
        jobs: queue.jobs.get(),
        margin: 0,
        blocks: 1,
        seed,
    };
    let runs = queue.replications.get();
    let reading = Reading::Mean {
        runs: 1,
        metric: statistic as usize,
        controls: 0..0,
    };
    Ok((Work::Draws(Draws { server, of, runs }), reading))
}

fn flash_crowd(parts: &mut Parts<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let LeastPart { least } = parts.read()?;
    let work = Work::FlashCrowd(FlashCrowd {
        crowd: crowd(parts)?,
        policy: policy(parts)?,
        least,
        seed,
    });
    let runs = runs(parts)?;
    Ok((work, Reading::Extremes { runs }))
}

fn growth(parts: &mut Parts<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let part: GrowthPart = parts.read()?;
    let work = Work::Growth(Arrivals {
        load: part.load.0,
        chunks: part.chunks.get(),
        peer_up: part.peer_up.0,
        length: part.length.get(),
        policy: policy(parts)?,
        seed,
    });
    let reading = Reading::Mean {
        runs: runs(parts)?,
        metric: 0,
        controls: 1..2,
    };
    Ok((work, reading))
}

fn trade(parts: &mut Parts<'_>, seed: u64, traders: Traders) -> Result<(Work, Reading), BadFile> {
    let TradePart { rounds, read } = parts.read()?;
    let work = Work::Trade(Trade {
        classes: classes(parts)?,
        rounds: rounds.get(),
        traders,
        read,
        seed,
    });
    let runs = runs(parts)?;
    Ok((work, Reading::Means { runs }))
}

fn fluid(parts: &mut Parts<'_>) -> Result<Fluid, BadFile> {
    let part: FluidPart = parts.read()?;
    Ok(Fluid {
        regular: part.regular.get(),
        drawn: part.drawn.get(),
        memory: part.memory.get(),
        together: part.phase == RoundPhase::Together,
    })
}

fn runs(parts: &mut Parts<'_>) -> Result<u32, BadFile> {
    let RunsPart { replications } = parts.read()?;
    Ok(replications.get())
}

fn classes(parts: &mut Parts<'_>) -> Result<Vec<(u32, Rate)>, BadFile> {
    let ClassesPart { classes } = parts.read()?;
    let classes = classes.iter();
    Ok(classes
        .map(|class| (class.count.get(), class.up.0))
        .collect())
}

fn crowd(parts: &mut Parts<'_>) -> Result<Crowd, BadFile> {
    let part: CrowdPart = parts.read()?;
    Ok(Crowd {
        seed_up: part.seed_up.0,
        classes: classes(parts)?,
        bytes: part.bytes.0,
        chunk: part.chunk.0,
    })
}

fn policy(parts: &mut Parts<'_>) -> Result<Policy, BadFile> {
    let part: RulesPart = parts.read()?;
    Ok(Policy {
        unchoke: part.unchoke,
        seed_rule: part.seed_rule,
        picker: part.picker,
        slots: part.slots,
        pipeline: Some(part.pipeline),
        ..setups::policy(&part.discipline.0, Share::Peer, part.block.0)
    })
}
