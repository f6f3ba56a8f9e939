//! Whose ability is measured: a checkpoint in this process, or a model behind an endpoint.

use super::runner::Case;
use crate::args::{SamplingArgs, UtilityArgs};
use crate::load::load;
use crate::manifest::{Fingerprints, Place};
use crate::sampling::Shipped;
use crate::{args::ModelArgs, endpoint, hub, interrupt};
use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use mosa_client::{Chat, Endpoint, EndpointError};
use mosa_core::{Family, sample_key};
use mosa_engine::{Batching, Estimator, Options};
use mosa_records::{FILTERED, unsaid};
use mosa_runtime::{Ask, Batch, Choosing, Chosen, Pending, Runtime, RuntimeError, Scorer, Settings, Shown};
use mosa_task::{Ask as Asked, Choose, Estimate, Generate, Item, Said, Task};
use mosa_text::Prompt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Of how many of the longest items the length in tokens is looked at before anything is computed.
const LONGEST: usize = 64;

/// Whose ability is measured.
pub(crate) enum Subject {
    Local(Local),
    Remote(Remote),
}

/// A checkpoint in this process.
pub(crate) struct Local {
    pub runtime: Runtime,
    /// How it writes.
    pub options: Options,
    pub batching: Batching,
}

/// A model behind an endpoint.
pub(crate) struct Remote {
    pub endpoint: Arc<Endpoint>,
    /// Tokens of an answer.
    pub max_tokens: u32,
    pub temperature: f64,
    pub seed: u64,
}

/// What came of a case.
pub(crate) struct Reply {
    pub said: Said,
    /// Why the answer ended; `chosen` where choices were scored.
    pub finish: String,
    /// Model calls.
    pub forwards: usize,
}

/// Why nothing came of a case.
pub(crate) enum Unreplied {
    /// A stop was asked for.
    Interrupted,
    Failed(Error),
}

/// A batch that is being answered.
pub(crate) enum UnderWay {
    Written(Batch, Generate),
    Chosen(Pending<Vec<Result<Chosen, RuntimeError>>>),
    Sent(Vec<JoinHandle<Result<Reply, Unreplied>>>),
}

impl Subject {
    /// Whether an answer has the same bits whatever is asked beside it.
    pub(crate) fn is_independent(&self) -> bool {
        match self {
            Self::Local(local) => local.batching == Batching::Rows,
            Self::Remote(_) => true,
        }
    }

