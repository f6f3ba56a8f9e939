use crate::page;
use mosa_report::{Agreement, Block, Claim};

#[test]
fn verdicts_are_words_and_are_counted() {
    let claim =
        |verdict| Claim { what: "w".into(), paper: "p".into(), measured: "m".into(), rule: "r".into(), verdict };
    let claims = [Agreement::Agrees, Agreement::Agrees, Agreement::Disagrees, Agreement::Undecided];
    let html = page(vec![Block::Claims(claims.map(claim).to_vec())]);
    assert!(html.contains("2 agree, 1 disagrees, 1 undecided"));
    for text in ["✓ agrees</td>", "✗ disagrees</td>", "? undecided</td>"] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn a_verdict_follows_from_the_interval_and_is_open_while_the_bound_lies_in_it() {
    // 0 of 4: up to 49% would bring the same answers.
    assert_eq!(Agreement::at_most((0.0, 0.49), 0.15), Agreement::Undecided);
    assert_eq!(Agreement::at_most((0.0, 0.03), 0.15), Agreement::Agrees);
    assert_eq!(Agreement::at_most((0.51, 1.0), 0.15), Agreement::Disagrees);
    assert_eq!(Agreement::at_most((0.0, 0.15), 0.15), Agreement::Agrees);
    assert_eq!(Agreement::at_least((0.51, 1.0), 0.6), Agreement::Undecided);
    assert_eq!(Agreement::at_least((0.6, 1.0), 0.6), Agreement::Agrees);
    assert_eq!(Agreement::at_least((-0.2, 0.59), 0.6), Agreement::Disagrees);
    assert_eq!(Agreement::at_least((f64::NAN, f64::NAN), 0.6), Agreement::Undecided);
}

#[test]
fn of_several_statements_one_that_fails_decides_and_one_that_is_open_leaves_all_open() {
    use Agreement::{Agrees, Disagrees, Undecided};
    for (statements, all) in [
        (vec![Agrees, Agrees], Agrees),
        (vec![Agrees, Undecided], Undecided),
        (vec![Undecided, Disagrees, Agrees], Disagrees),
        (vec![], Undecided),
    ] {
        assert_eq!(Agreement::all(statements.clone()), all, "{statements:?}");
    }
}
