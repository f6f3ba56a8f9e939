//! Which prompts and sentences a command works on.

use super::limits::{PROMPTS, within};
use crate::{digest, output};
use anyhow::{Context, Result, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};
use mosa_data::{Benchmark, Columns, Functional, Kind, Pairing, ReadOptions, Selection};
use mosa_text::PromptRecord;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// How files of benchmarks and prompts are read; the same for every command.
#[derive(Clone, Debug, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Prompts")]
pub(crate) struct ReadArgs {
    /// Columns of the file, e.g. prompt=goal,id=nr,response=target; those of known benchmarks are recognised.
    #[arg(long, value_name = "MAP", value_parser = Columns::parse)]
    #[serde(skip)]
    pub columns: Option<Columns>,
    /// HarmBench's functional categories to keep; copyright is not scored by judges.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = subsets(),
        default_value = "standard,contextual")]
    pub subsets: Vec<Functional>,
    /// HarmBench's optimizer targets: a JSON object of targets by BehaviorID.
    #[arg(long, value_name = "FILE.json")]
    pub targets: Option<PathBuf>,
    /// AdvBench's targets that belong to another row's goal: keep them as published, or repair them.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = PairingName::Keep)]
    pub pairing: PairingName,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PairingName {
    #[default]
    Keep,
    Repair,
}

/// The functional categories by name.
fn subsets() -> impl TypedValueParser<Value = Functional> {
    let names = PossibleValuesParser::new(Functional::ALL.map(Functional::name));
    names.try_map(|name| Functional::parse(&name).ok_or("is no category"))
}

impl ReadArgs {
    /// The behaviours of a file; a missing one is said to be missing.
    pub(crate) fn read(&self, path: &Path, conversations: bool) -> Result<Benchmark> {
        let what = "No such file or directory; give the path of a .jsonl, .json, .csv or .tsv file";
        ensure!(path.exists(), "{}: {what}", path.display());
        Ok(mosa_data::read(path, &self.options(conversations))?)
    }

    /// What the record of a run has to say of how a file is read; null if nothing is set.
    pub(crate) fn said(&self) -> Result<Value> {
        let mut said = Value::Null;
        if let Some(columns) = &self.columns {
            said["columns"] = names(columns);
        }
        if let Some(targets) = &self.targets {
            said["targets"] = digest::of_file(targets)?.into();
        }
        if self.pairing == PairingName::Repair {
            said["repaired"] = true.into();
        }
        Ok(said)
    }

    /// The same for a second file, which has columns of its own and to which the targets do not belong.
    pub(crate) fn of_other(&self, columns: Option<&Columns>) -> Self {
        Self { columns: columns.cloned(), targets: None, ..self.clone() }
    }

    fn options(&self, conversations: bool) -> ReadOptions {
        ReadOptions {
            columns: self.columns.clone().unwrap_or_default(),
            subsets: self.subsets.clone(),
            targets: self.targets.clone(),
            pairing: match self.pairing {
                PairingName::Keep => Pairing::Keep,
                PairingName::Repair => Pairing::Repair,
            },
            conversations,
        }
    }
}

/// Which behaviours or prompts of a file; the same for every command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Prompts")]
pub(crate) struct SelectArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub read: ReadArgs,
    /// Use only rows of these styles (SORRY-Bench's prompt_style), separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub styles: Option<Vec<String>>,
    /// Use only the first N rows of a file.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N")]
    pub limit: Option<usize>,
    /// Use a sample of N rows of a file, drawn with the command's seed, every style (or category) in proportion.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
}

impl SelectArgs {
    /// The chosen behaviours of a file, never none. `conversations`: rows of several turns or of token ids may be among
    /// them.
    pub(crate) fn benchmark(&self, path: &Path, seed: u64, conversations: bool) -> Result<Benchmark> {
        let selection = Selection { styles: self.styles.clone(), limit: self.limit, sample: self.sample, seed };
        selection.of(self.read.read(path, conversations)?).with_context(|| path.display().to_string())
    }
}

/// Which prompts of a file, and how they are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
#[command(next_help_heading = "Prompts")]
pub(crate) struct PromptArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub select: SelectArgs,
    /// Send prompts as plain text instead of through the chat template.
    #[arg(long)]
    pub raw: bool,
}

/// The prompts of a file, and what the record of a run has to say of how they were read.
pub(crate) struct PromptFile {
    pub records: Vec<PromptRecord>,
    /// Null for a plain table that is read as it stands, and whole.
    pub said: Value,
}

