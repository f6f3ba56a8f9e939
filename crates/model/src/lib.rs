//! Masked diffusion language models, loaded from Hugging Face folders.
//!
//! A [`Checkpoint`] is a folder whose files are mapped into memory; [`Transformer::load`] turns it into a model
//! without a second copy of the weights. A model is used through one trait, [`DenoisingModel`]: token rows in,
//! logits of the asked positions out. What differs between families stays inside this crate:
//!
//! - padding: a batch is a list of rows of any length, the model pads and masks them itself;
//! - Dream's shift by one: position `p` is always scored by the returned row for `p`;
//! - rounding: rotation in f32 (LLaDA, MMaDA) or in the activation type (Dream);
//! - whom a token sees: an [`Attention`] rule, from which the mask of a pass is made.
//!
//! A family is a [`FamilyReader`]: its config keys and the names of its tensors, in a file of its own. What it reads is a
//! [`ModelConfig`], blocks of attention and a feed-forward part, which one [`Transformer`] computes.
//!
//! A LoRA [`Adapter`] is not part of the model. It is handed to a call or not, so that "reference = adapter off" costs
//! nothing. Frozen weights never require a gradient; adapter tensors may.

mod adapted;
mod added_tokens;
mod attend;
mod attention;
mod batch;
mod block;
mod broken;
mod cache;
mod call;
mod checkpoint;
mod clock;
mod config;
mod cpu;
mod dense;
mod device;
mod dream;
mod error;
mod experts;
mod families;
mod family;
mod feed_forward;
mod few_rows;
mod fingerprint;
mod footprint;
mod fused;
mod illada;
mod keys;
mod lanes;
mod linear;
mod llada;
mod llada2_moe;
mod llada_moe;
pub mod lora;
mod many_rows;
mod merge;
mod mmada;
mod names;
mod naming;
mod neutral;
mod norm;
mod pair;
mod parameters;
mod parts;
mod pass;
mod precision;
mod random;
mod rope;
mod rope_config;
mod router;
mod save;
mod sdar;
mod sees;
mod shards;
mod spec;
mod stack;
mod tape;
mod team;
mod threads;
mod transformer;
mod weights;
mod white_box;
mod widened;

pub use adapted::Adapted;
pub use attention::{AttentionConfig, AttentionNames, HeadNorms};
pub use cache::KvCache;
pub use call::{Call, Row, Slot};
pub use checkpoint::{Checkpoint, Shard, StoredTensor};
pub use clock::{ForwardTime, forward_time, waiting};
pub use config::{HeadConfig, ModelConfig};
pub use cpu::bf16_units;
pub use dense::{DenseConfig, DenseNames};
pub use device::{
    CudaProblem, DeviceChoice, DtypeChoice, Memory, cuda_status, devices, libtorch_folder, settle_environment,
    synchronise, tune_allocator,
};
pub use error::{ModelError, OutOfMemory, is_out_of_memory, tells_of_memory};
pub use experts::ExpertsConfig;
pub use families::FAMILIES;
pub use family::FamilyReader;
pub use feed_forward::FeedForwardConfig;
pub use fingerprint::fingerprint;
pub use footprint::{Footprint, stored_size};
pub use keys::Keys;
pub use lora::{Adapter, AdapterConfig, Targets};
pub use merge::merge_checkpoint;
pub use names::Names;
pub use precision::{Precision, WeightsChoice};
pub use rope_config::{RopeConfig, RopePrecision};
pub use router::{ExpertGroups, RouterConfig, RouterKeys, RouterNames, RouterScores};
pub use save::{save_tensors, write_whole};
pub use sees::Attention;
pub use spec::{LinearKind, LinearSpec, ModelSpec};
pub use threads::{all_threads, set_threads, threads_for};
pub use transformer::Transformer;
pub use white_box::WhiteBoxModel;

use tch::Tensor;

/// Looks into, and may replace, the hidden states of a pass.
pub trait HiddenTap {
    /// Called after block `layer` with the hidden states [rows, positions, width] of the computed positions, padding
    /// included on the left; returns what the next block gets.
    ///
    /// # Errors
    /// Whatever went wrong; it ends the pass.
    fn tap(&mut self, layer: usize, hidden: Tensor) -> Result<Tensor, ModelError>;
}

/// A model that scores every position of a canvas at once.
pub trait DenoisingModel {
    /// Ids, sizes and the linear layers an adapter may attach to.
    fn spec(&self) -> &ModelSpec;

    /// Logits [wanted positions, vocabulary] in the model's compute type.
    ///
    /// # Errors
    /// [`ModelError`] if the call is inconsistent or libtorch fails (for example out of memory).
    fn forward(&self, call: Call<'_>) -> Result<Tensor, ModelError>;

    /// Up to how many positions of a pass, in all of its rows together, have the bits they have with nothing beside
    /// them ([`Row::beside`]; on CUDA the numbers up to rounding, as everywhere there), and cost little more than
    /// fewer; 0 where that is not so. Without an adapter.
    fn beside(&self) -> usize {
        0
    }

    /// The first weight that holds NaN or infinity, if the model can tell: asked when its logits are not numbers.
    fn broken_weight(&self) -> Option<String> {
        None
    }
}

/// A model whose head can be called apart from its body, so that a loss over a large vocabulary never needs the logits
/// of all rows at once.
pub trait TrainableModel: DenoisingModel {
    /// The hidden states [wanted positions, width] that [`TrainableModel::score`] turns into logits.
    ///
    /// # Errors
    /// As [`DenoisingModel::forward`].
    fn hidden(&self, call: Call<'_>) -> Result<Tensor, ModelError>;

    /// The same hidden states without a trace for the backward pass; `inputs` receives what every block was given.
    /// Together with [`TrainableModel::backward`] this is gradient checkpointing: the activations of one block are
    /// alive at a time, for one more forward pass.
    ///
    /// # Errors
    /// As [`DenoisingModel::forward`].
    fn hidden_keeping_inputs(&self, call: Call<'_>, inputs: &mut Vec<Tensor>) -> Result<Tensor, ModelError>;

    /// Adds to the gradients of all trainable tensors what `upstream` = d loss / d hidden [wanted positions, width] makes
    /// of them, recomputing block after block from `inputs`. The call is the one of
    /// [`TrainableModel::hidden_keeping_inputs`].
    ///
    /// # Errors
    /// As [`DenoisingModel::forward`].
    fn backward(&self, call: Call<'_>, inputs: Vec<Tensor>, upstream: Tensor) -> Result<(), ModelError>;

    /// Logits [n, vocabulary] of hidden states [n, width], in the model's compute type.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if libtorch fails.
    fn score(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor, ModelError>;

    /// Whether weights are held narrower than the model computes. Autograd would keep every one of them widened: gradients
    /// are then to be had from [`TrainableModel::backward`] and [`TrainableModel::score_back`], which do not.
    fn widens(&self) -> bool {
        false
    }

    /// d loss / d hidden [n, width] from `upstream` = d loss / d logits [n, vocabulary] of [`TrainableModel::score`]; adds
    /// to the gradients of trainable tensors.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if libtorch fails.
    fn score_back(&self, hidden: &Tensor, adapter: Option<&Adapter>, upstream: &Tensor) -> Result<Tensor, ModelError> {
        let hidden = hidden.f_detach()?.f_set_requires_grad(true)?;
        let logits = self.score(&hidden, adapter)?;
        logits.f_mul(&upstream.f_to_kind(logits.kind())?)?.f_sum(logits.kind())?.f_backward()?;
        Ok(hidden.f_grad()?)
    }
}
