//! A model behind an endpoint whose ability is measured.

use super::case::{Case, FAILED, Reply, Unreplied};
use super::opened::Opened;
use crate::args::UtilityArgs;
use crate::endpoint;
use crate::manifest::Fingerprints;
use crate::parts::say_budget;
use anyhow::{Result, anyhow, bail, ensure};
use mosa_client::{Chat, Endpoint, EndpointError};
use mosa_core::sample_key;
use mosa_records::{FILTERED, unsaid};
use mosa_task::{Generate, Said, Task};
use mosa_text::Prompt;
use serde_json::json;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What an endpoint cannot be asked.
const IN_TURNS: &str = "this protocol asks by plain text or begins the answer, and an endpoint is asked in turns: name the model by \
                        --model, or choose a protocol that asks in turns (`mosa utility list`)";

/// A model behind an endpoint.
pub(crate) struct Remote {
    pub endpoint: Arc<Endpoint>,
    /// Tokens of an answer.
    pub max_tokens: u32,
    pub temperature: f64,
    pub seed: u64,
}

/// A batch that was sent, each case on a thread of its own.
pub(crate) struct Sent(Vec<JoinHandle<Result<Reply, Unreplied>>>);

impl Sent {
    /// Waits for it; a result per case, in order. `answered` is whether the endpoint has answered before.
    pub(super) fn wait(self, answered: bool) -> Result<Vec<Result<Reply, Unreplied>>> {
        all_sent(self.0.into_iter().map(joined).collect(), answered)
    }
}

impl Remote {
    /// Sends every case on a thread of its own; the endpoint's limits hold for all of them.
    pub(super) fn send(&self, task: &dyn Task, how: &Generate, cases: &[Case<'_>]) -> Result<Sent> {
        let mut threads = Vec::with_capacity(cases.len());
        for case in cases {
            let Prompt::Chat(messages) = &case.item.question.prompt else { bail!(IN_TURNS) };
            ensure!(case.item.question.prefix.is_empty(), IN_TURNS);
            let chat = Chat {
                max_tokens: self.max_tokens,
                temperature: self.temperature,
                // Seeds of the API are signed.
                seed: Some((self.seed ^ sample_key(&case.key(task))) >> 1),
                ..Chat::new(messages.clone())
            };
            let (endpoint, how) = (self.endpoint.clone(), how.clone());
            threads.push(std::thread::Builder::new().spawn(move || replied(&endpoint, &chat, &how))?);
        }
        Ok(Sent(threads))
    }
}

/// Asks an endpoint. An answer that is not whole, or that a filter stopped, is nothing that can be assessed.
fn replied(endpoint: &Endpoint, chat: &Chat, how: &Generate) -> Result<Reply, Unreplied> {
    let reply = |text: &str, finish: &str| {
        let said = unsaid(text, finish, 0).map_or_else(|| Said::Text(how.cut(text).to_owned()), Said::Nothing);
        Reply { said, finish: finish.to_owned(), forwards: 0, defences: Vec::new() }
    };
    match endpoint.chat(chat) {
        Ok(got) => Ok(reply(&got.spoken.text, &mosa_target::finish_of(&got))),
        Err(EndpointError::Refused { said }) => Ok(reply(&said, "refusal")),
        Err(EndpointError::Filtered { until, .. }) => Ok(reply(&until, FILTERED)),
        Err(EndpointError::Interrupted) => Err(Unreplied::Interrupted),
        Err(error) => Err(Unreplied::Failed(error.into())),
    }
}

/// Whether an endpoint does not take this very request.
fn is_rejected(reply: &Result<Reply, Unreplied>) -> bool {
    let Err(Unreplied::Failed(error)) = reply else { return false };
    matches!(error.downcast_ref(), Some(EndpointError::Status { status: 400 | 413 | 422, .. }))
}

fn joined(thread: JoinHandle<Result<Reply, Unreplied>>) -> Result<Reply, Unreplied> {
    thread.join().unwrap_or_else(|_| Err(Unreplied::Failed(anyhow!("a request broke off"))))
}

/// A case that got no reply is recorded as unassessed, with the reason, unless none of a batch got one: then nothing is
/// measured, but where the endpoint has answered others and does not take just these.
fn all_sent(replies: Vec<Result<Reply, Unreplied>>, answered: bool) -> Result<Vec<Result<Reply, Unreplied>>> {
    let any = replies.iter().any(|reply| !matches!(reply, Err(Unreplied::Failed(_))));
    let any = any || (answered && replies.iter().all(is_rejected));
    if !any {
        return Ok(replies);
    }
    let nothing = |reply: Result<Reply, Unreplied>| match reply {
        Err(Unreplied::Failed(error)) => {
            let said = Said::Nothing(format!("no reply: {error:#}"));
            Ok(Reply { said, finish: FAILED.into(), forwards: 0, defences: Vec::new() })
        }
        reply => reply,
    };
    Ok(replies.into_iter().map(nothing).collect())
}

/// Opens an endpoint for what it will be asked to write.
pub(super) fn open(args: &UtilityArgs, how: &Generate, batch_size: usize) -> Result<Opened<Remote>> {
    let endpoint = endpoint::open(&args.subject.endpoint, batch_size)?;
    say_budget(&args.parts, "target", &endpoint.settings().budget);
    let tokens = args.sampling.gen_length.unwrap_or(how.gen_length);
    let max_tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    let temperature = args.sampling.temperature.unwrap_or(0.0);
    let mut sampler = format!("up to {max_tokens} tokens, temperature {temperature}");
    if let Some(changes) = endpoint::sent_otherwise(endpoint.settings()) {
        sampler = format!("{sampler}; {changes}");
    }
    let said = json!({"model": endpoint::name(endpoint.settings()), "sampler": sampler});
    let subject = Remote { endpoint, max_tokens, temperature, seed: args.sampling.seed };
    Ok(Opened { subject, said, fingerprints: Fingerprints::default(), place: None })
}
