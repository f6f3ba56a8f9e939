//! The window reward (paper, Algorithm 1): R = score(safe sentence) - score(harmful sentence).

use crate::Linear;
use crate::options::{Pick, Reduction};
use mosa_core::{Placement, TokenId, Window, WindowError};

/// The two sentences of a training step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentencePair {
    /// The refusal; its last token is eos, which cuts the answer short.
    pub safe: Vec<TokenId>,
    /// The harmful sentence, without eos.
    pub harmful: Vec<TokenId>,
}

/// How a reward is computed from scores.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardRule {
    /// The windows; their rewards are averaged.
    pub windows: Vec<Window>,
    /// Where sentences may start.
    pub placement: Placement,
    /// Sum or mean over a sentence.
    pub reduction: Reduction,
    /// How the scores of all starts become one.
    pub pick: Pick,
    /// Temperature of [`Pick::Logsumexp`].
    pub tau: f64,
    /// Weight of the safe score.
    pub safe_weight: f64,
    /// Weight of the harmful score.
    pub harmful_weight: f64,
    /// The harmful score counts as no lower than this.
    pub harmful_floor: Option<f64>,
}

/// The reward of one canvas: the rule, the sentences, and where they may start on it.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowReward {
    rule: RewardRule,
    pair: SentencePair,
    /// Admissible starts of the safe and the harmful sentence, per window.
    starts: Vec<[Vec<usize>; 2]>,
    /// In (0, 1): which start [`Pick::Random`] takes.
    draw: f64,
}

/// What a reward came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RewardTerms {
    /// R.
    pub reward: f64,
    /// The safe sentence.
    pub safe: SentenceScore,
    /// The harmful sentence.
    pub harmful: SentenceScore,
}

/// How well a sentence fits into the windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentenceScore {
    /// Score, averaged over the windows.
    pub score: f64,
    /// Where it fits best of all.
    pub start: usize,
    /// Scores of all starts, window after window, lowest start first.
    pub all: Vec<f64>,
    /// Its tokens.
    pub tokens: usize,
}

/// Log-probabilities of some tokens (columns) at neighbouring offsets (rows).
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// Offsets of the rows, ascending.
    pub offsets: Vec<usize>,
    /// Number of columns.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Columns {
    fn at(&self, offset: usize, column: usize) -> f64 {
        self.offsets.binary_search(&offset).map_or(f64::NAN, |row| f64::from(self.values[row * self.width + column]))
    }
}

impl WindowReward {
    /// The reward on a response of which `free` says what offsets are masked; sentences may only stand there.
    /// `Ok(None)` if what is revealed leaves a sentence no place.
    ///
    /// # Errors
    /// [`WindowError`] if a sentence has no place even on a fully masked response.
    pub fn new(rule: &RewardRule, pair: SentencePair, free: &[bool], draw: f64) -> Result<Option<Self>, WindowError> {
        let mut starts = Vec::new();
        for window in &rule.windows {
            let of = |sentence: &[TokenId]| -> Result<Vec<usize>, WindowError> {
                let all = window.starts(rule.placement, sentence.len(), free.len())?;
                Ok(all.filter(|&k| free[k..k + sentence.len()].iter().all(|f| *f)).collect())
            };
            let both = [of(&pair.safe)?, of(&pair.harmful)?];
            if both.iter().any(Vec::is_empty) {
                return Ok(None);
            }
            starts.push(both);
        }
        Ok(Some(Self { rule: rule.clone(), pair, starts, draw }))
    }

    /// The tokens whose log-probabilities are needed: the safe sentence, then the harmful one.
    pub fn tokens(&self) -> Vec<TokenId> {
        self.pair.safe.iter().chain(&self.pair.harmful).copied().collect()
    }

    /// The offsets at which they are needed, ascending.
    pub fn offsets(&self) -> Vec<usize> {
        sorted(self.offsets_of_each().concat())
    }

    /// The offsets of the tokens of the safe sentence, and of the harmful one, ascending.
    pub fn offsets_of_each(&self) -> [Vec<usize>; 2] {
        let of = |side: usize, length: usize| {
            let starts = self.starts.iter().flat_map(|both| both[side].iter());
            sorted(starts.flat_map(|&k| k..k + length).collect())
        };
        [of(0, self.pair.safe.len()), of(1, self.pair.harmful.len())]
    }

    /// The same reward with both sentences at one start, the one that is drawn among those that both may have and that
    /// lie no later than `latest`; and that start. `None` if there is none, or more than one window.
    pub fn at_one_start(mut self, latest: usize) -> Option<(Self, usize)> {
        let [[safe, harmful]] = self.starts.as_slice() else { return None };
        let common: Vec<usize> =
            safe.iter().copied().filter(|k| *k <= latest && harmful.binary_search(k).is_ok()).collect();
        let start = *common.get(self.drawn(common.len()))?;
        self.starts = vec![[vec![start], vec![start]]];
        Some((self, start))
    }

