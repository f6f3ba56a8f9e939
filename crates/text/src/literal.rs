//! Text that means itself: the string of a special token in it is words, not the token.

use crate::TextModel;
use mosa_core::TokenId;

/// Stands where a text is cut before it is tokenised, so that no token reaches over it. A noncharacter of Unicode: no text
/// that people exchange holds it.
pub(crate) const CUT: char = '\u{FDD0}';

impl TextModel {
    /// The same text, such that the tokeniser makes words of every string in it that would be a special token: a user who
    /// writes `<|eot_id|>` writes about it. Where there is none, the text is as it was.
    pub fn literal(&self, text: &str) -> String {
        let controls = self.controls();
        let mut out = String::with_capacity(text.len());
        for (at, c) in text.char_indices().filter(|(_, c)| *c != CUT) {
            out.push(c);
            if controls.iter().any(|control| text[at..].starts_with(control.as_str())) {
                out.push(CUT);
            }
        }
        out
    }

    /// The strings of the tokens that mean something; one of a single character cannot be cut.
    fn controls(&self) -> Vec<String> {
        let special = &self.special;
        let own: Vec<TokenId> = special.ends().into_iter().chain([special.mask, special.pad]).collect();
        self.tokenizer.controls(&own).into_iter().filter(|token| token.chars().nth(1).is_some()).collect()
    }
}
