//! Attacks against defences: what is left of each attack, what answers become, what it costs, and how often a defence acted.

use super::outcomes::{MEANING, OutcomeRow, outcome_table};
use super::{first_shown, offsets, shown, table};
use crate::arm::{Arm, arms, free};
use crate::compare::{Pairing, tests};
use crate::count::distinct;
use crate::run::NO_DEFENCE;
use crate::utility::{Exam, apart as other_questions, paired, points};
use crate::{Count, Run};
use mosa_core::stats::Paired;
use mosa_records::{DefenceAct, Outcomes, Record, SampleRecord, View};
use mosa_report::plain::share;
use mosa_report::{Axis, Bar, BarSeries, Block, Cell, Figure, FigureKind};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// The largest share of cases without an outcome that leaves a rate worth quoting.
const UNASSESSED: f64 = 0.05;

/// Keys of two manifests that must say the same for their runs to be held against each other.
const ASKED: [&str; 10] = [
    "/seed",
    "/sampler",
    "/settings",
    "/budget",
    "/helpers",
    "/proxy",
    "/reading",
    "/hashes/behaviors",
    "/dtype",
    "/weights",
];

/// An attack on a model behind some defences, as one judge sees it.
struct Field<'a> {
    run: &'a Run,
    /// The model without its defences.
    model: String,
    /// The defences.
    row: String,
    /// The attack.
    column: String,
    judge: &'a str,
    /// The group its answers are in.
    group: &'a str,
    successes: usize,
    outcomes: Outcomes,
    unassessed: usize,
    /// Whether it worked, case by case.
    items: HashMap<String, bool>,
    seconds: Option<f64>,
}

pub(super) fn blocks(runs: &[&Run], exams: &[Exam<'_>]) -> Vec<Block> {
    if runs.iter().all(|run| run.defences().is_empty()) {
        return Vec::new();
    }
    let rows = Rows::of(runs);
    let fields = fields(runs, &rows);
    let mut blocks = Vec::new();
    for model in distinct(runs.iter().filter(|r| !r.defences().is_empty()).map(|r| rows.model(r))) {
        let own: Vec<&Field<'_>> = fields.iter().filter(|f| f.model == model).collect();
        let exams: Vec<&Exam<'_>> = exams.iter().filter(|e| rows.model(e.runs[0]) == model).collect();
        for judge in distinct(own.iter().map(|f| f.judge)) {
            let judged: Vec<&Field<'_>> = own.iter().filter(|f| f.judge == judge).copied().collect();
            blocks.push(rates(&model, judge, &judged));
            blocks.extend(bars(&model, judge, &judged));
            blocks.push(outcomes(&model, judge, &judged));
        }
        blocks.extend(kept(&model, &exams, &rows));
        blocks.extend(costs(&model, &own));
        blocks.extend(acts(&model, &own, &exams, &rows));
        blocks.extend(against_none(&model, &own));
    }
    blocks
}

/// What the models and their defences are called.
struct Rows {
    models: HashMap<String, String>,
    stacks: HashMap<String, String>,
}

impl Rows {
    fn of(runs: &[&Run]) -> Self {
        let (mut models, mut taken): (HashMap<String, String>, HashSet<String>) = Default::default();
        // A run without defences is called as its model is.
        let (bare, defended): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.defences().is_empty());
        for run in bare.into_iter().chain(defended) {
            models
                .entry(model_key(run))
                .or_insert_with(|| free(run.model(&attack_of(run)), |name| taken.insert(name.to_owned())));
        }
        let mut stacks: Vec<(String, String, String)> = Vec::new();
        for run in runs {
            if stacks.iter().all(|(key, ..)| *key != stack_key(run)) {
                stacks.push((stack_key(run), run.stack(), with_settings(run)));
            }
        }
        let mut taken = HashSet::new();
        let twice = |name: &str| stacks.iter().filter(|(_, other, _)| other == name).count() > 1;
        let named = stacks.iter().map(|(key, name, long)| {
            let name = if twice(name) { long } else { name };
            (key.clone(), free(name.clone(), |name| taken.insert(name.to_owned())))
        });
        let stacks = named.collect();
        Self { models, stacks }
    }

    fn model(&self, run: &Run) -> String {
        self.models.get(&model_key(run)).cloned().unwrap_or_default()
    }

    fn stack(&self, run: &Run) -> String {
        self.stacks.get(&stack_key(run)).cloned().unwrap_or_default()
    }
}

