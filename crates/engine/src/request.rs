//! What is asked of the engine, and what it answers.

use crate::{EngineError, Intervention, Options, Trace};
use mosa_core::{Canvas, TokenId, sample_key};
use mosa_model::ModelSpec;

/// One prompt to answer.
pub struct Request {
    /// Names the request in messages; its hash is the key of every random draw.
    pub id: String,
    /// Prompt tokens; masks among them are revealed like any other.
    pub prompt: Vec<TokenId>,
    /// (response offset, token) written before the first step.
    pub forced: Vec<(usize, TokenId)>,
    /// Attacks, then defences, then probes: applied in this order.
    pub interventions: Vec<Box<dyn Intervention>>,
}

impl Request {
    /// A plain prompt.
    pub fn new(id: impl Into<String>, prompt: Vec<TokenId>) -> Self {
        Self { id: id.into(), prompt, forced: Vec::new(), interventions: Vec::new() }
    }

    /// The same prompt with tokens forced at response offsets.
    pub fn with_forced(self, forced: impl IntoIterator<Item = (usize, TokenId)>) -> Self {
        Self { forced: forced.into_iter().collect(), ..self }
    }

    /// The same prompt under a stack of interventions.
    pub fn with_interventions(self, interventions: Vec<Box<dyn Intervention>>) -> Self {
        Self { interventions, ..self }
    }

    /// Refuses a request that cannot be decoded with these options: an empty or too long prompt, unknown ids, forced
    /// tokens outside the response.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub fn check(&self, options: &Options, spec: &ModelSpec) -> Result<(), EngineError> {
        self.canvas(options, spec).map(|_| ())
    }

    pub(crate) fn sample(&self) -> u64 {
        sample_key(&self.id)
    }

    /// The canvas at the beginning, forced tokens written.
    pub(crate) fn canvas(&self, options: &Options, spec: &ModelSpec) -> Result<Canvas, EngineError> {
        let wrong = |what: String| EngineError::Request { id: self.id.clone(), what };
        let (len, gen_length) = (self.prompt.len(), options.gen_length);
        if len == 0 {
            return Err(wrong("the prompt is empty".into()));
        }
        if len + gen_length > spec.max_length {
            return Err(wrong(format!(
                "{len} tokens plus gen-length {gen_length} exceed the model's context of {}",
                spec.max_length
            )));
        }
        let tokens = self.prompt.iter().chain(self.forced.iter().map(|(_, t)| t));
        if let Some(bad) = tokens.copied().find(|&t| t as usize >= spec.vocab) {
            return Err(wrong(format!("token {bad} is outside the vocabulary of {}", spec.vocab)));
        }
        let mut canvas = Canvas::new(&self.prompt, gen_length, spec.mask);
        for &(offset, token) in &self.forced {
            if offset >= gen_length {
                return Err(wrong(format!(
                    "a token is forced at response offset {offset}, but the response has {gen_length} positions"
                )));
            }
            canvas.force(len + offset, token)?;
        }
        Ok(canvas)
    }
}

/// Why a row ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The response holds an end token.
    End,
    /// The response is full and holds none.
    Length,
    /// An intervention stopped it.
    Stopped(String),
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The request's id.
    pub id: String,
    /// The response region; with [`Options::stop_at_end`] only up to the end token.
    pub ids: Vec<TokenId>,
    /// Why it ended.
    pub finish: Finish,
    /// Model calls.
    pub forwards: usize,
    /// What happened when.
    pub trace: Trace,
}
