//! A request in words or tokens.

use mosa_core::TokenId;
use mosa_text::Prompt;

/// What a model is asked, before anything of it is a canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Names the request in messages; its hash is the key of every random draw of its decode, so the company it is decoded in
    /// changes nothing.
    pub id: String,
    /// What is asked.
    pub prompt: Prompt,
    /// Response positions; with [`Ask::infill`] those behind the prompt. The sampler is stretched to it: as many positions per
    /// step. Absent: the sampler as it is.
    pub gen_length: Option<usize>,
    /// Sampling temperature; the sampler's own if absent.
    pub temperature: Option<f64>,
    /// Words at the end of the prompt, which the answer goes on from: behind a conversation they begin its next turn.
    pub prefix: String,
    /// Texts that end the answer: it is decoded no further once one of them stands in it with nothing masked before its
    /// end. The answer is not cut there.
    pub until: Vec<String>,
    /// What is written into the response from outside.
    pub written: Vec<Written>,
    /// How the response must not go on somewhere.
    pub constraint: Option<Constraint>,
    /// Masks inside the prompt are revealed, one per step: the mask token, or `<mask:N>` for N of them.
    pub infill: bool,
}

impl Ask {
    /// A plain request.
    pub fn new(id: impl Into<String>, prompt: Prompt) -> Self {
        Self {
            id: id.into(),
            prompt,
            gen_length: None,
            temperature: None,
            prefix: String::new(),
            until: Vec::new(),
            written: Vec::new(),
            constraint: None,
            infill: false,
        }
    }
}

/// Words that are written into a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Response offset of the first token.
    pub offset: usize,
    /// The words.
    pub words: Words,
    /// When they are written.
    pub when: When,
    /// Whether everything else that was revealed until then is masked again. An answer that is complete before their
    /// time is taken back by them at once; without it words that come too late are an error.
    pub remask: bool,
}

/// When words are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before this step; 0: they stand there from the beginning.
    Step(u64),
    /// As soon as the sampler has revealed so many of the positions they would stand at, and only there: the first so
    /// many, by step, then by probability. Needs no step number, so that it comes whatever a defence does to the order.
    Revealed(usize),
}

/// Words, or the tokens they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// Words; behind others they begin with a space.
    Text(String),
    /// Tokens.
    Tokens(Vec<TokenId>),
}

/// The response from `offset` on must not begin with any of these words, whatever white space stands before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Response offset.
    pub offset: usize,
    /// Beginnings that are not allowed.
    pub forbidden: Vec<String>,
    /// Key of the draws by which the first tokens are chosen.
    pub draw: u64,
}
