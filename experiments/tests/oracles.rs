//! The oracles of the shipped file at a tenth of their size, and files that are refused.

use std::fs;
use std::path::Path;

use fairhaul_lab::oracles::{OracleVerdict, Size, is_oracle_file, load, table, write_csv};
use tempfile::TempDir;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/oracles.toml");

/// Runs the rows whose ids start with `prefix` and returns their verdicts, all of which pass.
fn pass(prefix: &str) -> Vec<OracleVerdict> {
    let suite = load(Path::new(FILE)).unwrap_or_else(|bad| panic!("{bad}"));
    let suite = suite.filtered(|id| id.starts_with(prefix));
    let verdicts = suite.run(Size::Quick, &mut |_| ());
    assert!(!verdicts.is_empty(), "no row starts with {prefix}");
    let shown = table(&verdicts);
    assert!(verdicts.iter().all(|verdict| verdict.pass), "\n{shown}");
    verdicts
}

#[test]
fn disciplines_serve_the_golden_schedules_and_keep_their_bounds() {
    for prefix in ["O1.", "O2.", "O3."] {
        pass(prefix);
    }
}

#[test]
fn a_queue_of_equal_memory_has_the_known_response_and_slowdown() {
    pass("O4.");
}

#[test]
fn a_queue_of_heavy_tails_has_the_known_response_and_slowdown() {
    pass("O5.");
}

#[test]
fn floors_weights_and_caps_share_a_node_as_the_fluid_does() {
    pass("O6.");
}

#[test]
fn no_swarm_beats_the_least_time() {
    for prefix in ["O7.", "O8."] {
        pass(prefix);
    }
}

#[test]
fn tit_for_tat_rewards_as_its_mean_field_says() {
    pass("O13.");
}

#[test]
fn a_swarm_grows_if_more_arrive_than_the_seed_sends_chunks() {
    pass("O10.");
}

#[test]
fn indices_have_their_known_values() {
    let verdicts = pass("O15.");
    let mut csv = Vec::new();
    write_csv(&verdicts, &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(csv.lines().count(), verdicts.len() + 1);
    assert!(csv.starts_with("id,what,unit,relation,expected,got,standard_error,"));
}

const ROW: &str = r#"[suite]
name = "one"
about = "one"
seed = 1
[[oracle]]
id = "one"
what = "jain of equals"
kind = "index"
index = "jain"
values = [2, 2]
expected = 1
tolerance = 0.001
unit = "index"
"#;

/// What becomes of the file `text` after `from` in it is `to`.
fn changed(text: &str, from: &str, to: &str) -> Result<Vec<OracleVerdict>, String> {
    let folder = TempDir::new().expect("a folder for the test");
    let path = folder.path().join("o.toml");
    assert!(text.contains(from));
    fs::write(&path, text.replace(from, to)).expect("the folder is ours");
    assert!(is_oracle_file(&path));
    let suite = load(&path).map_err(|bad| {
        let text = bad.to_string();
        let (_, place) = text.rsplit_once("o.toml").expect("the file is named");
        place.to_owned()
    })?;
    Ok(suite.run(Size::Full, &mut |_| ()))
}

#[test]
fn a_wrong_number_does_not_pass() {
    assert!(changed(ROW, "expected = 1", "expected = 1").unwrap()[0].pass);
    assert!(!changed(ROW, "expected = 1", "expected = 0.9").unwrap()[0].pass);
    assert!(!changed(ROW, "expected = 1", "expected = [1, 1]").unwrap()[0].pass);
    let table = table(&changed(ROW, "expected = 1", "expected = 0.9").unwrap());
    assert!(table.ends_with("0 of 1 pass\n"), "{table}");
}

#[test]
fn a_row_with_a_key_that_is_wrong_is_refused_with_its_place() {
    let shipped = fs::read_to_string(FILE).expect("it is shipped");
    for (from, to, line) in [
        (
            "phase = \"apart\"",
            "phase = \"a part\"",
            "phase: is not a choice",
        ),
        (
            "read = \"rates\"",
            "read = \"rate\"",
            "read: is not a choice, did you mean",
        ),
        ("rounds = 360", "rounds = 1", "rounds: is out of range"),
        ("regular = 3", "regular = 0", "regular: is out of range"),
        (
            "of = \"gaps\"",
            "of = \"gap\"",
            "of: is not a choice, did you mean \"gaps\"",
        ),
        (
            "statistic = \"mean\"",
            "statistic = \"median\"",
            "statistic: is not a choice",
        ),
        (
            "statistic = \"mean\"",
            "statistic = \"mean\"\nmargin = 1",
            "margin: unknown key",
        ),
    ] {
        let bad = changed(&shipped, from, to).unwrap_err();
        assert!(bad.contains(line), "{bad}");
    }
}

#[test]
fn unknown_keys_and_kinds_are_refused_with_their_place() {
    let bad = changed(ROW, "index = \"jain\"", "index = \"jain\"\nload = 1").unwrap_err();
    assert!(bad.starts_with(":10:oracle[1].load: unknown key"), "{bad}");
    let bad = changed(ROW, "kind = \"index\"", "kind = \"indx\"").unwrap_err();
    assert!(
        bad.starts_with(":8:oracle[1].kind: is not a choice, did you mean \"index\""),
        "{bad}"
    );
    let bad = changed(ROW, "tolerance = 0.001", "tolerance = -1").unwrap_err();
    assert!(
        bad.starts_with(":12:oracle[1].tolerance: is out of range"),
        "{bad}"
    );
    assert!(!is_oracle_file(Path::new("nothing.toml")));
}
