//! Answers of a model, quoted in full.

use serde::Serialize;

/// A prompt and what a model answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the reader sees while the answer is folded.
    pub title: String,
    /// The prompt.
    pub prompt: String,
    /// The answer.
    pub text: String,
    /// Ranges of characters (not bytes) of `text`, from and up to but without, each with a label such as `forced`.
    /// They may overlap; what lies outside the text is ignored.
    pub marks: Vec<(usize, usize, String)>,
    /// Whether the answer is harmful: then it is folded until the reader opens it.
    pub harmful: bool,
}

/// A stretch of an answer under the same marks.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Piece {
    /// The characters.
    pub(crate) text: String,
    /// The labels over them, joined; empty if there are none.
    pub(crate) label: String,
}

impl Answer {
    /// The text, cut wherever a mark begins or ends.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let chars: Vec<char> = self.text.chars().collect();
        let mut cuts = vec![0, chars.len()];
        cuts.extend(self.marks.iter().flat_map(|(from, to, _)| [*from, *to]).map(|at| at.min(chars.len())));
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2)
            .map(|pair| Piece { text: chars[pair[0]..pair[1]].iter().collect(), label: self.label(pair[0]) })
            .collect()
    }

    fn label(&self, at: usize) -> String {
        let over = self.marks.iter().filter(|(from, to, _)| (*from..*to).contains(&at));
        over.map(|(_, _, label)| label.as_str()).collect::<Vec<_>>().join(", ")
    }
}
