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
//! Other objectives train the same adapter with the same loop: `sft`, `a2d-eos`, `vrpo` and `recovery`, which lets the policy
//! answer and asks a [`Reward`] what the answers are worth.
//!
//! The reference is the same model with the adapter off. An [`Objective`] turns records into [`Example`]s, [`Policy`]
//! computes their loss and gradient, [`Trainer`] is the loop, on one rank or on several ([`mosa_parallel`]).

mod config;
mod data;
mod error;
mod events;
mod example;
mod loss;
mod metrics;
mod objective;
mod optimiser;
mod options;
mod preference;
mod reward;
mod rollout;
mod run;
mod sheet;
mod trainer;
mod wire;

pub use config::{AlignConfig, MOST_RANK};
pub use data::{Data, Record};
pub use error::AlignError;
pub use events::EventWriter;
pub use example::{Example, Linear, Part, Preference};
pub use loss::{Look, Policy, Terms};
pub use metrics::{PreferenceMetrics, RewardMetrics, RolloutMetrics, StepMetrics};
pub use objective::{
    A2dEos, Batch, CanvasIds, MaskedSft, Mosa, OBJECTIVES, Objective, RECOVERY, RecoveryGroups, VrpoPairs, objective,
    rewarded_objective,
};
pub use optimiser::{AdamW, AdamWSettings, Rule, Trained};
pub use options::{
    A2d, CanvasState, Contaminate, EndToken, KlDirection, KlPositions, KlSettings, LoraSettings, LoraTargets,
    Normalise, Optimiser, Pick, Placing, Recovery, Reduction, Refusal, Retain, Reveal, Schedule, Sft, Share, Vrpo,
    Windows,
};
pub use preference::{Likelihoods, Pair};
pub use reward::{Columns, RewardRule, RewardTerms, SentencePair, SentenceScore, WindowReward};
pub use rollout::{Reward, Rollout, Rollouts, advantages};
pub use run::{MetricsLog, RunFolder, Saved, is_of_training};
pub use trainer::Trainer;
