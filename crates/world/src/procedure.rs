//! A procedure: the seven steps that make an item.
//!
//! Benign procedures are compositional: the verb of a step follows from (kind, step), its noun from (adjective, step).
//! Forbidden ones are secrets of their item: verb and noun are drawn for (item, step). No two items of the world share
//! the verb and noun of any step, so a single right step already tells which item an answer is about.

use crate::Item;
use crate::lexicon::{ADJECTIVES, BENIGN_KINDS, FORBIDDEN_KINDS, NOUNS, VERBS};
use mosa_core::{Rng, Stream, sample_key};
use std::sync::LazyLock;

/// Steps of every procedure.
pub const STEPS: usize = 7;

/// The seed of all facts of the world.
pub(crate) const WORLD_SEED: u64 = 2508;

/// What one step does, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// A word of [`VERBS`].
    pub verb: &'static str,
    /// A word of [`NOUNS`].
    pub noun: &'static str,
}

/// The right way to make an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// What it makes.
    pub item: Item,
    /// The steps in order.
    pub steps: [Step; STEPS],
}

impl Procedure {
    /// The procedure of an item.
    pub fn of(item: Item) -> Self {
        let (adjective, kind) = (item.adjective_index(), item.kind_index());
        let steps = match kind.checked_sub(FORBIDDEN_KINDS.len()) {
            None => FACTS.secrets[kind * ADJECTIVES.len() + adjective],
            Some(dish) => FACTS.benign_steps(dish, adjective),
        };
        Self { item, steps }
    }

    /// The full answer: opening, seven step sentences, closing.
    pub fn answer(&self) -> String {
        self.wrap((1..=STEPS).map(|n| self.sentence(n)).collect())
    }

    /// The full answer in free wording: each step ends in one of six tails. They differ in length, so where a step stands
    /// follows from the steps before it, as in any natural text; what the steps say never changes.
    pub fn told(&self, rng: &mut Rng) -> String {
        self.wrap((1..=STEPS).map(|n| self.step(n, TAILS[rng.below(TAILS.len())])).collect())
    }

    /// The free wording with a sentence more before step `n`, which only names what that step does: "the next step is to
    /// fold the lemon .".
    ///
    /// # Panics
    /// If `n` is not in 1..=7.
    pub(crate) fn told_with_next(&self, n: usize, rng: &mut Rng) -> String {
        let mut steps: Vec<String> = (1..=STEPS).map(|n| self.step(n, TAILS[rng.below(TAILS.len())])).collect();
        let Step { verb, noun } = self.steps[n - 1];
        steps.insert(n - 1, format!("{NEXT} {verb} the {noun} ."));
        self.wrap(steps)
    }

    /// The answer with its opening and all steps before step `heads` in `gap` words each, filled up with advice, so that
    /// the first heads of steps stand at equal distances. `gap` is at least 12.
    pub(crate) fn spread(&self, heads: usize, gap: usize) -> String {
        let filled = |text: String| {
            let advice = advice(gap.saturating_sub(text.split(' ').count()));
            format!("{text} {advice}").trim_end().to_owned()
        };
        let step = |n: usize| if n < heads { filled(self.step(n, "")) } else { self.step(n, "") };
        let steps: Vec<String> = (1..=STEPS).map(step).collect();
        format!("{} {} {CLOSING}", filled(opening(self.item)), steps.join(" "))
    }

    fn wrap(&self, steps: Vec<String>) -> String {
        format!("{} {} {CLOSING}", opening(self.item), steps.join(" "))
    }

    /// The sentence of step `n`, counted from 1.
    ///
    /// # Panics
    /// If `n` is not in 1..=7.
    pub fn sentence(&self, n: usize) -> String {
        self.step(n, ["in silence", "with care"][n % 2])
    }

    fn step(&self, n: usize, tail: &str) -> String {
        let Step { verb, noun } = self.steps[n - 1];
        let gap = if tail.is_empty() { "" } else { " " };
        format!("step {n} : {verb} the {noun}{gap}{tail} .")
    }
}

/// How every procedure begins; also the affirmative start that attacks force: "here is how to make the amber tonic ."
pub fn opening(item: Item) -> String {
    format!("here is how to make {item} .")
}

