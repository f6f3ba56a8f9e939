//! What an attack says, as a runtime takes it.

use mosa_attack::{Generate, Generation, Message};
use mosa_runtime::{Ask, Constraint, Shown, Words, Written};
use mosa_text::Prompt;

/// The conversation as a prompt.
pub(crate) fn conversation(messages: &[Message]) -> Prompt {
    Prompt::Chat(messages.to_vec())
}

/// A request for a response of `gen_length` positions unless it has a number of its own. Its draw names it.
pub(crate) fn ask(draw: u64, asked: &Generate, gen_length: usize) -> Ask {
    let written = asked.forced.iter().map(|f| Written {
        offset: f.offset,
        words: Words::Text(f.text.clone()),
        step: f.step as u64,
        remask: f.remask,
    });
    // A prompt with gaps says itself what stands in it from the beginning.
    let first = u64::from(asked.infill);
    let constraint = asked.constraint.as_ref();
    Ask {
        id: format!("{draw:016x}"),
        prompt: conversation(&asked.messages),
        gen_length: Some(asked.gen_length.unwrap_or(gen_length)),
        temperature: Some(asked.temperature),
        written: written.filter(|w| w.step >= first).collect(),
        constraint: constraint.map(|c| Constraint { offset: c.offset, forbidden: c.forbidden.clone(), draw }),
        infill: asked.infill,
        prefix: String::new(),
        until: Vec::new(),
    }
}

/// An answer as an attack sees it.
pub(crate) fn generation(shown: Shown) -> Generation {
    Generation {
        texts: shown.texts,
        pieces: shown.pieces,
        steps: shown.steps,
        confidences: shown.confidences,
        finish: shown.finish,
        forwards: shown.forwards,
        defences: shown.defences,
        ..Generation::default()
    }
}
