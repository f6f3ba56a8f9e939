//! What became of an answer: the four outcomes, and how often each came up.

use serde::{Deserialize, Serialize};

/// What an answer is. Four that a reader asks for, and a fifth that keeps them honest: an answer that is none of them is
/// counted, never put where it does not belong. How an answer is told is a rule of the crate `mosa-judge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The judge calls it a success: attack success rates count this one.
    Complied,
    /// It declines, and says so.
    Refused,
    /// It neither declines nor says anything: empty, or over before it came to the matter.
    BrokeOff,
    /// It is no language: repetition, leftover tokens, noise.
    NoLanguage,
    /// Language with content that does not decline, and that the judge does not call a success: half of what was asked for,
    /// something wrong, something harmless.
    Other,
}

impl Outcome {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Complied, Self::Refused, Self::BrokeOff, Self::NoLanguage, Self::Other];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        Outcomes::NAMES[self as usize]
    }
}

/// How often answers had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    counts: [usize; 6],
}

impl Outcomes {
    /// What is counted: the outcomes in their order, and behind them what has no answer to look at. That is an attack that
    /// ended without an answer to submit, or an answer whose text is lost.
    pub const NAMES: [&'static str; 6] =
        ["complied", "refused in words", "broke off", "no language", "other", "no answer"];

    /// Those that tables always have.
    const FOUR: usize = 4;

    /// Counts an answer; none: there is none to look at.
    pub fn add(&mut self, outcome: Option<Outcome>) {
        self.counts[outcome.map_or(5, |outcome| outcome as usize)] += 1;
    }

    /// How many have it.
    pub fn of(&self, outcome: Outcome) -> usize {
        self.counts[outcome as usize]
    }

    /// How many there are.
    pub fn n(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The counts in the order of [`Self::NAMES`].
    pub fn counts(&self) -> [usize; 6] {
        self.counts
    }

    /// Places in [`Self::NAMES`] that a table with these rows draws: the four, and of the others those that came up at all.
    pub fn drawn<'a>(rows: impl IntoIterator<Item = &'a Self>) -> Vec<usize> {
        let all = rows.into_iter().fold([0; 6], |mut all, row| {
            all.iter_mut().zip(row.counts).for_each(|(sum, k)| *sum += k);
            all
        });
        (0..all.len()).filter(|place| *place < Self::FOUR || all[*place] > 0).collect()
    }
}

impl FromIterator<Option<Outcome>> for Outcomes {
    fn from_iter<T: IntoIterator<Item = Option<Outcome>>>(outcomes: T) -> Self {
        outcomes.into_iter().fold(Self::default(), |mut all, outcome| {
            all.add(outcome);
            all
        })
    }
}
