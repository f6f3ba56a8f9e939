//! What a pass shows to monitors; what several of them ask for is computed once.

use super::Tokens;
use mosa_core::Canvas;
use mosa_engine::{EngineError, Step};
use std::sync::Arc;
use tch::{Device, Tensor};

/// One pass of a row.
pub struct Look<'a> {
    /// When.
    pub step: Step,
    /// The canvas before the step's commits.
    pub canvas: &'a Canvas,
    /// The canvas positions of the rows of `logits`.
    pub positions: &'a [usize],
    /// Logits [positions, vocabulary] in the model's type. They do not outlast the pass.
    pub logits: &'a Tensor,
    tokens: &'a Arc<Tokens>,
    /// Rows whose position is masked and in the response, from left to right.
    masked: Vec<usize>,
    gaps: Option<Vec<f64>>,
}

impl<'a> Look<'a> {
    /// A pass; `end`: the first canvas position behind the response that was asked for.
    pub fn new(
        tokens: &'a Arc<Tokens>,
        (step, end): (Step, usize),
        canvas: &'a Canvas,
        (positions, logits): (&'a [usize], &'a Tensor),
    ) -> Self {
        let open = |p: usize| canvas.is_masked(p) && p >= canvas.response_start() && p < end;
        let mut masked: Vec<usize> = (0..positions.len()).filter(|&row| open(positions[row])).collect();
        masked.sort_by_key(|&row| positions[row]);
        Self { step, canvas, positions, logits, tokens, masked, gaps: None }
    }

    /// The rows of masked positions of the response, from left to right.
    pub fn masked(&self) -> &[usize] {
        &self.masked
    }

    /// The probability of an end token at the leftmost mask.
    ///
    /// # Errors
    /// What the tensor library reports.
    pub fn end(&self) -> Result<Option<f64>, EngineError> {
        let Some(&row) = self.masked.first() else { return Ok(None) };
        let p = self.tokens.ending(&self.logits.f_narrow(0, row as i64, 1)?)?;
        Ok(Some(p.f_double_value(&[0])?))
    }

    /// [`Tokens::gaps`] of every masked position, from left to right.
    ///
    /// # Errors
    /// What the tensor library reports.
    pub fn gaps(&mut self) -> Result<&[f64], EngineError> {
        if self.gaps.is_none() {
            self.gaps = Some(self.compared()?);
        }
        Ok(self.gaps.as_deref().unwrap_or_default())
    }

    fn compared(&self) -> Result<Vec<f64>, EngineError> {
        if self.masked.is_empty() {
            return Ok(Vec::new());
        }
        let all = Vec::<f32>::try_from(self.tokens.gaps(self.logits)?.f_to_device(Device::Cpu)?)?;
        Ok(self.masked.iter().map(|&row| f64::from(all[row])).collect())
    }
}

/// The mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
