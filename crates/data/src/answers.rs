//! Whole answers that comply, from a file beside the benchmark.

use crate::by_id::ById;
use crate::{Behaviour, DataError};
use std::collections::HashMap;
use std::path::Path;

/// Gives every behaviour its whole answer from the JSON object in `file` (`{"<id>": "..."}`, the ids those of the
/// benchmark); says how many.
///
/// # Errors
/// [`DataError`] if the file cannot be read, is no such object, or has an answer for none of the behaviours.
pub fn join_answers(file: &Path, behaviours: &mut [Behaviour]) -> Result<String, DataError> {
    let bytes = std::fs::read(file).map_err(|e| DataError::file(file, e))?;
    let answers: ById<String> = serde_json::from_str(mosa_text::text_of_bytes(file, &bytes)?)
        .map_err(|e| DataError::malformed(file, format!("not a JSON object of answers by behaviour id: {e}")))?;
    let mut by_id: HashMap<String, String> = answers.0.into_iter().filter(|(_, a)| !a.trim().is_empty()).collect();
    let mut joined = 0;
    for behaviour in behaviours.iter_mut() {
        if let Some(answer) = by_id.remove(&behaviour.id) {
            behaviour.answer = Some(answer);
            joined += 1;
        }
    }
    match joined {
        0 => Err(DataError::malformed(file, "no answer for any behaviour of the benchmark; the keys are their ids")),
        n => Ok(format!("whole answers of {n} of {} behaviours joined by id", behaviours.len())),
    }
}