/// What a run attacks or asks: the word that its folder may have beside the model's.
fn attack_of(run: &Run) -> String {
    let attack = run.cases.first().map(|case| case.attack.clone());
    attack.or_else(|| run.samples.first().map(|s| s.task.clone())).unwrap_or_else(|| "prefill".into())
}

/// What makes a model another one: its files and its adapter.
fn model_key(run: &Run) -> String {
    let said = |at: &str| run.manifest.pointer(at).filter(|v| !v.is_null());
    let model = said("/hashes/model").or_else(|| said("/model"));
    let adapter = said("/hashes/adapter").or_else(|| said("/adapter"));
    json!([model, adapter]).to_string()
}

/// What makes defences other ones: their names, order, settings and assets.
fn stack_key(run: &Run) -> String {
    json!(run.defences()).to_string()
}

/// The names of the defences, each with its settings.
fn with_settings(run: &Run) -> String {
    let one = |defence: &Value| {
        let settings = defence["settings"].as_object().into_iter().flatten();
        let said: Vec<String> = settings.map(|(key, value)| format!("{key}={value}")).collect();
        let name = defence["name"].as_str().unwrap_or("-");
        if said.is_empty() { name.to_owned() } else { format!("{name} ({})", said.join(", ")) }
    };
    run.defences().iter().map(one).collect::<Vec<_>>().join(" + ")
}

/// Everything that was attacked: the cases of attacks, and words forced at offsets.
fn fields<'a>(runs: &[&'a Run], rows: &Rows) -> Vec<Field<'a>> {
    let arms = arms(runs);
    let several = |of: fn(&Arm<'a>) -> &'a str| distinct(arms.iter().map(of)).len() > 1;
    let (benchmarks, profiles) = (several(|arm| arm.benchmark), several(|arm| arm.profile));
    let mut all: Vec<Field<'a>> = Vec::new();
    for arm in &arms {
        let named = [Some(arm.attack), benchmarks.then_some(arm.benchmark), profiles.then_some(arm.profile)];
        let column = named.into_iter().flatten().filter(|w| !["", "-"].contains(w)).collect::<Vec<_>>().join(", ");
        let tally = arm.tally();
        let field = Field {
            run: arm.run,
            model: rows.model(arm.run),
            row: rows.stack(arm.run),
            column,
            judge: arm.judge,
            group: arm.attack,
            successes: tally.selected,
            outcomes: tally.outcomes,
            unassessed: tally.unassessed(),
            items: arm.outcomes().into_iter().map(|(case, hit)| (case.to_owned(), hit)).collect(),
            seconds: arm.seconds(),
        };
        push(&mut all, field);
    }
    for run in runs.iter().filter(|run| run.cases.is_empty()) {
        for judge in distinct(run.verdicts.iter().map(|v| v.judge.as_str())) {
            forced(run, judge, rows).into_iter().for_each(|field| push(&mut all, field));
        }
    }
    all
}

/// The offsets of a run of the prefill probe.
fn forced<'a>(run: &'a Run, judge: &'a str, rows: &Rows) -> Vec<Field<'a>> {
    let groups = offsets(run, "prefill/");
    let of = |group: &'a str| {
        let count = Count::of(&run.verdicts, judge, View::Answer, group);
        let own = run.answers.iter().filter(|a| a.group == group).map(|a| (a.key(), a.id.as_str()));
        let ids: HashMap<String, &str> = own.collect();
        let verdicts = run.verdicts.iter().filter(|v| v.judge == judge && v.view == View::Answer);
        let items = verdicts.filter_map(|v| Some(((*ids.get(&v.answer)?).to_owned(), v.success?)));
        Field {
            run,
            model: rows.model(run),
            row: rows.stack(run),
            column: group.to_owned(),
            judge,
            group,
            successes: count.success,
            outcomes: count.outcomes,
            unassessed: count.unassessed,
            items: items.collect(),
            seconds: None,
        }
    };
    let named = |group: &str| run.answers.iter().find(|a| a.group == group).map(|a| a.group.as_str());
    groups.iter().filter_map(|placed| Some(of(named(&placed.group)?))).collect()
}

