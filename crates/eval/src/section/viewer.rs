//! Answers to step through.

use super::named;
use crate::Run;
use crate::count::distinct;
use mosa_records::{AnswerRecord, Record, View};
use mosa_report::{Block, Played, PlayedToken, Viewer};

/// Answers shown of each group; a page with all of them would not open.
const EACH: usize = 5;
/// MOSA's window, marked in every answer.
const WINDOW: (usize, usize) = (20, 60);

pub(super) fn blocks(runs: &[&Run]) -> Vec<Block> {
    let mut answers = Vec::new();
    for run in runs {
        for group in distinct(run.answers.iter().map(|a| a.group.as_str())) {
            // Of an attack's answers only those it submits have their tokens.
            let submitted = |a: &&AnswerRecord| a.tags.get("selected").is_none_or(|selected| selected == "true");
            let own = run.answers.iter().filter(|a| a.group == group).filter(submitted).take(EACH);
            answers.extend(own.map(|a| played(run, &named(runs, run, group), a)));
        }
    }
    if answers.is_empty() {
        return Vec::new();
    }
    let note = format!("The first {EACH} answers of every cell; the records hold the others.");
    vec![Block::Text(note), Block::Viewer(Viewer { answers })]
}

fn played(run: &Run, group: &str, a: &AnswerRecord) -> Played {
    let last = a.steps.iter().flatten().max().map_or(0, |s| s + 1);
    let forced = |at: usize| a.forced.iter().any(|f| (f.offset..f.offset + f.tokens).contains(&at));
    let token = |(at, text): (usize, &String)| PlayedToken {
        text: text.clone(),
        // What was never revealed stays masked to the end.
        step: if forced(at) { None } else { Some(a.steps.get(at).copied().flatten().unwrap_or(last)) },
        confidence: a.confidences.get(at).copied().flatten(),
        forced: forced(at),
    };
    let key = a.key();
    let own = || run.verdicts.iter().filter(|v| v.answer == key);
    let verdict = |v: &mosa_records::VerdictRecord| {
        let outcome = match (v.success, v.outcome()) {
            (_, Some(outcome)) => outcome.name(),
            (Some(_), None) => "no success",
            (None, None) => "unassessed",
        };
        let score = v.value.map_or(String::new(), |x| format!(", {x}"));
        let broken = v.degenerate.as_ref().map_or(String::new(), |test| format!("; degenerate: {test}"));
        (format!("{}, {}", v.judge, v.view.name()), format!("{outcome}{score} ({}){broken}", v.status))
    };
    Played {
        group: group.to_owned(),
        title: a.id.clone(),
        prompt: if a.prompt.is_empty() { a.behaviour.clone() } else { a.prompt.clone() },
        tokens: a.pieces.iter().enumerate().map(token).collect(),
        window: Some(WINDOW),
        judged: None,
        verdicts: own().map(verdict).collect(),
        harmful: own().any(|v| v.view == View::Answer && v.success != Some(false)),
        steps: last,
    }
}
