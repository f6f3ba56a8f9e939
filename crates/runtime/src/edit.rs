//! Words written while an answer is decoded.

use crate::ask::When;
use crate::shown::rounded;
use mosa_core::{Canvas, Cause, TokenId};
use mosa_engine::{Answer, Candidate, EngineError, Flow, Intervention, Step};

/// Writes tokens in the middle of a decode, perhaps after masking again whatever was revealed until then (anchoring and
/// trajectory hijacking).
///
/// A row may be through before its time has come: nothing is masked any more, or an end stands where rows that nobody
/// writes into would end. What masks again then comes at once: it takes back what there is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub when: When,
    /// (response offset, token), ascending.
    pub tokens: Vec<(usize, TokenId)>,
    /// Whether everything the sampler revealed is masked again first.
    pub remask: bool,
    /// Response offsets that stay as they are: forced before.
    pub keep: Vec<usize>,
    /// Tokens with which the row would end; none where it is decoded to its last step.
    pub ends: Vec<TokenId>,
    /// Tokens behind whose block the row ends.
    pub stops: Vec<TokenId>,
    pub state: State,
}

/// How far a [`Write`] is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    done: bool,
    /// Of the offsets to write at those that the sampler has revealed, the first first.
    revealed: Vec<usize>,
    /// Candidates of the latest pass: canvas position and probability.
    candidates: Vec<(usize, f64)>,
}

impl Write {
    /// The offsets it writes at that an answer to a prompt of `prompt` tokens shows to have been written.
    pub(crate) fn written<'a>(&'a self, answer: &'a Answer, prompt: usize) -> impl Iterator<Item = usize> + 'a {
        // The first step's record has what stood there from the beginning.
        let later = answer.trace.steps.iter().filter(|record| record.step.clock > 0);
        let forced = later.flat_map(|record| &record.edits).filter(|edit| edit.cause == Cause::Forced);
        forced.filter_map(move |edit| {
            let at = edit.position.checked_sub(prompt)?;
            self.tokens.contains(&(at, edit.token)).then_some(at)
        })
    }

    /// Whether it was not reached in an answer. `steps` are the answer's.
    pub(crate) fn is_missing(&self, answer: &Answer, prompt: usize, steps: u64) -> bool {
        let late = match self.when {
            When::Step(step) => step >= steps,
            When::Revealed(count) => count > 0,
        };
        late && !self.tokens.is_empty() && self.written(answer, prompt).next().is_none()
    }

    /// What was revealed since it looked last goes behind what was revealed before: by probability, as answers show it,
    /// then by place.
    fn look(&mut self, canvas: &Canvas) {
        let start = canvas.response_start();
        let State { revealed, candidates, .. } = &mut self.state;
        revealed.retain(|at| canvas.is_revealed(start + at));
        let probability = |at: &usize| {
            let found = candidates.iter().find(|(position, _)| *position == start + at);
            found.map_or(0.0, |(_, probability)| *probability)
        };
        let is_new = |at: &usize| canvas.is_revealed(start + at) && !revealed.contains(at);
        let mut new: Vec<usize> = self.tokens.iter().map(|(at, _)| *at).filter(is_new).collect();
        new.sort_by(|a, b| probability(b).total_cmp(&probability(a)).then(a.cmp(b)));
        revealed.extend(new);
    }

    fn is_due(&self, step: Step, canvas: &Canvas) -> bool {
        let reached = match self.when {
            When::Step(at) => step.clock >= at,
            When::Revealed(count) => self.state.revealed.len() >= count.min(self.tokens.len()),
        };
        reached || (self.remask && step.clock > 0 && canvas.settled_end(&self.ends).is_some())
    }

    /// Nothing comes behind a block that leaves a canvas like this.
    fn is_last(&self, canvas: &Canvas) -> bool {
        let masked = canvas.masked(canvas.response_start()..canvas.len());
        masked.is_empty() || canvas.settled_end(&self.stops).is_some()
    }

    /// What is to be written now. Where fewer positions were revealed than the words are to have, those that follow
    /// count as revealed last.
    fn chosen(&self) -> Vec<(usize, TokenId)> {
        let When::Revealed(count) = self.when else { return self.tokens.clone() };
        let seen = &self.state.revealed;
        let behind = self.tokens.iter().map(|(at, _)| at).filter(|at| !seen.contains(at));
        let first: Vec<usize> = seen.iter().chain(behind).take(count).copied().collect();
        self.tokens.iter().filter(|(at, _)| first.contains(at)).copied().collect()
    }

    fn write(&mut self, canvas: &mut Canvas) -> Result<(), EngineError> {
        self.state.done = true;
        let start = canvas.response_start();
        if self.remask {
            for position in start..canvas.len() {
                if !self.keep.contains(&(position - start)) && !canvas.is_masked(position) {
                    canvas.remask(position)?;
                }
            }
        }
        for (offset, token) in self.chosen() {
            canvas.force(start + offset, token)?;
        }
        Ok(())
    }
}

impl Intervention for Write {
    fn name(&self) -> &str {
        "write"
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn edit_canvas(&mut self, step: Step, canvas: &mut Canvas) -> Result<(), EngineError> {
        if self.state.done {
            return Ok(());
        }
        self.look(canvas);
        if self.is_due(step, canvas) { self.write(canvas) } else { Ok(()) }
    }

    fn rank(&mut self, _: Step, _: &Canvas, candidates: &[Candidate], _: &mut [f64]) -> Result<(), EngineError> {
        if !self.state.done && matches!(self.when, When::Revealed(_)) {
            self.state.candidates = candidates.iter().map(|c| (c.position, rounded(c.probability() as f32))).collect();
        }
        Ok(())
    }

    /// The answer is complete: what takes it back comes now or never, and what it takes back gets as many steps as it
    /// had.
    fn after_block(&mut self, step: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        if self.state.done || !self.remask || !self.is_last(canvas) {
            return Ok(Flow::Continue);
        }
        self.look(canvas);
        self.write(canvas)?;
        Ok(Flow::Repeat { steps: usize::try_from(step.clock).unwrap_or(usize::MAX).max(1) })
    }
}
