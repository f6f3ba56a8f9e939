use crate::{page, report};
use mosa_report::{
    Agreement, Answer, Axis, Bar, BarSeries, Block, Cell, Claim, Figure, FigureKind, Front, Parts, Point, Report,
    Section, Series, Table, Verdicts,
};

const ATTACK: &str = "</style><script>alert('x')</script>\" onload=\"x";

/// A front whose table has a sample in parts, `k` of which are the first, and a verdict.
fn front(text: &str, k: usize) -> Front {
    let sample = Cell::Parts(Parts { parts: vec![(text.into(), k), (text.into(), 9)], cases: None, wanted: true });
    let row = vec![text.into(), sample, Cell::Verdict(Agreement::Agrees, text.into())];
    let table = Table { caption: text.into(), header: vec![text.into(); 3], rows: vec![row] };
    let verdicts = vec![Agreement::Agrees, Agreement::Undecided];
    let verdicts = Verdicts { about: text.into(), section: text.into(), verdicts };
    Front { block: Block::Table(table), verdicts: vec![verdicts] }
}

/// A report with a block of every kind, in which every text is `text` and every number depends on `number`.
fn full(text: &str, number: f64) -> Report {
    let axis = || Axis::new(text);
    let figure = |kind| Block::Figure(Figure { caption: text.into(), kind });
    let point = Point::between(number, number, (number - 1.0, number + 1.0));
    let series = vec![Series {
        name: text.into(),
        points: vec![point, Point::new(number + 1.0, 0.0)],
        marks: true,
        ..Series::default()
    }];
    let bars = vec![BarSeries { name: text.into(), bars: vec![Bar::new(number)] }];
    let row = vec![text.into(), Cell::Number(number, 2), Cell::Rate { k: 1, n: 2 }];
    let claim = Claim {
        what: text.into(),
        paper: text.into(),
        measured: text.into(),
        rule: text.into(),
        verdict: Agreement::Agrees,
    };
    let marks = vec![(0, 3, text.into())];
    let answer = Answer { title: text.into(), prompt: text.into(), text: text.into(), marks, harmful: true };
    let blocks = vec![
        Block::Text(text.into()),
        Block::Table(Table { caption: text.into(), header: vec![text.into(); 3], rows: vec![row] }),
        figure(FigureKind::Lines { x: axis(), y: axis(), series, shade: Some((0.0, 1.0, text.into())) }),
        figure(FigureKind::Bars { y: axis(), groups: vec![text.into()], series: bars }),
        figure(FigureKind::Heat {
            x: axis(),
            y: axis(),
            scale: axis(),
            values: vec![vec![0.0, number]],
            lines: vec![],
        }),
        figure(FigureKind::Stacks {
            grades: true,
            x: axis(),
            groups: vec![text.into()],
            parts: vec![text.into(); 2],
            counts: vec![vec![1, number as usize]],
            cut: Some(1),
        }),
        Block::Claims(vec![claim]),
        Block::Answers(vec![answer]),
    ];
    Report {
        title: text.into(),
        lead: text.into(),
        front: Some(front(text, number as usize)),
        provenance: vec![(text.into(), text.into())],
        digest: Some(text.into()),
        exports: Some(text.into()),
        warnings: vec![text.into()],
        sections: vec![Section { title: text.into(), blocks }, Section { title: text.into(), blocks: vec![] }],
    }
}

#[test]
fn every_text_of_every_block_is_escaped() {
    let html = full(ATTACK, 3.0).html().unwrap();
    assert!(!html.contains("<script"));
    assert!(!html.contains("alert('x')</"));
    assert!(!html.contains("onload=\""));
    assert_eq!(html.matches("</style>").count(), 1);
    assert!(html.contains("&lt;script&gt;"));
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    let html = full("text", 3.0).html().unwrap().replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http:", "https:", "src=", "url(\"", "@import", "<link", "<script", "javascript:"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("default-src 'none'"));
    assert!(html.contains("<meta charset=\"utf-8\">") && html.contains("<html lang=\"en\">"));
}

#[test]
fn equal_data_give_equal_bytes() {
    assert_eq!(full("text", 3.0).html().unwrap(), full("text", 3.0).html().unwrap());
}

