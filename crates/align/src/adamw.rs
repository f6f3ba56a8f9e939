//! AdamW (arXiv 1711.05101) with torch's arithmetic, its state in the open so that it can be saved.

use crate::AlignError;
use tch::Tensor;

/// First and second moments of a fixed list of tensors.
#[derive(Debug)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    step: i32,
    moments: Vec<(Tensor, Tensor)>,
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

impl AdamW {
    /// Fresh state for `parameters`.
    ///
    /// # Errors
    /// [`AlignError::Model`] if memory runs out.
    pub fn new(parameters: &[&Tensor], lr: f64, weight_decay: f64) -> Result<Self, AlignError> {
        let moments =
            parameters.iter().map(|p| Ok((p.f_zeros_like()?, p.f_zeros_like()?))).collect::<Result<_, AlignError>>()?;
        Ok(Self { lr, weight_decay, step: 0, moments })
    }

    /// One update: m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    /// p <- p (1 - lr wd) - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).
    ///
    /// # Errors
    /// [`AlignError::Model`] if libtorch fails.
    pub fn step(&mut self, parameters: &[&Tensor], gradients: &[Tensor]) -> Result<(), AlignError> {
        let _no_grad = tch::no_grad_guard();
        self.step += 1;
        let (correction1, correction2) = (1.0 - BETA1.powi(self.step), 1.0 - BETA2.powi(self.step));
        for ((p, g), (m, v)) in parameters.iter().zip(gradients).zip(&mut self.moments) {
            let mut p = p.shallow_clone();
            if self.weight_decay > 0.0 {
                let _ = p.f_mul_scalar_(1.0 - self.lr * self.weight_decay)?;
            }
            let _ = m.f_lerp_(g, 1.0 - BETA1)?;
            let _ = v.f_mul_scalar_(BETA2)?.f_addcmul_(&g.f_mul_scalar(1.0 - BETA2)?, g)?;
            let denominator = v.f_sqrt()?.f_div_scalar(correction2.sqrt())?.f_add_scalar(EPS)?;
            let _ = p.f_addcdiv_(&m.f_mul_scalar(-self.lr / correction1)?, &denominator)?;
        }
        Ok(())
    }
}
