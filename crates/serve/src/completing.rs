//! `/v1/chat/completions` and `/v1/completions`: a request from its fields to its answers.

use crate::answer::Plan;
use crate::asked::{Asked, Prompted};
use crate::follow::{Wanted, Watch};
use crate::queue::Place;
use crate::reply::{Way, choice, revealed, trace, usage};
use crate::state::State;
use crate::stream::{Choice, Head, Outcome, Sending};
use crate::{Fault, score};
use axum::Json;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use mosa_runtime::Runtime;
use mosa_text::{Prompt, Specials, TextModel};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A request whose answers are being decoded.
struct Begun {
    head: Head,
    plan: Arc<Plan>,
    runtime: Runtime,
    choices: Vec<Choice>,
}

/// Answers a request.
pub(crate) async fn complete(state: Arc<State>, way: Way, asked: Asked) -> Result<Response, Fault> {
    if asked.echo && asked.logprobs && asked.max_tokens.is_some_and(|most| most <= 1) {
        return score::scored(state, asked).await;
    }
    let (stream, logprobs) = (asked.stream, asked.logprobs);
    if asked.max_tokens == Some(0) {
        return Err(Fault::field(
            "max_tokens",
            "`max_tokens` = 0 asks for nothing: with `echo` and `logprobs` the prompt is scored",
        ));
    }
    if logprobs && asked.echo {
        let message = "`logprobs` with `echo` scores the prompt and generates nothing: say \"max_tokens\": 1";
        return Err(Fault::field("logprobs", message));
    }
    if logprobs && stream.is_some() {
        return Err(Fault::field("logprobs", "`logprobs` are not streamed: leave out `stream` or `logprobs`"));
    }
    let Begun { head, plan, runtime, choices } = begin(&state, way, asked)?;
    match stream {
        Some(stream) => {
            let sending = Sending { head, plan, runtime, choices, diffusing: stream.diffusing, usage: stream.usage };
            let events = Sse::new(sending.events()).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
            Ok(events.into_response())
        }
        None => whole(head, &runtime, choices, logprobs).await,
    }
}

/// The response once every choice is there.
async fn whole(head: Head, runtime: &Runtime, choices: Vec<Choice>, logprobs: bool) -> Result<Response, Fault> {
    let (mut sent, mut all, mut beside) = (Vec::new(), Vec::new(), Value::Null);
    for (index, one) in choices.into_iter().enumerate() {
        let (said, own) = one.outcome.await.map_err(|_| Fault::lost())??;
        let log_p = logprobs.then(|| revealed(runtime.text(), head.way, &said));
        let mut made = choice(head.way, index, &said, &one.before, log_p);
        if index == 0 {
            beside = own;
        } else {
            made["mosa"] = own;
        }
        sent.push(made);
        all.push(said);
    }
    let mut response = head.wrap(false, &sent);
    response["usage"] = usage(&all.iter().collect::<Vec<_>>());
    response["mosa"] = beside;
    Ok(Json(response).into_response())
}

/// Puts every answer into the queue.
fn begin(state: &Arc<State>, way: Way, asked: Asked) -> Result<Begun, Fault> {
    let one = state.models.named(asked.model.as_deref())?;
    let plan = Arc::new(Plan::new(one, &asked)?);
    let runtime = one.served.workers[0].clone();
    let places = state.queue.enter(asked.n * asked.prompts.len())?;
    let model = one.served.name.clone();
    let head = state.head(way, one);
    let mut places = places.into_iter();
    let mut choices = Vec::new();
    for prompted in &asked.prompts {
        let before = if asked.echo { echoed(one.text(), &prompted.prompt)? } else { String::new() };
        let prompted = asked.meant(prompted, one.text());
        for number in 0..asked.n {
            let Some(place) = places.next() else { break };
            let (watch, tell) = (Arc::<Watch>::default(), oneshot::channel());
            let job = Answering {
                state: Arc::clone(state),
                plan: Arc::clone(&plan),
                model: model.clone(),
                prompted: prompted.clone(),
                number,
                with_trace: asked.extension.return_trace,
                watch: Arc::clone(&watch),
            };
            tokio::spawn(job.run(place, tell.0));
            choices.push(Choice {
                watch: Wanted(watch),
                outcome: tell.1,
                sent: String::new(),
                said: None,
                before: before.clone(),
            });
        }
    }
    Ok(Begun { head, plan, runtime, choices })
}

/// An answer from the queue to whoever asked.
struct Answering {
    state: Arc<State>,
    plan: Arc<Plan>,
    model: String,
    prompted: Prompted,
    number: usize,
    with_trace: bool,
    watch: Arc<Watch>,
}

impl Answering {
    async fn run(self, mut place: Place, mut tell: oneshot::Sender<Outcome>) {
        let (state, watch, began) = (Arc::clone(&self.state), Arc::clone(&self.watch), Instant::now());
        let outcome = tokio::select! {
            turn = place.turn() => match turn {
                Ok(()) => {
                    state.metrics.waited.observe(began.elapsed().as_secs_f64());
                    self.decoded(&mut tell, began).await
                }
                Err(fault) => Err(fault),
            },
            () = tell.closed() => Err(Fault::cancelled()),
            () = tokio::time::sleep(state.settings.timeout) => Err(Fault::late(state.settings.timeout)),
        };
        // Whoever decodes it sees that within a step.
        drop(Wanted(watch));
        drop(place);
        state.count(&outcome, began.elapsed());
        let _ = tell.send(outcome);
    }

    /// Decodes on a thread that may wait; gives up when nobody waits for it or time is up.
    async fn decoded(self, tell: &mut oneshot::Sender<Outcome>, began: Instant) -> Outcome {
        let (timeout, watch) = (self.state.settings.timeout, Arc::clone(&self.watch));
        let mut thread = tokio::task::spawn_blocking(move || self.answer());
        let given_up = tokio::select! {
            outcome = &mut thread => return outcome.unwrap_or_else(|_| Err(Fault::lost())),
            () = tell.closed() => Err(Fault::cancelled()),
            () = tokio::time::sleep(timeout.saturating_sub(began.elapsed())) => Err(Fault::late(timeout)),
        };
        drop(Wanted(watch));
        // Its place is free once its row is.
        let _ = thread.await;
        given_up
    }

    fn answer(self) -> Outcome {
        let one = self.state.models.named(Some(&self.model))?;
        let ask = self.plan.ask(self.prompted, self.number);
        let said = self.plan.answer(one, &ask, &self.watch)?;
        let mut beside = json!({
            "seed": self.plan.options.seed,
            "forwards": said.answered.shown.forwards,
            // Dream's steps may reveal nothing; then they are in no trace.
            "steps": said.answered.answer.trace.steps.last().map_or(0, |last| last.step.clock + 1),
            "finish": said.answered.shown.finish,
            "defences": said.answered.shown.defences,
        });
        if self.with_trace {
            beside["options"] = serde_json::to_value(&self.plan.options).unwrap_or_default();
            beside["trace"] = Value::Array(trace(one.text(), &said));
            let shown = &said.answered.shown;
            beside["answer"] = json!({
                "texts": shown.texts, "pieces": shown.pieces, "steps": shown.steps, "confidences": shown.confidences,
            });
        }
        Ok((said, beside))
    }
}

/// A prompt as it is echoed.
fn echoed(text: &TextModel, prompt: &Prompt) -> Result<String, Fault> {
    match prompt {
        Prompt::Ids(ids) => {
            text.tokenizer.decode(ids, Specials::Keep).map_err(|e| mosa_runtime::RuntimeError::from(e).into())
        }
        other => Ok(other.words()),
    }
}
