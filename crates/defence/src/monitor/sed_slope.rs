//! SED slope: how fast the logits turn away from those of the first pass.
//!
//! Published (arXiv 2609.30841) is the cosine to the logits of step 0 and its slope over steps. Ours: it is taken position by
//! position over those of the first pass that are still masked, at most [`MOST`] of them, spread evenly, so that the copy that
//! outlasts the pass is bounded; the series ends when they are revealed (with blocks: when the first one is), and the slope is that
//! of least squares.

use super::look::mean;
use super::slope::Slope;
use super::{Look, Monitor};
use mosa_engine::EngineError;
use tch::{Device, Kind, Tensor};

/// Most positions that are followed.
const MOST: usize = 8;

/// What is followed, and the slope so far.
#[derive(Default)]
pub(super) struct SedSlope {
    first: Option<First>,
    slope: Slope,
}

/// Positions and logits [positions, vocabulary] of the first pass, f32, every row of length 1.
struct First {
    positions: Vec<usize>,
    logits: Tensor,
}

impl SedSlope {
    fn begin(look: &Look<'_>) -> Result<First, EngineError> {
        let masked = look.masked();
        let count = masked.len().min(MOST);
        let rows: Vec<usize> = (0..count).map(|i| masked[i * masked.len() / count]).collect();
        let logits = unit(&rows_of(look.logits, &rows)?)?;
        Ok(First { positions: rows.iter().map(|&row| look.positions[row]).collect(), logits })
    }
}

impl First {
    /// The mean cosine of what is still masked.
    fn cosine(&self, look: &Look<'_>) -> Result<Option<f64>, EngineError> {
        let now = |p: &usize| look.masked().iter().copied().find(|&row| look.positions[row] == *p);
        let found: Vec<(usize, usize)> =
            self.positions.iter().enumerate().filter_map(|(then, p)| Some((then, now(p)?))).collect();
        if found.is_empty() {
            return Ok(None);
        }
        // Row by row, so that what is in f32 already is not copied.
        let mut products = Vec::with_capacity(2 * found.len());
        for (then, now) in found {
            let now = look.logits.f_select(0, now as i64)?.f_to_kind(Kind::Float)?;
            products.extend([now.f_dot(&self.logits.f_select(0, then as i64)?)?, now.f_dot(&now)?]);
        }
        let products = Vec::<f32>::try_from(Tensor::f_stack(&products, 0)?.f_to_device(Device::Cpu)?)?;
        let cosine = |pair: &[f32]| f64::from(pair[0]) / f64::from(pair[1]).sqrt().max(f64::from(f32::EPSILON));
        Ok(mean(&products.chunks_exact(2).map(cosine).collect::<Vec<_>>()))
    }
}

fn rows_of(logits: &Tensor, rows: &[usize]) -> Result<Tensor, EngineError> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let index = Tensor::f_from_slice(&rows)?.f_to_device(logits.device())?;
    Ok(logits.f_index_select(0, &index)?.f_to_kind(Kind::Float)?)
}

/// Rows of length 1.
fn unit(rows: &Tensor) -> Result<Tensor, EngineError> {
    let norm = rows.f_square()?.f_sum_dim_intlist([-1i64].as_slice(), true, Kind::Float)?.f_sqrt()?;
    Ok(rows.f_div(&norm.f_clamp_min(f64::from(f32::EPSILON))?)?)
}

impl Monitor for SedSlope {
    fn read(&mut self, look: &mut Look<'_>) -> Result<Option<f64>, EngineError> {
        let at = look.step.clock as f64;
        match &mut self.first {
            None if look.masked().is_empty() => {}
            first @ None => {
                *first = Some(Self::begin(look)?);
                self.slope.push(at, 1.0);
            }
            Some(first) => {
                if let Some(cosine) = first.cosine(look)? {
                    self.slope.push(at, cosine);
                }
            }
        }
        Ok(self.slope.value())
    }
}
