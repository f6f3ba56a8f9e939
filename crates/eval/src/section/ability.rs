//! What models can do: one row per model, one column per task (MOSA, Table 3).

use super::pairs::{tests, unpaired};
use super::{first_shown, shown, table};
use crate::count::distinct;
use crate::utility::{Exam, compared};
use mosa_report::{Axis, Bar, BarSeries, Block, Cell, CellStats, Figure, FigureKind};

/// What MOSA's Table 3 has of LLaDA-8B-Instruct: the task, then the original model, its initial alignment, and MOSA.
const PUBLISHED: [(&str, [f64; 3]); 3] =
    [("gsm8k", [69.8, 67.4, 68.3]), ("mmlu", [66.4, 68.2, 65.9]), ("humaneval", [32.8, 29.6, 30.4])];

pub(super) fn blocks(all: &[Exam<'_>]) -> Vec<Block> {
    let exams: Vec<&Exam<'_>> = all.iter().filter(|e| e.conduct().is_none()).collect();
    if exams.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![scores(&exams)];
    blocks.extend(published(&exams));
    blocks.push(bars(&exams));
    blocks.push(numbers(&exams));
    blocks.extend(passes(&exams));
    blocks.extend(reasons(&exams));
    let (pairs, rest) = compared(all);
    blocks.extend(tests(&pairs));
    blocks.extend(unpaired(&rest));
    blocks.extend(columns(&exams).iter().filter_map(|column| groups(&exams, column)));
    blocks
}

/// What a reader must know of each exam before trusting its rate.
pub(super) fn stats(exams: &[Exam<'_>]) -> Vec<CellStats> {
    let of = |exam: &Exam<'_>| {
        let score = exam.score(exam.conduct().unwrap_or(exam.metric()));
        CellStats {
            name: format!("{}, {}", exam.model, exam.column()),
            n: score.n(),
            unassessed: score.unassessed,
            ..CellStats::default()
        }
    };
    exams.iter().map(of).collect()
}

fn columns(exams: &[&Exam<'_>]) -> Vec<String> {
    distinct(exams.iter().map(|e| e.column()))
}

fn models<'e>(exams: &[&'e Exam<'_>]) -> Vec<&'e str> {
    distinct(exams.iter().map(|e| e.model.as_str()))
}

fn find<'e, 'a>(exams: &[&'e Exam<'a>], model: &str, column: &str) -> Option<&'e Exam<'a>> {
    exams.iter().find(|e| e.model == model && e.column() == column).copied()
}

/// What stands where nothing was measured.
fn none() -> Cell {
    Cell::Share { value: f64::NAN, interval: None, n: 0 }
}

/// The view of Table 3.
fn scores(exams: &[&Exam<'_>]) -> Block {
    let columns = columns(exams);
    let row = |model: &str| {
        let cell = |column: &String| find(exams, model, column).map_or_else(none, |e| e.score(e.metric()).headline());
        std::iter::once(Cell::from(model)).chain(columns.iter().map(cell)).collect()
    };
    let header: Vec<&str> = std::iter::once("model").chain(columns.iter().map(String::as_str)).collect();
    table(
        "Right answers by the metric that counts in each task, over assessed items: Wilson 95% intervals, by drawing \
         items again where they have several answers. No rate where more than 5% of the answers are unassessed. \
         Compare within a column only: protocols ask and score differently.",
        &header,
        models(exams).into_iter().map(row).collect(),
    )
}

/// The paper's own numbers, where one of its tasks is on the page.
fn published(exams: &[&Exam<'_>]) -> Option<Block> {
    let here = |name: &&(&str, [f64; 3])| exams.iter().any(|e| e.task.eq_ignore_ascii_case(name.0));
    let tasks: Vec<&(&str, [f64; 3])> = PUBLISHED.iter().filter(here).collect();
    let row = |(i, model): (usize, &&str)| {
        let cells = tasks.iter().map(|(_, values)| Cell::Number(values[i], 1));
        std::iter::once(Cell::from(*model)).chain(cells).collect()
    };
    let rows = ["original", "initial", "MOSA"].iter().enumerate().map(row).collect();
    let header: Vec<&str> = std::iter::once("model").chain(tasks.iter().map(|(name, _)| *name)).collect();
    (!tasks.is_empty()).then(|| {
        table(
            "For comparison, what the paper reports (MOSA, Table 3): LLaDA-8B-Instruct, percent, without intervals and \
             without its protocols. Other checkpoints, shots or extraction give other numbers.",
            &header,
            rows,
        )
    })
}

fn bars(exams: &[&Exam<'_>]) -> Block {
    let columns = columns(exams);
    let bar = |exam: &Exam<'_>| {
        let score = exam.score(exam.metric());
        let (low, high) = score.interval().unwrap_or((f64::NAN, f64::NAN));
        let value = score.value().filter(|_| score.is_headline()).unwrap_or(f64::NAN);
        Bar { value: 100.0 * value, low: Some(100.0 * low), high: Some(100.0 * high) }
    };
    let series = |model: &str| BarSeries {
        name: model.into(),
        bars: columns.iter().map(|c| find(exams, model, c).map_or(Bar::new(f64::NAN), bar)).collect(),
    };
    let series = shown(models(exams).into_iter().map(series).collect());
    let y = Axis::covering("right answers, %", 0.0, 100.0);
    Block::Figure(Figure {
        caption: format!(
            "The same as bars, with their 95% intervals; a dash is a task that was not run or has no headline.{}",
            first_shown(models(exams).len(), "models")
        ),
        kind: FigureKind::Bars { y, groups: columns.clone(), series },
    })
}

/// Everything about each metric.
fn numbers(exams: &[&Exam<'_>]) -> Block {
    let mut rows = Vec::new();
    for exam in exams {
        for metric in &exam.metrics {
            let score = exam.score(metric);
            rows.push(vec![
                Cell::from(exam.model.as_str()),
                Cell::from(exam.column()),
                Cell::from(*metric),
                score.cell(),
                Cell::Number(score.n() as f64, 0),
                Cell::Number(score.unassessed as f64, 0),
                Cell::Number(score.unfound as f64, 0),
                Cell::Number(score.cut as f64, 0),
                Cell::Number(exam.forwards(), 1),
            ]);
        }
    }
    let header = ["model", "task", "metric", "right", "answers", "unassessed", "nothing found", "cut off", "forwards"];
    table(
        "What models can do: the numbers, for each metric of each task. Unassessed answers are in no rate. Nothing \
         found: answers in which the metric found nothing to score, which it counts as wrong. Cut off: answers that \
         reached their greatest length. Forwards: model calls an answer.",
        &header,
        rows,
    )
}

/// pass@k, where items have several answers.
fn passes(exams: &[&Exam<'_>]) -> Option<Block> {
    let mut rows = Vec::new();
    for exam in exams {
        let score = exam.score(exam.metric());
        for pass in score.passes() {
            rows.push(vec![
                Cell::from(exam.model.as_str()),
                Cell::from(exam.column()),
                Cell::Number(pass.k as f64, 0),
                Cell::Share { value: pass.value, interval: pass.interval, n: pass.items },
            ]);
        }
    }
    let caption = "pass@k: the chance that one of k answers to an item is right, estimated without bias from all its \
                   answers; 95% intervals by drawing items again. Over items with at least k assessed answers.";
    (!rows.is_empty()).then(|| table(caption, &["model", "task", "k", "pass@k"], rows))
}

/// Why answers are unassessed, where any are.
fn reasons(exams: &[&Exam<'_>]) -> Option<Block> {
    let mut rows = Vec::new();
    for exam in exams {
        let all = exam.reasons(exam.metric());
        for reason in distinct(all.iter().copied()) {
            let n = all.iter().filter(|other| **other == reason).count();
            let named = [Cell::from(exam.model.as_str()), Cell::from(exam.column())];
            rows.push(named.into_iter().chain([Cell::Number(n as f64, 0), Cell::from(reason)]).collect());
        }
    }
    let caption = "Answers that are unassessed, and why. They are in no rate.";
    (!rows.is_empty()).then(|| table(caption, &["model", "task", "answers", "reason"], rows))
}

/// The groups of a task, such as subjects, and their mean; none where it has no groups.
fn groups(exams: &[&Exam<'_>], column: &str) -> Option<Block> {
    let own: Vec<&Exam<'_>> = exams.iter().filter(|e| e.column() == column).copied().collect();
    let names = distinct(own.iter().flat_map(|e| e.groups()));
    if names.is_empty() {
        return None;
    }
    let row = |name: &&str| {
        let cells = own.iter().map(|e| e.group(name, e.metric()).cell());
        std::iter::once(Cell::from(*name)).chain(cells).collect()
    };
    let mut rows: Vec<Vec<Cell>> = names.iter().map(row).collect();
    let mean = |exam: &&Exam<'_>| {
        let rates: Vec<f64> = names.iter().filter_map(|name| exam.group(name, exam.metric()).value()).collect();
        let value = rates.iter().sum::<f64>() / rates.len() as f64;
        Cell::Share { value, interval: None, n: rates.len() }
    };
    rows.push(std::iter::once(Cell::from("mean of the groups")).chain(own.iter().map(mean)).collect());
    let header: Vec<&str> = std::iter::once("group").chain(own.iter().map(|e| e.model.as_str())).collect();
    let caption = format!("{column} by group: right answers over assessed items, Wilson 95% intervals.");
    Some(table(&caption, &header, rows))
}
