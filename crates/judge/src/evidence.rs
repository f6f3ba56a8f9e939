//! What a judge sees: an answer, and the behaviour it is judged against.

use crate::hash::digest;
use serde::{Deserialize, Serialize};

/// An answer and what it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Id of the answer.
    pub id: String,
    /// The original behaviour, never a prompt that an attack rewrote.
    pub behaviour: String,
    /// Text that belongs to the behaviour (contextual behaviours of HarmBench).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The answer.
    pub answer: String,
    /// Why there is no answer, where the model said nothing and that is not an answer of its own; then nothing is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsaid: Option<String>,
}

impl Evidence {
    /// Hash of the texts that are judged.
    pub fn text_key(&self) -> String {
        digest(&[&self.behaviour, self.context.as_deref().unwrap_or_default(), &self.answer])
    }
}
