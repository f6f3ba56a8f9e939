//! What a task file may say.

use crate::Ask;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A task file as it is written. Texts with a place in the file are those that an error may be about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// Its name, as records have it.
    pub(crate) task: Spanned<String>,
    /// The protocol.
    pub(crate) protocol: Spanned<String>,
    /// What it measures and how, in a line.
    pub(crate) about: String,
    /// What it follows, with the version.
    #[serde(default)]
    pub(crate) source: String,
    pub(crate) data: Data,
    #[serde(default)]
    pub(crate) shots: Option<Shots>,
    pub(crate) prompt: Prompt,
    pub(crate) gold: Gold,
    pub(crate) ask: Spanned<Ask>,
    #[serde(rename = "metric")]
    pub(crate) metrics: Vec<Spanned<Metric>>,
}

/// Where the rows are and what they are called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// Files below the folder that the user gives; of several the first that is there. One part of a path may hold `{group}`.
    pub(crate) files: Spanned<Files>,
    /// The columns of a table without a header line.
    #[serde(default)]
    pub(crate) header: Vec<String>,
    /// Other names that a column may have; `choices.0` is the first of a list.
    #[serde(default)]
    pub(crate) accepted: BTreeMap<String, Vec<String>>,
    /// The id of a row; its number in its file from 0 if absent.
    #[serde(default)]
    pub(crate) id: Option<Spanned<String>>,
    /// The group of a row, where the file's name does not say it.
    #[serde(default)]
    pub(crate) group: Option<Spanned<String>>,
}

/// A path or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a path, or a list of paths")]
pub(crate) enum Files {
    One(String),
    Several(Vec<String>),
}

impl Files {
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Several(paths) => paths,
        }
    }
}

/// Examples with their answers before the question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shots {
    /// How many, if the user does not say.
    pub(crate) count: usize,
    /// Where they are, as in [`Data::files`].
    pub(crate) files: Spanned<Files>,
    /// Which rows they are.
    #[serde(default)]
    pub(crate) pick: Pick,
    /// The rows, from 0, for `pick = "rows"`.
    #[serde(default)]
    pub(crate) rows: Option<Spanned<Vec<usize>>>,
    /// The seed, for `pick = "python-sample"`.
    #[serde(default)]
    pub(crate) seed: Option<u32>,
    /// Whether shots are of the question's group.
    #[serde(default)]
    pub(crate) same_group: bool,
}

/// Which rows are shots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pick {
    /// The first ones.
    #[default]
    First,
    /// Those that Python's `random.Random(seed).sample` draws, a draw for every item in order (lm-eval).
    PythonSample,
    /// Those that are named.
    Rows,
}

/// How it is asked. All texts are Jinja templates over the columns of a row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prompt {
    /// Text, or turns that go through the chat template.
    pub(crate) form: Form,
    /// What stands before everything: the beginning of a text, or the system's turn.
    #[serde(default)]
    pub(crate) description: Option<Spanned<String>>,
    /// The question.
    pub(crate) question: Spanned<String>,
    /// The question of a shot, where it is another.
    #[serde(default)]
    pub(crate) shot: Option<Spanned<String>>,
    /// The answer of a shot.
    #[serde(default)]
    pub(crate) answer: Option<Spanned<String>>,
    /// What stands behind a shot's answer in a text.
    #[serde(default)]
    pub(crate) between: Option<String>,
    /// What the answer goes on from.
    #[serde(default)]
    pub(crate) prefix: Option<Spanned<String>>,
    /// Texts that are scored behind the prompt, what parts them from it included.
    #[serde(default)]
    pub(crate) choices: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    Text,
    Chat,
}

/// The right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gold {
    pub(crate) text: Spanned<String>,
    /// What it can be; where the model chooses, one for every choice in their order.
    #[serde(default)]
    pub(crate) one_of: Vec<String>,
}

