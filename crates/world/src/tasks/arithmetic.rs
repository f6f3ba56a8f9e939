//! Arithmetic: two operations on small numbers, worked out step by step.

use super::{Task, final_answer, part_of};
use crate::Part;
use crate::lexicon::number;
use mosa_core::{Rng, Stream, sample_key};

/// A sum such as "what is 7 plus 5 minus 3 ?"; no intermediate result is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    first: usize,
    operations: [(Sign, usize); 2],
}

/// The largest number a question begins with, and the largest it adds or takes away. They give some thousand questions
/// about a few hundred sums: with fewer a model knows the answers to the questions it saw and no sums.
const LARGEST: [usize; 2] = [12, 9];

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
            let operations = [(); 2].map(|()| {
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
        self.results().map_or(0, |[_, last]| last)
    }

    /// Both results, if neither is negative.
    fn results(&self) -> Option<[usize; 2]> {
        let [(s, b), (t, c)] = self.operations;
        let middle = s.apply(self.first, b)?;
        Some([middle, t.apply(middle, c)?])
    }

    /// The working without the final sentence.
    pub fn working(&self) -> String {
        let [(s, b), (t, c)] = self.operations;
        let [middle, last] = self.results().unwrap_or_default();
        format!("{} {} {b} is {middle} . {middle} {} {c} is {last} .", self.first, s.word(), t.word())
    }
}

impl Task for Arithmetic {
    fn question(&self) -> String {
        let [(s, b), (t, c)] = self.operations;
        format!("what is {} {} {b} {} {c} ?", self.first, s.word(), t.word())
    }

    fn answer(&self) -> String {
        format!("{} the answer is {} .", self.working(), self.result())
    }

    fn check(&self, answer: &str) -> bool {
        final_answer(answer).and_then(number) == Some(self.result())
    }
}
