//! Files of oracles: what is measured, and which number is right.
//!
//! Decides which keys each kind of measurement has; refuses the rest in one line with its
//! place, as scenario files do.
//!
//! Longer than other files: it is one list, with the keys of every kind of measurement.

use std::collections::BTreeMap;
use std::path::Path;

use fairhaul_core::units::{ByteCount, Rate};

use super::draws::{self, Draws};
use super::server::{CONTROLS, Server, Sizes};
use super::swarm::{Arrivals, Crowd, FlashCrowd, Least, Rules};
use super::trade::{Fluid, Read, Trade, Traders};
use super::{Oracle, Reading, Relation, Suite, Work, schedule::Shares};
use crate::inputs::{self, Inputs};
use crate::scenario::BadFile;
use crate::scenario::names::PolicyList;
use crate::scenario::quantity::Quantity;
use crate::scenario::reader::{At, Context, Row};
use crate::scenario::tree::{self, Table};

/// Keys of every row.
const COMMON: [&str; 8] = [
    "id",
    "what",
    "about",
    "unit",
    "expected",
    "relation",
    "tolerance",
    "kind",
];

/// Most numbers of a list.
const LIST_MAX: usize = 64;

/// What to measure and how to read it, from a row and the seed of the file.
type Measured = Result<(Work, Reading), BadFile>;

