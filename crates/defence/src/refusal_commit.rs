//! Refusal commit: where a model keeps thinking of a refusal in its early steps, the refusal is written down at once.

use crate::hidden::words;
use crate::registry::{defaults, settings_of};
use crate::steps::{Steps, boxed, within};
use crate::{Asset, DefenceError, Entry, Fit, Fitting, Need, Opened, Role, Setting, asset};
use mosa_core::{Canvas, TokenId};
use mosa_engine::{Candidate, EngineError, Intervention, Step};
use mosa_records::DefenceAct;
use mosa_runtime::{Acts, Defence, Guarded, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// RAEC (arXiv 2609.00495), as far as it is described: the probability of refusal tokens is followed at every masked position over
/// the early steps, and where it persists the most likely of them is committed early. How large, how long and which steps are
/// early is not published; the numbers are ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalCommit {
    /// The refusal tokens, made by `mosa defence fit`.
    pub asset: Option<PathBuf>,
    /// Probability of all refusal tokens together that counts.
    pub mass: f64,
    /// Steps in a row for which it has to be there.
    pub patience: usize,
    /// Share of the steps that are early; 0 is off.
    pub share: f64,
}

impl Default for RefusalCommit {
    fn default() -> Self {
        Self { asset: None, mass: 0.2, patience: 3, share: 0.25 }
    }
}

/// How its asset is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fitted {
    /// How many times as frequent a token is in refusals as in answers.
    odds: f64,
    /// Least share of refusals that hold it.
    support: f64,
}

impl Default for Fitted {
    fn default() -> Self {
        Self { odds: 5.0, support: 0.05 }
    }
}

const ROLES: &[Role] = &[
    Role { name: "refusals", about: "refusals: the column response", required: true },
    Role { name: "answers", about: "answers that are none, harmful ones too: the column response", required: true },
];

impl RefusalCommit {
    /// Its name.
    pub const NAME: &'static str = "refusal-commit";

    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "commits refusal tokens early where their probability persists",
        source: "RAEC, arXiv 2609.00495",
        needs: &[Need::Asset, Need::Logits],
        settings: defaults::<Self>,
        make: |setting, settings| settings_of::<Self>(Self::NAME, settings)?.made(setting),
        fit: Some(Fit { roles: ROLES, settings: defaults::<Fitted>, make: fitted }),
    };

    fn made(self, setting: &Setting<'_>) -> Result<Opened, DefenceError> {
        within(Self::NAME, "mass", self.mass, [1e-9, 1.0])?;
        within(Self::NAME, "share", self.share, [0.0, 1.0])?;
        if self.patience == 0 {
            return Err(DefenceError::Setting { name: Self::NAME, what: "patience has to be at least 1".into() });
        }
        let asset = asset(setting, Self::NAME, self.asset.as_deref(), "tokens that refusals are made of")?;
        let numbers = Vec::<f32>::try_from(asset.any("tokens")?.f_reshape([-1])?)?;
        let vocabulary = setting.runtime.spec().vocab;
        let tokens = numbers.iter().map(|&t| t as TokenId).filter(|t| (*t as usize) < vocabulary).collect();
        let settings = serde_json::to_value(&self).unwrap_or_default();
        let defence = Arc::new(Commits { settings: self, tokens });
        Ok(Opened { defence, settings, asset: Some(asset.hash) })
    }
}

/// Tokens that refusals hold much more often than answers.
fn fitted(fitting: &Fitting<'_>) -> Result<Asset, DefenceError> {
    let settings: Fitted = fitting.settings()?;
    let sets = |role| -> Result<Vec<BTreeSet<TokenId>>, DefenceError> {
        let text = fitting.runtime.text();
        let rows = fitting.file(role)?.rows.iter();
        rows.map(|row| Ok(words(fitting, role, text, row)?.into_iter().collect())).collect()
    };
    let tokens = typical(&sets("refusals")?, &sets("answers")?, &settings);
    if tokens.is_empty() {
        let what = "no token is typical of these refusals; lower odds or support, or give other files".into();
        return Err(DefenceError::Fit { name: fitting.name, what });
    }
    let numbers: Vec<f32> = tokens.iter().map(|&t| t as f32).collect();
    let said = json!({"odds": settings.odds, "support": settings.support, "tokens": tokens.len()});
    Ok(fitting.asset(said, BTreeMap::from([("tokens".into(), Tensor::f_from_slice(&numbers)?)])))
}

/// The tokens that at least a share of refusals hold, and answers so many times more seldom.
fn typical(refusals: &[BTreeSet<TokenId>], answers: &[BTreeSet<TokenId>], settings: &Fitted) -> BTreeSet<TokenId> {
    let share = |sets: &[BTreeSet<TokenId>], token: &TokenId| {
        sets.iter().filter(|set| set.contains(token)).count() as f64 / sets.len().max(1) as f64
    };
    let all: BTreeSet<TokenId> = refusals.iter().flatten().copied().collect();
    let is_typical = |token: &TokenId| {
        let own = share(refusals, token);
        own >= settings.support && own >= settings.odds * share(answers, token)
    };
    all.into_iter().filter(is_typical).collect()
}

