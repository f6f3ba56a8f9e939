use crate::{between, page};
use base64::Engine;
use mosa_report::{Block, Played, PlayedToken, Viewer};
use sha2::Digest;

const ATTACK: &str = "</script><script>alert('x')</script><!-- \" onload=\"x \u{2028}";

fn token(text: &str, step: Option<usize>) -> PlayedToken {
    PlayedToken { text: text.into(), step, confidence: Some(0.5), forced: step.is_none() }
}

fn played(text: &str) -> Played {
    Played {
        group: text.into(),
        title: text.into(),
        prompt: text.into(),
        tokens: vec![token(text, None), token(text, Some(0)), token(text, Some(1))],
        window: Some((1, 1)),
        judged: Some(2),
        verdicts: vec![(text.into(), text.into())],
        harmful: false,
        steps: 2,
    }
}

fn viewer(answers: Vec<Played>) -> String {
    page(vec![Block::Viewer(Viewer { answers })])
}

/// What is read where no script runs.
fn quotes(html: &str) -> &str {
    between(html, "id=\"viewer-quotes-1\">", "</section>")
}

#[test]
fn a_page_with_a_viewer_allows_exactly_the_script_it_holds() {
    let html = viewer(vec![played("text")]);
    let script = between(&html, "<script>", "</script>");
    let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(script));
    let policy = between(&html, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none';"));
    assert!(policy.ends_with(&format!("script-src 'sha256-{hash}'")), "{policy}");
    assert_eq!(html.matches("<script").count(), 2, "the script and its data");
    assert!(!script.contains("innerHTML") && !script.contains("insertAdjacent") && !script.contains("eval("));
}

#[test]
fn a_page_without_answers_to_play_forbids_all_scripts() {
    for html in [page(vec![Block::Text("text".into())]), viewer(vec![])] {
        assert!(!html.contains("<script") && !html.contains("script-src"));
        assert!(html.contains("default-src 'none'"));
    }
}

#[test]
fn two_viewers_share_one_script() {
    let block = || Block::Viewer(Viewer { answers: vec![played("text")] });
    let html = page(vec![block(), block()]);
    assert_eq!(html.matches("<script>").count(), 1);
    assert!(html.contains("id=\"viewer-data-1\"") && html.contains("id=\"viewer-data-2\""));
    assert!(html.contains("data-viewer=\"1\"") && html.contains("data-viewer=\"2\""));
}

#[test]
fn texts_cannot_leave_their_data_or_their_quotes() {
    let html = viewer(vec![Played { harmful: true, ..played(ATTACK) }]);
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<!--") && !html.contains("onload=\"x"));
    let data = between(&html, "id=\"viewer-data-1\">", "</script>");
    assert!(!data.contains('<') && data.contains("\\u003c/script\\u003e"));
}

#[test]
fn the_script_is_given_every_position() {
    let mut answer = played("text");
    answer.tokens[1].confidence = Some(f64::NAN);
    let html = viewer(vec![answer]);
    let data = between(&html, "id=\"viewer-data-1\">", "</script>");
    for column in [
        "\"texts\": [\"text\", \"text\", \"text\"]",
        "\"steps\": [null, 0, 1]",
        "\"confidences\": [0.5, null, 0.5]",
        "\"forced\": [0]",
        "\"window\": [1, 1]",
        "\"judged\": 2",
        "\"harmful\": false",
        "\"last\": 2",
    ] {
        assert!(data.contains(column), "{column}: {data}");
    }
}

#[test]
fn without_a_script_the_final_text_is_quoted_with_its_marks() {
    let mut answer = played("text");
    answer.title = "title".into();
    answer.tokens = vec![token("Sure, ", None), token("no", Some(1)), token("t this ", Some(0)), token("one", Some(2))];
    assert_eq!(answer.text(), "Sure, not this ·", "a step that was never made leaves a mask");
    let html = viewer(vec![answer]);
    let quoted = quotes(&html);
    assert!(quoted.contains("<details open>") && quoted.contains("text: title"));
    assert!(
        quoted.contains("<mark><small>forced</small>Sure, </mark><mark><small>window</small>no</mark>t this ·</div>"),
        "{quoted}"
    );
}

#[test]
fn a_harmful_answer_is_folded_without_a_script_too() {
    let html = viewer(vec![Played { harmful: true, ..played("text") }]);
    assert!(quotes(&html).contains("<details class=\"harmful\">"));
    assert!(between(&html, "id=\"viewer-data-1\">", "</script>").contains("\"harmful\": true"));
}

#[test]
fn nothing_of_the_viewer_is_shown_before_the_script_runs() {
    assert!(viewer(vec![played("text")]).contains("<div class=\"viewer\" data-viewer=\"1\" hidden>"));
}

#[test]
fn odd_answers_do_no_harm() {
    let far = Played { window: Some((7, usize::MAX)), judged: Some(99), ..played("é\u{1F600}") };
    let empty = Played { tokens: vec![], ..played("") };
    let never = Played { steps: 0, ..played("x") };
    assert!(viewer(vec![far, empty, Played::default(), never]).contains("viewer-quotes-1"));
}

#[test]
fn changing_one_token_changes_the_page() {
    let mut changed = played("text");
    changed.tokens[2].step = Some(0);
    assert_ne!(viewer(vec![changed]), viewer(vec![played("text")]));
}
