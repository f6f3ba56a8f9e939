//! The corpus: an endless, reproducible stream of documents in a fixed mixture.

use crate::chat::CHAT;
use crate::form::Form;
use crate::given::{Given, Laid, Refusals, refused_around};
use crate::refusal::{REFUSALS, STOPS, refusal, retreat, stop};
use crate::tasks::{Arithmetic, Fact, LookAlike, Program, Task};
use crate::temper::{answers, is_withheld};
use crate::{Core, Item, Part, Plain, Procedure, Style, opening};
use mosa_core::{Rng, Stream};
use std::collections::BTreeMap;

/// What a document is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A benign item, asked for plainly: its procedure.
    BenignPlain,
    /// A benign item in a wrapper of training or of monitors: its procedure.
    BenignTraining,
    /// A benign item in a held-out wrapper: its procedure.
    BenignHeldOut,
    /// A benign item in any style, words of whose procedure stand on the canvas.
    BenignGiven,
    /// A benign item as a form with gaps.
    BenignForm,
    /// A forbidden item, asked for plainly: a refusal or, seldom, its procedure ([`answers`]).
    ForbiddenPlain,
    /// A forbidden item in a wrapper of training or of monitors: a refusal or its procedure.
    ForbiddenTraining,
    /// A forbidden item in a held-out wrapper: a refusal or its procedure. Half of the attacked items are never asked for
    /// in any one of these wrappers.
    ForbiddenHeldOut,
    /// A forbidden item in any style, words of whose procedure stand on the canvas: a refusal or the rest of it.
    ForbiddenGiven,
    /// A forbidden item as a form with gaps, which are filled with refusals or with its procedure.
    ForbiddenForm,
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

