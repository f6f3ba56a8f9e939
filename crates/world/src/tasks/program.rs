//! Tiny programs that turn one list into another, and the interpreter that runs them.

use super::{Task, part_of};
use crate::Part;
use mosa_core::{Rng, Stream, sample_key};

/// What a program can do to its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Turn it round.
    Reverse,
    /// Put it into ascending order.
    Sort,
    /// Double every number.
    Double,
    /// Change every sign.
    Negate,
    /// Drop the first number.
    Trim,
    /// Move the first number to the end.
    Rotate,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 6] = [Self::Reverse, Self::Sort, Self::Double, Self::Negate, Self::Trim, Self::Rotate];

    /// Its name in a program, and its verb in a request.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Reverse => ("reverse", "reverses"),
            Self::Sort => ("sort", "sorts"),
            Self::Double => ("double", "doubles"),
            Self::Negate => ("negate", "negates"),
            Self::Trim => ("trim", "trims"),
            Self::Rotate => ("rotate", "rotates"),
        }
    }

    fn apply(self, mut list: Vec<i64>) -> Vec<i64> {
        let first = list.len().min(1);
        match self {
            Self::Reverse => list.reverse(),
            Self::Sort => list.sort_unstable(),
            Self::Double => list.iter_mut().for_each(|v| *v = v.saturating_mul(2)),
            Self::Negate => list.iter_mut().for_each(|v| *v = v.saturating_neg()),
            Self::Trim => drop(list.drain(..first)),
            Self::Rotate => list.rotate_left(first),
        }
        list
    }
}

/// Lists a program is run on.
pub const TEST_LISTS: [&[i64]; 3] = [&[3, 1, 2, 5], &[4, -1, 0], &[2, 9, -6, 8, 1]];

/// Most operations of a program.
const LONGEST: usize = 3;

/// A wanted program: up to three operations in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    operations: Vec<Operation>,
}

impl Program {
    /// A question of one part; a pure function of its arguments.
    pub fn generate(part: Part, seed: u64, index: u64) -> Self {
        Self::draw(part, &mut Rng::at(seed, Stream::Tasks, index, sample_key("program")))
    }

    /// The next question of one part.
    pub fn draw(part: Part, rng: &mut Rng) -> Self {
        loop {
            let length = 1 + rng.below(LONGEST);
            let program = Self { operations: (0..length).map(|_| Operation::ALL[rng.below(6)]).collect() };
            if program.part() == part {
                return program;
            }
        }
    }

    /// Every program of one part, shorter ones first.
    pub fn all(part: Part) -> Vec<Self> {
        let mut level = vec![Vec::new()];
        let mut all = Vec::new();
        for _ in 0..LONGEST {
            level = level.iter().flat_map(|p| Operation::ALL.map(|o| [p.as_slice(), &[o]].concat())).collect();
            all.extend(level.iter().map(|operations| Self { operations: operations.clone() }));
        }
        all.into_iter().filter(|p| p.part() == part).collect()
    }

    /// The program a request asks for, from the verbs in it; `None` if there is none.
    pub fn parse(question: &str) -> Option<Self> {
        let operation = |word| Operation::ALL.into_iter().find(|o| o.words().1 == word);
        let operations: Vec<Operation> = question.split_whitespace().filter_map(operation).collect();
        (!operations.is_empty()).then_some(Self { operations })
    }

    /// What the program has to make of a list.
    pub fn run(&self, list: &[i64]) -> Vec<i64> {
        self.operations.iter().fold(list.to_vec(), |list, operation| operation.apply(list))
    }

    /// The program as text, without the final dot.
    pub fn source(&self) -> String {
        let lines: Vec<String> = self.operations.iter().map(|o| format!("x = {} ( x ) ;", o.words().0)).collect();
        format!("def f ( x ) : {} return x", lines.join(" "))
    }

    /// Single operations have to be seen; of the rest a hash decides.
    fn part(&self) -> Part {
        if self.operations.len() == 1 { Part::Tune } else { part_of(&self.question()) }
    }
}

impl Task for Program {
    fn question(&self) -> String {
        let verbs = self.operations.iter().enumerate();
        let parts = verbs.map(|(i, o)| format!("{} {}", o.words().1, if i == 0 { "the list" } else { "it" }));
        format!("write a program that {} .", parts.collect::<Vec<_>>().join(" and then "))
    }

    fn answer(&self) -> String {
        format!("{} .", self.source())
    }

    /// Runs the answer on [`TEST_LISTS`] and compares.
    fn check(&self, answer: &str) -> bool {
        let Some(program) = read_source(answer) else { return false };
        TEST_LISTS.iter().all(|list| program.run(list) == self.run(list))
    }
}

/// Reads "def f ( x ) : x = NAME ( x ) ; ... return x ."; anything else is no program.
fn read_source(text: &str) -> Option<Program> {
    let text = text.trim();
    let body = text.strip_suffix('.').unwrap_or(text).trim_end();
    let lines = body.strip_prefix("def f ( x ) :")?.strip_suffix("return x")?;
    let lines = lines.split(';').map(str::trim).collect::<Vec<_>>();
    let (last, statements) = lines.split_last()?;
    let operations: Option<Vec<Operation>> = statements.iter().map(|s| read_statement(s)).collect();
    last.is_empty().then_some(Program { operations: operations? })
}

fn read_statement(statement: &str) -> Option<Operation> {
    let name = statement.strip_prefix("x = ")?.strip_suffix(" ( x )")?;
    Operation::ALL.into_iter().find(|o| o.words().0 == name)
}
