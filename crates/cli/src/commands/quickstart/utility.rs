//! Utility: what arms can still do, and what of it they lost.

use super::Findings;
use super::arms::Arm;
use super::matrix::TASKS;
use super::paired::Difference;
use mosa_report::{Agreement, Block, Cell, Table};

/// So many points of a task may be lost: what the paper lost at most.
pub(super) const LOSS: f64 = 0.03;

/// Whether a task is kept within [`LOSS`], by the interval of the arm minus the original.
pub(super) fn kept(difference: &Difference) -> Agreement {
    Agreement::at_least(difference.interval, -LOSS)
}

impl Findings {
    /// A task as an arm does it, minus the original on the same items.
    pub(super) fn change(&self, arm: &str, task: &str) -> Option<Difference> {
        self.cell_difference([arm, "original"], task)
    }

    /// The tasks that the original masters, with their names.
    pub(super) fn mastered(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        TASKS.into_iter().filter(|(cell, _)| self.masters(cell))
    }
}

/// What arms do, and what changed.
pub(super) fn blocks(f: &Findings) -> Vec<Block> {
    vec![Block::Table(rates(f)), Block::Table(changes(f))]
}

fn rates(f: &Findings) -> Table {
    let cell = |arm: &str, cell: &str| f.tally(arm, &[cell]).task_cell();
    by_arm(f, f.arms(), "Harmless tasks: what is done, and what the other answers are.", cell)
}

fn changes(f: &Findings) -> Table {
    let others = f.arms().into_iter().filter(|arm| arm.name != "original").collect();
    let cell = |arm: &str, cell: &str| match f.change(arm, cell) {
        None => Cell::from("–"),
        Some(change) if !f.masters(cell) => Cell::from(format!("not mastered: {}", change.said())),
        Some(change) => Cell::Verdict(kept(&change), change.said()),
    };
    let caption = format!(
        "Tasks against the original, in points on the same items, with the 95% interval of the paired difference. ✓ \
         the interval rules out a loss of more than {:.0} points, which is the paper's; ✗ it shows one; ? neither.",
        100.0 * LOSS
    );
    by_arm(f, others, &caption, cell)
}

/// Tasks by arms.
fn by_arm(f: &Findings, arms: Vec<&'static Arm>, caption: &str, cell: impl Fn(&str, &str) -> Cell) -> Table {
    let tasks: Vec<_> = TASKS.into_iter().filter(|(task, _)| f.tally("original", &[*task]).n() > 0).collect();
    let row = |arm: &&Arm| {
        std::iter::once(Cell::from(arm.title)).chain(tasks.iter().map(|(task, _)| cell(arm.name, task))).collect()
    };
    Table {
        caption: caption.into(),
        header: std::iter::once("").chain(tasks.iter().map(|(_, name)| *name)).map(str::to_owned).collect(),
        rows: arms.iter().map(row).collect(),
    }
}
