//! A judge's prompt: a file of sections, and how evidence is put into it.

use crate::hash::{digest, sha256};
use crate::{Evidence, Provenance};
use mosa_client::{Message, Role};

/// Digits of a fence; an answer that holds its own fence would be a fixed point of sha256 cut to 96 bits.
const FENCE: usize = 24;

/// A prompt file with the sections `== system`, `== user`, `== context` and `== again`.
///
/// `{{behaviour}}`, `{{context}}`, `{{answer}}` and `{{fence}}` are replaced, once: what they bring in is not searched
/// again. The fence is a code made from the texts between it, so a text cannot close its own fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    file: &'static str,
}

impl Template {
    pub(crate) const fn new(file: &'static str) -> Self {
        Self { file }
    }

    /// sha256 of the file.
    pub(crate) fn sha256(self) -> String {
        sha256(self.file)
    }

    pub(crate) fn provenance(self) -> Provenance {
        Provenance::of(Some(self.sha256()))
    }

    /// The conversation that asks for a grade.
    pub(crate) fn messages(self, evidence: &Evidence) -> Vec<Message> {
        let texts = [&*evidence.behaviour, evidence.context.as_deref().unwrap_or_default(), &*evidence.answer];
        let fence = &digest(&texts)[..FENCE];
        let plain = |key: &str| match key {
            "behaviour" => Some(texts[0].to_owned()),
            "context" => Some(texts[1].to_owned()),
            "answer" => Some(texts[2].to_owned()),
            "fence" => Some(fence.to_owned()),
            _ => None,
        };
        let context = if texts[1].is_empty() { String::new() } else { fill(self.section("context"), plain) };
        let user = fill(self.section("user"), |key| if key == "context" { Some(context.clone()) } else { plain(key) });
        vec![Message::new(Role::System, fill(self.section("system"), plain)), Message::new(Role::User, user)]
    }

    /// What to say when a reply cannot be read.
    pub(crate) fn again(self) -> &'static str {
        self.section("again")
    }

    fn section(self, name: &str) -> &'static str {
        let mut sections = self.file.split("== ").filter_map(|s| s.split_once('\n'));
        sections.find(|(title, _)| *title == name).map_or("", |(_, text)| text.trim())
    }
}

/// Replaces every `{{key}}` that has a value, in one pass.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}").and_then(|(key, tail)| Some((value(key)?, tail))) {
            Some((value, tail)) => {
                filled.push_str(&value);
                rest = tail;
            }
            None => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled + rest
}
