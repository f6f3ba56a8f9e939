use crate::{between, page, report};
use mosa_report::{Axis, Block, Figure, FigureKind, MAX_SERIES};

fn figure(groups: &[&str], parts: usize, counts: Vec<Vec<usize>>, cut: Option<usize>) -> Block {
    let kind = FigureKind::Stacks {
        grades: true,
        x: Axis::new("share of answers"),
        groups: groups.iter().map(|g| (*g).into()).collect(),
        parts: (1..=parts).map(|i| format!("score {i}")).collect(),
        counts,
        cut,
    };
    Block::Figure(Figure { caption: "Caption".into(), kind })
}

fn svg(block: Block) -> String {
    let html = page(vec![block]);
    between(between(&html, "<figure", "</figure>"), "<svg", "</svg>").to_owned()
}

/// Left ends and widths of the parts of all bars, in order; swatches of the legend come first.
fn parts(svg: &str) -> Vec<(f64, f64)> {
    let rects = svg.lines().filter(|line| line.starts_with("<rect") && line.contains("var(--heat)"));
    let number = |rect: &str, name: &str| between(rect, &format!(" {name}=\""), "\"").parse::<f64>().unwrap();
    rects.map(|rect| (number(rect, "x"), number(rect, "width"))).collect()
}

#[test]
fn parts_are_as_long_as_their_shares_and_stand_in_order() {
    let drawn = svg(figure(&["a", "b"], 3, vec![vec![10, 30, 60], vec![1, 0, 1]], None));
    let parts = parts(&drawn);
    let [first, second, third] = [parts[3], parts[4], parts[5]];
    assert!((second.1 - 3.0 * first.1).abs() <= 3.0 && (third.1 - 6.0 * first.1).abs() <= 6.0, "{parts:?}");
    assert_eq!((first.0 + first.1, second.0 + second.1), (second.0, third.0));
    assert_eq!(parts.len(), 3 + 3 + 2, "a part that never came up is not drawn");
    for text in ["score 1", "score 3", "a", "b", "share of answers", "n = 100", "n = 2", "60"] {
        assert!(drawn.contains(&format!("\n{text}\n")), "{text}");
    }
}

#[test]
fn parts_that_are_no_grades_have_inks_of_their_own() {
    let kind = |parts: usize| FigureKind::Stacks {
        grades: false,
        x: Axis::new("share"),
        groups: vec!["a".into()],
        parts: (0..parts).map(|i| format!("part {i}")).collect(),
        counts: vec![vec![5; parts]],
        cut: Some(1),
    };
    let block = |parts| Block::Figure(Figure { caption: "Caption".into(), kind: kind(parts) });
    let drawn = svg(block(4));
    for ink in ["var(--alert)", "url(#hatch-3)", "url(#hatch-7)", "url(#hatch-4)"] {
        assert_eq!(drawn.matches(&format!("fill=\"{ink}\"")).count(), 2, "{ink}: in the legend and in the bar");
    }
    assert!(report(vec![block(7)]).html().unwrap_err().to_string().contains("7 parts, 6 can be told apart"));
}

#[test]
fn the_parts_before_the_cut_get_an_interval() {
    let drawn = |cut| svg(figure(&["a"], 3, vec![vec![10, 30, 60]], cut));
    let count = |svg: String| svg.matches("<polyline").count();
    assert_eq!(count(drawn(Some(2))), count(drawn(None)) + 2);
    assert_ne!(drawn(Some(1)), drawn(Some(2)));
}

#[test]
fn a_group_without_answers_is_a_dash_and_nothing_at_all_is_said() {
    let drawn = svg(figure(&["a", "b"], 2, vec![vec![1, 1], vec![0, 0]], Some(1)));
    assert!(drawn.contains("\n–\n") && drawn.contains("n = 0") && !drawn.contains("no data"));
    for empty in [figure(&[], 0, vec![], None), figure(&["a"], 2, vec![vec![0, 0]], Some(9))] {
        assert!(svg(empty).contains("no data"));
    }
}

#[test]
fn counts_that_do_not_fit_are_errors_that_name_the_group() {
    for (block, what) in [
        (figure(&["a"], 2, vec![vec![1]], None), "`a` has 1 counts, but there are 2 parts"),
        (figure(&["a"], 2, vec![], None), "0 rows of counts for 1 groups"),
        (figure(&["a"], MAX_SERIES + 1, vec![vec![0; MAX_SERIES + 1]], None), "9 series"),
    ] {
        let error = report(vec![block]).html().unwrap_err().to_string();
        assert!(error.starts_with("figure `Caption`: ") && error.contains(what), "{error}");
    }
}