#[test]
fn changing_one_number_of_any_block_changes_the_page() {
    let (a, b) = (full("text", 3.0), full("text", 4.0));
    let front = Report { front: b.front.clone(), ..a.clone() };
    assert_ne!(a.html().unwrap(), front.html().unwrap(), "the front");
    for i in [1, 2, 3, 4, 5] {
        let mut changed = a.clone();
        changed.sections[0].blocks[i] = b.sections[0].blocks[i].clone();
        assert_ne!(a.html().unwrap(), changed.html().unwrap(), "block {i}");
    }
}

#[test]
fn figures_and_tables_are_numbered_across_sections() {
    let mut report = full("text", 3.0);
    report.sections[1] = report.sections[0].clone();
    let html = report.html().unwrap();
    for n in 1..=8 {
        assert!(html.contains(&format!("<b>Figure {n}.</b>")), "{n}");
    }
    assert!((1..=3).all(|n| html.contains(&format!("<b>Table {n}.</b>"))));
    assert!(!html.contains("Figure 9") && !html.contains("Table 4"));
    let tables: Vec<_> = report.tables().map(|t| (t.number, t.table.header.len())).collect();
    assert_eq!(tables, [(1, 3), (2, 3), (3, 3)], "the front's comes first");
}

#[test]
fn the_front_and_its_verdicts_come_before_warnings_and_contents_and_warnings_fold_to_their_count() {
    let report = full("text", 3.0);
    let html = report.html().unwrap();
    let at = |part: &str| html.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(at("class=\"sample\"") < at("1 undecided") && at("1 undecided") < at("class=\"warnings\""));
    assert!(at("class=\"warnings\"") < at("Contents"));
    assert!(html.contains("<a href=\"#section-1\">text</a>: <span class=\"verdict agrees\">✓ 1 agrees</span>"));
    assert!(html.contains("<details class=\"warnings\">\n<summary><strong>1 warning</strong>"));
    let bare = Report { front: None, ..report }.html().unwrap();
    assert!(bare.contains("<details class=\"warnings\" open>"), "open where nothing stands before them");
}

#[test]
fn the_contents_lead_to_every_section() {
    let html = full("text", 3.0).html().unwrap();
    for n in 1..=2 {
        assert!(html.contains(&format!("href=\"#section-{n}\"")) && html.contains(&format!("id=\"section-{n}\"")));
    }
}

#[test]
fn of_many_warnings_the_first_ones_are_seen_and_all_are_there() {
    let warnings = (1..=11).map(|n| format!("Warning number {n}.")).collect();
    let html = Report { warnings, ..Report::default() }.html().unwrap();
    let (seen, folded) = html.split_once("<summary>3 more</summary>").unwrap();
    assert!(seen.contains("number 8.") && !seen.contains("number 9."));
    assert!(folded.contains("number 9.") && folded.contains("number 11."));
}

#[test]
fn warnings_and_provenance_are_on_the_page_only_if_there_are_any() {
    let mut report = report(vec![]);
    assert!(!report.html().unwrap().contains("<dl"));
    report.provenance = vec![("seed".into(), "7".into())];
    report.warnings = vec!["Few prompts.".into()];
    let html = report.html().unwrap();
    assert!(html.contains("<dt>seed</dt><dd>7</dd>") && html.contains("<details class=\"made\" open>"));
    let many = Report { provenance: vec![("seed".into(), "7".into()); 40], ..report.clone() };
    assert!(many.html().unwrap().contains("<details class=\"made\">"), "a long list is folded");
    assert!(html.contains("<li>Few prompts.</li>"));
}

#[test]
fn the_records_and_the_files_are_named_in_the_provenance() {
    let mut report = report(vec![]);
    report.digest = Some("9f86d081".into());
    report.exports = Some("runs/a/tables".into());
    let html = report.html().unwrap();
    assert!(html.contains("<dt>records, sha256</dt><dd data-digest=\"9f86d081\">9f86d081</dd>"));
    assert!(html.contains("<dt>tables as files</dt><dd>runs&#x2f;a&#x2f;tables</dd>"));
    report.digest = Some("9f86d082".into());
    assert_ne!(report.html().unwrap(), html, "other records, other page");
}

#[test]
fn an_empty_line_starts_a_paragraph() {
    let html = page(vec![Block::Text("One.\n\nTwo.\n\n\n".into())]);
    assert!(html.contains("<p>One.</p>") && html.contains("<p>Two.</p>") && !html.contains("<p></p>"));
}

#[test]
fn an_empty_report_is_a_page() {
    assert!(Report::default().html().unwrap().starts_with("<!doctype html>"));
}
