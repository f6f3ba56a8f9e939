//! Requests and tasks drawn for a measurement: so many, by a seed, no two alike.

use crate::tasks::Task;
use crate::{Core, Item, Style};
use mosa_core::{Rng, Stream, sample_key};
use std::collections::BTreeSet;

/// How often a task is drawn again for every one that is wanted, since some come up twice.
const TRIES: u64 = 50;

/// How many requests are drawn for a cell, and the seed of their choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Requests of a cell.
    pub n: usize,
    /// The seed.
    pub seed: u64,
}

/// A request for an item, in one of the wordings of a style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// What is asked for.
    pub item: Item,
    /// How.
    pub style: Style,
    /// In which of the style's wordings.
    pub variant: usize,
}

impl Drawn {
    /// Unique among requests.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.item.slug(), self.style.name(), self.variant)
    }

    /// The user's turn.
    pub fn prompt(&self) -> String {
        self.style.ask(&Core::Make(self.item), self.variant)
    }
}

impl Draw {
    /// Different requests for items in styles, in a seeded order in which every item comes once before any comes again, and
    /// every style equally often. `cell` names what they are drawn for: other cells get others.
    pub fn requests(self, cell: &str, items: &[Item], styles: &[Style]) -> Vec<Drawn> {
        let Some(most) = styles.iter().map(|style| style.variants()).max() else { return Vec::new() };
        let rng = |what: &str| Rng::at(self.seed, Stream::Tasks, sample_key(cell), sample_key(what));
        let order = rng("items").permutation(items.len());
        let mut drawn = Vec::new();
        for round in 0..most * styles.len() {
            for (i, &item) in order.iter().enumerate() {
                let (item, style) = (items[item], styles[(i + round) % styles.len()]);
                // Each pair of item and style begins with a wording of its own.
                let (nth, first) = (round / styles.len(), rng(&format!("{} {}", item.slug(), style.name())).bits());
                let variant = (first as usize % style.variants() + nth) % style.variants();
                if nth < style.variants() && drawn.len() < self.n {
                    drawn.push(Drawn { item, style, variant });
                }
            }
        }
        drawn
    }

    /// Different tasks, made by number; `make` gives none where there is none of that number.
    pub fn tasks<T: Task>(self, make: impl Fn(u64) -> Option<T>) -> Vec<T> {
        let mut seen = BTreeSet::new();
        let made = (0..TRIES * self.n as u64).filter_map(make);
        made.filter(|task| seen.insert(task.question())).take(self.n).collect()
    }
}
