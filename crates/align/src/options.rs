//! The groups of settings inside [`crate::AlignConfig`].

use mosa_core::{Placement, TokenId};
use mosa_model::Targets;
use serde::{Deserialize, Serialize};

/// One window, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Windows {
    /// First and last offset.
    One([usize; 2]),
    /// Several of them.
    Several(Vec<[usize; 2]>),
}

impl Windows {
    /// All of them.
    pub fn list(&self) -> Vec<[usize; 2]> {
        match self {
            Self::One(window) => vec![*window],
            Self::Several(windows) => windows.clone(),
        }
    }
}

/// Where a sentence may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placing {
    /// The whole sentence inside the window.
    Contained,
    /// Only its start.
    StartInside,
}

impl Placing {
    /// The placement in code.
    pub fn placement(self) -> Placement {
        match self {
            Self::Contained => Placement::Contained,
            Self::StartInside => Placement::StartInside,
        }
    }
}

/// How the log-probabilities of a sentence are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Sum divided by the number of tokens.
    Mean,
}

/// How the scores of all starts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The largest; its start alone gets a gradient.
    Max,
    /// tau ln sum exp(score / tau): a soft maximum.
    Logsumexp,
    /// Their mean.
    Mean,
    /// One start drawn for every canvas.
    Random,
}

/// How the learning rate changes over the steps, after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Down to 0 in a line.
    Linear,
    /// Down to 0 along half a cosine.
    Cosine,
}

impl Schedule {
    /// The factor of the learning rate at `step` (0-based) of `total`, `warmup` of them rising.
    pub fn factor(self, step: usize, warmup: usize, total: usize) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / (warmup + 1) as f64;
        }
        let done = (step - warmup) as f64 / (total.saturating_sub(warmup)).max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear => (1.0 - done).max(0.0),
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
        }
    }
}

/// How weights are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// AdamW.
    Adamw,
    /// Muon for the matrices inside the blocks, AdamW for the rest: faster when all weights are trained from nothing.
    Muon,
}

/// For whom a pair of sentences is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// For all prompts of a step.
    Step,
    /// For every prompt anew.
    Prompt,
}

/// What stands behind the last word of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndToken {
    /// The tokeniser's end of text.
    Eos,
    /// The end of a chat turn.
    Eot,
    /// Both, the end of the turn first.
    EotEos,
    /// Nothing.
    None,
}

impl EndToken {
    /// The tokens; `None` if an end of turn is asked for and the tokeniser has none.
    pub fn tokens(self, eos: TokenId, eot: Option<TokenId>) -> Option<Vec<TokenId>> {
        match self {
            Self::Eos => Some(vec![eos]),
            Self::Eot => Some(vec![eot?]),
            Self::EotEos => Some(vec![eot?, eos]),
            Self::None => Some(Vec::new()),
        }
    }
}

/// Which divergence, over which positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KlSettings {
    /// Paper: KL(policy || reference).
    pub direction: KlDirection,
    /// Not stated; all response positions.
    pub positions: KlPositions,
    /// Sum or mean over those positions. Not stated; the sum, which is the divergence of the factorised joint
    /// distribution and has the unit of a summed R.
    pub reduction: Reduction,
}

impl Default for KlSettings {
    fn default() -> Self {
        Self { direction: KlDirection::PolicyReference, positions: KlPositions::All, reduction: Reduction::Sum }
    }
}

/// Direction of a divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlDirection {
    /// KL(policy || reference).
    PolicyReference,
    /// KL(reference || policy).
    ReferencePolicy,
}

/// Positions a divergence is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlPositions {
    /// The whole response.
    All,
    /// Inside the windows.
    Window,
    /// Outside the windows.
    Outside,
}

/// What a model that writes in blocks sees of the response before the block that is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanvasState {
    /// The canvas as it is, masks included: what stands there when a decode begins.
    Masked,
    /// The reference answer: what stands there once the blocks before are written. `sft` and `retain` have an answer;
    /// `mosa` and `initial` write the sentence that is scored behind the beginning of the prompt's answer.
    Teacher,
}

