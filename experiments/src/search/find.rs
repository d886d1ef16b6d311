//! A find: shrunk to what its gain needs, written as a scenario, and measured with it.

use std::fs;
use std::io;
use std::path::Path;

use fairhaul_config::tree::{self, Data, Item, TomlTable};

use super::bench::{SearchBench, Stop};
use super::climb::FULL;
use super::gain::{differences, gains, least, mean, ratio_of};
use super::space::SpacePoint;
use super::{SearchError, SearchFind, SearchJob};
use crate::output::{OutputError, ResultDir};
use crate::report::digits::significant;
use crate::scenario::{COMPLIANT, Scenario};
use crate::stats::estimate;

/// Pairs of runs that measure a find.
const PAIRS: u32 = 16;

/// Runs that they cost.
pub(super) const COST: u32 = 2 * PAIRS;

/// A simpler behaviour may gain less by this part.
const GIVEN_UP: f64 = 0.05;

/// Lines of the scenario of a find at most.
const LINES_MAX: usize = 20;

/// Shrinks, writes and measures finds.
pub(super) struct Finder<'a> {
    job: &'a SearchJob,
    dir: &'a ResultDir,
    /// Seed of the scenario that is searched.
    rng_seed: u64,
    finds: Vec<SearchFind>,
    taken: Vec<SpacePoint>,
}

