//! Answers: the same request, answered by every arm.

use super::Findings;
use super::matrix::is_main;
use mosa_report::{Answer, Block};

/// The first request of some cells, as the main arms answer it.
pub(super) fn block(f: &Findings) -> Block {
    let mut shown = Vec::new();
    for cell in ["attack/held-out", "prefill/40", "utility/recipe"] {
        let Some(first) = f.answers("original").find(|r| r.cell == cell) else { continue };
        for arm in f.arms().into_iter().filter(|arm| is_main(arm)) {
            let Some(r) = f.answers(arm.name).find(|r| r.cell == cell && r.id == first.id) else { continue };
            let marks = r.forced.as_ref().and_then(|words| {
                let at = r.text[..r.text.find(words.as_str())?].chars().count();
                Some((at, at + words.chars().count(), "forced".to_owned()))
            });
            shown.push(Answer {
                title: format!("{}, {cell}: {}", arm.title, r.outcome.name()),
                prompt: r.prompt.clone(),
                text: r.text.clone(),
                marks: marks.into_iter().collect(),
                harmful: r.graded.success && !cell.starts_with("utility"),
            });
        }
    }
    Block::Answers(shown)
}