impl PromptArgs {
    /// The prompts of a file, never none. Notes about it are said unless `quiet`.
    pub(crate) fn read(&self, path: &Path, seed: u64, quiet: bool) -> Result<PromptFile> {
        let benchmark = self.select.benchmark(path, seed, true)?;
        say_notes(path, &benchmark, quiet);
        let contexts = benchmark.behaviours.iter().filter(|b| b.context.is_some()).count();
        if contexts > 0 && !quiet {
            let of = benchmark.behaviours.len();
            output::say(&format!("note: {}: {contexts} of {of} prompts stand behind their context", path.display()));
        }
        let records = benchmark.behaviours.iter().map(|b| b.record(self.raw)).collect();
        Ok(PromptFile { records, said: self.said(&benchmark, seed)? })
    }

    /// The same for a second file with the same columns, to which the targets do not belong.
    pub(crate) fn of_other(&self) -> Self {
        let mut other = self.clone();
        other.select.read = self.select.read.of_other(self.select.read.columns.as_ref());
        other
    }

    /// How a file was read, as far as it is not read as it stands. Null then, as in the records of runs that are older
    /// than the choice.
    fn said(&self, benchmark: &Benchmark, seed: u64) -> Result<Value> {
        let usual = ReadArgs::default();
        let (own, read) = (stands(benchmark), &self.select.read);
        let mut said = read.said()?;
        for (key, value, is_usual) in [
            ("kind", json!(benchmark.kind.name()), own),
            ("subsets", json!(read.subsets), read.subsets == usual.subsets),
            ("sample_seed", json!(seed), self.select.sample.is_none() || seed == 0),
        ] {
            if !is_usual {
                said[key] = value;
            }
        }
        Ok(said)
    }
}

/// Whether the rows of a file are asked as their prompt column has them, under the ids of their id column, and all.
fn stands(benchmark: &Benchmark) -> bool {
    let plain = matches!(benchmark.kind, Kind::Plain | Kind::SorryBench | Kind::HarmBench);
    let whole = benchmark.notes.iter().all(|note| !note.starts_with("left out"));
    plain && whole && benchmark.behaviours.iter().all(|b| b.context.is_none())
}

/// The columns that are named, by what they hold.
fn names(columns: &Columns) -> Value {
    let Columns { prompt, id, response, style, category } = columns;
    json!({"prompt": prompt, "id": id, "response": response, "style": style, "category": category})
}

impl Default for ReadArgs {
    fn default() -> Self {
        let ReadOptions { subsets, .. } = ReadOptions::default();
        Self { columns: None, subsets, targets: None, pairing: PairingName::Keep }
    }
}

/// Says what a reader of the results has to know about a file.
pub(crate) fn say_notes(path: &Path, benchmark: &Benchmark, quiet: bool) {
    if !quiet {
        for note in &benchmark.notes {
            output::say(&format!("note: {}: {note}", path.display()));
        }
    }
}

/// The sentence sets; ours, since the paper's are not public.
const SAFE: &str = include_str!("../../../../assets/phrases/safe.txt");
const HARMFUL: &str = include_str!("../../../../assets/phrases/harmful.txt");

/// Sentences of the reward; default: those that come with mosa.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ClapArgs)]
pub(crate) struct SentenceArgs {
    /// File of refusals, one per line; the end token is added.
    #[arg(long, value_name = "FILE")]
    pub safe_sentences: Option<PathBuf>,
    /// File of harmful sentences, one per line.
    #[arg(long, value_name = "FILE")]
    pub harmful_sentences: Option<PathBuf>,
}

impl SentenceArgs {
    /// Refusals and harmful sentences, as they are written in the files.
    pub(crate) fn read(&self) -> Result<[Vec<String>; 2]> {
        Ok([phrases(self.safe_sentences.as_deref(), SAFE)?, phrases(self.harmful_sentences.as_deref(), HARMFUL)?])
    }
}

/// The phrases of a file, one per line, or those that come with mosa; never none.
pub(crate) fn phrases(path: Option<&Path>, built_in: &str) -> Result<Vec<String>> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => built_in.to_owned(),
    };
    let lines: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    let name = path.map_or("the built-in phrases".into(), |p| p.display().to_string());
    ensure!(!lines.is_empty(), "{name}: holds no phrases; write one per line");
    Ok(lines)
}