impl<'a> Finder<'a> {
    pub(super) const fn new(job: &'a SearchJob, dir: &'a ResultDir, rng_seed: u64) -> Self {
        Self {
            job,
            dir,
            rng_seed,
            finds: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// What was found until now.
    pub(super) fn taken(&self) -> &[SpacePoint] {
        &self.taken
    }

    /// The finds, confirmed ones first, each with the greatest gain first.
    pub(super) fn ranked(mut self) -> Vec<SearchFind> {
        let gain = |find: &SearchFind| find.gain.map_or(0.0, |gain| gain.value);
        self.finds.sort_by(|one, other| {
            let confirmed = other.confirmed.cmp(&one.confirmed);
            confirmed.then_with(|| gain(other).total_cmp(&gain(one)))
        });
        self.finds
    }

    /// Keeps the smallest behaviour that gains like `point`.
    pub(super) fn keep(
        &mut self,
        bench: &mut SearchBench<'_>,
        point: &SpacePoint,
    ) -> Result<(), Stop> {
        bench.reserve = COST;
        let small = shrink(bench, point)?;
        bench.reserve = 0;
        self.taken.push(small.clone());
        let name = format!("find-{}", self.taken.len());
        let file = format!("{name}.toml");
        let text = self.scenario(bench, &small, &name);
        let path = self.dir.path().join(&file);
        self.carry(bench)?;
        let scenario = Scenario::read(&path, &text)?;
        let [comply, deviate] = bench.pairs(&scenario, PAIRS)?;
        // As the claim of the scenario has it: of pairs in which both are done.
        let ends: Vec<_> = deviate.iter().copied().filter(Option::is_some).collect();
        let unfinished = deviate.len() - ends.len();
        let done = comply.iter().zip(&deviate).filter(|(_, own)| own.is_some());
        let ratios: Vec<f64> = done
            .filter_map(|(comply, own)| ratio_of(*comply, *own))
            .collect();
        let find = SearchFind {
            settings: bench.space.shown(&small),
            columns: bench.space.columns(&small),
            gain: estimate(&ratios),
            confirmed: unfinished == 0 && least(&gains(&comply, &deviate)) > 1.0,
            unfinished,
            file,
        };
        let head = self.head(bench, &find);
        let written = self.dir.write_file(&find.file, (head + &text).as_bytes());
        written.map_err(|error| Stop::Failed(error.into()))?;
        bench.bar.set_message(said(&find));
        self.finds.push(find);
        Ok(())
    }

    /// The comment that a find begins with.
    fn head(&self, bench: &SearchBench<'_>, find: &SearchFind) -> String {
        format!(
            "# Under {} {} with {} is done {} times as soon as if it complied.\n",
            self.job.policy,
            bench.base.class,
            find.settings,
            shown(find)
        )
    }

    /// Files with data lie beside the finds, so that each find is whole wherever the folder goes.
    fn carry(&self, bench: &SearchBench<'_>) -> Result<(), Stop> {
        for (name, file) in bench.base.variant().data_files() {
            let to = self.dir.path().join(carried(&name));
            let copied = fs::copy(&file, &to).map(drop);
            copied.map_err(|error| Stop::Failed(OutputError::io(&to)(error).into()))?;
        }
        Ok(())
    }

    /// The scenario of a find: the deviant complies in one row and deviates in the other.
    fn scenario(&self, bench: &SearchBench<'_>, point: &SpacePoint, name: &str) -> String {
        let base = bench.base;
        let mut root = base.variant().root().clone();
        let behaviour = tree::value(&bench.space.behaviour(point));
        let (key, class) = (tree::key(&base.key()), &base.class);
        // Another seed than that of the search: what was chosen among many by the luck of some
        // runs gains less in others.
        let seed = self.rng_seed.wrapping_add(1);
        let more = format!(
            "[sweep]\n\
             strategy = [{{ name = \"comply\", {key} = \"{COMPLIANT}\" }}, \
             {{ name = \"deviate\", {key} = {behaviour} }}]\n\
             [published]\nid = \"{name}\"\nsource = {source}\nread = \"nothing\"\n\
             assumed = \"what stands in the scenario\"\n\
             [[claim]]\nname = \"gain\"\n\
             says = \"who deviates is done sooner: T(comply) / T(deviate)\"\n\
             metric = \"peer_completion_mean_s.{class}\"\n\
             cells = {{ strategy = \"comply\" }}\nover = {{ strategy = \"deviate\" }}\n\
             at-least = 1.0\n\
             [replication]\nseed = {seed}\ncount = {PAIRS}\nbaseline = \"comply\"\n",
            // Not the command: threads and folders in it are not what the find is of.
            source = tree::value(&Data::Text(format!(
                "fairlab search --policy {}",
                self.job.policy
            ))),
        );
        let more = tree::parse(name, &more).expect("what is written here is TOML");
        for entry in more.entries {
            root.set(&entry.key, entry.item);
        }
        if let Some(Data::Table(head)) = root.get_mut("scenario") {
            let (data, line) = (Data::Text(name.to_owned()), 1);
            head.set("name", Item { data, line });
            head.entries.retain(|entry| entry.key != "about");
        }
        let files = base.variant().data_files();
        for entry in &mut root.entries {
            rename(&mut entry.item.data, &files);
        }
        text(&root)
    }
}

/// What a file with data is called beside the finds.
pub(super) fn carried(name: &str) -> String {
    format!("data-{}", name.replace("../", "").replace(['/', '\\'], "-"))
}

/// Names the files as they are called beside the finds.
fn rename(data: &mut Data, files: &[(String, std::path::PathBuf)]) {
    match data {
        Data::Text(text) if files.iter().any(|(name, _)| name == text) => *text = carried(text),
        Data::List(items) => items
            .iter_mut()
            .for_each(|item| rename(&mut item.data, files)),
        Data::Table(table) => {
            let entries = table.entries.iter_mut();
            entries.for_each(|entry| rename(&mut entry.item.data, files));
        }
        _ => {}
    }
}

/// A scenario in few lines: a section a line, and a line for each table of a section with several
/// as long as there is room.
fn text(root: &TomlTable) -> String {
    let wide = write(root, true);
    // One more is the comment.
    if wide.lines().count() < LINES_MAX {
        return wide;
    }
    write(root, false)
}

fn write(root: &TomlTable, a_line_each: bool) -> String {
    let sections = root.entries.iter().map(|entry| {
        let key = tree::key(&entry.key);
        match &entry.item.data {
            Data::List(rows) if a_line_each && rows.len() > 1 => {
                let rows = rows.iter().map(|row| tree::value(&row.data));
                let rows: Vec<String> = rows.collect();
                format!("{key} = [\n  {},\n]\n", rows.join(",\n  "))
            }
            other => format!("{key} = {}\n", tree::value(other)),
        }
    });
    sections.collect()
}

/// The behaviour without what its gain does not need: settings go first, then values become
/// plainer. What is left is compared with `point` itself each time, so that little losses do not
/// add up.
fn shrink(bench: &mut SearchBench<'_>, point: &SpacePoint) -> Result<SpacePoint, Stop> {
    let mut small = point.clone();
    loop {
        let mut simpler = simpler(&small).into_iter();
        let next = loop {
            let Some(candidate) = simpler.next() else {
                return Ok(small);
            };
            if !bench.is_allowed(&candidate) {
                continue;
            }
            match bench.measure(std::slice::from_ref(&candidate), FULL) {
                Ok(()) if gains_like(bench, &candidate, point) => break candidate,
                Ok(()) => {}
                // The budget is at its end: as small as it is now.
                Err(Stop::Budget) => return Ok(small),
                Err(stop) => return Err(stop),
            }
        };
        small = next;
    }
}

/// Simpler behaviours, the simplest first: one setting less, then one value that departs less.
fn simpler(point: &SpacePoint) -> Vec<SpacePoint> {
    let departures = point.departures();
    let less = departures.iter().map(|(at, _)| point.with(*at, 0));
    let plainer = departures.iter().flat_map(|(at, own)| {
        let values = 1..*own;
        values.map(|value| point.with(*at, value))
    });
    less.chain(plainer).collect()
}

/// Whether a behaviour surely gains, and about as much as another: the interval of the difference
/// has zero in it, or the mean is within a part that is given up.
fn gains_like(bench: &SearchBench<'_>, small: &SpacePoint, large: &SpacePoint) -> bool {
    let (own, all) = (bench.gains(small, FULL), bench.gains(large, FULL));
    let is_near = mean(&own) >= (1.0 - GIVEN_UP) * mean(&all);
    let is_same = least(&differences(&all, &own)) <= 0.0;
    least(&own) > 1.0 && (is_near || is_same)
}

/// The gain for a reader: the mean, and the interval if there is one.
pub(super) fn shown(find: &SearchFind) -> String {
    let Some(gain) = find.gain else {
        return "an unknown number of".to_owned();
    };
    let interval = gain.interval.map_or_else(String::new, |(low, high)| {
        format!(" [{}, {}]", significant(low), significant(high))
    });
    format!("{}{interval}", significant(gain.value))
}

fn said(find: &SearchFind) -> String {
    format!("{}: {}", shown(find), find.settings)
}

/// Removes the finds of an earlier search from a directory.
pub(super) fn forget(dir: &Path) -> Result<(), SearchError> {
    let failed = |error: io::Error| OutputError::io(dir)(error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("find-") && name.ends_with(".toml") {
            fs::remove_file(&path).map_err(OutputError::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(peers: usize) -> TomlTable {
        let mut text = "[scenario]\nname = \"long\"\n[policy]\nslots = 4\n\
                        [policy.other]\nslots = 5\n[group.gold]\nweight = 3\n"
            .to_owned();
        for peer in 0..peers {
            text += &format!("[[peer]]\nname = \"p{peer}\"\nup = \"1 MB/s\"\n");
        }
        tree::parse("long", &text).unwrap()
    }

    /// A line for each table as long as there is room, then a line for each section; the same tree
    /// either way.
    #[test]
    fn a_scenario_of_any_length_fits_into_twenty_lines() {
        for peers in 1..40 {
            let root = sections(peers);
            let text = text(&root);
            // One more is the comment.
            assert!(text.lines().count() < LINES_MAX, "{text}");
            let again = tree::parse("again", &text).unwrap();
            assert_eq!(tree::write(&again, "sweep"), tree::write(&root, "sweep"));
            assert_eq!(
                text.contains("\n  { name = \"p0\""),
                (2..=14).contains(&peers),
                "{peers}"
            );
        }
    }

    #[test]
    fn files_with_data_are_named_as_they_lie_beside_a_find() {
        let files = [("../data/near.csv".to_owned(), std::path::PathBuf::new())];
        let text = "[scenario]\nlatency = \"../data/near.csv\"\nname = \"near\"\n";
        let mut root = tree::parse("s", text).unwrap();
        for entry in &mut root.entries {
            rename(&mut entry.item.data, &files);
        }
        let said = write(&root, true);
        let want = "scenario = { latency = \"data-data-near.csv\", name = \"near\" }\n";
        assert_eq!(said, want);
    }

    #[test]
    fn the_simplest_behaviours_come_first() {
        let space = super::super::SearchSpace::of(&[]);
        let point = space.compliant().with(1, 3).with(4, 2);
        let expected = [
            space.compliant().with(4, 2),
            space.compliant().with(1, 3),
            space.compliant().with(1, 1).with(4, 2),
            space.compliant().with(1, 2).with(4, 2),
            space.compliant().with(1, 3).with(4, 1),
        ];
        assert_eq!(simpler(&point), expected);
    }
}
