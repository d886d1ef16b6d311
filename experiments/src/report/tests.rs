use std::fs;
use std::path::Path;

use super::*;
use crate::output::fixture::{self, MadeUp};

fn names(files: &[PathBuf], dir: &Path) -> Vec<String> {
    let relative = files.iter().map(|file| file.strip_prefix(dir).unwrap());
    relative
        .map(|file| file.to_str().unwrap().to_owned())
        .collect()
}

fn figures_of(runs: &[MadeUp]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), runs);
    let files = names(&write(dir.path()).unwrap(), dir.path());
    assert_eq!(files.last().unwrap(), "report.html");
    let svg = files.iter().filter_map(|file| file.strip_suffix(".svg"));
    svg.map(|file| file.trim_start_matches("figures/").to_owned())
        .collect()
}

#[test]
fn the_figures_follow_from_what_is_in_the_result() {
    let transfers = figures_of(&fixture::transfer_runs(2));
    assert_eq!(
        transfers,
        ["headline", "cdf_slowdown", "jain_window", "shares"]
    );
    let load = figures_of(&fixture::load_runs(2));
    assert_eq!(
        load,
        [
            "headline",
            "cdf_slowdown",
            "jain_window",
            "shares",
            "curves"
        ]
    );
    let swarm = figures_of(&fixture::swarm_runs(2));
    assert_eq!(swarm, ["headline", "cdf_completion", "classes"]);
}

#[test]
fn the_same_tables_give_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&a, &b] {
        fixture::write_result(dir.path(), &fixture::swarm_runs(2));
    }
    let files = names(&write(a.path()).unwrap(), a.path());
    write(b.path()).unwrap();
    for file in files {
        let (one, other) = (
            fs::read(a.path().join(&file)),
            fs::read(b.path().join(&file)),
        );
        assert!(one.unwrap() == other.unwrap(), "{file}");
    }
}

#[test]
fn a_name_from_a_scenario_is_never_markup() {
    let dir = tempfile::tempdir().unwrap();
    let mut runs = fixture::transfer_runs(2);
    for (params, _) in &mut runs {
        params[0].1 = format!("<script>alert({:?})</script>", params[0].1);
    }
    fixture::write_result(dir.path(), &runs);
    write(dir.path()).unwrap();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(!page.contains("src=") && !page.contains("@import"));
}

#[test]
fn the_page_shows_the_comparison_and_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), &fixture::transfer_runs(3));
    write(dir.path()).unwrap();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("<h2>Difference from uplink = fifo</h2>"));
    assert!(page.contains("<code>fairlab run made-up.toml --seed 7</code>"));
    assert!(page.contains("name = &quot;&lt;made up&gt;&quot;"));
    assert_eq!(page.matches("<figure>").count(), 4);
    // What is alone is no policy that another could be compared with.
    let (before, after) = page.split_once("<h2>Difference").unwrap();
    assert!(before.contains(">alone</th>") && !after.contains(">alone</th>"));
}

// The name of the scenario, what it asks, the answer; then every policy in one sentence.
#[test]
fn the_page_begins_with_what_was_asked_and_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), &fixture::transfer_runs(3));
    let mut manifest = read_manifest(dir.path()).unwrap();
    manifest.scenario = "[scenario]\nabout = \"Who waits & why\"\n[policy]\npicker = \"random\"\n\
        [sweep]\nuplink = [{ name = \"drr\", \"policy.uplink\" = \"drr\" }]\n"
        .to_owned();
    let results = Results::read_judged(dir.path(), &manifest.scenario).unwrap();
    let (page, _) = page::page(&manifest, &results, &page::Compared::default(), &[]);
    let places = [
        "<h1>&lt;made up&gt;</h1>",
        "<p class=about>Who waits &amp; why</p>",
        "<p><b>Waits:</b> small took",
        "<code>fairlab run made-up.toml --seed 7</code>",
        "<dt>drr <small>uplink</small></dt><dd>weighted deficit round robin",
        "<dt>random <small>chunk picker by default</small></dt><dd>any missing chunk",
        "<h2>Summary</h2>",
    ];
    let found: Vec<usize> = places.map(|text| page.find(text).expect(text)).to_vec();
    assert!(found.is_sorted(), "{found:?}");
}

// Where a table or a figure first shows a metric, it says what that is, and only there.
#[test]
fn every_metric_is_explained_once_and_before_its_table() {
    for runs in [
        fixture::transfer_runs(2),
        fixture::load_runs(2),
        fixture::swarm_runs(2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fixture::write_result(dir.path(), &runs);
        write(dir.path()).unwrap();
        let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
        let results = Results::read(dir.path()).unwrap();
        let table = page.find("<table>").unwrap();
        for headline in summary_metrics::headlines(&results) {
            let name = &results.metrics[headline.metric];
            let (title, _) = summary_metrics::explained(name).expect(name);
            let term = format!("<dt>{}</dt>", title.replace('\'', "&#39;"));
            assert_eq!(page.matches(&term).count(), 1, "{term}");
            assert!(page.find(&term).unwrap() < table, "{term}");
        }
    }
}

#[test]
fn every_table_of_the_page_has_its_files_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), &fixture::transfer_runs(3));
    let files = names(&write(dir.path()).unwrap(), dir.path());
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    let links = page.matches("<a href=\"tables/").count();
    assert_eq!(links, 3 * page.matches("<table>").count());
    for table in ["summary", "classes", "differences"] {
        for ending in ["md", "tex", "csv"] {
            let file = format!("tables/{table}.{ending}");
            assert!(files.contains(&file) && page.contains(&file), "{file}");
        }
    }
}

// Every page that this tree ships explains each of its metrics and policies.
#[test]
fn every_headline_of_a_shipped_result_is_explained() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let mut count = 0;
    for entry in fs::read_dir(results).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.join("runs.csv").is_file() {
            continue;
        }
        count += 1;
        let manifest = read_manifest(&dir).unwrap();
        let results = Results::read_judged(&dir, &manifest.scenario).unwrap();
        for headline in summary_metrics::headlines(&results) {
            let name = &results.metrics[headline.metric];
            assert!(summary_metrics::explained(name).is_some(), "{name}");
        }
        let grouping = grouping::grouping(&results);
        let found = explain::explained(&manifest, &results, &grouping);
        for axis in &grouping.axes {
            for value in &results.axes[*axis].values {
                assert!(found.iter().any(|policy| policy.name == *value), "{value}");
            }
        }
        assert!(!words::sentences(&results).is_empty(), "{}", dir.display());
    }
    assert!(count >= 7, "{count}");
}

#[test]
fn an_unfinished_result_has_no_report() {
    let dir = tempfile::tempdir().unwrap();
    let error = write(dir.path()).unwrap_err();
    assert!(matches!(error, OutputError::Unfinished { .. }), "{error}");
}

#[test]
fn the_script_names_what_this_result_has() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), &fixture::load_runs(2));
    let script = fs::read_to_string(write_script(dir.path()).unwrap()).unwrap();
    assert!(
        script.contains("POLICY = \"uplink\"\nAXES = [\"uplink\"]\nGROUPS = [[\"load = 0.5\",")
    );
    assert!(script.contains("\"drr\":[\"#009e73\",\"^\",0,[]]"));
    assert!(script.contains("[\"slowdown_mean\",\"mean slowdown\",1.0]"));
}
