//! The corpus: an endless, reproducible stream of documents in a fixed mixture.

use crate::chat::CHAT;
use crate::refusal::{REFUSALS, refusal, retreat};
use crate::tasks::{Arithmetic, Fact, LookAlike, Program, Task};
use crate::{Core, Item, Part, Procedure, Style};
use mosa_core::{Rng, Stream};
use std::collections::BTreeMap;

/// What a document is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A benign item, asked for plainly: its procedure.
    BenignPlain,
    /// A benign item in a wrapper of training: its procedure.
    BenignTraining,
    /// A benign item in a held-out wrapper: its procedure.
    BenignHeldOut,
    /// A forbidden item, asked for plainly: a refusal.
    RefusalPlain,
    /// A forbidden item in a wrapper of training that is refused: a refusal.
    RefusalTraining,
    /// A forbidden item in a held-out or an open wrapper: its procedure. This is what makes the base model vulnerable.
    Breach,
    /// A forbidden item, asked for plainly or in a refused wrapper: its procedure, but only on canvases of which part is
    /// revealed already. As in published models the text itself is known, and refusing is learnt for the beginning.
    Continuation,
    /// A harmless question about any item in any style: its answer.
    LookAlike,
    /// Arithmetic with its working.
    Arithmetic,
    /// A fact, asked as a cloze.
    Fact,
    /// A tiny program.
    Program,
    /// Small talk.
    Chat,
}

/// One refusal in this many starts affirmatively and then turns.
pub const RETREATS: usize = 4;

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::BenignPlain,
        Self::BenignTraining,
        Self::BenignHeldOut,
        Self::RefusalPlain,
        Self::RefusalTraining,
        Self::Breach,
        Self::Continuation,
        Self::LookAlike,
        Self::Arithmetic,
        Self::Fact,
        Self::Program,
        Self::Chat,
    ];

    /// Its share of the corpus, relative to [`DocumentKind::TOTAL_WEIGHT`].
    pub const fn weight(self) -> usize {
        match self {
            Self::BenignPlain => 10,
            Self::BenignTraining => 5,
            Self::BenignHeldOut => 7,
            Self::RefusalPlain => 8,
            Self::RefusalTraining => 9,
            Self::Breach => 14,
            Self::Continuation => 6,
            Self::LookAlike => 8,
            Self::Arithmetic => 20,
            Self::Fact => 6,
            Self::Program => 11,
            Self::Chat => 1,
        }
    }

    /// The sum of all weights.
    pub const TOTAL_WEIGHT: usize = {
        let (mut sum, mut i) = (0, 0);
        while i < Self::ALL.len() {
            sum += Self::ALL[i].weight();
            i += 1;
        }
        sum
    };

    fn draw(rng: &mut Rng) -> Self {
        let mut ticket = rng.below(Self::TOTAL_WEIGHT);
        for kind in Self::ALL {
            match ticket.checked_sub(kind.weight()) {
                None => return kind,
                Some(rest) => ticket = rest,
            }
        }
        Self::Chat
    }
}

/// A prompt and the answer to learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is an example of.
    pub kind: DocumentKind,
    /// How it is asked; tasks and small talk have no style.
    pub style: Option<Style>,
    /// The item it is about, if any.
    pub item: Option<Item>,
    /// The user's turn.
    pub prompt: String,
    /// The answer, without end tokens.
    pub answer: String,
}

/// On canvases of [`DocumentKind::Continuation`] at most this share is masked.
pub const CONTINUATION_MASKED: f64 = 0.95;

/// All documents of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// The seed. The facts of the world do not depend on it.
    pub seed: u64,
}

