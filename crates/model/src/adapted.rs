//! A model together with an adapter.

use crate::clock::timed;
use crate::{Adapter, Call, DenoisingModel, ModelError, WhiteBoxModel};
use tch::Tensor;

/// A model with the adapter it is used with, or without one.
pub struct Adapted<'a, M: ?Sized = dyn DenoisingModel + 'a> {
    /// The model.
    pub model: &'a M,
    /// Its adapter.
    pub adapter: Option<&'a Adapter>,
}

impl<M: ?Sized> Clone for Adapted<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: ?Sized> Copy for Adapted<'_, M> {}

impl<'a, M: ?Sized> Adapted<'a, M> {
    /// `model` as it is.
    pub fn plain(model: &'a M) -> Self {
        Self { model, adapter: None }
    }
}

impl<'a> Adapted<'a, dyn WhiteBoxModel + 'a> {
    /// The same, where its inside does not matter.
    pub fn black_box(self) -> Adapted<'a> {
        Adapted { model: self.model, adapter: self.adapter }
    }
}

impl Adapted<'_> {
    /// Logits of `call`, made with the adapter. Its time counts ([`crate::forward_time`]).
    ///
    /// # Errors
    /// As [`DenoisingModel::forward`].
    pub fn forward<'c>(&'c self, call: Call<'c>) -> Result<Tensor, ModelError> {
        timed(1, || self.model.forward(call.with_adapter(self.adapter)))
    }
}
