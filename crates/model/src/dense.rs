//! The dense feed-forward part: SwiGLU.

use crate::fused;
use crate::linear::{Input, Linear};
use crate::parts::Parts;
use crate::spec::LinearShape;
use crate::widened::FEW;
use crate::{Adapter, ModelError};
use tch::Tensor;

/// Its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseConfig {
    /// Channels inside it.
    pub width: usize,
    /// Whether its linear layers have a bias.
    pub bias: bool,
    /// What they are called.
    pub names: DenseNames,
}

/// The module paths of its layers, inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseNames {
    /// What silu is applied to.
    pub gate: &'static str,
    /// What that is multiplied with.
    pub up: &'static str,
    /// Back to the width of the model.
    pub down: &'static str,
}

impl DenseNames {
    /// As transformers calls them in Llama, Qwen and the models made after them.
    pub(crate) const TRANSFORMERS: Self = Self { gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj" };
    /// The same inside an expert.
    pub(crate) const OF_EXPERT: Self = Self { gate: "gate_proj", up: "up_proj", down: "down_proj" };
}

impl DenseConfig {
    pub(crate) fn linears(&self, width: usize) -> Vec<LinearShape> {
        vec![
            LinearShape::new(self.names.gate, [width, self.width], self.bias),
            LinearShape::new(self.names.up, [width, self.width], self.bias),
            LinearShape::new(self.names.down, [self.width, width], self.bias),
        ]
    }

    pub(crate) fn multiply_adds(&self, width: usize) -> f64 {
        3.0 * width as f64 * self.width as f64
    }
}

/// silu of [.., channels], row by row: where libtorch ends a vector or a thread's share decides last digits, and a
/// row of a few has the same whatever stands beside it.
fn silu_by_rows(x: &Tensor) -> Result<Tensor, ModelError> {
    for mut row in x.f_view([-1, 1, x.size()[x.dim() - 1]])?.f_unbind(0)? {
        let _ = row.f_silu_()?;
    }
    Ok(x.shallow_clone())
}

/// down(silu(gate(x)) * up(x)).
#[derive(Debug)]
pub(crate) struct Dense {
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Dense {
    pub(crate) fn build(config: &DenseConfig, path: &str, parts: &Parts<'_>) -> Result<Self, ModelError> {
        let linear = |leaf: &str| parts.linear(&format!("{path}.{leaf}"));
        let names = &config.names;
        Ok(Self { gate: linear(names.gate)?, up: linear(names.up)?, down: linear(names.down)? })
    }

    pub(crate) fn forward(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        let input = Input::new(x, adapter);
        let [gate, up] = Linear::all([&self.gate, &self.up], &input)?;
        let gate = if self.down.takes_few(&gate) { silu_by_rows(&gate)? } else { gate.f_silu()? };
        self.down.forward(&Input::new(&gate.f_mul(&up)?, adapter))
    }

    /// The same up to rounding, with less to read and write where that can be.
    pub(crate) fn in_one_go(&self, x: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError> {
        if !fused::takes(x) {
            return self.forward(x, adapter);
        }
        let [gate, up] = Linear::all([&self.gate, &self.up], &Input::new(x, adapter))?;
        self.down.forward(&Input::new(&fused::gated(gate, &up)?, adapter))
    }

    /// What several such parts make of their own positions of x [n, d], which stand one behind the other: the weights
    /// of all are read in one go. None where that would not be faster, or has to be done part by part.
    pub(crate) fn in_a_row(x: &Tensor, parts: &[(&Self, usize)]) -> Result<Option<Tensor>, ModelError> {
        let few = x.size()[0] as usize <= FEW * parts.len();
        let fits = |(part, _): &(&Self, usize)| part.linears().iter().all(|linear| linear.stands_in_a_row(x));
        if !few || !parts.iter().all(fits) {
            return Ok(None);
        }
        let list = |layer: fn(&Self) -> &Linear| parts.iter().map(|&(part, n)| (layer(part), n)).collect::<Vec<_>>();
        let inner = Linear::in_a_row(x, &[list(|part| &part.gate), list(|part| &part.up)])?;
        let inner = inner[0].f_silu()?.f_mul(&inner[1])?;
        Ok(Linear::in_a_row(&inner, &[list(|part| &part.down)])?.pop())
    }

    pub(crate) fn linears(&self) -> [&Linear; 3] {
        [&self.gate, &self.up, &self.down]
    }

    pub(crate) fn linears_mut(&mut self) -> [&mut Linear; 3] {
        [&mut self.gate, &mut self.up, &mut self.down]
    }
}
