//! The weights of all experts of a block as one tensor per layer, for a device that multiplies groups of rows in one go.
//!
//! Shapes in comments: m positions sorted by expert, d width, w channels inside an expert, e experts.

use crate::ModelError;
use crate::dense::Dense;
use tch::{Device, Kind, Tensor};

/// Gate, up, down.
#[derive(Debug)]
pub(crate) struct Stack([Tensor; 3]);

/// Rows are read in pieces of this many bytes.
const PIECE: i64 = 16;

impl Stack {
    /// Moves the weights of the experts into one tensor per layer, of which theirs are views from then on. None where it
    /// would serve nothing: libtorch multiplies groups of bf16 rows on CUDA.
    pub(crate) fn of(experts: &mut [Dense]) -> Result<Option<Self>, ModelError> {
        let fits = |dense: &Dense| {
            dense.linears().iter().all(|linear| {
                let weight = &linear.weight;
                let bytes = |n: i64| n * weight.kind().elt_size_in_bytes() as i64;
                matches!(weight.device(), Device::Cuda(_))
                    && weight.kind() == Kind::BFloat16
                    && linear.bias.is_none()
                    && weight.size().iter().all(|&n| bytes(n) % PIECE == 0)
            })
        };
        if experts.is_empty() || !experts.iter().all(fits) {
            return Ok(None);
        }
        let mut stack = Vec::with_capacity(3);
        for layer in 0..3 {
            let weights: Vec<&Tensor> = experts.iter().map(|expert| &expert.linears()[layer].weight).collect();
            let all = Tensor::f_stack(&weights, 0)?; // [e, out, in]
            for (e, expert) in experts.iter_mut().enumerate() {
                expert.linears_mut()[layer].weight = all.f_select(0, e as i64)?;
            }
            stack.push(all);
        }
        Ok(stack.try_into().ok().map(Self))
    }

    /// [m, d] -> [m, d], of which each expert takes its `counts` [e]. Nothing comes to the host.
    pub(crate) fn forward(&self, sorted: &Tensor, counts: &Tensor) -> Result<Tensor, ModelError> {
        let ends = counts.f_cumsum(0, Kind::Int)?;
        let [gate, up, down] = &self.0;
        let inner = product(sorted, gate, &ends)?.f_silu()?.f_mul(&product(sorted, up, &ends)?)?; // [m, w]
        product(&inner, down, &ends)
    }
}

/// Rows [m, in] times the transposed weights [e, out, in] of their expert, whose rows end before `ends` [e]: -> [m, out].
fn product(x: &Tensor, weights: &Tensor, ends: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_internal_grouped_mm(&weights.f_transpose(1, 2)?, Some(ends), None, None::<Kind>)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No model on the CPU takes this way, but libtorch computes it there.
    #[test]
    fn rows_are_multiplied_by_the_weights_of_their_expert() {
        let wave = |size: &[i64], step: f64| {
            let n: i64 = size.iter().product();
            (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step).sin().view(size).to_kind(Kind::BFloat16)
        };
        let (x, weights) = (wave(&[9, 8], 0.7), wave(&[5, 16, 8], 1.3));
        let counts = Tensor::from_slice(&[3i64, 0, 4, 2, 0]);
        let all = product(&x, &weights, &counts.cumsum(0, Kind::Int)).unwrap();
        let one_by_one: Vec<Tensor> = x
            .split_with_sizes([3, 0, 4, 2, 0], 0)
            .iter()
            .enumerate()
            .map(|(e, x)| x.linear::<&Tensor>(&weights.get(e as i64), None))
            .collect();
        let off = (all - Tensor::cat(&one_by_one, 0)).abs().max().double_value(&[]);
        assert!(off < 0.05, "{off}");
    }
}
