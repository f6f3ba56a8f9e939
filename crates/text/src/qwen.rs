//! The byte-level BPE of Qwen2.5, built from vocab.json and merges.txt: Dream checkpoints ship no tokenizer.json.

use crate::{TextError, files};
use serde_json::Value;
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

/// The pre-tokenisation pattern of Qwen2Tokenizer, which DreamTokenizer copies.
const PATTERN: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The pattern as a stage of a tokenizer.json.
pub(crate) fn pattern() -> Value {
    serde_json::json!({"Regex": PATTERN})
}

pub(crate) fn build(dir: &Path) -> Result<Tokenizer, TextError> {
    let (vocab, merges) = (dir.join("vocab.json"), dir.join("merges.txt"));
    let bad_bpe = |e| files::malformed(&vocab, format!("cannot build the BPE from it and merges.txt: {e}"));
    let (table, pairs) = BPE::read_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).map_err(bad_bpe)?;
    let bpe = BPE::builder().vocab_and_merges(table, pairs).build().map_err(bad_bpe)?;
    let split = Split::new(SplitPattern::Regex(PATTERN.into()), SplitDelimiterBehavior::Isolated, false)
        .map_err(|e| TextError::Encode(e.to_string()))?;
    let bytes = ByteLevel::new(false, false, false);
    let mut tokenizer = Tokenizer::new(bpe);
    let stages: Vec<PreTokenizerWrapper> = vec![split.into(), bytes.into()];
    tokenizer.with_normalizer(Some(NFC)).map_err(|e| TextError::Encode(e.to_string()))?;
    tokenizer.with_pre_tokenizer(Some(Sequence::new(stages)));
    tokenizer.with_decoder(Some(bytes));
    tokenizer.with_post_processor(Some(bytes));
    let added = added_tokens(dir)?;
    tokenizer.add_tokens(added).map_err(|e| TextError::Encode(e.to_string()))?;
    Ok(tokenizer)
}

/// The tokens of tokenizer_config.json's `added_tokens_decoder`, in the order of their ids.
fn added_tokens(dir: &Path) -> Result<Vec<AddedToken>, TextError> {
    let path = dir.join("tokenizer_config.json");
    let config = files::read_object(&path)?.unwrap_or_default();
    let Some(table) = config.get("added_tokens_decoder").and_then(Value::as_object) else {
        return Err(files::malformed(&path, "`added_tokens_decoder` is missing: the special tokens cannot be known"));
    };
    let mut rows = Vec::with_capacity(table.len());
    for (id, token) in table {
        let id: u32 = id
            .parse()
            .map_err(|_| files::malformed(&path, format!("`added_tokens_decoder` has the key {id:?}, not an id")))?;
        let token: AddedToken = serde_json::from_value(token.clone())
            .map_err(|e| files::malformed(&path, format!("`added_tokens_decoder.{id}`: {e}")))?;
        rows.push((id, token));
    }
    rows.sort_by_key(|(id, _)| *id);
    Ok(rows.into_iter().map(|(_, t)| t).collect())
}