    /// Lays cases out and begins to ask them; the model works while the caller goes on.
    pub(crate) fn begin(&self, task: &dyn Task, cases: &[Case<'_>]) -> Result<UnderWay> {
        match (self, task.ask()) {
            (Self::Local(local), Asked::Generate(how)) => local.write(task, how, cases),
            (Self::Local(local), Asked::Choose(how)) => local.choose(task, how, cases),
            (Self::Remote(remote), Asked::Generate(how)) => remote.send(task, how, cases),
            (Self::Remote(_), Asked::Choose(_)) => Err(anyhow!(CHOOSES)),
        }
    }

    /// Waits for a batch; a result per case, in order. `answered` is whether the subject has answered before.
    pub(crate) fn wait(&self, under_way: UnderWay, answered: bool) -> Result<Vec<Result<Reply, Unreplied>>> {
        Ok(match under_way {
            UnderWay::Written(batch, how) => {
                let reply = |shown: Result<Shown, RuntimeError>| shown.map(|s| written(s, &how)).map_err(unreplied);
                interrupted(batch.wait())?.into_iter().map(reply).collect()
            }
            UnderWay::Chosen(scores) => {
                let reply = |chosen: Result<Chosen, RuntimeError>| chosen.map(scored).map_err(unreplied);
                interrupted(scores.wait())?.into_iter().map(reply).collect()
            }
            UnderWay::Sent(threads) => all_sent(threads.into_iter().map(joined).collect(), answered)?,
        })
    }

    /// Refuses items that do not fit the model, before anything is computed: of those whose prompts are longest.
    pub(crate) fn has_room(&self, task: &dyn Task, source: &str) -> Result<()> {
        let Self::Local(local) = self else { return Ok(()) };
        let mut longest: Vec<&Item> = task.items().iter().collect();
        longest.sort_by_key(|item| std::cmp::Reverse(item.question.prompt.words().len()));
        longest.truncate(LONGEST);
        let (response, with, lower) = match task.ask() {
            Asked::Generate(_) => {
                let n = local.options.gen_length;
                (n, format!("with --gen-length {n} "), ", or a lower --gen-length")
            }
            Asked::Choose(_) => (1, String::new(), ""),
        };
        let (context, mut long) = (local.runtime.spec().max_length, Vec::new());
        for Item { question, place, .. } in &longest {
            let tokens = local.runtime.text().encode_with(&question.prompt, &question.prefix);
            let tokens = tokens.with_context(|| place.clone())?.len();
            if tokens + response > context {
                long.push((tokens, place.as_str()));
            }
        }
        let Some((tokens, place)) = long.iter().max() else { return Ok(()) };
        bail!(
            "{source}: {place}: the prompt is too long: {with}its {tokens} tokens exceed the model's context of {context}, and so \
             do {} of the {} longest; give fewer --shots{lower}",
            long.len(),
            longest.len(),
        )
    }

    /// Seconds of forward passes so far, where they are made here.
    pub(crate) fn forward_seconds(&self) -> Option<f64> {
        let Self::Local(local) = self else { return None };
        local.runtime.forward_time().ok().map(|time| time.spent.as_secs_f64())
    }
}

/// Why an answer ended that never came.
pub(super) const FAILED: &str = "failed";

/// What an endpoint cannot be asked.
const CHOOSES: &str = "this protocol scores choices by their likelihood, which takes the model itself: name it by --model, or \
                       choose a protocol that generates (`mosa utility list`)";
const IN_TURNS: &str = "this protocol asks by plain text or begins the answer, and an endpoint is asked in turns: name the model by \
                        --model, or choose a protocol that asks in turns (`mosa utility list`)";

/// Nothing came of a batch that a stop left before it began.
fn interrupted<T>(waited: Result<Vec<Result<T, RuntimeError>>, RuntimeError>) -> Result<Vec<Result<T, RuntimeError>>> {
    match waited {
        Err(RuntimeError::Interrupted) => Ok(Vec::new()),
        waited => Ok(waited?),
    }
}

fn unreplied(error: RuntimeError) -> Unreplied {
    match error {
        RuntimeError::Interrupted => Unreplied::Interrupted,
        error => Unreplied::Failed(error.into()),
    }
}

fn written(shown: Shown, how: &Generate) -> Reply {
    let said = Said::Text(how.cut(&shown.texts.to_end).to_owned());
    Reply { said, finish: shown.finish, forwards: shown.forwards }
}

fn scored(chosen: Chosen) -> Reply {
    Reply { said: Said::Choices(chosen.log_p), finish: "chosen".into(), forwards: chosen.forwards }
}

impl Local {
    fn write(&self, task: &dyn Task, how: &Generate, cases: &[Case<'_>]) -> Result<UnderWay> {
        let asks: Vec<Ask> = cases
            .iter()
            .map(|case| Ask {
                prefix: case.item.question.prefix.clone(),
                until: how.until.clone(),
                ..Ask::new(case.key(task), case.item.question.prompt.clone())
            })
            .collect();
        let batch = self.runtime.begin_batch(&self.options, self.batching, &asks)?;
        Ok(UnderWay::Written(batch, how.clone()))
    }

    fn choose(&self, task: &dyn Task, how: &Choose, cases: &[Case<'_>]) -> Result<UnderWay> {
        let seed = self.options.seed;
        let asked: Vec<Choosing> = cases
            .iter()
            .map(|case| Choosing {
                id: case.key(task),
                prompt: case.item.question.prompt.clone(),
                prefix: case.item.question.prefix.clone(),
                choices: case.item.question.choices.clone(),
            })
            .collect();
        let estimator = match how.estimate {
            Estimate::MeanField => Estimator::MeanField,
            Estimate::Chain => Estimator::Chain,
            Estimate::Elbo(draws) => Estimator::Elbo { draws, seed, sample: 0 },
        };
        let scorer = Scorer { estimator, batching: self.batching };
        Ok(UnderWay::Chosen(self.runtime.begin_choose(scorer, &asked)?))
    }
}

impl Remote {
    /// Sends every case on a thread of its own; the endpoint's limits hold for all of them.
    fn send(&self, task: &dyn Task, how: &Generate, cases: &[Case<'_>]) -> Result<UnderWay> {
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
        Ok(UnderWay::Sent(threads))
    }
}

/// Asks an endpoint. An answer that is not whole, or that a filter stopped, is nothing that can be assessed.
fn replied(endpoint: &Endpoint, chat: &Chat, how: &Generate) -> Result<Reply, Unreplied> {
    let reply = |text: &str, finish: &str| {
        let said = unsaid(text, finish, 0).map_or_else(|| Said::Text(how.cut(text).to_owned()), Said::Nothing);
        Reply { said, finish: finish.to_owned(), forwards: 0 }
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
            Ok(Reply { said, finish: FAILED.into(), forwards: 0 })
        }
        reply => reply,
    };
    Ok(replies.into_iter().map(nothing).collect())
}

/// A subject, and what the manifest says of it.
pub(crate) struct Opened {
    pub subject: Subject,
    pub said: Value,
    pub fingerprints: Fingerprints,
    pub place: Option<Place>,
}

/// Opens what the flags name; `ask` is what it will be asked.
pub(crate) fn open(args: &UtilityArgs, ask: &Asked, batch_size: usize) -> Result<Opened> {
    match &args.subject.model {
        Some(model) => local(args, model, ask, batch_size),
        None => remote(args, ask, batch_size),
    }
}

fn local(args: &UtilityArgs, model: &str, ask: &Asked, batch_size: usize) -> Result<Opened> {
    let named = ModelArgs { model: model.to_owned(), adapter: args.subject.adapter.clone() };
    let loaded = load(&named, &args.compute)?;
    let family = loaded.spec().family;
    let shipped = Shipped::read(&loaded.dir)?;
    let options = args.sampling.of_task(ask, family).options(family, loaded.ends(), &shipped)?;
    options.check(loaded.spec())?;
    let device = loaded.model.device();
    let batching = match (ask, args.sampling.batching(device)) {
        (Asked::Choose(_), Batching::Shared { .. }) => Batching::of_questions(device),
        (_, batching) => batching,
    };
    let mut fingerprints = Fingerprints::default();
    let mut said = json!({
        "model": model,
        "hashes": {
            "model": fingerprints.of(&loaded.dir)?,
            "adapter": fingerprints.of_any(named.adapter.as_deref())?,
        },
    });
    hub::record(&mut said["hashes"], &loaded.dir);
    let place = Some(Place::of(&loaded, &args.compute));
    let runtime = loaded.started(Settings { batching, batch_size, stop: interrupt::stop() })?;
    let subject = Subject::Local(Local { runtime, options, batching });
    Ok(Opened { subject, said, fingerprints, place })
}

fn remote(args: &UtilityArgs, ask: &Asked, batch_size: usize) -> Result<Opened> {
    let Asked::Generate(how) = ask else { bail!(CHOOSES) };
    let endpoint = endpoint::open(&args.subject.endpoint, batch_size)?;
    let tokens = args.sampling.gen_length.unwrap_or(how.gen_length);
    let max_tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    let temperature = args.sampling.temperature.unwrap_or(0.0);
    let mut sampler = format!("up to {max_tokens} tokens, temperature {temperature}");
    if let Some(changes) = endpoint::sent_otherwise(endpoint.settings()) {
        sampler = format!("{sampler}; {changes}");
    }
    let said = json!({"model": endpoint::name(endpoint.settings()), "sampler": sampler});
    let subject = Subject::Remote(Remote { endpoint, max_tokens, temperature, seed: args.sampling.seed });
    Ok(Opened { subject, said, fingerprints: Fingerprints::default(), place: None })
}

impl SamplingArgs {
    /// The same for a task: what flags leave open is the protocol's, as far as the family's sampler has it; answers stop at their
    /// end.
    pub(crate) fn of_task(&self, ask: &Asked, family: Family) -> Self {
        let Asked::Generate(how) = ask else { return Self { eos_stop: true, ..self.clone() } };
        let positions = self.gen_length.unwrap_or(how.gen_length);
        let as_asked = positions == how.gen_length;
        let blocks = how.block_length.filter(|block| as_asked || positions.is_multiple_of(*block));
        let blocks = blocks.filter(|_| !self.is_timesteps(family));
        Self {
            gen_length: Some(positions),
            block_length: self.block_length.or(blocks),
            steps: self.steps.or(how.steps.filter(|_| as_asked)),
            logits_eos_inf: self.logits_eos_inf || how.logits_eos_inf,
            confidence_eos_eot_inf: self.confidence_eos_eot_inf || how.confidence_eos_eot_inf,
            eos_stop: true,
            ..self.clone()
        }
    }
}
