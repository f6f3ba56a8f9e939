//! DiffuGuard: which positions are revealed is drawn more freely at first, and a first block that strays is made again.

use crate::monitor::Question;
use crate::registry::{defaults, opened, settings_of};
use crate::steps::{Steps, boxed, within};
use crate::{Entry, Need};
use mosa_core::{Canvas, Rng, Stream, TokenId};
use mosa_engine::{Candidate, EngineError, Flow, HiddenAt, Intervention, Pass, Step};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// DiffuGuard (arXiv 2509.24296): stochastic annealed remasking in every block, and an audit of the first block, which is repaired
/// if its hidden states are far from those of the plain question. That comparison costs one more pass.
///
/// Hidden states are those after the last block of the model, before its last norm. The repair of a block that holds words of an
/// attack masks these as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffuGuard {
    /// Share of chance in the score of a position at the first step of a block; it falls to 0 with the last.
    pub alpha: f64,
    /// Cosine distance above which the first block is repaired; 2 never is.
    pub threshold: f64,
    /// Share of the block that is masked again.
    pub remask: f64,
    /// Steps of the repair.
    pub refine: usize,
    /// What is taken from the logit of a removed token at its position.
    pub penalty: f64,
}

impl Default for DiffuGuard {
    fn default() -> Self {
        Self { alpha: 0.3, threshold: 0.35, remask: 0.9, refine: 8, penalty: 1e6 }
    }
}

impl DiffuGuard {
    /// Its name.
    pub const NAME: &'static str = "diffuguard";

    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "draws the order of commits more freely at first, and makes a first block that strays from the question again",
        source: "DiffuGuard, arXiv 2509.24296",
        needs: &[Need::Hidden, Need::Logits],
        settings: defaults::<Self>,
        make: |_, settings| {
            let made: Self = settings_of(Self::NAME, settings)?;
            within(Self::NAME, "alpha", made.alpha, [0.0, 1.0])?;
            within(Self::NAME, "threshold", made.threshold, [0.0, 2.0])?;
            within(Self::NAME, "remask", made.remask, [0.0, 1.0])?;
            within(Self::NAME, "penalty", made.penalty, [0.0, 1e9])?;
            Ok(opened(made, None))
        },
        fit: None,
    };

    fn audits(&self) -> bool {
        self.threshold < 2.0 && self.remask > 0.0 && self.refine > 0
    }
}

impl Defence for DiffuGuard {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        model: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        if self.alpha == 0.0 && !self.audits() {
            return Ok(None);
        }
        let last = model.spec().layers.saturating_sub(1);
        let question = if self.audits() {
            acts.spent(1);
            Some(Question::ask(model, row.prompt, row.options.schedule.plan().attention())?)
        } else {
            None
        };
        Ok(boxed(Guard {
            settings: self.clone(),
            steps: Steps::of(row),
            seed: row.options.seed,
            last,
            question,
            seen: None,
            block: 0,
            strays: None,
            removed: Vec::new(),
            annealed: false,
            acts: acts.clone(),
        }))
    }
}

/// One row.
struct Guard {
    settings: DiffuGuard,
    steps: Steps,
    seed: u64,
    /// The last block of the model.
    last: usize,
    /// The plain question; none once the first block was looked at.
    question: Option<Question>,
    /// Hidden states of the first step, and the position of the first of them.
    seen: Option<(usize, Tensor)>,
    /// Where the first block ends.
    block: usize,
    /// The distance of the first block, if it is too far.
    strays: Option<f64>,
    /// What was masked again, until the repair is over.
    removed: Vec<(usize, TokenId)>,
    annealed: bool,
    acts: Acts,
}

/// Share of chance at step `i` of a block of `steps`: alpha0 (1 - i / (S - 1)).
fn chance(alpha: f64, step: usize, steps: usize) -> f64 {
    alpha * (1.0 - step as f64 / steps.saturating_sub(1).max(1) as f64).max(0.0)
}

impl Guard {
    fn did(&self, did: &str, step: Step, value: f64) {
        self.acts.did(DefenceAct::new(DiffuGuard::NAME, did).at(step.clock).for_value(value));
    }

