//! The weights of a model by name: training all of them, and writing a checkpoint.

use crate::ModelError;
use crate::save::save_tensors;
use crate::transformer::Transformer;
use std::path::Path;
use tch::Tensor;

/// The name of the first tensor that holds NaN or infinity. One that cannot be looked at counts as whole.
pub(crate) fn first_broken(tensors: Vec<(String, &Tensor)>) -> Option<String> {
    let whole = |t: &Tensor| t.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| all.f_int64_value(&[]));
    tensors.into_iter().find(|(_, t)| whole(t).is_ok_and(|all| all == 0)).map(|(name, _)| name)
}

impl Transformer {
    /// All weights by the names they have in a checkpoint, in a fixed order.
    pub fn parameters(&self) -> Vec<(String, &Tensor)> {
        let names = &self.config.names;
        let mut all = vec![(format!("{}.weight", names.embed), &self.embed)];
        let mut linears = self.spec.linears.iter();
        for (i, block) in self.blocks.iter().enumerate() {
            all.push((format!("{}.{i}.{}.weight", names.blocks, names.attention_norm), &block.attention_norm));
            all.push((format!("{}.{i}.{}.weight", names.blocks, names.mlp_norm), &block.mlp_norm));
            for (linear, spec) in block.linears.iter().zip(linears.by_ref()) {
                all.push((format!("{}.weight", spec.name), &linear.weight));
                all.extend(linear.bias.as_ref().map(|bias| (format!("{}.bias", spec.name), bias)));
            }
        }
        all.push((format!("{}.weight", names.norm), &self.norm));
        if !self.config.tied_head {
            all.push((format!("{}.weight", names.head), &self.head.weight));
            all.extend(self.head.bias.as_ref().map(|bias| (format!("{}.bias", names.head), bias)));
        }
        all
    }

    /// Makes all weights trainable copies, or freezes them. Aligning needs neither: an adapter is trained on frozen
    /// weights.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn set_trainable(&mut self, trainable: bool) -> Result<(), ModelError> {
        let leaf = |t: &Tensor| -> Result<Tensor, ModelError> {
            Ok(t.detach().f_alias_copy()?.f_set_requires_grad(trainable)?)
        };
        self.embed = leaf(&self.embed)?;
        self.norm = leaf(&self.norm)?;
        for block in &mut self.blocks {
            block.attention_norm = leaf(&block.attention_norm)?;
            block.mlp_norm = leaf(&block.mlp_norm)?;
            for linear in &mut block.linears {
                linear.weight = leaf(&linear.weight)?;
                linear.bias = linear.bias.as_ref().map(leaf).transpose()?;
            }
        }
        self.head.weight = if self.config.tied_head { self.embed.shallow_clone() } else { leaf(&self.head.weight)? };
        self.head.bias = self.head.bias.as_ref().map(leaf).transpose()?;
        Ok(())
    }

    /// Writes all weights as f32 to `dir`/model.safetensors; the file is complete or absent.
    ///
    /// # Errors
    /// [`ModelError::Io`] if it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        save_tensors(&dir.join("model.safetensors"), &self.parameters())
    }
}
