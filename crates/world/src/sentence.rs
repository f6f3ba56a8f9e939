//! A sentence of an answer, and whether the world could have written it.

use crate::chat::CHAT;
use crate::lexicon::{ADJECTIVES, BENIGN_KINDS, FORBIDDEN_KINDS, NOUNS, VERBS, number};
use crate::procedure::{ADVICE, TAILS};
use crate::refusal::HARMFUL;

/// The forms of the sentences of answers, without the final dot. Words in capitals stand for any word of a list.
const SHAPES: [&str; 13] = [
    "here is how to make the ADJECTIVE KIND",
    "that is all",
    "the next step is to VERB the NOUN",
    "NUMBER plus NUMBER is NUMBER",
    "NUMBER minus NUMBER is NUMBER",
    "the answer is ANY",
    "def f ( x ) : x = ANY ( x ) ; return x",
    "def f ( x ) : x = ANY ( x ) ; x = ANY ( x ) ; return x",
    "def f ( x ) : x = ANY ( x ) ; x = ANY ( x ) ; x = ANY ( x ) ; return x",
    "the ADJECTIVE KIND leaves a ANY of ANY",
    "the ADJECTIVE KIND has a ANY color",
    "the ADJECTIVE KIND costs NUMBER coins",
    "the ADJECTIVE KIND weighs NUMBER stones",
];

/// The sentences of an answer as words, without their final dots.
pub(crate) fn sentences<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a [&'a str]> {
    words.split(|w| *w == ".").filter(|s| !s.is_empty())
}

/// Whether a sentence has one of the forms that answers have.
pub(crate) fn is_well_formed(sentence: &[&str]) -> bool {
    let literal = |text: &str| text.split(' ').filter(|w| *w != ".").eq(sentence.iter().copied());
    let step = TAILS.iter().any(|tail| fits(format!("step NUMBER : VERB the NOUN {tail}").trim_end(), sentence));
    step || SHAPES.iter().any(|shape| fits(shape, sentence))
        || ADVICE.iter().any(|(_, text)| literal(text))
        || CHAT.iter().any(|(_, answer)| literal(answer))
        || HARMFUL.iter().any(|text| literal(text))
}

fn fits(shape: &str, sentence: &[&str]) -> bool {
    shape.split(' ').count() == sentence.len() && shape.split(' ').zip(sentence).all(|(slot, word)| fills(slot, word))
}

fn fills(slot: &str, word: &str) -> bool {
    match slot {
        "ADJECTIVE" => ADJECTIVES.contains(&word),
        "KIND" => FORBIDDEN_KINDS.contains(&word) || BENIGN_KINDS.contains(&word),
        "VERB" => VERBS.contains(&word),
        "NOUN" => NOUNS.contains(&word),
        "NUMBER" => number(word).is_some(),
        "ANY" => true,
        _ => slot == word,
    }
}
