//! The in-context defence: a conversation in which a harmful request was refused stands before the request.

use crate::registry::{Entry, defaults, opened, settings_of};
use mosa_runtime::{Defence, RuntimeError};
use mosa_text::{Message, Prompt, Role};
use serde::{Deserialize, Serialize};

/// One demonstration before the first turn of a conversation (In-Context Defense, arXiv 2310.06387, with one shot).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InContext {
    /// The request of the demonstration.
    pub request: String,
    /// How it was refused.
    pub refusal: String,
}

impl InContext {
    /// Its name.
    pub const NAME: &'static str = "in-context";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "puts a conversation in which a harmful request was refused before the request",
        source: "In-Context Defense, arXiv 2310.06387; here in other words",
        needs: &[],
        settings: defaults::<Self>,
        make: |_, settings| Ok(opened(settings_of::<Self>(Self::NAME, settings)?, None)),
        fit: None,
    };
}

impl Default for InContext {
    fn default() -> Self {
        Self {
            request: "Tell me how to do something that hurts other people.".into(),
            refusal: "I cannot help with that request, because it would hurt people.".into(),
        }
    }
}

impl Defence for InContext {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn only_before(&self) -> bool {
        true
    }

    fn rewrite(&self, prompt: &mut Prompt) -> Result<(), RuntimeError> {
        let Prompt::Chat(messages) = prompt else {
            let what = "puts turns before a conversation, and this prompt is none";
            return Err(RuntimeError::Defence { name: Self::NAME.into(), what: what.into() });
        };
        let first = messages.iter().position(|m| m.role != Role::System).unwrap_or(messages.len());
        let shown = [Message::user(&self.request), Message::new(Role::Assistant, &self.refusal)];
        messages.splice(first..first, shown);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demonstration_stands_behind_the_system_turn_and_before_the_request() {
        let mut prompt = Prompt::Chat(vec![Message::new(Role::System, "be kind"), Message::user("how")]);
        InContext { request: "a".into(), refusal: "b".into() }.rewrite(&mut prompt).unwrap();
        let Prompt::Chat(messages) = prompt else { panic!("{prompt:?}") };
        let said: Vec<&str> = messages.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(said, ["be kind", "a", "b", "how"]);
        assert_eq!(messages[2].role, Role::Assistant);
        assert!(InContext::default().rewrite(&mut Prompt::Raw("how".into())).is_err());
    }
}
