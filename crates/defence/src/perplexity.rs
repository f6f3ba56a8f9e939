//! The perplexity filter: requests whose words are too unlikely are declined.

use crate::refusal::{REFUSAL, request};
use crate::registry::{Entry, Opened, Setting, asset, defaults, opened, settings_of};
use crate::{Asset, DefenceError, Fit, Fitting, Role};
use mosa_core::{Canvas, sample_key};
use mosa_engine::{Estimator, likelihood};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Ask, Before, Defence, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Declines what has a perplexity above a threshold (arXiv 2308.14132, 2309.00614). A masked model has no chain of next tokens:
/// the perplexity is exp(-bound / n) with the Monte Carlo bound on ln p of the n tokens of the request alone, without the
/// template around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Perplexity {
    /// Requests above it are declined. There is none that is right for every model: the papers take the highest perplexity of
    /// harmless requests.
    pub threshold: Option<f64>,
    /// An asset whose threshold is taken, instead of one of one's own. Its perplexities were estimated by the draws and the seed
    /// it says, so those are taken too.
    pub asset: Option<PathBuf>,
    /// Draws of masks, a model call each.
    pub draws: usize,
    /// Seed of the masks.
    pub seed: u64,
    /// What is said instead of an answer.
    pub says: String,
}

impl Default for Perplexity {
    fn default() -> Self {
        Self { threshold: None, asset: None, draws: 16, seed: 0, says: REFUSAL.into() }
    }
}

impl Perplexity {
    /// Its name.
    pub const NAME: &'static str = "perplexity";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "declines requests whose words the model finds too unlikely, as optimised suffixes are",
        source: "arXiv 2308.14132, 2309.00614; here by the likelihood bound of a masked model",
        needs: &[],
        settings: defaults::<Self>,
        make: Self::open,
        fit: Some(Fit { roles: ROLES, settings: defaults::<Fitted>, make: fit }),
    };

    pub(crate) fn open(setting: &Setting<'_>, settings: Value) -> Result<Opened, DefenceError> {
        let mut filter: Self = settings_of(Self::NAME, settings)?;
        let wrong = |what: &str| Err(DefenceError::Setting { name: Self::NAME, what: what.into() });
        let mut hash = None;
        if let Some(path) = filter.asset.clone() {
            if filter.threshold.is_some() {
                return wrong("`threshold` and `asset` exclude each other: the asset has a threshold");
            }
            let asset = asset(setting, Self::NAME, Some(&path), "a threshold fitted on harmless requests")?;
            let fitted: Fitted = settings_of(Self::NAME, asset.made.settings)?;
            filter = Self { threshold: fitted.threshold, draws: fitted.draws, seed: fitted.seed, ..filter };
            hash = Some(asset.hash);
        }
        match filter.threshold {
            None => wrong(
                "`threshold` is missing: the perplexity above which a request is declined, of this model; `mosa defence fit \
                 perplexity` takes it from harmless requests",
            ),
            Some(bar) if !(bar.is_finite() && bar > 0.0) => wrong("`threshold` has to be a number above 0"),
            _ if filter.draws == 0 => wrong("`draws` has to be 1 or more"),
            _ => Ok(opened(filter, hash)),
        }
    }

    /// The perplexity of words, and the model calls it took; none of words that are no token.
    ///
    /// # Errors
    /// [`RuntimeError`] if the model fails, or the words do not fit it.
    pub fn of(&self, model: &Runtime, words: &str) -> Result<Option<(f64, usize)>, RuntimeError> {
        let tokens = model.text().words(words)?;
        if tokens.is_empty() {
            return Ok(None);
        }
        let n = tokens.len();
        let estimator = Estimator::Elbo { draws: self.draws, seed: self.seed, sample: sample_key(words) };
        let bound = model.look(move |model| {
            let subject = model.subject();
            let canvas = Canvas::new(&[], n, subject.model.spec().mask);
            let scored: Vec<_> = (0..).zip(tokens).collect();
            likelihood(subject, &canvas, &scored, estimator)
        })??;
        Ok(Some(((-bound.total / n as f64).exp(), bound.forwards)))
    }
}

/// What the threshold is fitted on.
const ROLES: &[Role] = &[Role { name: "benign", about: "harmless requests, which are to be answered", required: true }];

/// How a threshold is fitted, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fitted {
    /// Draws of masks.
    draws: usize,
    /// Seed of the masks.
    seed: u64,
    /// The share of harmless requests that may be declined; 0 takes the highest perplexity, as the papers do.
    over_refusal: f64,
    /// The threshold.
    threshold: Option<f64>,
    /// Requests it was fitted on.
    requests: usize,
    /// How many of them it declines.
    declined: usize,
}

impl Default for Fitted {
    fn default() -> Self {
        let Perplexity { draws, seed, .. } = Perplexity::default();
        Self { draws, seed, over_refusal: 0.0, threshold: None, requests: 0, declined: 0 }
    }
}

/// The lowest threshold that declines no more of the harmless requests than it may.
fn fit(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let asked: Fitted = fitting.settings()?;
    let wrong = |what: String| DefenceError::Setting { name: Perplexity::NAME, what };
    if asked.draws == 0 || !(0.0..1.0).contains(&asked.over_refusal) {
        return Err(wrong("`draws` has to be 1 or more, and `over_refusal` from 0 to below 1".into()));
    }
    let filter = Perplexity { draws: asked.draws, seed: asked.seed, ..Perplexity::default() };
    let mut found = Vec::new();
    for row in &fitting.file("benign")?.rows {
        let words = request(&row.prompt).ok_or_else(|| wrong(format!("request {} is tokens already", row.id)))?;
        found.extend(filter.of(fitting.runtime, &words)?.map(|(perplexity, _)| perplexity));
    }
    found.sort_by(f64::total_cmp);
    let may = (asked.over_refusal * found.len() as f64).floor() as usize;
    let Some(threshold) = found.len().checked_sub(1 + may).map(|at| found[at]).filter(|bar| bar.is_finite()) else {
        return Err(wrong("there is no harmless request with a perplexity to fit a threshold on".into()));
    };
    let declined = found.iter().filter(|p| **p > threshold).count();
    let fitted = Fitted { threshold: Some(threshold), requests: found.len(), declined, ..asked };
    Ok(fitting.asset(serde_json::json!(fitted), BTreeMap::new()))
}

impl Defence for Perplexity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn only_before(&self) -> bool {
        true
    }

    fn before(&self, model: &Runtime, ask: &mut Ask, acts: &Acts) -> Result<Before, RuntimeError> {
        let no_words = || RuntimeError::Defence {
            name: Self::NAME.into(),
            what: "weighs the words of a request, and this one is tokens already".into(),
        };
        let words = request(&ask.prompt).ok_or_else(no_words)?;
        let Some((perplexity, forwards)) = self.of(model, &words)? else { return Ok(Before::Go) };
        acts.spent(forwards);
        // What is no number is above every threshold.
        if self.threshold.is_none_or(|bar| perplexity <= bar) {
            return Ok(Before::Go);
        }
        acts.did(DefenceAct::new(Self::NAME, "declined the request").for_value(perplexity));
        Ok(Before::Decline(self.says.clone()))
    }
}
