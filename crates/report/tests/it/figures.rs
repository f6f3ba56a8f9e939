use crate::{between, page, report};
use mosa_report::{Axis, Bar, BarSeries, Block, Figure, FigureKind, MAX_SERIES, Point, Series, Spot};

fn figure(kind: FigureKind) -> Block {
    Block::Figure(Figure { caption: "Caption".into(), kind })
}

/// The drawing of a figure.
pub(super) fn svg(kind: FigureKind) -> String {
    let html = page(vec![figure(kind)]);
    between(between(&html, "<figure", "</figure>"), "<svg", "</svg>").to_owned()
}

fn lines(series: Vec<Series>) -> FigureKind {
    FigureKind::Lines { x: Axis::new("over"), y: Axis::new("value"), series, shade: None }
}

pub(super) fn series(name: &str, points: Vec<Point>, marks: bool) -> Series {
    Series { name: name.into(), points, marks, ..Series::default() }
}

fn bars(groups: &[&str], series: Vec<Vec<Bar>>) -> FigureKind {
    let series = series.into_iter().enumerate().map(|(i, bars)| BarSeries { name: format!("series {i}"), bars });
    FigureKind::Bars {
        y: Axis::new("value"),
        groups: groups.iter().map(|g| (*g).into()).collect(),
        series: series.collect(),
    }
}

pub(super) fn heat(values: Vec<Vec<f64>>) -> FigureKind {
    FigureKind::Heat { x: Axis::new("column"), y: Axis::new("row"), scale: Axis::new("share"), values, lines: vec![] }
}

/// The numbers of all attributes of this name, in order.
pub(super) fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
    let start = format!(" {attribute}=\"");
    svg.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

/// How many strokes have this colour.
fn strokes(svg: &str, colour: &str) -> usize {
    svg.matches(&format!("stroke=\"{colour}\"")).count()
}

#[test]
fn a_figure_shows_the_names_of_its_series_and_axes() {
    let points = || vec![Point::new(0.0, 1.0), Point::new(1.0, 2.0)];
    let drawn = svg(lines(vec![series("first & best", points(), true), series("second", points(), false)]));
    for name in ["first &amp; best", "second", "over", "value"] {
        assert!(drawn.contains(name), "{name}");
    }
    let drawn = svg(bars(&["left", "right"], vec![vec![Bar::new(1.0); 2]; 2]));
    for name in ["left", "right", "series 0", "series 1", "value"] {
        assert!(drawn.contains(name), "{name}");
    }
    let drawn = svg(heat(vec![vec![0.0, 1.0]]));
    for name in ["column", "row", "share"] {
        assert!(drawn.contains(name), "{name}");
    }
}

#[test]
fn no_fixed_colour_is_left_so_that_the_page_decides() {
    let eight = (0..MAX_SERIES).map(|i| series(&format!("s{i}"), vec![Point::new(0.0, i as f64)], true)).collect();
    for kind in [lines(eight), bars(&["a"], vec![vec![Bar::rate(1, 2)]; MAX_SERIES]), heat(vec![vec![0.0, 1.0]])] {
        let drawn = svg(kind);
        assert!(!drawn.contains("\"#"), "{drawn}");
        assert!(drawn.contains("currentColor"));
    }
}

