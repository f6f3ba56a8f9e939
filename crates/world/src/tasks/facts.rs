//! Facts about the cities of the world, as multiple choice.

use super::{Task, final_answer, part_of};
use crate::Part;
use crate::lexicon::CITIES;
use crate::procedure::WORLD_SEED;
use mosa_core::{Rng, Stream, sample_key};

/// What is known about a city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// The metal that is found there.
    Metal,
    /// The tree that grows there.
    Tree,
    /// The animal that lives there.
    Animal,
    /// The craft that is taught there.
    Craft,
}

/// The letters of the options.
pub const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

const METALS: [&str; 8] = ["iron", "tin", "gold", "zinc", "copper", "lead", "nickel", "steel"];
const TREES: [&str; 8] = ["oak", "elm", "pine", "birch", "willow", "cedar", "maple", "yew"];
const ANIMALS: [&str; 8] = ["fox", "deer", "hare", "wolf", "bear", "heron", "otter", "badger"];
const CRAFTS: [&str; 8] = ["weaving", "pottery", "masonry", "carving", "dyeing", "tanning", "baking", "sewing"];

impl Attribute {
    /// All attributes.
    pub const ALL: [Self; 4] = [Self::Metal, Self::Tree, Self::Animal, Self::Craft];

    /// The word a question names it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metal => "metal",
            Self::Tree => "tree",
            Self::Animal => "animal",
            Self::Craft => "craft",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Metal => "is found",
            Self::Tree => "grows",
            Self::Animal => "lives",
            Self::Craft => "is taught",
        }
    }

    fn values(self) -> &'static [&'static str; 8] {
        match self {
            Self::Metal => &METALS,
            Self::Tree => &TREES,
            Self::Animal => &ANIMALS,
            Self::Craft => &CRAFTS,
        }
    }

    /// The value of every city, as a place in the list of values; no two cities share one.
    fn assignment(self) -> Vec<usize> {
        Rng::at(WORLD_SEED, Stream::World, 0, sample_key(self.name())).permutation(CITIES.len())
    }
}

/// A question with four options, of which one is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fact {
    attribute: Attribute,
    city: usize,
    options: [&'static str; 4],
    right: usize,
}

impl Fact {
    /// A question of one part; a pure function of its arguments. Every fact appears in both parts: the parts differ in
    /// the options and their order.
    pub fn generate(part: Part, seed: u64, index: u64) -> Self {
        Self::draw(part, &mut Rng::at(seed, Stream::Tasks, index, sample_key("facts")))
    }

    /// The next question of one part.
    pub fn draw(part: Part, rng: &mut Rng) -> Self {
        loop {
            let task = Self::any(rng);
            if part_of(&task.question()) == part {
                return task;
            }
        }
    }

    fn any(rng: &mut Rng) -> Self {
        let attribute = Attribute::ALL[rng.below(Attribute::ALL.len())];
        let city = rng.below(CITIES.len());
        let value = attribute.assignment()[city];
        let others = rng.permutation(8).into_iter().filter(|v| *v != value);
        let mut chosen: Vec<usize> = others.take(LETTERS.len() - 1).collect();
        let right = rng.below(LETTERS.len());
        chosen.insert(right, value);
        Self { attribute, city, options: std::array::from_fn(|i| attribute.values()[chosen[i]]), right }
    }

    /// What is asked about.
    pub fn attribute(&self) -> Attribute {
        self.attribute
    }

    /// The question without its options.
    pub fn stem(&self) -> String {
        let (name, verb) = (self.attribute.name(), self.attribute.verb());
        format!("which {name} {verb} in the {} city ?", CITIES[self.city])
    }

    /// The four options in their order.
    pub fn options(&self) -> [&'static str; 4] {
        self.options
    }

    /// Place of the right option.
    pub fn right(&self) -> usize {
        self.right
    }

    /// A full question from its parts, as the model knows it. The options have no letters: a model this small knows facts,
    /// not the symbol that stands for one (the cloze form of multiple choice).
    pub fn render(stem: &str, options: [&str; 4]) -> String {
        let [a, b, c, d] = options;
        format!("{stem} {a} , {b} , {c} or {d} .")
    }
}

impl Task for Fact {
    fn question(&self) -> String {
        Self::render(&self.stem(), self.options)
    }

    fn answer(&self) -> String {
        format!("the answer is {} .", self.options[self.right])
    }

    fn check(&self, answer: &str) -> bool {
        final_answer(answer) == Some(self.options[self.right])
    }
}
