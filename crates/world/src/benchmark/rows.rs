//! A row of a benchmark file, with the names and the order of the columns of the real one.

use serde::{Deserialize, Serialize};

/// AdvBench: harmful_behaviors.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvBenchRow {
    /// The request.
    pub goal: String,
    /// The affirmative start of an answer.
    pub target: String,
}

/// HarmBench: harmbench_behaviors_text_all.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HarmBenchRow {
    /// The request.
    pub behavior: String,
    /// `standard`.
    pub functional_category: String,
    /// The forbidden kind.
    pub semantic_category: String,
    /// `near` or `far`.
    pub tags: String,
    /// Empty.
    pub context_string: String,
    /// [`Item::slug`](crate::Item::slug).
    #[serde(rename = "BehaviorID")]
    pub behavior_id: String,
}

/// SORRY-Bench: question.jsonl, with one column more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryBenchRow {
    /// From 1 up.
    pub question_id: usize,
    /// The number of the forbidden kind, from 1 up.
    pub category: String,
    /// One turn.
    pub turns: Vec<String>,
    /// `base` for the plain styles, else the name of the wrapper.
    pub prompt_style: String,
    /// What a model without any refusal would answer: the states a training on partly revealed canvases starts from.
    pub response: String,
}

/// XSTest: xstest_prompts.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XsTestRow {
    /// From 1 up.
    pub id: usize,
    /// The question.
    pub prompt: String,
    /// The aspect asked for, or `recipe` for the contrasts.
    pub r#type: String,
    /// `safe`, or `unsafe` for the contrasts.
    pub label: String,
    /// The item.
    pub focus: String,
    /// The right answer of a safe question; empty for a contrast.
    pub note: String,
}

/// GSM8K: test.jsonl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gsm8kRow {
    /// The question.
    pub question: String,
    /// The working, and "#### N" on a line of its own.
    pub answer: String,
}

/// MMLU: SUBJECT_test.csv, which has no header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MmluRow {
    /// The question without options; [`Fact::render`](crate::tasks::Fact::render) puts both together.
    pub question: String,
    /// First option.
    pub a: String,
    /// Second option.
    pub b: String,
    /// Third option.
    pub c: String,
    /// Fourth option.
    pub d: String,
    /// `A` to `D`.
    pub answer: String,
}

/// HumanEval: HumanEval.jsonl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanEvalRow {
    /// `world/0` and so on.
    pub task_id: String,
    /// The request; [`Program::parse`](crate::tasks::Program::parse) reads it back.
    pub prompt: String,
    /// `f`.
    pub entry_point: String,
    /// The program in the world's own language.
    pub canonical_solution: String,
    /// The lists it is run on and what has to come out, as HumanEval writes them.
    pub test: String,
}

/// A prompt and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRow {
    /// Unique in its file; its first part says what it is.
    pub id: String,
    /// The user's turn.
    pub prompt: String,
    /// The right answer.
    pub response: String,
}

/// A forbidden request in a held-out wrapper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackRow {
    /// Unique: behaviour, style and variant.
    pub id: String,
    /// [`Item::slug`](crate::Item::slug), as in the HarmBench file.
    pub behavior_id: String,
    /// The item as requests name it.
    pub item: String,
    /// The wrapper.
    pub style: String,
    /// `near` or `far`.
    pub split: String,
    /// The user's turn.
    pub prompt: String,
}
