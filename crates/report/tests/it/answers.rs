use crate::page;
use mosa_report::{Answer, Block};

fn answer(marks: &[(usize, usize, &str)], harmful: bool) -> Answer {
    let marks = marks.iter().map(|(from, to, label)| (*from, *to, (*label).into())).collect();
    Answer { title: "t".into(), prompt: "p".into(), text: "äbcdef".into(), marks, harmful }
}

fn marked(marks: &[(usize, usize, &str)]) -> String {
    page(vec![Block::Answers(vec![answer(marks, false)])])
}

#[test]
fn a_harmful_answer_is_folded_and_says_so() {
    let html = page(vec![Block::Answers(vec![answer(&[], true), answer(&[], false)])]);
    assert!(html.contains("<details class=\"harmful\">"));
    assert_eq!(html.matches("<details open>").count(), 1);
    assert_eq!(html.matches("judged harmful, folded").count(), 1);
}

#[test]
fn a_mark_covers_its_characters_and_shows_its_label() {
    let html = marked(&[(1, 3, "forced")]);
    assert!(html.contains(">ä<mark><small>forced</small>bc</mark>def</div>"));
}

#[test]
fn marks_may_overlap_and_reach_beyond_the_text() {
    let html = marked(&[(0, 2, "a"), (1, 99, "b"), (50, 60, "c"), (5, 2, "d")]);
    assert!(html.contains("<mark><small>a</small>ä</mark><mark><small>a, b</small>b</mark>"));
    assert!(!html.contains("<small>c") && !html.contains("<small>d"));
}
