//! golden.json as it is written.

use anyhow::{Context, Result};
use mosa_core::TokenId;
use mosa_text::Message;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The recorded values of one checkpoint. Entries mosa does not know are kept by name.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    pub special_ids: BTreeMap<String, TokenId>,
    #[serde(default)]
    pub text: Vec<TextEntry>,
    #[serde(default)]
    pub chat: Vec<ChatEntry>,
    #[serde(default)]
    pub decode: Vec<DecodeEntry>,
    #[serde(default)]
    pub logits: Vec<LogitsEntry>,
    #[serde(default)]
    pub traces: Vec<TraceEntry>,
    #[serde(default)]
    pub schedules: Vec<ScheduleEntry>,
    pub cache: Option<CacheEntry>,
    pub block_cache: Option<BlockCacheEntry>,
    /// Further adapters than the one of `mosa`.
    #[serde(default)]
    pub adapters: Vec<FurtherAdapter>,
    #[serde(default)]
    pub likelihood: Vec<LikelihoodEntry>,
    pub mosa: Option<MosaEntry>,
    #[serde(default)]
    pub gcg: Vec<GcgEntry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TextEntry {
    pub text: String,
    pub ids: Vec<TokenId>,
    pub ids_default: Vec<TokenId>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatEntry {
    pub name: String,
    pub messages: Vec<Message>,
    pub add_generation_prompt: bool,
    /// What the template is told beside them.
    pub template_args: Option<BTreeMap<String, Value>>,
    pub text: String,
    pub ids: Vec<TokenId>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DecodeEntry {
    pub ids: Vec<TokenId>,
    pub text: String,
    pub text_skip_special: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogitsEntry {
    pub name: String,
    pub ids: Vec<Vec<TokenId>>,
    pub keep: Vec<Vec<u8>>,
    pub tensors: Vec<String>,
    pub block: Option<usize>,
}

/// The ids of every row; of a single one they may stand without a list around them.
fn rows<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Vec<TokenId>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Rows {
        One(Vec<TokenId>),
        All(Vec<Vec<TokenId>>),
    }
    Ok(match Rows::deserialize(input)? {
        Rows::One(row) => vec![row],
        Rows::All(rows) => rows,
    })
}

#[derive(Debug, Deserialize)]
pub(crate) struct TraceEntry {
    pub name: String,
    pub prompts: Vec<Vec<TokenId>>,
    pub args: Map<String, Value>,
    pub steps: Vec<TraceStep>,
    #[serde(rename = "final", deserialize_with = "rows")]
    pub answers: Vec<Vec<TokenId>>,
    pub final_text: Vec<String>,
    pub forced: Option<Vec<HashMap<usize, TokenId>>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TraceStep {
    pub block: usize,
    /// -1: the prompt enters the cache.
    pub step: i64,
    pub full: bool,
    /// `prefill` or `store`: a pass that reveals nothing.
    pub kind: Option<String>,
    /// (row, response offset, token).
    pub commit: Vec<(usize, i64, TokenId)>,
    /// Revealed tokens that were replaced, likewise.
    #[serde(default)]
    pub edit: Vec<(usize, i64, TokenId)>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ScheduleEntry {
    pub masks: usize,
    pub steps: usize,
    pub eps: f64,
    pub per_step: Vec<usize>,
    pub p_transfer_origin: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CacheEntry {
    pub ids_cached: Vec<Vec<TokenId>>,
    pub ids_step: Vec<Vec<TokenId>>,
    pub block: (usize, usize),
    pub tensors: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BlockCacheEntry {
    pub block: usize,
    pub ids_prefix: Vec<Vec<TokenId>>,
    pub ids_step: Vec<Vec<TokenId>>,
    pub ids_store: Vec<Vec<TokenId>>,
    pub ids_next: Vec<Vec<TokenId>>,
    pub tensors: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FurtherAdapter {
    pub folder: String,
    /// Name of the logits of the `single` ids.
    pub tensor: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LikelihoodEntry {
    pub prompt: Vec<TokenId>,
    pub gen_length: usize,
    pub slot: usize,
    pub tokens: Vec<TokenId>,
    pub mean_field: f64,
    pub mean_field_per_token: Vec<f64>,
    pub chain: f64,
    pub chain_per_token: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MosaEntry {
    pub gen_length: usize,
    pub window: [usize; 2],
    pub beta: f64,
    pub safe_text: String,
    pub safe: Vec<TokenId>,
    pub harm_text: String,
    pub harm: Vec<TokenId>,
    /// What ends the safe sentence; none: the tokeniser's end of text.
    pub eos: Option<TokenId>,
    /// Positions per block of a block-causal model, counted from the first of the prompt.
    pub block: Option<usize>,
    pub prompts: Vec<MosaPrompt>,
    pub adapter: AdapterEntry,
    pub variants: BTreeMap<String, VariantEntry>,
    pub train: Option<TrainEntry>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MosaPrompt {
    pub ids: Vec<TokenId>,
    #[serde(default)]
    pub kl_per_position: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AdapterEntry {
    pub folder: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VariantEntry {
    pub variant: String,
    pub start_in_window: bool,
    pub mean: bool,
    pub loss: f64,
    pub grad_norm: f64,
    pub rows: Vec<VariantRow>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VariantRow {
    pub score_pos: f64,
    pub k_pos: usize,
    pub score_neg: f64,
    pub k_neg: usize,
    pub reward: f64,
    pub kl: f64,
    #[serde(default)]
    pub window_scores_pos: Vec<f64>,
    #[serde(default)]
    pub window_scores_neg: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TrainEntry {
    pub lr: f64,
    pub weight_decay: f64,
    pub clip: f64,
    pub steps: usize,
    pub runs: BTreeMap<String, Vec<TrainStep>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TrainStep {
    pub loss: f64,
    pub kl: f64,
    pub grad_norm: f64,
    pub k_pos: Vec<usize>,
    pub k_neg: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GcgEntry {
    pub name: String,
    pub prompt: Vec<TokenId>,
    /// First position of the suffix in the prompt, and the one after its last.
    pub suffix: (usize, usize),
    pub target: Vec<TokenId>,
    pub offset: usize,
    pub gen_length: usize,
    pub loss: f64,
    /// Single substitutions: (suffix index, token).
    #[serde(default)]
    pub candidates: Vec<(usize, TokenId)>,
    #[serde(default)]
    pub candidate_losses: Vec<f64>,
    /// Name of the recorded gradient.
    pub grad: Option<String>,
}

/// Keys that describe the folder and hold nothing to check.
const DESCRIPTION: [&str; 3] = ["family", "weights_dtype", "vocab"];

impl Golden {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}: not a golden file", path.display()))
    }

    /// Entries that depend on the last digits of f32.
    pub(crate) fn exact_in_f32(&self) -> Vec<String> {
        let traces = self.traces.iter().map(|e| format!("traces.{}", e.name));
        let likelihoods = (0..self.likelihood.len()).map(|i| format!("likelihood.{i}"));
        let mosa = self.mosa.iter().map(|_| "mosa".to_owned());
        let searches = self.gcg.iter().map(|e| format!("gcg.{}", e.name));
        traces.chain(likelihoods).chain(mosa).chain(searches).collect()
    }

    /// Entries whose feature does not exist yet, with the reason.
    pub(crate) fn not_checked(&self) -> impl Iterator<Item = (String, &'static str)> + '_ {
        self.rest.iter().filter(|(key, _)| !DESCRIPTION.contains(&key.as_str())).flat_map(|(key, value)| {
            let names: Vec<String> = value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|e| e.get("name")?.as_str().map(str::to_owned))
                .collect();
            let entries =
                if names.is_empty() { vec![key.clone()] } else { names.iter().map(|n| format!("{key}.{n}")).collect() };
            entries.into_iter().map(|entry| (entry, "mosa has no such feature yet"))
        })
    }
}
