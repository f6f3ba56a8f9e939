//! Alignment of a model with a LoRA adapter.
//!
//! MOSA (arXiv 2508.12398) makes a refusal that ends the answer likely inside a middle window of a fully masked
//! response, and a harmful sentence unlikely there, while a KL term keeps the rest of the distribution where it was:
//!
//! ```text
//! L        = log_softmax of the response rows of prompt + masks            [length, vocabulary]
//! score(S) = max over admissible starts k of sum_j L[k + j, S_j]
//! R        = score(safe sentence, ending in eos) - score(harmful sentence)
//! loss     = mean over the batch of -R + beta * KL(policy || reference)
//! ```
//!
//! The reference is the same model with the adapter off. [`Objective`] is the loss, [`Trainer`] the loop.

mod adamw;
mod config;
mod error;
mod objective;
mod reward;
mod trainer;

pub use adamw::AdamW;
pub use config::{AlignConfig, LoraTargets, PlacementName, Reduction};
pub use error::AlignError;
pub use objective::{Objective, RowTerms, SentencePair};
pub use reward::{BestStart, best_start, window_scores};
pub use trainer::{Data, StepMetrics, Trainer};
