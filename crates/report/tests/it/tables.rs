use crate::{between, page, report};
use mosa_report::{Agreement, Block, Cell, MAX_PARTS, Parts, Section, Table};

fn table(header: &[&str], rows: Vec<Vec<Cell>>) -> Table {
    Table { caption: "Caption".into(), header: header.iter().map(|h| (*h).into()).collect(), rows }
}

/// The text of the only cell of a table.
fn shown(cell: Cell) -> String {
    let html = page(vec![Block::Table(table(&["column"], vec![vec![cell]]))]);
    between(between(&html, "<tbody>", "</tbody>"), "\">", "</td>").to_owned()
}

#[test]
fn a_rate_is_shown_with_its_counts_and_its_interval() {
    let (low, high) = mosa_core::wilson(48, 78);
    let expected = format!("62% (48/78), {:.0}-{:.0}", 100.0 * low, 100.0 * high);
    assert_eq!(shown(Cell::Rate { k: 48, n: 78 }), expected.replace('/', "&#x2f;"));
}

#[test]
fn what_was_not_measured_is_a_dash() {
    assert_eq!(shown(Cell::Rate { k: 0, n: 0 }), "–");
    assert_eq!(shown(Cell::Number(f64::NAN, 2)), "–");
    assert_eq!(shown(Cell::Number(f64::INFINITY, 2)), "–");
}

#[test]
fn numbers_have_their_decimals_and_no_negative_zero() {
    assert_eq!(shown(Cell::Number(2.0 / 3.0, 3)), "0.667");
    assert_eq!(shown(Cell::Number(-0.001, 1)), "0.0");
    assert_eq!(shown(Cell::Number(-0.06, 1)), "-0.1");
    assert_eq!(shown(Cell::Number(1234.5, 0)), "1234");
}

/// A sample in parts called a, b, c.
fn parts(counts: &[usize]) -> Cell {
    let parts = ["a", "b", "c"].into_iter().map(String::from).zip(counts.iter().copied()).collect();
    Cell::Parts(Parts { parts, cases: None, wanted: false })
}

#[test]
fn a_sample_in_parts_shows_the_rate_of_its_first_and_a_bar_that_says_all_of_them() {
    let html = page(vec![Block::Table(table(&["x"], vec![vec![parts(&[1, 0, 3])], vec![parts(&[0, 0, 0])]]))]);
    for text in [
        "<b>25%</b> <small>",
        "</svg> <small>1&#x2f;4</small>",
        "aria-label=\"25% of 4: a 1, c 3\"",
        "title=\"25% of 4: a 1, c 3\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.contains("<rect class=\"part-2\" x=\"25.00%\" width=\"75.00%\" height=\"100%\"/>"));
    assert!(!html.contains("<rect class=\"part-1\""), "a part that never came up is not drawn, nor in the legend");
    assert!(html.contains("<td>–</td>"), "a sample without cases is a dash");
}

#[test]
fn the_interval_of_a_sample_is_that_of_its_independent_cases() {
    let parts = |cases| Parts { parts: vec![("a".into(), 3), ("b".into(), 9)], cases, wanted: false };
    let html = |cases| page(vec![Block::Table(table(&["x"], vec![vec![Cell::Parts(parts(cases))]]))]);
    let said = |n: usize| {
        let (low, high) = mosa_core::stats::Rate { value: 0.25, n }.wilson();
        format!("<small>{:.0}-{:.0}</small>", 100.0 * low, 100.0 * high)
    };
    assert!(html(Some(4)).contains(&said(4)) && html(None).contains(&said(12)) && html(Some(99)).contains(&said(12)));
}

#[test]
fn what_is_wanted_has_an_ink_of_its_own_in_bars_and_legend() {
    let parts = |wanted| Cell::Parts(Parts { parts: vec![("a".into(), 1), ("b".into(), 1)], cases: None, wanted });
    let html = page(vec![Block::Table(table(&["x"], vec![vec![parts(true)], vec![parts(false)]]))]);
    let (bars, legend) = (between(&html, "<tbody>", "</tbody>"), between(&html, "<ul class=\"legend\"", "</ul>"));
    for (class, in_bars) in [("part-wanted", 1), ("part-0", 1), ("part-1", 2)] {
        let class = format!("class=\"{class}\"");
        assert_eq!((bars.matches(&class).count(), legend.matches(&class).count()), (in_bars, 1), "{class}");
    }
}

