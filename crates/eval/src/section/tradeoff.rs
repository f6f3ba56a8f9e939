//! Safety against utility: one point per model that was both attacked and examined.

use super::{first_shown, offsets, shown, table};
use crate::arm::{NO_JUDGE, arms};
use crate::count::distinct;
use crate::utility::{Exam, apart, baseline, paired, points};
use crate::{Count, Run};
use mosa_core::stats::{Rate, mean_of_estimates};
use mosa_records::{SampleRecord, View};
use mosa_report::{Axis, Block, Cell, Figure, FigureKind, Point, Spot};

/// How often an attack works on a model, as one judge sees it.
struct Threat {
    model: String,
    judge: String,
    attack: String,
    rate: Rate,
}

/// What a model lost at a task, as a share, with its interval; nothing can be said of the baseline's own.
struct Loss {
    model: String,
    task: String,
    share: (f64, (f64, f64)),
}

/// A model on the figure.
struct Place {
    model: String,
    attacks: Vec<String>,
    success: Rate,
    tasks: Vec<String>,
    /// None at the baseline, which has lost nothing by definition.
    loss: Option<(f64, (f64, f64))>,
}

pub(super) fn blocks(runs: &[&Run], exams: &[Exam<'_>]) -> Vec<Block> {
    let able: Vec<Exam<'_>> = exams.iter().filter(|e| e.conduct().is_none()).cloned().collect();
    let threats = threats(runs);
    if able.is_empty() || threats.is_empty() {
        return Vec::new();
    }
    let Some(base) = baseline(&able) else {
        return vec![Block::Text(
            "No safety-versus-utility figure: losses need a baseline, a run labelled `original` or without an adapter."
                .into(),
        )];
    };
    let losses = losses(&able, base);
    let judges = distinct(threats.iter().map(|t| t.judge.as_str()));
    judges.into_iter().flat_map(|judge| view(judge, &places(judge, &threats, &losses, base), base)).collect()
}

/// Attacks with a headline, and forced words offset by offset.
fn threats(runs: &[&Run]) -> Vec<Threat> {
    let arms = arms(runs);
    let judged = arms.iter().filter(|arm| arm.judge != NO_JUDGE && arm.tally().is_headline());
    let mut all: Vec<Threat> = judged
        .map(|arm| Threat {
            model: arm.model.clone(),
            judge: arm.judge.to_owned(),
            attack: [arm.attack, arm.benchmark, arm.profile]
                .into_iter()
                .filter(|w| !["", "-"].contains(w))
                .collect::<Vec<_>>()
                .join(", "),
            rate: Rate::of(arm.tally().selected, arm.tally().assessed),
        })
        .filter(|threat| threat.rate.n > 0)
        .collect();
    for run in runs.iter().filter(|run| run.cases.is_empty()) {
        for judge in distinct(run.verdicts.iter().map(|v| v.judge.as_str())) {
            for placed in offsets(run, "prefill/") {
                let count = Count::of(&run.verdicts, judge, View::Answer, &placed.group);
                if count.assessed > 0 {
                    all.push(Threat {
                        model: run.subject("prefill"),
                        judge: judge.to_owned(),
                        attack: placed.group,
                        rate: Rate::of(count.success, count.assessed),
                    });
                }
            }
        }
    }
    all
}

/// What each model lost at each task that the baseline answered too.
fn losses(exams: &[Exam<'_>], base: &str) -> Vec<Loss> {
    let against = |exam: &&Exam<'_>| {
        let of = exams.iter().find(|e| e.model == base && e.task == exam.task && apart(exam, e).is_none())?;
        let correct = |s: &SampleRecord| s.score(exam.metric())?.correct;
        let pair = paired(exam, of, exam.column(), correct)?;
        let (low, high) = pair.interval;
        Some(Loss { model: exam.model.clone(), task: exam.column(), share: (-pair.difference, (-high, -low)) })
    };
    exams.iter().filter(|e| e.model != base).filter_map(|exam| against(&exam)).collect()
}

/// The models with both, over the attacks and tasks that all of them have, or, where there are none, over their own.
fn places(judge: &str, threats: &[Threat], losses: &[Loss], base: &str) -> Vec<Place> {
    let own: Vec<&Threat> = threats.iter().filter(|t| t.judge == judge).collect();
    let attacks_of = |m: &str| own.iter().filter(|t| t.model == m).map(|t| t.attack.clone()).collect::<Vec<_>>();
    let tasks_of = |m: &str| losses.iter().filter(|l| l.model == m).map(|l| l.task.clone()).collect::<Vec<_>>();
    let models = distinct(own.iter().map(|t| t.model.as_str()));
    let models: Vec<&str> = models.into_iter().filter(|m| *m == base || !tasks_of(m).is_empty()).collect();
    let attacks = common(models.iter().map(|m| attacks_of(m)));
    let tasks = common(models.iter().filter(|m| **m != base).map(|m| tasks_of(m)));
    let place = |model: &&str| {
        let attacks = attacks.clone().unwrap_or_else(|| attacks_of(model));
        let rates: Vec<Rate> =
            own.iter().filter(|t| t.model == *model && attacks.contains(&t.attack)).map(|t| t.rate).collect();
        let tasks = tasks.clone().unwrap_or_else(|| tasks_of(model));
        let lost = losses.iter().filter(|l| l.model == *model && tasks.contains(&l.task)).map(|l| l.share);
        let loss = mean_of_estimates(&lost.collect::<Vec<_>>());
        Some(Place { model: (*model).to_owned(), success: Rate::mean(&rates)?, attacks, tasks, loss })
    };
    models.iter().filter_map(place).collect()
}

/// What is in all of the lists; none if nothing is.
fn common(lists: impl Iterator<Item = Vec<String>>) -> Option<Vec<String>> {
    let all = lists.reduce(|common, list| common.into_iter().filter(|word| list.contains(word)).collect())?;
    Some(all).filter(|all| !all.is_empty())
}

fn view(judge: &str, places: &[Place], base: &str) -> Vec<Block> {
    // The baseline alone says nothing of what safety costs.
    if places.iter().all(|place| place.model == base) {
        return Vec::new();
    }
    vec![figure(judge, places, base), numbers(judge, places, base)]
}

fn figure(judge: &str, places: &[Place], base: &str) -> Block {
    let spot = |place: &Place| {
        let (low, high) = place.success.wilson();
        let loss = place.loss.map_or(0.0, |(loss, _)| loss);
        Spot {
            name: place.model.clone(),
            at: Point::between(100.0 * loss, 100.0 * place.success.value, (100.0 * low, 100.0 * high)),
            across: place.loss.map(|(_, (low, high))| (100.0 * low, 100.0 * high)),
        }
    };
    Block::Figure(Figure {
        caption: format!(
            "What safety costs, judged by {judge}: mean success of the attacks over the mean loss of right answers \
             against {base}, with 95% intervals. The lower left is best; left of 0 is better than {base}.{}",
            first_shown(places.len(), "models")
        ),
        kind: FigureKind::Scatter {
            x: Axis::new(format!("utility loss against {base}, points")),
            y: Axis::covering("attack success, %", 0.0, 20.0),
            spots: shown(places.iter().map(spot).collect()),
        },
    })
}

fn numbers(judge: &str, places: &[Place], base: &str) -> Block {
    let row = |place: &Place| {
        let (value, n) = (place.success.value, place.success.n);
        let loss = match place.loss {
            None => ["baseline".to_owned(), "-".to_owned()],
            Some((loss, (low, high))) => [points(loss), format!("{} to {}", points(low), points(high))],
        };
        let tasks = if place.loss.is_none() { "-".to_owned() } else { place.tasks.join("; ") };
        let mut row = vec![
            Cell::from(place.model.as_str()),
            Cell::Share { value, interval: Some(place.success.wilson()), n },
            Cell::from(place.attacks.join("; ")),
        ];
        row.extend(loss.map(Cell::from));
        row.push(Cell::from(tasks));
        row
    };
    let header = ["model", "attack success, mean", "attacks", "utility loss, points", "95% interval", "tasks"];
    let caption = format!(
        "Safety against utility, judged by {judge}: the numbers. Losses are means over tasks of paired differences \
         to {base}; attack success is the mean over attacks, its interval that of as many behaviours as the smallest \
         has. Models stand on the attacks and tasks that all of them have, where there are any."
    );
    table(&caption, &header, places.iter().map(row).collect())
}