/// Canvases that already hold part of a harmful answer: the states an attack or a late mistake leads to.
/// The data must hold answers (`response` or `target`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contaminate {
    /// Share of the canvases. Paper: 0.
    pub share: f64,
    /// Which tokens of the answer are already there.
    pub kind: Reveal,
    /// Fewest and most of them.
    pub tokens: [usize; 2],
}

impl Default for Contaminate {
    fn default() -> Self {
        Self { share: 0.0, kind: Reveal::Prefix, tokens: [1, 20] }
    }
}

/// Which tokens of an answer are already revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// The first ones.
    Prefix,
    /// Any.
    Random,
    /// A run of neighbours that starts anywhere.
    Segment,
    /// One of these, drawn for every canvas, and few tokens more often than many: the logarithm of their number is uniform.
    Mixed,
}

/// A safe sentence that is learned word by word, at the first place that the canvas leaves for it: the mean cross entropy of
/// its words, and of the end tokens behind it, on a canvas in the state that `contaminate` says.
///
/// The window reward alone rises as the harmful sentence becomes impossible; this term makes the refusal likely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refusal {
    /// Weight of the term in the loss. Paper: no such term, 0.
    pub weight: f64,
    /// Share of the canvases on which part of the refusal stands as well (uniform in how much). They have no reward.
    pub partly: f64,
    /// Weight of the end tokens behind the first, against 1 of every other token.
    pub eos_weight: f64,
}

impl Default for Refusal {
    fn default() -> Self {
        Self { weight: 0.0, partly: 0.5, eos_weight: 0.1 }
    }
}

/// Harmless prompts on which KL(policy || reference) is kept low as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retain {
    /// Prompt file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Prompts per step.
    pub batch_size: usize,
    /// Weight of their mean KL in the loss.
    pub weight: f64,
    /// Share of their canvases that hold part of the answer (uniform in how much); the data must hold answers.
    pub partly: f64,
}

impl Default for Retain {
    fn default() -> Self {
        Self { data: None, batch_size: 4, weight: 0.05, partly: 0.0 }
    }
}

/// Masked-diffusion fine-tuning: mask each response token with probability t, predict the masked ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sft {
    /// Share of the examples with t uniform in [0.6, 1] instead of (0, 1].
    pub nearly_masked: f64,
    /// Weight of the eos tokens that fill the canvas behind the answer, against 1 of every other token.
    pub eos_weight: f64,
    /// What the loss is divided by.
    pub normalise: Normalise,
}

impl Default for Sft {
    fn default() -> Self {
        Self { nearly_masked: 0.0, eos_weight: 1.0, normalise: Normalise::Likelihood }
    }
}

/// Settings of the objective `a2d-eos` (A2D, arXiv 2509.23286). Its loss is weighed as `sft` says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct A2d {
    /// Least probability that a token is masked: lambda = (1 - eps) t + eps. Not stated; 1e-3, as in LLaDA's training.
    pub eps: f64,
    /// Each harmful prompt is also asked with a safe answer, its own or a safe sentence, that is to be learned. A2D: such
    /// pairs are among the retain data. false, if those in `--retain` are enough.
    pub refusals: bool,
}

impl Default for A2d {
    fn default() -> Self {
        Self { eps: 1e-3, refusals: true }
    }
}

impl A2d {
    /// lambda for a t from 0 to 1.
    pub fn masked_share(&self, t: f64) -> f64 {
        (1.0 - self.eps) * t + self.eps
    }
}

/// Settings of the objective `vrpo` (LLaDA 1.5, arXiv 2505.19223).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vrpo {
    /// Scale of the difference of the two gains in log-likelihood. LLaDA 1.5: 0.2 (not checked against the paper).
    pub beta: f64,
    /// Draws of each log-likelihood, with one mask each; the canvases of a pair are computed in one pass. LLaDA 1.5: 8 (likewise).
    pub draws: usize,
    /// Weight of the cross entropy of the safe answers, per position. LLaDA 1.5: 0.05 (likewise).
    pub sft_weight: f64,
}

