use crate::page;
use mosa_report::{Agreement, Block, Claim};

#[test]
fn verdicts_are_words_and_are_counted() {
    let claim = |verdict| Claim { what: "w".into(), paper: "p".into(), measured: "m".into(), verdict };
    let claims = [Agreement::Agrees, Agreement::Agrees, Agreement::Disagrees, Agreement::Undecided];
    let html = page(vec![Block::Claims(claims.map(claim).to_vec())]);
    assert!(html.contains("2 agree, 1 disagrees, 1 undecided"));
    for text in ["✓ agrees</td>", "✗ disagrees</td>", "? undecided</td>"] {
        assert!(html.contains(text), "{text}");
    }
}
