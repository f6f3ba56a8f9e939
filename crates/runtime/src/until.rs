//! Texts that end an answer.

use mosa_core::{Canvas, TokenId};
use mosa_engine::{EngineError, Flow, Intervention, Step};
use mosa_text::{Specials, TextModel};
use std::sync::Arc;

/// Ends a row once one of its texts stands in the answer with nothing masked before its end. What stands there then can
/// no longer change, so the answer up to the text is the one it would have been; it only watches.
pub(crate) struct Until {
    text: Arc<TextModel>,
    texts: Vec<String>,
    /// What was looked at: the answer up to its first mask.
    seen: Vec<TokenId>,
}

impl Until {
    /// None where there is no text to wait for. An empty one is in every answer, so it stops nothing.
    pub(crate) fn new(text: &Arc<TextModel>, texts: &[String]) -> Option<Self> {
        let texts: Vec<String> = texts.iter().filter(|t| !t.is_empty()).cloned().collect();
        (!texts.is_empty()).then(|| Self { text: Arc::clone(text), texts, seen: Vec::new() })
    }

    /// Looks only where something has changed; an answer ends at its first end token.
    fn found(&mut self, canvas: &Canvas) -> Result<bool, EngineError> {
        let ends = self.text.special.ends();
        let settled = |t: &&TokenId| **t != canvas.mask() && !ends.contains(t);
        let seen: Vec<TokenId> = canvas.response().iter().take_while(settled).copied().collect();
        if seen == self.seen {
            return Ok(false);
        }
        self.seen = seen;
        let failed =
            |e: mosa_text::TextError| EngineError::Intervention { name: self.name().into(), what: e.to_string() };
        let said = self.text.tokenizer.decode(&self.seen, Specials::Skip).map_err(failed)?;
        Ok(self.texts.iter().any(|text| said.contains(text.as_str())))
    }
}

impl Intervention for Until {
    fn name(&self) -> &str {
        "until"
    }

    fn wants_logits(&self) -> bool {
        false
    }

    fn only_watches(&self) -> bool {
        true
    }

    fn is_over(&mut self, _: Step, canvas: &Canvas) -> Result<bool, EngineError> {
        self.found(canvas)
    }

    /// Behind interventions that may have taken something back.
    fn after_block(&mut self, _: Step, canvas: &mut Canvas) -> Result<Flow, EngineError> {
        Ok(if self.found(canvas)? { Flow::Stop } else { Flow::Continue })
    }
}
