//! What the files of a run folder are called.

/// What the run is.
pub const MANIFEST: &str = "manifest.json";
/// What earlier versions left of a manifest when they were killed while they wrote it.
pub const MANIFEST_BEGUN: &str = "manifest.json.partial";
/// Answers ([`crate::AnswerRecord`]).
pub const ANSWERS: &str = "answers.jsonl";
/// Verdicts on them ([`crate::VerdictRecord`]); in the folder of a cache, what judge models said.
pub const VERDICTS: &str = "verdicts.jsonl";
/// Orders of revealing ([`crate::OrderRecord`]).
pub const ORDERS: &str = "orders.jsonl";
/// Suffix searches ([`crate::CurveRecord`]).
pub const CURVES: &str = "curves.jsonl";
/// Where sentences fit ([`crate::LandscapeRecord`]).
pub const LANDSCAPES: &str = "landscapes.jsonl";
/// What monitors said ([`crate::MonitorRecord`]).
pub const MONITORS: &str = "monitors.jsonl";
/// Answers to the items of a task ([`crate::SampleRecord`]).
pub const SAMPLES: &str = "samples.jsonl";
/// The cases of an attack.
pub const CASES: &str = "cases.jsonl";
/// What its cases took of the time.
pub const SECONDS: &str = "seconds.jsonl";
/// Every call it made.
pub const JOURNAL: &str = "journal.jsonl";
/// The steps of a training.
pub const METRICS: &str = "metrics.jsonl";
/// Answers of the embedded world, as versions before [`SAMPLES`] kept them.
pub const RECORDS: &str = "records.jsonl";
/// Prompts of an import that a model has yet to answer.
pub const PROMPTS: &str = "prompts.jsonl";
