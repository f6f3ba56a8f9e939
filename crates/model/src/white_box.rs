//! Looking into a model's input: moved embeddings, and what they do to the output.

use crate::{Call, ModelError, Slot, TrainableModel, Transformer};
use tch::Tensor;

/// A model whose input embeddings can be moved, so that a loss has a gradient with respect to the tokens of a row.
///
/// The embedding of a token is its one-hot row times the table E. With g = d loss / d embedding, d loss / d one-hot row
/// is therefore g Eᵀ.
pub trait WhiteBoxModel: TrainableModel {
    /// E [vocabulary, width]: in the model's compute type, or as it is stored where that is narrower.
    fn embedding_table(&self) -> &Tensor;

    /// [`TrainableModel::hidden`] with `shift` [positions, width] added to the embeddings of the tokens at `at`. The
    /// result is differentiable with respect to `shift`. Unlike a score, an embedding belongs to the position its token
    /// stands at in every family.
    ///
    /// # Errors
    /// As [`crate::DenoisingModel::forward`], and if the shape of `shift` does not fit `at`.
    fn hidden_shifted(&self, call: Call<'_>, at: &[Slot], shift: &Tensor) -> Result<Tensor, ModelError>;

    /// d loss / d embedding [positions, width] of the tokens at `at`, from `upstream` = d loss / d hidden and what
    /// [`TrainableModel::hidden_keeping_inputs`] of the same call gave: the way where the model
    /// [widens](TrainableModel::widens) its weights.
    ///
    /// # Errors
    /// As [`crate::DenoisingModel::forward`]; [`ModelError::Call`] of a model that never widens.
    fn embeddings_back(
        &self,
        _call: Call<'_>,
        _at: &[Slot],
        _inputs: Vec<Tensor>,
        _upstream: Tensor,
    ) -> Result<Tensor, ModelError> {
        Err(ModelError::Call("this model's weights are of the type it computes in: see hidden_shifted".into()))
    }
}

impl WhiteBoxModel for Transformer {
    fn embedding_table(&self) -> &Tensor {
        &self.embed
    }

    fn hidden_shifted(&self, mut call: Call<'_>, at: &[Slot], shift: &Tensor) -> Result<Tensor, ModelError> {
        let wanted = [at.len() as i64, self.config.width as i64];
        if shift.size() != wanted {
            return Err(ModelError::Call(format!("a shift of shape {:?} instead of {wanted:?}", shift.size())));
        }
        let tap = call.tap.take();
        let (x, mut pass) = self.start(call)?;
        let index = pass.indices(at)?;
        let moved = x.f_flatten(0, 1)?.f_index_add(0, &index, shift)?.f_view_as(&x)?; // [b, t, d]
        self.run_blocks(moved, &mut pass, tap)
    }

    fn embeddings_back(
        &self,
        call: Call<'_>,
        at: &[Slot],
        inputs: Vec<Tensor>,
        upstream: Tensor,
    ) -> Result<Tensor, ModelError> {
        let (_, mut pass) = self.start(call)?;
        let index = pass.indices(at)?;
        let gradient = self.blocks_back(&mut pass, inputs, upstream)?; // [b, t, d]
        Ok(gradient.f_flatten(0, 1)?.f_index_select(0, &index)?)
    }
}
