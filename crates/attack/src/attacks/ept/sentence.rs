//! The sentence an answer goes on with.

use crate::{Generation, phrases};

/// The first sentence behind a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sentence {
    /// White space between the path and the sentence.
    pub(super) gap: String,
    /// The sentence.
    pub(super) text: String,
    /// Whether the end of the response cuts it off.
    pub(super) truncated: bool,
}

/// What `answer` says first from `slot` on, where `path` ends; nothing if it says nothing there.
pub(super) fn first(answer: &Generation, slot: usize, path: &str) -> Option<Sentence> {
    let tail = behind(answer, slot, path);
    let body = tail.trim_start();
    let (end, whole) = end_of_sentence(body);
    let text = body[..end].trim_end();
    if !text.contains(char::is_alphanumeric) {
        return None;
    }
    let gap = &tail[..tail.len() - body.len()];
    let gap = if gap.is_empty() && answer.pieces.is_empty() && !path.is_empty() { " " } else { gap };
    Some(Sentence { gap: gap.to_owned(), text: text.to_owned(), truncated: !whole && answer.finish == "length" })
}

/// The text behind the path, up to the end of the answer.
fn behind(answer: &Generation, slot: usize, path: &str) -> String {
    let visible = answer.text();
    if answer.pieces.is_empty() {
        let own = answer.texts.without_forced.as_deref();
        return match visible.find(path).map(|at| &visible[at + path.len()..]) {
            Some(rest) => rest.to_owned(),
            None => own.unwrap_or(visible).to_owned(),
        };
    }
    // The visible text ends before the end token, whose piece it therefore does not end with.
    let (mut text, mut longest) = (String::new(), 0);
    for piece in answer.pieces.iter().skip(slot) {
        text.push_str(piece);
        if visible.trim_end().ends_with(text.trim_end()) {
            longest = text.len();
        }
    }
    text.truncate(longest);
    text
}

/// Where the first sentence ends, and whether its end is there. What has no letters (the "1." of a list, a dot
/// left over) belongs to the next.
fn end_of_sentence(body: &str) -> (usize, bool) {
    let phrases::Sentence { text: sentence, whole } = phrases::first_sentence(body);
    let end = sentence.len();
    let rest = &body[end..];
    if sentence.chars().any(char::is_alphabetic) || rest.trim().is_empty() {
        return (end, whole);
    }
    let next = phrases::first_sentence(rest);
    (end + (rest.len() - rest.trim_start().len()) + next.text.len(), next.whole)
}
