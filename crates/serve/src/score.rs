//! `/v1/completions` with `echo` and `logprobs`: how likely the end of a prompt is.
//!
//! A diffusion model gives no token a probability by those before it alone. What is said of the last `score_tail` tokens is
//! the chain estimator: each with the tokens before it there, and it and those behind it masked, a pass each. The request
//! of a harness does not say how many tokens it will read, so the server has to be told. Nothing is generated.

use crate::Fault;
use crate::asked::{Asked, Prompted};
use crate::reply::Way;
use crate::scores::Of;
use crate::served::One;
use crate::spelled::Spelled;
use crate::state::State;
use crate::stream::pieces;
use axum::Json;
use axum::response::{IntoResponse, Response};
use mosa_core::TokenId;
use mosa_engine::Options;
use mosa_runtime::{RuntimeError, TailToken};
use mosa_text::{Prompt, Specials, TextModel};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Scores the prompts of a request.
pub(crate) async fn scored(state: Arc<State>, asked: Asked) -> Result<Response, Fault> {
    let own = asked.extension.score_tail.map(Length::Asked);
    let Some(tail) = own.or(state.settings.score_tail.map(Length::Most)) else {
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
    tail: Length,
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
        Scored::new(one, &asked).map_err(Fault::from)
    };
    tokio::task::spawn_blocking(score).await.unwrap_or_else(|_| Err(Fault::lost()))
}

/// How many tokens at the end of a prompt are scored.
#[derive(Clone, Copy)]
enum Length {
    /// As the request says.
    Asked(usize),
    /// As the server was started: shorter prompts are scored from their second token on.
    Most(usize),
}

impl Length {
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
    fn new(one: &One, asked: &Scoring) -> Result<Self, RuntimeError> {
        let ids = one.text().encode(&asked.prompt)?;
        let length = asked.tail.of(ids.len());
        let Some((&last, before)) = ids.split_last() else { return Ok(Self { ids, tail: Vec::new() }) };
        let of = Of { before: before.to_vec(), length, options: asked.options.clone() };
        let known = one.scores.of(&of).and_then(|tail| tail.ending(last));
        let tail = match known {
            Some(tail) => tail,
            None => {
                let tail = one.turn().runtime().tail(&asked.options, ids.clone(), length)?;
                let tokens = tail.tokens.clone();
                one.scores.keep(of, tail);
                tokens
            }
        };
        Ok(Self { ids, tail })
    }

    /// Token by token, and one more for the token harnesses expect to be generated and leave out.
    fn choice(&self, index: usize, text: &TextModel) -> Result<Value, Fault> {
        let decode = |ids: &[TokenId]| text.tokenizer.decode(ids, Specials::Keep).map_err(RuntimeError::from);
        let first = self.ids.len() - self.tail.len();
        let pieces = pieces(text, &self.ids).into_iter().map(Option::unwrap_or_default);
        let all: Vec<Spelled> =
            self.ids.iter().zip(pieces).map(|(&id, piece)| Spelled::new(text, id, &piece)).collect();
        let (mut log_p, mut top) = (Vec::new(), Vec::new());
        for (at, (id, Spelled { token, .. })) in self.ids.iter().zip(&all).enumerate() {
            match at.checked_sub(first).map(|at| &self.tail[at]) {
                Some(TailToken { log_p: own, best: (best, most) }) => {
                    log_p.push(json!(own));
                    let mut likely = Map::new();
                    let best =
                        if best == id { token.clone() } else { Spelled::new(text, *best, &decode(&[*best])?).token };
                    likely.insert(best, json!(most));
                    likely.insert(token.clone(), json!(own));
                    top.push(Value::Object(likely));
                }
                None => {
                    log_p.push(Value::Null);
                    top.push(Value::Null);
                }
            }
        }
        let whole = decode(&self.ids)?;
        let mut offsets = Spelled::offsets(&all);
        offsets.push(whole.chars().count());
        let mut tokens: Vec<String> = all.into_iter().map(|one| one.token).collect();
        tokens.push(String::new());
        log_p.push(Value::Null);
        top.push(Value::Null);
        let logprobs = json!({"tokens": tokens, "token_logprobs": log_p, "top_logprobs": top, "text_offset": offsets});
        Ok(json!({"index": index, "text": whole, "logprobs": logprobs, "finish_reason": "length"}))
    }
}
