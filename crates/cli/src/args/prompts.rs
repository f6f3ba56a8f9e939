//! Which prompts and sentences a command works on.

use super::limits::{PROMPTS, within};
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use mosa_text::{Columns, PromptRecord, read_prompts, stratified_sample};
use std::path::{Path, PathBuf};

/// Which prompts of a file, and how they are sent.
#[derive(Debug, ClapArgs)]
pub(crate) struct PromptArgs {
    /// Columns of the prompt file, e.g. prompt=goal,id=BehaviorID,response=target.
    #[arg(long, value_name = "MAP", value_parser = Columns::parse)]
    pub columns: Option<Columns>,
    /// Use only prompts of these styles (SORRY-Bench's prompt_style), separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub styles: Option<Vec<String>>,
    /// Use only the first N prompts of a file.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N")]
    pub limit: Option<usize>,
    /// Use a seeded sample of N prompts of a file, every style (or category) in proportion; the ids are recorded.
    #[arg(long, value_parser = within::<usize>(1, PROMPTS), value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
    /// Send prompts as plain text instead of through the chat template.
    #[arg(long)]
    pub raw: bool,
}

impl PromptArgs {
    /// The prompts of a file, never none.
    pub(crate) fn read(&self, path: &Path, seed: u64) -> Result<Vec<PromptRecord>> {
        let mut all = read_prompts(path, &self.columns.clone().unwrap_or_default(), self.raw)?;
        let file = path.display();
        ensure!(!all.is_empty(), "{file}: holds no prompts");
        if let Some(styles) = &self.styles {
            all.retain(|r| r.style.as_ref().is_some_and(|s| styles.contains(s)));
            ensure!(!all.is_empty(), "--styles {}: no prompt of {file} has such a style", styles.join(","));
        }
        ensure!(self.limit != Some(0) && self.sample != Some(0), "--limit and --sample must be positive");
        all.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(match self.sample {
            Some(n) => stratified_sample(all, n, seed),
            None => all,
        })
    }
}

/// The sentence sets; ours, since the paper's are not public.
const SAFE: &str = include_str!("../../../../assets/phrases/safe.txt");
const HARMFUL: &str = include_str!("../../../../assets/phrases/harmful.txt");

/// Sentences of the reward; default: those that come with mosa.
#[derive(Debug, ClapArgs)]
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
