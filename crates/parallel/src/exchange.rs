//! What ranks ask of each other.

use crate::ParallelError;
use std::fmt::Debug;
use tch::{Kind, Tensor};

/// One of several processes that do the same work on different shards. All ranks call the same functions in the same order; a
/// call returns when all have come to it, or fails when one cannot come any more.
pub trait Exchange: Debug {
    /// Which one this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// How they talk, in a word.
    fn name(&self) -> &'static str;

    /// The bytes of every rank, in order of the ranks.
    ///
    /// # Errors
    /// [`ParallelError::Lost`] or [`ParallelError::Elsewhere`] if a rank does not come.
    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, ParallelError>;

    /// The bytes of rank `from`; those of the others are dropped.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    fn broadcast(&self, from: usize, own: Vec<u8>) -> Result<Vec<u8>, ParallelError>;

    /// Gives `tensors` the values they have on rank `from`; shapes and types are the same everywhere.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    fn share(&self, from: usize, tensors: &[Tensor]) -> Result<(), ParallelError>;

    /// The sums of the addends of all ranks, in f32, added up one by one: those of rank 0 first, then those of rank 1, and so
    /// on. The sums have shape, type and device of `like`, and the same bits on every rank.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    fn sum(&self, like: &[&Tensor], own: Addends) -> Result<Vec<Tensor>, ParallelError>;

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    fn barrier(&self) -> Result<(), ParallelError> {
        self.gather(&[]).map(drop)
    }

    /// Ends the work of all ranks; nothing is asked of the others any more.
    ///
    /// # Errors
    /// As [`Exchange::gather`].
    fn finish(&self) -> Result<(), ParallelError> {
        self.barrier()
    }

    /// Leaves word why this rank ends before its time, with which exit code, for those who will miss it. Whether this rank has
    /// to say it to the user: false, if another one has said the same.
    fn leave(&self, _why: &str, _code: u8) -> bool {
        true
    }
}

/// What a rank adds to a sum: a list of tensors for each of its shards, in order.
///
/// Nothing stands before the shards of rank 0, so it adds them up as they come; the others keep theirs apart.
#[derive(Debug)]
pub struct Addends {
    first: bool,
    all: Vec<Vec<Tensor>>,
}

impl Addends {
    /// None yet.
    pub fn new(exchange: &dyn Exchange) -> Self {
        Self { first: exchange.rank() == 0, all: Vec::new() }
    }

    /// Takes the tensors of the next shard.
    ///
    /// # Errors
    /// [`ParallelError::Torch`] if memory runs out.
    pub fn push(&mut self, tensors: Vec<Tensor>) -> Result<(), ParallelError> {
        let tensors = tensors.into_iter().map(|t| t.f_to_kind(Kind::Float)).collect::<Result<Vec<_>, _>>()?;
        match self.all.first() {
            Some(sums) if self.first => add(sums, &tensors),
            _ => {
                self.all.push(tensors);
                Ok(())
            }
        }
    }

    pub(crate) fn into_all(self) -> Vec<Vec<Tensor>> {
        self.all
    }
}

fn add(sums: &[Tensor], more: &[Tensor]) -> Result<(), ParallelError> {
    for (sum, more) in sums.iter().zip(more) {
        let _ = sum.shallow_clone().f_add_(more)?;
    }
    Ok(())
}

/// The only process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Exchange for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "alone"
    }

    fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, ParallelError> {
        Ok(vec![own.to_vec()])
    }

    fn broadcast(&self, _from: usize, own: Vec<u8>) -> Result<Vec<u8>, ParallelError> {
        Ok(own)
    }

    fn share(&self, _from: usize, _tensors: &[Tensor]) -> Result<(), ParallelError> {
        Ok(())
    }

    fn sum(&self, like: &[&Tensor], own: Addends) -> Result<Vec<Tensor>, ParallelError> {
        let mut all = own.into_all().into_iter();
        let Some(sums) = all.next() else {
            return Ok(like.iter().map(|t| t.f_zeros_like()).collect::<Result<_, _>>()?);
        };
        all.try_for_each(|more| add(&sums, &more))?;
        Ok(sums.into_iter().zip(like).map(|(sum, like)| sum.f_to_kind(like.kind())).collect::<Result<_, _>>()?)
    }
}