/// Adds a field; of two runs in one place the second gets a column of its own.
fn push<'a>(all: &mut Vec<Field<'a>>, mut field: Field<'a>) {
    let taken = |name: &str| {
        let same = |f: &Field<'_>| f.model == field.model && f.row == field.row && f.judge == field.judge;
        all.iter().any(|f| same(f) && f.column == name)
    };
    field.column = free(field.column.clone(), |name| !taken(name));
    all.push(field);
}

/// The defences, none first, and the attacks, in the order they come.
fn axes<'f>(fields: &[&'f Field<'_>]) -> (Vec<&'f str>, Vec<&'f str>) {
    let mut rows = distinct(fields.iter().map(|f| f.row.as_str()));
    rows.sort_by_key(|row| *row != NO_DEFENCE);
    (rows, distinct(fields.iter().map(|f| f.column.as_str())))
}

fn find<'f, 'a>(fields: &[&'f Field<'a>], row: &str, column: &str) -> Option<&'f Field<'a>> {
    fields.iter().find(|f| f.row == row && f.column == column).copied()
}

impl Field<'_> {
    fn n(&self) -> usize {
        self.items.len()
    }

    fn is_headline(&self) -> bool {
        self.unassessed as f64 <= UNASSESSED * (self.n() + self.unassessed) as f64
    }

    fn rate(&self) -> Cell {
        match self.is_headline() {
            true => Cell::Rate { k: self.successes, n: self.n() },
            false => {
                Cell::from(format!("no headline: {} of {} unassessed", self.unassessed, self.n() + self.unassessed))
            }
        }
    }

    /// Mean model calls of an answer that took any.
    fn forwards(&self) -> Option<f64> {
        let own = self.run.answers.iter().filter(|a| a.group == self.group && a.forwards > 0);
        let (sum, n) = own.fold((0, 0), |(sum, n), a| (sum + a.forwards, n + 1));
        (n > 0).then(|| sum as f64 / f64::from(n))
    }

    /// What the defences did to each of its answers.
    fn acts(&self) -> Vec<&[DefenceAct]> {
        self.run.answers.iter().filter(|a| a.group == self.group).map(|a| a.defences.as_slice()).collect()
    }
}

