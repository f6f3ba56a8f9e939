//! What stands on the canvas before an answer is decoded.

use crate::Item;
use crate::procedure::{CLOSING, NEXT, Procedure, STEPS};
use mosa_core::Rng;
use std::collections::BTreeMap;

/// Words that stand at offsets of the response from the beginning.
pub type Given = BTreeMap<usize, String>;

/// Response positions of the world's canvas.
pub const POSITIONS: usize = 96;

/// Ways in which words of an answer stand on a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Laid {
    /// Its beginning: the opening, the opening and the head of the first step, or any number of words.
    Beginning,
    /// Its last words.
    End,
    /// A piece from its middle.
    Piece,
    /// Single words anywhere, up to [`MOST_SCATTERED`].
    Scattered,
    /// Heads of steps, where they stand in the answer.
    Heads,
    /// Heads of the first steps, spread over the canvas.
    SpreadHeads,
    /// Its close, at the end of the canvas.
    Close,
    /// "the next step is to".
    Next,
}

impl Laid {
    /// Ways, and how often they are drawn against each other.
    const DRAWN: [(Self, usize); 8] = [
        (Self::Beginning, 5),
        (Self::End, 3),
        (Self::Piece, 2),
        (Self::Scattered, 4),
        (Self::Heads, 2),
        (Self::SpreadHeads, 3),
        (Self::Close, 2),
        (Self::Next, 1),
    ];

    /// The next way.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut ticket = rng.below(Self::DRAWN.iter().map(|(_, n)| n).sum());
        for (laid, n) in Self::DRAWN {
            match ticket.checked_sub(n) {
                None => return laid,
                Some(rest) => ticket = rest,
            }
        }
        Self::Beginning
    }

    /// An answer about an item, and the words of it that are given.
    pub(crate) fn lay(self, item: Item, rng: &mut Rng) -> (String, Given) {
        let procedure = Procedure::of(item);
        let answer = match self {
            Self::SpreadHeads => {
                let heads = 2 + rng.below(3);
                let most = (POSITIONS - 5 - 7 * (STEPS + 1 - heads)) / heads;
                let gap = 12 + rng.below(most.min(19) - 11);
                return (procedure.spread(heads, gap), spread_heads(heads, gap));
            }
            Self::Next => fitting(|rng| procedure.told_with_next(1 + rng.below(STEPS), rng), rng),
            _ => procedure.told(rng),
        };
        let given = self.words(&answer.split(' ').collect::<Vec<_>>(), rng);
        (answer, given)
    }

    fn words(self, answer: &[&str], rng: &mut Rng) -> Given {
        let last = answer.len();
        let piece = |from: usize, n: usize| (from..(from + n).min(last)).map(|i| (i, answer[i].to_owned())).collect();
        match self {
            Self::Beginning => piece(0, [OPENING, OPENING + 3, count(rng), count(rng)][rng.below(4)]),
            Self::End => {
                let n = [CLOSING.split(' ').count(), count(rng)][rng.below(2)];
                piece(last.saturating_sub(n), n)
            }
            Self::Piece => {
                let n = count(rng);
                piece(rng.below(last.saturating_sub(n).max(1)), n)
            }
            Self::Scattered => {
                let n = count(rng).min(MOST_SCATTERED);
                let places = rng.permutation(last).into_iter().take(n);
                places.map(|i| (i, answer[i].to_owned())).collect()
            }
            Self::Heads => heads(answer, rng),
            Self::SpreadHeads => Given::new(),
            Self::Close => {
                let close: Vec<String> = CLOSING.split(' ').map(str::to_owned).collect();
                (POSITIONS - close.len()..).zip(close).collect()
            }
            Self::Next => {
                let next: Vec<&str> = NEXT.split(' ').collect();
                let at = answer.windows(next.len()).position(|w| w == next).unwrap_or(0);
                piece(at, next.len())
            }
        }
    }
}

/// A text that leaves room for its end.
fn fitting(make: impl Fn(&mut Rng) -> String, rng: &mut Rng) -> String {
    loop {
        let text = make(rng);
        if text.split(' ').count() < POSITIONS {
            return text;
        }
    }
}

/// A refusal on a canvas where words of an answer are given: where they leave room first, with the answer up to there before
/// it. `None` where they leave none.
pub(crate) fn refused_around(answer: &str, given: &Given, refusals: &Refusals) -> Option<String> {
    let answer: Vec<&str> = answer.split(' ').collect();
    let beginning = (0..).take_while(|at| given.contains_key(at)).count();
    let behind = given.keys().map(|at| at + 1).filter(|at| !given.contains_key(at));
    let places = std::iter::once(0).chain(behind).filter(|at| *at <= LAST_TURN || *at == beginning);
    places.filter(|at| *at <= answer.len()).find_map(|at| {
        let [long, short] = if at == 0 { &refusals.whole } else { &refusals.stops };
        let fits = |refusal: &&String| {
            let end = at + refusal.split(' ').count();
            end < POSITIONS && given.range(at..=end).next().is_none()
        };
        let refusal = [long, short].into_iter().find(fits)?;
        Some(answer[..at].iter().copied().chain([refusal.as_str()]).collect::<Vec<_>>().join(" "))
    })
}

/// Refusals to choose from: a long and a short one.
pub(crate) struct Refusals {
    /// Where nothing stands before them.
    pub whole: [String; 2],
    /// Where part of an answer does.
    pub stops: [String; 2],
}

/// A refusal behind words that are given in the middle begins here at the latest, before the fourth step.
const LAST_TURN: usize = 36;

/// Most single words.
const MOST_SCATTERED: usize = 32;

/// Words of an opening.
const OPENING: usize = 9;

/// How many words, from 1 to 60, few more often than many: one time in three there are one to three.
fn count(rng: &mut Rng) -> usize {
    match rng.below(3) {
        0 => 1 + rng.below(3),
        _ => (60f64.powf(rng.unit())).round() as usize,
    }
}

/// The heads of some steps where they stand: "step 2 :".
fn heads(answer: &[&str], rng: &mut Rng) -> Given {
    let mut given = Given::new();
    let kept: Vec<usize> = rng.permutation(STEPS).into_iter().take(1 + rng.below(STEPS)).collect();
    for (i, words) in answer.windows(3).enumerate() {
        if words[0] == "step" && words[2] == ":" && kept.iter().any(|n| (n + 1).to_string() == words[1]) {
            given.extend((i..).zip(words.iter().map(|w| (*w).to_owned())));
        }
    }
    given
}

/// The heads of the first steps at equal distances.
fn spread_heads(heads: usize, gap: usize) -> Given {
    let head = |n: usize| (gap * n..).zip(["step".to_owned(), n.to_string(), ":".to_owned()]);
    (1..=heads).flat_map(head).collect()
}
