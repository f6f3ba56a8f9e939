//! What an attack says, as a runtime takes it.

use mosa_attack::{Forced, Generate, Generation, Message};
use mosa_runtime::{Ask, Constraint, Shown, When, Words, Written};
use mosa_text::Prompt;

/// The conversation as a prompt.
pub(crate) fn conversation(messages: &[Message]) -> Prompt {
    Prompt::Chat(messages.to_vec())
}

/// A request for a response of `gen_length` positions unless it has a number of its own. Its draw names it.
pub(crate) fn ask(draw: u64, asked: &Generate, gen_length: usize) -> Ask {
    // A prompt with gaps says itself what stands in it from the beginning.
    let comes = |written: &Written| !asked.infill || written.when != When::Step(0);
    let constraint = asked.constraint.as_ref();
    Ask {
        id: format!("{draw:016x}"),
        prompt: conversation(&asked.messages),
        gen_length: Some(asked.gen_length.unwrap_or(gen_length)),
        temperature: Some(asked.temperature),
        written: asked.forced.iter().map(written).filter(comes).collect(),
        constraint: constraint.map(|c| Constraint { offset: c.offset, forbidden: c.forbidden.clone(), draw }),
        infill: asked.infill,
        prefix: String::new(),
        until: Vec::new(),
    }
}

fn written(forced: &Forced) -> Written {
    let when = forced.revealed.map_or(When::Step(forced.step as u64), When::Revealed);
    Written { offset: forced.offset, words: Words::Text(forced.text.clone()), when, remask: forced.remask }
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