#[test]
fn curves_differ_in_dash_as_well_as_in_colour() {
    let curve = |i: usize| series(&format!("s{i}"), vec![Point::new(0.0, i as f64), Point::new(1.0, 0.0)], false);
    let drawn = svg(lines((0..MAX_SERIES).map(curve).collect()));
    let dashes: std::collections::BTreeSet<_> =
        drawn.split("stroke-dasharray=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(dashes.len(), MAX_SERIES - 1);
}

#[test]
fn intervals_are_drawn_as_bars_and_many_of_them_as_a_band() {
    let with = |n: usize| (0..n).map(|i| Point::between(i as f64, 1.0, (0.5, 1.5))).collect::<Vec<_>>();
    let without = |n: usize| (0..n).map(|i| Point::new(i as f64, 1.0)).collect::<Vec<_>>();
    let count = |points, what: &str| svg(lines(vec![series("s", points, true)])).matches(what).count();
    assert_eq!(count(with(5), "<polyline") - count(without(5), "<polyline"), 5);
    assert_eq!((count(with(5), "<polygon"), count(with(50), "<polygon")), (0, 1));
    assert_eq!(count(with(50), "<polyline"), count(without(50), "<polyline"));
}

#[test]
fn a_curve_without_marks_shows_even_few_intervals_as_a_band_and_a_lone_one_as_a_bar() {
    let points = |last: f64| [0.0, 1.0, f64::NAN, last].map(|y| Point::between(y, y, (y - 1.0, y + 1.0))).to_vec();
    let drawn = |last: f64| svg(lines(vec![series("", points(last), false)]));
    let (with, without) = (drawn(3.0), drawn(f64::NAN));
    assert_eq!((with.matches("<polygon").count(), without.matches("<polygon").count()), (1, 1));
    assert_eq!(strokes(&with, "var(--s1)") - strokes(&without, "var(--s1)"), 1);
}

#[test]
fn smoothing_is_the_mean_of_neighbours_before_the_points_themselves() {
    let ys = [0.0, 2.0, 4.0, f64::NAN, 6.0, 8.0];
    let points: Vec<_> = ys.iter().enumerate().map(|(i, y)| Point::new(i as f64, *y)).collect();
    let smooth = Series::smoothed("s", &points, 3);
    let found: Vec<_> = smooth.points.iter().map(|p| (p.x, p.y)).collect();
    assert_eq!(found, [(0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0), (5.0, 7.0)]);
    assert_eq!(smooth.raw.iter().map(|p| p.y).collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0, 8.0]);
    let drawn = |raw: Vec<Point>| svg(lines(vec![Series { raw, ..smooth.clone() }]));
    let pale = |svg: &str| svg.matches("opacity=\"0.4\" stroke=\"var(--s1)\"").count();
    assert_eq!((pale(&drawn(smooth.raw.clone())), pale(&drawn(vec![]))), (1, 0));
    let same: Vec<_> = Series::smoothed("s", &points, 0).points.iter().map(|p| p.y).collect();
    assert_eq!(same, [0.0, 2.0, 4.0, 6.0, 8.0]);
    assert!(Series::smoothed("s", &[], 9).points.is_empty());
}

#[test]
fn a_curve_is_smoothed_over_a_twentieth_of_it_and_an_odd_number_of_points() {
    assert_eq!([0, 10, 100, 250, 500].map(Series::smoothing), [3, 3, 5, 13, 25]);
}

#[test]
fn a_band_is_interrupted_where_a_number_is_missing() {
    let mut points: Vec<_> = (0..60).map(|i| Point::between(f64::from(i), 1.0, (0.5, 1.5))).collect();
    points[30].y = f64::NAN;
    let drawn = svg(lines(vec![series("s", points, false)]));
    assert_eq!(drawn.matches("<polygon").count(), 2);
    assert!(!drawn.contains("NaN"));
}

#[test]
fn intervals_of_curves_at_the_same_place_stand_beside_each_other() {
    let points = || vec![Point::between(0.0, 1.0, (0.0, 2.0)), Point::new(1.0, 1.0)];
    let drawn = svg(lines(vec![series("", points(), true), series("", points(), true)]));
    let circle = numbers(&drawn, "cx")[0];
    let square: f64 = between(&drawn, "<polygon fill=\"var(--s2)\" points=\"", ",").parse().unwrap();
    assert_eq!(square + 8.0 - circle, 8.0);
}

#[test]
fn a_missing_number_interrupts_a_curve_and_a_lone_point_is_still_seen() {
    let ys = [1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 4.0, 5.0];
    let points = ys.iter().enumerate().map(|(i, y)| Point::new(i as f64, *y)).collect();
    let drawn = svg(lines(vec![series("", points, false)]));
    assert_eq!(strokes(&drawn, "var(--s1)"), 2);
    assert_eq!(drawn.matches("<circle").count(), 1);
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
}

