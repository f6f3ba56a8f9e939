//! Where the tensors of a model come from: a checkpoint, or random numbers of the right shapes.

use crate::naming::Naming;
use crate::precision::{Held, no_int8, to_int8};
use crate::random::RandomWeights;
use crate::{Checkpoint, ModelError, Precision, WeightsChoice};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

pub(crate) enum Source<'a> {
    Checkpoint(&'a Checkpoint, Naming),
    /// Random ones, and the type they are stored in.
    Random(RandomWeights, Kind),
}

/// Hands out the tensors a model asks for and remembers which.
pub(crate) struct Weights<'a> {
    pub source: Source<'a>,
    pub precision: Precision,
    pub device: Device,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(source: Source<'a>, precision: Precision, device: Device) -> Self {
        Self { source, precision, device, used: RefCell::default() }
    }

    /// The tensor `name` of exactly this shape, in the type that is computed in.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        self.tensor(name, shape, Some(self.precision.compute))
    }

    /// The matrix `name` of exactly this shape, for a table or a product that widens it: where f32 is computed in on the
    /// CPU, in the type it is stored in.
    pub(crate) fn get_stored(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let stays = self.precision.compute == Kind::Float && self.device == Device::Cpu;
        self.tensor(name, shape, (!stays).then_some(self.precision.compute))
    }

    /// The matrix `name` of exactly this shape, as it is to be held for products that widen it.
    pub(crate) fn get_held(&self, name: &str, shape: &[usize]) -> Result<Held, ModelError> {
        if self.precision.weights == WeightsChoice::Stored {
            return Ok(Held { values: self.get_stored(name, shape)?, scale: None });
        }
        if self.device != Device::Cpu {
            return Err(no_int8(self.device));
        }
        to_int8(&self.tensor(name, shape, None)?, &|| {
            if let Source::Checkpoint(checkpoint, naming) = &self.source {
                checkpoint.release(naming.stored(name));
            }
        })
    }

    /// In this type, or as stored.
    fn tensor(&self, name: &str, shape: &[usize], kind: Option<Kind>) -> Result<Tensor, ModelError> {
        match &self.source {
            Source::Checkpoint(checkpoint, naming) => {
                let stored = naming.stored(name);
                self.used.borrow_mut().insert(stored.to_owned());
                checkpoint.load(stored, Some(shape), kind, self.device)
            }
            Source::Random(random, stored) => random.tensor(name, shape, kind.unwrap_or(*stored), self.device),
        }
    }

    /// Tensors of the checkpoint nobody asked for.
    pub(crate) fn unused(&self) -> Vec<String> {
        let Source::Checkpoint(checkpoint, _) = &self.source else { return Vec::new() };
        let used = self.used.borrow();
        checkpoint.tensors().keys().filter(|n| !used.contains(*n)).cloned().collect()
    }
}
