//! Arithmetic: three operations on small numbers, worked out step by step.

use super::{Task, final_answer, part_of};
use crate::Part;
use crate::lexicon::number;
use mosa_core::{Rng, Stream, sample_key};

/// A sum such as "what is 7 plus 5 minus 3 plus 1 ?"; no intermediate result is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    first: usize,
    operations: [(Sign, usize); OPERATIONS],
}

/// Operations of a question. With two of them there are a few hundred questions about about as many sums, and a model learns
/// the answers to the questions it saw and no sums; with three there are more than ten thousand.
const OPERATIONS: usize = 3;

/// The largest number a question begins with, and the largest it adds or takes away.
const LARGEST: [usize; 2] = [9, 5];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn word(self) -> &'static str {
        match self {
            Self::Plus => "plus",
            Self::Minus => "minus",
        }
    }

    fn apply(self, a: usize, b: usize) -> Option<usize> {
        match self {
            Self::Plus => Some(a + b),
            Self::Minus => a.checked_sub(b),
        }
    }
}

impl Arithmetic {
    /// A question of one part; a pure function of its arguments.
    pub fn generate(part: Part, seed: u64, index: u64) -> Self {
        Self::draw(part, &mut Rng::at(seed, Stream::Tasks, index, sample_key("arithmetic")))
    }

    /// The next question of one part.
    pub fn draw(part: Part, rng: &mut Rng) -> Self {
        loop {
            let first = 1 + rng.below(LARGEST[0]);
            let operations = [(); OPERATIONS].map(|()| {
                let sign = [Sign::Plus, Sign::Minus][rng.below(2)];
                (sign, 1 + rng.below(LARGEST[1]))
            });
            let task = Self { first, operations };
            if task.results().is_some() && part_of(&task.question()) == part {
                return task;
            }
        }
    }

    /// The right number.
    pub fn result(&self) -> usize {
        self.results().map_or(0, |[.., last]| last)
    }

    /// The results of all operations, if none is negative.
    fn results(&self) -> Option<[usize; OPERATIONS]> {
        let mut results = [0; OPERATIONS];
        let mut last = self.first;
        for (result, (sign, number)) in results.iter_mut().zip(self.operations) {
            last = sign.apply(last, number)?;
            *result = last;
        }
        Some(results)
    }

    /// The working without the final sentence.
    pub fn working(&self) -> String {
        let mut last = self.first;
        let mut sentence = |((sign, number), result): ((Sign, usize), usize)| {
            let before = std::mem::replace(&mut last, result);
            format!("{before} {} {number} is {result} .", sign.word())
        };
        let sums = self.operations.into_iter().zip(self.results().unwrap_or_default());
        sums.map(&mut sentence).collect::<Vec<_>>().join(" ")
    }
}

impl Task for Arithmetic {
    fn question(&self) -> String {
        let operations = self.operations.map(|(sign, number)| format!("{} {number}", sign.word()));
        format!("what is {} {} ?", self.first, operations.join(" "))
    }

    fn answer(&self) -> String {
        format!("{} the answer is {} .", self.working(), self.result())
    }

    fn check(&self, answer: &str) -> bool {
        final_answer(answer).and_then(number) == Some(self.result())
    }
}