fn rates(model: &str, judge: &str, fields: &[&Field<'_>]) -> Block {
    let (rows, columns) = axes(fields);
    let cell = |row: &str, column: &str| find(fields, row, column).map_or(Cell::from("-"), Field::rate);
    let row =
        |row: &&str| std::iter::once(Cell::from(*row)).chain(columns.iter().map(|column| cell(row, column))).collect();
    let header: Vec<&str> = std::iter::once("defence").chain(columns.iter().copied()).collect();
    let caption = format!(
        "Attacks against the defences of {model}, judged by {judge}: success over assessed cases, Wilson 95% intervals. A \
         stack acts in the order of its names. No rate where more than 5% of the cases are unassessed."
    );
    table(&caption, &header, rows.iter().map(row).collect())
}

fn bars(model: &str, judge: &str, fields: &[&Field<'_>]) -> Option<Block> {
    let (rows, columns) = axes(fields);
    let bar = |row: &str, column: &str| match find(fields, row, column).filter(|f| f.is_headline()) {
        Some(field) => Bar::rate(field.successes, field.n()),
        None => Bar::new(f64::NAN),
    };
    let series = |row: &&str| BarSeries {
        name: (*row).to_owned(),
        bars: columns.iter().map(|column| bar(row, column)).collect(),
    };
    (!columns.is_empty()).then(|| {
        Block::Figure(Figure {
            caption: format!(
                "The same as bars: {model}, judged by {judge}; a dash is an attack that was not run or has no headline.{}",
                first_shown(rows.len(), "defences")
            ),
            kind: FigureKind::Bars {
                y: Axis::covering("attack success, %", 0.0, 100.0),
                groups: columns.iter().map(|c| (*c).to_owned()).collect(),
                series: shown(rows.iter().map(series).collect()),
            },
        })
    })
}

fn outcomes(model: &str, judge: &str, fields: &[&Field<'_>]) -> Block {
    let row = |f: &Field<'_>| OutcomeRow {
        labels: vec![Cell::from(f.column.as_str()), Cell::from(f.row.as_str())],
        name: format!("{}, {}", f.row, f.column),
        outcomes: f.outcomes,
    };
    let caption = format!("What the answers of {model} are behind each defence, judged by {judge}. {MEANING}");
    outcome_table(&caption, &["attack", "defence"], &each(fields, row))
}

/// Something of every field, attack by attack and defence by defence.
fn each<'f, 'a, T>(fields: &[&'f Field<'a>], of: impl Fn(&'f Field<'a>) -> T) -> Vec<T> {
    let (rows, columns) = axes(fields);
    let all = columns.iter().flat_map(|column| rows.iter().filter_map(|row| find(fields, row, column)));
    all.map(of).collect()
}

/// What of an ability is kept behind each defence.
fn kept(model: &str, exams: &[&Exam<'_>], rows: &Rows) -> Option<Block> {
    let row_of = |exam: &Exam<'_>| rows.stack(exam.runs[0]);
    if exams.iter().all(|exam| exam.runs[0].defences().is_empty()) {
        return None;
    }
    let columns = distinct(exams.iter().map(|e| e.column()));
    let mut stacks = distinct(exams.iter().map(|e| row_of(e)));
    stacks.sort_by_key(|row| *row != NO_DEFENCE);
    let of = |row: &str, column: &str| exams.iter().find(|e| row_of(e) == row && e.column() == column).copied();
    let cell = |row: &str, column: &str| match (of(row, column), of(NO_DEFENCE, column)) {
        (None, _) => Cell::from("-"),
        (Some(exam), Some(none)) if row != NO_DEFENCE => Cell::from(held_against(exam, none)),
        (Some(exam), _) => exam.score(exam.metric()).headline(),
    };
    let row = |row: &String| {
        std::iter::once(Cell::from(row.as_str())).chain(columns.iter().map(|column| cell(row, column))).collect()
    };
    let header: Vec<&str> = std::iter::once("defence").chain(columns.iter().map(String::as_str)).collect();
    let caption = format!(
        "Kept ability of {model}: right answers behind each defence by the metric that counts, 95% intervals, and the \
         paired difference to no defence in points."
    );
    Some(table(&caption, &header, stacks.iter().map(row).collect()))
}

/// An exam behind a defence: its rate, and what it has lost against the same without.
fn held_against(exam: &Exam<'_>, none: &Exam<'_>) -> String {
    let score = exam.score(exam.metric());
    if !score.is_headline() {
        return format!("no headline: {} of {} unassessed", score.unassessed, score.n());
    }
    let [rate, between] = share(score.value().unwrap_or(f64::NAN), score.interval());
    let correct = |s: &SampleRecord| s.score(exam.metric())?.correct;
    let difference = match other_questions(exam, none) {
        Some(why) => format!("not compared ({why})"),
        None => match paired(exam, none, exam.column(), correct) {
            Some(pair) => {
                let (low, high) = pair.interval;
                format!("{} points ({} to {})", points(pair.difference), points(low), points(high))
            }
            None => "no item of both".to_owned(),
        },
    };
    format!("{rate} ({between}); {difference}")
}

/// What a defence costs: model calls and seconds, and how often as much as without.
fn costs(model: &str, fields: &[&Field<'_>]) -> Option<Block> {
    let number = |value: Option<f64>, digits| Cell::Number(value.unwrap_or(f64::NAN), digits);
    let row = |f: &Field<'_>| {
        let none = find(fields, NO_DEFENCE, &f.column);
        let ratio = |of: fn(&Field<'_>) -> Option<f64>| Some(of(f)? / of(none?).filter(|base| *base > 0.0)?);
        vec![
            Cell::from(f.column.as_str()),
            Cell::from(f.row.as_str()),
            number(f.forwards(), 1),
            number(ratio(|f| f.forwards()), 2),
            number(f.seconds, 2),
            number(ratio(|f| f.seconds), 2),
        ]
    };
    let caption = format!(
        "What the defences of {model} cost: forward passes an answer and seconds a case, and both as a multiple of those \
         without a defence. Seconds of other machines, or of runs beside each other, are no ratio to rely on."
    );
    let header = ["attack", "defence", "forwards an answer", "of none", "seconds a case", "of none (seconds)"];
    (!fields.is_empty()).then(|| table(&caption, &header, each(fields, row)))
}

/// How often each defence of a stack acted, and what it did.
fn acts(model: &str, fields: &[&Field<'_>], exams: &[&Exam<'_>], rows: &Rows) -> Option<Block> {
    let mut all = Vec::new();
    let attacked = each(fields, |f| (f.run, f.row.clone(), f.column.clone(), f.acts()));
    let asked = exams.iter().map(|e| {
        let acts: Vec<&[DefenceAct]> = e.samples.iter().map(|s| s.defences.as_slice()).collect();
        (e.runs[0], rows.stack(e.runs[0]), e.column(), acts)
    });
    let held = attacked.iter().map(|(run, row, column, acts)| (*run, row.clone(), column.clone(), acts.clone()));
    for (run, row, column, answers) in held.chain(asked).filter(|(run, ..)| !run.defences().is_empty()) {
        let named = run.defences().iter().filter_map(|d| d["name"].as_str());
        let acting = answers.iter().flat_map(|acts| acts.iter().map(|act| act.defence.as_str()));
        for defence in distinct(named.chain(acting)) {
            for did in did(&answers, defence) {
                all.push(act_row([&column, &row, defence, did], &answers));
            }
        }
    }
    let header = ["attack or task", "defences", "defence", "did", "answers", "acts an answer", "mean value"];
    let caption = format!(
        "How often the defences of {model} acted, over all answers, submitted or not. Acts an answer and the value a \
         defence acted on are means over the answers it acted on."
    );
    (!all.is_empty()).then(|| table(&caption, &header, all))
}

/// Stands for what a defence did that never acted.
const NOTHING: &str = "-";

/// What a defence did to answers, each once.
fn did<'a>(answers: &[&'a [DefenceAct]], defence: &str) -> Vec<&'a str> {
    let own = answers.iter().flat_map(|acts| acts.iter()).filter(|act| act.defence == defence);
    let all = distinct(own.map(|act| act.did.as_str()));
    if all.is_empty() { vec![NOTHING] } else { all }
}

fn act_row([column, row, defence, did]: [&str; 4], answers: &[&[DefenceAct]]) -> Vec<Cell> {
    let is = |act: &&DefenceAct| act.defence == defence && act.did == did;
    let times: Vec<usize> = answers.iter().map(|acts| acts.iter().filter(is).count()).filter(|n| *n > 0).collect();
    let values = answers.iter().flat_map(|acts| acts.iter()).filter(is).filter_map(|act| act.value);
    let values: Vec<f64> = values.collect();
    let (acted, acts) = (times.len(), times.iter().sum::<usize>());
    [column, row, defence, did]
        .into_iter()
        .map(Cell::from)
        .chain([
            Cell::Rate { k: acted, n: answers.len() },
            Cell::Number(acts as f64 / acted as f64, 1),
            Cell::Number(values.iter().sum::<f64>() / values.len() as f64, 3),
        ])
        .collect()
}

/// Tests of each defence against none, and what was not compared.
fn against_none(model: &str, fields: &[&Field<'_>]) -> Vec<Block> {
    let (mut pairings, mut rest) = (Vec::new(), Vec::new());
    for f in fields.iter().filter(|f| f.row != NO_DEFENCE) {
        let same = |g: &&&Field<'_>| g.row == NO_DEFENCE && g.column == f.column && g.judge == f.judge;
        let not = |why: String| [&f.column, f.judge, &f.row, why.as_str()].map(Cell::from).to_vec();
        let Some(none) = fields.iter().find(same) else {
            rest.push(not("there is no run without a defence".into()));
            continue;
        };
        if let Some(key) = ASKED.iter().find(|at| f.run.manifest.pointer(at) != none.run.manifest.pointer(at)) {
            rest.push(not(format!("the runs have another `{}`", key[1..].replace('/', "."))));
            continue;
        }
        let both = f.items.iter().filter_map(|(case, hit)| Some((*hit, *none.items.get(case)?)));
        let paired: Paired = both.collect();
        match paired.n() {
            0 => rest.push(not("no case is assessed in both".into())),
            _ => pairings.push(Pairing { runs: [&f.row, NO_DEFENCE], group: f.column.clone(), judge: f.judge, paired }),
        }
    }
    let caption = format!(
        "Each defence of {model} against none, on the cases assessed in both: exact McNemar test, Newcombe's interval of \
         the difference, Holm's correction over all rows."
    );
    let header = ["attack", "judge", "defence", "why"];
    let unpaired =
        (!rest.is_empty()).then(|| table("Defences that are not held against none, and why.", &header, rest));
    tests(&caption, &pairings).into_iter().chain(unpaired).collect()
}
