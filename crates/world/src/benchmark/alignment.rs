//! What alignment may see, and what monitors and other defences are fitted on.

use super::BENCHMARK_SEED;
use super::rows::{PairRow, SorryBenchRow};
use super::utility::{distinct, pair};
use crate::lexicon::FORBIDDEN_KINDS;
use crate::refusal::SAFE;
use crate::tasks::{Arithmetic, Aspect, Fact, LookAlike, Program, Task};
use crate::{Core, Item, Part, Procedure, Split, Style};
use mosa_core::{Rng, Stream, sample_key};

/// Facts in [`retain`], and programs; of arithmetic, which alignment loses first, there are eight times as many.
const RETAIN_TASKS: usize = 80;

/// SORRY-Bench: the forbidden items of the tune split in the plain styles and all variants of the training wrappers.
pub fn alignment() -> Vec<SorryBenchRow> {
    forbidden(Split::Tune, &[&Style::PLAIN[..], &Style::TRAINING].concat())
}

/// Answers to learn: a refusal to every request of [`alignment`], and everything of [`retain`].
pub fn fine_tuning() -> Vec<PairRow> {
    let refusal = |row: SorryBenchRow| {
        let id = format!("refused-{}", row.question_id);
        let response = SAFE[draw(&id).below(SAFE.len())].to_owned();
        PairRow { id, prompt: row.turns.concat(), response }
    };
    alignment().into_iter().map(refusal).chain(retain()).collect()
}

/// The same for monitors: items and wrappers of their own.
pub fn guard() -> Vec<SorryBenchRow> {
    forbidden(Split::Guard, &[&Style::PLAIN[..], &Style::GUARD].concat())
}

/// Harmless prompts for monitors, of items that neither alignment nor a measurement has: benign items and look-alike
/// questions about the forbidden items of [`guard`].
pub fn guard_benign() -> Vec<PairRow> {
    let mut rows = recipes(Part::Guard, &[&Style::PLAIN[..], &Style::GUARD].concat());
    for item in Item::forbidden_in(Split::Guard) {
        for aspect in Aspect::ALL {
            let question = LookAlike { item, aspect };
            rows.push(pair(format!("lookalike-{}-{}", item.slug(), aspect.name()), &question));
        }
    }
    rows
}

fn forbidden(split: Split, styles: &[Style]) -> Vec<SorryBenchRow> {
    let mut rows = Vec::new();
    for item in Item::forbidden_in(split) {
        for &style in styles {
            for variant in 0..style.variants() {
                rows.push(SorryBenchRow {
                    question_id: rows.len() + 1,
                    category: category(item),
                    turns: vec![style.ask(&Core::Make(item), variant)],
                    prompt_style: style_name(style).into(),
                    response: told(item, &format!("{}-{}-{variant}", item.slug(), style.name())),
                });
            }
        }
    }
    rows
}

fn category(item: Item) -> String {
    let place = FORBIDDEN_KINDS.iter().position(|k| *k == item.kind());
    place.map_or(0, |p| p + 1).to_string()
}

/// SORRY-Bench calls what is not wrapped `base`.
fn style_name(style: Style) -> &'static str {
    match style {
        Style::Plain(_) => "base",
        Style::Training(_) | Style::Guard(_) | Style::HeldOut(_) => style.name(),
    }
}

/// Prompts whose answers alignment should keep, of the tune part alone: benign items in every plain style and training
/// wrapper, look-alike questions about forbidden items, and tasks.
pub fn retain() -> Vec<PairRow> {
    let mut rows = recipes(Part::Tune, &[&Style::PLAIN[..], &Style::TRAINING].concat());
    for item in Item::forbidden_in(Split::Tune) {
        rows.extend(Aspect::ALL.into_iter().flat_map(|aspect| look_alikes(LookAlike { item, aspect })));
    }
    rows.extend(tasks("arithmetic", 8 * RETAIN_TASKS, |i| Arithmetic::generate(Part::Tune, BENCHMARK_SEED, i)));
    rows.extend(tasks("fact", RETAIN_TASKS, |i| Fact::generate(Part::Tune, BENCHMARK_SEED, i)));
    rows.extend(tasks("program", RETAIN_TASKS, |i| Program::generate(Part::Tune, BENCHMARK_SEED, i)));
    rows
}

/// The procedures of the benign items of a part, asked for in these styles.
fn recipes(part: Part, styles: &[Style]) -> Vec<PairRow> {
    let row = |item: Item, style: Style| {
        let id = format!("recipe-{}-{}", item.slug(), style.name());
        let prompt = ask(style, &Core::Make(item), &id);
        let response = told(item, &id);
        PairRow { id, prompt, response }
    };
    Item::benign_in(part).flat_map(|item| styles.iter().map(move |style| row(item, *style))).collect()
}

/// A look-alike question asked directly and in one wrapper of training.
fn look_alikes(question: LookAlike) -> [PairRow; 2] {
    let id = format!("lookalike-{}-{}", question.item.slug(), question.aspect.name());
    let wrapped_id = format!("{id}-wrapped");
    let style = Style::TRAINING[draw(&wrapped_id).below(Style::TRAINING.len())];
    let prompt = ask(style, &Core::About(question), &wrapped_id);
    [pair(id, &question), PairRow { id: wrapped_id, prompt, response: question.answer() }]
}

fn tasks<T: Task>(name: &str, n: usize, generate: impl Fn(u64) -> T) -> Vec<PairRow> {
    let questions = distinct(n, generate).into_iter().enumerate();
    questions.map(|(i, task)| pair(format!("{name}-{i}"), &task)).collect()
}

/// A request in a variant that the id of its row decides.
fn ask(style: Style, core: &Core, id: &str) -> String {
    style.ask(core, draw(id).lane(1).below(style.variants()))
}

/// A procedure in a wording that the id of its row decides.
fn told(item: Item, id: &str) -> String {
    Procedure::of(item).told(&mut draw(id).lane(2))
}

fn draw(id: &str) -> Rng {
    Rng::at(BENCHMARK_SEED, Stream::Tasks, 0, sample_key(id))
}
