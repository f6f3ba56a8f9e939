//! HarmBench's optimizer targets.

use crate::by_id::ById;
use crate::{Behaviour, DataError};
use std::collections::HashMap;
use std::path::Path;

/// Gives every behaviour its target from the JSON object in `file` (`{"<BehaviorID>": "Sure, ..."}`); says how many.
pub(crate) fn join(file: &Path, behaviours: &mut [Behaviour]) -> Result<String, DataError> {
    let bytes = std::fs::read(file).map_err(|e| DataError::file(file, e))?;
    let targets: ById<String> = serde_json::from_str(mosa_text::text_of_bytes(file, &bytes)?)
        .map_err(|e| DataError::malformed(file, format!("not a JSON object of targets by BehaviorID: {e}")))?;
    let mut by_id: HashMap<String, String> = targets.0.into_iter().collect();
    let mut joined = 0;
    for behaviour in behaviours.iter_mut() {
        if let Some(target) = by_id.remove(&behaviour.id) {
            behaviour.target = Some(target);
            joined += 1;
        }
    }
    match joined {
        0 => Err(DataError::malformed(
            file,
            "no target for any behaviour of the benchmark; the two belong to different sets",
        )),
        n => Ok(format!("targets of {n} of {} behaviours joined by BehaviorID", behaviours.len())),
    }
}
