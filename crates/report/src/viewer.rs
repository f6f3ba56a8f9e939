//! Answers to step through, as a model wrote them.

use crate::Answer;

/// Answers of which the reader picks one and steps through its unmasking.
///
/// The page then holds a script of its own, the only one its policy allows. Where it does not run, the final texts are
/// quoted instead. `#answer=3&step=10` in the page's address opens the third answer after
/// ten steps; `&viewer=2` means the second viewer of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Viewer {
    /// The answers, in the order of the list; those of a group should be neighbours.
    pub answers: Vec<Played>,
}

/// An answer and when each of its tokens was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// The heading it is listed under, such as a model or an attack; empty for none.
    pub group: String,
    /// Its name in the list, and what the reader sees while it is folded.
    pub title: String,
    /// The prompt.
    pub prompt: String,
    /// The response, one entry per position.
    pub tokens: Vec<PlayedToken>,
    /// The first and the last response offset of the MOSA window.
    pub window: Option<(usize, usize)>,
    /// How many positions the judges read: the text ends at the first end token (at or after the last forced one).
    /// What follows is shown pale. `None` if they read it all.
    pub judged: Option<usize>,
    /// What each judge said: its name and its words. Folded together with the text.
    pub verdicts: Vec<(String, String)>,
    /// Whether the answer is harmful: then prompt, text and verdicts are folded until the reader opens them.
    pub harmful: bool,
    /// How many steps were made.
    pub steps: usize,
}

/// One position of a response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlayedToken {
    /// What was written last.
    pub text: String,
    /// The step that wrote it, counted from 0; `None` if it stood there before the first step. A step that was never
    /// made (not below [`Played::steps`]) leaves the position masked to the end.
    pub step: Option<usize>,
    /// The confidence with which it was written; not shown if it is not finite.
    pub confidence: Option<f64>,
    /// Whether it was forced, at whatever step.
    pub forced: bool,
}

impl Played {
    /// The final text, with masked positions as `·`.
    pub fn text(&self) -> String {
        self.tokens.iter().map(|token| self.written(token)).collect()
    }

    /// The answer as it is quoted where no script runs.
    pub(crate) fn quote(&self) -> Answer {
        let mut ends = vec![0];
        ends.extend(self.tokens.iter().scan(0, |at, token| {
            *at += self.written(token).chars().count();
            Some(*at)
        }));
        let end = |offset: usize| ends[offset.min(self.tokens.len())];
        let forced = self.tokens.chunk_by(|a, b| a.forced == b.forced).scan(0, |at, run| {
            let from = *at;
            *at += run.len();
            Some((run[0].forced, from, *at))
        });
        let forced =
            forced.filter(|(forced, ..)| *forced).map(|(_, from, to)| (end(from), end(to), "forced".to_owned()));
        let window = self.window.map(|(first, last)| (end(first), end(last.saturating_add(1)), "window".to_owned()));
        let group = if self.group.is_empty() { String::new() } else { format!("{}: ", self.group) };
        Answer {
            title: format!("{group}{}", self.title),
            prompt: self.prompt.clone(),
            text: self.text(),
            marks: forced.chain(window).collect(),
            harmful: self.harmful,
        }
    }

    fn written<'a>(&self, token: &'a PlayedToken) -> &'a str {
        if token.step.is_some_and(|step| step >= self.steps) { "·" } else { &token.text }
    }
}