#[test]
fn data_beyond_the_wanted_range_widen_it_rather_than_being_cut_off() {
    let kind = |top: f64| FigureKind::Lines {
        x: Axis::new("x"),
        y: Axis::covering("y", 0.0, 1.0),
        series: vec![series("", vec![Point::new(0.0, 0.5), Point::new(1.0, top)], true)],
        shade: None,
    };
    let height = |top: f64| {
        let y = numbers(&svg(kind(top)), "cy");
        (y[0], y[1])
    };
    let ((middle, at_one), (lower, at_two)) = (height(1.0), height(2.0));
    assert_eq!(at_one, at_two);
    assert!(lower > middle);
}

#[test]
fn the_shaded_interval_is_drawn_and_named() {
    let kind = FigureKind::Lines {
        x: Axis::new("offset"),
        y: Axis::new("y"),
        series: vec![series("s", vec![Point::new(0.0, 0.0), Point::new(80.0, 1.0)], false)],
        shade: Some((20.0, 60.0, "window".into())),
    };
    let drawn = svg(kind);
    assert!(drawn.contains("var(--shade)") && drawn.contains("window"));
}

#[test]
fn a_shaded_interval_lies_where_the_axis_says() {
    let kind = FigureKind::Lines {
        x: Axis::new("offset"),
        y: Axis::new("y"),
        series: vec![series("", vec![Point::new(0.0, 0.0), Point::new(20.0, 0.0), Point::new(60.0, 1.0)], true)],
        shade: Some((60.0, 20.0, "window".into())),
    };
    let drawn = svg(kind);
    let shade = drawn.lines().find(|line| line.contains("var(--shade)")).unwrap();
    let (from, width) = (numbers(shade, "x")[0], numbers(shade, "width")[0]);
    let marks = numbers(&drawn, "cx");
    assert!((marks[1] - from).abs() <= 1.0 && (marks[2] - from - width).abs() <= 1.0, "{from} {width} {marks:?}");
}

#[test]
fn bars_end_at_their_values() {
    let drawn = svg(bars(&["a"], vec![vec![Bar::new(2.0)], vec![Bar::new(4.0)], vec![Bar::new(-2.0)]]));
    let rects: Vec<_> = drawn.lines().filter(|line| line.starts_with("<rect")).skip(3).collect();
    let heights: Vec<_> = rects.iter().map(|rect| numbers(rect, "height")[0]).collect();
    assert!((heights[1] - 2.0 * heights[0]).abs() <= 2.0 && (heights[2] - heights[0]).abs() <= 2.0, "{heights:?}");
    let tops: Vec<_> = rects.iter().map(|rect| numbers(rect, "y")[0]).collect();
    assert_eq!(tops[0] + heights[0], tops[2]);
}

#[test]
fn bars_with_long_names_lie_and_the_first_group_is_on_top() {
    let long =
        ["a name that is far too long to stand beside another one", "b name that is equally long, or so it seems"];
    let drawn = svg(bars(&long, vec![vec![Bar::new(2.0), Bar::new(4.0)]]));
    let rects: Vec<_> = drawn.lines().filter(|line| line.starts_with("<rect")).skip(1).collect();
    let widths: Vec<_> = rects.iter().map(|rect| numbers(rect, "width")[0]).collect();
    assert!((widths[1] - 2.0 * widths[0]).abs() <= 2.0);
    assert!(numbers(rects[0], "y")[0] < numbers(rects[1], "y")[0]);
    assert!(long.iter().all(|name| drawn.contains(name)));
}

#[test]
fn a_bar_that_was_not_measured_is_a_dash() {
    let drawn = svg(bars(&["a", "b"], vec![vec![Bar::rate(0, 0), Bar::rate(1, 2)]]));
    assert_eq!(drawn.matches("<rect").count(), 2, "the legend and one bar");
    assert!(drawn.contains('–') && !drawn.contains("NaN"));
}

#[test]
fn nothing_to_draw_is_said_and_is_no_error() {
    let nan = vec![Point::new(f64::NAN, f64::NAN), Point::rate(1.0, 0, 0)];
    let empty = [
        lines(vec![]),
        lines(vec![series("s", vec![], true)]),
        lines(vec![series("s", nan, true)]),
        bars(&[], vec![]),
        bars(&["a"], vec![]),
        bars(&["a"], vec![vec![Bar::new(f64::NAN)]]),
        heat(vec![]),
        heat(vec![vec![], vec![]]),
    ];
    for kind in empty {
        assert!(svg(kind).contains("no data"));
    }
}

