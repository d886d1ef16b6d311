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
    assert!(script.contains("AXES = [\"uplink\",\"load\"]\nCOMMON = {\"load\":\"0.9\"}\n"));
    assert!(script.contains("[\"slowdown_mean\",\"mean slowdown\",1.0]"));
}