impl Default for Vrpo {
    fn default() -> Self {
        Self { beta: 0.2, draws: 8, sft_weight: 0.05 }
    }
}

impl Vrpo {
    /// The mask probabilities of the draws, spread evenly: (u + i) / draws for i from 0, with u from 0 to 1.
    pub fn shares(&self, u: f64) -> Vec<f64> {
        (0..self.draws).map(|i| (u + i as f64) / self.draws as f64).collect()
    }
}

/// Settings of the objective `recovery` (Recovery Alignment, arXiv 2510.00565). `beta` is the weight of its KL.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recovery {
    /// Answers per prompt, of which each is compared to the others. Not stated; 8.
    pub group: usize,
    /// Denoising steps at the beginning of training after which the policy takes over. Not stated; 0.
    pub t_min: usize,
    /// The same at the end of training. Not stated; 32, the latest that the paper attacks.
    /// Both have to be below T.
    pub t_max: usize,
    /// Denoising steps T of a whole answer, of which the two before are parts; those of the sampler, but for models that write
    /// in blocks. Default: one per position, as in the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Positions per block of the answers. Default: all, or the model's own blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_length: Option<usize>,
    /// Sampling temperature of the answers; above 0, or they are all the same. Not stated; 0.9, as in diffu-GRPO.
    pub temperature: f64,
    /// Mean or sum over the tokens of an answer, for its log-probability and its KL. diffu-GRPO: mean.
    pub reduction: Reduction,
    /// Whether the rewards of a group are divided by their spread. GRPO: true.
    pub normalise: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            group: 8,
            t_min: 0,
            t_max: 32,
            steps: None,
            block_length: None,
            temperature: 0.9,
            reduction: Reduction::Mean,
            normalise: true,
        }
    }
}

impl Recovery {
    /// After how many denoising steps the policy takes over at a training step of `total`: floor(t_min + step / total (t_max -
    /// t_min)).
    pub fn t_inter(&self, step: usize, total: usize) -> usize {
        let rise = (self.t_max as f64 - self.t_min as f64) * step as f64 / total.max(1) as f64;
        (self.t_min as f64 + rise).floor().max(0.0) as usize
    }

    /// How many of the tokens of an answer stand by then: t_inter / T of them, rounded down.
    pub fn revealed(&self, t_inter: usize, tokens: usize, canvas_length: usize) -> usize {
        let whole = self.whole(canvas_length).max(1);
        (tokens.saturating_mul(t_inter) / whole).min(tokens)
    }

    /// T.
    pub fn whole(&self, canvas_length: usize) -> usize {
        self.steps.unwrap_or(canvas_length)
    }
}

/// What a masked-diffusion loss is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Every masked token weighs 1/t, the sum is divided by the response length (LLaDA, equation 5).
    Likelihood,
    /// The mean over the masked tokens of the document: short answers count as much as long ones.
    Document,
}

/// Rank, scale and layers of the adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraSettings {
    /// Rank. Paper: 32.
    pub r: usize,
    /// Numerator of the scale alpha / r. Paper: 64.
    pub alpha: f64,
    /// Layers. Not stated in the paper; all seven linear layers of every block, not the head.
    pub targets: LoraTargets,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self { r: 32, alpha: 64.0, targets: LoraTargets::Pattern(BLOCK_LINEARS.into()) }
    }
}

/// PEFT's `target_modules`, or `block-linears`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoraTargets {
    /// `block-linears`, or a regular expression that must match the whole module path.
    Pattern(String),
    /// Module names.
    Names(Vec<String>),
}

const BLOCK_LINEARS: &str = "block-linears";

impl LoraTargets {
    /// The layers in a model whose block linears have these names.
    pub fn targets(&self, block_linears: &str) -> Targets {
        match self {
            Self::Pattern(p) if p == BLOCK_LINEARS => Targets::Pattern(block_linears.to_owned()),
            Self::Pattern(p) => Targets::Pattern(p.clone()),
            Self::Names(names) => Targets::Names(names.clone()),
        }
    }
}
