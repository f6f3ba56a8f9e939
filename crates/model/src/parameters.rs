//! The weights of a model by name: training all of them, and writing a checkpoint.

use crate::ModelError;
use crate::linear::Linear;
use crate::save::save_tensors;
use crate::transformer::Transformer;
use std::path::Path;
use tch::Tensor;

impl Transformer {
    /// All weights by the names they have in a checkpoint, in a fixed order.
    pub fn parameters(&self) -> Vec<(String, &Tensor)> {
        let names = &self.config.names;
        let mut all = vec![(format!("{}.weight", names.embed), &self.embed)];
        for (i, block) in self.blocks.iter().enumerate() {
            let path = self.config.block_path(i);
            all.push((format!("{path}.{}.weight", names.attention_norm), &block.attention_norm.weight));
            all.push((format!("{path}.{}.weight", names.feed_forward_norm), &block.feed_forward_norm.weight));
            let heads = self.config.attention.norms().zip(block.attention.norms());
            all.extend(heads.map(|(leaf, norm)| (format!("{path}.{leaf}.weight"), &norm.weight)));
            let bias = self.config.feed_forward[i].bias().zip(block.feed_forward.bias());
            all.extend(bias.map(|((leaf, _), bias)| (format!("{path}.{leaf}"), bias)));
            block.linears().into_iter().for_each(|linear| all.extend(self.named(linear)));
        }
        all.push((format!("{}.weight", names.norm), &self.norm.weight));
        all.extend(self.named(&self.head));
        all
    }

    /// The weights of a linear layer; an output layer that is the embedding has none of its own.
    fn named<'a>(&self, linear: &'a Linear) -> Vec<(String, &'a Tensor)> {
        let Some(spec) = linear.slot.map(|slot| &self.spec.linears[slot]) else { return Vec::new() };
        let weight = (format!("{}.weight", spec.name), &linear.weight);
        let bias = linear.bias.as_ref().map(|bias| (format!("{}.bias", spec.name), bias));
        std::iter::once(weight).chain(bias).collect()
    }

    /// Makes all weights trainable copies, or freezes them; what is added to scores for the choice of experts stays frozen, as
    /// no loss depends on it. Aligning needs neither: an adapter is trained on frozen weights.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory runs out.
    pub fn set_trainable(&mut self, trainable: bool) -> Result<(), ModelError> {
        let leaf = |t: &Tensor| -> Result<Tensor, ModelError> {
            Ok(t.detach().f_alias_copy()?.f_set_requires_grad(trainable)?)
        };
        let kind = self.kind();
        let copy = |linear: &mut Linear| -> Result<(), ModelError> {
            if trainable {
                linear.widen(kind)?;
            }
            linear.weight = leaf(&linear.weight)?;
            linear.bias = linear.bias.as_ref().map(leaf).transpose()?;
            Ok(())
        };
        self.embed = leaf(&if trainable { self.embed.f_to_kind(kind)? } else { self.embed.shallow_clone() })?;
        self.norm.weight = leaf(&self.norm.weight)?;
        for block in &mut self.blocks {
            block.attention_norm.weight = leaf(&block.attention_norm.weight)?;
            block.feed_forward_norm.weight = leaf(&block.feed_forward_norm.weight)?;
            for norm in block.attention.norms_mut() {
                norm.weight = leaf(&norm.weight)?;
            }
            block.linears_mut().into_iter().try_for_each(copy)?;
        }
        if self.config.head.tied {
            self.head.weight = self.embed.shallow_clone();
            return Ok(());
        }
        copy(&mut self.head)
    }

    /// Writes all weights as f32 to `dir`/model.safetensors; the file is complete or absent.
    ///
    /// # Errors
    /// [`ModelError::Io`] if it cannot be written, [`ModelError::Call`] if the weights are not those of any checkpoint.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        if self.linears().any(|linear| linear.scale.is_some()) {
            return Err(ModelError::Call("weights that are held as int8 are not written: load them as stored".into()));
        }
        save_tensors(&dir.join("model.safetensors"), &self.parameters())
    }
}
