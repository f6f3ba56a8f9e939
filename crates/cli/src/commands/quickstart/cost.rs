//! Cost: what an arm takes to train and to answer.

use super::arms::Arm;
use super::{Attacked, Findings};
use mosa_report::{Block, Cell, Table};

/// What answers of an arm under attack took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spent {
    answers: usize,
    forwards: usize,
    cases: usize,
    seconds: f64,
}

impl Spent {
    fn of<'a>(attacks: impl Iterator<Item = &'a Attacked>) -> Self {
        attacks.fold(Self::default(), |sum, Attacked { run, .. }| Self {
            answers: sum.answers + run.answers.len(),
            forwards: sum.forwards + run.answers.iter().map(|a| a.forwards).sum::<usize>(),
            cases: sum.cases + run.seconds.len(),
            seconds: sum.seconds + run.seconds.iter().map(|s| s.seconds).sum::<f64>(),
        })
    }

    fn forwards_per_answer(&self) -> f64 {
        self.forwards as f64 / self.answers as f64
    }
}

pub(super) fn table(f: &Findings) -> Block {
    let row = |arm: &&Arm| {
        let spent = Spent::of(f.attacks.iter().filter(|a| a.arm.name == arm.name));
        let models: Vec<_> = f.of_arm(arm.name).filter(|m| !m.training.is_empty()).collect();
        let mean = |sum: f64| sum / models.len() as f64;
        let steps = mean(models.iter().map(|m| m.training.len() as f64).sum());
        let seconds = mean(models.iter().flat_map(|m| &m.training).map(|step| step.seconds).sum());
        vec![
            Cell::from(arm.title),
            Cell::Number(models.len() as f64, 0),
            Cell::Number(steps, 0),
            Cell::Number(seconds, 0),
            Cell::Number(spent.answers as f64, 0),
            Cell::Number(spent.forwards_per_answer(), 1),
            Cell::Number(1000.0 * spent.seconds / spent.answers as f64, 1),
            Cell::Number(spent.seconds / spent.cases as f64, 2),
        ]
    };
    let header = [
        "",
        "models trained",
        "steps each",
        "training, s each",
        "answers under attack",
        "forward passes per answer",
        "ms per answer",
        "s per attacked request",
    ];
    Block::Table(Table {
        caption: format!(
            "What arms cost on the machine of this run ({}), which does as many jobs at once as it has processors, each \
             on one thread. Answers are all that attacks asked for; an attack that does not get what it wants asks more \
             often, so that a safer model costs more per request.",
            f.computed_on()
        ),
        header: header.map(str::to_owned).to_vec(),
        rows: f.arms().iter().map(row).collect(),
    })
}
