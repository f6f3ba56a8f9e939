//! GCG (greedy coordinate gradient, arXiv 2307.15043) against a masked diffusion model, with the weights at hand.
//!
//! A [`Goal`] is a prompt with a suffix that may be changed, and a target phrase at an offset of the answer. The loss of
//! a suffix is the mean cross-entropy of the target on a canvas whose response is masked. Every iteration
//!
//! ```text
//! gradient      G = d loss / d one-hot rows of the suffix        [suffix length, vocabulary]
//! candidates    a random position, a random token among the k with the lowest G there; filters
//! losses        of all candidates, many per pass; the best one is the next suffix
//! ```
//!
//! Offset and [`TargetLikelihood`] make the published variants of it: GCG@k of the MOSA paper (arXiv 2508.12398) is an
//! offset of 0 or 30, First-Step GCG (arXiv 2510.00565) a whole answer as target, Monte Carlo GCG
//! [`TargetLikelihood::Mc`].

mod avoid;
mod candidates;
mod filter;
mod goal;
mod gradient;
mod likelihood;
mod loss;
mod search;
mod settings;
mod typed;

pub use avoid::Avoid;
pub use candidates::Proposal;
pub use filter::{AllowedTokens, Filter, Keep, prompt_round_trip, suffix_round_trip};
pub use goal::{Goal, added_between};
pub use gradient::Gradient;
pub use likelihood::TargetLikelihood;
pub use loss::{Subject, TargetLoss};
pub use search::{Gcg, GcgRun, Iteration};
pub use settings::GcgSettings;
pub use typed::TypedGcg;
