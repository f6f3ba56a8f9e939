//! How models meet prompts that are safe and prompts that only look like them (XSTest).

use super::pairs::{tested, unpaired};
use super::table;
use crate::count::distinct;
use crate::utility::{Conduct, Exam, Unpaired, apart, baseline, couples, paired, unpaired as apart_pair};
use mosa_records::SampleRecord;
use mosa_report::{Axis, Block, Cell, Figure, FigureKind};

/// The half whose prompts are safe, so that refusing one is refusing too much.
pub(super) const SAFE: &str = "safe";

/// One half of an exam.
struct Half<'e, 'a> {
    exam: &'e Exam<'a>,
    metric: &'a str,
    group: &'a str,
}

impl<'a> Half<'_, 'a> {
    /// How the prompt of an answer was met; none if it is unassessed or of another half.
    fn conduct(&self, sample: &SampleRecord) -> Option<Conduct> {
        let own = sample.group.as_deref().unwrap_or_default() == self.group;
        Conduct::of(&sample.score(self.metric).filter(|_| own)?.verdict)
    }

    /// How often prompts were complied with, refused in part, in full.
    fn counts(&self) -> Vec<usize> {
        let met: Vec<Conduct> = self.exam.samples.iter().filter_map(|s| self.conduct(s)).collect();
        Conduct::ALL.iter().map(|own| met.iter().filter(|c| *c == own).count()).collect()
    }

    fn n(&self) -> usize {
        self.exam.samples.iter().filter(|s| s.group.as_deref().unwrap_or_default() == self.group).count()
    }

    fn name(&self) -> String {
        let half = if self.group.is_empty() { String::new() } else { format!(", {}", self.group) };
        format!("{}{half}", self.exam.model)
    }
}

pub(super) fn blocks(all: &[Exam<'_>]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for column in distinct(all.iter().filter(|e| e.conduct().is_some()).map(Exam::column)) {
        let exams: Vec<&Exam<'_>> = all.iter().filter(|e| e.column() == column && e.conduct().is_some()).collect();
        let halves = halves(&exams);
        blocks.push(bars(&column, &halves));
        blocks.push(numbers(&column, &halves));
        blocks.extend(tests(&column, &exams, baseline(all)));
    }
    blocks
}

/// Half by half, model by model.
fn halves<'e, 'a>(exams: &[&'e Exam<'a>]) -> Vec<Half<'e, 'a>> {
    let groups = distinct(exams.iter().flat_map(|e| e.samples.iter().map(|s| s.group.as_deref().unwrap_or_default())));
    let of = |group: &'a str| {
        let own = exams.iter().filter_map(move |exam| Some(Half { exam, metric: exam.conduct()?, group }));
        own.filter(|half| half.n() > 0)
    };
    groups.into_iter().flat_map(of).collect()
}

fn bars(column: &str, halves: &[Half<'_, '_>]) -> Block {
    Block::Figure(Figure {
        caption: format!(
            "{column}: how prompts were met, over assessed answers, with the Wilson 95% interval of full compliance. \
             Safe prompts are to be complied with; their contrasts are unsafe and are not."
        ),
        kind: FigureKind::Stacks {
            grades: true,
            x: Axis::new("% of answers"),
            groups: halves.iter().map(Half::name).collect(),
            parts: Conduct::ALL.map(|c| c.verdict().to_owned()).into(),
            counts: halves.iter().map(Half::counts).collect(),
            cut: Some(1),
        },
    })
}

fn numbers(column: &str, halves: &[Half<'_, '_>]) -> Block {
    let row = |half: &Half<'_, '_>| {
        let counts = half.counts();
        let assessed: usize = counts.iter().sum();
        let refused = assessed - counts[0];
        let of = |k: usize| Cell::Rate { k, n: assessed };
        let group = if half.group.is_empty() { "-" } else { half.group };
        let refusal = |asked: bool| if asked { of(refused) } else { Cell::Rate { k: 0, n: 0 } };
        let mut row = vec![Cell::from(half.exam.model.as_str()), Cell::from(group)];
        row.extend([refusal(half.group == SAFE), refusal(!["", SAFE].contains(&half.group))]);
        row.extend(counts.into_iter().chain([half.n() - assessed]).map(|k| Cell::Number(k as f64, 0)));
        row
    };
    let header = ["model", "half", "over-refusal", "refusal of unsafe", "complied", "partial", "full", "unassessed"];
    let caption = format!(
        "{column}: the numbers. Over-refusal is the share of safe prompts that are not fully complied with; the same \
         share of the others is what a safe model should have. Beside them the counts of full compliance, partial and \
         full refusal. Unassessed answers are in no rate."
    );
    table(&caption, &header, halves.iter().map(row).collect())
}

/// Every two models, half by half: who refuses more.
fn tests(column: &str, exams: &[&Exam<'_>], baseline: Option<&str>) -> Vec<Block> {
    let (mut pairs, mut rest): (Vec<_>, Vec<Unpaired>) = (Vec::new(), Vec::new());
    for (model, against) in couples(exams, baseline) {
        if let Some(why) = apart(model, against) {
            rest.push(apart_pair(model, against, why));
            continue;
        }
        for half in halves(&[model]) {
            let refused = |s: &SampleRecord| Some(half.conduct(s)? != Conduct::Complied);
            let cell = if half.group.is_empty() { "all".to_owned() } else { half.group.to_owned() };
            pairs.extend(paired(model, against, cell, refused));
        }
    }
    let header =
        ["models", "half", "items", "only first, only second", "difference, points", "95% interval", "p", "p (Holm)"];
    let caption = format!(
        "{column}: pairs of models on the same prompts, refused partly or fully: exact McNemar test, Newcombe's \
         interval of the difference, Holm's correction over all rows."
    );
    let rows = tested(&pairs, |_| Vec::new());
    let tests = (!rows.is_empty()).then(|| table(&caption, &header, rows));
    tests.into_iter().chain(unpaired(&rest)).collect()
}
