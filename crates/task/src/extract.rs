//! How what counts is found in an answer.

use crate::spec::{End, Otherwise, Strip};
use regex::Regex;

/// A step that was checked.
#[derive(Debug)]
pub(crate) enum Extract {
    Regex { regex: Regex, take: End, otherwise: Otherwise },
    Before(String),
    Remove(Regex),
    Strip(Strip),
    Option { options: Vec<String>, patterns: Vec<Regex> },
}

impl Extract {
    /// The text behind this step; none if there is nothing of what it looks for.
    fn apply(&self, text: String) -> Option<String> {
        match self {
            Self::Regex { regex, take, otherwise } => match (found(regex, *take, &text), otherwise) {
                (Some(found), _) => Some(found),
                (None, Otherwise::Nothing) => None,
                (None, Otherwise::Keep) => Some(text),
            },
            Self::Before(mark) => Some(text.split_once(mark).map(|(before, _)| before.to_owned()).unwrap_or(text)),
            Self::Remove(regex) => Some(regex.replace_all(&text, "").into_owned()),
            Self::Strip(Strip::Both) => Some(text.trim_matches(is_blank).to_owned()),
            Self::Strip(Strip::Start) => Some(text.trim_start_matches(is_blank).to_owned()),
            Self::Strip(Strip::End) => Some(text.trim_end_matches(is_blank).to_owned()),
            Self::Option { options, patterns } => option(options, patterns, &text),
        }
    }
}

/// What the steps leave of an answer.
pub(crate) fn extract(steps: &[Extract], answer: &str) -> Option<String> {
    steps.iter().try_fold(answer.to_owned(), |text, step| step.apply(text))
}

/// What Python's `str.strip` takes for a blank: white space, and the separators of ASCII.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// The group of a match; of several groups the first with something in it. With one group, nothing in it is an answer.
fn found(regex: &Regex, take: End, text: &str) -> Option<String> {
    let mut all = regex.captures_iter(text);
    let captures = match take {
        End::First => all.next(),
        End::Last => all.last(),
    }?;
    let mut groups = captures.iter().skip(1).map(|group| group.map_or("", |g| g.as_str()));
    let held = if captures.len() == 2 { groups.next() } else { groups.find(|g| !g.is_empty()) };
    held.map(str::to_owned)
}

/// The first option that one of the patterns, in their order, leads to.
fn option(options: &[String], patterns: &[Regex], text: &str) -> Option<String> {
    let text = text.trim_matches(is_blank);
    patterns.iter().find_map(|pattern| {
        let captures = pattern.captures(text)?;
        let group = captures.get(1).filter(|g| !g.is_empty()).or(captures.get(0))?;
        options.iter().find(|o| group.as_str().contains(o.as_str())).cloned()
    })
}
