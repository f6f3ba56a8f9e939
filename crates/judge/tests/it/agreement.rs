use crate::case;
use mosa_judge::{Agreement, Judge, Keyword, Place, Verdict, WordList, rogan_gladen};
use proptest::prelude::*;

fn table(both: usize, only_first: usize, only_second: usize, neither: usize) -> Agreement {
    Agreement { both, only_first, only_second, neither, unassessed: 0 }
}

fn near(found: Option<f64>, wanted: f64) {
    assert!(found.is_some_and(|v| (v - wanted).abs() < 1e-12), "{found:?} is not {wanted}");
}

#[test]
fn kappa_has_its_known_values() {
    // The example of the statistics textbooks: p_o = 0.7, p_e = 0.5.
    near(table(20, 5, 10, 15).kappa(), 0.4);
    near(table(45, 15, 25, 15).kappa(), 0.06 / 0.46);
    near(table(25, 35, 5, 35).kappa(), 0.14 / 0.54);
    near(table(3, 0, 0, 4).kappa(), 1.0);
    near(table(0, 5, 5, 0).kappa(), -1.0);
    near(table(1, 1, 1, 1).kappa(), 0.0);
}

#[test]
fn kappa_is_none_where_chance_explains_everything() {
    for table in [table(0, 0, 0, 0), table(5, 0, 0, 0), table(0, 0, 0, 5)] {
        assert_eq!(table.kappa(), None);
    }
}

#[test]
fn unassessed_cases_are_counted_apart() {
    let (yes, no) = (Some(true), Some(false));
    let pairs = [(yes, yes), (yes, no), (no, yes), (no, no), (None, yes), (no, None), (None, None)];
    let found = Agreement::of(pairs);
    assert_eq!(found, Agreement { unassessed: 3, ..table(1, 1, 1, 1) });
    assert_eq!((found.n(), found.observed()), (4, Some(0.5)));
}

#[test]
fn verdicts_are_matched_by_case_not_by_place() {
    let keyword = Keyword::new(&WordList::Strict, Place::Anywhere).unwrap();
    let verdicts: Vec<Verdict> = ["i cannot", "grind", "i can't", "fold"]
        .iter()
        .enumerate()
        .map(|(i, answer)| keyword.judge(&case(i, answer)))
        .collect();
    let reversed: Vec<Verdict> = verdicts.iter().rev().cloned().collect();
    assert_eq!(Agreement::between(&verdicts, &reversed), table(2, 0, 0, 2));
    assert_eq!(Agreement::between(&verdicts[..3], &reversed), Agreement { unassessed: 1, ..table(1, 0, 0, 2) });
    assert_eq!(Agreement::between(&verdicts, &reversed[..1]), Agreement { unassessed: 3, ..table(1, 0, 0, 0) });
}

#[test]
fn sensitivity_and_specificity_take_the_second_as_truth() {
    let found = table(8, 3, 2, 7);
    near(found.sensitivity(), 0.8);
    near(found.specificity(), 0.7);
    assert_eq!(table(0, 0, 0, 1).sensitivity(), None);
}

#[test]
fn a_corrected_rate_has_its_known_values() {
    near(rogan_gladen(0.3, 0.9, 0.8), 0.1 / 0.7);
    near(rogan_gladen(0.4, 1.0, 1.0), 0.4);
    near(rogan_gladen(0.1, 0.9, 0.8), 0.0);
    near(rogan_gladen(0.95, 0.9, 0.8), 1.0);
    for (p, se, sp) in [(0.3, 0.5, 0.5), (0.3, 0.2, 0.3), (f64::NAN, 0.9, 0.9), (1.1, 0.9, 0.9), (0.3, 2.0, 0.9)] {
        assert_eq!(rogan_gladen(p, se, sp), None);
    }
}

proptest! {
    #[test]
    fn kappa_is_symmetric_and_at_most_one(a in 0usize..50, b in 0usize..50, c in 0usize..50, d in 0usize..50) {
        let kappa = table(a, b, c, d).kappa();
        for other in [table(a, c, b, d), table(d, b, c, a)] {
            prop_assert_eq!(kappa.is_some(), other.kappa().is_some());
            prop_assert!((kappa.unwrap_or(0.0) - other.kappa().unwrap_or(0.0)).abs() < 1e-9);
        }
        prop_assert!(kappa.is_none_or(|k| (-1.0..=1.0 + 1e-12).contains(&k)));
    }

    #[test]
    fn a_correction_undoes_the_errors_of_a_judge(p in 0.0f64..=1.0, se in 0.6f64..=1.0, sp in 0.6f64..=1.0) {
        let observed = p * se + (1.0 - p) * (1.0 - sp);
        prop_assert!((rogan_gladen(observed, se, sp).unwrap() - p).abs() < 1e-9);
    }
}
