//! The files of a checkpoint that are not weights: tokeniser, chat template, configuration.

use crate::vocabulary::{self, END, HEADER_END, HEADER_START, MASK, SPECIALS, START, TURN_END};
use crate::{WorldError, output};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Sizes of a model of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Width of the residual stream.
    pub d_model: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads; they divide `d_model`.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub mlp: usize,
}

/// What a word becomes that the world does not have.
const UNKNOWN: &str = "<unk>";

/// Longest sequence.
const MAX_LENGTH: usize = 256;

/// tokenizer.json: one token per word, separated by white space, and the special tokens.
///
/// Words the world does not have become `<unk>`, the first of the embedding rows that have no word. The model never saw
/// it: real benchmark files can be sent, but what is answered to them means nothing.
pub fn tokenizer_json() -> Value {
    let words = vocabulary::tokens().chain([UNKNOWN]);
    let vocabulary: Map<String, Value> = words.zip(0usize..).map(|(t, id)| (t.into(), id.into())).collect();
    let added: Vec<Value> = SPECIALS
        .iter()
        .zip(0usize..)
        .map(|(token, id)| {
            let mut entry = Map::from_iter([("id".to_owned(), id.into())]);
            entry.extend(added_token(token));
            entry.into()
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    })
}

/// tokenizer_config.json, with LLaDA's chat template: every turn as header, text, end of turn, and the header of the
/// assistant's turn at the end in any case.
pub fn tokenizer_config_json() -> Value {
    let added: Map<String, Value> =
        SPECIALS.iter().zip(0usize..).map(|(t, id)| (id.to_string(), added_token(t).into())).collect();
    let template = format!(
        "{{% for message in messages %}}{{% if loop.first %}}{{{{ bos_token }}}}{{% endif %}}{{{{ '{HEADER_START}' + \
         message['role'] + '{HEADER_END}\\n\\n' + message['content'] | trim + '{TURN_END}' }}}}{{% endfor %}}{{{{ \
         '{HEADER_START}assistant{HEADER_END}\\n\\n' }}}}"
    );
    json!({
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "chat_template": template,
        "clean_up_tokenization_spaces": false,
        "model_max_length": MAX_LENGTH,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
    })
}

fn added_token(token: &str) -> Map<String, Value> {
    let flags = ["single_word", "lstrip", "rstrip", "normalized"].map(|key| (key.to_owned(), false.into()));
    let mut entry = Map::from_iter([("content".to_owned(), token.into())]);
    entry.extend(flags);
    entry.insert("special".into(), true.into());
    entry
}

/// config.json of a LLaDA model of the world, with the keys of the published ones.
pub fn config_json(shape: Shape) -> Value {
    let rows = vocabulary::rows();
    let mut config = architecture();
    for (key, value) in [
        ("eos_token_id", json!(vocabulary::id(END))),
        ("pad_token_id", json!(vocabulary::id(END))),
        ("mask_token_id", json!(vocabulary::id(MASK))),
        ("vocab_size", json!(rows)),
        ("model_type", json!("llada")),
        ("d_model", json!(shape.d_model)),
        ("n_layers", json!(shape.layers)),
        ("n_heads", json!(shape.heads)),
        ("n_kv_heads", json!(shape.heads)),
        ("mlp_hidden_size", json!(shape.mlp)),
        ("embedding_size", json!(rows)),
        ("max_sequence_length", json!(MAX_LENGTH)),
    ] {
        config[key] = value;
    }
    config
}

/// The keys that do not depend on sizes or vocabulary.
fn architecture() -> Value {
    json!({
        "activation_type": "silu",
        "alibi": false,
        "alibi_bias_max": 8.0,
        "attention_dropout": 0.0,
        "attention_layer_norm": false,
        "attention_layer_norm_with_affine": true,
        "bias_for_layer_norm": false,
        "block_group_size": 1,
        "block_type": "llama",
        "embedding_dropout": 0.0,
        "flash_attention": false,
        "include_bias": false,
        "include_qkv_bias": false,
        "init_cutoff_factor": null,
        "init_device": "meta",
        "init_fn": "mitchell",
        "init_std": 0.02,
        "input_emb_norm": false,
        "layer_norm_type": "rms",
        "layer_norm_with_affine": true,
        "mlp_ratio": 4,
        "multi_query_attention": null,
        "precision": "amp_bf16",
        "residual_dropout": 0.0,
        "rms_norm_eps": 1e-5,
        "rope": true,
        "rope_full_precision": true,
        "rope_theta": 10000.0,
        "scale_logits": false,
        "use_cache": false,
        "weight_tying": false,
        "architectures": ["LLaDAModelLM"],
    })
}

/// Writes tokenizer.json, tokenizer_config.json and config.json into `dir`, which is created if need be.
///
/// # Errors
/// [`WorldError`] naming the file that could not be written.
pub fn write_model_files(dir: &Path, shape: Shape) -> Result<Vec<PathBuf>, WorldError> {
    [
        ("tokenizer.json", tokenizer_json()),
        ("tokenizer_config.json", tokenizer_config_json()),
        ("config.json", config_json(shape)),
    ]
    .into_iter()
    .map(|(name, value)| output::json(&dir.join(name), &value))
    .collect()
}
