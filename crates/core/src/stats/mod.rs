//! Statistics of a measurement: intervals, tests and agreement. Pure functions without assumptions about what was measured.
//!
//! - a rate: [`wilson`], [`clopper_pearson`], two of them measured apart: [`Rate::minus`]; several answers per behaviour: [`cluster_bootstrap`],
//!   [`pass_at_k`]
//! - two models on the same prompts: [`Paired`] (exact McNemar test, Newcombe's interval, Cohen's kappa), [`paired_bootstrap`]
//! - a mean of numbers: [`mean_interval`]; of estimates with intervals: [`mean_of_estimates`]
//! - a number that tells two groups apart: [`auroc`], [`roc`], [`fit_threshold`]
//! - many tests at once: [`holm`]
//! - agreement of two orders or two scores: [`kendall_tau_b`], [`pearson`]
//! - planning: [`minimal_detectable_difference`], [`minimal_detectable_difference_of_pairs`]
//!
//! Intervals are two-sided at 95%, as (low, high). What cannot be computed is `None`, never a number that looks measured.

mod attempts;
mod auroc;
mod binomial;
mod bootstrap;
mod correlation;
mod holm;
mod mean;
mod paired;
mod power;
mod rate;
mod threshold;

pub use attempts::pass_at_k;
pub use auroc::{Auroc, auroc, roc};
pub use bootstrap::{cluster_bootstrap, paired_bootstrap};
pub use correlation::{kendall_tau_b, pearson};
pub use holm::holm;
pub use mean::{mean_interval, mean_of_estimates};
pub use paired::{Paired, mcnemar};
pub use power::{minimal_detectable_difference, minimal_detectable_difference_of_pairs};
pub use rate::{Rate, clopper_pearson, wilson};
pub use threshold::{Fitted, fit_threshold};

/// The 97.5% quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;
