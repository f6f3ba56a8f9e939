//! config.json, read key by key: what is missing or unsupported is refused by name.

use crate::rope_config::Rope;
use crate::{ModelError, dream, llada, mmada, neutral};
use mosa_core::{Family, TokenId};
use serde_json::{Map, Value};
use std::path::Path;

/// In which type queries and keys are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePrecision {
    /// Cast to f32, rotate, cast back (LLaDA's `rope_full_precision`).
    Full,
    /// Tables cast to the activation type (Dream, Qwen).
    Activation,
}

/// The module paths of a family. `{block}` parts are prefixed with the block's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub embed: &'static str,
    /// The list of blocks; block i is `<blocks>.<i>`.
    pub blocks: &'static str,
    pub attention_norm: &'static str,
    pub q: &'static str,
    pub k: &'static str,
    pub v: &'static str,
    pub o: &'static str,
    pub mlp_norm: &'static str,
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub norm: &'static str,
    pub head: &'static str,
}

/// The shape of a model, the same for all families.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub family: Family,
    /// The class name of the published code.
    pub architecture: String,
    /// Width of the hidden states.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Channels per head.
    pub head_dim: usize,
    /// Width inside the feed-forward part.
    pub mlp_width: usize,
    /// Rows of embedding and output layer.
    pub vocab: usize,
    /// Added to the mean square in RMSNorm.
    pub norm_eps: f64,
    /// Base of the rotation frequencies.
    pub rope_theta: f64,
    /// By how much positions are stretched before they are rotated (`rope_type` linear); 1 without scaling.
    pub rope_factor: f64,
    /// In which type queries and keys are rotated.
    pub rope_precision: RopePrecision,
    /// Whether row i of the raw output scores position i + 1.
    pub shifted: bool,
    /// Whether positions of a padded row count from its first token (Dream) or from the padding (LLaDA).
    pub positions_skip_padding: bool,
    /// Whether the output layer is the embedding.
    pub tied_head: bool,
    /// Whether q, k, v have a bias.
    pub qkv_bias: bool,
    /// Whether all other linear layers have a bias.
    pub linear_bias: bool,
    /// Whether logits are divided by the square root of the width.
    pub scaled_logits: bool,
    /// Longest canvas, prompt included.
    pub max_length: usize,
    /// The mask token.
    pub mask: TokenId,
    /// End of text.
    pub eos: TokenId,
    /// Padding.
    pub pad: TokenId,
    pub(crate) names: Names,
}

impl ModelConfig {
    /// Reads the config.json at `path`, dispatching on `architectures`.
    ///
    /// # Errors
    /// [`ModelError`] naming the key if one is missing, malformed or asks for something unsupported.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|e| ModelError::file(path, format!("not valid JSON: {e}")))?;
        let Value::Object(map) = value else { return Err(ModelError::file(path, "expected a JSON object")) };
        let keys = Keys { path, map: &map };
        let config = match keys.architecture()? {
            "LLaDAModelLM" => llada::config(&keys, Family::Llada)?,
            "MMadaModelLM" => mmada::config(&keys)?,
            "DreamModel" => dream::config(&keys)?,
            other => {
                let known = "LLaDAModelLM (LLaDA), MMadaModelLM (MMaDA), DreamModel (Dream, DiffuCoder)";
                return Err(
                    keys.error("architectures", format!("names {other:?}, which mosa does not know; it knows {known}"))
                );
            }
        };
        config.check(&keys)?;
        Ok(config)
    }

    /// Number of weights of the model this describes.
    pub fn parameters(&self) -> usize {
        let (d, kv) = (self.width, self.kv_heads * self.head_dim);
        let q = self.heads * self.head_dim;
        let biases =
            if self.qkv_bias { q + 2 * kv } else { 0 } + if self.linear_bias { 2 * d + 2 * self.mlp_width } else { 0 };
        let block = d * (2 * q + 2 * kv) + 3 * d * self.mlp_width + 2 * d + biases;
        let head_bias = if self.linear_bias && !self.tied_head { self.vocab } else { 0 };
        self.layers * block + d + self.vocab * d * if self.tied_head { 1 } else { 2 } + head_bias
    }

    /// Multiply-adds of one forward pass over `computed` positions that attend to `attended` and of which `scored` get
    /// logits.
    pub fn multiply_adds(&self, computed: usize, attended: usize, scored: usize) -> f64 {
        let (d, q, kv) =
            (self.width as f64, (self.heads * self.head_dim) as f64, (self.kv_heads * self.head_dim) as f64);
        let (t, n) = (computed as f64, scored as f64);
        let (project, mix) = (d * (q + 2.0 * kv), q * d + 3.0 * d * self.mlp_width as f64);
        let attention = 2.0 * t * attended as f64 * q;
        let last = t * project + attention + n * mix;
        (self.layers - 1) as f64 * (t * (project + mix) + attention) + last + n * d * self.vocab as f64
    }

    fn check(&self, keys: &Keys) -> Result<(), ModelError> {
        if self.layers > MOST_LAYERS {
            return Err(keys.error("n_layers / num_hidden_layers", format!("= {} cannot be right", self.layers)));
        }
        let Self { width, heads, kv_heads, head_dim, .. } = *self;
        if heads % kv_heads != 0 {
            return Err(keys
                .error("n_kv_heads / num_key_value_heads", format!("= {kv_heads} does not divide the {heads} heads")));
        }
        if head_dim % 2 != 0 || (self.family != Family::Dream && head_dim * heads != width) {
            return Err(keys.error(
                "n_heads / num_attention_heads",
                format!("= {heads} does not split the width {width} into heads of even size"),
            ));
        }
        for (key, id) in [("mask_token_id", self.mask), ("eos_token_id", self.eos), ("pad_token_id", self.pad)] {
            if id as usize >= self.vocab {
                return Err(keys.error(key, format!("= {id} is not a row of the embedding, which has {}", self.vocab)));
            }
        }
        if !(self.norm_eps.is_finite() && self.norm_eps > 0.0) {
            return Err(keys.error("rms_norm_eps", format!("= {} cannot be right", self.norm_eps)));
        }
        neutral::check(keys)
    }
}