    /// How far the first block is from the question, by what its first step showed.
    fn audit(&mut self, canvas: &Canvas, candidates: &[Candidate]) -> Result<(), EngineError> {
        let Some((first, hidden)) = self.seen.take() else { return Ok(()) };
        let Some(question) = self.question.take() else { return Ok(()) };
        let start = canvas.response_start();
        let end = candidates.iter().map(|c| c.position + 1).max().unwrap_or(0);
        if end <= start || start < first {
            return Ok(());
        }
        self.block = end;
        let own = hidden.f_narrow(0, (start - first) as i64, (end - start) as i64)?;
        let far = question.distance(&own)?;
        self.strays = (far > self.settings.threshold).then_some(far);
        Ok(())
    }

    /// A random share of the block, masked again.
    fn remask(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        let start = canvas.response_start();
        let all: Vec<usize> = (start..self.block).filter(|&p| !canvas.is_masked(p)).collect();
        let count = (all.len() as f64 * self.settings.remask).round() as usize;
        let order = Rng::at(self.seed, Stream::Defence, step.clock, step.sample).lane(u64::MAX).permutation(all.len());
        let mut again: Vec<usize> = order.into_iter().take(count).map(|i| all[i]).collect();
        again.sort_unstable();
        for position in again {
            self.removed.push((position, canvas.tokens()[position]));
            canvas.remask(position)?;
        }
        Ok(())
    }
}

impl Intervention for Guard {
    fn name(&self) -> &str {
        DiffuGuard::NAME
    }

    fn wants_hidden(&self) -> bool {
        self.question.is_some()
    }

    fn edits_hidden(&self) -> bool {
        false
    }

    fn edit_hidden(&mut self, step: Step, at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        if at.layer == self.last && at.pass == Pass::Conditional && step.block == 0 {
            self.seen = Some((at.positions.start, hidden.f_to_kind(Kind::Float)?));
        }
        Ok(hidden)
    }

    fn wants_logits(&self) -> bool {
        !self.removed.is_empty()
    }

    fn edit_logits(&mut self, _: Step, _: &Canvas, positions: &[usize], logits: Tensor) -> Result<Tensor, EngineError> {
        for (row, position) in positions.iter().enumerate() {
            for (_, token) in self.removed.iter().filter(|(removed, _)| removed == position) {
                let mut one = logits.f_get(row as i64)?.f_get(i64::from(*token))?;
                let _ = one.f_sub_scalar_(self.settings.penalty)?;
            }
        }
        Ok(logits)
    }

    fn rank(
        &mut self,
        step: Step,
        canvas: &Canvas,
        candidates: &[Candidate],
        scores: &mut [f64],
    ) -> Result<(), EngineError> {
        self.audit(canvas, candidates)?;
        let a = chance(self.settings.alpha, step.step, self.steps.in_block(step.block));
        if a == 0.0 {
            return Ok(());
        }
        let rng = Rng::at(self.seed, Stream::Defence, step.clock, step.sample);
        for (score, candidate) in scores.iter_mut().zip(candidates).filter(|(score, _)| score.is_finite()) {
            *score = (1.0 - a) * *score + a * rng.lane(candidate.position as u64).unit();
        }
        if !std::mem::replace(&mut self.annealed, true) {
            self.did("drew the order of commits", step, a);
        }
        Ok(())
    }

    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        self.removed.clear();
        let Some(far) = self.strays.take() else { return Ok(Flow::Continue) };
        self.remask(step, canvas)?;
        if self.removed.is_empty() {
            return Ok(Flow::Continue);
        }
        self.did("made the first block again", step, far);
        Ok(Flow::Repeat { steps: self.settings.refine })
    }
}

#[cfg(test)]
mod tests {
    use super::chance;

    #[test]
    fn chance_falls_from_alpha_to_nothing_within_a_block() {
        let all: Vec<f64> = (0..5).map(|i| chance(0.3, i, 5)).collect();
        for (is, want) in all.iter().zip([0.3, 0.225, 0.15, 0.075, 0.0]) {
            assert!((is - want).abs() < 1e-12, "{all:?}");
        }
        assert_eq!((chance(0.3, 0, 1), chance(0.3, 7, 4)), (0.3, 0.0));
    }
}
