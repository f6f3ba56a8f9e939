//! Replacing words of a question by stand-ins, and back.

use serde::{Deserialize, Serialize};

/// A word and what stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// The word.
    pub from: String,
    /// Its stand-in.
    pub to: String,
}

impl Swap {
    /// `to` for `from`.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

/// The same swaps the other way round.
pub(super) fn back(swaps: &[Swap]) -> Vec<Swap> {
    swaps.iter().map(|s| Swap::new(&s.to, &s.from)).collect()
}

/// Replaces whole words in one pass, longest first, so that no replacement is replaced again. Capitals at the beginning
/// of a word and the ending -ing are kept.
pub(super) fn replace(text: &str, swaps: &[Swap]) -> String {
    let forms = forms(swaps);
    let mut out = String::with_capacity(text.len());
    let (mut at, mut inside) = (0, false);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let hit = forms.iter().filter(|_| !inside).find_map(|(from, to)| Some((matched(rest, from)?, to)));
        match hit {
            Some((length, to)) => {
                out.push_str(&cased(to, c));
                at += length;
                inside = rest[..length].chars().last().is_some_and(is_word);
            }
            None => {
                out.push(c);
                at += c.len_utf8();
                inside = is_word(c);
            }
        }
    }
    out
}

/// Where a word or phrase first stands in a text, as whole words and in any case.
pub(super) fn position(text: &str, word: &str) -> Option<usize> {
    let mut inside = false;
    text.char_indices().find_map(|(i, c)| {
        let begins = !inside;
        inside = is_word(c);
        (begins && matched(&text[i..], word).is_some()).then_some(i)
    })
}

/// A text up to the first of the hedging phrases, and there back to the last punctuation mark; whole if it has none.
pub(super) fn unhedged<'a>(text: &'a str, hedges: &[String]) -> &'a str {
    let lower = text.to_ascii_lowercase();
    let Some(hedge) = hedges.iter().filter_map(|h| position(&lower, h)).min() else { return text.trim() };
    let mark = |c: char| matches!(c, '.' | ',' | ':' | ';' | '!' | '?' | '\n');
    text[..hedge].rfind(mark).map_or("", |end| text[..=end].trim())
}

/// Every form to look for and what replaces it, longest first.
fn forms(swaps: &[Swap]) -> Vec<(String, String)> {
    let mut forms: Vec<(String, String)> = Vec::new();
    for Swap { from, to } in swaps.iter().filter(|s| !s.from.is_empty()) {
        forms.push((from.clone(), to.clone()));
        if let (Some(from), Some(to)) = (ing(from), ing(to)) {
            forms.push((from, to));
        }
    }
    forms.sort_by_key(|(from, _)| std::cmp::Reverse(from.chars().count()));
    forms
}

/// The -ing form of a single word.
fn ing(word: &str) -> Option<String> {
    let plain = word.chars().all(char::is_alphabetic) && !word.ends_with("ing");
    let stem = if word.ends_with("ee") { word } else { word.strip_suffix('e').unwrap_or(word) };
    plain.then(|| format!("{stem}ing"))
}

/// How many bytes of `text` are the word, if it begins with it and the word ends there.
fn matched(text: &str, word: &str) -> Option<usize> {
    let mut rest = text.char_indices();
    for want in word.chars() {
        let (_, have) = rest.next()?;
        if !have.to_lowercase().eq(want.to_lowercase()) {
            return None;
        }
    }
    let ends_in_word = word.chars().last().is_some_and(is_word);
    match rest.next() {
        None => Some(text.len()),
        Some((end, next)) => (!(ends_in_word && is_word(next))).then_some(end),
    }
}

/// The word with the capital that its place had.
fn cased(word: &str, first: char) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(c) if first.is_uppercase() => c.to_uppercase().chain(chars).collect(),
        _ => word.to_owned(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swaps(pairs: &[(&str, &str)]) -> Vec<Swap> {
        pairs.iter().map(|(from, to)| Swap::new(*from, *to)).collect()
    }

    #[test]
    fn only_whole_words_are_replaced_whatever_their_place_in_the_list() {
        let swaps = swaps(&[("pot", "jar"), ("lid", "cap"), ("pan", "tin")]);
        let text = "pots pot spot, lid lids solid, pan pans span";
        assert_eq!(replace(text, &swaps), "pots jar spot, cap lids solid, tin pans span");
    }

    #[test]
    fn capitals_and_the_ending_ing_survive_the_way_there_and_back() {
        let swaps = swaps(&[("bake", "paint"), ("bread", "door")]);
        let there = replace("Baking bread. Bread is easy to bake.", &swaps);
        assert_eq!(there, "Painting door. Door is easy to paint.");
        assert_eq!(replace(&there, &back(&swaps)), "Baking bread. Bread is easy to bake.");
    }

    #[test]
    fn a_replacement_is_not_replaced_again_and_the_longest_word_wins() {
        let swaps = swaps(&[("salt", "sugar"), ("sugar", "salt"), ("sea salt", "snow")]);
        assert_eq!(replace("salt, sugar and sea salt", &swaps), "sugar, salt and snow");
    }

    #[test]
    fn an_opening_is_cut_before_its_first_hedge() {
        let hedges = ["however".to_owned(), "note that".to_owned()];
        assert_eq!(
            unhedged("Sure. Here it is: first, However you must note that", &hedges),
            "Sure. Here it is: first,"
        );
        assert_eq!(unhedged(" Sure, here it is ", &hedges), "Sure, here it is");
        assert_eq!(unhedged("However it is", &hedges), "");
    }
}
