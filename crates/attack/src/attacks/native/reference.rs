//! The whole answer an attack works with.

use crate::{Case, Cx, Stop};
use mosa_world::{Item, Procedure};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Where a whole answer that complies comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The data: [`Case::answer`].
    #[default]
    Data,
    /// The data, else what the embedded world says about the item of the request.
    World,
}

/// A whole answer, or what stands in for it.
pub(super) struct Found {
    pub(super) text: String,
    /// `answer`, `procedure` (the world's), or `target` where there is no whole answer.
    pub(super) from: &'static str,
    /// Its tokens.
    pub(super) tokens: usize,
}

impl Reference {
    /// The whole answer to a case. Without one the data's beginning of an answer stands in, and the record says so.
    ///
    /// # Errors
    /// [`Stop`] if the target cannot tokenise it.
    pub(super) fn of(self, case: &Case, cx: &Cx<'_>) -> Result<Found, Stop> {
        let procedure = || match self {
            Self::Data => None,
            Self::World => Item::mentioned_in(&case.goal()).map(|item| Procedure::of(item).answer()),
        };
        let whole = case.answer.clone().map(|text| (text, "answer"));
        let whole = whole.or_else(|| procedure().map(|text| (text, "procedure")));
        let (text, from) = whole.unwrap_or_else(|| (case.target(), "target"));
        let tokens = cx.tokens(&text)?.len();
        cx.note("reference", "reference", json!({ "from": from, "whole": from != "target", "tokens": tokens }));
        Ok(Found { text, from, tokens })
    }
}

impl Found {
    /// The longest beginning of whole words that has at most so many tokens.
    ///
    /// # Errors
    /// [`Stop`] if the target cannot tokenise it.
    pub(super) fn cut(&self, most: usize, cx: &Cx<'_>) -> Result<String, Stop> {
        let mut words: Vec<&str> = self.text.split_inclusive(char::is_whitespace).collect();
        // No word is less than a token.
        words.truncate(most);
        loop {
            let text = words.concat().trim_end().to_owned();
            if words.len() <= 1 || cx.tokens(&text)?.len() <= most {
                return Ok(text);
            }
            words.pop();
        }
    }
}
