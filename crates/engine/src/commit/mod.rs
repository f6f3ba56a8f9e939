//! Commit policies: which masked positions to commit now. One file per policy.

mod dynamic;
mod entropy;
mod entropy_bounded;
mod factor;
mod left_to_right;
mod low_confidence;
mod margin;
mod origin;
mod random;
mod threshold;

pub use dynamic::Dynamic;
pub use entropy::Entropy;
pub use entropy_bounded::EntropyBounded;
pub use factor::Factor;
pub use left_to_right::LeftToRight;
pub use low_confidence::LowConfidence;
pub use margin::Margin;
pub use origin::Origin;
pub use random::Random;
pub use threshold::Threshold;

use crate::error::option;
use crate::noise::gumbel;
use crate::{Candidate, EngineError};
use mosa_core::{Rng, Stream};
use serde::{Deserialize, Serialize};

/// What a policy ranks by; the engine computes no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The probability of the chosen token; always there.
    Probability,
    /// The gap between the two most likely tokens.
    Margin,
    /// Negative entropy of the distribution.
    NegativeEntropy,
}

/// When and for whom a policy chooses; the key of its random draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Seed of the run.
    pub seed: u64,
    /// Step number.
    pub clock: u64,
    /// Sample key of the row.
    pub sample: u64,
    /// How many positions the schedule reveals now.
    pub quota: usize,
    /// Dream's reveal probability of this step.
    pub reveal: f32,
    /// Randomises a ranking: scores are divided by it and Gumbel noise is added. 0 = off.
    pub rank_temperature: f64,
}

/// A position picked by a policy: an index into the candidates.
pub type Choice = usize;

/// Picks the positions to commit now.
pub trait CommitPolicy {
    /// What it ranks by.
    fn statistic(&self) -> Statistic {
        Statistic::Probability
    }

    /// The picked candidates, best first. Candidates come in order of position.
    fn choose(&self, moment: &Moment, candidates: &[Candidate]) -> Vec<Choice>;

    /// Its ranking as numbers from 0 to 1, larger is better, for interventions that re-rank
    /// ([`Intervention::rank`](crate::Intervention::rank)): by default the probabilities.
    fn scores(&self, _moment: &Moment, candidates: &[Candidate]) -> Vec<f64> {
        candidates.iter().map(Candidate::probability).collect()
    }
}

/// Who decides how many positions a step reveals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The schedule, by its quota.
    Quota,
    /// A draw per position, with the schedule's probability.
    Drawn,
    /// The policy, which takes as many as it likes; the steps are over when nothing is left.
    Free,
}

/// The policies by name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// Highest probability first (LLaDA `low_confidence`, Dream `maskgit_plus`).
    LowConfidence,
    /// Random order (LLaDA `random`).
    Random,
    /// Largest gap between the two most likely tokens first (Dream `topk_margin`).
    Margin,
    /// Lowest entropy first (Dream `entropy`).
    Entropy,
    /// Leftmost first.
    LeftToRight,
    /// Everything at least this probable, at least one (Fast-dLLM).
    Threshold(f64),
    /// Everything within a bar that rises with the rank, at least one (Fast-dLLM).
    Factor(f64),
    /// Each position independently with the schedule's probability (Dream `origin`).
    Origin,
    /// Everything more probable than this, at least the quota (SDAR `low_confidence_dynamic`, LLaDA2).
    Dynamic(f64),
    /// Lowest entropies first, as long as their sum stays below this many nats (SDAR `entropy_bounded`).
    EntropyBounded(f64),
}

impl Commit {
    /// The policy with this published name. Those that carry a number are options of their own.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "low_confidence" | "low_confidence_static" | "maskgit_plus" => Self::LowConfidence,
            "random" => Self::Random,
            "margin" | "topk_margin" => Self::Margin,
            "entropy" => Self::Entropy,
            "left_to_right" | "sequential" => Self::LeftToRight,
            "origin" => Self::Origin,
            _ => return None,
        })
    }

    /// Who decides how many positions a step reveals.
    pub fn pace(self) -> Pace {
        match self {
            Self::Threshold(_) | Self::Factor(_) | Self::EntropyBounded(_) => Pace::Free,
            Self::Origin => Pace::Drawn,
            Self::LowConfidence
            | Self::Random
            | Self::Margin
            | Self::Entropy
            | Self::LeftToRight
            | Self::Dynamic(_) => Pace::Quota,
        }
    }

    /// Whether it reveals as many as it likes per step, so that the number of steps is not fixed.
    pub fn is_parallel(self) -> bool {
        self.pace() == Pace::Free || matches!(self, Self::Dynamic(_))
    }

    /// The same ranking without what goes beyond the quota.
    pub(crate) fn within_quota(self) -> Self {
        match self {
            Self::Dynamic(_) => Self::LowConfidence,
            Self::EntropyBounded(_) => Self::Entropy,
            other => other,
        }
    }

    /// The policy itself.
    pub fn policy(self) -> Box<dyn CommitPolicy> {
        match self {
            Self::LowConfidence => Box::new(LowConfidence),
            Self::Random => Box::new(Random),
            Self::Margin => Box::new(Margin),
            Self::Entropy => Box::new(Entropy),
            Self::LeftToRight => Box::new(LeftToRight),
            Self::Threshold(bar) => Box::new(Threshold(bar)),
            Self::Factor(f) => Box::new(Factor(f)),
            Self::Origin => Box::new(Origin),
            Self::Dynamic(bar) => Box::new(Dynamic(bar)),
            Self::EntropyBounded(bound) => Box::new(EntropyBounded(bound)),
        }
    }

    pub(crate) fn check(self) -> Result<(), EngineError> {
        match self {
            Self::Threshold(t) if !(t > 0.0 && t <= 1.0) => {
                Err(option("threshold", format!("= {t} must lie in (0, 1]")))
            }
            Self::Dynamic(t) if !(0.0..=2.0).contains(&t) => {
                Err(option("threshold", format!("= {t} must lie in [0, 2]; from 1 on the quota alone counts")))
            }
            Self::EntropyBounded(b) if !(b > 0.0 && b <= crate::LARGEST) => {
                Err(option("eb-threshold", format!("= {b} must be above 0 and up to {}", crate::LARGEST)))
            }
            Self::Factor(f) if !(f > 0.0 && f <= crate::LARGEST) => {
                Err(option("factor", format!("= {f} must be above 0 and up to {}", crate::LARGEST)))
            }
            _ => Ok(()),
        }
    }
}

/// The `quota` best candidates by `score`, ties going to the left.
fn best(moment: &Moment, candidates: &[Candidate], score: impl Fn(&Candidate) -> f64) -> Vec<Choice> {
    let mut order = ranked(candidates, |c| {
        let score = score(c);
        if moment.rank_temperature > 0.0 {
            let mut rng = Rng::at(moment.seed, Stream::Reveal, moment.clock, moment.sample).lane(c.position as u64);
            score / moment.rank_temperature + gumbel(rng.bits())
        } else {
            score
        }
    });
    order.truncate(moment.quota);
    order
}

/// All candidates, best first, ties going to the left.
fn ranked(candidates: &[Candidate], score: impl Fn(&Candidate) -> f64) -> Vec<Choice> {
    let scores: Vec<f64> = candidates.iter().map(score).collect();
    let mut order: Vec<Choice> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}
