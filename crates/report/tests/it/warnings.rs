use mosa_report::{CellStats, warnings};

fn cell(n: usize, unassessed: usize, degenerate: usize, kappa: Option<f64>) -> Vec<String> {
    warnings(&[CellStats { name: "TAP on LLaDA".into(), n, unassessed, degenerate, kappa }])
}

#[test]
fn a_sound_cell_has_no_warning() {
    assert_eq!(cell(30, 0, 3, Some(0.6)), Vec::<String>::new());
    assert_eq!(cell(100, 5, 10, None), Vec::<String>::new());
}

#[test]
fn each_warning_names_the_cell_and_the_number() {
    for (found, what) in [
        (cell(29, 0, 0, None), "only 29 cases were assessed"),
        (cell(100, 0, 11, None), "11 of 100 answers (11%) are degenerate"),
        (cell(100, 6, 0, None), "6 of 100 cases (6%) have no verdict"),
        (cell(100, 0, 0, Some(0.59)), "kappa 0.59, below 0.6"),
        (cell(100, 0, 0, Some(-0.2)), "kappa -0.20"),
        (cell(0, 0, 0, None), "only 0 cases were assessed"),
        (cell(1, 0, 0, None), "only 1 case was assessed"),
    ] {
        let [sentence] = found.as_slice() else { panic!("{found:?}") };
        assert!(sentence.starts_with("TAP on LLaDA: ") && sentence.contains(what), "{sentence}");
    }
}

#[test]
fn all_warnings_of_all_cells_are_kept_in_order() {
    let bad = CellStats { name: "a".into(), n: 20, unassessed: 4, degenerate: 9, kappa: Some(0.1) };
    let all = warnings(&[bad.clone(), CellStats { name: "b".into(), ..bad }]);
    assert_eq!(all.len(), 8);
    assert!(all[..4].iter().all(|w| w.starts_with("a: ")) && all[4..].iter().all(|w| w.starts_with("b: ")));
}
