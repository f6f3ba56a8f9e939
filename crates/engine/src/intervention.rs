//! Where attacks, defences and probes act inside the loop.

use crate::{Candidate, EngineError, Step};
use mosa_core::Canvas;
use std::ops::Range;
use tch::Tensor;

/// What follows a block.
///
/// Of several interventions that ask for something, one that stops the row wins, and those behind it are not asked; else the
/// largest number of steps counts, once: whatever was masked again shares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next block.
    Continue,
    /// More steps on the same block, for positions that were masked again.
    Repeat {
        /// How many.
        steps: usize,
    },
    /// The row ends here.
    Stop,
}

/// Which half of classifier-free guidance a pass belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The canvas itself.
    Conditional,
    /// The canvas without its prompt.
    Unconditional,
}

/// Which hidden states are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenAt {
    /// After this block of the model.
    pub layer: usize,
    /// The canvas positions the rows of the tensor belong to.
    pub positions: Range<usize>,
    /// Half of guidance.
    pub pass: Pass,
}

/// Acts on one row of a decode. Every method does nothing by default.
///
/// A request owns its interventions, so their state is the row's alone and cannot depend on the batch. They run in list
/// order: attacks, then defences, then probes. Writes go through the [`Canvas`] and end up in the trace. Rows may be decoded on
/// another thread than the one that asks.
pub trait Intervention: Send {
    /// Its name in messages and records.
    fn name(&self) -> &str;

    /// Whether it only watches: it never writes on the canvas, and leaves hidden states and logits as they are. A row
    /// with such interventions alone is decoded as if there were none: it may stop at its end token, and sees no pass
    /// that reveals nothing. What it may do is end the row ([`Intervention::is_over`]).
    fn only_watches(&self) -> bool {
        false
    }

    /// After every step of a row whose interventions all only watch (where revealed tokens may be revised, after every block):
    /// whether nothing further is needed of it. It then ends as by [`Flow::Stop`].
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn is_over(&mut self, _step: Step, _canvas: &Canvas) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Before every step, also before those in which nothing is left to reveal.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn edit_canvas(&mut self, _step: Step, _canvas: &mut Canvas) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whether [`Intervention::edit_hidden`] is to be called; costs the shortcut of the last layer.
    fn wants_hidden(&self) -> bool {
        false
    }

    /// Whether [`Intervention::edit_hidden`] may change what it is shown. Then every pass computes the whole canvas, also
    /// with a cache: a cached pass would show the window alone, and the keys and values of all other positions would be
    /// those of an earlier edit. `false` for what only looks.
    fn edits_hidden(&self) -> bool {
        self.wants_hidden()
    }

    /// After every block of the model: the row's hidden states [positions, width]; returns what the next block gets. A pass that
    /// failed for another row, or for want of memory, is made again, and shows them again.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn edit_hidden(&mut self, _step: Step, _at: &HiddenAt, hidden: Tensor) -> Result<Tensor, EngineError> {
        Ok(hidden)
    }

    /// Whether [`Intervention::watch_logits`] is to be called.
    fn watches_logits(&self) -> bool {
        false
    }

    /// After the pass, before anything is changed: the logits that [`Intervention::edit_logits`] would get, in the model's
    /// type and on its device, and without a copy. They are written over behind it: what is to last is copied. Asked of all
    /// interventions, also of a row whose interventions all only watch.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn watch_logits(
        &mut self,
        _step: Step,
        _canvas: &Canvas,
        _positions: &[usize],
        _logits: &Tensor,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whether [`Intervention::edit_logits`] is to be called. Where no intervention of a row wants them, its logits stay in
    /// the type of the model, without a copy. Whoever leaves this as it is gets them; `false` is a promise not to touch them.
    fn wants_logits(&self) -> bool {
        true
    }

    /// After the pass: logits [positions, vocabulary] of the positions that can be committed now, and behind them of those that
    /// can be revised, f32, after guidance. What only watches gets them too, and leaves them as they are.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn edit_logits(
        &mut self,
        _step: Step,
        _canvas: &Canvas,
        _positions: &[usize],
        logits: Tensor,
    ) -> Result<Tensor, EngineError> {
        Ok(logits)
    }

    /// Before the policy's choice is committed: which candidates are to be preferred. `scores` are of `candidates`, in the same
    /// order, in the policy's own ranking: from 0 to 1, larger is better (the probability of the token where a policy ranks by
    /// it). Interventions change them in list order, each sees what those before it left; not called for what only watches.
    ///
    /// - *How many* positions are revealed stays the policy's decision, whichever it is: a quota, a bar, a draw. The scores
    ///   say *which*: the best ones, ties as the policy has them. Scores that nobody changes leave its choice as it is.
    /// - Positive infinity reveals a position now, beyond the number if need be; negative infinity holds it back, also where
    ///   nothing else is left to reveal. Either stands: nobody later in the list can change it.
    /// - A score that is not a number is an error.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn rank(
        &mut self,
        _step: Step,
        _canvas: &Canvas,
        _candidates: &[Candidate],
        _scores: &mut [f64],
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// When the steps of a block are over (Dream: when all steps are).
    ///
    /// # Errors
    /// Whatever went wrong; it ends the row.
    fn after_block(&mut self, _step: Step, _canvas: &mut Canvas) -> Result<Flow, EngineError> {
        Ok(Flow::Continue)
    }
}
