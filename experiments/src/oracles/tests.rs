use super::*;

mod faults;

#[test]
fn a_relation_allows_its_side_of_the_expected_number_and_no_other() {
    // Measured 0.8, 0.95, 1, 1.05 and 1.2 where 1 is expected and 0.1 tolerated.
    let rows = [
        (Relation::Equal, [false, true, true, true, false]),
        (Relation::Reaches, [false, true, true, false, false]),
        (Relation::NeverBelow, [false, false, true, true, false]),
        (Relation::AtMost, [true, true, true, true, false]),
        (Relation::AtLeast, [false, true, true, true, true]),
    ];
    for (relation, expected) in rows {
        let found = [0.8, 0.95, 1.0, 1.05, 1.2].map(|got| relation.holds(&[1.0], &[got], 0.1));
        assert_eq!(found, expected, "{relation:?}");
    }
    assert!(!Relation::Equal.holds(&[1.0], &[], 0.1));
    assert!(!Relation::Equal.holds(&[1.0, 1.0], &[1.0], 0.1));
    assert!(!Relation::Equal.holds(&[1.0], &[f64::NAN], 0.1));
}

#[test]
fn a_mean_that_is_known_too_badly_does_not_pass_at_full_size() {
    let oracle = Oracle {
        id: "a".to_owned(),
        what: String::new(),
        about: String::new(),
        unit: String::new(),
        expected: vec![1.0],
        relation: Relation::Equal,
        tolerance: 0.5,
        work: Work::Clamp,
        reading: Reading::Mean {
            runs: 2,
            metric: 0,
            controls: 0..0,
        },
    };
    let found: [Found; 2] = [Ok(vec![0.0]), Ok(vec![2.0])];
    let full = oracle.verdict(found.iter(), Size::Full);
    assert!(
        !full.pass && full.note.contains("standard errors"),
        "{full:?}"
    );
    assert!(oracle.verdict(found.iter(), Size::Quick).pass);
    let failed: [Found; 1] = [Err("stuck".to_owned())];
    let failed = oracle.verdict(failed.iter(), Size::Quick);
    assert!(!failed.pass && failed.note == "stuck", "{failed:?}");
}
