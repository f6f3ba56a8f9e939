use mosa_report::Cell;
use mosa_report::plain::{header, rate};

#[test]
fn rates_have_their_count_and_their_interval_in_cells_of_their_own() {
    assert_eq!(rate(48, 78), ["62% (48/78)", "50-72"]);
    assert_eq!(rate(0, 10), ["0% (0/10)", "0-28"]);
    assert_eq!(rate(0, 0), ["-", "-"]);
    assert_eq!(header(&["a", "b"]), ["a", "b"]);
}

#[test]
fn a_page_and_a_terminal_show_the_same_rate() {
    let table = mosa_report::Table {
        header: header(&["rate"]),
        rows: vec![vec![Cell::Rate { k: 48, n: 78 }]],
        ..Default::default()
    };
    assert!(table.markdown().contains(&rate(48, 78).join(", ")), "{}", table.markdown());
}
