//! The room a model's context leaves for prompts.

use anyhow::{Result, bail};
use std::collections::HashSet;

/// What prompts have to share a context with.
pub(crate) struct Room<'a> {
    /// Where the prompts come from.
    pub source: &'a str,
    /// The setting that says how long the response is; none where that is not known yet.
    pub setting: Option<&'a str>,
    /// Response positions.
    pub response: usize,
    /// Tokens of the model's context.
    pub context: usize,
}

impl Room<'_> {
    /// Refuses prompts (id, tokens) that are too long, all of them at once and before anything is computed.
    pub(crate) fn holds<'p>(&self, prompts: impl IntoIterator<Item = (&'p str, usize)>) -> Result<()> {
        let (mut ids, mut named) = (HashSet::new(), HashSet::new());
        let mut long: Vec<String> = Vec::new();
        for (id, tokens) in prompts {
            ids.insert(id);
            if tokens + self.response > self.context && named.insert(id) {
                long.push(format!("{id} ({tokens} tokens)"));
            }
        }
        if long.is_empty() {
            return Ok(());
        }
        let are = if long.len() == 1 { "prompt is" } else { "prompts are" };
        let (with, lower) = match self.setting {
            Some(name) => (format!("with {name} {} ", self.response), format!(", or lower {name}")),
            None => (String::new(), String::new()),
        };
        bail!(
            "{}: {} of {} {are} too long: {with}they exceed the model's context of {}: {}; shorten them or leave them \
             out{lower}",
            self.source,
            long.len(),
            ids.len(),
            self.context,
            long.join(", ")
        )
    }
}
