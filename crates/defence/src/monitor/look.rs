//! What a pass shows to monitors; what several of them ask for is computed once.

use super::Tokens;
use mosa_core::Canvas;
use mosa_engine::{EngineError, Step};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

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
        let ends = Tensor::f_from_slice(&self.tokens.ends)?.f_to_device(self.logits.device())?;
        let p = self.logits.f_select(0, row as i64)?.f_softmax(-1, Kind::Float)?.f_index_select(0, &ends)?;
        Ok(Some(p.f_sum(Kind::Float)?.f_double_value(&[])?))
    }

    /// Per masked position, from left to right: ln of the sum of exp(logit) over words of refusal minus the same over words of
    /// compliance. The energy of a set of words is minus the first; what is common to all logits of a position falls out.
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
        let mass = |ids: &[i64]| -> Result<Tensor, EngineError> {
            let ids = Tensor::f_from_slice(ids)?.f_to_device(self.logits.device())?;
            let own = self.logits.f_index_select(1, &ids)?.f_to_kind(Kind::Float)?;
            Ok(own.f_logsumexp([-1i64].as_slice(), false)?)
        };
        let gap = mass(&self.tokens.refusal)?.f_sub(&mass(&self.tokens.compliance)?)?;
        let all = Vec::<f32>::try_from(gap.f_to_device(Device::Cpu)?)?;
        Ok(self.masked.iter().map(|&row| f64::from(all[row])).collect())
    }
}

/// The mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
