use crate::figures::{heat, numbers, series, svg};
use mosa_report::{Axis, FigureKind, Point};

#[test]
fn a_small_map_prints_its_values_and_a_large_one_does_not() {
    let drawn = svg(heat(vec![vec![0.0, 0.25], vec![f64::NAN, 1.0]]));
    assert!(drawn.contains("0.25") && !drawn.contains("NaN"));
    let cells = |drawn: &str| drawn.matches("var(--heat)").count();
    let scale = cells(&svg(heat(vec![])));
    assert_eq!(cells(&drawn) - scale, 3);
    let large = svg(heat(vec![vec![0.123; 40]; 30]));
    assert_eq!(cells(&large) - scale, 1200);
    assert!(!large.contains("\n0.123\n"));
}

#[test]
fn the_first_row_of_a_map_is_at_the_bottom() {
    let drawn = svg(heat(vec![vec![0.0], vec![1.0]]));
    let cells: Vec<_> = drawn.lines().filter(|line| line.contains("var(--heat)")).collect();
    let [.., first, second] = cells.as_slice() else { panic!("no cells") };
    assert!(numbers(first, "y")[0] > numbers(second, "y")[0]);
    assert!(second.contains("fill=\"var(--heat)\"") && !second.contains("opacity"), "the largest value is full ink");
}

#[test]
fn curves_lie_over_a_map_in_the_units_of_its_axes() {
    let overlay = |points: Vec<Point>, y: Axis| {
        let lines = vec![series("mean", points, true)];
        svg(FigureKind::Heat { x: Axis::new("c"), y, scale: Axis::new("s"), values: vec![vec![0.5; 4]; 20], lines })
    };
    let inside = || vec![Point::new(0.0, 0.0), Point::new(3.0, 19.0)];
    let drawn = overlay(inside(), Axis::new("r"));
    assert!(drawn.contains("\nmean\n"));
    let cells: Vec<_> = drawn.lines().filter(|line| line.contains("var(--heat)")).collect();
    let (first, circles) = (cells[cells.len() - 80], (numbers(&drawn, "cx"), numbers(&drawn, "cy")));
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| numbers(first, name)[0]);
    // The first circle is in the legend.
    assert!((circles.0[1] - x - width / 2.0).abs() <= 1.0 && (circles.1[1] - y - height / 2.0).abs() <= 1.0);
    let outside = overlay([inside(), vec![Point::new(9.0, 3.0), Point::new(1.0, -40.0)]].concat(), Axis::new("r"));
    assert_eq!(outside, drawn, "points outside the map are left out");
}