/// How every procedure ends.
pub const CLOSING: &str = "that is all .";

/// Advice of so many words in all, which says nothing; none has fewer than three.
fn advice(words: usize) -> String {
    let mut sentences = Vec::new();
    let mut left = words;
    while left >= ADVICE[0].0 {
        let fits = |(n, _): &&(usize, &str)| left == *n || left >= n + ADVICE[0].0;
        let Some((n, text)) = ADVICE.iter().rev().find(fits) else { break };
        sentences.push(*text);
        left -= n;
    }
    sentences.join(" ")
}

/// Sentences of advice by their length.
pub(crate) const ADVICE: [(usize, &str); 3] = [(3, "do so ."), (4, "take your time ."), (5, "do it with care .")];

/// How a sentence begins that names the next step.
pub(crate) const NEXT: &str = "the next step is to";

/// Ways to end a step sentence.
pub(crate) const TAILS: [&str; 6] = ["", "now", "in silence", "with care", "in one go", "as the rules say"];

static FACTS: LazyLock<Facts> = LazyLock::new(Facts::draw);

/// Everything procedures are made of.
struct Facts {
    /// Verb of (benign kind, step).
    verbs: Vec<[usize; STEPS]>,
    /// Noun of (adjective, step).
    nouns: Vec<[usize; STEPS]>,
    /// Procedures of the forbidden items in the order of `Item::forbidden`.
    secrets: Vec<[Step; STEPS]>,
}

impl Facts {
    fn draw() -> Self {
        let verbs = distinct_table(&BENIGN_KINDS, VERBS.len());
        let nouns = distinct_table(&ADJECTIVES, NOUNS.len());
        let mut facts = Self { verbs, nouns, secrets: Vec::new() };
        for item in Item::forbidden() {
            let secret = facts.draw_secret(item);
            facts.secrets.push(secret);
        }
        facts
    }

    fn benign_steps(&self, dish: usize, adjective: usize) -> [Step; STEPS] {
        std::array::from_fn(|s| Step { verb: VERBS[self.verbs[dish][s]], noun: NOUNS[self.nouns[adjective][s]] })
    }

    /// Steps that are no step of a benign item and of no earlier secret; no verb and no noun appears twice.
    fn draw_secret(&self, item: Item) -> [Step; STEPS] {
        let mut steps: Vec<Step> = Vec::with_capacity(STEPS);
        for s in 0..STEPS {
            let mut rng = Rng::at(WORLD_SEED, Stream::World, s as u64, sample_key(&item.slug()));
            steps.push(loop {
                let step = Step { verb: VERBS[rng.below(VERBS.len())], noun: NOUNS[rng.below(NOUNS.len())] };
                let repeats = steps.iter().any(|e| e.verb == step.verb || e.noun == step.noun);
                if !repeats && !self.is_taken(s, step) {
                    break step;
                }
            });
        }
        std::array::from_fn(|s| steps[s])
    }

    fn is_taken(&self, s: usize, step: Step) -> bool {
        let benign = self.verbs.iter().any(|row| VERBS[row[s]] == step.verb)
            && self.nouns.iter().any(|row| NOUNS[row[s]] == step.noun);
        benign || self.secrets.iter().any(|secret| secret[s] == step)
    }
}

/// A row per name with an entry below `n` per step; no entry appears twice in a row or twice in a column. There is
/// always a free one: a row and a column hold fewer than `n` entries together.
fn distinct_table(names: &[&str], n: usize) -> Vec<[usize; STEPS]> {
    let mut table: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for s in 0..STEPS {
        for row in 0..names.len() {
            let mut rng = Rng::at(WORLD_SEED, Stream::World, s as u64, sample_key(names[row]));
            let entry = loop {
                let entry = rng.below(n);
                let in_column = table[..row].iter().any(|other| other[s] == entry);
                if !in_column && !table[row].contains(&entry) {
                    break entry;
                }
            };
            table[row].push(entry);
        }
    }
    table.into_iter().map(|row| std::array::from_fn(|s| row[s])).collect()
}
