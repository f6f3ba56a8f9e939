//! Suffixes a model proposes: one iteration of GCG, or uniform draws without its gradient.

use crate::TargetError;
use crate::watched::Watched;
use crate::words::conversation;
use mosa_attack::{Propose, Proposed, Role};
use mosa_core::{Rng, Stream};
use mosa_engine::Options;
use mosa_probe::ProbeError;
use mosa_probe::gcg::{
    AllowedTokens, Avoid, Filter, Goal, Proposal, TargetLikelihood, TargetLoss, added_between, suffix_round_trip,
};
use mosa_runtime::{Model, Runtime, words_at};
use mosa_text::{Specials, TextModel};
use tch::{Kind, Tensor};

/// Canvases that share a pass.
const ROWS: usize = 16;

/// The model that proposes.
pub(crate) struct Searched<'a> {
    pub runtime: &'a Runtime,
    /// How answers are decoded.
    pub options: &'a Options,
    /// Tokens a suffix may hold.
    pub allowed: &'a AllowedTokens,
    /// The monitor that a request may stay away from.
    pub watched: Option<&'a Watched>,
}

/// Candidates by gradient (PAL's step 2 to 4) or uniformly (RAL), with the proxy's loss of each, best first.
pub(crate) fn propose(on: &Searched<'_>, draw: u64, asked: &Propose) -> Result<Vec<Proposed>, TargetError> {
    let goal = goal(on.runtime.text(), on.options.gen_length, draw, asked)?;
    let avoid = match (&asked.avoid, on.watched) {
        (None, _) => None,
        (Some(avoid), Some(watched)) => Some(watched.term(avoid, goal.prompt.len(), on.options)?),
        (Some(avoid), None) => {
            return Err(TargetError::Request(format!("the monitor {} does not watch this model", avoid.monitor)));
        }
    };
    let (options, allowed) = (on.options.clone(), on.allowed.clone());
    let step = Iteration { options, goal, allowed, avoid, draw, asked: asked.clone() };
    on.runtime.look(move |model| step.proposed(model))?
}

/// One iteration of the search.
struct Iteration {
    /// How answers are decoded.
    options: Options,
    goal: Goal,
    allowed: AllowedTokens,
    avoid: Option<Avoid>,
    /// Key of the candidates.
    draw: u64,
    asked: Propose,
}

impl Iteration {
    /// On the thread of the model.
    fn proposed(self, model: &Model) -> Result<Vec<Proposed>, TargetError> {
        let Self { options, goal, allowed, avoid, draw, asked } = self;
        let loss = TargetLoss::new(model.white_box(), &goal, TargetLikelihood::FirstStep, draw, ROWS)?;
        let loss = loss.decoded_by(&options).avoiding(avoid);
        let suffix = goal.first_suffix().to_vec();
        let gradient = if asked.gradient { loss.gradient(&suffix)?.one_hot } else { flat(suffix.len(), model)? };
        let filter = Filter { allowed, keep: Box::new(suffix_round_trip(&model.text.tokenizer)) };
        let top_k = if asked.gradient { asked.top_k } else { model.weights.spec().vocab };
        let proposal = Proposal { goal: &goal, filter: &filter, top_k, count: asked.candidates, replace: 1 };
        let mut candidates = proposal.draw(&gradient, &suffix, &mut Rng::at(draw, Stream::Gcg, 0, 0))?;
        candidates.push(suffix);
        let losses = loss.losses(&candidates)?;
        if losses.iter().any(|l| l.is_nan()) {
            return Err(ProbeError::NotANumber { id: goal.id.clone(), iteration: 0 }.into());
        }
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        order.truncate(asked.keep);
        let shown = |i: usize| -> Result<Proposed, TargetError> {
            let suffix = model.text.tokenizer.decode(&candidates[i], Specials::Skip)?.trim().to_owned();
            Ok(Proposed { suffix, loss: losses[i] })
        };
        order.into_iter().map(shown).collect()
    }
}

/// A gradient that prefers nothing.
fn flat(rows: usize, model: &Model) -> Result<Tensor, TargetError> {
    let (vocab, device) = (model.weights.spec().vocab as i64, model.weights.embedding_table().device());
    Ok(Tensor::f_zeros([rows as i64, vocab], (Kind::Float, device))?)
}

/// The prompt with its suffix, and where the suffix stands in it.
fn goal(text: &TextModel, gen_length: usize, draw: u64, asked: &Propose) -> Result<Goal, TargetError> {
    let plain = text.encode(&conversation(&asked.messages))?;
    let mut messages = asked.messages.clone();
    if let Some(last) = messages.iter_mut().rev().find(|m| m.role == Role::User) {
        last.content = format!("{} {}", last.content, asked.suffix);
    }
    let whole = text.encode(&conversation(&messages))?;
    let suffix = added_between(&plain, &whole);
    if suffix.is_empty() {
        return Err(TargetError::Request(format!("the suffix \"{}\" adds no token to the prompt", asked.suffix)));
    }
    Ok(Goal {
        id: format!("{draw:016x}"),
        prompt: whole,
        suffix,
        target: words_at(text, asked.offset, &asked.target)?,
        offset: asked.offset,
        gen_length,
    })
}
