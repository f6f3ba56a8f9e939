//! The search: gradient, candidates, losses, next suffix.

use super::candidates::Proposal;
use super::filter::Filter;
use super::goal::Goal;
use super::loss::{Subject, TargetLoss};
use super::settings::GcgSettings;
use crate::ProbeError;
use mosa_core::{Rng, Stream, TokenId, sample_key};
use mosa_engine::{Batching, Options, Request, generate};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// A suffix search.
pub struct Gcg<'a> {
    /// Its settings.
    pub settings: GcgSettings,
    /// What candidates must pass.
    pub filter: Filter<'a>,
    /// How the answer to the best suffix is decoded; `gen_length` is the goals'.
    pub decode: Options,
}

/// The state after an iteration. The last one, the settings and the goal are all a search needs to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// Its number; 0 is the suffix the prompt came with.
    pub number: usize,
    /// The suffix it moved to.
    pub suffix: Vec<TokenId>,
    /// Its loss in nats per token, in the precision it was computed in.
    pub loss: f32,
    /// The best suffix so far.
    pub best_suffix: Vec<TokenId>,
    /// Its loss.
    pub best_loss: f32,
    /// Candidates evaluated.
    pub candidates: usize,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GcgRun {
    /// The best suffix seen.
    pub best_suffix: Vec<TokenId>,
    /// Its loss in nats per token.
    pub best_loss: f32,
    /// Every iteration, from number 0 on.
    pub iterations: Vec<Iteration>,
    /// p of every target token under the best suffix before the first step, all masked.
    pub target_probabilities: Vec<f64>,
    /// The decoded response to the best suffix.
    pub response: Vec<TokenId>,
    /// Whether the target stands at its offset in the response.
    pub success: bool,
}

impl Gcg<'_> {
    /// Searches from the goal's first suffix, or goes on after `recorded`, which must hold all iterations of an earlier
    /// call from number 0 on. A search that was interrupted and resumed is equal to one that was not, bit by bit (same
    /// machine, threads and settings; more iterations may be asked for). `each` sees every new iteration as it ends;
    /// `Ok(None)` if it breaks off.
    ///
    /// # Errors
    /// [`ProbeError`] if a setting, the goal or the records cannot be used, no candidate passes the filter, or the
    /// model fails.
    pub fn run(
        &self,
        subject: Subject<'_>,
        goal: &Goal,
        recorded: Vec<Iteration>,
        each: &mut dyn FnMut(&Iteration) -> ControlFlow<()>,
    ) -> Result<Option<GcgRun>, ProbeError> {
        self.check(goal)?;
        let s = &self.settings;
        let loss = TargetLoss::new(subject, goal, s.likelihood, s.seed, s.rows_per_pass)?.decoded_by(&self.decode);
        resumable(goal, &recorded)?;
        let mut iterations = recorded;
        let last = loop {
            let next = match iterations.last() {
                None => first(&loss, goal)?,
                Some(last) if last.number >= s.iterations => break last.clone(),
                Some(last) => self.next(&loss, goal, last)?,
            };
            iterations.push(next);
            if iterations.last().is_some_and(|i| each(i).is_break()) {
                return Ok(None);
            }
        };
        let request = Request::new(goal.id.clone(), goal.prompt_with(&last.best_suffix), &self.decode);
        let answers = generate(subject.black_box(), Batching::Rows, vec![request], &mut ())?;
        let response = answers.into_iter().flatten().next().map(|a| a.ids).unwrap_or_default();
        Ok(Some(GcgRun {
            target_probabilities: loss.probabilities(&last.best_suffix)?,
            success: response.get(goal.offset..goal.offset + goal.target.len()) == Some(&goal.target),
            best_suffix: last.best_suffix,
            best_loss: last.best_loss,
            iterations,
            response,
        }))
    }

    /// One iteration; all its randomness is keyed by its number.
    fn next(&self, loss: &TargetLoss<'_>, goal: &Goal, last: &Iteration) -> Result<Iteration, ProbeError> {
        let (s, number) = (&self.settings, last.number + 1);
        let gradient = loss.gradient(&last.suffix)?;
        if gradient.loss.is_nan() || gradient.one_hot.f_isnan()?.f_any()?.f_int64_value(&[])? != 0 {
            return Err(ProbeError::NotANumber { id: goal.id.clone(), iteration: number });
        }
        let proposal = Proposal { goal, filter: &self.filter, top_k: s.top_k, count: s.candidates, replace: s.replace };
        let mut rng = Rng::at(s.seed, Stream::Gcg, number as u64, sample_key(&goal.id));
        let mut candidates = proposal.draw(&gradient.one_hot, &last.suffix, &mut rng)?;
        let losses = loss.losses(&candidates)?;
        if losses.iter().any(|l| l.is_nan()) {
            return Err(ProbeError::NotANumber { id: goal.id.clone(), iteration: number });
        }
        let Some(best) = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])) else {
            return Err(ProbeError::NoCandidates { id: goal.id.clone(), iteration: number, drawn: proposal.draws() });
        };
        let evaluated = candidates.len();
        let (mut suffix, mut value) = (candidates.swap_remove(best), losses[best] as f32);
        if s.only_improving && value >= last.loss {
            (suffix, value) = (last.suffix.clone(), last.loss);
        }
        let better = value < last.best_loss;
        let (best_suffix, best_loss) =
            if better { (suffix.clone(), value) } else { (last.best_suffix.clone(), last.best_loss) };
        Ok(Iteration { number, suffix, loss: value, best_suffix, best_loss, candidates: evaluated })
    }

    fn check(&self, goal: &Goal) -> Result<(), ProbeError> {
        self.settings.check()?;
        if self.settings.replace > goal.suffix.len() {
            let what =
                format!("= {} is more than the {} tokens of the suffix", self.settings.replace, goal.suffix.len());
            return Err(ProbeError::Setting { key: "replace", what });
        }
        if self.decode.gen_length != goal.gen_length {
            return Err(goal.wrong(format!(
                "its response has {} positions, but {} are decoded",
                goal.gen_length, self.decode.gen_length
            )));
        }
        Ok(())
    }
}

/// The suffix the prompt came with.
fn first(loss: &TargetLoss<'_>, goal: &Goal) -> Result<Iteration, ProbeError> {
    let suffix = goal.first_suffix().to_vec();
    let value = loss.losses(std::slice::from_ref(&suffix))?[0] as f32;
    if value.is_nan() {
        return Err(ProbeError::NotANumber { id: goal.id.clone(), iteration: 0 });
    }
    Ok(Iteration { number: 0, best_suffix: suffix.clone(), suffix, loss: value, best_loss: value, candidates: 1 })
}

/// Refuses records of another search.
fn resumable(goal: &Goal, recorded: &[Iteration]) -> Result<(), ProbeError> {
    let wrong = |what: String| Err(ProbeError::Resume { id: goal.id.clone(), what });
    for (i, record) in recorded.iter().enumerate() {
        let len = goal.suffix.len();
        if record.number != i {
            return wrong(format!("iteration {} stands where {i} is expected", record.number));
        }
        if record.suffix.len() != len || record.best_suffix.len() != len {
            return wrong(format!("iteration {i} has another suffix length than the goal's {len}"));
        }
    }
    match recorded.first() {
        Some(first) if first.suffix != goal.first_suffix() => wrong("they start from another suffix".into()),
        _ => Ok(()),
    }
}
