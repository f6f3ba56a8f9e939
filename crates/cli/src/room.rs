//! The room a model's context leaves for prompts.

use anyhow::{Result, bail};
use std::collections::HashSet;

/// What prompts have to share a context with.
pub(crate) struct Room<'a> {
    /// Where the prompts come from.
    pub source: &'a str,
    /// What says how long the response is, and its length.
    pub response: (&'a str, usize),
    /// Tokens of the model's context.
    pub context: usize,
}

impl Room<'_> {
    /// Refuses prompts (id, tokens) that are too long, all of them at once and before anything is computed.
    pub(crate) fn holds<'p>(&self, prompts: impl IntoIterator<Item = (&'p str, usize)>) -> Result<()> {
        let (flag, length) = self.response;
        let (mut ids, mut named) = (HashSet::new(), HashSet::new());
        let mut long: Vec<String> = Vec::new();
        for (id, tokens) in prompts {
            ids.insert(id);
            if tokens + length > self.context && named.insert(id) {
                long.push(format!("{id} ({tokens} tokens)"));
            }
        }
        if long.is_empty() {
            return Ok(());
        }
        let are = if long.len() == 1 { "prompt is" } else { "prompts are" };
        bail!(
            "{}: {} of {} {are} too long: with {flag} {length} they exceed the model's context of {}: {}; shorten them \
             or leave them out, or lower {flag}",
            self.source,
            long.len(),
            ids.len(),
            self.context,
            long.join(", ")
        )
    }
}