#[test]
fn extreme_numbers_are_drawn_or_left_out_but_do_no_harm() {
    for values in [
        [0.0, 0.0],
        [1e300, -1e300],
        [1e-300, 2e-300],
        [1e15, 1e15 + 1.0],
        [f64::MAX, f64::MIN],
        [-5e99, 5e99],
        [1e-12, 3e-12],
        [f64::NEG_INFINITY, 1.0],
    ] {
        let points = values.map(|v| Point::between(v, v, (v, values[0]))).to_vec();
        let odd = Some((values[0], f64::NAN, "shade".into()));
        let range = Some((values[0], values[1]));
        let axis = || Axis { label: "x".into(), range };
        svg(lines(vec![series("s", points.clone(), true)]));
        svg(FigureKind::Lines { x: axis(), y: axis(), series: vec![series("s", points, true)], shade: odd });
        svg(bars(&["a", "b"], vec![values.map(Bar::new).to_vec()]));
        svg(heat(vec![values.to_vec()]));
        svg(FigureKind::Heat { x: axis(), y: axis(), scale: axis(), values: vec![values.to_vec()], lines: vec![] });
    }
}

#[test]
fn data_that_do_not_fit_together_are_errors_that_name_the_figure() {
    let many = (0..=MAX_SERIES).map(|_| series("s", vec![], false)).collect();
    for (kind, what) in [
        (lines(many), "9 series"),
        (bars(&["a", "b"], vec![vec![Bar::new(1.0)]]), "`series 0` has 1 bars, but there are 2 groups"),
        (heat(vec![vec![1.0], vec![1.0, 2.0]]), "row 1 has 2 values, row 0 has 1"),
    ] {
        let error = report(vec![figure(kind)]).html().unwrap_err().to_string();
        assert!(error.starts_with("figure `Caption`: ") && error.contains(what), "{error}");
    }
}

fn scatter(spots: Vec<Spot>) -> FigureKind {
    FigureKind::Scatter { x: Axis::new("loss"), y: Axis::new("success"), spots }
}

fn spot(name: &str, x: f64, y: f64) -> Spot {
    Spot { name: name.into(), at: Point::between(x, y, (y - 1.0, y + 1.0)), across: Some((x - 1.0, x + 1.0)) }
}

#[test]
fn a_point_has_its_name_twice_and_an_interval_in_both_directions() {
    let alone = |across, low| {
        let at = Point { low, ..Point::new(2.0, 3.0) };
        strokes(&svg(scatter(vec![Spot { name: "first & best".into(), at, across }])), "var(--s1)")
    };
    let bare = alone(None, None);
    assert_eq!((alone(Some((1.0, 4.0)), None) - bare, alone(Some((1.0, 4.0)), Some(1.0)) - bare), (1, 2));
    let drawn = svg(scatter(vec![spot("first & best", 2.0, 3.0), spot("second", 9.0, 30.0)]));
    assert_eq!((drawn.matches("first &amp; best").count(), drawn.matches("second").count()), (2, 2));
    assert!(drawn.contains("loss") && drawn.contains("success") && !drawn.contains("\"#"));
}

#[test]
fn a_name_that_would_hide_something_stands_in_the_legend_alone() {
    let drawn = svg(scatter((0..6).map(|i| spot(&format!("at the same place {i}"), 2.0, 3.0)).collect()));
    let names = drawn.matches("at the same place").count();
    assert!((6..12).contains(&names), "{names}");
}

#[test]
fn points_that_cannot_be_drawn_are_left_out_and_too_many_are_refused() {
    assert!(svg(scatter(vec![spot("nowhere", f64::NAN, 1.0)])).contains("no data"));
    let many = (0..=MAX_SERIES).map(|i| spot(&i.to_string(), i as f64, 1.0)).collect();
    let error = report(vec![figure(scatter(many))]).html().unwrap_err().to_string();
    assert!(error.contains("can be told apart"), "{error}");
}