#[test]
fn a_verdict_in_a_cell_is_a_sign_before_its_numbers() {
    let html = page(vec![Block::Table(table(&["x"], vec![vec![Cell::Verdict(Agreement::Disagrees, "-3".into())]]))]);
    assert!(html.contains("<td class=\"disagrees\">✗ -3</td>"));
    let latex = table(&["a \u{2212} b"], vec![vec![Cell::Verdict(Agreement::Agrees, "+2".into())]]).latex();
    assert!(
        latex.contains("a $-$ b \\\\") && latex.contains("agrees +2"),
        "signs that LaTeX has not are words: {latex}"
    );
}

#[test]
fn the_fields_of_a_sample_in_parts_are_those_of_a_rate_and_the_parts() {
    let csv = table(&["x", "y"], vec![vec![parts(&[1, 0, 3]), Cell::Verdict(Agreement::Agrees, "+2".into())]]).csv();
    let (low, high) = mosa_core::wilson(1, 4);
    assert_eq!(csv, format!("x,x k,x n,x low,x high,x parts,y\n0.25,1,4,{low},{high},\"a 1, c 3\",✓ +2\n"));
    let none = table(&["x"], vec![vec![parts(&[])]]).csv();
    assert_eq!(none, "x,x k,x n,x low,x high,x parts\n,0,0,,,\n");
}

#[test]
fn more_parts_than_inks_are_an_error() {
    let many = Cell::Parts(Parts { parts: vec![("a".into(), 1); MAX_PARTS + 1], cases: None, wanted: false });
    let error = report(vec![Block::Table(table(&["x"], vec![vec![many]]))]).html().unwrap_err().to_string();
    assert!(error.contains("a sample of 7 parts, 6 can be told apart"), "{error}");
}

#[test]
fn csv_quotes_what_would_break_it() {
    let table = table(&["a", "b,c"], vec![vec!["say \"yes\", then\nstop".into(), "plain".into()]]);
    assert_eq!(table.csv(), "a,\"b,c\"\n\"say \"\"yes\"\", then\nstop\",plain\n");
}

#[test]
fn csv_holds_no_text_that_a_spreadsheet_takes_for_a_formula() {
    for text in [
        "=HYPERLINK(\"http://a\")",
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\"=1",
        "＝1",
        "-inf",
        "\tplain",
    ] {
        let csv = table(&[text], vec![vec![text.into()]]).csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let kept = format!("'{text}");
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), [kept.as_str()]);
        assert_eq!(reader.records().next().unwrap().unwrap().iter().collect::<Vec<_>>(), [kept.as_str()]);
    }
    let wide = table(&["=rate"], vec![vec![Cell::Rate { k: 0, n: 0 }]]).csv();
    assert_eq!(wide.lines().next(), Some("'=rate,'=rate k,'=rate n,'=rate low,'=rate high"));
}

#[test]
fn csv_leaves_numbers_and_other_words_as_they_are() {
    let rows = vec![vec![
        Cell::Number(-0.5, 1),
        "-12".into(),
        "+0.5%".into(),
        "-".into(),
        "a=b".into(),
        "1-2".into(),
        "'=quoted".into(),
    ]];
    let csv = table(&["a", "b", "c", "d", "e", "f", "g"], rows).csv();
    assert_eq!(csv.lines().nth(1), Some("-0.5,-12,+0.5%,-,a=b,1-2,'=quoted"));
}

#[test]
fn csv_keeps_numbers_unrounded_and_spreads_rates_over_columns() {
    let rows = vec![
        vec!["x".into(), Cell::Number(0.123456, 1), Cell::Rate { k: 1, n: 4 }],
        vec!["y".into(), Cell::Number(f64::NAN, 1), Cell::Rate { k: 0, n: 0 }],
    ];
    let csv = table(&["model", "loss", "asr"], rows).csv();
    let (low, high) = mosa_core::wilson(1, 4);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "model,loss,asr,asr k,asr n,asr low,asr high");
    assert_eq!(lines[1], format!("x,0.123456,0.25,1,4,{low},{high}"));
    assert_eq!(lines[2], "y,,,0,0,,");
}

#[test]
fn markdown_escapes_pipes_and_aligns_quantities() {
    let table = table(&["a|b", "n"], vec![vec!["c|d\ne \\| <b>".into(), Cell::Number(1.0, 1)]]);
    assert_eq!(table.markdown(), "| a\\|b | n |\n| --- | ---: |\n| c\\|d e \\\\\\| &lt;b> | 1.0 |\n");
}