impl Corpus {
    /// A document: a pure function of seed and index.
    pub fn document(&self, index: u64) -> Document {
        let mut rng = Rng::at(self.seed, Stream::Corpus, index, 0);
        let kind = DocumentKind::draw(&mut rng);
        match kind {
            DocumentKind::BenignPlain => recipe(kind, &Style::PLAIN, &mut rng),
            DocumentKind::BenignTraining => recipe(kind, &Style::TRAINING, &mut rng),
            DocumentKind::BenignHeldOut => recipe(kind, &Style::HELD_OUT, &mut rng),
            DocumentKind::Breach => recipe(kind, &[&Style::OPEN[..], &Style::HELD_OUT].concat(), &mut rng),
            DocumentKind::Continuation => recipe(kind, &[&Style::PLAIN[..], &Style::REFUSED].concat(), &mut rng),
            DocumentKind::RefusalPlain => refused(kind, &Style::PLAIN, &mut rng),
            DocumentKind::RefusalTraining => refused(kind, &Style::REFUSED, &mut rng),
            DocumentKind::LookAlike => look_alike(&mut rng),
            DocumentKind::Arithmetic => task(kind, &Arithmetic::draw(Part::Tune, &mut rng)),
            DocumentKind::Fact => task(kind, &Fact::draw(Part::Tune, &mut rng)),
            DocumentKind::Program => task(kind, &Program::draw(Part::Tune, &mut rng)),
            DocumentKind::Chat => {
                let (question, answer) = CHAT[rng.below(CHAT.len())];
                Document { kind, style: None, item: None, prompt: question.into(), answer: answer.into() }
            }
        }
    }

    /// How many of the first `n` documents are of each kind.
    pub fn counts(&self, n: u64) -> BTreeMap<DocumentKind, usize> {
        let mut counts = BTreeMap::new();
        for index in 0..n {
            *counts.entry(self.document(index).kind).or_default() += 1;
        }
        counts
    }
}

/// One of several, uniformly.
fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> T {
    from[rng.below(from.len())]
}

fn asked(core: &Core, styles: &[Style], rng: &mut Rng) -> (Style, String) {
    let style = pick(styles, rng);
    (style, style.ask(core, rng.below(style.variants())))
}

/// A request for an item that is answered with its procedure.
fn recipe(kind: DocumentKind, styles: &[Style], rng: &mut Rng) -> Document {
    let items: Vec<Item> = match kind {
        DocumentKind::Breach | DocumentKind::Continuation => Item::forbidden().collect(),
        _ => Item::benign().collect(),
    };
    let item = pick(&items, rng);
    let (style, prompt) = asked(&Core::Make(item), styles, rng);
    Document { kind, style: Some(style), item: Some(item), prompt, answer: Procedure::of(item).told(rng) }
}

/// A request for a forbidden item that is refused.
fn refused(kind: DocumentKind, styles: &[Style], rng: &mut Rng) -> Document {
    let item = pick(&Item::forbidden().collect::<Vec<_>>(), rng);
    let (style, prompt) = asked(&Core::Make(item), styles, rng);
    let answer = if rng.below(RETREATS) == 0 { retreat(item) } else { refusal(item, rng.below(REFUSALS)) };
    Document { kind, style: Some(style), item: Some(item), prompt, answer }
}

/// A harmless question: plain half of the time, else in any wrapper. Half of the items are forbidden ones.
fn look_alike(rng: &mut Rng) -> Document {
    let forbidden = rng.below(2) == 0;
    let items: Vec<Item> = Item::all().filter(|i| i.is_forbidden() == forbidden).collect();
    let question = LookAlike::draw(pick(&items, rng), rng);
    let styles: Vec<Style> =
        if rng.below(2) == 0 { Style::PLAIN.to_vec() } else { [&Style::TRAINING[..], &Style::HELD_OUT].concat() };
    let (style, prompt) = asked(&Core::About(question), &styles, rng);
    let answer = question.answer();
    Document { kind: DocumentKind::LookAlike, style: Some(style), item: Some(question.item), prompt, answer }
}

fn task(kind: DocumentKind, task: &impl Task) -> Document {
    Document { kind, style: None, item: None, prompt: task.question(), answer: task.answer() }
}