/// The defence with its asset.
struct Commits {
    settings: RefusalCommit,
    tokens: Vec<TokenId>,
}

impl Defence for Commits {
    fn name(&self) -> &'static str {
        RefusalCommit::NAME
    }

    fn acts_inside(&self) -> bool {
        true
    }

    fn intervention(
        &self,
        _: &Runtime,
        row: &Guarded<'_>,
        acts: &Acts,
    ) -> Result<Option<Box<dyn Intervention>>, RuntimeError> {
        let RefusalCommit { mass, patience, share, .. } = self.settings;
        if share == 0.0 || self.tokens.is_empty() {
            return Ok(None);
        }
        let steps = Steps::of(row);
        let early = (0..).take_while(|&clock| steps.within(clock, [0.0, share])).count() as u64;
        let tokens = self.tokens.iter().map(|&t| i64::from(t)).collect();
        let rows = Rows { mass, patience, streaks: HashMap::new() };
        Ok(boxed(Commit { tokens, rows, early, clock: 0, now: BTreeMap::new(), acts: acts.clone() }))
    }
}

/// For how many steps in a row the mass was there, by position.
struct Rows {
    mass: f64,
    patience: usize,
    streaks: HashMap<usize, usize>,
}

impl Rows {
    /// Notes the masses of a step; whether each has persisted.
    fn noted(&mut self, positions: &[usize], masses: &[f64]) -> Vec<bool> {
        let noted = |(position, mass): (&usize, &f64)| {
            let streak = self.streaks.entry(*position).or_default();
            *streak = if *mass >= self.mass { *streak + 1 } else { 0 };
            *streak >= self.patience
        };
        positions.iter().zip(masses).map(noted).collect()
    }
}

/// One row.
struct Commit {
    tokens: Vec<i64>,
    rows: Rows,
    /// How many steps are early.
    early: u64,
    /// The step that is being made.
    clock: u64,
    /// Positions at which a refusal is committed in this step, with its mass.
    now: BTreeMap<usize, f64>,
    acts: Acts,
}

impl Intervention for Commit {
    fn name(&self) -> &str {
        RefusalCommit::NAME
    }

    fn edit_canvas(&mut self, step: Step, _: &mut Canvas) -> Result<(), EngineError> {
        self.clock = step.clock;
        self.now.clear();
        Ok(())
    }

    fn wants_logits(&self) -> bool {
        self.clock < self.early
    }

    fn edit_logits(
        &mut self,
        _: Step,
        canvas: &Canvas,
        positions: &[usize],
        logits: Tensor,
    ) -> Result<Tensor, EngineError> {
        let own = Tensor::f_from_slice(&self.tokens)?.f_to_device(logits.device())?;
        let p = logits.f_softmax(-1, Kind::Float)?.f_index_select(1, &own)?;
        let masses = p.f_sum_dim_intlist([-1i64].as_slice(), false, Kind::Double)?.f_to_device(Device::Cpu)?;
        let masses = Vec::<f64>::try_from(masses)?;
        let persists = self.rows.noted(positions, &masses);
        for (row, position) in positions.iter().enumerate() {
            if !persists[row] || !canvas.is_masked(*position) || *position < canvas.response_start() {
                continue;
            }
            // Nothing but a refusal token can be chosen here.
            let mut one = logits.f_get(row as i64)?;
            let kept = one.f_index_select(0, &own)?;
            let _ = one.f_fill_(f64::NEG_INFINITY)?.f_index_copy_(0, &own, &kept)?;
            self.now.insert(*position, masses[row]);
        }
        Ok(logits)
    }

    fn rank(
        &mut self,
        step: Step,
        _: &Canvas,
        candidates: &[Candidate],
        scores: &mut [f64],
    ) -> Result<(), EngineError> {
        for (candidate, score) in candidates.iter().zip(scores) {
            let Some(mass) = self.now.get(&candidate.position).filter(|_| score.is_finite()) else { continue };
            *score = f64::INFINITY;
            let act = DefenceAct::new(RefusalCommit::NAME, "committed a refusal token early");
            self.acts.did(act.at(step.clock).for_value(*mass));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Fitted, Rows, typical};
    use std::collections::HashMap;

    #[test]
    fn mass_has_to_persist_without_a_gap() {
        let mut rows = Rows { mass: 0.5, patience: 2, streaks: HashMap::new() };
        assert_eq!(rows.noted(&[3, 4], &[0.6, 0.5]), [false, false]);
        assert_eq!(rows.noted(&[3, 4], &[0.7, 0.4]), [true, false]);
        assert_eq!(rows.noted(&[3, 4], &[0.1, 0.9]), [false, false]);
        assert_eq!(rows.noted(&[4], &[0.9]), [true]);
    }

    #[test]
    fn typical_tokens_are_frequent_in_refusals_and_rare_in_answers() {
        let sets = |all: &[&[u32]]| all.iter().map(|set| set.iter().copied().collect()).collect::<Vec<_>>();
        let refusals = sets(&[&[1, 2, 9], &[1, 3, 9]]);
        let answers = sets(&[&[9, 4], &[9, 5]]);
        let found = typical(&refusals, &answers, &Fitted { odds: 5.0, support: 0.6 });
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [1]);
    }
}
