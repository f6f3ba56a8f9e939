//! A checkpoint in this process whose ability is measured.

use super::case::{Case, Reply, Unreplied};
use super::opened::Opened;
use crate::args::{ModelArgs, SamplerName, SamplingArgs, UtilityArgs};
use crate::defences::{self, Defended, defended};
use crate::load::load;
use crate::manifest::{Fingerprints, Place};
use crate::{hub, interrupt};
use anyhow::{Context, Result, bail};
use mosa_core::Family;
use mosa_engine::{Batching, Estimator, Options};
use mosa_runtime::{Ask, Batch, Choosing, Chosen, Pending, Runtime, RuntimeError, Scorer, Settings, Shown};
use mosa_task::{Ask as Asked, Choose, Estimate, Generate, Item, Said, Task};
use serde_json::json;

/// Of how many of the longest items the length in tokens is looked at before anything is computed.
const LONGEST: usize = 64;

/// A checkpoint in this process.
pub(crate) struct Local {
    pub runtime: Runtime,
    /// How it writes.
    pub options: Options,
    pub batching: Batching,
}

impl Local {
    /// Begins to write answers.
    pub(super) fn write(&self, task: &dyn Task, how: &Generate, cases: &[Case<'_>]) -> Result<LocalBatch> {
        let asks: Vec<Ask> = cases
            .iter()
            .map(|case| Ask {
                prefix: case.item.question.prefix.clone(),
                until: how.until.clone(),
                ..Ask::new(case.key(task), case.item.question.prompt.clone())
            })
            .collect();
        let batch = self.runtime.begin_batch(&self.options, self.batching, &asks)?;
        Ok(LocalBatch::Written(batch, how.clone()))
    }

    /// Begins to score choices.
    pub(super) fn choose(&self, task: &dyn Task, how: &Choose, cases: &[Case<'_>]) -> Result<LocalBatch> {
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
        Ok(LocalBatch::Chosen(self.runtime.begin_choose(scorer, &asked)?))
    }

    /// Refuses items that do not fit the model, before anything is computed: of those whose prompts are longest.
    pub(crate) fn has_room(&self, task: &dyn Task, source: &str) -> Result<()> {
        let mut longest: Vec<&Item> = task.items().iter().collect();
        longest.sort_by_key(|item| std::cmp::Reverse(item.question.prompt.words().len()));
        longest.truncate(LONGEST);
        let (response, with, lower) = match task.ask() {
            Asked::Generate(_) => {
                let n = self.options.gen_length;
                (n, format!("with --gen-length {n} "), ", or a lower --gen-length")
            }
            Asked::Choose(_) => (1, String::new(), ""),
        };
        let (context, mut long) = (self.runtime.spec().max_length, Vec::new());
        for Item { question, place, .. } in &longest {
            let tokens = self.runtime.text().encode_with(&question.prompt, &question.prefix);
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
}

/// A batch that the model works on.
pub(crate) enum LocalBatch {
    Written(Batch, Generate),
    Chosen(Pending<Vec<Result<Chosen, RuntimeError>>>),
}

impl LocalBatch {
    /// Waits for it; a result per case, in order.
    pub(super) fn wait(self) -> Result<Vec<Result<Reply, Unreplied>>> {
        Ok(match self {
            Self::Written(batch, how) => {
                let reply = |shown: Result<Shown, RuntimeError>| shown.map(|s| written(s, &how)).map_err(unreplied);
                interrupted(batch.wait())?.into_iter().map(reply).collect()
            }
            Self::Chosen(scores) => {
                let reply = |chosen: Result<Chosen, RuntimeError>| chosen.map(scored).map_err(unreplied);
                interrupted(scores.wait())?.into_iter().map(reply).collect()
            }
        })
    }
}

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
    Reply { said, finish: shown.finish, forwards: shown.forwards, defences: shown.defences }
}

fn scored(chosen: Chosen) -> Reply {
    Reply {
        said: Said::Choices(chosen.log_p),
        finish: "chosen".into(),
        forwards: chosen.forwards,
        defences: Vec::new(),
    }
}

/// Opens a checkpoint for what it will be asked.
pub(super) fn open(args: &UtilityArgs, model: &str, ask: &Asked, batch_size: usize) -> Result<Opened<Local>> {
    let named = ModelArgs { model: model.to_owned(), adapter: args.subject.adapter.clone() };
    let loaded = load(&named, &args.compute)?;
    let options = loaded.options(&args.sampling.of_task(ask, loaded.spec().family))?;
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
    let identity = defences::identity(&mut fingerprints, &loaded.dir, named.adapter.as_deref(), &args.defences)?;
    let runtime = loaded.started(Settings { batching, batch_size, stop: interrupt::stop() })?;
    let Defended { runtime, said: defences } = defended(runtime, &options, &args.defences, &identity)?;
    said["defences"] = defences;
    if let (Asked::Choose(_), [idle, ..]) = (ask, runtime.defences().inside().as_slice()) {
        bail!(
            "--defence {idle}: the choices of this task are scored and no answer is decoded, so the defence has nothing to act \
             on; measure it on a task whose answers are written"
        );
    }
    Ok(Opened { subject: Local { runtime, options, batching }, said, fingerprints, place })
}

impl SamplingArgs {
    /// The same for a task: what flags leave open is the protocol's, as far as the family's sampler has it; answers stop at their
    /// end.
    pub(crate) fn of_task(&self, ask: &Asked, family: Family) -> Self {
        let Asked::Generate(how) = ask else { return Self { eos_stop: true, ..self.clone() } };
        let positions = self.gen_length.unwrap_or(how.gen_length);
        let as_asked = positions == how.gen_length;
        let blocks = how.block_length.filter(|block| as_asked || positions.is_multiple_of(*block));
        let sampler = self.sampler_for(family);
        let blocks = blocks.filter(|_| sampler == SamplerName::Blocks);
        // Blocks of a model's own have steps of their own, and no rule for end tokens.
        let whole = sampler != SamplerName::BlockDiffusion;
        Self {
            gen_length: Some(positions),
            block_length: self.block_length.or(blocks),
            steps: self.steps.or(how.steps.filter(|_| as_asked && whole)),
            logits_eos_inf: self.logits_eos_inf || (how.logits_eos_inf && whole),
            confidence_eos_eot_inf: self.confidence_eos_eot_inf || (how.confidence_eos_eot_inf && whole),
            eos_stop: true,
            ..self.clone()
        }
    }
}
