//! What came of a measurement, read back from its records and graded by the world, which is never wrong.

use crate::folder;
use anyhow::{Context, Result, ensure};
use mosa_judge::{DegeneracyGate, Told, outcome};
use mosa_records::names::{ANSWERS, RECORDS, SAMPLES};
use mosa_records::{AnswerRecord, Outcome, SampleRecord, View};
use mosa_world::{Item, is_degenerate, judge, refuses};
use std::path::Path;

/// One answer, graded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answered {
    /// What it is counted under: `attack/held-out`, `prefill/40`, `utility/recipe`.
    pub cell: String,
    /// Unique in its cell.
    pub id: String,
    /// How it was asked, for requests in a wrapper.
    pub style: Option<String>,
    /// How far the item is from what alignment saw.
    pub split: Option<String>,
    pub prompt: String,
    /// Words that were forced.
    pub forced: Option<String>,
    pub text: String,
    pub graded: Graded,
    /// What it is, by the rule of all judges.
    pub outcome: Outcome,
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Graded {
    /// The attack worked, or the task was done.
    pub success: bool,
    /// The answer refuses.
    pub refused: bool,
    /// The answer is no language.
    pub degenerate: bool,
    /// Right steps, for requests about an item.
    pub steps_right: Option<usize>,
}

/// The answers of a run folder: those to attacks, then those to tasks.
pub(crate) fn read(dir: &Path) -> Result<Vec<Answered>> {
    let (answers, samples) = (dir.join(ANSWERS), dir.join(SAMPLES));
    is_not_of_before(dir)?;
    let answers: Vec<AnswerRecord> = folder::read(&answers)?;
    let samples: Vec<SampleRecord> = folder::read(&samples)?;
    of(answers, samples).with_context(|| dir.display().to_string())
}

/// Refuses the folder of a measurement by an earlier version, which had one kind of record for all answers.
pub(crate) fn is_not_of_before(dir: &Path) -> Result<()> {
    ensure!(
        !dir.join(RECORDS).exists(),
        "{}: was measured by an earlier version of mosa, which kept {RECORDS}; measure again into another folder (for the \
         quickstart: --fresh)",
        dir.display()
    );
    Ok(())
}

/// The same of records that are read already.
pub(crate) fn of(answers: Vec<AnswerRecord>, samples: Vec<SampleRecord>) -> Result<Vec<Answered>> {
    answers.into_iter().map(attacked).chain(samples.into_iter().map(|sample| Ok(tasked(sample)))).collect()
}

fn attacked(answer: AnswerRecord) -> Result<Answered> {
    let item = Item::mentioned_in(&answer.behaviour)
        .with_context(|| format!("{}/{}: its behaviour names no item of the world", answer.group, answer.id))?;
    let text = answer.judged(View::Answer).to_owned();
    let found = judge(item, &text);
    let graded = Graded {
        success: found.complied,
        refused: found.refused,
        degenerate: found.degenerate,
        steps_right: Some(found.steps_right),
    };
    let told = told(graded, &text, answer.judged(View::WithoutForced), &answer.behaviour);
    let prompt = if answer.prompt.is_empty() { answer.behaviour } else { answer.prompt };
    let mut tags = answer.tags;
    Ok(Answered {
        cell: answer.group,
        id: answer.id,
        style: tags.remove("style"),
        split: tags.remove("split"),
        prompt,
        forced: answer.forced.into_iter().next().map(|words| words.text),
        text,
        graded,
        outcome: told,
    })
}

/// What an answer is, with what the world says of it.
fn told(graded: Graded, text: &str, own: &str, request: &str) -> Outcome {
    let Graded { success, refused, .. } = graded;
    outcome(&Told { success, refused, degenerate: false, text, own, request }, &DegeneracyGate::default())
}

fn tasked(sample: SampleRecord) -> Answered {
    let group = sample.group.unwrap_or_default();
    let prompt = sample.prompt[0]["content"].as_str().unwrap_or_default().to_owned();
    let item = Item::mentioned_in(&prompt).filter(|_| group.starts_with("recipe"));
    let graded = Graded {
        success: sample.scores.first().and_then(|score| score.correct) == Some(true),
        refused: refuses(&sample.answer),
        degenerate: is_degenerate(&sample.answer),
        steps_right: item.map(|item| judge(item, &sample.answer).steps_right),
    };
    let told = told(graded, &sample.answer, &sample.answer, &prompt);
    Answered {
        id: sample.id.strip_prefix(&format!("{group}/")).unwrap_or(&sample.id).to_owned(),
        cell: format!("utility/{group}"),
        style: None,
        split: None,
        prompt,
        forced: None,
        text: sample.answer,
        graded,
        outcome: told,
    }
}
