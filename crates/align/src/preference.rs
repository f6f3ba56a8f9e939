//! Pairs of answers of which one is wanted: their loss, and what each log-likelihood weighs in its gradient.

use crate::{AlignError, Example};
use mosa_parallel::Shards;
use std::collections::BTreeMap;

/// The log-likelihoods of the two answers of a pair, and what follows from them (DPO, arXiv 2305.18290).
///
/// ```text
/// margin = (B(chosen) - Br(chosen)) - (B(rejected) - Br(rejected))      B of the policy, Br of the reference
/// loss   = -ln sigmoid(beta margin)
/// d loss / d B(chosen) = -beta sigmoid(-beta margin) = -d loss / d B(rejected)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pair {
    /// Scale of the margin.
    pub beta: f64,
    /// The chosen answer.
    pub chosen: Likelihoods,
    /// The rejected answer.
    pub rejected: Likelihoods,
    /// Examples that look at the chosen and at the rejected answer.
    pub looks: [usize; 2],
}

/// A log-likelihood, or a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihoods {
    /// By the policy.
    pub policy: f64,
    /// By the reference.
    pub reference: f64,
}

impl Likelihoods {
    /// How much likelier the policy finds the answer than the reference does.
    pub fn gain(self) -> f64 {
        self.policy - self.reference
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.policy += more.policy;
        self.reference += more.reference;
    }
}

impl Pair {
    /// How much more the chosen answer gained than the rejected one.
    pub fn margin(&self) -> f64 {
        self.chosen.gain() - self.rejected.gain()
    }

    /// -ln sigmoid(beta margin).
    pub fn loss(&self) -> f64 {
        let x = -self.beta * self.margin();
        x.max(0.0) + (-x.abs()).exp().ln_1p()
    }

    /// d loss / d log-likelihood of the chosen answer, or of the rejected one.
    pub fn slope(&self, chosen: bool) -> f64 {
        let slope = -self.beta / (1.0 + (self.beta * self.margin()).exp());
        if chosen { slope } else { -slope }
    }

    /// The same part of the loss for every example that looks at the pair.
    pub(crate) fn loss_of_a_look(&self) -> f64 {
        self.loss() / self.looks.iter().sum::<usize>().max(1) as f64
    }
}

/// The pairs of a pass by number, from the parts that its examples contribute, one for each.
///
/// # Errors
/// [`AlignError::Setting`] if the pass holds one answer of a pair without the other.
pub(crate) fn pairs(examples: &[Example], parts: &[Likelihoods]) -> Result<BTreeMap<usize, Pair>, AlignError> {
    let mut all: BTreeMap<usize, Pair> = BTreeMap::new();
    for (example, part) in examples.iter().zip(parts) {
        let Some(preference) = &example.preference else { continue };
        let pair = all.entry(preference.pair).or_default();
        pair.beta = preference.beta;
        let answer = if preference.chosen { &mut pair.chosen } else { &mut pair.rejected };
        answer.add(*part);
        pair.looks[usize::from(!preference.chosen)] += 1;
    }
    match all.iter().find(|(_, pair)| pair.looks.contains(&0)) {
        Some((number, _)) => {
            let what = format!("tears pair {number}: its two answers have to be computed in one pass");
            Err(AlignError::Setting { key: "micro_batch_size", what })
        }
        None => Ok(all),
    }
}

/// The examples of a step, dealt out to shards in turn, by their numbers: a pair of answers, or an example that is in none, is
/// the next one's turn.
pub(crate) fn dealt(examples: &[Example], shards: Shards) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new(); shards.count];
    let mut unit = 0;
    for (number, example) in examples.iter().enumerate() {
        let goes_on = number > 0 && example.pair().is_some() && examples[number - 1].pair() == example.pair();
        unit += usize::from(number > 0 && !goes_on);
        all[shards.at(unit)].push(number);
    }
    all
}

/// The examples of a step, cut into passes of `size` or, where a pair has more, of one pair.
pub(crate) fn passes(examples: &[Example], size: usize) -> Vec<&[Example]> {
    let (mut all, mut start, mut at) = (Vec::new(), 0, 0);
    while at < examples.len() {
        let pair = examples[at].pair();
        let unit = examples[at..].iter().take_while(|e| pair.is_some() && e.pair() == pair).count().max(1);
        if at > start && at + unit - start > size {
            all.push(&examples[start..at]);
            start = at;
        }
        at += unit;
    }
    if at > start {
        all.push(&examples[start..at]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{Part, Preference};
    use crate::options::KlDirection;

    fn example(pair: Option<usize>) -> Example {
        let preference = pair.map(|pair| Preference { pair, chosen: true, beta: 1.0, terms: Vec::new() });
        Example {
            record: 0,
            part: Part::Aligned,
            canvas: Vec::new(),
            written: Vec::new(),
            prompt: 0,
            share: 1.0,
            linear: Vec::new(),
            kl: Vec::new(),
            direction: KlDirection::PolicyReference,
            reward: None,
            preference,
            windows: Vec::new(),
        }
    }

    #[test]
    fn examples_are_dealt_out_in_turn_and_pairs_stay_whole() {
        let examples = [Some(0), Some(0), Some(1), Some(1), Some(1), None, None].map(example);
        let of = |count| dealt(&examples, Shards { count, ranks: 1 });
        assert_eq!(of(1), [vec![0, 1, 2, 3, 4, 5, 6]]);
        assert_eq!(of(2), [vec![0, 1, 5], vec![2, 3, 4, 6]]);
        assert_eq!(of(5), [vec![0, 1], vec![2, 3, 4], vec![5], vec![6], vec![]]);
    }
}
