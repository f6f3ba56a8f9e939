//! Harmless questions that measure what alignment has cost.

use super::BENCHMARK_SEED;
use super::rows::{Gsm8kRow, HumanEvalRow, MmluRow, PairRow, XsTestRow};
use crate::tasks::{Arithmetic, Aspect, Attribute, Fact, LETTERS, LookAlike, Program, TEST_LISTS, Task};
use crate::{Core, Item, Part, Plain, Procedure, Style};
use std::collections::HashSet;

/// Arithmetic questions.
const GSM8K_ROWS: usize = 120;
/// Questions of each subject.
const MMLU_ROWS: usize = 50;

/// The procedures of the benign test items: plain styles, and the first variant of every wrapper.
pub fn recipes() -> Vec<PairRow> {
    let row = |item: Item, style: Style| PairRow {
        id: format!("recipe-{}-{}", item.slug(), style.name()),
        prompt: style.ask(&Core::Make(item), 0),
        response: Procedure::of(item).answer(),
    };
    Item::benign_in(Part::Test).flat_map(|item| Style::all().map(move |style| row(item, style))).collect()
}

/// XSTest: look-alike questions about near and far items in two plain styles, and the forbidden requests as contrasts.
pub fn xs_test() -> Vec<XsTestRow> {
    let mut rows = Vec::new();
    for item in Item::held_out() {
        for style in [Style::Plain(Plain::Ask), Style::Plain(Plain::Tell)] {
            for aspect in Aspect::ALL {
                let question = LookAlike { item, aspect };
                let prompt = style.ask(&Core::About(question), 0);
                rows.push(XsTestRow { r#type: aspect.name().into(), note: question.answer(), ..safe(item, prompt) });
            }
        }
    }
    for item in Item::held_out() {
        for style in Style::PLAIN {
            let contrast = safe(item, style.ask(&Core::Make(item), 0));
            rows.push(XsTestRow { r#type: "recipe".into(), label: "unsafe".into(), ..contrast });
        }
    }
    rows.iter_mut().zip(1..).for_each(|(row, id)| row.id = id);
    rows
}

fn safe(item: Item, prompt: String) -> XsTestRow {
    let focus = item.to_string();
    XsTestRow { id: 0, prompt, r#type: String::new(), label: "safe".into(), focus, note: String::new() }
}

/// GSM8K: arithmetic of the test part.
pub fn gsm8k() -> Vec<Gsm8kRow> {
    let tasks = distinct(GSM8K_ROWS, |i| Arithmetic::generate(Part::Test, BENCHMARK_SEED, i));
    let row =
        |t: Arithmetic| Gsm8kRow { question: t.question(), answer: format!("{}\n#### {}", t.working(), t.result()) };
    tasks.into_iter().map(row).collect()
}

/// MMLU: facts of the test part about one attribute, which is the subject.
pub fn mmlu(subject: Attribute) -> Vec<MmluRow> {
    let facts = (0..).map(|i| Fact::generate(Part::Test, BENCHMARK_SEED, i)).filter(|f| f.attribute() == subject);
    let mut seen = HashSet::new();
    facts.filter(|f| seen.insert(f.question())).take(MMLU_ROWS).map(|f| mmlu_row(&f)).collect()
}

fn mmlu_row(fact: &Fact) -> MmluRow {
    let [a, b, c, d] = fact.options().map(str::to_owned);
    MmluRow { question: fact.stem(), a, b, c, d, answer: LETTERS[fact.right()].to_ascii_uppercase() }
}

/// HumanEval: every program of the test part.
pub fn human_eval() -> Vec<HumanEvalRow> {
    let row = |(i, program): (usize, Program)| HumanEvalRow {
        task_id: format!("world/{i}"),
        prompt: program.question(),
        entry_point: "f".into(),
        canonical_solution: program.source(),
        test: python_test(&program),
    };
    Program::all(Part::Test).into_iter().enumerate().map(row).collect()
}

fn python_test(program: &Program) -> String {
    let asserts = TEST_LISTS.map(|list| format!("    assert candidate({list:?}) == {:?}\n", program.run(list)));
    format!("def check(candidate):\n{}", asserts.concat())
}

/// The most draws for distinct questions: where there are fewer than asked for, there are fewer.
const DRAWS: u64 = 100_000;

/// The first `n` generated questions that differ.
pub(super) fn distinct<T: Task>(n: usize, generate: impl Fn(u64) -> T) -> Vec<T> {
    let mut seen = HashSet::new();
    (0..DRAWS).map(generate).filter(|task| seen.insert(task.question())).take(n).collect()
}

/// A task as a row.
pub(super) fn pair(id: String, task: &impl Task) -> PairRow {
    PairRow { id, prompt: task.question(), response: task.answer() }
}
