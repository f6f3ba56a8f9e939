//! What an attack says, as a runtime takes it.

use mosa_attack::{Forced, Generate, Generation, Message};
use mosa_runtime::{Ask, Constraint, RuntimeError, Shown, Words, Written, words_at};
use mosa_text::{Prompt, TextModel};

/// The conversation as a prompt.
pub(crate) fn conversation(messages: &[Message]) -> Prompt {
    Prompt::Chat(messages.to_vec())
}

/// A request for a response of `gen_length` positions unless it has a number of its own. Its draw names it.
///
/// # Errors
/// [`RuntimeError`] if words of which only some tokens are written cannot be tokenised.
pub(crate) fn ask(text: &TextModel, draw: u64, asked: &Generate, gen_length: usize) -> Result<Ask, RuntimeError> {
    let mut written = Vec::new();
    for forced in &asked.forced {
        written.extend(self::written(text, forced)?);
    }
    // A prompt with gaps says itself what stands in it from the beginning.
    let first = u64::from(asked.infill);
    let constraint = asked.constraint.as_ref();
    Ok(Ask {
        id: format!("{draw:016x}"),
        prompt: conversation(&asked.messages),
        gen_length: Some(asked.gen_length.unwrap_or(gen_length)),
        temperature: Some(asked.temperature),
        written: written.into_iter().filter(|w| w.step >= first).collect(),
        constraint: constraint.map(|c| Constraint { offset: c.offset, forbidden: c.forbidden.clone(), draw }),
        infill: asked.infill,
        prefix: String::new(),
        until: Vec::new(),
    })
}

/// Words as they are written: as a whole, or those of their tokens that are asked for one by one. Only the first of
/// these masks again what was revealed.
fn written(text: &TextModel, forced: &Forced) -> Result<Vec<Written>, RuntimeError> {
    let Forced { offset, step, remask, .. } = *forced;
    let at = |offset, words, remask| Written { offset, words, step: step as u64, remask };
    if forced.only.is_empty() {
        return Ok(vec![at(offset, Words::Text(forced.text.clone()), remask)]);
    }
    let tokens = words_at(text, offset, &forced.text)?;
    let token = |at: usize| tokens.get(at.checked_sub(offset)?).copied();
    let kept = forced.only.iter().filter_map(|&at| Some((at, token(at)?))).enumerate();
    Ok(kept.map(|(i, (place, token))| at(place, Words::Tokens(vec![token]), remask && i == 0)).collect())
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