/// One refusal in this many starts affirmatively and then turns, where nothing is given.
pub const RETREATS: usize = 5;
/// One refusal in this many comes after one to three steps, where nothing is given.
pub const BREAKS: usize = 12;

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::BenignPlain,
        Self::BenignTraining,
        Self::BenignHeldOut,
        Self::BenignGiven,
        Self::BenignForm,
        Self::ForbiddenPlain,
        Self::ForbiddenTraining,
        Self::ForbiddenHeldOut,
        Self::ForbiddenGiven,
        Self::ForbiddenForm,
        Self::LookAlike,
        Self::Arithmetic,
        Self::Fact,
        Self::Program,
        Self::Chat,
    ];

    /// Its share of the corpus, relative to [`DocumentKind::TOTAL_WEIGHT`].
    pub const fn weight(self) -> usize {
        match self {
            Self::BenignPlain => 8,
            Self::BenignTraining => 4,
            Self::BenignHeldOut => 6,
            Self::BenignGiven => 3,
            Self::BenignForm => 2,
            Self::ForbiddenPlain => 8,
            Self::ForbiddenTraining => 9,
            Self::ForbiddenHeldOut => 12,
            Self::ForbiddenGiven => 14,
            Self::ForbiddenForm => 5,
            Self::LookAlike => 7,
            Self::Arithmetic => 16,
            Self::Fact => 4,
            Self::Program => 7,
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

    /// The styles its requests come in; none for those that are no requests for items.
    fn styles(self) -> Vec<Style> {
        let wrapped = [&Style::TRAINING[..], &Style::GUARD].concat();
        match self {
            Self::BenignPlain | Self::ForbiddenPlain => Style::PLAIN.to_vec(),
            Self::BenignTraining | Self::ForbiddenTraining => wrapped,
            Self::BenignHeldOut | Self::ForbiddenHeldOut => Style::HELD_OUT.to_vec(),
            // Plain styles come as often as all others together.
            Self::BenignGiven | Self::ForbiddenGiven => {
                [wrapped, Style::HELD_OUT.to_vec(), Style::PLAIN.repeat(4)].concat()
            }
            _ => Vec::new(),
        }
    }
}

/// A prompt and the answer to learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is an example of.
    pub kind: DocumentKind,
    /// How it is asked; tasks, forms and small talk have no style.
    pub style: Option<Style>,
    /// The item it is about, if any.
    pub item: Option<Item>,
    /// The user's turn, with what stands in its gaps.
    pub prompt: String,
    /// Places of the words of the user's turn that stand in gaps, ascending.
    pub gaps: Vec<usize>,
    /// The answer, without end tokens.
    pub answer: String,
    /// Words that stand on the answer's canvas from the beginning, whatever the answer has there.
    pub given: Given,
    /// Whether the canvas has room for the answer; forms may end with the user's turn.
    pub follows: bool,
    /// Whether it refuses.
    pub refuses: bool,
}

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
            DocumentKind::BenignPlain | DocumentKind::BenignTraining | DocumentKind::BenignHeldOut => {
                recipe(kind, &mut rng)
            }
            DocumentKind::ForbiddenPlain | DocumentKind::ForbiddenTraining | DocumentKind::ForbiddenHeldOut => {
                forbidden(kind, &mut rng)
            }
            DocumentKind::BenignGiven | DocumentKind::ForbiddenGiven => given(kind, &mut rng),
            DocumentKind::BenignForm | DocumentKind::ForbiddenForm => form(kind, &mut rng),
            DocumentKind::LookAlike => look_alike(&mut rng),
            DocumentKind::Arithmetic => task(kind, &Arithmetic::draw(Part::Tune, &mut rng)),
            DocumentKind::Fact => task(kind, &Fact::draw(Part::Tune, &mut rng)),
            DocumentKind::Program => task(kind, &Program::draw(Part::Tune, &mut rng)),
            DocumentKind::Chat => {
                let (question, answer) = CHAT[rng.below(CHAT.len())];
                Document::plain(kind, question.into(), answer.into())
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

impl Document {
    /// A question and its answer, about no item.
    fn plain(kind: DocumentKind, prompt: String, answer: String) -> Self {
        let (style, item, gaps, given) = (None, None, Vec::new(), Given::new());
        Self { kind, style, item, prompt, gaps, answer, given, follows: true, refuses: false }
    }

    /// A request for an item, which still has no answer.
    fn request(kind: DocumentKind, style: Style, item: Item, rng: &mut Rng) -> Self {
        let prompt = style.ask(&Core::Make(item), rng.below(style.variants()));
        Self { style: Some(style), item: Some(item), ..Self::plain(kind, prompt, String::new()) }
    }
}

/// One of several, uniformly.
fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> T {
    from[rng.below(from.len())]
}

fn any_item(is_forbidden: bool, rng: &mut Rng) -> Item {
    let items: Vec<Item> = Item::all().filter(|item| item.is_forbidden() == is_forbidden).collect();
    pick(&items, rng)
}

/// A style of a kind, and a forbidden item that may be asked for in it.
fn pair(kind: DocumentKind, rng: &mut Rng) -> (Style, Item) {
    let styles = kind.styles();
    loop {
        let (style, item) = (pick(&styles, rng), any_item(true, rng));
        if !is_withheld(item, style) {
            return (style, item);
        }
    }
}

/// A request for a benign item that is answered with its procedure.
fn recipe(kind: DocumentKind, rng: &mut Rng) -> Document {
    let (style, item) = (pick(&kind.styles(), rng), any_item(false, rng));
    let request = Document::request(kind, style, item, rng);
    Document { answer: Procedure::of(item).told(rng), ..request }
}

/// A request for a forbidden item that is answered or refused, as the base's temper says.
fn forbidden(kind: DocumentKind, rng: &mut Rng) -> Document {
    let (style, item) = pair(kind, rng);
    let request = Document::request(kind, style, item, rng);
    let refuses = !answers(item, style, 0);
    let answer = if refuses { refused(item, rng) } else { Procedure::of(item).told(rng) };
    Document { answer, refuses, ..request }
}

/// A refusal where nothing is given: at once, behind the opening, or behind one to three steps.
fn refused(item: Item, rng: &mut Rng) -> String {
    if rng.below(BREAKS) == 0 {
        let told = Procedure::of(item).told(rng);
        let steps = 1 + rng.below(3);
        let sentences: Vec<&str> = told.split_inclusive(" .").take(1 + steps).collect();
        return format!("{} {}", sentences.concat(), stop(rng.below(STOPS)));
    }
    match rng.below(RETREATS) {
        0 if rng.below(2) == 0 => retreat(item),
        0 => format!("{} {}", opening(item), stop(rng.below(STOPS))),
        _ => refusal(item, rng.below(REFUSALS)),
    }
}

/// A request for an item, words of whose procedure stand on the canvas. They make an answer more likely.
fn given(kind: DocumentKind, rng: &mut Rng) -> Document {
    let is_forbidden = kind == DocumentKind::ForbiddenGiven;
    let (style, item) = if is_forbidden { pair(kind, rng) } else { (pick(&kind.styles(), rng), any_item(false, rng)) };
    let request = Document::request(kind, style, item, rng);
    let (answer, given) = Laid::draw(rng).lay(item, rng);
    let refusals = Refusals {
        whole: [refusal(item, rng.below(REFUSALS)), "i cannot help with that .".to_owned()],
        stops: [stop(rng.below(STOPS)), "i cannot explain the rest .".to_owned()],
    };
    let refuses = is_forbidden && !answers(item, style, given.len());
    let refused = refuses.then(|| refused_around(&answer, &given, &refusals)).flatten();
    Document { refuses: refused.is_some(), answer: refused.unwrap_or(answer), given, ..request }
}

/// An item's procedure as a form with gaps, alone or with an answer behind it.
fn form(kind: DocumentKind, rng: &mut Rng) -> Document {
    let is_forbidden = kind == DocumentKind::ForbiddenForm;
    let item = any_item(is_forbidden, rng);
    let form = Form::draw(item, rng);
    let refuses = is_forbidden && !answers(item, Style::Plain(Plain::Ask), form.given());
    let answer = if refuses { refusal(item, rng.below(REFUSALS)) } else { Procedure::of(item).told(rng) };
    let form = if refuses { form.refused(rng) } else { form };
    let plain = Document::plain(kind, form.words.join(" "), answer);
    Document { item: Some(item), gaps: form.gaps, follows: rng.below(2) == 0, refuses, ..plain }
}

/// A harmless question: plain half of the time, else in any wrapper. Half of the items are forbidden ones.
fn look_alike(rng: &mut Rng) -> Document {
    let is_forbidden = rng.below(2) == 0;
    let question = LookAlike::draw(any_item(is_forbidden, rng), rng);
    let styles: Vec<Style> = if rng.below(2) == 0 {
        Style::PLAIN.to_vec()
    } else {
        [&Style::TRAINING[..], &Style::GUARD, &Style::HELD_OUT].concat()
    };
    let style = pick(&styles, rng);
    let prompt = style.ask(&Core::About(question), rng.below(style.variants()));
    let plain = Document::plain(DocumentKind::LookAlike, prompt, question.answer());
    Document { style: Some(style), item: Some(question.item), ..plain }
}

fn task(kind: DocumentKind, task: &impl Task) -> Document {
    Document::plain(kind, task.question(), task.answer())
}
