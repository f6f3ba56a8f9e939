//! What a defence says that answers itself, and the request it answers.

use mosa_text::{Prompt, Role};

/// A refusal in words, unless a setting says it otherwise.
pub(crate) const REFUSAL: &str = "I cannot help with that request.";

/// The words of a request: the last turn of the user in a conversation. None where it is tokens already.
pub(crate) fn request(prompt: &Prompt) -> Option<String> {
    match prompt {
        Prompt::Chat(messages) => Some(messages.iter().rev().find(|m| m.role == Role::User)?.content.clone()),
        Prompt::Raw(words) => Some(words.clone()),
        Prompt::Ids(_) => None,
    }
}
