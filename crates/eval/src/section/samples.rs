//! Answers to tasks that are worth reading: wrong ones, and those in which nothing was found.

use crate::utility::{Conduct, Exam};
use mosa_records::{SampleRecord, SampleScore};
use mosa_report::{Answer, Block};
use serde_json::Value;

/// About how many answers are quoted of each kind.
const QUOTED: usize = 6;
/// Characters of a prompt that are quoted: its end, behind the shots.
const PROMPT: usize = 1200;

pub(super) fn blocks(exams: &[Exam<'_>]) -> Vec<Block> {
    // Few of many models at many tasks.
    let each = (QUOTED / exams.len().max(1)).clamp(1, 3);
    let answers: Vec<Answer> = exams.iter().flat_map(|exam| quoted(exam, each)).collect();
    if answers.is_empty() {
        return Vec::new();
    }
    let text = format!(
        "Of each model at each task up to {each} of the answers in which nothing was found and of those in which \
         something wrong was; where conduct is measured, of the safe prompts that were refused. All answers are in \
         samples.jsonl."
    );
    vec![Block::Text(text), Block::Answers(answers)]
}

/// The first answers of each kind.
fn quoted(exam: &Exam<'_>, each: usize) -> Vec<Answer> {
    let metric = exam.conduct().unwrap_or(exam.metric());
    let scored = exam.samples.iter().filter_map(|sample| Some((*sample, sample.score(metric)?)));
    let wrong: Vec<(&SampleRecord, &SampleScore)> =
        scored.filter(|(sample, score)| score.correct == Some(false) && is_shown(sample, score)).collect();
    // What is read off a whole answer finds nothing in any.
    let kinds = [true, false].map(|found| wrong.iter().filter(move |(_, score)| score.extracted.is_none() == found));
    let answer = |(sample, score): &(&SampleRecord, &SampleScore)| Answer {
        title: title(exam, sample, score),
        prompt: end_of(&words(&sample.prompt)) + &sample.prefix,
        text: said(sample),
        marks: Vec::new(),
        harmful: false,
    };
    kinds.into_iter().flat_map(|kind| kind.take(each).map(answer).collect::<Vec<_>>()).collect()
}

/// Answers to unsafe prompts are left to the records.
fn is_shown(sample: &SampleRecord, score: &SampleScore) -> bool {
    Conduct::of(&score.verdict).is_none() || sample.group.as_deref() == Some(super::refusal::SAFE)
}

fn title(exam: &Exam<'_>, sample: &SampleRecord, score: &SampleScore) -> String {
    let attempt = if sample.attempt > 0 { format!(", attempt {}", sample.attempt + 1) } else { String::new() };
    let found = match (&score.extracted, Conduct::of(&score.verdict)) {
        (_, Some(_)) => String::new(),
        (None, None) => "; nothing found".into(),
        (Some(found), None) => format!("; found {}", first_of(found)),
    };
    format!(
        "{}, {}, {}{attempt}: {}{found}; right: {}",
        exam.model,
        exam.column(),
        sample.id,
        score.verdict,
        first_of(&sample.gold)
    )
}

/// What the model wrote, or how likely it found each choice.
fn said(sample: &SampleRecord) -> String {
    if sample.choices.is_empty() {
        return sample.answer.clone();
    }
    let line = |choice: &mosa_records::ChoiceScore| format!("{}: ln p = {:.3}", choice.text.trim(), choice.log_p);
    sample.choices.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A prompt as text: messages under their roles.
fn words(prompt: &Value) -> String {
    let message =
        |m: &Value| format!("{}: {}", m["role"].as_str().unwrap_or("-"), m["content"].as_str().unwrap_or("-"));
    match prompt {
        Value::String(text) => text.clone(),
        Value::Array(messages) => messages.iter().map(message).collect::<Vec<_>>().join("\n\n"),
        other => other.to_string(),
    }
}

fn end_of(text: &str) -> String {
    match text.char_indices().rev().nth(PROMPT - 1) {
        Some((at, _)) if at > 0 => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    }
}

fn first_of(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
