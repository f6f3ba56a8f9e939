//! `/tokenize`, `/detokenize`, `/tokenizer_info`: the words of a model, as lm-eval's remote tokeniser asks for them.

use crate::Fault;
use crate::fields::Fields;
use crate::state::State;
use mosa_core::TokenId;
use mosa_runtime::RuntimeError;
use mosa_text::Specials;
use serde_json::{Value, json};

/// Text to ids.
pub(crate) fn tokenize(state: &State, body: Value) -> Result<Value, Fault> {
    let mut fields = Fields::of(body)?;
    let model: Option<String> = fields.take("model")?;
    let one = state.models.named(model.as_deref())?;
    let text = one.text();
    let Some(words) = fields.take::<String>("prompt")? else {
        return Err(Fault::field("prompt", "`prompt` is missing"));
    };
    let special = fields.take("add_special_tokens")?.unwrap_or(false);
    fields.end()?;
    let ids = if special { text.tokenizer.encode_default(&words) } else { text.tokenizer.encode(&words) };
    let ids = ids.map_err(RuntimeError::from)?;
    Ok(json!({"tokens": ids, "count": ids.len(), "max_model_len": one.served.workers[0].spec().max_length}))
}

/// Ids to text.
pub(crate) fn detokenize(state: &State, body: Value) -> Result<Value, Fault> {
    let mut fields = Fields::of(body)?;
    let model: Option<String> = fields.take("model")?;
    let one = state.models.named(model.as_deref())?;
    let Some(ids) = fields.take::<Vec<TokenId>>("tokens")? else {
        return Err(Fault::field("tokens", "`tokens` is missing"));
    };
    fields.end()?;
    let tokenizer = &one.text().tokenizer;
    if let Some(unknown) = ids.iter().find(|id| tokenizer.token(**id).is_none()) {
        return Err(Fault::field("tokens", format!("{unknown} is no token of this model")));
    }
    Ok(json!({"prompt": tokenizer.decode(&ids, Specials::Keep).map_err(RuntimeError::from)?}))
}

/// Names of the special tokens, and the chat template.
pub(crate) fn info(state: &State, model: Option<&str>) -> Result<Value, Fault> {
    let one = state.models.named(model)?;
    let text = one.text();
    let token = |id: TokenId| text.tokenizer.token(id);
    Ok(json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": token(text.special.eos),
        "bos_token": null,
        "pad_token": token(text.special.pad),
        "mask_token": token(text.special.mask),
        "eot_token": text.special.eot.and_then(token),
        "model_max_length": one.served.workers[0].spec().max_length,
        "chat_template": text.chat.as_ref().map(mosa_text::ChatTemplate::source),
    }))
}