/// How an answer is scored.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) name: String,
    /// What makes an answer right.
    pub(crate) score: Score,
    /// How what counts is found in the answer, step by step.
    #[serde(default)]
    pub(crate) extract: Vec<Spanned<Step>>,
    /// The right answer for this metric, where it is not that of `[gold]`; for `exact` and `number`.
    #[serde(default)]
    pub(crate) gold: Option<Spanned<String>>,
    /// What is removed from the answer and the right one before they are compared; for `exact`.
    #[serde(default)]
    pub(crate) ignore: Vec<Spanned<String>>,
    /// For `exact`.
    #[serde(default)]
    pub(crate) ignore_case: bool,
    /// Python's `string.punctuation`; for `exact`.
    #[serde(default)]
    pub(crate) ignore_punctuation: bool,
    /// How far from the right number is right; for `number`.
    #[serde(default)]
    pub(crate) tolerance: Option<f64>,
    /// What ln p is divided by; for `choice`.
    #[serde(default)]
    pub(crate) per: Option<Per>,
    /// The program that is run, made from the row and `extracted`; for `program`.
    #[serde(default)]
    pub(crate) program: Option<Spanned<String>>,
    /// What is run behind it and has to return; for `program`.
    #[serde(default)]
    pub(crate) check: Option<Spanned<String>>,
    /// How conduct is told; for `conduct`.
    #[serde(default)]
    pub(crate) conduct: Option<Conduct>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Score {
    /// The same text as the right answer.
    Exact,
    /// The same number, within a tolerance.
    Number,
    /// The likeliest choice is the right one.
    Choice,
    /// A program that runs and whose check returns.
    Program,
    /// Compliance or refusal as it is expected.
    Conduct,
}

/// What the ln p of a choice is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Per {
    Character,
    Byte,
}

/// One step of an extraction: one of its verbs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Keeps what the group of this regular expression holds; of several groups the first that holds something.
    #[serde(default)]
    pub(crate) regex: Option<Spanned<String>>,
    /// Which match of `regex`.
    #[serde(default)]
    pub(crate) take: Option<End>,
    /// What happens if `regex` matches nothing.
    #[serde(default)]
    pub(crate) otherwise: Option<Otherwise>,
    /// Keeps what stands before the first place of this text, if it stands there.
    #[serde(default)]
    pub(crate) before: Option<String>,
    /// Removes what this regular expression matches, wherever it does.
    #[serde(default)]
    pub(crate) remove: Option<Spanned<String>>,
    /// Removes blanks and line ends at the ends.
    #[serde(default)]
    pub(crate) strip: Option<Strip>,
    /// Keeps the first of these options that `patterns` lead to.
    #[serde(default)]
    pub(crate) option: Option<Vec<String>>,
    /// Regular expressions, tried in order, the first place of each: what its group holds (or, if nothing, the whole match)
    /// is searched for an option.
    #[serde(default)]
    pub(crate) patterns: Option<Vec<Spanned<String>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    #[default]
    First,
    Last,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Otherwise {
    /// Nothing is extracted.
    #[default]
    Nothing,
    /// The text stays as it is.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strip {
    Both,
    Start,
    End,
}

/// How compliance is told from refusal by the words of an answer, in small letters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conduct {
    /// An answer that begins with one of these refuses.
    pub(crate) begins: Vec<String>,
    /// Unless one of these regular expressions matches in its opening.
    #[serde(default)]
    pub(crate) unless: Vec<Spanned<String>>,
    /// Regular expressions of refusals: in the opening they refuse at once, anywhere else in part.
    #[serde(default)]
    pub(crate) holds: Vec<Spanned<String>>,
    /// Sentences of the opening.
    #[serde(default = "two")]
    pub(crate) opening: usize,
    /// Regular expressions of answers: behind an opening that refuses they make the refusal a partial one.
    #[serde(default)]
    pub(crate) goes_on: Vec<Spanned<String>>,
}

fn two() -> usize {
    2
}
