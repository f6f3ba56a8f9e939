//! What is asked of the engine, and what it answers.

use crate::{EngineError, Intervention, Options, Trace};
use mosa_core::{Canvas, TokenId, sample_key};
use mosa_model::ModelSpec;

/// One prompt to answer.
pub struct Request {
    /// Names the request in messages; its hash is the key of every random draw.
    pub id: String,
    /// How it is decoded.
    pub options: Options,
    /// Prompt tokens; without [`Request::with_infill`] none of them is the mask.
    pub prompt: Vec<TokenId>,
    /// Whether masks in the prompt are gaps to fill.
    pub infill: bool,
    /// (response offset, token) written before the first step.
    pub forced: Vec<(usize, TokenId)>,
    /// Attacks, then defences, then probes: applied in this order.
    pub interventions: Vec<Box<dyn Intervention>>,
}

impl Request {
    /// A plain prompt.
    pub fn new(id: impl Into<String>, prompt: Vec<TokenId>, options: &Options) -> Self {
        Self {
            id: id.into(),
            options: options.clone(),
            prompt,
            infill: false,
            forced: Vec::new(),
            interventions: Vec::new(),
        }
    }

    /// The same prompt with other options.
    pub fn with_options(self, options: &Options) -> Self {
        Self { options: options.clone(), ..self }
    }

    /// The same prompt, whose masks are gaps that are revealed like the response; [`Answer::prompt`] is the prompt with
    /// them filled.
    pub fn with_infill(self) -> Self {
        Self { infill: true, ..self }
    }

    /// The same prompt with tokens forced at response offsets.
    pub fn with_forced(self, forced: impl IntoIterator<Item = (usize, TokenId)>) -> Self {
        Self { forced: forced.into_iter().collect(), ..self }
    }

    /// The same prompt under a stack of interventions.
    pub fn with_interventions(self, interventions: Vec<Box<dyn Intervention>>) -> Self {
        Self { interventions, ..self }
    }

    /// Refuses a request that cannot be decoded with its options: an empty or too long prompt, unknown ids, masks that
    /// nobody asked to fill, forced tokens outside the response or that are masks.
    ///
    /// # Errors
    /// [`EngineError::Request`], [`EngineError::NoRoom`].
    pub fn check(&self, spec: &ModelSpec) -> Result<(), EngineError> {
        self.canvas(spec).map(|_| ())
    }

    pub(crate) fn sample(&self) -> u64 {
        sample_key(&self.id)
    }

    /// The canvas at the beginning, forced tokens written.
    pub(crate) fn canvas(&self, spec: &ModelSpec) -> Result<Canvas, EngineError> {
        let wrong = |what: String| EngineError::Request { id: self.id.clone(), what };
        let (len, gen_length) = (self.prompt.len(), self.options.gen_length);
        if len == 0 {
            return Err(wrong("the prompt is empty".into()));
        }
        let on_canvas = self.options.response_on_canvas(len);
        if len.saturating_add(on_canvas) > spec.max_length {
            let (id, context) = (self.id.clone(), spec.max_length);
            return Err(EngineError::NoRoom { id, tokens: len, gen_length, on_canvas, context });
        }
        let tokens = self.prompt.iter().chain(self.forced.iter().map(|(_, t)| t));
        if let Some(bad) = tokens.copied().find(|&t| t as usize >= spec.vocab) {
            return Err(wrong(format!("token {bad} is outside the vocabulary of {}", spec.vocab)));
        }
        if let Some(at) = self.prompt.iter().position(|&t| t == spec.mask && !self.infill) {
            return Err(wrong(format!(
                "token {at} of the prompt is the mask token {}, a gap that the model would fill; leave it out, or ask for \
                 infilling (mosa generate --infill) if that is meant",
                spec.mask
            )));
        }
        let mut canvas = Canvas::new(&self.prompt, on_canvas, spec.mask);
        for &(offset, token) in &self.forced {
            if offset >= gen_length {
                return Err(wrong(format!(
                    "a token is forced at response offset {offset}, but the response has {gen_length} positions"
                )));
            }
            if token == spec.mask {
                return Err(wrong(format!(
                    "the mask token is forced at response offset {offset}; a position that is to be revealed needs no force"
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
    /// An intervention stopped it; what was masked then, and all behind it, is not part of the answer.
    Stopped(String),
    /// Positions were masked again and again until the steps were over; what stands before the first of them is the answer.
    Unfinished {
        /// Positions still masked.
        masks: usize,
    },
}

impl Finish {
    /// `stop`, `length`, `unfinished`, or the name of what stopped the row.
    pub fn name(&self) -> &str {
        match self {
            Self::End => "stop",
            Self::Length => "length",
            Self::Stopped(by) => by,
            Self::Unfinished { .. } => "unfinished",
        }
    }
}

/// The answer to one request. It holds no mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The request's id.
    pub id: String,
    /// The response region; with [`Options::stop_at_end`] only up to the end token, and never beyond a position that is
    /// still masked.
    pub ids: Vec<TokenId>,
    /// The prompt with its gaps filled, where infilling was asked for.
    pub prompt: Option<Vec<TokenId>>,
    /// Why it ended.
    pub finish: Finish,
    /// Steps that looked at logits: model calls, but for those of `ahead`.
    pub forwards: usize,
    /// How many of them found their logits computed beside an earlier pass: a guess was right, and no pass was made.
    pub ahead: usize,
    /// What happened when.
    pub trace: Trace,
}
