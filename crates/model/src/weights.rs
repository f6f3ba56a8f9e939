//! Where the tensors of a model come from: a checkpoint, or random numbers of the right shapes.

use crate::random::RandomWeights;
use crate::{Checkpoint, ModelError};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

pub(crate) enum Source<'a> {
    Checkpoint(&'a Checkpoint),
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
        self.used.borrow_mut().insert(name.to_owned());
        match &self.source {
            Source::Checkpoint(checkpoint) => checkpoint.load(name, Some(shape), Some(self.kind), self.device),
            Source::Random(random) => random.tensor(name, shape, self.kind, self.device),
        }
    }

    /// Tensors of the checkpoint nobody asked for.
    pub(crate) fn unused(&self) -> Vec<String> {
        let Source::Checkpoint(checkpoint) = &self.source else { return Vec::new() };
        let used = self.used.borrow();
        checkpoint.tensors().keys().filter(|n| !used.contains(*n)).cloned().collect()
    }
}