/// Far above any model; keeps a damaged config from asking for memory.
const MOST_LAYERS: usize = 4096;

/// A JSON object with errors that name file and key. JSON null counts as absent.
pub(crate) struct Keys<'a> {
    pub path: &'a Path,
    pub map: &'a Map<String, Value>,
}

impl Keys<'_> {
    pub(crate) fn error(&self, key: &str, what: impl ToString) -> ModelError {
        ModelError::key(self.path, key, what)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    pub(crate) fn architecture(&self) -> Result<&str, ModelError> {
        let list = self.get("architectures").and_then(Value::as_array);
        let first = list.and_then(|l| l.first()).and_then(Value::as_str);
        first.ok_or_else(|| {
            self.error("architectures", "is missing: it must name the model class, e.g. [\"LLaDAModelLM\"]")
        })
    }

    /// A positive integer below 2^31, or `None` if the key is absent.
    pub(crate) fn size_or_none(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (1..1 << 31).contains(&n) => Ok(Some(n as usize)),
            _ => Err(self.error(key, format!("= {value} is not a positive integer"))),
        }
    }

    pub(crate) fn size(&self, key: &str) -> Result<usize, ModelError> {
        self.size_or_none(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    pub(crate) fn number_or_none(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.error(key, format!("= {value} is not a number")))
    }

    pub(crate) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(*b),
            Some(other) => Err(self.error(key, format!("= {other} is neither true nor false"))),
        }
    }

    /// A token id; of a list, the first.
    pub(crate) fn token(&self, key: &str) -> Result<Option<TokenId>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let first = value.as_array().map_or(Some(value), |l| l.first());
        let id = first.and_then(Value::as_u64).and_then(|n| TokenId::try_from(n).ok());
        id.map(Some).ok_or_else(|| self.error(key, format!("= {value} is not a token id")))
    }

    /// mask, eos, pad. Without a pad id, eos serves.
    pub(crate) fn special_ids(&self) -> Result<(TokenId, TokenId, TokenId), ModelError> {
        let missing = |key, fix| self.error(key, format!("is missing: {fix}"));
        let mask = self.token("mask_token_id")?;
        let mask = mask.ok_or_else(|| {
            missing("mask_token_id", "add the id of the tokeniser's mask token (<|mdm_mask|> or <|mask|>)")
        })?;
        let eos = self.token("eos_token_id")?;
        let eos = eos.ok_or_else(|| missing("eos_token_id", "add the id of the tokeniser's end-of-text token"))?;
        Ok((mask, eos, self.token("pad_token_id")?.unwrap_or(eos)))
    }

    /// Base and scaling of the rotation, `kinds` being the values of `rope_type` the family has.
    pub(crate) fn rope(&self, kinds: &[&str]) -> Result<Rope, ModelError> {
        // What `rope_parameters` says is read by the kind of layer.
        neutral::check_layers(self)?;
        Rope::read(self, kinds)
    }

    /// Refuses any value but `wanted`, and an absent key, which the published code would take for something else.
    pub(crate) fn must_be(&self, key: &str, wanted: &Value) -> Result<(), ModelError> {
        match self.get(key) {
            None => {
                Err(self.error(key, format!("is missing, and the published code's default is not {wanted}: add it")))
            }
            Some(_) => self.only(key, wanted),
        }
    }

    /// Refuses any value but `wanted` (an absent key passes).
    pub(crate) fn only(&self, key: &str, wanted: &Value) -> Result<(), ModelError> {
        match self.get(key) {
            Some(found) if found != wanted => {
                Err(self.error(key, format!("= {found} is not supported, only {wanted}")))
            }
            _ => Ok(()),
        }
    }
}
