//! Where the tensors of a model come from: a checkpoint, or random numbers of the right shapes.

use crate::naming::Naming;
use crate::random::RandomWeights;
use crate::{Checkpoint, ModelError};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

pub(crate) enum Source<'a> {
    Checkpoint(&'a Checkpoint, Naming),
    Random(RandomWeights),
}

/// Hands out the tensors a model asks for and remembers which.
pub(crate) struct Weights<'a> {
    pub source: Source<'a>,
    pub kind: Kind,
    pub device: Device,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(source: Source<'a>, kind: Kind, device: Device) -> Self {
        Self { source, kind, device, used: RefCell::default() }
    }

    /// The tensor `name` of exactly this shape.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        match &self.source {
            Source::Checkpoint(checkpoint, naming) => {
                let stored = naming.stored(name);
                self.used.borrow_mut().insert(stored.to_owned());
                checkpoint.load(stored, Some(shape), Some(self.kind), self.device)
            }
            Source::Random(random) => random.tensor(name, shape, self.kind, self.device),
        }
    }

    /// Tensors of the checkpoint nobody asked for.
    pub(crate) fn unused(&self) -> Vec<String> {
        let Source::Checkpoint(checkpoint, _) = &self.source else { return Vec::new() };
        let used = self.used.borrow();
        checkpoint.tensors().keys().filter(|n| !used.contains(*n)).cloned().collect()
    }
}