/// What a kind of measurement is called, which keys it has, and how it is read.
struct Kind {
    name: &'static str,
    keys: &'static [&'static [&'static str]],
    read: fn(&Row<'_>, u64) -> Measured,
}

/// Keys of a queue.
const SERVER: &[&str] = &[
    "discipline",
    "load",
    "sizes",
    "jobs",
    "margin",
    "blocks",
    "replications",
];

/// Keys of a flash crowd.
const CROWD: &[&str] = &["seed-up", "classes", "bytes", "chunk"];

/// Keys of what the nodes of a swarm do.
const RULES: &[&str] = &[
    "discipline",
    "picker",
    "unchoke",
    "seed-rule",
    "slots",
    "pipeline",
    "block",
];

/// Keys of peers that trade.
const TRADE: &[&str] = &["classes", "rounds", "read", "replications"];

const KINDS: &[Kind] = &[
    Kind {
        name: "golden-order",
        keys: &[&["discipline"]],
        read: |row, _| Ok((Work::Order(discipline(row)?), Reading::All)),
    },
    Kind {
        name: "spread",
        keys: &[&["discipline", "quantum"]],
        read: |row, _| Ok((Work::Spread(discipline(row)?, quantum(row)?), Reading::All)),
    },
    Kind {
        name: "spread-of-bound",
        keys: &[&["discipline", "quantum"]],
        read: |row, _| {
            let work = Work::SpreadOfBound(discipline(row)?, quantum(row)?);
            Ok((work, Reading::All))
        },
    },
    Kind {
        name: "max-delay",
        keys: &[&["discipline", "weight"]],
        read: |row, _| {
            let weight = count(row, "weight", 1, 1_000)?;
            Ok((Work::Delay(discipline(row)?, weight), Reading::All))
        },
    },
    Kind {
        name: "mclock-clamp",
        keys: &[],
        read: |_, _| Ok((Work::Clamp, Reading::All)),
    },
    Kind {
        name: "node-shares",
        keys: &[&["discipline", "floors", "weights", "caps"]],
        read: node_shares,
    },
    Kind {
        name: "mean-response",
        keys: &[SERVER],
        read: |row, seed| server(row, seed, 0),
    },
    Kind {
        name: "mean-slowdown",
        keys: &[SERVER],
        read: |row, seed| server(row, seed, 1),
    },
    Kind {
        name: "draws",
        keys: &[&["of", "statistic", "load", "sizes", "jobs", "replications"]],
        read: draws_of_queue,
    },
    Kind {
        name: "kumar-ross",
        keys: &[CROWD],
        read: |row, _| Ok((Work::KumarRoss(crowd(row)?), Reading::All)),
    },
    Kind {
        name: "mundinger",
        keys: &[&["peers", "chunks"]],
        read: |row, _| {
            let peers = count(row, "peers", 1, 1_000_000)?;
            let chunks = count(row, "chunks", 1, 1_000_000)?;
            Ok((Work::Mundinger(peers, chunks), Reading::All))
        },
    },
    Kind {
        name: "flash-crowd",
        keys: &[CROWD, RULES, &["least", "replications"]],
        read: flash_crowd,
    },
    Kind {
        name: "growth",
        keys: &[
            RULES,
            &["load", "chunks", "peer-up", "length", "replications"],
        ],
        read: growth,
    },
    Kind {
        name: "trade-fluid",
        keys: &[TRADE, &["regular", "drawn", "memory", "phase"]],
        read: |row, seed| {
            let fluid = Fluid {
                regular: count(row, "regular", 1, 1_000)?,
                drawn: count(row, "drawn", 1, 1_000)?,
                memory: count(row, "memory", 1, 1_000)?,
                together: row.need("phase")?.choice(&["together", "apart"])? == "together",
            };
            trade(row, seed, Traders::Fluid(fluid))
        },
    },
    Kind {
        name: "trade-nodes",
        keys: &[TRADE, RULES, &["chunk"]],
        read: |row, seed| {
            let (rules, chunk) = (rules(row)?, size(row, "chunk")?);
            trade(row, seed, Traders::Nodes { rules, chunk })
        },
    },
    Kind {
        name: "index",
        keys: &[&["index", "values"]],
        read: |row, _| {
            let index = row.need("index")?.choice(&super::index::NAMES)?.to_owned();
            let values = reals(&row.need("values")?, 0.0, 1e12)?;
            Ok((Work::Index(index, values), Reading::All))
        },
    },
];

/// Whether the file at `path` is one of oracles, not a scenario: it has `[[oracle]]` tables.
/// A file that cannot be read or is not TOML is not.
#[must_use]
pub fn is_oracle_file(path: &Path) -> bool {
    let text = inputs::read_text(path);
    let table = text.and_then(|text| tree::parse(&path.display().to_string(), &text));
    table.is_ok_and(|table| table.get("oracle").is_some())
}

/// Reads the oracles of a file.
///
/// # Errors
///
/// The first fault, with its place. Nothing is run.
pub fn load(path: &Path) -> Result<Suite, BadFile> {
    let text = inputs::read_text(path)?;
    let file = path.display().to_string();
    let table = tree::parse(&file, &text)?;
    let cx = Context {
        file,
        inputs: Inputs::beside(path),
    };
    suite(&cx, &table)
}

fn suite(cx: &Context, table: &Table) -> Result<Suite, BadFile> {
    let top = Row {
        cx,
        path: String::new(),
        line: 1,
        table,
    };
    top.only(&["suite", "oracle"])?;
    let head = top.need("suite")?.row("[suite]")?;
    head.only(&["name", "about", "seed"])?;
    let seed = head.need("seed")?.count(0, u64::MAX)?;
    let about = head.need("about")?.prose()?.to_owned();
    let name = head.need("name")?.name()?.to_owned();
    let mut lines = BTreeMap::new();
    let mut oracles = Vec::new();
    for at in top.need("oracle")?.list("[[oracle]] tables")? {
        let row = at.row("an [[oracle]] table")?;
        let id = row.need("id")?;
        if let Some(line) = lines.insert(id.name()?, id.line) {
            let what = format!("is the id of two, the first on line {line}");
            return Err(id.bad(what, "an id of its own for each"));
        }
        oracles.push(oracle(&row, seed)?);
    }
    Ok(Suite {
        name,
        about,
        oracles,
    })
}

fn oracle(row: &Row<'_>, seed: u64) -> Result<Oracle, BadFile> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let name = row.need("kind")?.choice(&names)?;
    let kind = KINDS.iter().find(|kind| kind.name == name);
    let kind = kind.expect("choice() passed");
    row.only(&[&COMMON, &*kind.keys.concat()].concat())?;
    let (work, reading) = (kind.read)(row, seed)?;
    let relations: Vec<&str> = Relation::ALL
        .iter()
        .map(|relation| relation.name())
        .collect();
    let relation = match row.get("relation") {
        None => Relation::Equal,
        Some(at) => {
            let name = at.choice(&relations)?;
            let place = relations.iter().position(|relation| *relation == name);
            Relation::ALL[place.expect("choice() passed")]
        }
    };
    let about = row.get("about").map(|at| at.prose()).transpose()?;
    Ok(Oracle {
        id: row.need("id")?.name()?.to_owned(),
        what: row.need("what")?.prose()?.to_owned(),
        about: about.unwrap_or_default().to_owned(),
        unit: row.need("unit")?.prose()?.to_owned(),
        expected: reals(&row.need("expected")?, -1e15, 1e15)?,
        relation,
        tolerance: row.need("tolerance")?.real(0.0, 1e15)?,
        work,
        reading,
    })
}

fn node_shares(row: &Row<'_>, _: u64) -> Result<(Work, Reading), BadFile> {
    let weights = counts(&row.need("weights")?, 1, 1_000)?;
    let lists = ["floors", "caps"].map(|key| {
        let at = row.need(key)?;
        let list = counts(&at, 0, 1_000)?;
        if list.len() == weights.len() {
            Ok(list)
        } else {
            let got = format!("{} numbers", list.len());
            Err(at.bad_got(
                "is not as long as weights",
                &got,
                "a number for each transfer",
            ))
        }
    });
    let [floors, caps] = lists;
    let shares = Shares {
        discipline: discipline(row)?,
        floors: floors?,
        weights,
        caps: caps?,
    };
    Ok((Work::Shares(shares), Reading::All))
}

fn server(row: &Row<'_>, seed: u64, metric: usize) -> Result<(Work, Reading), BadFile> {
    let sizes = sizes(&row.need("sizes")?)?;
    let jobs = count(row, "jobs", 100, 10_000_000)?;
    let margin = count(row, "margin", 0, u64::from(jobs / 3))?;
    let work = Work::Server(Server {
        discipline: discipline(row)?,
        load: row.need("load")?.real(0.001, 0.999)?,
        sizes,
        jobs,
        margin,
        blocks: count(row, "blocks", 1, 10_000)?,
        seed,
    });
    let controls = 2..2 + CONTROLS;
    let runs = count(row, "replications", 1, 10_000)?;
    Ok((
        work,
        Reading::Mean {
            runs,
            metric,
            controls,
        },
    ))
}

/// The draws of a queue, of the same streams as its runs have.
fn draws_of_queue(row: &Row<'_>, seed: u64) -> Measured {
    let of = match row.need("of")?.choice(&["gaps", "sizes"])? {
        "gaps" => draws::Of::Gaps,
        _ => draws::Of::Sizes,
    };
    let statistic = row.need("statistic")?.choice(&draws::STATISTICS)?;
    let metric = draws::STATISTICS.iter().position(|name| *name == statistic);
    let server = Server {
        discipline: "fifo".to_owned(),
        load: row.need("load")?.real(0.001, 0.999)?,
        sizes: sizes(&row.need("sizes")?)?,
        jobs: count(row, "jobs", 100, 10_000_000)?,
        margin: 0,
        blocks: 1,
        seed,
    };
    let runs = count(row, "replications", 1, 10_000)?;
    let reading = Reading::Mean {
        runs: 1,
        metric: metric.expect("choice() passed"),
        controls: 0..0,
    };
    Ok((Work::Draws(Draws { server, of, runs }), reading))
}

fn sizes(at: &At<'_>) -> Result<Sizes, BadFile> {
    let (tag, value) = at.tagged(&["exponential", "bounded-pareto"])?;
    let sizes = if tag == "exponential" {
        Sizes::Exponential(value.real(0.001, 1_000.0)?)
    } else {
        let numbers = reals(&value, 0.001, 1e6)?;
        let [alpha, low, high] = numbers[..] else {
            let got = format!("{} numbers", numbers.len());
            return Err(value.bad_got("is not a list of three", &got, "[alpha, low, high]"));
        };
        Sizes::BoundedPareto(alpha, low, high)
    };
    match sizes.check() {
        Ok(()) => Ok(sizes),
        Err(why) => Err(value.bad("is no distribution", why)),
    }
}

fn flash_crowd(row: &Row<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let least = match row.need("least")?.choice(&["kumar-ross", "mundinger"])? {
        "kumar-ross" => Least::KumarRoss,
        _ => Least::Mundinger,
    };
    let work = Work::FlashCrowd(FlashCrowd {
        crowd: crowd(row)?,
        rules: rules(row)?,
        least,
        seed,
    });
    let runs = count(row, "replications", 1, 1_000)?;
    Ok((work, Reading::Extremes { runs }))
}

fn growth(row: &Row<'_>, seed: u64) -> Result<(Work, Reading), BadFile> {
    let work = Work::Growth(Arrivals {
        load: row.need("load")?.real(0.01, 100.0)?,
        chunks: count(row, "chunks", 1, 10_000)?,
        peer_up: row.need("peer-up")?.real(0.01, 100.0)?,
        length: count(row, "length", 10, 1_000_000)?,
        rules: rules(row)?,
        seed,
    });
    let runs = count(row, "replications", 1, 1_000)?;
    let reading = Reading::Mean {
        runs,
        metric: 0,
        controls: 1..2,
    };
    Ok((work, reading))
}

fn trade(row: &Row<'_>, seed: u64, traders: Traders) -> Measured {
    let read = match row.need("read")?.choice(&["rates", "own-class"])? {
        "rates" => Read::Rates,
        _ => Read::OwnClass,
    };
    let work = Work::Trade(Trade {
        classes: classes(row)?,
        rounds: count(row, "rounds", 2, 10_000)?,
        traders,
        read,
        seed,
    });
    let runs = count(row, "replications", 1, 1_000)?;
    Ok((work, Reading::Means { runs }))
}

fn classes(row: &Row<'_>) -> Result<Vec<(u32, Rate)>, BadFile> {
    let allowed = "a list of { count = N, up = \"RATE\" }";
    let mut classes = Vec::new();
    for at in row.need("classes")?.list(allowed)? {
        let class = at.row(allowed)?;
        class.only(&["count", "up"])?;
        let up = Rate::new(class.need("up")?.amount(Quantity::Rate)?);
        classes.push((count(&class, "count", 1, 10_000)?, up));
    }
    Ok(classes)
}

fn crowd(row: &Row<'_>) -> Result<Crowd, BadFile> {
    Ok(Crowd {
        seed_up: Rate::new(row.need("seed-up")?.amount(Quantity::Rate)?),
        classes: classes(row)?,
        bytes: size(row, "bytes")?,
        chunk: size(row, "chunk")?,
    })
}

fn rules(row: &Row<'_>) -> Result<Rules, BadFile> {
    let policy = |key, list| row.need(key)?.policy(list).map(str::to_owned);
    Ok(Rules {
        discipline: discipline(row)?,
        picker: policy("picker", PolicyList::Picker)?,
        unchoke: policy("unchoke", PolicyList::Unchoke)?,
        seed_rule: policy("seed-rule", PolicyList::SeedRule)?,
        slots: count(row, "slots", 1, 1_000)?,
        pipeline: count(row, "pipeline", 1, 256)?,
        block: size(row, "block")?,
    })
}

fn discipline(row: &Row<'_>) -> Result<String, BadFile> {
    let name = row
        .need("discipline")?
        .choice(&PolicyList::Uplink.names())?;
    Ok(name.to_owned())
}

fn quantum(row: &Row<'_>) -> Result<Option<u64>, BadFile> {
    let quantum = row.get("quantum").map(|at| at.count(1, 1 << 40));
    quantum.transpose()
}

fn size(row: &Row<'_>, key: &str) -> Result<ByteCount, BadFile> {
    Ok(ByteCount::new(row.need(key)?.amount(Quantity::Size)?))
}

fn count(row: &Row<'_>, key: &str, least: u64, greatest: u64) -> Result<u32, BadFile> {
    let greatest = greatest.min(u64::from(u32::MAX));
    let count = row.need(key)?.count(least, greatest)?;
    Ok(u32::try_from(count).expect("inside a range of u32"))
}

fn members<'a>(at: &At<'a>) -> Result<Vec<At<'a>>, BadFile> {
    let allowed = format!("a number, or a list of 1 to {LIST_MAX}");
    let list = at.one_or_more(&allowed)?;
    if list.len() > LIST_MAX {
        let got = format!("{} numbers", list.len());
        return Err(at.bad_got("is too long", &got, allowed));
    }
    Ok(list)
}

fn reals(at: &At<'_>, least: f64, greatest: f64) -> Result<Vec<f64>, BadFile> {
    members(at)?
        .iter()
        .map(|at| at.real(least, greatest))
        .collect()
}

fn counts(at: &At<'_>, least: u64, greatest: u64) -> Result<Vec<u32>, BadFile> {
    let count = |at: &At<'_>| at.count(least, greatest.min(u64::from(u32::MAX)));
    members(at)?
        .iter()
        .map(|at| count(at).map(|count| u32::try_from(count).expect("inside a range of u32")))
        .collect()
}
