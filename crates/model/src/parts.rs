//! The parts of a model as they are built from its weights, each linear layer with its place in an adapter.

use crate::linear::Linear;
use crate::norm::RmsNorm;
use crate::precision::Held;
use crate::weights::Weights;
use crate::{LinearSpec, ModelError};
use std::collections::HashMap;
use tch::Tensor;

pub(crate) struct Parts<'a> {
    weights: &'a Weights<'a>,
    linears: &'a [LinearSpec],
    slots: HashMap<&'a str, usize>,
    own_few: bool,
}

impl<'a> Parts<'a> {
    /// Those of a model with these linear layers; `own_few` is that of [`Linear`].
    pub(crate) fn new(weights: &'a Weights<'a>, linears: &'a [LinearSpec], own_few: bool) -> Self {
        let slots = linears.iter().enumerate().map(|(slot, spec)| (spec.name.as_str(), slot)).collect();
        Self { weights, linears, slots, own_few }
    }

    /// The linear layer of this path.
    pub(crate) fn linear(&self, path: &str) -> Result<Linear, ModelError> {
        let slot = self.slot(path)?;
        let LinearSpec { inputs, outputs, bias, .. } = self.linears[slot];
        let Held { values: weight, scale } = self.weights.get_held(&format!("{path}.weight"), &[outputs, inputs])?;
        let bias = if bias { Some(self.weights.get(&format!("{path}.bias"), &[outputs])?) } else { None };
        Ok(Linear { scale, own_few: self.own_few, ..Linear::new(weight, bias, Some(slot)) })
    }

    /// The same of a small layer without a bias on whose last digits much depends: in the type that is computed in, however
    /// weights are held.
    pub(crate) fn exact_linear(&self, path: &str) -> Result<Linear, ModelError> {
        let slot = self.slot(path)?;
        let LinearSpec { inputs, outputs, .. } = self.linears[slot];
        Ok(Linear { own_few: self.own_few, ..Linear::new(self.weight(path, &[outputs, inputs])?, None, Some(slot)) })
    }

    /// The place of the linear layer of this path.
    fn slot(&self, path: &str) -> Result<usize, ModelError> {
        let slot = self.slots.get(path).copied();
        slot.ok_or_else(|| ModelError::Call(format!("there is no linear layer {path}")))
    }

    /// The norm of this path, over this many channels.
    pub(crate) fn norm(&self, path: &str, channels: usize, eps: f64) -> Result<RmsNorm, ModelError> {
        Ok(RmsNorm { weight: self.weight(path, &[channels])?, eps })
    }

    /// The tensor of exactly this name.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.weights.get(name, shape)
    }

    /// The table of embeddings at this path, [rows, columns]: of the type it is stored in where it stays that way.
    pub(crate) fn table(&self, path: &str, shape: [usize; 2]) -> Result<Tensor, ModelError> {
        self.weights.get_stored(&format!("{path}.weight"), &shape)
    }

    /// The weight of a module, in the type that is computed in.
    pub(crate) fn weight(&self, path: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.weights.get(&format!("{path}.weight"), shape)
    }
}
