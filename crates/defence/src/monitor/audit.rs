//! DiffuGuard's audit: how far the first block stands from the question, in hidden states.
//!
//! As published: the cosine distance between the mean last hidden state over the block at step 0 and the mean last hidden state of
//! the plain question without masks. The latter takes a pass of its own, of the prompt alone (its template included, as the
//! model gets it), which is told as a model call. The question could be read off the same pass, at the prompt's positions; but
//! there it has already seen the canvas, attack and masks, and the distance would be another one. 0.35 is the published default.

use super::{Look, Making, Monitor};
use mosa_core::TokenId;
use mosa_engine::{EngineError, HiddenAt, Pass};
use mosa_model::{Adapted, Attention, Call, HiddenTap, ModelError, Row};
use mosa_runtime::{Runtime, RuntimeError};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// The mean last hidden state (`[width]`) of a question, f32.
#[derive(Clone, Debug)]
pub struct Question(Vec<f32>);

impl Question {
    /// A mean that is known.
    pub fn of(mean: Vec<f32>) -> Self {
        Self(mean)
    }

    /// One pass of a prompt alone, on the model's thread.
    ///
    /// # Errors
    /// [`RuntimeError`] if the model fails or a stop was asked for.
    pub fn ask(runtime: &Runtime, prompt: &[TokenId], attention: Option<Attention>) -> Result<Self, RuntimeError> {
        let prompt = prompt.to_vec();
        Ok(runtime.look(move |model| Self::of_model(model.subject(), &prompt, attention))??)
    }

    /// The same on a model that is at hand.
    ///
    /// # Errors
    /// [`ModelError`] if the model fails.
    pub fn of_model(
        subject: Adapted<'_>,
        prompt: &[TokenId],
        attention: Option<Attention>,
    ) -> Result<Self, ModelError> {
        let mut last = Last { layer: subject.model.spec().layers.saturating_sub(1), mean: Vec::new() };
        let want = [(0, prompt.len().saturating_sub(1))];
        let call = Call { tap: Some(&mut last), ..Call::of(vec![Row { attention, ..Row::new(prompt) }], &want) };
        let _logits = tch::no_grad(|| subject.forward(call))?;
        Ok(Self(last.mean))
    }

    /// How far hidden states [positions, width] are from it: 1 less the cosine of their mean.
    pub(crate) fn distance(&self, hidden: &Tensor) -> Result<f64, tch::TchError> {
        Ok(1.0 - cosine(&self.0, &mean_over(hidden)?))
    }
}

/// Keeps the mean over the positions of the last block's hidden states.
struct Last {
    layer: usize,
    mean: Vec<f32>,
}

impl HiddenTap for Last {
    fn tap(&mut self, layer: usize, hidden: Tensor) -> Result<Tensor, ModelError> {
        if layer == self.layer {
            self.mean = mean_over(&hidden.f_select(0, 0)?)?;
        }
        Ok(hidden)
    }
}

/// The mean [width] over [positions, width].
fn mean_over(hidden: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    let mean = hidden.f_mean_dim([0i64].as_slice(), false, Kind::Float)?;
    Vec::<f32>::try_from(mean.f_to_device(Device::Cpu)?)
}

/// The distance of the first pass.
pub(super) struct Audit {
    question: Option<Question>,
    block: Range<usize>,
    last: usize,
    distance: Option<f64>,
    done: bool,
}

impl Audit {
    pub(super) fn new(making: &Making) -> Self {
        Self {
            question: making.question.clone(),
            block: making.block.clone(),
            last: making.layers.saturating_sub(1),
            distance: None,
            done: false,
        }
    }
}

impl Monitor for Audit {
    fn wants_hidden(&self) -> bool {
        !self.done
    }

    fn see_hidden(&mut self, at: &HiddenAt, hidden: &Tensor) -> Result<(), EngineError> {
        let (from, to) = (self.block.start.max(at.positions.start), self.block.end.min(at.positions.end));
        let Some(question) = &self.question else { return Ok(()) };
        if self.done || at.layer != self.last || at.pass != Pass::Conditional || from >= to {
            return Ok(());
        }
        let own = hidden.f_narrow(0, (from - at.positions.start) as i64, (to - from) as i64)?;
        self.distance = Some(question.distance(&own)?);
        Ok(())
    }

    fn read(&mut self, _: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        self.done = true;
        Ok(self.distance)
    }
}

/// The cosine of two vectors; 0 where one has no length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 { product(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::Question;
    use tch::Tensor;

    #[test]
    fn distance_is_one_less_the_cosine_of_the_mean() {
        let of =
            |a: [f32; 2], b: [f32; 4]| Question::of(a.to_vec()).distance(&Tensor::from_slice(&b).view([2, 2])).unwrap();
        assert!(of([1.0, 1.0], [3.0, 1.0, 3.0, 5.0]).abs() < 1e-9);
        assert!((of([1.0, 0.0], [1.0, 2.0, -1.0, 2.0]) - 1.0).abs() < 1e-9);
        assert!((of([1.0, 0.0], [-5.0, 1.0, -5.0, -1.0]) - 2.0).abs() < 1e-9);
    }
}
