//! The optimiser: AdamW (arXiv 1711.05101) with torch's arithmetic, or Muon for matrices; its state is in the open so that
//! it can be saved.

use crate::AlignError;
use std::collections::BTreeMap;
use tch::Tensor;

/// Constants of the update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// How one tensor is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// AdamW.
    AdamW,
    /// Muon (Jordan et al. 2024): the momentum, made orthogonal by five Newton-Schulz iterations, scaled to the size of an
    /// AdamW update (arXiv 2502.16982). For matrices.
    Muon,
}

/// A tensor that is trained.
#[derive(Debug)]
pub struct Trained<'a> {
    /// Its values.
    pub tensor: &'a Tensor,
    /// How they are updated.
    pub rule: Rule,
}

/// First and second moments of a fixed list of tensors.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    step: i32,
    rules: Vec<Rule>,
    moments: Vec<[Tensor; 2]>,
}

/// Momentum of Muon.
const MUON_MOMENTUM: f64 = 0.95;

const NAMES: [&str; 2] = ["exp_avg", "exp_avg_sq"];

impl AdamW {
    /// Fresh state for `parameters`.
    ///
    /// # Errors
    /// [`AlignError::Model`] if memory runs out.
    pub fn new(parameters: &[Trained<'_>], settings: AdamWSettings) -> Result<Self, AlignError> {
        let zeros = |trained: &Trained<'_>| -> Result<[Tensor; 2], AlignError> {
            let p = trained.tensor.detach();
            Ok([p.f_zeros_like()?, p.f_zeros_like()?])
        };
        let rules = parameters.iter().map(|trained| trained.rule).collect();
        Ok(Self { settings, step: 0, rules, moments: parameters.iter().map(zeros).collect::<Result<_, _>>()? })
    }

    /// One update with learning rate `lr`: m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    /// p <- p (1 - lr wd) - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
    ///
    /// # Errors
    /// [`AlignError::Model`] if libtorch fails.
    pub fn step(&mut self, parameters: &[&Tensor], gradients: &[Tensor], lr: f64) -> Result<(), AlignError> {
        let _no_grad = tch::no_grad_guard();
        self.step += 1;
        let AdamWSettings { betas: [beta1, beta2], eps, weight_decay } = self.settings;
        let (correction1, correction2) = (1.0 - beta1.powi(self.step), 1.0 - beta2.powi(self.step));
        for (((p, g), [m, v]), rule) in parameters.iter().zip(gradients).zip(&mut self.moments).zip(&self.rules) {
            let mut p = p.shallow_clone();
            if weight_decay > 0.0 {
                let _ = p.f_mul_scalar_(1.0 - lr * weight_decay)?;
            }
            if *rule == Rule::Muon {
                let _ = m.f_mul_scalar_(MUON_MOMENTUM)?.f_add_(g)?;
                let ahead = g.f_add(&m.f_mul_scalar(MUON_MOMENTUM)?)?;
                let size = 0.2 * (*p.size().iter().max().unwrap_or(&1) as f64).sqrt();
                let _ = p.f_sub_(&orthogonal(&ahead)?.f_mul_scalar(lr * size)?)?;
                continue;
            }
            let _ = m.f_lerp_(g, 1.0 - beta1)?;
            let _ = v.f_mul_scalar_(beta2)?.f_addcmul_(&g.f_mul_scalar(1.0 - beta2)?, g)?;
            let denominator = v.f_sqrt()?.f_div_scalar(correction2.sqrt())?.f_add_scalar(eps)?;
            let _ = p.f_addcdiv_(&m.f_mul_scalar(-lr / correction1)?, &denominator)?;
        }
        Ok(())
    }

    /// The moments by name, for the tensors of these names.
    pub fn state(&self, names: &[String]) -> Vec<(String, &Tensor)> {
        names
            .iter()
            .zip(&self.moments)
            .flat_map(|(name, moments)| NAMES.iter().zip(moments).map(move |(n, t)| (format!("{n}.{name}"), t)))
            .collect()
    }

    /// Takes over what [`AdamW::state`] gave after `step` updates.
    ///
    /// # Errors
    /// [`AlignError::Resume`] naming a tensor that is missing or of another shape.
    pub fn restore(
        &mut self,
        names: &[String],
        step: usize,
        stored: &BTreeMap<String, Tensor>,
    ) -> Result<(), AlignError> {
        for (name, moments) in names.iter().zip(&mut self.moments) {
            for (kind, moment) in NAMES.iter().zip(moments) {
                let full = format!("{kind}.{name}");
                let saved = stored.get(&full).filter(|t| t.size() == moment.size());
                let saved = saved.ok_or_else(|| AlignError::Resume(format!("its optimizer has no fitting {full}")))?;
                moment.f_copy_(saved)?;
            }
        }
        self.go_on_after(step)
    }

    /// Counts from `step` updates on; the moments are the caller's.
    ///
    /// # Errors
    /// [`AlignError::Resume`] if there cannot have been so many.
    pub(crate) fn go_on_after(&mut self, step: usize) -> Result<(), AlignError> {
        self.step = i32::try_from(step).map_err(|_| AlignError::Resume(format!("step {step} is too large")))?;
        Ok(())
    }
}

/// The nearest matrix with singular values near 1: five iterations of the quintic Newton-Schulz polynomial.
fn orthogonal(g: &Tensor) -> Result<Tensor, AlignError> {
    let tall = g.size()[0] > g.size()[1];
    let mut x = if tall { g.f_tr()? } else { g.shallow_clone() };
    x = x.f_div(&x.f_norm()?.f_add_scalar(1e-7)?)?;
    for _ in 0..5 {
        let a = x.f_matmul(&x.f_tr()?)?;
        let b = a.f_mul_scalar(-4.7750)?.f_add(&a.f_matmul(&a)?.f_mul_scalar(2.0315)?)?;
        x = x.f_mul_scalar(3.4445)?.f_add(&b.f_matmul(&x)?)?;
    }
    Ok(if tall { x.f_tr()? } else { x })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn an_orthogonal_update_has_singular_values_near_one() {
        tch::manual_seed(1);
        for shape in [[40, 60], [60, 40]] {
            let x = orthogonal(&Tensor::randn(shape, (Kind::Float, Device::Cpu))).expect("finite");
            let (_, s, _) = x.svd(true, false);
            let (low, high) = (s.min().double_value(&[]), s.max().double_value(&[]));
            assert!(low > 0.5 && high < 1.3, "{low} {high}");
        }
    }
}