#[test]
fn markdown_holds_no_image_link_code_or_emphasis_of_a_text() {
    for (text, expected) in [
        ("![x](http://h/?q=1)", "\\!\\[x\\](http:\\//h/?q=1)"),
        ("[a](b) [c][d]", "\\[a\\](b) \\[c\\]\\[d\\]"),
        ("`code` **bold** _it_ ~~no~~ $x$", "\\`code\\` \\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~ \\$x\\$"),
        ("<img src=x> &lt;", "&lt;img src=x> &amp;lt;"),
        ("https://h WwW.h.org a@h.org", "https:\\//h WwW\\.h.org a&#64;h.org"),
        ("\u{1b}[2J\u{7}", "\\[2J"),
        ("run/one-2 (3)", "run/one-2 (3)"),
    ] {
        let markdown = table(&[text], vec![vec![text.into()]]).markdown();
        let [header, _, row] = markdown.lines().collect::<Vec<_>>()[..] else { unreachable!("{markdown}") };
        let line = format!("| {expected} |");
        assert_eq!([header, row], [line.as_str(); 2], "{text}");
    }
}

#[test]
fn a_row_of_the_wrong_length_is_an_error_that_names_the_table() {
    let error = report(vec![Block::Table(table(&["a", "b"], vec![vec!["x".into()]]))]).html().unwrap_err();
    assert_eq!(error.to_string(), "table `Caption`: row 0 has 1 cells, the header has 2");
}

#[test]
fn a_rate_above_one_is_an_error() {
    let error = report(vec![Block::Table(table(&["a"], vec![vec![Cell::Rate { k: 3, n: 2 }]]))]).html().unwrap_err();
    assert!(error.to_string().contains("3 in 2"), "{error}");
}

#[test]
fn latex_is_a_booktabs_table_with_its_caption() {
    let rows = vec![
        vec!["x".into(), Cell::Number(-1.5, 1), Cell::Rate { k: 48, n: 78 }],
        vec!["y".into(), Cell::Number(f64::NAN, 1), Cell::Rate { k: 0, n: 0 }],
    ];
    let expected = "\\begin{table}\n\\centering\n\\caption{Caption}\n\\begin{tabular}{lrr}\n\\toprule\nmodel & change & rate \\\\\n\\midrule\n\
                    x & $-$1.5 & 62\\% (48/78), 50--72 \\\\\ny & -- & -- \\\\\n\\bottomrule\n\\end{tabular}\n\\end{table}\n";
    assert_eq!(table(&["model", "change", "rate"], rows).latex(), expected);
}

#[test]
fn latex_prints_every_character_as_it_is() {
    let latex = table(&["a"], vec![vec!["* [50% of_A&B] \\x {~^} #$ <|>\nsecond \"line\"\u{7}".into()]]).latex();
    let escaped = "\n{*} {[}50\\% of\\_A\\&B] \\textbackslash{}x \\{\\textasciitilde{}\\textasciicircum{}\\} \\#\\$ \
                   \\textless{}\\textbar{}\\textgreater{} second ''line'' \\\\\n";
    assert!(latex.contains(escaped), "{latex}");
}

#[test]
fn tables_are_listed_with_their_section_and_the_number_on_the_page() {
    let mut report = report(vec![]);
    let section = |title: &str, tables: &[&str]| Section {
        title: title.into(),
        blocks: tables
            .iter()
            .flat_map(|name| [Block::Text("between".into()), Block::Table(table(&[name], vec![]))])
            .collect(),
    };
    report.sections = vec![section("first", &["a", "b"]), section("none", &[]), section("last", &["c"])];
    let listed: Vec<_> = report.tables().map(|t| (t.section, t.number, t.table.header[0].as_str())).collect();
    assert_eq!(listed, [("first", 1, "a"), ("first", 2, "b"), ("last", 3, "c")]);
}

#[test]
fn a_share_has_a_decimal_its_interval_and_its_cases_and_five_columns_for_programs() {
    let cell = |interval, n| Cell::Share { value: 0.698, interval, n };
    assert_eq!(shown(cell(Some((0.673, 0.7221)), 1319)), "69.8%, 67.3-72.2 (n = 1319)");
    assert_eq!(shown(cell(None, 5)), "69.8% (n = 5)");
    assert_eq!(shown(cell(None, 0)), "–");
    let csv = table(&["right"], vec![vec![cell(Some((0.25, 0.75)), 8)], vec![cell(None, 0)]]).csv();
    assert_eq!(csv, "right,right k,right n,right low,right high\n0.698,,8,0.25,0.75\n,,0,,\n");
}
