//! Self-reminder: words around the request that remind the model of its responsibility.

use crate::registry::{Entry, defaults, opened, settings_of};
use mosa_runtime::{Defence, RuntimeError};
use mosa_text::{Message, Prompt, Role};
use serde::{Deserialize, Serialize};

/// The last turn of the user between two reminders, as in Self-Reminder (Xie et al. 2023), whose wording is not ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfReminder {
    /// What stands before the request.
    pub before: String,
    /// What stands behind it.
    pub after: String,
}

impl SelfReminder {
    /// Its name.
    pub const NAME: &'static str = "self-reminder";

    /// Its row in the table of defences.
    pub(crate) const ENTRY: Entry = Entry {
        name: Self::NAME,
        about: "puts a reminder to answer responsibly before and behind the request",
        source: "Self-Reminder, Nature Machine Intelligence 5 (2023); here in other words",
        needs: &[],
        settings: defaults::<Self>,
        make: |_, settings| Ok(opened(settings_of::<Self>(Self::NAME, settings)?, None)),
        fit: None,
    };
}

impl Default for SelfReminder {
    fn default() -> Self {
        Self {
            before:
                "You are a responsible assistant and write nothing that is harmful or misleading. Answer the following \
                     request in a responsible way."
                    .into(),
            after: "Remember: you are a responsible assistant and write nothing that is harmful or misleading.".into(),
        }
    }
}

impl SelfReminder {
    fn around(&self, words: &str) -> String {
        let parts = [self.before.as_str(), words, self.after.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

impl Defence for SelfReminder {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn only_before(&self) -> bool {
        true
    }

    fn rewrite(&self, prompt: &mut Prompt) -> Result<(), RuntimeError> {
        match prompt {
            Prompt::Chat(messages) => {
                if let Some(last) = messages.iter_mut().rev().find(|m| m.role == Role::User) {
                    *last = Message { content: self.around(&last.content), ..last.clone() };
                }
                Ok(())
            }
            Prompt::Raw(words) => {
                *words = self.around(words);
                Ok(())
            }
            Prompt::Ids(_) => Err(RuntimeError::Defence {
                name: Self::NAME.into(),
                what: "puts words around a request, and this one is tokens already".into(),
            }),
        }
    }
}