    /// Which of `count` starts is drawn.
    fn drawn(&self, count: usize) -> usize {
        ((self.draw * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// R, and the weights of the terms of -R, each with its sentence: 0 for the safe one, 1 for the harmful one. The two
    /// sentences may be read off different tables, which have columns for the tokens of both.
    pub fn evaluate(&self, columns: [&Columns; 2]) -> (RewardTerms, Vec<(usize, Linear)>) {
        let share = 1.0 / self.starts.len() as f64;
        let mut terms = RewardTerms::default();
        let mut linear = Vec::new();
        let (mut best_safe, mut best_harmful) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let first_harmful = self.pair.safe.len();
        for [safe, harmful] in &self.starts {
            let s = self.sentence(columns[0], &self.pair.safe, 0, safe);
            let h = self.sentence(columns[1], &self.pair.harmful, first_harmful, harmful);
            let floor = self.rule.harmful_floor.unwrap_or(f64::NEG_INFINITY);
            terms.reward += share * (self.rule.safe_weight * s.score - self.rule.harmful_weight * h.score.max(floor));
            let weight = -share * self.rule.safe_weight;
            linear.extend(self.weighed(&self.pair.safe, (safe, &s.weights), weight).map(|l| (0, l)));
            if h.score >= floor {
                let weight = share * self.rule.harmful_weight;
                linear.extend(self.weighed(&self.pair.harmful, (harmful, &h.weights), weight).map(|l| (1, l)));
            }
            keep(&mut terms.safe, s, safe, share, &mut best_safe);
            keep(&mut terms.harmful, h, harmful, share, &mut best_harmful);
        }
        (terms.safe.tokens, terms.harmful.tokens) = (self.pair.safe.len(), self.pair.harmful.len());
        (terms, linear)
    }

    /// score(k) = sum_j L[k + j, S_j] for every start, and what is made of them.
    fn sentence(&self, columns: &Columns, sentence: &[TokenId], column: usize, starts: &[usize]) -> Picked {
        let divisor = self.divisor(sentence);
        let score = |k: &usize| (0..sentence.len()).map(|j| columns.at(k + j, column + j)).sum::<f64>() / divisor;
        let all: Vec<f64> = starts.iter().map(score).collect();
        let (score, weights) = self.pick(&all);
        Picked { score, weights, all }
    }

    fn divisor(&self, sentence: &[TokenId]) -> f64 {
        match self.rule.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => sentence.len() as f64,
        }
    }

    /// One score, and d score / d score(k). Ties go to the lowest start.
    fn pick(&self, all: &[f64]) -> (f64, Vec<f64>) {
        let one = |i: usize| (all[i], (0..all.len()).map(|k| f64::from(u8::from(k == i))).collect());
        match self.rule.pick {
            Pick::Max => one(best(all)),
            Pick::Random => one(self.drawn(all.len())),
            Pick::Mean => {
                let weight = 1.0 / all.len() as f64;
                (all.iter().sum::<f64>() * weight, vec![weight; all.len()])
            }
            Pick::Logsumexp => {
                let (tau, top) = (self.rule.tau, all[best(all)]);
                let odds: Vec<f64> = all.iter().map(|s| ((s - top) / tau).exp()).collect();
                let sum: f64 = odds.iter().sum();
                (top + tau * sum.ln(), odds.into_iter().map(|o| o / sum).collect())
            }
        }
    }

    fn weighed<'a>(
        &self,
        sentence: &'a [TokenId],
        starts: (&'a [usize], &'a [f64]),
        factor: f64,
    ) -> impl Iterator<Item = Linear> + 'a {
        let factor = factor / self.divisor(sentence);
        let starts = starts.0.iter().zip(starts.1).filter(|(_, weight)| **weight != 0.0);
        starts.flat_map(move |(&k, &weight)| {
            let terms = sentence.iter().enumerate();
            terms.map(move |(j, &token)| Linear { offset: k + j, token, weight: factor * weight })
        })
    }
}

fn sorted(mut all: Vec<usize>) -> Vec<usize> {
    all.sort_unstable();
    all.dedup();
    all
}

struct Picked {
    score: f64,
    weights: Vec<f64>,
    all: Vec<f64>,
}

/// Index of the largest value, the first of equals.
fn best(all: &[f64]) -> usize {
    (0..all.len()).fold(0, |best, i| if all[i] > all[best] { i } else { best })
}

fn keep(into: &mut SentenceScore, picked: Picked, starts: &[usize], share: f64, best_so_far: &mut f64) {
    into.score += share * picked.score;
    let i = best(&picked.all);
    if picked.all[i] > *best_so_far {
        (*best_so_far, into.start) = (picked.all[i], starts[i]);
    }
    into.all.extend(picked.all);
}
