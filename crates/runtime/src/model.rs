//! What a runtime owns.

use mosa_model::{Adapted, Adapter, WhiteBoxModel};
use mosa_text::TextModel;
use std::sync::Arc;

/// A model, the adapter it is used with, and its words. It lives on the thread of its [`crate::Runtime`].
pub struct Model {
    /// The weights.
    pub weights: Box<dyn WhiteBoxModel + Send>,
    /// The adapter, if there is one.
    pub adapter: Option<Adapter>,
    /// Tokeniser, chat template, special ids; whoever asks has them too.
    pub text: Arc<TextModel>,
}

impl Model {
    /// `weights` with `adapter`.
    pub fn new(weights: impl WhiteBoxModel + Send + 'static, adapter: Option<Adapter>, text: TextModel) -> Self {
        Self { weights: Box::new(weights), adapter, text: Arc::new(text) }
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
