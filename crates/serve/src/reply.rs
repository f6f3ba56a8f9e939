//! Answers in the shapes of OpenAI's API.

use crate::answer::Said;
use crate::spelled::Spelled;
use mosa_engine::StepRecord;
use mosa_text::{Specials, TextModel};
use serde_json::{Value, json};

/// Which way was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Chat,
    Completion,
}

impl Way {
    pub(crate) fn object(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat, false) => "chat.completion",
            (Self::Chat, true) => "chat.completion.chunk",
            (Self::Completion, _) => "text_completion",
        }
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl",
            Self::Completion => "cmpl",
        }
    }
}

/// A choice, whole.
pub(crate) fn choice(way: Way, index: usize, said: &Said, before: &str, logprobs: Option<Value>) -> Value {
    match way {
        Way::Chat => json!({
            "index": index,
            "message": {"role": "assistant", "content": said.text, "refusal": null},
            "logprobs": logprobs,
            "finish_reason": said.finish,
        }),
        Way::Completion => json!({
            "index": index,
            "text": format!("{before}{}", said.text),
            "logprobs": logprobs,
            "finish_reason": said.finish,
        }),
    }
}

/// A part of a choice that is streamed.
pub(crate) fn part(way: Way, index: usize, text: &str, finish: Option<&str>) -> Value {
    match way {
        Way::Chat if text.is_empty() => json!({"index": index, "delta": {}, "logprobs": null, "finish_reason": finish}),
        Way::Chat => json!({"index": index, "delta": {"content": text}, "logprobs": null, "finish_reason": finish}),
        Way::Completion => json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish}),
    }
}

/// Token counts.
pub(crate) fn usage(said: &[&Said]) -> Value {
    let prompt: usize = said.iter().map(|said| said.answered.prompt).sum();
    let completion: usize = said.iter().map(|said| said.tokens).sum();
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// ln of the probability every token had when it was revealed: the estimator of an answer's log-probabilities. Tokens that
/// were given have none.
pub(crate) fn revealed(text: &TextModel, way: Way, said: &Said) -> Value {
    let shown = &said.answered.shown;
    let log_p = shown.confidences.iter().take(said.tokens).map(|p| p.map(f64::ln).filter(|log| log.is_finite()));
    let ids = said.answered.answer.ids.iter().take(said.tokens);
    let all: Vec<Spelled> = ids.zip(&shown.pieces).map(|(&id, piece)| Spelled::new(text, id, piece)).collect();
    match way {
        Way::Chat => {
            let one = |(Spelled { token, bytes }, log_p): (&Spelled, Option<f64>)| json!({"token": token, "logprob": log_p, "bytes": bytes, "top_logprobs": []});
            json!({"content": all.iter().zip(log_p).map(one).collect::<Vec<_>>()})
        }
        Way::Completion => {
            let log_p: Vec<Option<f64>> = log_p.collect();
            let tokens: Vec<&str> = all.iter().map(|one| one.token.as_str()).collect();
            let top: Vec<Value> = tokens.iter().zip(&log_p).map(|(token, p)| json!({*token: p})).collect();
            let offsets = Spelled::offsets(&all);
            json!({"tokens": tokens, "token_logprobs": log_p, "top_logprobs": top, "text_offset": offsets})
        }
    }
}

/// The steps of an answer, as `mosa generate --trace` writes them.
pub(crate) fn trace(text: &TextModel, said: &Said) -> Vec<Value> {
    let prompt = said.answered.prompt;
    let step = |record: &StepRecord| {
        let edit = |edit: &mosa_core::Edit| {
            json!({
                "offset": edit.position as i64 - prompt as i64,
                "token": edit.token,
                "text": text.tokenizer.decode(&[edit.token], Specials::Keep).unwrap_or_default(),
                "cause": edit.cause.name(),
                "confidence": edit.confidence,
            })
        };
        let (edits, at) = (record.edits.iter().map(edit).collect::<Vec<_>>(), record.step);
        json!({"block": at.block, "step": at.step, "clock": at.clock, "edits": edits})
    };
    said.answered.answer.trace.steps.iter().map(step).collect()
}
