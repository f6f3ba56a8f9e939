//! A model behind an OpenAI-compatible endpoint as a target: text in, text out.

use mosa_attack::{Ability, Generate, Generation, Propose, Proposed, Score, Scored, Target, Unanswered};
use mosa_client::{Broken, Chat, Endpoint, EndpointError, Reply, is_length, is_stop};
use mosa_core::Interrupt;
use mosa_records::{FILTERED, REASONING};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Replies at the same time for one request of an attack; the endpoint's own limit counts across all cases.
const TOGETHER: usize = 16;

/// A target behind an endpoint. What it thinks aloud is no part of its answer. Where it said nothing, the answer's end says why:
/// an empty reply that it ended itself is an answer, any other cannot be assessed.
pub struct Remote {
    endpoint: Arc<Endpoint>,
    max_tokens: u32,
    stop: Interrupt,
}

impl Remote {
    /// A target that replies in at most `max_tokens` tokens, unless an attack asks for another length.
    pub fn new(endpoint: Arc<Endpoint>, max_tokens: u32, stop: Interrupt) -> Self {
        Self { endpoint, max_tokens, stop }
    }

    fn one(&self, draw: u64, asked: &Generate) -> Result<Generation, Unanswered> {
        if self.stop.asked() {
            return Err(Unanswered::Interrupted);
        }
        let max_tokens = asked.gen_length.and_then(|n| u32::try_from(n).ok()).unwrap_or(self.max_tokens);
        let chat = Chat {
            max_tokens,
            temperature: asked.temperature,
            // Seeds of the API are signed.
            seed: Some(draw >> 1),
            ..Chat::new(asked.messages.clone())
        };
        match self.endpoint.chat(&chat) {
            Ok(reply) => Ok(answer(reply)),
            Err(EndpointError::Refused { said }) => Ok(ended(said, "refusal")),
            Err(EndpointError::Filtered { until, .. }) => Ok(ended(until, FILTERED)),
            Err(EndpointError::Interrupted) => Err(Unanswered::Interrupted),
            Err(error) => Err(Unanswered::Failed(error.to_string())),
        }
    }
}

/// A reply as an answer: the words without the reasoning, and why they end.
fn answer(reply: Reply) -> Generation {
    let finish = finish_of(&reply);
    Generation { reasoning: reply.spoken.reasoning.clone(), ..ended(reply.spoken.text.clone(), &finish) }
}

/// Why the words of a reply end, as records say it: `stop`, `length`, or what kept it from being whole.
pub fn finish_of(reply: &Reply) -> String {
    let finish = reply.finish_reason.as_deref().unwrap_or("stop");
    let finish = match (finish, &reply.spoken.broken) {
        (finish, _) if is_length(finish) => "length",
        (_, Some(Broken::Unclosed | Broken::OnlyReasoning)) => REASONING,
        (_, Some(Broken::Ended(reason))) => reason,
        (finish, _) if is_stop(finish) => "stop",
        (finish, _) => finish,
    };
    finish.to_owned()
}

fn ended(text: String, finish: &str) -> Generation {
    Generation { finish: finish.to_owned(), ..Generation::plain(text) }
}

impl Target for Remote {
    fn abilities(&self) -> BTreeSet<Ability> {
        [Ability::History].into()
    }

    fn generate(&self, asked: &[(u64, Generate)]) -> Vec<Result<Generation, Unanswered>> {
        together(asked, |(draw, g)| self.one(*draw, g))
    }

    fn score(&self, asked: &[Score]) -> Vec<Result<Scored, Unanswered>> {
        asked.iter().map(|_| Err(Unanswered::Failed("an endpoint gives no scores".into()))).collect()
    }

    fn propose(&self, _draw: u64, _asked: &Propose) -> Result<Vec<Proposed>, Unanswered> {
        Err(Unanswered::Failed("an endpoint gives no gradients".into()))
    }

    fn tokens(&self, text: &str) -> Result<Vec<String>, Unanswered> {
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }
}

/// Asks several at the same time; results in order. Once one has failed, the rest is not begun.
fn together<Q: Sync, R: Send>(
    asked: &[Q],
    ask: impl Fn(&Q) -> Result<R, Unanswered> + Sync,
) -> Vec<Result<R, Unanswered>> {
    let mut results = Vec::with_capacity(asked.len());
    for chunk in asked.chunks(TOGETHER) {
        if let Some(failure) = results.iter().find_map(|r: &Result<R, Unanswered>| r.as_ref().err().cloned()) {
            results.extend(chunk.iter().map(|_| Err(failure.clone())));
            continue;
        }
        if let [only] = chunk {
            results.push(ask(only));
            continue;
        }
        std::thread::scope(|scope| {
            let ask = &ask;
            let start = |q| std::thread::Builder::new().spawn_scoped(scope, move || ask(q));
            let handles: Vec<_> = chunk.iter().map(start).collect();
            let broke = |_| Err(Unanswered::Failed("a request broke off".into()));
            // Without a thread of its own a request is asked by this one.
            let done = handles.into_iter().zip(chunk).map(|(handle, q)| match handle {
                Ok(handle) => handle.join().unwrap_or_else(broke),
                Err(_) => ask(q),
            });
            results.extend(done);
        });
    }
    results
}
