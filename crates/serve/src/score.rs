//! `/v1/completions` with `echo` and `logprobs`: how likely the end of a prompt is.
//!
//! A diffusion model gives no token a probability by those before it alone. What is said of the last `score_tail` tokens is
//! the chain estimator: each with the tokens before it there, and it and those behind it masked, a pass each. The request
//! of a harness does not say how many tokens it will read, so the server has to be told. Nothing is generated.

use crate::Fault;
use crate::asked::{Asked, Prompted};
use crate::reply::{Way, offsets};
use crate::served::One;
use crate::server::State;
use crate::stream::pieces;
use axum::Json;
use axum::response::{IntoResponse, Response};
use mosa_core::TokenId;
use mosa_engine::Options;
use mosa_runtime::{Runtime, RuntimeError, TailToken};
use mosa_text::{Prompt, Specials, TextModel};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Scores the prompts of a request.
pub(crate) async fn scored(state: Arc<State>, asked: Asked) -> Result<Response, Fault> {
    let own = asked.extension.score_tail.map(Tail::Asked);
    let Some(tail) = own.or(state.settings.score_tail.map(Tail::Most)) else {
        let message = "how many tokens at the end of the prompt are scored has to be said: \"mosa\": {\"score_tail\": N}, or \
                       start the server with --score-tail N";
        return Err(Fault::field("mosa.score_tail", message));
    };
    let one = state.models.named(asked.model.as_deref())?;
    let options = one.options(&asked.knobs)?;
    let mut choices = Vec::new();
    let mut tokens = 0;
    for (index, prompted) in asked.prompts.iter().enumerate() {
        let Prompted { prompt, .. } = asked.meant(prompted, one.text());
        let scoring = scoring(&state, one, Scoring { prompt, options: options.clone(), tail });
        let late = |_| Fault::late(state.settings.timeout);
        let scored = tokio::time::timeout(state.settings.timeout, scoring).await.map_err(late)??;
        tokens += scored.ids.len();
        choices.push(scored.choice(index, one.text())?);
    }
    let head = state.head(Way::Completion, one);
    let mut response = head.wrap(false, &choices);
    response["usage"] = json!({"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens});
    response["mosa"] = json!({"estimator": "chain", "score_tail": tail.tokens()});
    Ok(Json(response).into_response())
}

/// A prompt that is scored.
struct Scoring {
    prompt: Prompt,
    options: Options,
    tail: Tail,
}

/// Scores a prompt on a thread that may wait, once it is its turn; its place is free when the thread is done.
async fn scoring(state: &Arc<State>, one: &One, asked: Scoring) -> Result<Scored, Fault> {
    let mut places = state.queue.enter(1)?;
    for place in &mut places {
        place.turn().await?;
    }
    let (state, name) = (Arc::clone(state), one.served.name.clone());
    let score = move || {
        let _places = places;
        let one = state.models.named(Some(&name))?;
        Scored::new(one.turn().runtime(), &asked).map_err(Fault::from)
    };
    tokio::task::spawn_blocking(score).await.unwrap_or_else(|_| Err(Fault::lost()))
}

/// How many tokens at the end of a prompt are scored.
#[derive(Clone, Copy)]
enum Tail {
    /// As the request says.
    Asked(usize),
    /// As the server was started: shorter prompts are scored from their second token on.
    Most(usize),
}

impl Tail {
    fn tokens(self) -> usize {
        match self {
            Self::Asked(tokens) | Self::Most(tokens) => tokens,
        }
    }

    /// Of a prompt of this length.
    fn of(self, len: usize) -> usize {
        match self {
            Self::Asked(tokens) => tokens,
            Self::Most(tokens) => tokens.min(len.saturating_sub(1)).max(1),
        }
    }
}

/// A prompt whose end was scored.
struct Scored {
    ids: Vec<TokenId>,
    tail: Vec<TailToken>,
}

impl Scored {
    fn new(runtime: &Runtime, asked: &Scoring) -> Result<Self, RuntimeError> {
        let ids = runtime.text().encode(&asked.prompt)?;
        let tail = runtime.tail(&asked.options, ids.clone(), asked.tail.of(ids.len()))?;
        Ok(Self { ids, tail })
    }

    /// Token by token, and one more for the token harnesses expect to be generated and leave out.
    fn choice(&self, index: usize, text: &TextModel) -> Result<Value, Fault> {
        let decode = |ids: &[TokenId]| text.tokenizer.decode(ids, Specials::Keep).map_err(RuntimeError::from);
        let first = self.ids.len() - self.tail.len();
        let mut pieces: Vec<String> = pieces(text, &self.ids).into_iter().map(Option::unwrap_or_default).collect();
        let (mut log_p, mut top) = (Vec::new(), Vec::new());
        for (at, (id, piece)) in self.ids.iter().zip(&pieces).enumerate() {
            match at.checked_sub(first).map(|at| &self.tail[at]) {
                Some(TailToken { log_p: own, best: (best, most) }) => {
                    log_p.push(json!(own));
                    let mut likely = Map::new();
                    likely.insert(if best == id { piece.clone() } else { decode(&[*best])? }, json!(most));
                    likely.insert(piece.clone(), json!(own));
                    top.push(Value::Object(likely));
                }
                None => {
                    log_p.push(Value::Null);
                    top.push(Value::Null);
                }
            }
        }
        let whole = decode(&self.ids)?;
        let offsets = offsets(&pieces);
        pieces.push(String::new());
        log_p.push(Value::Null);
        top.push(Value::Null);
        let logprobs = json!({"tokens": pieces, "token_logprobs": log_p, "top_logprobs": top, "text_offset": offsets});
        Ok(json!({"index": index, "text": whole, "logprobs": logprobs, "finish_reason": "length"}))
    }
}
