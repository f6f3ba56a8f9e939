//! What a runtime owns.

use mosa_model::{Adapted, Adapter, WhiteBoxModel};
use mosa_text::TextModel;
use std::sync::Arc;

/// A model, the adapter it is used with, and its words. It lives on the thread of its [`crate::Runtime`]; weights may be shared
/// with others.
pub struct Model {
    /// The weights.
    pub weights: Arc<dyn WhiteBoxModel + Send + Sync>,
    /// The adapter, if there is one.
    pub adapter: Option<Adapter>,
    /// Tokeniser, chat template, special ids; whoever asks has them too.
    pub text: Arc<TextModel>,
}

impl Model {
    /// `weights` with `adapter`.
    pub fn new(weights: impl WhiteBoxModel + Send + Sync + 'static, adapter: Option<Adapter>, text: TextModel) -> Self {
        Self { weights: Arc::new(weights), adapter, text: Arc::new(text) }
    }

    /// The same weights and words, held once, with another adapter or none: a model for another thread.
    #[must_use]
    pub fn shared(&self, adapter: Option<Adapter>) -> Self {
        Self { weights: Arc::clone(&self.weights), adapter, text: Arc::clone(&self.text) }
    }

    /// Weights and adapter as the engine takes them.
    pub fn subject(&self) -> Adapted<'_> {
        self.white_box().black_box()
    }

    /// Weights and adapter for what looks inside.
    pub fn white_box(&self) -> Adapted<'_, dyn WhiteBoxModel + '_> {
        Adapted { model: &*self.weights, adapter: self.adapter.as_ref() }
    }
}
